"""Count a sample whose values travel as spike trains, sub-tick by sub-tick.

Enters: the packets of a sample with the values they carried (`PacketLog`) and a `Plan`. Leaves:
what the engine would have counted had every spike been a packet. In sub-tick ``S t + j``:

- A spike sent then is integrated in the next one (and ``delay - 1`` chip ticks later), so that
  all of a tick's spikes are in before the somas of the next.
- Somas, partial sums, packets of the host and what is not coded belong to ``j = 0``, both when
  they are sent and when they are integrated.
- The three bounds are those of a tick: operations, rows read, and the busiest link or port.
- A folded program goes through all its phases in every sub-tick, as in every tick, so a code of S
  sub-ticks reloads S times as often.

With one sub-tick per tick this is the engine's own count, which a test makes use of. Shifting the
sums of sub-ticks by their weights is not charged.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import PACKET_KINDS
from neurosim.clock.model import CoreTimes
from neurosim.image.build import CYCLE_FRACTION_BITS
from neurosim.offsets import entries_of
from neurosim.program.columns import FLOW_KINDS, MODEL_CODES, Program
from neurosim.recoding.plan import Plan
from neurosim.run.state import CORE_COUNTS, PacketLog, TickCosts, allocate_log

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sent:
    """Packets in order of sub-ticks; within one, in the order in which the engine sent them."""

    subtick: I64
    tick: I64
    flow: I64
    neuron: I64  # sender, -1 for partial sums and the host
    table_row: I64  # of `Deliveries`
    is_coded: npt.NDArray[np.bool_]  # part of a spike train


@dataclass(frozen=True)
class Work:
    """What cores do in every sub-tick, each (n_subticks, n_cores)."""

    events: I64
    ops: I64
    macs: I64
    updates: I64
    packets: I64


@dataclass(frozen=True)
class Sample:
    """One sample, counted.

    Attributes
    ----------
    core : (n_cores, len(CORE_COUNTS)); `fired` is left at 0. flow_packets : (n_flows,).
    costs : TickCosts per sub-tick.
    link_bits : (n_windows, n_resources) bits over links by window; local ports have none.
    core_time : (n_windows, 2, n_cores) compute and memory time, 2**-16 cycles.
    times : the same for every sub-tick.
    log : for a clock that reads packets; empty if nobody asked for it.
    """

    core: I64
    flow_packets: I64
    costs: TickCosts
    link_bits: I64
    core_time: I64
    times: CoreTimes
    log: PacketLog


def count_sample(
    plan: Plan, log: PacketLog, depth_ticks: int, needs_packets: bool, width: int
) -> Sample:
    """Turn the packets of a sample into spike trains and count them, in windows of `width`."""
    program, n_ticks = plan.priced, log.tick_offset.size - 1
    sent = _expand(plan, log)
    work = _work(plan, sent, n_ticks, n_ticks - depth_ticks)
    flow_packets = np.bincount(sent.flow, minlength=program.flows.kind.size)
    times = _core_times(plan, work)
    loads = _loads(plan, sent, times.shape[0])
    return Sample(
        core=_core_counts(program, work, sent),
        flow_packets=flow_packets.astype(np.int64),
        costs=_costs(plan, times, loads),
        link_bits=_by_window(loads.bits, width),
        core_time=_by_window(times, width),
        times=CoreTimes(times[:, 0], times[:, 1]),
        log=_log(plan, work, sent, n_ticks - depth_ticks) if needs_packets else allocate_log(0, 0),
    )


def _expand(plan: Plan, log: PacketLog) -> Sent:
    n, s = int(log.n_logged[0]), plan.n_subticks
    tick = np.repeat(np.arange(log.tick_offset.size - 1), np.diff(log.tick_offset))
    flow, packet = log.flow[:n].astype(np.int64), log.packet[:n]
    source = plan.program.flows.source[flow]
    owner = np.searchsorted(plan.program.packets.owner_offset, packet, side="right") - 1
    neuron = np.where((source >= 0) & (packet >= 0), owner, -1)
    deliveries = plan.deliveries
    row = np.where(source < 0, packet + deliveries.first_input, packet)
    row[packet < 0] = deliveries.nothing
    is_coded = (plan.spike_flow[flow] >= 0) & (neuron >= 0) & plan.is_coded[neuron]
    coded = np.flatnonzero(is_coded)
    trains = plan.trains[plan.train_base[neuron[coded]] + log.value[:n][coded]]
    at, place = np.nonzero(trains)
    plain = np.flatnonzero(~is_coded)
    index = np.concatenate([plain, coded[at]])
    subtick = s * tick[index] + np.concatenate([np.zeros(plain.size, np.int64), place])
    order = np.lexsort((index, subtick))
    index = index[order]
    sent = np.where(is_coded, plan.spike_flow[flow], flow)[index]
    coded_rows = is_coded[index]
    return Sent(subtick[order], tick[index], sent, neuron[index], row[index], coded_rows)


def _work(plan: Plan, sent: Sent, n_chip_ticks: int, n_ticks: int) -> Work:
    program, s = plan.priced, plan.n_subticks
    shape = (n_chip_ticks * s, program.n_cores)
    subtick, axon = _arrivals(plan, sent, n_ticks)
    core = np.searchsorted(program.cores.axon_offset, axon, side="right") - 1
    synapses = program.axons.synapses[axon].astype(np.int64)
    analog = plan.priced.axons.kind[axon] == FLOW_KINDS["analog"]
    source = program.flows.source[sent.flow].astype(np.int64)
    inside = source >= 0
    return Work(
        events=_table(shape, subtick, core),
        ops=_table(shape, subtick, core, np.where(analog, 0, synapses)),
        macs=_table(shape, subtick, core, np.where(analog, synapses, 0)),
        updates=_updates(program, n_chip_ticks, n_ticks, s),
        packets=_table(shape, sent.subtick[inside], source[inside]),
    )


def _arrivals(plan: Plan, sent: Sent, n_ticks: int) -> tuple[I64, I64]:
    """Sub-tick and axon of every event: several packets for one axon and sub-tick are one."""
    deliveries, n_axons = plan.deliveries, plan.program.n_axons
    packet, at = entries_of(deliveries.offset, sent.table_row)
    axon, delay = deliveries.axon[at], deliveries.delay[at]
    in_time = sent.tick[packet] + delay < plan.program.axons.first_tick[axon] + n_ticks
    coded, s = sent.is_coded[packet], plan.n_subticks
    subtick = sent.subtick[packet] + np.where(coded, (delay - 1) * s + 1, delay * s)
    keys = np.unique((subtick * n_axons + axon)[in_time])
    found = np.divmod(keys, max(n_axons, 1))
    return found[0], found[1]


def _table(shape: tuple[int, int], row: I64, column: I64, weights: I64 | None = None) -> I64:
    cells = np.bincount(row * shape[1] + column, weights, minlength=shape[0] * shape[1])
    return cells.reshape(shape).astype(np.int64)


def _updates(program: Program, n_chip_ticks: int, n_ticks: int, s: int) -> I64:
    groups = program.groups
    somas = np.flatnonzero(groups.model != MODEL_CODES["psum"])
    result = np.zeros((n_chip_ticks * s, program.n_cores), np.int64)
    for group in somas.tolist():
        first = int(groups.first_tick[group])
        ticks = np.arange(first, min(first + n_ticks, n_chip_ticks)) * s
        size = int(groups.neuron_stop[group] - groups.neuron_start[group])
        result[ticks, groups.core[group]] += size
    return result


def _core_counts(program: Program, work: Work, sent: Sent) -> I64:
    sums = {
        "axon_events": work.events.sum(axis=0),
        "synaptic_ops": work.ops.sum(axis=0),
        "macs": work.macs.sum(axis=0),
        "row_reads": work.events.sum(axis=0),
        "neuron_updates": work.updates.sum(axis=0),
        "packets": work.packets.sum(axis=0),
        "psum_packets": _psum_packets(program, sent),
    }
    result = np.zeros((program.n_cores, len(CORE_COUNTS)), np.int64)
    for name, column in sums.items():
        result[:, CORE_COUNTS.index(name)] = column
    return result


def _psum_packets(program: Program, sent: Sent) -> I64:
    sums = sent.flow[program.flows.kind[sent.flow] == FLOW_KINDS["psum"]]
    found = np.bincount(program.flows.source[sums], minlength=program.n_cores)
    return found.astype(np.int64)


def _by_window(rows: I64, width: int) -> I64:
    """Sums over runs of `width` sub-ticks."""
    return np.add.reduceat(rows, np.arange(0, len(rows), width)) if len(rows) else rows


def _core_times(plan: Plan, work: Work) -> I64:
    """(n_subticks, 2, n_cores) compute and memory time, 2**-16 cycles."""
    t_op, t_mac, t_row, t_update, t_send = plan.program.image.op_time.tolist()
    compute = work.ops * t_op + work.macs * t_mac + work.updates * t_update + work.packets * t_send
    return np.stack([compute, work.events * t_row], axis=1)


def _costs(plan: Plan, times: I64, loads: Loads) -> TickCosts:
    nothing = np.full(len(times), -1, np.int64)
    busiest = -(-times.max(axis=2, initial=0) >> CYCLE_FRACTION_BITS)
    peak_bits, peak_link = _peaks(plan, loads.bits)
    return TickCosts(
        compute=busiest[:, 0],
        memory=busiest[:, 1],
        traffic=loads.cycles.max(axis=1, initial=0),
        peak_bits=peak_bits,
        peak_link=peak_link,
        compute_core=nothing,
        memory_core=nothing,
        traffic_resource=nothing,
    )


@dataclass(frozen=True)
class Loads:
    """Of links and ports, each (n_subticks, n_resources)."""

    cycles: I64
    bits: I64


def _loads(plan: Plan, sent: Sent, n_subticks: int) -> Loads:
    chip, ways, kind_of = plan.program.chip, plan.ways, plan.priced.flows.kind
    n_flows, n = kind_of.size, ways.link.size
    keys, times = np.unique(sent.subtick * n_flows + sent.flow, return_counts=True)
    subtick, flow = np.divmod(keys, n_flows)
    row, at = entries_of(ways.offset, flow)
    resource, kind = ways.resource[at], kind_of[flow][row]
    cycles = ways.cycles[kind, resource] * times[row]
    bits = np.array([chip.packet_bits(name) for name in PACKET_KINDS], np.int64)[kind] * times[row]
    shape = (n_subticks, n)
    load = _table(shape, subtick[row], resource, cycles)
    return Loads(load, _table(shape, subtick[row], resource, bits) * (ways.link >= 0))


def _peaks(plan: Plan, bits: I64) -> tuple[I64, I64]:
    """Per sub-tick most bits of a router link, and the lowest link that carried them."""
    ways = plan.ways
    bit_load = bits[:, : ways.n_router_links]
    peak_bits = bit_load.max(axis=1, initial=0)
    number = np.where(bit_load == peak_bits[:, None], ways.link[: ways.n_router_links], 1 << 60)
    peak_link = np.where(peak_bits > 0, number.min(axis=1, initial=1 << 60), -1)
    return peak_bits, peak_link


def _log(plan: Plan, work: Work, sent: Sent, n_ticks: int) -> PacketLog:
    """When each packet may leave: after the work that its core does before it, one by one."""
    program, s = plan.priced, plan.n_subticks
    t_op, t_mac, t_row, t_update, t_send = plan.program.image.op_time.tolist()
    source = program.flows.source[sent.flow].astype(np.int64)
    inside = source >= 0
    core = np.where(inside, source, 0)
    run = np.where(sent.neuron >= 0, program.group_of(sent.neuron), -1 - sent.flow)
    sender = np.where(inside, source, program.n_cores)
    rank, before = _ranks(sent.subtick * (program.n_cores + 1) + sender, run)
    integrated = (work.ops * t_op + work.macs * t_mac)[sent.subtick, core]
    read = (work.events * t_row)[sent.subtick, core]
    somas = (sent.neuron >= 0) & (sent.subtick % s == 0)
    earlier, position = _soma_places(program, sent, n_ticks)
    begin = np.maximum(integrated + before * t_send + np.where(somas, earlier * t_update, 0), read)
    release = begin + np.where(somas, (position + 1) * t_update, 0) + (rank - before + 1) * t_send
    n = sent.flow.size
    return PacketLog(
        tick_offset=np.searchsorted(sent.subtick, np.arange(len(work.ops) + 1)).astype(np.int64),
        flow=sent.flow.astype(np.int32),
        release=np.where(inside, release, 0),
        begin=np.where(inside, begin, 0),
        packet=np.full(n, -1, np.int64),
        value=np.zeros(n, np.int32),
        n_logged=np.array([n], np.int64),
    )


def _ranks(place: I64, run: I64) -> tuple[I64, I64]:
    """How many packets of the same core and sub-tick leave before this one, and before its run."""
    order = np.argsort(place, kind="stable")
    sorted_place, sorted_run, index = place[order], run[order], np.arange(place.size)
    new_place = np.diff(sorted_place, prepend=-1) != 0
    new_run = new_place | (np.diff(sorted_run, prepend=np.iinfo(np.int64).min) != 0)
    start = np.maximum.accumulate(np.where(new_place, index, 0))
    run_start = np.maximum.accumulate(np.where(new_run, index, 0))
    rank, before = np.empty_like(place), np.empty_like(place)
    rank[order], before[order] = index - start, run_start - start
    return rank, before


def _soma_places(program: Program, sent: Sent, n_ticks: int) -> tuple[I64, I64]:
    """Neurons of the core updated before the sender's group in its tick; its place in the group."""
    groups, n_groups = program.groups, program.groups.core.size
    size = groups.neuron_stop - groups.neuron_start
    n_chip_ticks = int(sent.tick.max(initial=0)) + 1
    tick = np.arange(n_chip_ticks)[:, None]
    active = (tick >= groups.first_tick) & (tick < groups.first_tick + n_ticks)
    active &= groups.model != MODEL_CODES["psum"]
    total = np.zeros((n_chip_ticks, n_groups + 1), np.int64)
    np.cumsum(active * size, axis=1, out=total[:, 1:])
    first = program.cores.group_offset[groups.core]
    group = np.maximum(program.group_of(sent.neuron), 0)
    earlier = total[sent.tick, group] - total[sent.tick, first[group]]
    return earlier, sent.neuron - groups.neuron_start[group]
