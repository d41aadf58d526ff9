"""Cores with dense blocks: what arrives waits at its place, then each core adds its rows together.

A core that hears from all its axons works like a matrix product, and an axon without an event
still costs nothing. Cores that share a block follow each other. The rows of a core are listed, and
the first of them asked for, before those of the core in front of it are added.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.batches import ask_for_sums, dense_run, hands_on, multiply_blocks
from neurosim.kernels.bits import lowest_bit, prefetch, without_lowest
from neurosim.kernels.block_sums import AHEAD, add_rows, ask_for_four
from neurosim.kernels.fanout import EVENTS, MACS, OPS
from neurosim.kernels.pulls import list_run, pull_places, whole_run
from neurosim.kernels.rows import add_runs, hand_on
from neurosim.kernels.shared_kernels import add_kernels, hand_on_sums

I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_PER_LINE: Final = 16  # numbers of 32 bits in a cache line
_FEW: Final = 16  # neurons per event from which on events of kernels go straight to them


@kernel
def integrate_blocks(
    blocks: Any,
    products: Any,
    shared: Any,
    synapses: Any,
    groups: Any,
    inbox: Any,
    pulls: Any,
    history: Any,
    shares: Any,
    acc: I32,
    counts: I32,
    merge: bool,
    zeros: bool,
    worker: int,
    tick: int,
    span: int,
) -> None:
    """Add what has arrived at the places of this worker's cores, of all workers, and count it.

    What pulled layers have for a core is fetched just before, while its places are in the caches.
    `zeros`: a value of 0 is an event, too.
    """
    order, pulling = blocks.order, history.pulled.any()
    low, high = shares.first_core[worker], shares.first_core[worker + 1]
    waiting, n_waiting, side = np.int64(0), np.int64(0), np.int64(0)
    if pulling and products.weight.size > 0:
        multiply_blocks(
            blocks, products, synapses, groups, inbox, pulls, history, shares, acc, counts, merge,
            worker, tick, span,
        )  # fmt: skip
    for k in range(order.size + 1):
        core, n = np.int64(0), np.int64(0)
        if k < order.size:
            core = order[k]
            if core < low or core >= high:
                continue
            if pulling and dense_run(products, pulls, history, blocks, core, tick, span) >= 0:
                continue
            n = _list_core(
                blocks, shared, synapses, groups, inbox, pulls, history, acc, counts, merge, zeros,
                pulling, worker, core, k, side, tick, span,
            )  # fmt: skip
            if n == 0:
                continue
        if n_waiting > 0:
            _add_core(
                blocks, shared, synapses, groups, inbox, shares, acc, worker, waiting, n_waiting,
                1 - side, tick, span,
            )  # fmt: skip
        waiting, n_waiting, side = core, n, 1 - side


@inlined
def _list_core(
    blocks: Any,
    shared: Any,
    synapses: Any,
    groups: Any,
    inbox: Any,
    pulls: Any,
    history: Any,
    acc: I32,
    counts: I32,
    merge: bool,
    zeros: bool,
    pulling: bool,
    worker: int,
    core: int,
    k: int,
    side: int,
    tick: int,
    span: int,
) -> int:
    """List the rows (or axons of kernels) of core `k` in order on this side; returns how many."""
    neuron_offset, plan = synapses.neuron_offset, shared.plan[core]
    width = neuron_offset[core + 1] - neuron_offset[core]
    row, step = blocks.first[core], width
    if plan >= 0:
        row, step = shared.axon_offset[plan], np.int64(1)
    run = whole_run(pulls, history, blocks, core, tick, span) if pulling else np.int64(-1)
    if run >= 0:
        slot = (tick - pulls.delay[run]) % history.pulled.shape[0]
        ask_for_sums(blocks, synapses, groups, acc, core)
        _ask_for_next(pulls, history.value[slot], blocks.order, k)
        once = merge and pulls.is_analog[run] == 0
        n = _list_pulled(
            pulls, history, blocks, synapses, inbox, worker, run, core, row, step, side, once,
            counts, tick,
        )  # fmt: skip
    else:
        if pulling:
            places, bits = inbox.value[worker], inbox.bits[worker]
            pull_places(pulls, history, blocks, places, bits, core, merge, tick, span)
        n = _list_rows(blocks, synapses, inbox, worker, core, row, step, side, counts, zeros)
    if plan < 0:
        _ask_for_first(synapses.dense, inbox.row[worker, side], n, width)
    return n


@inlined
def _add_core(
    blocks: Any,
    shared: Any,
    synapses: Any,
    groups: Any,
    inbox: Any,
    shares: Any,
    acc: I32,
    worker: int,
    core: int,
    n: int,
    side: int,
    tick: int,
    span: int,
) -> None:
    """Add the `n` rows (or axons of kernels) listed on this side to the sums of a core.

    Those of a core that only sums for another one of this worker are handed on while they are in
    the caches.
    """
    first, group = synapses.neuron_offset[core], blocks.psum[core]
    width = synapses.neuron_offset[core + 1] - first
    is_handed_on = hands_on(groups, shares, group, worker, tick, span)
    target = groups.psum_target[group] if is_handed_on else first
    rows, factors = inbox.row[worker, side], inbox.factor[worker, side]
    sums, sent = inbox.sums[worker], np.int64(0)
    if shared.plan[core] < 0:
        whole = inbox.whole[worker]
        whole[2] = width
        add_rows(
            synapses.dense, blocks.is_small, inbox.small[worker], inbox.sign[worker],
            inbox.pair[worker], inbox.total[worker], rows, factors, n, np.int64(0), whole[0:1],
            whole[1:2], whole[2:3], np.int64(0), np.int64(1), sums if is_handed_on else acc,
            np.int64(0) if is_handed_on else first,
        )  # fmt: skip
        if is_handed_on:
            sent = hand_on(sums, np.int64(0), width, acc, target)
    elif n * _FEW <= width and not is_handed_on:
        for k in range(n):
            add_runs(shared, core, rows[k], np.int64(factors[k]), acc, first)
    else:
        add_kernels(shared, blocks.is_small, inbox, worker, side, n, core)
        sent = hand_on_sums(shared, sums, core, acc, target)
    if is_handed_on:
        inbox.passed[group] = 1 + sent


@kernel
def _list_rows(
    blocks: Any,
    synapses: Any,
    inbox: Any,
    worker: int,
    core: int,
    row: int,
    step: int,
    side: int,
    counts: I32,
    zeros: bool,
) -> int:
    """List rows and values of the active axons of a core, clear their bits, count what they do.

    The row of the first axon is `row`, that of the next one `step` further.
    """
    rows, factors = inbox.row[worker, side], inbox.factor[worker, side]
    connected, analog = synapses.axon_synapses, synapses.axon_is_analog
    begin, n = np.uint64(blocks.word[core]), np.uint64(0)
    first_axon, n_axons = np.uint64(blocks.axon[core]), np.uint64(blocks.size[core])
    n_synapses, macs = np.int64(0), np.int64(0)
    for w in range(np.uint64(inbox.bits.shape[0])):
        words, values = inbox.bits[w], inbox.value[w]
        for k in range(begin, np.uint64(blocks.word[core + 1])):
            at = np.uint64(k)
            bits = words[at]
            words[at] = 0
            local, place = np.uint64(64) * (at - begin), np.uint64(64) * at
            size, axon = min(np.uint64(64), n_axons - local), first_axon + local
            if bits == ~np.uint64(0) >> (np.uint64(64) - size) and not zeros:
                at_row = row + np.int64(local) * step
                n = _list_word(values, place, size, at_row, step, rows, factors, n)
                here, of_values = _count_word(values, place, size, axon, connected, analog)
                n_synapses += here
                macs += of_values
                continue
            while bits:
                j = np.uint64(lowest_bit(bits))
                bits = without_lowest(bits)
                rows[n] = row + np.int64(local + j) * step
                factors[n] = values[place + j]
                some = zeros or values[place + j] != 0
                n += np.uint64(some)
                here = np.int64(connected[axon + j]) & -np.int64(some)
                n_synapses += here
                macs += here & -np.int64(analog[axon + j])
    counts[EVENTS, core] += np.int64(n)
    counts[MACS, core] += macs
    counts[OPS, core] += n_synapses - macs
    return np.int64(n)


@kernel
def _list_pulled(
    pulls: Any,
    history: Any,
    blocks: Any,
    synapses: Any,
    inbox: Any,
    worker: int,
    run: int,
    core: int,
    row: int,
    step: int,
    side: int,
    once: bool,
    counts: I32,
    tick: int,
) -> int:
    """The same for a core that hears a single pulled layer with all its axons."""
    rows, factors = inbox.row[worker, side], inbox.factor[worker, side]
    slot = (tick - pulls.delay[run]) % history.pulled.shape[0]
    n, n_synapses = list_run(
        pulls.source, history.value[slot], synapses.axon_synapses, pulls.source_offset[run],
        pulls.source_offset[run + 1], blocks.alike[core], row, step, once, rows, factors,
    )  # fmt: skip
    counts[EVENTS, core] += n
    counts[MACS if pulls.is_analog[run] else OPS, core] += n_synapses
    return n


@kernel
def _ask_for_next(pulls: Any, values: I16, order: I64, k: int) -> None:
    """Ask for the sources of the next core but one, and the next one's values."""
    source, offset = pulls.source, pulls.source_offset
    if k + 2 < order.size:
        run = pulls.run_offset[order[k + 2]]
        if run + 1 < offset.size:
            for j in range(offset[run], offset[run + 1], _PER_LINE):
                prefetch(source, j)
        run = pulls.run_offset[order[k + 1]]
        if run + 1 < offset.size:
            for j in range(offset[run], offset[run + 1], 8):
                prefetch(values, np.int64(source[j]))


@kernel
def _ask_for_first(dense: npt.NDArray[Any], rows: I64, n: int, width: int) -> None:
    for k in range(0, min(n, AHEAD), 4):
        ask_for_four(dense, rows, k, np.int64(0), width)


@kernel
def _list_word(
    values: I32, place: int, size: int, row: int, width: int, rows: I64, factors: I32, n: int
) -> int:
    """List those of `size` neighbouring axons that have a value; returns the new length."""
    at = np.uint64(n)
    for k in range(place, place + size):
        value = values[k]
        rows[at] = row
        factors[at] = value
        row += width
        at += np.uint64(value != 0)
    return at


@kernel
def _count_word(
    values: I32, place: int, size: int, axon: int, connected: I32, analog: I8
) -> tuple[int, int]:
    """Synapses of those of `size` neighbouring axons that have a value: all, those of values."""
    total, of_values = np.int32(0), np.int32(0)
    for k in range(size):
        here = connected[axon + k] if values[place + k] != 0 else np.int32(0)
        total += here
        of_values += here * np.int32(analog[axon + k])
    return np.int64(total), np.int64(of_values)
