"""Crossbar cores: axon bits of a tick times 1-bit synapses with four weights, then the somas.

Rows of bits are never unpacked into numbers one by one. A table turns a byte of eight synapses
into eight byte counters in one 64-bit word, so a row of 256 synapses is 32 additions. Where many
axons are active, seven rows are first added bit by bit with full adders (a population count along
the axons), which leaves three rows to spread.

Counters are planes of bytes: for neurons that share their weights, one plane of positive and one
of negative sums, else one plane per axon type. A plane is emptied into 32-bit sums before a byte
can overflow.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.bits import count_bits, lowest_bit, prefetch, spread_table
from neurosim.kernels.fanout import EVENTS, FIRED, OPS, PACKETS, UPDATES
from neurosim.kernels.packet_log import core_time
from neurosim.soma.truenorth import (
    N_TYPES,
    core_key,
    draw,
    passes,
    update_plain,
    update_truenorth,
)

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_BYTE = np.uint64(255)
_MOST: Final = 255  # of a byte counter
_AT_ONCE: Final = 7  # rows added by full adders
_CORES_AHEAD: Final = 3  # whose rows are fetched while a core computes
_SPREAD = spread_table()

TRUENORTH: Final = 2  # program.MODEL_CODES


@kernel
def tick_crossbars(
    groups: Any,
    crossbar: Any,
    columns: Any,
    neurons: Any,
    bench: Any,
    soma: Any,
    bits: U64,
    quiet: npt.NDArray[np.int8],
    counts: I32,
    fired: Any,
    offset: I64,
    op_time: I64,
    settings: I64,
    shares: Any,
    seed: int,
    worker: int,
    tick: int,
    n_ticks: int,
) -> None:
    """Crossbar cores of this worker that work in this tick, each with one group of neurons.

    A core without active axons, whose last tick without input changed nothing, rests.
    """
    low, high, slot = settings[0], settings[1], tick % settings[2]
    active, rows, drive = bench.active[worker], bench.rows[worker], bench.drive[worker]
    planes, plane_bytes = bench.planes[worker], bench.plane_bytes[worker]
    filled, spikes, words = bench.filled[worker], bench.spikes[worker], bench.spike_words[worker]
    plus, minus, plus_bytes, minus_bytes = planes[0], planes[1], plane_bytes[0], plane_bytes[1]
    crossbits, axon_type = crossbar.bits, crossbar.axon_type
    axon_offset, axon_word, base_of = crossbar.axon_offset, crossbar.axon_word, crossbar.bit_offset
    plain, shared, random = crossbar.plain, crossbar.shared, crossbar.random
    parameters, v, flags = neurons.parameters, soma.v, soma.fired
    core_of, start_of, stop_of = groups.core, groups.start, groups.stop
    first_of, model_of, each_of = groups.first_tick, groups.model, groups.packets
    weights, stochastic, leak, threshold = (
        columns.weight,
        columns.synapse_stochastic,
        columns.leak,
        columns.threshold,
    )
    lowest, back, mode, stay = (
        columns.negative_threshold,
        columns.reset_value,
        columns.reset_mode,
        columns.saturate,
    )
    owner, value, copies = fired.owner[worker], fired.value[worker], fired.copies[worker]
    cores = fired.core[worker]
    ready, begins, n_fired = fired.ready[worker], fired.begin[worker], fired.n[worker]
    events, ops, updates, spoken, packets = (
        counts[EVENTS],
        counts[OPS],
        counts[UPDATES],
        counts[FIRED],
        counts[PACKETS],
    )
    last = shares.first_group[worker + 1]
    for group in range(shares.first_group[worker], last):
        first_tick = first_of[group]
        if group + _CORES_AHEAD < last:
            _fetch_rows(
                crossbits, bits, axon_word, base_of, core_of, slot, start_of, stop_of,
                group + _CORES_AHEAD,
            )  # fmt: skip
        if model_of[group] != TRUENORTH or tick < first_tick or tick >= first_tick + n_ticks:
            continue
        core, start = core_of[group], start_of[group]
        size, first_axon = stop_of[group] - start, axon_offset[core]
        n_active = _list_active(active, bits, axon_word[core], axon_word[core + 1], slot)
        if n_active == 0 and quiet[group]:
            updates[core] += size
            continue
        events[core] += n_active
        n_words, p = (size + 63) >> 6, parameters[start]
        ops[core] += _count_synapses(crossbits, active, n_active, base_of[core], n_words)
        key = core_key(seed, tick, core) if random[core] else np.int64(0)
        if n_active > 0 and shared[core] and _is_few(weights, p, n_active):
            _add_few(
                crossbits, axon_type, weights, p, active, n_active, first_axon, base_of[core],
                n_words, plus, minus,
            )  # fmt: skip
            _subtract(plus, minus, plus_bytes, minus_bytes, drive, n_words)
        else:
            for j in range(n_words << 6):
                drive[j] = 0
            if n_active > 0:
                _integrate(
                    crossbits, axon_type, weights, stochastic, parameters, active, rows, drive,
                    planes, plane_bytes, filled, shared[core] != 0, random[core] != 0,
                    first_axon, base_of[core], start, size, n_active, key,
                )  # fmt: skip
        if plain[core]:
            changed = update_plain(
                leak[p], threshold[p], lowest[p], back[p], mode[p], stay[p] != 0, drive, v,
                spikes, start, size, low, high,
            )  # fmt: skip
        else:
            changed = _update(columns, parameters, drive, v, spikes, start, size, low, high, key)
        spoke = _flag_spikes(spikes, words, flags, start, size)
        if spoke:
            begin = core_time(op_time, counts, core)
            n, sent = _collect(
                words, offset, each_of[group], op_time, begin, start, size, n_fired[0], core,
                owner, cores, value, copies, ready, begins,
            )  # fmt: skip
            spoken[core] += n - n_fired[0]
            n_fired[0] = n
            packets[core] += sent
        rests = n_active == 0 and not (changed or spoke or random[core] != 0)
        quiet[group] = rests
        updates[core] += size


@kernel
def _fetch_rows(
    crossbits: U64,
    bits: U64,
    axon_word: I64,
    base_of: I64,
    core_of: I32,
    slot: int,
    start_of: I64,
    stop_of: I64,
    group: int,
) -> None:
    """Ask for the rows that a core will add, so that they come while another core computes."""
    n_words, core = (stop_of[group] - start_of[group] + 63) >> 6, core_of[group]
    first = axon_word[core]
    for k in range(first, axon_word[core + 1]):
        word = np.uint64(0)
        for w in range(bits.shape[0]):
            word |= bits[w, slot, k]
        while word:
            axon = ((k - first) << 6) + lowest_bit(word)
            word &= word - np.uint64(1)
            prefetch(crossbits, base_of[core] + axon * n_words)


@kernel
def _count_synapses(bits: U64, active: I32, n_active: int, base: int, n_words: int) -> int:
    """Connections of all active axons."""
    total = np.int64(0)
    for k in range(n_active):
        first = base + active[k] * n_words
        for i in range(np.uint64(first), np.uint64(first + n_words)):
            total += count_bits(bits[i])
    return total


@kernel
def _is_few(weights: Any, p: int, n_active: int) -> bool:
    """Whether no byte can overflow, and adding row by row is quicker than seven at a time."""
    biggest = np.int64(0)
    for kind in range(N_TYPES):
        biggest = max(biggest, abs(np.int64(weights[p, kind])))
    return n_active < 4 * _AT_ONCE and n_active * biggest <= _MOST


@kernel
def _add_few(
    bits: U64,
    axon_type: Any,
    weights: Any,
    p: int,
    active: I32,
    n_active: int,
    first_axon: int,
    base: int,
    n_words: int,
    plus: U64,
    minus: U64,
) -> None:
    """Rows of all active axons into the plane of their sign."""
    for k in range(n_active):
        weight = np.int64(weights[p, axon_type[first_axon + active[k]]])
        row = base + active[k] * n_words
        if weight > 0:
            _add_row(bits, row, n_words, np.uint64(weight), plus)
        else:
            _add_row(bits, row, n_words, np.uint64(-weight), minus)


@kernel
def _subtract(
    plus: U64, minus: U64, plus_bytes: Any, minus_bytes: Any, drive: I32, n_words: int
) -> None:
    """The drive is the positive minus the negative bytes; the planes are 0 again."""
    for j in range(n_words << 6):
        drive[j] = np.int32(plus_bytes[j]) - np.int32(minus_bytes[j])
    for k in range(n_words << 3):
        plus[k] = 0
        minus[k] = 0


@kernel
def _update(
    columns: Any,
    parameters: I32,
    drive: I32,
    v: I32,
    spikes: Any,
    start: int,
    size: int,
    low: int,
    high: int,
    key: int,
) -> bool:
    """Neurons of several kinds, or with draws; did any potential change?"""
    changed = False
    for j in range(size):
        p, before = parameters[start + j], v[start + j]
        after, spikes[j] = update_truenorth(columns, p, key, j, drive[j], before, low, high)
        v[start + j] = after
        changed = changed or after != before
    return changed


@kernel
def _flag_spikes(
    spikes: Any, words: U64, flags: npt.NDArray[np.int8], start: int, size: int
) -> bool:
    """Keep the spikes of a core as flags of its neurons; was there one?"""
    n_words = (size + 7) >> 3
    for j in range(size, 8 * n_words):
        spikes[j] = 0
    seen = np.uint64(0)
    for k in range(n_words):
        seen |= words[k]
    for j in range(size):
        flags[np.uint64(start) + np.uint64(j)] = spikes[j]
    return seen != 0


@kernel
def _collect(
    words: U64,
    offset: I64,
    each: int,
    op_time: I64,
    begin: int,
    start: int,
    size: int,
    n: int,
    core: int,
    owner: I32,
    cores: I32,
    value: I32,
    copies: I32,
    ready: I64,
    begins: I64,
) -> tuple[int, int]:
    """List what fired, eight neurons at a glance; returns the length of the list, and packets.

    `each` is the number of packets that every neuron of the group sends, -1 if they differ.
    """
    sent = np.int64(0)
    for k in range((size + 7) >> 3):
        word = words[k]
        while word:
            j = 8 * k + (lowest_bit(word) >> 3)
            word &= word - np.uint64(1)
            owner[n] = start + j
            cores[n] = core
            value[n] = 1
            copies[n] = 1
            ready[n] = begin + (j + 1) * op_time[3] + sent * op_time[4]
            begins[n] = begin
            n += 1
            sent += each if each >= 0 else offset[start + j + 1] - offset[start + j]
    return n, sent


@kernel
def _list_active(active: I32, bits: U64, first: int, stop: int, slot: int) -> int:
    """Collect and clear the axon bits of this tick; returns how many axons are active."""
    n = 0
    for k in range(first, stop):
        word = np.uint64(0)
        for w in range(bits.shape[0]):
            word |= bits[w, slot, k]
            bits[w, slot, k] = np.uint64(0)
        while word:
            active[n] = ((k - first) << 6) + lowest_bit(word)
            word &= word - np.uint64(1)
            n += 1
    return n


@kernel
def _integrate(
    bits: U64,
    axon_type: Any,
    weights: Any,
    stochastic: Any,
    parameters: I32,
    active: I32,
    rows: I64,
    drive: I32,
    planes: U64,
    plane_bytes: Any,
    filled: I64,
    shared: bool,
    random: bool,
    first_axon: int,
    base: int,
    start: int,
    size: int,
    n_active: int,
    key: int,
) -> None:
    """Sums of all active axons into the drive."""
    n_words = (size + 63) >> 6
    for kind in range(N_TYPES):
        n = 0
        for k in range(n_active):
            if axon_type[first_axon + active[k]] == kind:
                rows[n] = base + active[k] * n_words
                n += 1
        if n == 0:
            continue
        if shared:
            weight = np.int64(weights[parameters[start], kind])
            _add_rows(bits, planes, plane_bytes, filled, drive, rows, n, n_words, weight)
        elif random:
            for k in range(n):
                axon = (rows[k] - base) // n_words
                _add_drawn(
                    bits, rows[k], axon, kind, weights, stochastic, parameters, start, size, drive,
                    key,
                )  # fmt: skip
        else:
            for at in range(0, n, _MOST):
                _count_rows(bits, rows, at, min(at + _MOST, n), n_words, planes[0])
                for j in range(size):
                    weight = np.int32(weights[parameters[start + j], kind])
                    drive[j] += np.int32(plane_bytes[0, j]) * weight
                for k in range(8 * n_words):
                    planes[0, k] = 0
    if shared:
        _empty_planes(planes, plane_bytes, filled, drive, n_words)


@kernel
def _add_rows(
    bits: U64,
    planes: U64,
    plane_bytes: Any,
    filled: I64,
    drive: I32,
    rows: I64,
    n: int,
    n_words: int,
    weight: int,
) -> None:
    """Add `n` rows of one weight to the plane of its sign; a byte never overflows."""
    which = 0 if weight > 0 else 1
    plane, left = planes[which], abs(weight)
    while left > 0:
        part = min(left, _MOST)
        left -= part
        at = 0
        while at < n:
            count = min(n - at, _MOST // part, _AT_ONCE)
            if filled[which] + count * part > _MOST:
                _empty_planes(planes, plane_bytes, filled, drive, n_words)
            filled[which] += count * part
            if count == _AT_ONCE:
                _add_seven(bits, rows, at, n_words, np.uint64(part), plane)
            else:
                for k in range(at, at + count):
                    _add_row(bits, rows[k], n_words, np.uint64(part), plane)
            at += count


@kernel
def _count_rows(bits: U64, rows: I64, first: int, stop: int, n_words: int, plane: U64) -> None:
    """Add at most 255 rows to an empty plane, each as 1."""
    at = first
    while at + _AT_ONCE <= stop:
        _add_seven(bits, rows, at, n_words, np.uint64(1), plane)
        at += _AT_ONCE
    for k in range(at, stop):
        _add_row(bits, rows[k], n_words, np.uint64(1), plane)


@kernel
def _add_row(bits: U64, row: int, n_words: int, weight: np.uint64, plane: U64) -> None:
    """``plane += weight * row``, byte by byte."""
    first = np.uint64(row)
    for k in range(np.uint64(n_words)):
        word = bits[first + np.uint64(k)]
        for m in range(8):
            at = np.uint64(8) * np.uint64(k) + np.uint64(m)
            plane[at] += _SPREAD[(word >> np.uint64(8 * m)) & _BYTE] * weight


@kernel
def _add_seven(bits: U64, rows: I64, at: int, n_words: int, weight: np.uint64, plane: U64) -> None:
    """Seven rows at once: four full adders leave the bits of the counts 0..7."""
    for k in range(n_words):
        a, b, c = bits[rows[at] + k], bits[rows[at + 1] + k], bits[rows[at + 2] + k]
        d, e, f = bits[rows[at + 3] + k], bits[rows[at + 4] + k], bits[rows[at + 5] + k]
        g = bits[rows[at + 6] + k]
        ab, de = a ^ b, d ^ e
        abc, carry_1 = ab ^ c, (a & b) | (ab & c)
        def_, carry_2 = de ^ f, (d & e) | (de & f)
        both = abc ^ def_
        one, carry_3 = both ^ g, (abc & def_) | (both & g)
        carries = carry_1 ^ carry_2
        two, four = carries ^ carry_3, (carry_1 & carry_2) | (carries & carry_3)
        for m in range(8):
            shift = np.uint64(8 * m)
            count = _SPREAD[(one >> shift) & _BYTE]
            count += _SPREAD[(two >> shift) & _BYTE] << np.uint64(1)
            count += _SPREAD[(four >> shift) & _BYTE] << np.uint64(2)
            plane[8 * k + m] += count * weight


@kernel
def _empty_planes(planes: U64, plane_bytes: Any, filled: I64, drive: I32, n_words: int) -> None:
    """Positive minus negative bytes into the drive; the planes are 0 again."""
    for j in range(64 * n_words):
        drive[j] += np.int32(plane_bytes[0, j]) - np.int32(plane_bytes[1, j])
    for k in range(8 * n_words):
        planes[0, k] = 0
        planes[1, k] = 0
    filled[0] = 0
    filled[1] = 0


@kernel
def _add_drawn(
    bits: U64,
    row: int,
    axon: int,
    kind: int,
    weights: Any,
    stochastic: Any,
    parameters: I32,
    start: int,
    size: int,
    drive: I32,
    key: int,
) -> None:
    """One row, synapse by synapse: a stochastic one adds its sign if the draw allows."""
    for j in range(size):
        if (bits[row + (j >> 6)] >> np.uint64(j & 63)) & np.uint64(1) == 0:
            continue
        p = parameters[start + j]
        weight = np.int64(weights[p, kind])
        if stochastic[p, kind] == 0:
            drive[j] += weight
        elif passes(weight, draw(key, j, axon)):
            drive[j] += np.sign(weight)
