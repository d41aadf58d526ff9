"""Cores that share a dense block and hear much of a pulled layer: some of them at a time.

They are multiplied as a matrix: (cores, axons) values times (axons, neurons) weights. So a part of
the block stays in the innermost cache while all of a batch read it.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.bits import prefetch
from neurosim.kernels.copies import copy_run
from neurosim.kernels.fanout import EVENTS, MACS, OPS
from neurosim.kernels.products import COLUMNS, CORES, multiply_four
from neurosim.kernels.pulls import DENSE, whole_run
from neurosim.kernels.rows import hand_on

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_PER_LINE: Final = 16  # sums in a cache line
BATCH: Final = 16
"""Cores of a batch: 8 KB of values of 256 axons each, half of the innermost cache with a part of
the weights."""


@kernel
def multiply_blocks(
    blocks: Any,
    products: Any,
    synapses: Any,
    groups: Any,
    inbox: Any,
    pulls: Any,
    history: Any,
    shares: Any,
    acc: I32,
    counts: I32,
    merge: bool,
    worker: int,
    tick: int,
    span: int,
) -> None:
    """Add what this worker's cores of `products` hear from dense layers, and count it."""
    order, listed = blocks.order, inbox.batch[worker]
    low, high = shares.first_core[worker], shares.first_core[worker + 1]
    n = np.int64(0)
    for k in range(np.uint64(order.size)):
        core = order[k]
        if core < low or core >= high:
            continue
        run = dense_run(products, pulls, history, blocks, core, tick, span)
        if run < 0:
            continue
        if n == BATCH or (n > 0 and products.block[core] != products.block[listed[0]]):
            _multiply_batch(
                products, synapses, groups, inbox, blocks, shares, acc, worker, n, tick, span
            )
            n = np.int64(0)
        slot = (tick - pulls.delay[run]) % history.pulled.shape[0]
        if k + np.uint64(1) < np.uint64(order.size):
            _ask_for(products, history.value[slot], order[k + np.uint64(1)])
        once = merge and pulls.is_analog[run] == 0
        _hear(products, history.value[slot], inbox.heard[worker, n], core, once)
        kind = MACS if pulls.is_analog[run] else OPS
        _count(products, inbox.heard[worker, n], counts, core, kind)
        ask_for_sums(blocks, synapses, groups, acc, core)
        listed[n] = core
        n += 1
    if n > 0:
        _multiply_batch(
            products, synapses, groups, inbox, blocks, shares, acc, worker, n, tick, span
        )


@kernel
def dense_run(
    products: Any, pulls: Any, history: Any, blocks: Any, core: int, tick: int, span: int
) -> int:
    """The run of a core that `multiply_blocks` has done in this tick; else -1."""
    if products.block[core] < 0:
        return np.int64(-1)
    run = whole_run(pulls, history, blocks, core, tick, span)
    if run < 0:
        return np.int64(-1)
    slot = (tick - pulls.delay[run]) % history.pulled.shape[0]
    return run if history.pulled[slot, pulls.layer[run]] == DENSE else np.int64(-1)


@kernel
def hands_on(groups: Any, shares: Any, group: int, worker: int, tick: int, span: int) -> bool:
    """Whether the sums of a core whose only group is this one go to another core of the worker."""
    if group < 0:
        return False
    target, first_tick = groups.psum_target[group], groups.first_tick[group]
    mine = shares.first_neuron[worker] <= target < shares.first_neuron[worker + 1]
    return mine and first_tick <= tick < first_tick + span


@kernel
def ask_for_sums(blocks: Any, synapses: Any, groups: Any, acc: I32, core: int) -> None:
    """Ask for what the sums of a core will be added to: its own neurons or those it sums for."""
    offset, group = synapses.neuron_offset, blocks.psum[core]
    first = groups.psum_target[group] if group >= 0 else offset[core]
    for k in range(0, offset[core + 1] - offset[core], _PER_LINE):
        prefetch(acc, first + k)


@kernel
def _ask_for(products: Any, values: I16, core: int) -> None:
    """Ask for what a core hears: together they exceed the caches."""
    for run in range(products.run_offset[core], products.run_offset[core + 1]):
        prefetch(values, np.int64(products.place[run]))


@kernel
def _hear(products: Any, values: I16, heard: I16, core: int, once: bool) -> None:
    """Fetch what the rows of a core hear."""
    n = np.int64(0)
    for run in range(products.run_offset[core], products.run_offset[core + 1]):
        size = np.int64(products.size[run])
        copy_run(values, np.int64(products.place[run]), size, heard, n)
        n += size
    if n & 1:
        heard[n] = 0
    if once:
        for k in range(np.uint64(n)):
            heard[k] = np.int16(heard[k] != 0)


@kernel
def _count(products: Any, heard: I16, counts: I32, core: int, kind: int) -> None:
    """Count the rows that hear something, and their synapses."""
    block = products.block[core]
    first, stop = products.row_offset[block], products.row_offset[block + 1]
    connected, row = products.connected, np.uint64(first)
    events, n_synapses = np.int32(0), np.int32(0)
    for k in range(np.uint64(stop - first)):
        some = np.int32(heard[k] != 0)
        events += some
        n_synapses += np.int32(connected[row + np.uint64(k)]) & -some
    counts[EVENTS, core] += events
    counts[kind, core] += n_synapses


@kernel
def _multiply_batch(
    products: Any,
    synapses: Any,
    groups: Any,
    inbox: Any,
    blocks: Any,
    shares: Any,
    acc: I32,
    worker: int,
    n: int,
    tick: int,
    span: int,
) -> None:
    """Multiply what the first `n` cores of the batch hear, and add it to sums, or hand it on."""
    listed, heard, sums = inbox.batch[worker], inbox.heard[worker], inbox.product[worker]
    core, offset = listed[0], synapses.neuron_offset
    width, block = offset[core + 1] - offset[core], products.block[core]
    first = products.part_offset[block]
    for part in range(first, products.part_offset[block + 1]):
        column = COLUMNS * (part - first)
        for row in range(0, n, CORES):
            multiply_four(products.weight, products.half, part, heard, row, sums, column)
    for row in range(n):
        core = listed[row]
        group = blocks.psum[core]
        if hands_on(groups, shares, group, worker, tick, span):
            target = groups.psum_target[group]
            inbox.passed[group] = 1 + hand_on(sums[row], np.int64(0), width, acc, target)
        else:
            hand_on(sums[row], np.int64(0), width, acc, offset[core])
