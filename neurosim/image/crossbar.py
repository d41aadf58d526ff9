"""Crossbar cores as kernels see them: axon types, weights and somas as rows that cores share.

Neurons of a core usually have the same weights, and cores the same pattern of axon types; even
where all differ, a column of numbers side by side is what vector instructions want. So every
column of every core is a row of a pool, and equal rows are kept once.

A core is *narrow* if its potentials provably fit in 16 bits and never reach the membrane's limits
(`_narrow_rows`): then a vector holds twice as many neurons, and nothing has to be saturated.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.fixed_point import signed_limits
from neurosim.kernels.crossbar import EACH, MIXED, NARROW, UNIFORM
from neurosim.kernels.crossbar_rows import many_axons
from neurosim.offsets import offsets_of
from neurosim.pages import zeros
from neurosim.program.columns import FLOW_KINDS, MODEL_CODES, SYNAPSE_FORMATS, Program
from neurosim.soma.truenorth import N_TYPES, TrueNorthColumns

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_MOST: Final = 32767  # of 16 bits


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
    pool: I16  # rows of `width`: weights by type; leaks and more of NARROW and MIXED somas
    weight_row: I64  # (n_cores, 4)
    biggest: I32  # (n_cores,) largest magnitude of a weight
    many: I32  # (n_cores,) active axons from which counting is quicker than masking
    soma: U8  # (n_cores,) NARROW: 16 bits, UNIFORM (all neurons the same) and MIXED: 32 bits, EACH:
    # draws or leak reversal
    narrow_row: I64  # (n_cores,) first potential of a NARROW core in `soma.narrow`, else -1
    n_narrow: int  # potentials of 16 bits, in whole words of 64 per core
    keep: I16  # (n_cores, 2) see `kernels.vectors.step_word`
    numbers: I32  # MIXED: rows of thresholds, negative thresholds, reset values
    modes: I8  # MIXED: rows of reset mode, + 4 with `saturate`
    soma_row: I64  # (n_cores, 5) NARROW: leak, high, low, back, fall in `pool`; MIXED: leak there,
    # threshold, negative threshold and reset value in `numbers`, mode in `modes`
    drawn: U8  # (n_cores,) 1: some synapse is stochastic
    random: U8  # (n_cores,) 1: something is drawn in every tick


def make_crossbar(program: Program, axon_core: I32, *, narrow: bool = True) -> Crossbar | None:
    """The crossbar cores of a program; None without any. `narrow`: 16 bits where they do."""
    cores = program.cores
    is_crossbar = cores.synapse_format == SYNAPSE_FORMATS["crossbar"]
    if not is_crossbar.any():
        return None
    words = np.where(is_crossbar, -(-np.diff(cores.axon_offset) // 64), 0)
    axon_word = offsets_of(words)
    width = 64 * -(-int(np.diff(cores.neuron_offset)[is_crossbar].max()) // 64)
    pools = _Pools(width, program.n_cores, signed_limits(program.chip.core.membrane_bits), narrow)
    for core in np.flatnonzero(is_crossbar):
        pools.add(program, int(core))
    return Crossbar(
        bits=np.ascontiguousarray(program.synapses.crossbar, dtype=np.uint64),
        bit_offset=np.ascontiguousarray(cores.dense_offset, dtype=np.int64),
        axon_word=axon_word,
        word_core=np.repeat(np.arange(program.n_cores, dtype=np.int32), words),
        spike_word=offsets_of(np.where(is_crossbar, -(-np.diff(cores.neuron_offset) // 64), 0)),
        straight=np.zeros(program.n_cores, np.uint8),
        first_tick=_first_ticks(program, axon_core, is_crossbar, axon_word),
        types=pools.types.joined(np.uint8),
        type_row=pools.type_row,
        width=width,
        pool=pools.rows.joined(np.int16),
        weight_row=pools.weight_row,
        biggest=pools.biggest,
        many=pools.many,
        soma=pools.soma,
        narrow_row=pools.narrow_row,
        n_narrow=pools.n_narrow,
        keep=pools.keep,
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


def narrow_places(program: Program, crossbar: Crossbar | None, neuron: I32) -> I64:
    """(n,) the potential of each neuron in `soma.narrow`, -1 for those of 32 bits."""
    places = np.full(neuron.size, -1, np.int64)
    if crossbar is not None:
        starts = program.cores.neuron_offset
        core = np.searchsorted(starts, neuron, side="right") - 1
        is_narrow = crossbar.narrow_row[core] >= 0
        places[is_narrow] = (crossbar.narrow_row[core] + neuron - starts[core])[is_narrow]
    return places


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
        key = hashlib.sha256(row.tobytes()).digest()
        if key not in self.place:
            self.place[key] = self.size
            self.rows.append(row)
            self.size += row.size
        return self.place[key]

    def joined(self, dtype: Any) -> npt.NDArray[Any]:
        """All rows one after the other; they are let go."""
        whole, at = zeros(self.size, dtype), 0
        for row in self.rows:
            whole[at : at + row.size] = row
            at += row.size
        self.rows.clear()
        return whole


class _Pools:
    """Pools and, per core, where its rows are."""

    def __init__(self, width: int, n_cores: int, limits: tuple[int, int], narrow: bool) -> None:
        self.width, self.limits, self.narrow = width, limits, narrow
        self.types, self.rows, self.numbers, self.modes = _Pool(), _Pool(), _Pool(), _Pool()
        self.type_row = np.zeros(n_cores, np.int64)
        self.weight_row = np.zeros((n_cores, N_TYPES), np.int64)
        self.soma_row = np.zeros((n_cores, 5), np.int64)
        self.keep = np.zeros((n_cores, 2), np.int16)
        self.narrow_row, self.n_narrow = np.full(n_cores, -1, np.int64), 0
        self.biggest, self.size = np.zeros(n_cores, np.int32), np.zeros(n_cores, np.int32)
        self.many, self.start_limits = np.zeros(n_cores, np.int32), np.zeros((n_cores, 2), np.int32)
        self.twins: dict[tuple[int, int, int], int] = {}
        self.soma, self.drawn, self.random = (np.zeros(n_cores, np.uint8) for _ in range(3))

    def add(self, program: Program, core: int) -> None:
        """Rows of one core; those of an earlier core if all neurons of both are the same."""
        cores = program.cores
        types = program.axons.type[cores.axon_offset[core] : cores.axon_offset[core + 1]]
        self.type_row[core] = self.types.add(types)
        self.many[core] = many_axons(np.unique(types).size)
        neurons = slice(cores.neuron_offset[core], cores.neuron_offset[core + 1])
        which = program.truenorth_neurons.parameters[neurons]
        start = program.truenorth_neurons.v_start[neurons]
        low, high = int(start.min(initial=0)), int(start.max(initial=0))
        is_uniform = bool((which == which[0]).all())
        kind = (int(self.type_row[core]), int(which[0]), which.size)
        if is_uniform and kind in self.twins and self._copy(core, self.twins[kind], low, high):
            return
        chosen: Any = (c[which[:1] if is_uniform else which] for c in program.truenorth)
        self._fill(core, TrueNorthColumns(*chosen), types, which.size, low, high)
        if is_uniform:
            self.twins[kind] = core
        self._place_potentials(core, which.size)

    def _copy(self, core: int, twin: int, low: int, high: int) -> bool:
        """Take the rows of `twin`, unless the potentials start where its proof does not hold."""
        least, most = self.start_limits[twin]
        if self.soma[twin] == NARROW and (low < least or high > most):
            return False
        for column in (self.weight_row, self.soma_row, self.keep, self.biggest, self.soma):
            column[core] = column[twin]
        self.drawn[core], self.random[core] = self.drawn[twin], self.random[twin]
        self.start_limits[core] = least, most
        self._place_potentials(core, int(self.size[twin]))
        return True

    def _place_potentials(self, core: int, size: int) -> None:
        self.size[core] = size
        if self.soma[core] == NARROW:
            self.narrow_row[core] = self.n_narrow
            self.n_narrow += 64 * -(-size // 64)

    def _fill(
        self, core: int, own: TrueNorthColumns, types: U8, size: int, low: int, high: int
    ) -> None:
        """Rows of parameters `own`, one for all neurons or one each."""
        self.weight_row[core] = [self._padded(own.weight[:, k], size) for k in range(N_TYPES)]
        self.biggest[core] = np.abs(own.weight).max(initial=0)
        self.drawn[core] = own.synapse_stochastic.any()
        extra = own.leak_stochastic.any() or own.threshold_mask.any()
        self.random[core] = self.drawn[core] or extra
        if self.random[core] or own.leak_reversal.any():
            self.soma[core] = EACH
            return
        rows = _narrow_rows(own, types, self.limits) if self.narrow else None
        if rows is not None and rows.start[0] <= low and high <= rows.start[1]:
            self.soma[core], self.keep[core] = NARROW, rows.keep
            self.start_limits[core] = rows.start
            self.soma_row[core] = [self._padded(c, size, rest) for c, rest in rows.columns]
            return
        if own.leak.size == 1:
            self.soma[core] = UNIFORM
            return
        self.soma[core] = MIXED
        numbers = (own.threshold, own.negative_threshold, own.reset_value)
        mode = (own.reset_mode + 4 * own.saturate).astype(np.int8)
        self.soma_row[core] = [
            self._padded(own.leak, size),
            *(self.numbers.add(np.broadcast_to(column, size)) for column in numbers),
            self.modes.add(np.broadcast_to(mode, size)),
        ]

    def _padded(self, column: npt.NDArray[Any], size: int, rest: int = 0) -> int:
        """Where a row begins: `column` (or one number) for `size` neurons, `rest` behind them."""
        row = np.full(self.width, rest, np.int16)
        row[:size] = column
        return self.rows.add(row)


class _NarrowRows(NamedTuple):
    """Parameters of a narrow core as `kernels.vectors.step_word` takes them."""

    start: tuple[int, int]  # where potentials may begin
    keep: tuple[int, int]
    columns: tuple[tuple[npt.NDArray[Any], int], ...]  # with what stands behind the last neuron


def _narrow_rows(own: TrueNorthColumns, types: U8, limits: tuple[int, int]) -> _NarrowRows | None:
    """Parameters of a core that needs 16 bits only; None if that cannot be shown.

    Let ``up`` (``down``) be what all axons and the leak can add (take away) in one tick. Then a
    potential in ``-bottom..top`` is within ``-bottom - down .. top + up`` before it is reset, and
    comes back: after a reset to R at once; after subtracting the threshold (adding the negative
    one), because ``up`` (``down``) is no more than that.
    """
    mode, stay = int(own.reset_mode[0]), bool(own.saturate[0])
    if mode == 2 or (own.reset_mode != mode).any() or (own.saturate != stay).any():
        return None
    weight, leak = own.weight.astype(np.int64), own.leak.astype(np.int64)
    n_axons = np.bincount(types, minlength=N_TYPES)
    up = np.maximum(weight, 0) @ n_axons + np.maximum(leak, 0)
    down = np.maximum(-weight, 0) @ n_axons + np.maximum(-leak, 0)
    high, low = own.threshold.astype(np.int64), -own.negative_threshold.astype(np.int64)
    back = own.reset_value.astype(np.int64) if mode == 0 else np.zeros_like(high)
    if mode == 1 and ((up > high).any() or (not stay and (down > -low).any())):
        return None
    farthest = int(np.abs(back).max())
    most = min(limits[1], _MOST) - int(up.max())
    least = max(limits[0], -_MOST) + int(down.max())
    if max(int(high.max()), farthest) > most or min(int(low.min()), -farthest) < least:
        return None
    fall = low if stay else (-back if mode == 0 else np.zeros_like(low))
    columns = ((leak, 0), (high, _MOST), (low, -_MOST), (back, 0), (fall, 0))
    return _NarrowRows((least, most), (-mode, 0 if stay else -mode), columns)
