"""The cycle-level clock: the packets of every tick, played through the network of the chip.

Enters: the packet log of a sample. Leaves: the cycles that each tick is busy, and what the network
saw. A core sends a packet when its soma (or the read-out of its partial sums) has come to the
neuron; a core that owns partial sums starts its somas when the last of them has arrived (a *gate*
of `neurosim.noc.tick`). Axon memories take packets as fast as the local port delivers them. The
host's packets of a tick enter at its start. Every sample starts with an untouched network, so
neither other samples nor threads can change a cycle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import PACKET_KINDS
from neurosim.clock.model import Clock, CoreTimes, Player
from neurosim.cost.network_stats import NetworkStats, latency_histogram
from neurosim.image.build import CYCLE_FRACTION_BITS
from neurosim.links.flow_ends import flow_terminals
from neurosim.links.flow_links import receive_cycles
from neurosim.noc.routes import Routes
from neurosim.noc.tick import TickNetwork, TickResult
from neurosim.program.columns import FLOW_KINDS, N_DIRECTIONS, Program
from neurosim.run.state import PacketLog, TickCosts, allocate_log

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class CycleClock(Clock):
    """Plays every packet; see the module."""

    @property
    def whole_samples(self) -> bool:
        """Whose turn it is at a router goes on from tick to tick."""
        return True

    def new_log(self, n_chip_ticks: int) -> PacketLog:
        """Room for a guess; the simulator allocates more when a sample needs it."""
        return allocate_log(n_chip_ticks, 1 << 12)

    def new_player(self) -> Player:
        """A network of its own, for one worker."""
        return CyclePlayer(self)

    @cached_property
    def ends(self) -> FlowEnds:
        """Terminals of every flow."""
        return _flow_ends(self.program)


@dataclass(frozen=True)
class FlowEnds:
    """Flows as the network numbers them: terminal ``y * wide + x``, then one host per row."""

    source: I64  # (n_flows,) terminal
    target: I64  # (n_flows,) first terminal
    n_targets: I64  # (n_flows,)
    tree_offset: I64  # (n_trees + 1,) into tree_target
    tree_target: I64
    tree: I64  # (n_flows,) number of the tree, -1 for a single target
    bits: I64  # (n_flows,) size of its packets
    kind: I64
    sender: I64  # (n_flows,) core index, -1 for the host
    owner: I64  # (n_flows,) core that waits for a flow of partial sums, else -1


class CyclePlayer(Player):
    """Plays sample after sample; keeps the statistics of the network."""

    def __init__(self, clock: CycleClock) -> None:
        program = clock.program
        self._ends = clock.ends
        self._program = program
        longest = max(program.chip.packet_bits(kind) for kind in PACKET_KINDS)
        self._network = TickNetwork(program.chip.noc, longest_packet=longest)
        self._routes = self._tree_routes()
        self._soma_cycles = _soma_cycles(program)
        self.stats: NetworkStats = NetworkStats.empty(program.chip.n_cores)

    def _tree_routes(self) -> Routes | None:
        ends = self._ends
        if ends.tree_offset.size <= 1:
            return None
        sources = ends.source[np.flatnonzero(ends.tree >= 0)]
        return self._network.routes(sources, ends.tree_offset, ends.tree_target)

    def play(self, costs: TickCosts, log: PacketLog, times: CoreTimes | None = None) -> I64:
        """Busy cycles of every chip tick of one sample."""
        n = int(log.n_logged[0])
        flow = log.flow[:n].astype(np.int64)
        gates = _find_gates(self._ends, flow, log)
        self._network.reset()
        played = self._network.play_many(
            log.tick_offset,
            self._ends.source[flow],
            self._ends.target[flow],
            gates.release,
            size=self._ends.bits[flow],
            kind=self._ends.kind[flow],
            routes=self._routes,
            route=self._ends.tree[flow],
            service=self._service(flow),
            feeds=np.repeat(gates.feeds, self._ends.n_targets[flow]),
            gate=gates.gate,
            gate_base=gates.base,
            gate_offset=gates.offset,
            check=False,
        )
        self._note(flow, played)
        busy = np.maximum(np.maximum(costs.compute, costs.memory), played.done_cycles)
        ends_at = played.gate_cycle + self._soma_cycles[gates.core]
        np.maximum.at(busy, gates.tick, ends_at)
        return busy

    def _service(self, flow: I64) -> I64:
        """Cycles that the receiver of every delivery needs: a core's own, none for the host."""
        needed = receive_cycles(self._program.chip)
        if not needed:
            return np.zeros(1, np.int64)
        to_cores = np.diff(self._program.flows.target_offset) > 0
        return np.repeat(np.where(to_cores, needed, 0)[flow], self._ends.n_targets[flow])

    def _note(self, flow: I64, played: TickResult) -> None:
        """Add what the network saw to the statistics."""
        delivery = np.repeat(np.arange(flow.size), self._ends.n_targets[flow])
        latency = played.arrive_cycle - played.inject_cycle[delivery]
        kind = np.where(self._ends.sender[flow] < 0, len(PACKET_KINDS), self._ends.kind[flow])
        self.stats = self.stats + replace(
            NetworkStats.empty(self._program.chip.n_cores),
            link_flits=played.link_flits,
            busy_cycles=played.busy_cycles,
            stall_no_credit=played.stall_no_credit,
            stall_lost=played.stall_lost,
            queue_peak=played.queue_peak,
            latency=latency_histogram(latency, kind[delivery]),
            drain_cycles_total=int(played.drain_cycles.sum()),
            drain_cycles=played.drain_cycles,
            drain_peak=played.drain_cycles,
        )


@dataclass(frozen=True)
class _Gates:
    """Gates of one sample, and what each packet of its log has to do with them."""

    tick: I64  # (n_gates,)
    core: I64  # (n_gates,) owner
    base: I64  # (n_gates,) cycle at which the owner itself is ready
    offset: I64  # (n_ticks + 1,)
    gate: I64  # (n_packets,) gate that releases the packet, -1 if none
    feeds: I64  # (n_packets,) gate that waits for it, -1 if none
    release: I64  # (n_packets,) cycles, from the tick's start or from the gate's opening


def _find_gates(ends: FlowEnds, flow: I64, log: PacketLog) -> _Gates:
    n_ticks = log.tick_offset.size - 1
    tick = np.repeat(np.arange(n_ticks), np.diff(log.tick_offset))
    release, begin = _cycles(log.release[: flow.size]), _cycles(log.begin[: flow.size])
    n_cores = int(ends.sender.max(initial=-1)) + 1
    owner = ends.owner[flow]
    keys = np.unique((tick * n_cores + owner)[owner >= 0])
    gate_tick, gate_core = np.divmod(keys, max(n_cores, 1))
    feeds = np.where(owner >= 0, np.searchsorted(keys, tick * n_cores + owner), -1)
    held = (owner < 0) & (ends.sender[flow] >= 0)
    found = np.searchsorted(keys, tick * n_cores + ends.sender[flow])
    found = np.minimum(found, max(keys.size - 1, 0))
    hit = held & (keys.size > 0)
    if keys.size:
        hit &= keys[found] == tick * n_cores + ends.sender[flow]
    gate = np.where(hit, found, -1)
    base = np.full(keys.size, np.iinfo(np.int64).max)
    np.minimum.at(base, gate[hit], begin[hit])
    base[base == np.iinfo(np.int64).max] = 0
    offset = np.searchsorted(gate_tick, np.arange(n_ticks + 1))
    release[hit] -= base[gate[hit]]
    return _Gates(gate_tick, gate_core, base, offset, gate, feeds, release)


def _cycles(fractions: I64) -> I64:
    """Whole cycles, rounded up."""
    cycles: I64 = -(-fractions >> CYCLE_FRACTION_BITS)
    return cycles


def _soma_cycles(program: Program) -> I64:
    """(n_cores,) cycles that the somas of a core take once they may start."""
    neurons = np.zeros(program.n_cores, dtype=np.int64)
    groups = program.groups
    somas = groups.psum_target < 0
    sizes = (groups.neuron_stop - groups.neuron_start)[somas]
    np.add.at(neurons, groups.core[somas], sizes)
    cycles: I64 = np.ceil(neurons * program.chip.timing.neuron_update_cycles.value).astype(np.int64)
    return cycles


def _flow_ends(program: Program) -> FlowEnds:
    chip, flows = program.chip, program.flows
    ends = flow_terminals(program)
    n_targets = np.diff(ends.offset)
    sender = flows.source.astype(np.int64)
    first, last = _end_links(program)
    source = np.where(sender >= 0, program.terminal_of_core[sender], _host_terminal(program, first))
    target = _host_terminal(program, last)
    inside = n_targets > 0
    target[inside] = ends.target[ends.offset[:-1][inside]]
    several = n_targets > 1
    bits = np.array([chip.packet_bits(kind) for kind in PACKET_KINDS], np.int64)
    return FlowEnds(
        source=source,
        target=target,
        n_targets=np.maximum(n_targets, 1),
        tree_offset=np.concatenate([[0], np.cumsum(n_targets[several])]).astype(np.int64),
        tree_target=ends.target[np.repeat(several, n_targets)],
        tree=np.where(several, np.cumsum(several) - 1, -1),
        bits=bits[flows.kind],
        kind=flows.kind.astype(np.int64),
        sender=sender,
        owner=_waiting_owner(program),
    )


def _waiting_owner(program: Program) -> I64:
    """(n_flows,) owner that waits for the partial sums of a flow; it waits in its own phase."""
    flows, phase = program.flows, program.phase_of_core
    owner = np.full(flows.kind.size, -1, np.int64)
    psum = np.flatnonzero(flows.kind == FLOW_KINDS["psum"])
    target = flows.target[flows.target_offset[:-1][psum]]
    owner[psum] = np.where(phase[target] == phase[flows.source[psum]], target, -1)
    return owner


def _end_links(program: Program) -> tuple[I64, I64]:
    """First and last link of every flow, -1 for a flow between groups of one core."""
    flows = program.flows
    padded = np.concatenate([flows.link.astype(np.int64), [-1]])
    used = np.diff(flows.link_offset) > 0
    first = np.where(used, padded[flows.link_offset[:-1]], -1)
    last = np.where(used, padded[flows.link_offset[1:] - 1], -1)
    return first, last


def _host_terminal(program: Program, link: I64) -> I64:
    """Terminal of the host behind a host link; on a torus, of the edge router itself."""
    chip = program.chip
    row = (link - N_DIRECTIONS * chip.n_cores) % chip.high
    result: I64 = row * chip.wide if not chip.noc.host_io else chip.n_cores + row
    return result
