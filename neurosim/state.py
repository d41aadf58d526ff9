"""The border between a Program and the kernels: arrays checked, cast and allocated once.

`Image` is the read-only view of a Program that kernels take, `State` what one sample changes while
it runs, `Tally` what is counted. All are NamedTuples of arrays, each over all cores.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip import PACKET_KINDS, Chip
from neurosim.fixed_point import signed_limits
from neurosim.program import N_DIRECTIONS, SYNAPSE_FORMATS, PacketTable, Program
from neurosim.soma.liaf import LiafColumns, LiafModes, SomaState

I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

CORE_COUNTS: Final = (
    "axon_events",  # packets integrated: spikes and values
    "synaptic_ops",  # spikes x connected synapses
    "macs",  # values x connected synapses
    "row_reads",  # rows of the synapse memory read
    "neuron_updates",  # somas computed
    "fired",  # neurons that sent something
    "packets",  # packets sent
    "psum_packets",  # of these, partial sums
)
AXON_EVENTS, SYNAPTIC_OPS, MACS, ROW_READS, NEURON_UPDATES, FIRED, PACKETS, PSUM_PACKETS = range(8)

CYCLE_FRACTION_BITS: Final = 16  # times inside kernels count 2**-16 cycles


class Image(NamedTuple):
    """A Program as kernels see it."""

    axon_core: I32
    axon_is_analog: I8
    axon_first_tick: I32
    axon_synapses: I32
    row_offset: I64
    dense_row: I64  # (n_axons,) start of the axon's dense row, -1 for sparse rows
    dense: npt.NDArray[Any]
    target: npt.NDArray[np.uint16]
    weight: npt.NDArray[Any]
    neuron_offset: I64  # per core
    group_core: I32
    group_start: I64
    group_stop: I64
    group_first_tick: I32
    psum_target: I64
    psum_flow: I32
    group_flow_kind: I32
    modes: LiafModes
    columns: LiafColumns
    luts: I32
    packets: PacketTable
    input_packets: PacketTable
    flow_kind: I32
    flow_source: I32
    link_offset: I64
    link: I32
    target_offset: I64
    flow_target: I32
    link_cycles: I64  # (3, n_links) link cycles per packet, by kind
    packet_bits: I64  # (3,)
    port_cycles: I64  # (3,) cycles per packet at the local port of a core
    op_time: I64  # (5,) spike op, mac, row read, neuron update, packet send; 2**-16 cycles
    limits: I64  # (6,) membrane low and high, ring slots, merge spikes, send zeros, router links


class State(NamedTuple):
    """What one sample changes; `reset_state` puts it back to the start."""

    soma: SomaState
    ring: I32  # (n_slots, n_axons) values that wait for their tick
    waiting: I8  # (n_slots, n_axons) 1 where an axon is listed
    active: I32  # (n_slots, n_axons) axons that got something
    n_active: I64  # (n_slots,)
    flow_count: I64  # (n_flows,) packets of this tick
    flow_list: I32  # flows used in this tick
    n_flows_used: I64  # (1,)
    link_load: I64  # (n_links,) cycles of this tick
    link_bits: I64  # (n_links,) bits of this tick
    link_list: I32
    port_load: I64  # (n_cores, 2) cycles at the local port in and out
    compute_time: I64  # (n_cores,) of this tick, 2**-16 cycles
    memory_time: I64  # (n_cores,)


class Tally(NamedTuple):
    """What is counted over the samples of one worker."""

    core: I64  # (n_cores, len(CORE_COUNTS))
    flow_packets: I64  # (n_flows,)


class TickCosts(NamedTuple):
    """Per chip tick of one sample: the closed-form bounds, in cycles."""

    compute: I64
    memory: I64
    traffic: I64
    peak_bits: I64  # bits over the busiest router-to-router link
    peak_link: I64  # its number, -1 without traffic


class PacketLog(NamedTuple):
    """Packets of one sample for the cycle-level network, tick by tick in order of sending.

    With a `tick_offset` of one entry nothing is logged. `n_logged` may exceed the room: the caller
    then allocates more and plays the sample again.
    """

    tick_offset: I64  # (n_chip_ticks + 1,) or (1,)
    flow: I32
    release: I64  # ready to leave, 2**-16 cycles after the start of the tick
    begin: I64  # the sender began to compute what it sends: what waiting for partial sums delays
    n_logged: I64  # (1,)


def make_image(program: Program) -> Image:
    """Cast the columns of a checked Program to the types that kernels are compiled for."""
    chip, cores, groups = program.chip, program.cores, program.groups
    axon_core = np.repeat(np.arange(program.n_cores), np.diff(cores.axon_offset)).astype(np.int32)
    low, high = signed_limits(chip.core.membrane_bits)
    slots = 1 + max(
        int(program.packets.delay.max(initial=0)), int(program.input_packets.delay.max(initial=0))
    )
    return Image(
        axon_core=axon_core,
        axon_is_analog=(program.axons.kind == 1).astype(np.int8),
        axon_first_tick=_i32(program.axons.first_tick),
        axon_synapses=_i32(program.axons.synapses),
        row_offset=_i64(program.axons.row_offset),
        dense_row=_dense_rows(program, axon_core),
        dense=np.ascontiguousarray(program.synapses.dense),
        target=np.ascontiguousarray(program.synapses.target),
        weight=np.ascontiguousarray(program.synapses.weight),
        neuron_offset=_i64(cores.neuron_offset),
        group_core=_i32(groups.core),
        group_start=_i64(groups.neuron_start),
        group_stop=_i64(groups.neuron_stop),
        group_first_tick=_i32(groups.first_tick),
        psum_target=_i64(groups.psum_target),
        psum_flow=_i32(groups.psum_flow),
        group_flow_kind=_i32(program.modes.output),
        modes=LiafModes(*(_i32(c) for c in program.modes)),
        columns=LiafColumns(*(_i32(c) for c in program.neurons)),
        luts=_i32(program.luts),
        packets=_packet_table(program.packets),
        input_packets=_packet_table(program.input_packets),
        flow_kind=_i32(program.flows.kind),
        flow_source=_i32(program.flows.source),
        link_offset=_i64(program.flows.link_offset),
        link=_i32(program.flows.link),
        target_offset=_i64(program.flows.target_offset),
        flow_target=_i32(program.flows.target),
        link_cycles=link_cycles_per_packet(chip),
        packet_bits=_i64(np.array([chip.packet_bits(kind) for kind in PACKET_KINDS])),
        port_cycles=_i64(np.array([chip.flits(kind) for kind in PACKET_KINDS])),
        op_time=_operation_times(chip),
        limits=_i64(
            [
                low,
                high,
                slots,
                chip.core.axon_collision == "or",
                chip.core.send_zero,
                N_DIRECTIONS * chip.n_cores,
            ]
        ),
    )


def allocate_state(image: Image) -> State:
    """Arrays for one sample at a time; call `reset_state` in the kernel before each."""
    n_neurons, n_axons = image.columns.theta.size, image.axon_core.size
    n_cores, n_slots = image.neuron_offset.size - 1, int(image.limits[2])
    n_flows, n_links = image.flow_kind.size, image.link_cycles.shape[1]
    soma = SomaState(
        acc=np.zeros(n_neurons, np.int32),
        v=np.zeros(n_neurons, np.int32),
        y=np.zeros(n_neurons, np.int32),
        fired=np.zeros(n_neurons, np.int8),
    )
    return State(
        soma=soma,
        ring=np.zeros((n_slots, n_axons), np.int32),
        waiting=np.zeros((n_slots, n_axons), np.int8),
        active=np.zeros((n_slots, n_axons), np.int32),
        n_active=np.zeros(n_slots, np.int64),
        flow_count=np.zeros(n_flows, np.int64),
        flow_list=np.zeros(n_flows, np.int32),
        n_flows_used=np.zeros(1, np.int64),
        link_load=np.zeros(n_links, np.int64),
        link_bits=np.zeros(n_links, np.int64),
        link_list=np.zeros(n_links, np.int32),
        port_load=np.zeros((n_cores, 2), np.int64),
        compute_time=np.zeros(n_cores, np.int64),
        memory_time=np.zeros(n_cores, np.int64),
    )


def allocate_tally(image: Image) -> Tally:
    """Counters at zero."""
    n_cores = image.neuron_offset.size - 1
    return Tally(
        core=np.zeros((n_cores, len(CORE_COUNTS)), np.int64),
        flow_packets=np.zeros(image.flow_kind.size, np.int64),
    )


def allocate_log(n_ticks: int, room: int) -> PacketLog:
    """Room for `room` packets over `n_ticks` chip ticks; 0 ticks: nothing is logged."""
    return PacketLog(
        tick_offset=np.zeros(n_ticks + 1, np.int64),
        flow=np.zeros(room, np.int32),
        release=np.zeros(room, np.int64),
        begin=np.zeros(room, np.int64),
        n_logged=np.zeros(1, np.int64),
    )


def link_cycles_per_packet(chip: Chip) -> I64:
    """(3, n_links) cycles that a packet of each kind occupies each link.

    Links between chips of an array have their own width; host links have that of the chip.
    """
    n_links = N_DIRECTIONS * chip.n_cores + 2 * chip.high
    bits = np.full(n_links, chip.noc_section.link_bits_per_cycle, np.int64)
    bits[crossing_links(chip)] = chip.inter_chip.link_bits_per_cycle
    need = np.array([chip.packet_bits(kind) for kind in PACKET_KINDS], np.int64)
    return _i64(-(-need[:, None] // bits))


def crossing_links(chip: Chip) -> I64:
    """Numbers of the links that leave one chip of the array for another."""
    router = np.arange(chip.n_cores)
    x, y = router % chip.wide, router // chip.wide
    east = (x % chip.grid.wide == chip.grid.wide - 1) & (x < chip.wide - 1)
    west = (x % chip.grid.wide == 0) & (x > 0)
    south = (y % chip.grid.high == chip.grid.high - 1) & (y < chip.high - 1)
    north = (y % chip.grid.high == 0) & (y > 0)
    picked = [N_DIRECTIONS * router[m] + d for d, m in enumerate((east, west, south, north))]
    return np.sort(np.concatenate(picked)).astype(np.int64)


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


def _dense_rows(program: Program, axon_core: I32) -> I64:
    cores = program.cores
    local = np.arange(program.n_axons) - cores.axon_offset[axon_core]
    width = np.diff(cores.neuron_offset)[axon_core]
    dense = cores.synapse_format[axon_core] == SYNAPSE_FORMATS["dense"]
    return _i64(np.where(dense, cores.dense_offset[axon_core] + local * width, -1))


def _packet_table(table: PacketTable) -> PacketTable:
    return PacketTable(
        _i64(table.owner_offset),
        _i32(table.flow),
        _i64(table.delivery_offset),
        _i32(table.axon),
        _i32(table.delay),
    )


def _i32(values: npt.ArrayLike) -> I32:
    return np.ascontiguousarray(values, dtype=np.int32)


def _i64(values: npt.ArrayLike) -> I64:
    return np.ascontiguousarray(values, dtype=np.int64)
