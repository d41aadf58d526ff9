"""Events of cores that keep convolution kernels: runs of weights onto runs of sums.

The events of a core are sorted by the place in the image that they come from: what its channels
have to add there goes onto the same sums, so that a run is added for all of them together, as rows
of a dense block are (`kernels.block_sums`). Sums have the channels innermost; they go to the
accumulators, in the order of the neurons, when all events are added.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.block_sums import FEW, add_rows
from neurosim.kernels.rows import add_block

I32 = npt.NDArray[np.int32]


@kernel
def add_kernels(
    shared: Any, is_small: bool, inbox: Any, worker: int, side: int, n: int, core: int
) -> None:
    """Add the `n` axons listed on this side of the inbox to ``inbox.sums[worker]``.

    `is_small`: all weights are in -127..127.
    """
    plan = shared.plan[core]
    first = shared.position_offset[plan]
    n_positions = shared.position_offset[plan + 1] - first
    begin, events, total = inbox.begin[worker], inbox.events[worker], inbox.total[worker]
    small, signs, pairs = inbox.small[worker], inbox.sign[worker], inbox.pair[worker]
    hit, times, sums = inbox.hit[worker], inbox.times[worker], inbox.sums[worker]
    weight, run_column, run_sum = shared.weight, shared.run_weight, shared.run_sum
    run_offset, run_size = shared.run_offset, shared.run_size
    _sort(shared, inbox, worker, side, n, first, n_positions)
    for at in range(n_positions):
        if events[at] == 0:
            continue
        position, k = first + at, begin[at]
        column = shared.kernel[shared.tile_offset[core] + shared.position_tile[position]]
        run, end = np.int64(run_offset[position]), np.int64(run_offset[position + 1])
        if events[at] >= FEW:
            add_rows(
                weight, is_small, small, signs, pairs, total, hit[k:], times[k:], events[at],
                column, run_column, run_sum, run_size, run, end, sums, np.int64(0),
            )  # fmt: skip
            continue
        for h in range(k, k + events[at]):
            for r in range(run, end):
                start = column + hit[h] + run_column[r]
                add_block(weight, start, times[h], sums, run_sum[r], run_size[r])


@inlined
def _sort(
    shared: Any, inbox: Any, worker: int, side: int, n: int, first: int, n_positions: int
) -> None:
    """Hits of the listed axons by position: first weight of the channel, and value.

    Behind those of a position is room to list all of them twice, and to complete four.
    """
    rows, factors = inbox.row[worker, side], inbox.factor[worker, side]
    begin, events = inbox.begin[worker], inbox.events[worker]
    hit, times = inbox.hit[worker], inbox.times[worker]
    offset, position, weight = shared.hit_offset, shared.hit_position, shared.hit_weight
    for at in range(n_positions):
        events[at] = 0
    for k in range(n):
        for h in range(offset[rows[k]], offset[rows[k] + 1]):
            events[position[h] - first] += 1
    end = np.int64(0)
    for at in range(n_positions):
        begin[at] = end
        end += 2 * events[at] + 4
        events[at] = 0
    for k in range(n):
        for h in range(offset[rows[k]], offset[rows[k] + 1]):
            at = position[h] - first
            place = begin[at] + events[at]
            hit[place], times[place] = weight[h], factors[k]
            events[at] += 1


@kernel
def hand_on_sums(shared: Any, sums: I32, core: int, acc: I32, target: int) -> int:
    """Move the sums of a core to its neurons, ``acc[target:]``; returns how many are not 0."""
    plan = shared.plan[core]
    first, base, n = np.uint64(shared.neuron_offset[plan]), np.uint64(target), np.int64(0)
    for k in range(np.uint64(shared.neuron_offset[plan + 1]) - first):
        value = sums[np.uint64(k)]
        acc[base + np.uint64(shared.neuron[first + np.uint64(k)])] += value
        sums[np.uint64(k)] = 0
        n += np.int64(value != 0)
    return n
