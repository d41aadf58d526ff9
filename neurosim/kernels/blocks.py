"""Cores with dense blocks: what arrives waits at its place, then each core adds its rows together.

Active axons are taken two by two and neurons 32 by 32, whose sums stay in registers while pair
after pair is added; a block is read from front to back. So a core that hears from all its axons
works like a matrix product, and an axon without an event still costs nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.bits import count_bits, lowest_bit, without_lowest
from neurosim.kernels.fanout import EVENTS, MACS, OPS
from neurosim.kernels.pairs import LANES, add_pairs
from neurosim.kernels.rows import add_block

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_PAIRS_KEPT = 16  # pairs of rows that all neurons add before the next ones: 8 KB of 256 weights


@kernel
def integrate_blocks(
    blocks: Any, synapses: Any, inbox: Any, shares: Any, acc: I32, counts: I32, worker: int
) -> None:
    """Add what has arrived at the places of this worker's cores, of all workers, and count it."""
    word, neuron_offset = blocks.word, synapses.neuron_offset
    rows, factors, pairs = inbox.row[worker], inbox.factor[worker], inbox.pair[worker]
    for core in range(shares.first_core[worker], shares.first_core[worker + 1]):
        if word[core] == word[core + 1]:
            continue
        first = neuron_offset[core]
        width = neuron_offset[core + 1] - first
        n = _list_rows(blocks, synapses, inbox, core, width, rows, factors, counts)
        if n == 0:
            continue
        done = np.int64(0)
        if _make_pairs(factors, n, rows, pairs):
            done = _add_lanes(synapses.dense, rows, pairs, (n + 1) // 2, width, acc, first)
        if done < width:
            for k in range(n):
                add_block(
                    synapses.dense, rows[k] + done, factors[k], acc, first + done, width - done
                )


@kernel
def _list_rows(
    blocks: Any,
    synapses: Any,
    inbox: Any,
    core: int,
    width: int,
    rows: I64,
    factors: I32,
    counts: I32,
) -> int:
    """List rows and values of the active axons of a core, clear their bits, count what they do."""
    connected, analog = synapses.axon_synapses, synapses.axon_is_analog
    begin, base, n = blocks.word[core], blocks.first[core], np.int64(0)
    ops, macs = np.int64(0), np.int64(0)
    for w in range(inbox.bits.shape[0]):
        words, values = inbox.bits[w], inbox.value[w]
        for at in range(begin, blocks.word[core + 1]):
            bits = words[at]
            if bits == 0:
                continue
            words[at] = 0
            local, place = 64 * (at - begin), 64 * at
            axon = blocks.axon[core] + local
            for _ in range(count_bits(bits)):
                j = lowest_bit(bits)
                bits = without_lowest(bits)
                rows[n] = base + (local + j) * width
                factors[n] = values[place + j]
                n += 1
                synapses_here = np.int64(connected[axon + j])
                is_analog = np.int64(analog[axon + j])
                macs += synapses_here * is_analog
                ops += synapses_here * (1 - is_analog)
    counts[EVENTS, core] += n
    counts[MACS, core] += macs
    counts[OPS, core] += ops
    return n


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
