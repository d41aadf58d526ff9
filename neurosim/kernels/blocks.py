"""Cores with dense blocks: what arrives waits at its place, then each core adds its rows together.

Spikes: active axons are taken four by four and added in numbers twice as wide as a weight, half as
wide as a sum. Values: two by two, and neurons 32 by 32, whose sums stay in registers while pair
after pair is added. So a core that hears from all its axons works like a matrix product, and an
axon without an event still costs nothing. The rows of a core are listed, and the first of them
asked for, before those of the core in front of it are added.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.bits import lowest_bit, prefetch, without_lowest
from neurosim.kernels.fanout import EVENTS, MACS, OPS
from neurosim.kernels.pairs import LANES, add_pairs
from neurosim.kernels.rows import add_block, add_four, add_one

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_PAIRS_KEPT: Final = 16  # pairs of rows that all neurons add before the next ones: 8 KB
_FIT: Final = 256  # rows of 8-bit weights whose sum fits in 16 bits: 256 * -128 = -32768
_AHEAD: Final = 16  # rows whose cache lines are asked for before they are added
_PER_LINE: Final = 64  # weights of 8 bits in a cache line


@kernel
def integrate_blocks(
    blocks: Any, synapses: Any, inbox: Any, shares: Any, acc: I32, counts: I32, worker: int
) -> None:
    """Add what has arrived at the places of this worker's cores, of all workers, and count it."""
    word, neuron_offset, dense = blocks.word, synapses.neuron_offset, synapses.dense
    waiting, n_waiting, side = np.int64(-1), np.int64(0), 0
    for core in range(shares.first_core[worker], shares.first_core[worker + 1]):
        if word[core] == word[core + 1]:
            continue
        width = neuron_offset[core + 1] - neuron_offset[core]
        n = _list_rows(blocks, synapses, inbox, worker, core, width, side, counts)
        if n > 0:
            _add_listed(dense, neuron_offset, inbox, worker, waiting, n_waiting, 1 - side, acc)
            waiting, n_waiting, side = np.int64(core), n, 1 - side
    _add_listed(dense, neuron_offset, inbox, worker, waiting, n_waiting, 1 - side, acc)


@kernel
def _add_listed(
    dense: npt.NDArray[Any],
    neuron_offset: I64,
    inbox: Any,
    worker: int,
    core: int,
    n: int,
    side: int,
    acc: I32,
) -> None:
    """Add the `n` rows listed on this side, if any, to the sums of a core."""
    if n == 0:
        return
    rows, factors, pairs = inbox.row[worker, side], inbox.factor[worker, side], inbox.pair[worker]
    first = neuron_offset[core]
    width = neuron_offset[core + 1] - first
    other = np.int32(0)
    for k in range(np.uint64(n)):
        other |= factors[k] ^ np.int32(1)
    if other == 0:
        for begin in range(0, n, _FIT):
            stop = min(begin + _FIT, n)
            _add_spikes(dense, rows, begin, stop, width, inbox.total[worker], acc, first)
        return
    done = np.int64(0)
    if _make_pairs(factors, n, rows, pairs):
        done = _add_lanes(dense, rows, pairs, (n + 1) // 2, width, acc, first)
    if done < width:
        for k in range(n):
            add_block(dense, rows[k] + done, factors[k], acc, first + done, width - done)


@kernel
def _add_spikes(
    dense: npt.NDArray[Any],
    rows: I64,
    begin: int,
    stop: int,
    width: int,
    total: npt.NDArray[Any],
    acc: I32,
    first: int,
) -> None:
    """Rows `begin`..`stop` - 1, at most `_FIT`, four by four; `total` is 0 before and after."""
    at = np.uint64(begin)
    while at + np.uint64(4) <= np.uint64(stop):
        a, b, c, d = (
            rows[at],
            rows[at + np.uint64(1)],
            rows[at + np.uint64(2)],
            rows[at + np.uint64(3)],
        )
        ahead = at + np.uint64(_AHEAD)
        if ahead + np.uint64(4) <= np.uint64(stop):
            _ask_for_four(dense, rows, ahead, width)
        add_four(dense, a, b, c, d, total, width)
        at += np.uint64(4)
    while at < np.uint64(stop):
        add_one(dense, rows[at], total, width)
        at += np.uint64(1)
    for j in range(np.uint64(width)):
        acc[np.uint64(first) + np.uint64(j)] += np.int32(total[j])
        total[j] = 0


@kernel
def _ask_for_four(dense: npt.NDArray[Any], rows: I64, at: int, width: int) -> None:
    """Ask for the cache lines of the four rows listed from `at` on."""
    k = np.uint64(at)
    a, b, c, d = rows[k], rows[k + np.uint64(1)], rows[k + np.uint64(2)], rows[k + np.uint64(3)]
    for j in range(0, width, _PER_LINE // dense.itemsize):
        prefetch(dense, a + j)
        prefetch(dense, b + j)
        prefetch(dense, c + j)
        prefetch(dense, d + j)


@kernel
def _list_rows(
    blocks: Any,
    synapses: Any,
    inbox: Any,
    worker: int,
    core: int,
    width: int,
    side: int,
    counts: I32,
) -> int:
    """List rows and values of the active axons of a core, clear their bits, count what they do."""
    rows, factors = inbox.row[worker, side], inbox.factor[worker, side]
    connected, analog = synapses.axon_synapses, synapses.axon_is_analog
    begin, base, n = np.uint64(blocks.word[core]), blocks.first[core], np.uint64(0)
    first_axon, n_synapses, macs = np.uint64(blocks.axon[core]), np.int64(0), np.int64(0)
    for w in range(np.uint64(inbox.bits.shape[0])):
        words, values = inbox.bits[w], inbox.value[w]
        for k in range(begin, np.uint64(blocks.word[core + 1])):
            at = np.uint64(k)
            bits = words[at]
            words[at] = 0
            local, place = np.uint64(64) * (at - begin), np.uint64(64) * at
            while bits:
                j = np.uint64(lowest_bit(bits))
                bits = without_lowest(bits)
                rows[n] = base + np.int64(local + j) * width
                factors[n] = values[place + j]
                n += np.uint64(1)
                axon = first_axon + local + j
                n_synapses += connected[axon]
                macs += np.int64(connected[axon]) & -np.int64(analog[axon])
    for k in range(0, min(np.int64(n), _AHEAD), 4):
        _ask_for_four(synapses.dense, rows, k, width)
    counts[EVENTS, core] += np.int64(n)
    counts[MACS, core] += macs
    counts[OPS, core] += n_synapses - macs
    return np.int64(n)


@kernel
def _make_pairs(factors: I32, n: int, rows: I64, pairs: I32) -> bool:
    """Two values of 16 bits in one number, the last one with a 0; do all values fit?"""
    wide = np.int32(0)
    for k in range(n):
        wide |= factors[k] ^ np.int32(np.int16(factors[k]))
    factors[n], rows[n] = 0, rows[n - 1]
    for k in range((n + 1) // 2):
        low, high = np.uint32(factors[2 * k]), np.uint32(factors[2 * k + 1])
        pairs[k] = np.int32((low & np.uint32(0xFFFF)) | (high << np.uint32(16)))
    return wide == 0


@kernel
def _add_lanes(
    dense: npt.NDArray[Any], rows: I64, pairs: I32, n_pairs: int, width: int, acc: I32, first: int
) -> int:
    """Pairs of rows onto as many neurons as whole vectors hold; returns how many."""
    stop = width // LANES * LANES
    for begin in range(0, n_pairs if stop else 0, _PAIRS_KEPT):
        end = min(begin + _PAIRS_KEPT, n_pairs)
        for j in range(0, stop, LANES):
            add_pairs(dense, rows, pairs, begin, end, j, acc, first + j)
    return stop
