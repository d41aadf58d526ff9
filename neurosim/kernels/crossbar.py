"""Crossbar cores: axon bits of a tick times 1-bit synapses with four weights, then the somas.

A core is played in one go, while its rows, weights and neurons are in the nearest cache: its
active axons are listed, their rows summed (`kernels.crossbar_rows`), its neurons updated
(`soma.truenorth`) and what fires listed. A core whose potentials provably fit in 16 bits (NARROW)
does all of that in one pass over vectors (`kernels.vectors.step_word`).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.bits import list_bits, prefetch
from neurosim.kernels.crossbar_rows import (
    find_rows,
    integrate_drawn,
    integrate_few,
    integrate_many,
    list_active,
)
from neurosim.kernels.fanout import EVENTS, FIRED, OPS, PACKETS, UPDATES
from neurosim.kernels.packet_log import core_time
from neurosim.kernels.vectors import pack_flags, step_word
from neurosim.soma.truenorth import N_TYPES, core_key, update_each, update_mixed, update_uniform

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_CORES_AHEAD: Final = 4  # whose rows are fetched while a core computes
CORES_KEPT: Final = 8  # lists of active axons
_WIDEST: Final = 32767  # of a sum of 16 bits
_LARGE_POOL: Final = 1 << 13  # more numbers than stay in the nearest cache
_PER_LINE: Final = 32  # of them in a cache line

TRUENORTH: Final = 2  # program.MODEL_CODES
NARROW, UNIFORM, MIXED, EACH = range(4)  # Crossbar.soma


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
    logging: bool,
) -> None:
    """Crossbar cores of this worker that work in this tick, each with one group of neurons.

    A core without active axons, whose last tick without input changed nothing, rests. Active
    axons are listed a few cores ahead.
    """
    slot, listed = tick % settings[2], bench.n_active[worker]
    drive, spikes = bench.drive[worker], bench.spikes[worker]
    first, last = shares.first_group[worker], shares.first_group[worker + 1]
    for following in range(first, last + _CORES_AHEAD):
        if following < last:
            place = following % CORES_KEPT
            listed[place] = _list(
                groups, crossbar, bench, bits, following, worker, place, slot, tick, n_ticks
            )
        group = following - _CORES_AHEAD
        place = group % CORES_KEPT
        if group < first or listed[place] < 0:
            continue
        n_active, core, start = listed[place], groups.core[group], groups.start[group]
        size = groups.stop[group] - start
        counts[UPDATES, core] += size
        if n_active == 0 and quiet[group]:
            continue
        words = soma.spikes[crossbar.spike_word[core] : crossbar.spike_word[core + 1]]
        random = crossbar.random[core] != 0
        if crossbar.soma[core] == NARROW:
            n_synapses, changed = _step_narrow(
                crossbar, bench, soma.narrow, worker, place, core, n_active, words
            )
        else:
            key = core_key(seed, tick, core) if random else np.int64(0)
            n_synapses = _integrate(
                crossbar, columns, neurons.parameters, bench, worker, place, core, start, size,
                n_active, key, drive,
            )  # fmt: skip
            changed = _update(
                crossbar, columns, neurons.parameters, bench.u[worker], soma.v, spikes, drive,
                core, start, size, key, settings,
            )  # fmt: skip
            _pack(spikes, size, words)
        counts[EVENTS, core] += n_active
        counts[OPS, core] += n_synapses
        n_fired, n = fired.n[worker, 0], fired.n[worker, 0]
        if logging or not crossbar.straight[core]:
            begin = core_time(op_time, counts, core)
            n = _list_in_full(
                words, offset, op_time, begin, start, n_fired, core, fired.owner[worker],
                fired.core[worker], fired.value[worker], fired.copies[worker],
                fired.ready[worker], fired.begin[worker],
            )  # fmt: skip
        else:
            n = _list_spikes(words, start, n_fired, core, fired.owner[worker], fired.core[worker])
        each = groups.packets[group]
        if each >= 0:
            counts[PACKETS, core] += (n - n_fired) * each
        else:
            for k in range(n_fired, n):
                owner = fired.owner[worker, k]
                counts[PACKETS, core] += offset[owner + 1] - offset[owner]
        counts[FIRED, core] += n - n_fired
        fired.n[worker, 0] = n
        quiet[group] = n_active == 0 and not (changed or n > n_fired or random)


@inlined
def _list(
    groups: Any,
    crossbar: Any,
    bench: Any,
    bits: U64,
    group: int,
    worker: int,
    place: int,
    slot: int,
    tick: int,
    n_ticks: int,
) -> int:
    """List the active axons of a core; returns how many, -1 if it does not work in this tick."""
    first_tick, core = groups.first_tick[group], groups.core[group]
    if groups.model[group] != TRUENORTH or tick < first_tick or tick >= first_tick + n_ticks:
        return np.int64(-1)
    n_words = (groups.stop[group] - groups.start[group] + 63) >> 6
    weight_row, active = crossbar.weight_row[core], bench.active[worker, place]
    if crossbar.pool.size > _LARGE_POOL:
        _prefetch_rows(crossbar, weight_row, core)
    n = list_active(bits, slot, crossbar.axon_word[core], crossbar.axon_word[core + 1], active)
    find_rows(
        active, n, crossbar.bits, crossbar.bit_offset[core], n_words, crossbar.types,
        crossbar.type_row[core], weight_row, bench.rows[worker, place],
        bench.places[worker, place],
    )  # fmt: skip
    return n


@inlined
def _prefetch_rows(crossbar: Any, weight_row: I64, core: int) -> None:
    """Ask for the weights of a core and for what its somas read of the pool."""
    for at in range(0, crossbar.width, _PER_LINE):
        for kind in range(N_TYPES):
            prefetch(crossbar.pool, weight_row[kind] + at)
        if crossbar.soma[core] == NARROW:
            for column in range(crossbar.soma_row.shape[1]):
                prefetch(crossbar.pool, crossbar.soma_row[core, column] + at)


@inlined
def _step_narrow(
    crossbar: Any,
    bench: Any,
    narrow: npt.NDArray[np.int16],
    worker: int,
    place: int,
    core: int,
    n_active: int,
    words: U64,
) -> tuple[int, bool]:
    """A core of 16 bits: its synapses, and whether any potential changed; `words`: its spikes."""
    rows, places, sums = bench.rows[worker, place], bench.places[worker, place], bench.sums[worker]
    many, drive, n_synapses = n_active >= crossbar.many[core], bench.drive[worker], np.int64(0)
    if many:
        n_synapses = _count_many(crossbar, bench, worker, place, core, n_active, words.size, drive)
        for j in range(np.uint64(words.size << 6)):
            sums[j] = np.int16(drive[j])
    columns, keep, first = crossbar.soma_row[core], crossbar.keep[core], crossbar.narrow_row[core]
    n, moved = np.int64(0) if many else n_active, np.uint64(0)
    for word in range(words.size):
        fires, passed, changes = step_word(
            crossbar.bits, rows, places, n, crossbar.pool, columns, keep, sums, narrow, first, word
        )
        words[word] = fires
        n_synapses += np.int64(passed)
        moved |= np.uint64(changes)
    if many:
        sums[:] = 0
    return n_synapses, moved != 0


@kernel
def _count_many(
    crossbar: Any,
    bench: Any,
    worker: int,
    place: int,
    core: int,
    n_active: int,
    n_words: int,
    drive: I32,
) -> int:
    """Many events of a core into the drive; returns the synapses."""
    return integrate_many(
        crossbar.bits, bench.active[worker, place], bench.rows[worker, place], n_active,
        crossbar.types, crossbar.type_row[core], crossbar.pool, crossbar.weight_row[core],
        n_words, bench.chosen[worker], bench.counters[worker], drive,
    )  # fmt: skip


@kernel
def _integrate(
    crossbar: Any,
    columns: Any,
    parameters: I32,
    bench: Any,
    worker: int,
    place: int,
    core: int,
    start: int,
    size: int,
    n_active: int,
    key: int,
    drive: I32,
) -> int:
    """The core's events of this tick into the drive; returns the synapses."""
    active, rows = bench.active[worker, place], bench.rows[worker, place]
    n_words = (size + 63) >> 6
    if n_active == 0:
        for j in range(n_words << 6):
            drive[j] = 0
        return np.int64(0)
    if crossbar.drawn[core]:
        return integrate_drawn(
            crossbar.bits, active, rows, n_active, crossbar.types, crossbar.type_row[core],
            columns.weight, columns.synapse_stochastic, parameters, start, size, key, drive,
        )  # fmt: skip
    if n_active < crossbar.many[core] and n_active * crossbar.biggest[core] <= _WIDEST:
        places = bench.places[worker, place]
        return integrate_few(crossbar.bits, rows, places, n_active, crossbar.pool, n_words, drive)
    return _count_many(crossbar, bench, worker, place, core, n_active, n_words, drive)


@kernel
def _update(
    crossbar: Any,
    columns: Any,
    parameters: I32,
    u: I32,
    v: I32,
    spikes: Any,
    drive: I32,
    core: int,
    start: int,
    size: int,
    key: int,
    settings: I64,
) -> bool:
    """Somas of a core; did any potential change?"""
    low, high = settings[0], settings[1]
    if crossbar.soma[core] == UNIFORM:
        p = parameters[start]
        return update_uniform(
            columns.leak[p], columns.threshold[p], columns.negative_threshold[p],
            columns.reset_value[p], columns.reset_mode[p], columns.saturate[p] != 0, drive, v,
            spikes, start, size, low, high,
        )  # fmt: skip
    if crossbar.soma[core] == MIXED:
        row = crossbar.soma_row[core]
        return update_mixed(
            crossbar.pool, row[0], crossbar.numbers, row[1], row[2], row[3], crossbar.modes,
            row[4], drive, u, v, spikes, start, size, low, high,
        )  # fmt: skip
    return update_each(columns, parameters, drive, v, spikes, start, size, low, high, key)


@kernel
def _pack(spikes: Any, size: int, words: U64) -> None:
    """Flags of a core's spikes as bits."""
    for k in range(words.size):
        word = pack_flags(spikes, k << 6)
        if size - (k << 6) < 64:
            word &= (np.uint64(1) << np.uint64(size & 63)) - np.uint64(1)
        words[k] = word


@kernel
def _list_spikes(words: U64, start: int, n: int, core: int, owner: I32, cores: I32) -> int:
    """List who fired; returns the length of the list."""
    first = np.uint64(n)
    for k in range(words.size):
        n = list_bits(words[k], start + (k << 6), owner, n)
    for k in range(first, np.uint64(n)):
        cores[k] = core
    return n


@kernel
def _list_in_full(
    words: U64,
    offset: I64,
    op_time: I64,
    begin: int,
    start: int,
    n: int,
    core: int,
    owner: I32,
    cores: I32,
    value: I32,
    copies: I32,
    ready: I64,
    begins: I64,
) -> int:
    """The same with everything that the general way of sending and the log need."""
    first, sent = n, np.int64(0)
    n = _list_spikes(words, start, n, core, owner, cores)
    for k in range(first, n):
        i = np.int64(owner[k])
        value[k] = 1
        copies[k] = 1
        ready[k] = begin + (i - start + 1) * op_time[3] + sent * op_time[4]
        begins[k] = begin
        sent += offset[i + 1] - offset[i]
    return n
