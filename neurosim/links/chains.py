"""Relay chains: packets that a core hands on to the next one, and why none waits for ever.

A chain is a flow with several targets on a chip with ``noc.multicast: relay``. Its packet goes to
the first target by the chip's own way; the router there hands one copy to its core and sends the
packet on to the second, and so on. Nothing is stored in a core in between: the packet leaves the
buffer of the router's input port when both copies have gone. So what can wait for what is a matter
of turns: a link waits for those that packets turn into from it. If no links wait in a circle (W. J.
Dally, C. L. Seitz, IEEE Trans. Computers C-36, 1987), every packet arrives.

On a mesh without dead links the mapper's chains (`neurosim_mapper.route.chains`) turn into -x only
from -x, and never from -y into +y. With x before y, a circle could not hold a -x link, as nothing
turns into one; then no +x link, as x would only grow; then only the links of a column, where +y may
wait for -y but not the other way round: there is no circle. With y before x the axes trade places.
Around dead links the same order may close one, so the links of every program are checked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.links.detours import detour_links, needs_detours
from neurosim.program.columns import N_DIRECTIONS, Program
from neurosim.program.violation import Violation

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Circles(NamedTuple):
    """What could wait for itself."""

    links: I64  # that wait for each other in circles, or for such links; empty: no deadlock
    n_turns: I64  # (n_flows,) turns between such links that the chip's own ways do not make


def find_circles(chip: Chip, link_offset: I64, link: npt.NDArray[np.integer]) -> Circles:
    """Whether packets could deadlock: those of the given chains and all others.

    Parameters
    ----------
    link_offset, link : (n_flows + 1,) and links of every chain in order of travel, on a mesh.
    """
    from neurosim.noc.links import neighbour_ports
    from neurosim.noc.routes import dependency_cycle, routing_turns

    noc, n_inner = chip.noc, N_DIRECTIONS * chip.n_cores
    flow = np.repeat(np.arange(link_offset.size - 1), np.diff(link_offset))
    before, after = link[:-1].astype(np.int64), link[1:].astype(np.int64)
    turn = np.flatnonzero((flow[1:] == flow[:-1]) & (before < n_inner) & (after < n_inner))
    flow, before, after = flow[turn], before[turn], after[turn]
    to = neighbour_ports(noc)
    turns = routing_turns(noc, to)
    router, come, go = after // N_DIRECTIONS, before % N_DIRECTIONS ^ 1, after % N_DIRECTIONS
    extra = turns[router, come, go] == 0
    turns[router, come, go] = 1
    waiting = np.zeros(n_inner, np.bool_)
    for here, port in dependency_cycle(to, turns):
        waiting[N_DIRECTIONS * here + port] = True
    part = flow[extra & waiting[before] & waiting[after]]
    return Circles(np.flatnonzero(waiting), np.bincount(part, minlength=link_offset.size - 1))


def chained_flows(program: Program) -> Mask:
    """(n_flows,) flows that are relay chains."""
    several: Mask = np.diff(program.flows.target_offset) > 1
    return several & (program.chip.noc_section.multicast == "relay")


def check_chains(program: Program) -> Iterator[Violation]:
    """No circle of waiting can close."""
    chains, flows = chained_flows(program), program.flows
    if not chains.any():
        return
    sizes = np.where(chains, np.diff(flows.link_offset), 0)
    listed = np.repeat(chains, np.diff(flows.link_offset))
    offset = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    circles = find_circles(program.chip, offset, flows.link[listed])
    if circles.links.size:
        flow = int(circles.n_turns.argmax())
        source = int(flows.source[flow])
        sender = "the host" if source < 0 else f"core {source}"
        yield Violation(
            "noc.multicast",
            f"relay chain of {sender} (flow {flow})",
            f"{circles.links.size} links that can wait for each other in a circle",
            "0",
        )


def delivered_behind(program: Program, flow: int, link: int) -> set[int]:
    """Routers at which a chain's packet leaves copies after it has crossed `link`."""
    flows = program.flows
    links = flows.link[flows.link_offset[flow] : flows.link_offset[flow + 1]].tolist()
    targets = flows.target[flows.target_offset[flow] : flows.target_offset[flow + 1]]
    routers = program.terminal_of_core[targets].tolist()
    done, here = 0, int(program.terminal_of_core[flows.source[flow]])
    steps = (1, -1, program.chip.wide, -program.chip.wide)
    for number in links:
        inner = number < N_DIRECTIONS * program.chip.n_cores
        if inner or flows.source[flow] >= 0:
            while done < len(routers) and routers[done] == here:
                done += 1
        if number == link:
            break
        row = number - N_DIRECTIONS * program.chip.n_cores
        here = number // N_DIRECTIONS + steps[number % 4] if inner else row * program.chip.wide
    return set(routers[done:])


def chain_facts(program: Program) -> dict[str, Any]:
    """What the chains save against a packet per listening core, as plain data.

    ``chains``; the mean ``cores`` and ``hops`` of one; ``packets`` and ``packet_hops`` that they
    take if every sender sends once, ``packets_alone`` and ``packet_hops_alone`` what single packets
    would take. Hops are links between routers.
    """
    flows, chip = program.flows, program.chip
    chosen = np.flatnonzero(chained_flows(program))
    sent = np.zeros(flows.kind.size, np.int64)
    for table in (program.packets, program.input_packets):
        sent += np.bincount(table.flow, minlength=flows.kind.size)
    owner = np.repeat(np.arange(flows.kind.size), np.diff(flows.link_offset))
    inner = flows.link < N_DIRECTIONS * chip.n_cores
    hops = np.bincount(owner[inner], minlength=flows.kind.size)[chosen]
    cores, sent, n = np.diff(flows.target_offset)[chosen], sent[chosen], max(chosen.size, 1)
    return {
        "chains": int(chosen.size),
        "cores_mean": round(float(cores.sum()) / n, 2),
        "hops_mean": round(float(hops.sum()) / n, 2),
        "packets": int(sent.sum()),
        "packet_hops": int(sent @ hops),
        "packets_alone": int(sent @ cores),
        "packet_hops_alone": int(sent @ _hops_alone(program, chosen)),
    }


def _hops_alone(program: Program, flow: I64) -> I64:
    """Links between routers that single packets to the targets of each flow would cross."""
    flows, chip = program.flows, program.chip
    sizes = np.diff(flows.target_offset)[flow]
    row = np.repeat(np.arange(flow.size), sizes)
    chosen = np.zeros(flows.kind.size, np.bool_)
    chosen[flow] = True
    target = flows.target[np.repeat(chosen, np.diff(flows.target_offset))]
    source = flows.source[flow][row]
    x, y = program.cores.x.astype(np.int64), program.cores.y.astype(np.int64)
    sx, sy = np.where(source < 0, 0, x[source]), np.where(source < 0, y[target], y[source])
    away = np.abs(sx - x[target]) + np.abs(sy - y[target])
    if needs_detours(chip):
        inside = np.zeros(row.size, np.bool_)
        goal = np.stack([x[target], y[target]], 1)
        offset, _ = detour_links(chip, np.stack([sx, sy], 1), inside, np.arange(row.size + 1), goal)
        away = np.diff(offset)
    return np.bincount(row, away, flow.size).astype(np.int64)


def chain_sentence(facts: Mapping[str, Any]) -> str:
    """The facts of a mapping report's ``relay_chains`` in one sentence."""
    return (
        f"relay chains: {facts['chains']:,} through {facts['cores_mean']:g} cores and over "
        f"{facts['hops_mean']:g} links on average; if every sender sends once, "
        f"{facts['packets']:,} packets and {facts['packet_hops']:,} hops in place of "
        f"{facts['packets_alone']:,} and {facts['packet_hops_alone']:,} with a packet per "
        f"listener; a packet per listener was shorter for {facts['shorter_alone']:,} sets of "
        f"listeners, and for {facts['could_deadlock']:,} a chain could have deadlocked"
    )
