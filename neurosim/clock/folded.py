"""The clock of a folded program: the phases of a tick, one after the other.

The cores of a folded program are logical: several sit at one position (x, y) in different phases,
and before each phase a memory outside the cores loads what the next logical core needs. Results do
not depend on it, only time and energy do::

    tick = sum over phases of (cycles of the phase + cycles of its reload)

The cycles of a phase are those of the network model for the cores of that phase and the packets
that they send; the host's packets enter in phase 0. A packet travels in the phase of its sender;
if it is for a core at a shared position it then waits in the memory, and so do partial sums for an
owner in a later phase.

Reloaded bits, for positions that several logical cores share (a core alone at its position keeps
everything): per tick its synapse memory, read, and the potentials of its neurons, read and
written back; per packet the axon number and the value, written and read, in the phase of the
sender; per partial sum between phases its value, written and read. Every chip of an array has a
memory of its own; the slowest counts. The parameters of neurons are taken to stay, as in a core.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import PACKET_KINDS
from neurosim.clock.model import Clock, CoreTimes, Player
from neurosim.cost.counters import Counters
from neurosim.image.build import CYCLE_FRACTION_BITS
from neurosim.links.flow_ends import flow_terminals
from neurosim.links.flow_links import link_cycles_per_packet, receive_cycles
from neurosim.program.check import synapse_memory_bytes
from neurosim.program.columns import FLOW_KINDS, N_DIRECTIONS, Program
from neurosim.run.state import PacketLog, TickCosts, allocate_log

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class FoldedClock(Clock):
    """Cuts ticks into phases and has them timed by another clock."""

    inner: Clock

    @property
    def whole_samples(self) -> bool:
        """As the clock of the phases."""
        return self.inner.whole_samples

    def new_log(self, n_chip_ticks: int) -> PacketLog:
        """Room for a guess."""
        return allocate_log(n_chip_ticks, 1 << 12)

    def new_player(self) -> Player:
        """A player with an inner one of its own."""
        return FoldedPlayer(self)

    @cached_property
    def plan(self) -> FoldPlan:
        """What follows from the program alone."""
        return fold_plan(self.program)


@dataclass(frozen=True)
class FoldPlan:
    """Phases, ways and reloads of a folded program.

    Attributes
    ----------
    n_phases : phases of a tick.
    phase_of_core : (n_cores,). phase_of_flow : (n_flows,) that of the sender; 0 for the host.
    resource_flow, resource, resource_cycles : one row per (flow, link or port): its number, and
        the cycles that a packet of the flow occupies it.
    n_resources : links of the chip, then the port into and the port out of every router.
    core_bits : (n_phases, n_chips) bits that every tick moves for the cores of each chip.
    moved_flow, moved_chip, moved_bits : bits that a packet of a flow moves to and from the memory
        of a chip.
    cycles_per_bit : of the memory of one chip.
    """

    n_phases: int
    phase_of_core: I64
    phase_of_flow: I64
    resource_flow: I64
    resource: I64
    resource_cycles: I64
    n_resources: int
    core_bits: I64
    moved_flow: I64
    moved_chip: I64
    moved_bits: I64
    cycles_per_bit: float


class FoldedPlayer(Player):
    """Has another player time the phases; that one is its `inner`."""

    needs_core_times = True

    def __init__(self, clock: FoldedClock) -> None:
        self._plan = clock.plan
        self.inner = clock.inner.new_player()
        self._reloads: list[I64] = []
        self.reloads = self._reloads

    def play(self, costs: TickCosts, log: PacketLog, times: CoreTimes | None = None) -> I64:
        """Busy cycles of every tick; its bounds become the sums over the phases."""
        assert times is not None, "a folded program is timed core by core"
        plan, n_ticks = self._plan, costs.compute.size
        by_phase = split_log(log, plan)
        parts = _phase_costs(times, by_phase, plan)
        busy = self.inner.play(parts, by_phase).reshape(n_ticks, plan.n_phases)
        self.stats = self.inner.stats
        bits = reload_bits(by_phase, plan)
        cycles = np.ceil(bits.max(axis=1) * plan.cycles_per_bit).astype(np.int64)
        cycles = cycles.reshape(n_ticks, plan.n_phases).sum(axis=1)
        for name in ("compute", "memory", "traffic"):
            per_phase = getattr(parts, name).reshape(n_ticks, plan.n_phases)
            getattr(costs, name)[:] = per_phase.sum(axis=1)
        moved = bits.sum(axis=1).reshape(n_ticks, plan.n_phases).sum(axis=1)
        self._reloads.append(np.stack([moved, cycles]))
        result: I64 = busy.sum(axis=1) + cycles
        return result


def split_log(log: PacketLog, plan: FoldPlan) -> PacketLog:
    """The log with one entry of `tick_offset` per tick and phase, packets in order of sending."""
    n, n_ticks = int(log.n_logged[0]), log.tick_offset.size - 1
    tick = np.repeat(np.arange(n_ticks), np.diff(log.tick_offset))
    part = tick * plan.n_phases + plan.phase_of_flow[log.flow[:n]]
    order = np.argsort(part, kind="stable")
    counts = np.bincount(part, minlength=n_ticks * plan.n_phases)
    offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    rows = {
        name: getattr(log, name)[:n][order]
        for name in log._fields
        if name not in ("tick_offset", "n_logged")
    }
    return log._replace(tick_offset=offset, **rows)


def reload_bits(log: PacketLog, plan: FoldPlan) -> I64:
    """(n_ticks * n_phases, n_chips) bits moved between the cores of a chip and its memory."""
    n_parts, n_chips = log.tick_offset.size - 1, plan.core_bits.shape[1]
    bits = np.tile(plan.core_bits, (n_parts // plan.n_phases, 1))
    first = np.searchsorted(plan.moved_flow, log.flow, side="left")
    count = np.searchsorted(plan.moved_flow, log.flow, side="right") - first
    row = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(count.sum())
    part = np.repeat(np.repeat(np.arange(n_parts), np.diff(log.tick_offset)), count)
    place = part * n_chips + plan.moved_chip[row]
    np.add.at(bits.reshape(-1), place, plan.moved_bits[row])
    return bits


def _phase_costs(times: CoreTimes, log: PacketLog, plan: FoldPlan) -> TickCosts:
    """Closed-form bounds of every tick and phase."""
    n_parts = log.tick_offset.size - 1
    most = []
    for fractions in times:
        phases = [plan.phase_of_core == phase for phase in range(plan.n_phases)]
        longest = np.stack([fractions[:, mine].max(axis=1) for mine in phases], axis=1)
        most.append((-(-longest >> CYCLE_FRACTION_BITS)).reshape(-1))
    traffic = np.zeros(n_parts, np.int64)
    n_flows = plan.phase_of_flow.size
    for part in np.flatnonzero(np.diff(log.tick_offset)):
        flows = log.flow[log.tick_offset[part] : log.tick_offset[part + 1]]
        packets = np.bincount(flows, minlength=n_flows)
        loaded = packets[plan.resource_flow] * plan.resource_cycles
        used = np.flatnonzero(loaded)
        load = np.bincount(plan.resource[used], loaded[used], plan.n_resources)
        traffic[part] = int(load.max(initial=0))
    none = np.zeros(n_parts, np.int64)
    return TickCosts(most[0], most[1], traffic, *(none for _ in TickCosts._fields[3:]))


def fold_plan(program: Program) -> FoldPlan:
    """The plan of a checked program whose chip has a memory to reload from."""
    chip, flows = program.chip, program.flows
    phase, sender = program.phase_of_core, flows.source.astype(np.int64)
    phase_of_flow = np.where(sender >= 0, phase[sender], 0)
    flow, resource, cycles = _ways(program)
    moved = _moved(program, phase_of_flow)
    chips = _chip_of_core(program)
    core_bits = np.zeros((program.n_phases, chip.n_chips), np.int64)
    np.add.at(core_bits, (phase, chips), _core_bits(program))
    price = chip.timing.reload_cycles_per_bit
    assert price is not None, "program.check asks for it"
    return FoldPlan(
        n_phases=program.n_phases,
        phase_of_core=phase,
        phase_of_flow=phase_of_flow,
        resource_flow=flow,
        resource=resource,
        resource_cycles=cycles,
        n_resources=program.n_links + 2 * chip.n_cores,
        core_bits=core_bits,
        moved_flow=moved[0],
        moved_chip=chips[moved[1]],
        moved_bits=moved[2],
        cycles_per_bit=price.value,
    )


def reloads_of_cores(program: Program, counters: Counters) -> I64:
    """(n_cores,) bits of the run: of the core itself, and of the packets that waited for it."""
    if program.n_phases == 1:
        return np.zeros(program.n_cores, np.int64)
    bits = _core_bits(program) * counters.busy_cycles.size
    sender = program.flows.source
    phase = np.where(sender >= 0, program.phase_of_core[sender], 0)
    flow, target, size = _moved(program, phase)
    np.add.at(bits, target, counters.flow_packets[flow] * size)
    return bits


def shared_positions(program: Program) -> npt.NDArray[np.bool_]:
    """(n_cores,) cores whose position another phase uses, too."""
    terminal = program.terminal_of_core
    shared: npt.NDArray[np.bool_] = np.bincount(terminal)[terminal] > 1
    return shared


def _core_bits(program: Program) -> I64:
    """(n_cores,) bits that a tick moves for a core, whatever happens in it."""
    somas = program.groups.psum_target < 0
    sizes = (program.groups.neuron_stop - program.groups.neuron_start)[somas]
    neurons = np.zeros(program.n_cores, np.int64)
    np.add.at(neurons, program.groups.core[somas], sizes)
    bits = 8 * synapse_memory_bytes(program) + 2 * program.chip.core.membrane_bits * neurons
    return np.where(shared_positions(program), bits, 0)


def _chip_of_core(program: Program) -> I64:
    chip, cores = program.chip, program.cores
    chips: I64 = (cores.y // chip.grid.high).astype(np.int64) * chip.array.wide
    return chips + cores.x // chip.grid.wide


def _moved(program: Program, phase_of_flow: I64) -> tuple[I64, I64, I64]:
    """Rows (flow, target, bits of one packet), by flow; flows that wait only."""
    chip, flows = program.chip, program.flows
    flow = np.repeat(np.arange(flows.kind.size), np.diff(flows.target_offset))
    target = flows.target.astype(np.int64)
    psum = flows.kind[flow] == FLOW_KINDS["psum"]
    between = program.phase_of_core[target] != phase_of_flow[flow]
    waits = np.where(psum, between, shared_positions(program)[target])
    axon_bits = (chip.core.axons - 1).bit_length()
    size = np.array(
        [chip.payload_bits(kind) + (0 if kind == "psum" else axon_bits) for kind in PACKET_KINDS]
    )
    flow, target = flow[waits], target[waits]
    return flow, target, 2 * size[flows.kind[flow]]


def _ways(program: Program) -> tuple[I64, I64, I64]:
    """Rows (flow, resource, cycles of one packet): links, ports into and out of routers."""
    chip, flows = program.chip, program.flows
    links = np.repeat(np.arange(flows.kind.size), np.diff(flows.link_offset))
    on_link = link_cycles_per_packet(chip)
    flits = np.array([chip.flits(kind) for kind in PACKET_KINDS], np.int64)
    ends = flow_terminals(program)
    inward = np.repeat(np.arange(flows.kind.size), np.diff(ends.offset))
    to_core = np.diff(flows.target_offset)[inward] > 0
    outward = np.flatnonzero(flows.source >= 0)
    ports = N_DIRECTIONS * chip.n_cores + 2 * chip.high
    leaves = program.terminal_of_core[flows.source[outward]]
    flow = np.concatenate([links, inward, outward])
    resource = np.concatenate(
        [flows.link.astype(np.int64), ports + ends.target, ports + chip.n_cores + leaves]
    )
    cycles = np.concatenate(
        [
            on_link[flows.kind[links], flows.link],
            np.maximum(flits[flows.kind[inward]], np.where(to_core, receive_cycles(chip), 0)),
            flits[flows.kind[outward]],
        ]
    )
    return flow, resource, cycles
