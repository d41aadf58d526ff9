"""Compiled: neurons of an irregular layer grouped so that a group hears few sources.

`grow_blocks` fills block after block with the neuron that brings the fewest new sources.
`swap_neurons` then exchanges neurons between blocks as long as the blocks hear fewer sources.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import allocating_kernel, kernel
from neurosim_mapper._random_kernel import below, next_random

_I64 = npt.NDArray[np.int64]
_I32 = npt.NDArray[np.int32]
_START = np.uint64(0x9E3779B97F4A7C15)  # mixed into the seed: many bits set from the start


@allocating_kernel
def grow_blocks(
    offset: _I64,
    source: _I32,
    back_offset: _I64,
    back: _I32,
    most_neurons: int,
    most_axons: int,
    block: _I32,
) -> int:
    """Assign every neuron to a block; returns the number of blocks.

    Parameters
    ----------
    offset, source : distinct sources of each neuron.
    back_offset, back : neurons that hear each source.
    most_neurons, most_axons : limits of a block; a neuron alone may break the second.
    block : (n_neurons,) -1 everywhere; filled in place.
    """
    n, n_sources = block.size, back_offset.size - 1
    heard = np.full(n_sources, -1, np.int32)  # last block that hears the source
    shared = np.zeros(n, np.int32)  # sources that the open block hears already
    touched = np.empty(n, np.int32)
    n_blocks, first_free, n_touched = 0, 0, 0
    while True:
        seed = _best(touched, n_touched, shared, block, offset, False)
        for k in range(n_touched):
            shared[touched[k]] = 0
        n_touched = 0
        if seed < 0:
            while first_free < n and block[first_free] >= 0:
                first_free += 1
            if first_free == n:
                return n_blocks
            seed = first_free
        size, axons, neuron = 0, 0, seed
        while neuron >= 0:
            new = offset[neuron + 1] - offset[neuron] - shared[neuron]
            if size == most_neurons or (size > 0 and axons + new > most_axons):
                break
            block[neuron] = n_blocks
            size += 1
            axons += new
            for e in range(offset[neuron], offset[neuron + 1]):
                s = source[e]
                if heard[s] != n_blocks:
                    heard[s] = n_blocks
                    for f in range(back_offset[s], back_offset[s + 1]):
                        other = back[f]
                        if block[other] < 0:
                            if shared[other] == 0:
                                touched[n_touched] = other
                                n_touched += 1
                            shared[other] += 1
            n_touched = _compact(touched, n_touched, block)
            neuron = _best(touched, n_touched, shared, block, offset, True)
            if neuron < 0 and size < most_neurons:
                while first_free < n and block[first_free] >= 0:
                    first_free += 1
                neuron = first_free if first_free < n else -1
        n_blocks += 1


@kernel
def _compact(touched: _I32, n_touched: int, block: _I32) -> int:
    """Drop neurons that have a block by now, order kept; returns how many are left."""
    kept = 0
    for k in range(n_touched):
        if block[touched[k]] < 0:
            touched[kept] = touched[k]
            kept += 1
    return kept


@kernel
def _best(
    touched: _I32, n_touched: int, shared: _I32, block: _I32, offset: _I64, fewest_new: bool
) -> Any:
    """The free neuron with the fewest new sources (or the most shared ones), -1 without any."""
    best, best_value = -1, np.int64(0)
    for k in range(n_touched):
        i = touched[k]
        if block[i] >= 0:
            continue
        value = np.int64(shared[i])
        if fewest_new:
            value -= offset[i + 1] - offset[i]
        if best < 0 or value > best_value or (value == best_value and i < best):
            best, best_value = i, value
    return best


@allocating_kernel
def swap_neurons(
    offset: _I64,
    source: _I32,
    back_offset: _I64,
    back: _I32,
    block: _I32,
    member: _I32,
    member_offset: _I64,
    count: npt.NDArray[np.int16],
    n_tries: int,
    seed: int,
) -> None:
    """Exchange neurons of two blocks where both together then hear no more sources.

    Parameters
    ----------
    block, member, member_offset : block of each neuron, and neurons of each block, in place.
    count : (n_blocks, n_sources) neurons of a block that hear a source, in place.
    seed : of the random proposals.
    """
    n = block.size
    state = np.uint64(seed) ^ _START
    place = np.empty(n, np.int64)
    for k in range(n):
        place[member[k]] = k
    for _ in range(n_tries):
        state = next_random(state)
        i = below(state, n)
        if offset[i + 1] == offset[i]:
            continue
        state = next_random(state)
        draw = np.int64(state >> np.uint64(33))
        s = source[offset[i] + draw % (offset[i + 1] - offset[i])]
        near = back[back_offset[s] + (draw >> 7) % (back_offset[s + 1] - back_offset[s])]
        a, b = block[i], block[near]
        if a == b:
            continue
        size = member_offset[b + 1] - member_offset[b]
        j = member[member_offset[b] + (draw >> 11) % size]
        change = _put(i, a, -1, offset, source, count) + _put(j, b, -1, offset, source, count)
        change += _put(i, b, 1, offset, source, count) + _put(j, a, 1, offset, source, count)
        if change > 0:
            _put(i, b, -1, offset, source, count)
            _put(j, a, -1, offset, source, count)
            _put(i, a, 1, offset, source, count)
            _put(j, b, 1, offset, source, count)
        else:
            block[i], block[j] = b, a
            member[place[i]], member[place[j]] = j, i
            place[i], place[j] = place[j], place[i]


@kernel
def _put(
    neuron: Any, to: Any, sign: int, offset: _I64, source: _I32, count: npt.NDArray[np.int16]
) -> int:
    """Add (+1) or take (-1) a neuron; returns how many more sources the block hears."""
    change = 0
    for e in range(offset[neuron], offset[neuron + 1]):
        before = count[to, source[e]]
        count[to, source[e]] = before + sign
        if sign > 0 and before == 0:
            change += 1
        if sign < 0 and before == 1:
            change -= 1
    return change
