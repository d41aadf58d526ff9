"""Rows of synapses added to accumulators: dense blocks, sparse rows and runs of kernels.

Indices are unsigned: one that might be negative would cost a comparison per synapse, and the
vector unit. No slices are taken: their reference counts cost more than a short row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel


@kernel
def add_block(
    dense: npt.NDArray[Any],
    row: int,
    value: int,
    acc: npt.NDArray[np.int32],
    first: int,
    size: int,
) -> None:
    """``acc[first : first + size] += value * dense[row : row + size]``, vectorised."""
    a, b = np.uint64(row), np.uint64(first)
    if value == 1:
        for j in range(np.uint64(size)):
            acc[b + np.uint64(j)] += np.int32(dense[a + np.uint64(j)])
    else:
        factor = np.int32(value)
        for j in range(np.uint64(size)):
            product = np.int32(factor * np.int32(dense[a + np.uint64(j)]))
            acc[b + np.uint64(j)] += product


@kernel
def add_row(
    target: npt.NDArray[Any],
    weight: npt.NDArray[Any],
    start: int,
    stop: int,
    value: int,
    acc: npt.NDArray[np.int32],
    first: int,
) -> None:
    """``acc[first + target] += value * weight`` for the synapses `start`..`stop` - 1."""
    base = np.uint64(first)
    if value == 1:
        for e in range(np.uint64(start), np.uint64(stop)):
            acc[base + np.uint64(target[e])] += np.int32(weight[e])
    else:
        factor = np.int32(value)
        for e in range(np.uint64(start), np.uint64(stop)):
            acc[base + np.uint64(target[e])] += np.int32(factor * np.int32(weight[e]))


@kernel
def add_runs(
    shared: Any, core: int, row: int, value: int, acc: npt.NDArray[np.int32], first: int
) -> None:
    """One event of a core that keeps kernels, straight to its neurons from ``acc[first]`` on.

    `row` of its axon in ``shared.hit_offset``.
    """
    weight, factor = shared.weight, np.int32(value)
    neuron, base = shared.neuron, np.uint64(first)
    skip = shared.neuron_offset[shared.plan[core]]
    for h in range(shared.hit_offset[row], shared.hit_offset[row + 1]):
        position = shared.hit_position[h]
        tile = shared.tile_offset[core] + shared.position_tile[position]
        start = shared.kernel[tile] + shared.hit_weight[h]
        for run in range(shared.run_offset[position], shared.run_offset[position + 1]):
            a, b = np.uint64(start + shared.run_weight[run]), np.uint64(skip + shared.run_sum[run])
            for k in range(np.uint64(shared.run_size[run])):
                product = np.int32(factor * np.int32(weight[a + np.uint64(k)]))
                acc[base + np.uint64(neuron[b + np.uint64(k)])] += product


@kernel
def add_four(
    dense: npt.NDArray[Any],
    a: int,
    b: int,
    c: int,
    d: int,
    sums: npt.NDArray[Any],
    size: int,
) -> None:
    """Add the four rows that begin at `a`..`d` to ``sums[:size]``, vectorised."""
    a, b, c, d = np.uint64(a), np.uint64(b), np.uint64(c), np.uint64(d)
    for k in range(np.uint64(size)):
        j = np.uint64(k)
        sums[j] = sums[j] + dense[a + j] + dense[b + j] + dense[c + j] + dense[d + j]


@kernel
def add_one(dense: npt.NDArray[Any], a: int, sums: npt.NDArray[Any], size: int) -> None:
    """Add the row that begins at `a` to ``sums[:size]``, vectorised."""
    a = np.uint64(a)
    for k in range(np.uint64(size)):
        j = np.uint64(k)
        sums[j] = sums[j] + dense[a + j]


@kernel
def hand_on(
    sums: npt.NDArray[np.int32], start: int, stop: int, acc: npt.NDArray[np.int32], target: int
) -> int:
    """Move ``sums[start:stop]`` to what begins at ``acc[target]``; returns how many were not 0."""
    n, a, b = np.int32(0), np.uint64(start), np.uint64(target)
    for k in range(np.uint64(stop - start)):
        value = sums[a + np.uint64(k)]
        n += np.int32(value != 0)
        acc[b + np.uint64(k)] += value
        sums[a + np.uint64(k)] = 0
    return np.int64(n)
