"""Crossbar rows of the active axons of a core, summed into the drive of its neurons.

Three ways, all exact. Few axons: every row masks the weights of its type, 16 neurons at a time, in
sums of 16 bits. Many axons: rows of one type are counted, seven at a time by full adders (a
population count along the axons), and each count is multiplied by the neuron's weight. Stochastic
synapses: one by one, each with its own draw.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.bits import list_bits, prefetch
from neurosim.kernels.vectors import add_bits, sum_word
from neurosim.soma.truenorth import N_TYPES, draw, passes

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_MOST: Final = 255  # of a byte counter
_AT_ONCE: Final = 7  # rows added by full adders
_FEWEST: Final = 8
_PER_TYPE: Final = 26


def many_axons(n_types: int) -> int:
    """Active axons of so many types from which counting is quicker than masking.

    Measured for 256 neurons: masking takes 10.5 ns per row and 25 ns, counting 8.2 ns per row,
    60 ns per type and 40 ns, so they meet at 33 rows of one type and at 111 of four.
    """
    return _FEWEST + _PER_TYPE * n_types


@inlined
def list_active(bits: U64, slot: int, first: int, stop: int, active: I32) -> int:
    """Collect and clear the axon bits of this tick; returns how many axons are active.

    `first`..`stop` are the words of the core in a slot. `active` has room for `AT_LEAST` more.
    """
    n, at = np.int64(0), np.uint64(slot)
    for k in range(np.uint64(first), np.uint64(stop)):
        word = np.uint64(0)
        for w in range(np.uint64(bits.shape[0])):
            word |= bits[w, at, k]
            bits[w, at, k] = np.uint64(0)
        n = list_bits(word, (np.int64(k) - first) << 6, active, n)
    return n


@inlined
def find_rows(
    active: I32,
    n_active: int,
    bits: U64,
    base: int,
    n_words: int,
    types: Any,
    type_row: int,
    weight_row: I64,
    rows: I64,
    places: I64,
) -> None:
    """Rows of the active axons in `bits`, and where the weights of their types begin.

    The rows, of which `base` is the first, are asked for, so that they come while another core
    computes.
    """
    for k in range(np.uint64(n_active)):
        axon = np.int64(active[k])
        row = base + axon * n_words
        rows[k] = row
        places[k] = weight_row[np.uint64(types[np.uint64(type_row + axon)])]
        prefetch(bits, row)
        prefetch(bits, row + n_words - 1)


@kernel
def integrate_few(
    bits: U64, rows: I64, places: I64, n_active: int, pool: Any, n_words: int, drive: I32
) -> int:
    """Masked weights of every row into `drive`, which need not be 0; returns the synapses."""
    n_synapses = np.int64(0)
    for word in range(n_words):
        n_synapses += sum_word(bits, rows, places, n_active, pool, drive, word)
    return n_synapses


@kernel
def integrate_many(
    bits: U64,
    active: I32,
    rows: I64,
    n_active: int,
    types: Any,
    type_row: int,
    pool: Any,
    weight_row: I64,
    n_words: int,
    chosen: I64,
    counters: Any,
    drive: I32,
) -> int:
    """Rows of each type counted, times the weights, into `drive`; returns the synapses.

    `chosen` and `counters` are scratch.
    """
    n_synapses, size = np.int64(0), n_words << 6
    for j in range(size):
        drive[j] = 0
    for kind in range(N_TYPES):
        n, mine = 0, np.uint64(weight_row[kind])
        for k in range(n_active):
            if types[type_row + active[k]] == kind:
                chosen[n] = rows[k]
                n += 1
        for at in range(0, n, _MOST):
            for j in range(size):
                counters[j] = 0
            _count_rows(bits, chosen, at, min(at + _MOST, n), n_words, counters)
            for j in range(np.uint64(size)):
                count = np.int32(counters[np.uint64(j)])
                n_synapses += count
                drive[np.uint64(j)] += count * np.int32(pool[mine + np.uint64(j)])
    return n_synapses


@kernel
def _count_rows(bits: U64, rows: I64, first: int, stop: int, n_words: int, counters: Any) -> None:
    """Add at most 255 rows to counters that are 0: seven at a time, then one by one."""
    at = first
    while at + _AT_ONCE <= stop:
        for k in range(n_words):
            _count_seven(bits, rows, at, k, counters)
        at += _AT_ONCE
    for k in range(n_words):
        for i in range(at, stop):
            add_bits(counters, k << 6, bits[rows[i] + k], np.uint8(1))


@kernel
def _count_seven(bits: U64, rows: I64, at: int, k: int, counters: Any) -> None:
    """Word `k` of seven rows: four full adders leave the bits of the counts 0..7."""
    a, b, c = bits[rows[at] + k], bits[rows[at + 1] + k], bits[rows[at + 2] + k]
    d, e, f = bits[rows[at + 3] + k], bits[rows[at + 4] + k], bits[rows[at + 5] + k]
    g = bits[rows[at + 6] + k]
    ab, de = a ^ b, d ^ e
    abc, carry_1 = ab ^ c, (a & b) | (ab & c)
    def_, carry_2 = de ^ f, (d & e) | (de & f)
    both = abc ^ def_
    one, carry_3 = both ^ g, (abc & def_) | (both & g)
    carries = carry_1 ^ carry_2
    add_bits(counters, k << 6, one, np.uint8(1))
    add_bits(counters, k << 6, carries ^ carry_3, np.uint8(2))
    add_bits(counters, k << 6, (carry_1 & carry_2) | (carries & carry_3), np.uint8(4))


@kernel
def integrate_drawn(
    bits: U64,
    active: I32,
    rows: I64,
    n_active: int,
    types: Any,
    type_row: int,
    weights: Any,
    stochastic: Any,
    parameters: I32,
    start: int,
    size: int,
    key: int,
    drive: I32,
) -> int:
    """Synapse by synapse: a stochastic one adds its sign if its draw allows."""
    n_synapses = np.int64(0)
    for j in range(size):
        drive[j] = 0
    for k in range(n_active):
        kind = types[type_row + active[k]]
        for j in range(size):
            if (bits[rows[k] + (j >> 6)] >> np.uint64(j & 63)) & np.uint64(1) == 0:
                continue
            n_synapses += 1
            p = parameters[start + j]
            weight = np.int64(weights[p, kind])
            if stochastic[p, kind] == 0:
                drive[j] += weight
            elif passes(weight, draw(key, j, active[k])):
                drive[j] += np.sign(weight)
    return n_synapses
