"""Crossbar cores as kernels see them: axon types, weights and somas as rows that cores share.

Neurons of a core usually have the same weights, and cores the same pattern of axon types; even
where all differ, a column of numbers side by side is what vector instructions want. So every
column of every core is a row of a pool, and equal rows are kept once.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels.crossbar import EACH, MIXED, PLAIN
from neurosim.program.columns import FLOW_KINDS, MODEL_CODES, SYNAPSE_FORMATS, Program
from neurosim.soma.truenorth import N_TYPES

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


class Crossbar(NamedTuple):
    """Crossbar cores; other cores have 0 words."""

    bits: npt.NDArray[np.uint64]
    bit_offset: I64  # (n_cores,) into `bits`
    axon_word: I64  # (n_cores + 1,) into a slot of State.bits
    word_core: I32  # (n_words,) core of each word of a slot
    spike_word: I64  # (n_cores + 1,) into `soma.spikes`
    straight: U8  # (n_cores,) 1: all its neurons send straight (`kernels.straight`)
    first_tick: I32  # (1,) if all are equal, else per word of a slot
    types: U8  # rows of axon types
    type_row: I64  # (n_cores,) first of the core's row
    width: int  # neurons of the largest core, in whole words of 64
    weights: I16  # blocks of 4 rows of `width`
    weight_row: I64  # (n_cores,)
    biggest: I32  # (n_cores,) largest magnitude of a weight
    soma: U8  # (n_cores,) PLAIN: one parameter set, MIXED: several, EACH: draws or leak reversal
    leak: I16  # rows of cores with MIXED somas
    numbers: I32  # likewise: thresholds, negative thresholds, reset values
    modes: I8  # reset mode, + 4 with `saturate`
    soma_row: I64  # (5, n_cores) leak, threshold, negative threshold, reset value, mode
    drawn: U8  # (n_cores,) 1: some synapse is stochastic
    random: U8  # (n_cores,) 1: something is drawn in every tick


def make_crossbar(program: Program, axon_core: I32) -> Crossbar | None:
    """The crossbar cores of a program; None without any."""
    cores = program.cores
    is_crossbar = cores.synapse_format == SYNAPSE_FORMATS["crossbar"]
    if not is_crossbar.any():
        return None
    words = np.where(is_crossbar, -(-np.diff(cores.axon_offset) // 64), 0)
    axon_word = _offsets(words)
    width = 64 * -(-int(np.diff(cores.neuron_offset)[is_crossbar].max()) // 64)
    pools = _Pools(width, program.n_cores)
    for core in np.flatnonzero(is_crossbar):
        pools.add(program, int(core))
    return Crossbar(
        bits=np.ascontiguousarray(program.synapses.crossbar, dtype=np.uint64),
        bit_offset=np.ascontiguousarray(cores.dense_offset, dtype=np.int64),
        axon_word=axon_word,
        word_core=np.repeat(np.arange(program.n_cores, dtype=np.int32), words),
        spike_word=_offsets(np.where(is_crossbar, -(-np.diff(cores.neuron_offset) // 64), 0)),
        straight=np.zeros(program.n_cores, np.uint8),
        first_tick=_first_ticks(program, axon_core, is_crossbar, axon_word),
        types=pools.types.joined(np.uint8),
        type_row=pools.type_row,
        width=width,
        weights=pools.weights.joined(np.int16),
        weight_row=pools.weight_row,
        biggest=pools.biggest,
        soma=pools.soma,
        leak=pools.leak.joined(np.int16),
        numbers=pools.numbers.joined(np.int32),
        modes=pools.modes.joined(np.int8),
        soma_row=pools.soma_row,
        drawn=pools.drawn,
        random=pools.random,
    )


def mark_straight(program: Program, places: I32, signature: I32, straight: U8) -> None:
    """Tell senders that go straight from others, whose delays in `places` become ``~delay``.

    Straight is a TrueNorth neuron with one packet, the chip's own way, to one axon of a crossbar,
    or without any packet. `places` has a row per neuron; `straight` is set for cores that have
    such neurons only.
    """
    groups, cores = program.groups, program.cores
    hard = np.zeros(program.n_neurons, bool)
    for group in np.flatnonzero(groups.model == MODEL_CODES["truenorth"]):
        hard[groups.neuron_start[group] : groups.neuron_stop[group]] = True
    spike_way = (signature < -1) & (((-2 - signature) & 3) == FLOW_KINDS["spike"])
    goes = hard & np.where(places[:, 0] >= 0, spike_way, signature == -1)
    places[goes & (places[:, 0] < 0), 1] = 0
    other = ~goes & (places[:, 1] >= 0)
    places[other, 1] = ~places[other, 1]
    used = np.flatnonzero(np.diff(cores.neuron_offset))
    straight[used] = np.logical_and.reduceat(goes, cores.neuron_offset[used])


def spike_bits(program: Program, crossbar: Crossbar | None, neuron: I32) -> I64:
    """(n,) the bit of each neuron in `soma.spikes`, -1 for LIAF neurons."""
    bits = np.full(neuron.size, -1, np.int64)
    if crossbar is not None:
        starts = program.cores.neuron_offset
        core = np.searchsorted(starts, neuron, side="right") - 1
        is_crossbar = program.cores.synapse_format[core] == SYNAPSE_FORMATS["crossbar"]
        places = 64 * crossbar.spike_word[core] + neuron - starts[core]
        bits[is_crossbar] = places[is_crossbar]
    return bits


def _offsets(sizes: npt.NDArray[Any]) -> I64:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _first_ticks(
    program: Program, axon_core: I32, is_crossbar: npt.NDArray[np.bool_], axon_word: I64
) -> I32:
    """First tick of the listeners: one for all, or one per word of axons."""
    axons = np.flatnonzero(is_crossbar[axon_core])
    ticks = program.axons.first_tick[axons]
    if ticks.size == 0 or (ticks == ticks[0]).all():
        return (ticks[:1] if ticks.size else np.zeros(1)).astype(np.int32)
    core = axon_core[axons]
    position = axon_word[core] + (axons - program.cores.axon_offset[core]) // 64
    first_tick = np.zeros(int(axon_word[-1]), np.int32)
    np.maximum.at(first_tick, position, ticks)
    return first_tick


class _Pool:
    """Rows of numbers, equal ones once."""

    def __init__(self) -> None:
        self.rows: list[npt.NDArray[Any]] = []
        self.place: dict[bytes, int] = {}
        self.size = 0

    def add(self, row: npt.NDArray[Any]) -> int:
        """Where the row begins."""
        key = row.tobytes()
        if key not in self.place:
            self.place[key] = self.size
            self.rows.append(row)
            self.size += row.size
        return self.place[key]

    def joined(self, dtype: Any) -> npt.NDArray[Any]:
        """All rows one after the other."""
        return np.concatenate([np.empty(0, dtype), *self.rows]).astype(dtype, copy=False)


class _Pools:
    """Pools and, per core, where its rows are."""

    def __init__(self, width: int, n_cores: int) -> None:
        self.width = width
        self.types, self.weights, self.leak = _Pool(), _Pool(), _Pool()
        self.numbers, self.modes = _Pool(), _Pool()
        self.type_row, self.weight_row = np.zeros(n_cores, np.int64), np.zeros(n_cores, np.int64)
        self.soma_row = np.zeros((5, n_cores), np.int64)
        self.biggest = np.zeros(n_cores, np.int32)
        self.soma, self.drawn, self.random = (np.zeros(n_cores, np.uint8) for _ in range(3))

    def add(self, program: Program, core: int) -> None:
        """Rows of one core."""
        cores, sets = program.cores, program.truenorth
        axons = slice(cores.axon_offset[core], cores.axon_offset[core + 1])
        self.type_row[core] = self.types.add(program.axons.type[axons])
        neurons = slice(cores.neuron_offset[core], cores.neuron_offset[core + 1])
        which = program.truenorth_neurons.parameters[neurons]
        weight = np.zeros((N_TYPES, self.width), np.int16)
        weight[:, : which.size] = sets.weight[which].T
        self.weight_row[core] = self.weights.add(weight.ravel())
        self.biggest[core] = np.abs(weight).max(initial=0)
        used = which[:1] if (which == which[0]).all() else np.unique(which)
        self.drawn[core] = sets.synapse_stochastic[used].any()
        extra = sets.leak_stochastic[used].any() or sets.threshold_mask[used].any()
        self.random[core] = self.drawn[core] or extra
        if extra or sets.leak_reversal[used].any():
            self.soma[core] = EACH
        elif used.size == 1:
            self.soma[core] = PLAIN
        else:
            self.soma[core] = MIXED
            mode = (sets.reset_mode + 4 * sets.saturate).astype(np.int8)
            numbers = (sets.threshold, sets.negative_threshold, sets.reset_value)
            self.soma_row[0, core] = self.leak.add(sets.leak[which].astype(np.int16))
            self.soma_row[1:4, core] = [self.numbers.add(column[which]) for column in numbers]
            self.soma_row[4, core] = self.modes.add(mode[which])
