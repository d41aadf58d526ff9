"""The read-only side of the kernels: a checked Program, cast and rearranged once.

`make_image` decides how every axon is reached (entries, rings or bits, see `kernels.fanout`) and
in which form a sender's packets load the links (`kernels.traffic`). Nothing here depends on
inputs.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.fixed_point import signed_limits
from neurosim.image.blocks import Blocks, dense_rows, make_blocks, places_of
from neurosim.image.crossbar import Crossbar, make_crossbar, mark_straight
from neurosim.image.products import Products, make_products
from neurosim.image.pulls import Pulls, make_pulls
from neurosim.image.shared_kernels import SharedKernels
from neurosim.image.soma_pieces import make_pieces
from neurosim.image.somas import soft_somas
from neurosim.image.traffic import Traffic, make_traffic
from neurosim.offsets import Offsets, entries_of
from neurosim.program.columns import FLOW_KINDS, SYNAPSE_FORMATS, PacketTable, Program
from neurosim.soma.cuba import Synaptic
from neurosim.soma.liaf import OUTPUT_CODES, LiafColumns
from neurosim.soma.liaf_pieces import Pieces
from neurosim.soma.truenorth import TrueNorthColumns, TrueNorthNeurons

I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

SHORT_ROW: Final = 32
"""Sparse rows shorter than this (on average) are joined to one row per sender."""
CYCLE_FRACTION_BITS: Final = 16  # times inside kernels count 2**-16 cycles


class Entries(NamedTuple):
    """One row per (sender, delay, window, kind): what arrives together."""

    delay: I32
    first_tick: I32  # pipeline offset of the groups that listen
    kind: I8  # FLOW_KINDS: spike or analog
    axon_offset: I64  # axons whose sparse rows are added from where the Program has them
    axon: I32
    place_offset: I64  # axons of cores with dense blocks or kernels
    place: I32  # see `blocks.Blocks`
    synapse_offset: I64  # joined short rows
    target: npt.NDArray[Any]  # global neuron, uint16 where that is enough, else uint32
    weight: npt.NDArray[Any]
    core_counts: npt.NDArray[np.uint16]  # (n_entries, 2, n_cores) their events, synapses; or empty
    counted_offset: I64  # the same as a list, where few cores of many are reached
    counted_core: I32
    counted_synapses: I32


class Outlet(NamedTuple):
    """What neurons, or input elements, send; an offset column of one entry means none at all."""

    packet_offset: Offsets
    flow: I32
    signature: I32  # (n_owners,) see `traffic.Senders`
    entry_offset: I64
    ring_offset: I64
    ring: I32
    ring_delay: I32
    bit_offset: I64
    bit: I32  # (n, 2) position in State.bits or -1, delay; a row per owner without bit_offset.
    # ``~delay``: the owner sends otherwise than straight (`kernels.straight`)


class Synapses(NamedTuple):
    """Axons with dense or sparse rows."""

    neuron_offset: I64  # per core
    axon_core: I32
    axon_is_analog: I8
    axon_synapses: I32
    dense_row: I64  # (n_axons,) start of the axon's dense row, -1 for sparse rows
    dense: npt.NDArray[Any]
    row_offset: I64
    target: npt.NDArray[np.uint16]
    weight: npt.NDArray[Any]


class Groups(NamedTuple):
    """GroupTable for kernels."""

    core: I32
    start: I64
    stop: I64
    first_tick: I32
    model: I32
    packets: I32  # that each of its neurons sends when it fires; -1 if they differ
    is_analog: I8
    psums: I64  # groups that are fragments
    psum_target: I64
    psum_core: I32  # (n_groups,) core of the owner
    psum_flow: I32
    psum_signature: I32


class RingAxons(NamedTuple):
    """Axons with several senders."""

    axon: I32
    first_tick: I32
    is_analog: I8


class Image(NamedTuple):
    """A Program as kernels see it."""

    synapses: Synapses
    blocks: Blocks
    products: Products
    shared: SharedKernels
    crossbar: Crossbar | None
    groups: Groups
    modes: I32 | None  # (n_groups, 12) LiafModes, a row per group
    columns: LiafColumns
    pieces: Pieces
    synaptic: Synaptic
    luts: I32
    truenorth: TrueNorthColumns
    truenorth_neurons: TrueNorthNeurons
    entries: Entries
    pulls: Pulls
    rings: RingAxons
    neuron_outlet: Outlet
    input_outlet: Outlet
    traffic: Traffic
    op_time: I64  # (5,) spike op, mac, row read, neuron update, packet send; 2**-16 cycles
    settings: I64  # (7,) see `kernels.groups`

    @property
    def n_cores(self) -> int:
        """Used cores."""
        return self.synapses.neuron_offset.size - 1

    @property
    def n_slots(self) -> int:
        """Ticks that an event can be on its way, and the one in which it arrives."""
        return int(self.settings[2])

    @property
    def n_neurons(self) -> int:
        """Neurons of all used cores."""
        return int(self.synapses.neuron_offset[-1])


def make_image(program: Program, *, narrow: bool = True) -> Image:
    """Cast the columns of a checked Program to the types that kernels are compiled for.

    `narrow`: potentials of TrueNorth cores are kept in 16 bits where they provably fit. Nobody may
    then change them from outside.
    """
    shared, program = program.shared_kernels, program.laid_out
    chip, cores, axons = program.chip, program.cores, program.axons
    axon_core = np.repeat(np.arange(program.n_cores, dtype=np.int32), np.diff(cores.axon_offset))
    slots = 1 + max(
        int(program.packets.delay.max(initial=0)), int(program.input_packets.delay.max(initial=0))
    )
    dense, weight = _weights_as(program, shared.weight.dtype)
    crossbar = make_crossbar(program, axon_core, narrow=narrow)
    found = [_deliveries(table) for table in (program.packets, program.input_packets)]
    by_ring, by_bit = _ways(program, axon_core, found)
    blocks = make_blocks(
        program, axon_core[by_ring], is_small=_are_small(dense) and _are_small(shared.weight)
    )
    entries, outlets = _outlets(
        program, axon_core, found, by_ring, by_bit, crossbar, blocks, weight
    )
    ring = np.flatnonzero(by_ring)
    traffic, signatures = make_traffic(program)
    if crossbar is not None and outlets[0].bit.shape[0] == program.n_neurons:
        mark_straight(program, outlets[0].bit, signatures.neurons, crossbar.straight)
    pulls = make_pulls(program, axon_core, *found[0], ~(by_ring | by_bit), signatures.neurons)
    somas, width = soft_somas(program), np.diff(cores.neuron_offset)
    synapses = _synapses(program, axon_core, blocks, dense, weight)
    return Image(
        synapses=synapses,
        blocks=blocks,
        products=make_products(blocks, pulls, dense, width, synapses.axon_synapses),
        shared=shared,
        crossbar=crossbar,
        groups=_groups(program, signatures.psums),
        modes=somas.modes,
        columns=somas.columns,
        pieces=make_pieces(program.groups, somas, chip.core.membrane_bits),
        synaptic=somas.synaptic,
        luts=_i32(program.luts),
        truenorth=_contiguous(program.truenorth),
        truenorth_neurons=TrueNorthNeurons(*(_i32(c) for c in program.truenorth_neurons)),
        entries=entries,
        pulls=pulls,
        rings=RingAxons(
            _i32(ring),
            _i32(axons.first_tick[ring]),
            (axons.kind[ring] == FLOW_KINDS["analog"]).astype(np.int8),
        ),
        neuron_outlet=outlets[0]._replace(signature=signatures.neurons),
        input_outlet=outlets[1]._replace(signature=signatures.inputs),
        traffic=traffic,
        op_time=_operation_times(chip),
        settings=_i64(
            [
                *signed_limits(chip.core.membrane_bits),
                slots,
                chip.core.axon_collision == "or",
                chip.core.send_zero,
                program.seed & 0xFFFFFFFF,
                chip.core.send_zero and program.input_code.kind == "analog",
            ]
        ),
    )


def _contiguous(columns: TrueNorthColumns) -> TrueNorthColumns:
    parts: Any = (np.ascontiguousarray(column) for column in columns)
    return TrueNorthColumns(*parts)


def _synapses(
    program: Program,
    axon_core: I32,
    blocks: Blocks,
    dense: npt.NDArray[Any],
    weight: npt.NDArray[Any],
) -> Synapses:
    """Axons and their rows; no axons where every core has a crossbar."""
    axons = program.axons
    soft = slice(None)
    if (program.cores.synapse_format == SYNAPSE_FORMATS["crossbar"]).all():
        soft, axon_core = slice(0), np.empty(0, np.int32)
    return Synapses(
        neuron_offset=_i64(program.cores.neuron_offset),
        axon_core=axon_core[soft],
        axon_is_analog=(axons.kind[soft] == FLOW_KINDS["analog"]).astype(np.int8),
        axon_synapses=_i32(axons.synapses[soft]),
        dense_row=dense_rows(program, blocks, axon_core[soft]),
        dense=dense,
        row_offset=_i64(axons.row_offset[soft]),
        target=np.ascontiguousarray(program.synapses.target),
        weight=weight,
    )


def _groups(program: Program, psum_signature: I32) -> Groups:
    groups, output = program.groups, program.modes.output
    analog = (output == OUTPUT_CODES["analog"]) if output.size else np.zeros(groups.core.size)
    owner = np.searchsorted(program.cores.neuron_offset, groups.psum_target, side="right") - 1
    return Groups(
        core=_i32(groups.core),
        start=_i64(groups.neuron_start),
        stop=_i64(groups.neuron_stop),
        first_tick=_i32(groups.first_tick),
        model=_i32(groups.model),
        packets=_packets_of_each(program),
        is_analog=np.asarray(analog).astype(np.int8),
        psums=np.flatnonzero(groups.psum_target >= 0).astype(np.int64),
        psum_target=_i64(groups.psum_target),
        psum_core=_i32(owner),
        psum_flow=_i32(groups.psum_flow),
        psum_signature=psum_signature,
    )


def _packets_of_each(program: Program) -> I32:
    starts, stops = program.groups.neuron_start, program.groups.neuron_stop
    sizes = np.diff(program.packets.owner_offset)
    result = np.full(starts.size, -1, np.int32)
    used = np.flatnonzero(stops > starts)
    if used.size:
        most = np.maximum.reduceat(sizes, starts[used])
        same = most == np.minimum.reduceat(sizes, starts[used])
        result[used[same]] = most[same]
    return result


def _weights_as(program: Program, dtype: np.dtype[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Dense and sparse weights in the type that all formats have."""
    tables = (program.synapses.dense, program.synapses.weight)
    return tuple(np.ascontiguousarray(table, dtype=dtype) for table in tables)


def _are_small(weights: npt.NDArray[Any]) -> bool:
    """Whether all weights are in -127..127."""
    return weights.dtype == np.int8 and int(weights.min(initial=0)) > np.iinfo(np.int8).min


class _Deliveries(NamedTuple):
    owner: I32
    axon: I32
    delay: I32


def _deliveries(table: PacketTable) -> _Deliveries:
    owner = np.arange(table.owner_offset.size - 1, dtype=np.int32)
    owner = np.repeat(owner, np.diff(table.owner_offset))
    if table.axon.size != owner.size or (np.diff(table.delivery_offset) != 1).any():
        owner = np.repeat(owner, np.diff(table.delivery_offset))
    return _Deliveries(owner, _i32(table.axon), _i32(table.delay))


def _ways(
    program: Program, axon_core: I32, found: list[_Deliveries]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """(n_axons,) which axons have a ring, and which a bit; the others are reached by entries."""
    by_bit = (program.cores.synapse_format == SYNAPSE_FORMATS["crossbar"])[axon_core]
    by_ring = np.zeros_like(by_bit)
    if not by_bit.all():
        senders = sum(np.bincount(rows.axon, minlength=program.n_axons) for rows in found)
        by_ring = ~by_bit & (senders > 1)
    return by_ring, by_bit


def _outlets(
    program: Program,
    axon_core: I32,
    found: list[_Deliveries],
    by_ring: npt.NDArray[np.bool_],
    by_bit: npt.NDArray[np.bool_],
    crossbar: Crossbar | None,
    blocks: Blocks,
    weight: npt.NDArray[Any],
) -> tuple[Entries, tuple[Outlet, Outlet]]:
    """How every axon is reached: its bit, its ring, or the entry of its only sender."""
    tables = (program.packets, program.input_packets)
    ring_of = np.cumsum(by_ring, dtype=np.int32) - 1
    bit_of = np.arange(program.n_axons, dtype=np.int32)
    if crossbar is not None:
        shift = crossbar.axon_word[:-1] * 64 - program.cores.axon_offset[:-1]
        bit_of += shift.astype(np.int32)[axon_core]
    outlets, singles, first_entry = [], [], 0
    for table, rows in zip(tables, found, strict=True):
        n = table.owner_offset.size - 1
        rings, bits = by_ring[rows.axon], by_bit[rows.axon]
        entry_offset, single = _find_entries(program, rows, ~(rings | bits), n, first_entry)
        first_entry += single.n
        singles.append(single)
        ring_rows, bit_rows = _pick(rows, rings), _pick(rows, bits)
        outlets.append(
            Outlet(
                packet_offset=table.owner_offset,
                flow=_i32(table.flow),
                signature=np.empty(0, np.int32),
                entry_offset=entry_offset,
                ring_offset=_offsets(ring_rows.owner, n),
                ring=_i32(ring_of[ring_rows.axon]),
                ring_delay=_i32(ring_rows.delay),
                **_bit_rows(bit_rows, bit_of, n),
            )
        )
    entries = _entries(program, axon_core, singles, blocks, weight)
    return entries, (outlets[0], outlets[1])


def _bit_rows(rows: _Deliveries, bit_of: I32, n: int) -> dict[str, Any]:
    """Places of bits and delays; by owner, if no owner has several, else with offsets."""
    several = rows.owner.size == 0 or (rows.owner[1:] == rows.owner[:-1]).any()
    table = np.full((rows.owner.size if several else n, 2), -1, np.int32)
    which = slice(None) if several else rows.owner
    table[which, 0] = bit_of[rows.axon]
    table[which, 1] = rows.delay
    offset = _offsets(rows.owner, n) if several else np.zeros(1, np.int64)
    return {"bit_offset": offset, "bit": table}


def _pick(rows: _Deliveries, mask: npt.NDArray[np.bool_]) -> _Deliveries:
    return rows if mask.all() else _Deliveries(*(column[mask] for column in rows))


def _offsets(rows: I32, n: int) -> I64:
    """Offsets of rows sorted by owner; a single 0 if there are no rows at all."""
    if rows.size == 0:
        return np.zeros(1, np.int64)
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)


class _Single(NamedTuple):
    """Deliveries to axons with one sender, sorted by entry."""

    n: int
    entry: I64
    axon: I32
    delay: I32


def _find_entries(
    program: Program, rows: _Deliveries, mask: npt.NDArray[np.bool_], n: int, first_entry: int
) -> tuple[I64, _Single]:
    rows = _pick(rows, mask)
    window, kind = program.axons.first_tick[rows.axon], program.axons.kind[rows.axon]
    order = np.lexsort((rows.axon, kind, window, rows.delay, rows.owner))
    rows = _Deliveries(*(column[order] for column in rows))
    keys = np.stack([rows.owner, rows.delay, window[order], kind[order]])
    new = np.ones(rows.owner.size, bool)
    new[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
    entry = np.cumsum(new) - 1
    offset = _offsets(rows.owner[new], n)
    if offset.size > 1:
        offset += first_entry
    return offset, _Single(int(new.sum()), entry + first_entry, rows.axon, rows.delay)


def _entries(
    program: Program,
    axon_core: I32,
    singles: list[_Single],
    blocks: Blocks,
    weight: npt.NDArray[Any],
) -> Entries:
    n = sum(single.n for single in singles)
    entry, axon, delay = (
        np.concatenate([getattr(s, name) for s in singles]) for name in ("entry", "axon", "delay")
    )
    first = np.searchsorted(entry, np.arange(n))
    sizes = np.diff(program.axons.row_offset)
    placed = (np.diff(blocks.word) > 0)[axon_core[axon]]
    joined = ~placed
    if joined.any() and sizes[axon[joined]].mean() >= SHORT_ROW:
        joined = np.zeros_like(joined)
    return Entries(
        delay=_i32(delay[first]),
        first_tick=_i32(program.axons.first_tick[axon[first]]),
        kind=program.axons.kind[axon[first]].astype(np.int8),
        axon_offset=_full_offsets(entry[~placed & ~joined], n),
        axon=_i32(axon[~placed & ~joined]),
        place_offset=_full_offsets(entry[placed], n),
        place=places_of(program, blocks, axon_core, axon[placed]),
        **_joined_rows(program, axon_core, entry[joined], axon[joined], n, weight),
    )


def _full_offsets(rows: I64, n: int) -> I64:
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)


def _joined_rows(
    program: Program, axon_core: I32, entry: I64, axon: I64, n: int, weight: npt.NDArray[Any]
) -> dict[str, npt.NDArray[Any]]:
    """Short sparse rows of each entry one after the other, with global targets."""
    row, source = entries_of(program.axons.row_offset, axon)
    sizes = np.bincount(row, minlength=axon.size)
    core = axon_core[axon]
    target = program.synapses.target[source] + program.cores.neuron_offset[core][row]
    dtype = np.uint16 if program.n_neurons <= 1 << 16 else np.uint32
    synapses = program.axons.synapses[axon].astype(np.int64)
    result: dict[str, npt.NDArray[Any]] = {
        "synapse_offset": np.concatenate(
            [[0], np.cumsum(np.bincount(entry, sizes, n)).astype(np.int64)]
        ).astype(np.int64),
        "target": target.astype(dtype),
        "weight": np.ascontiguousarray(weight[source]),
        "core_counts": np.empty((0, 2, program.n_cores), np.uint16),
        "counted_offset": np.zeros(n + 1, np.int64),
        "counted_core": np.empty(0, np.int32),
        "counted_synapses": np.empty(0, np.int32),
    }
    small = np.bincount(entry, synapses, n).max(initial=0) <= np.iinfo(np.uint16).max
    if small and axon.size * 8 > n * program.n_cores:
        cell = entry * program.n_cores + core
        tables = [np.bincount(cell, v, n * program.n_cores) for v in (None, synapses)]
        shaped = [table.astype(np.uint16).reshape(n, program.n_cores) for table in tables]
        result["core_counts"] = np.stack(shaped, axis=1)
    else:
        result |= {
            "counted_offset": _full_offsets(entry, n),
            "counted_core": _i32(core),
            "counted_synapses": _i32(synapses),
        }
    return result


def _operation_times(chip: Chip) -> I64:
    timing = chip.timing
    cycles = (
        timing.synaptic_op_cycles,
        timing.mac_cycles,
        timing.row_read_cycles,
        timing.neuron_update_cycles,
        timing.packet_send_cycles,
    )
    return _i64(np.rint([q.value * (1 << CYCLE_FRACTION_BITS) for q in cycles]))


def _i32(values: npt.ArrayLike) -> I32:
    return np.ascontiguousarray(values, dtype=np.int32)


def _i64(values: npt.ArrayLike) -> I64:
    return np.ascontiguousarray(values, dtype=np.int64)
