"""Who sends which packet where: the tables that faults of packets need, made once per program."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim.faults.draw import core_of
from neurosim.faults.spec import Fault
from neurosim.links.chains import delivered_behind
from neurosim.links.flow_links import implied_flows, way_links
from neurosim.offsets import entries_of, offsets_of
from neurosim.program.columns import DIRECTION_STEPS, N_DIRECTIONS, PacketTable, Program

I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

INPUT = "input"
"""The host's packets, as a layer; unless a layer has this name."""


class Deliveries(NamedTuple):
    """Every delivery to an axon, sorted by axon: `offset` has the rows of each."""

    offset: I64  # (n_axons + 1,)
    by_host: Mask
    owner: I64  # neuron or input element
    delay: I64


def deliveries_by_axon(program: Program) -> Deliveries:
    """What can arrive at every axon."""
    tables = (program.packets, program.input_packets)
    owner = [np.repeat(owner_of_row(t), np.diff(t.delivery_offset)) for t in tables]
    axon = np.concatenate([table.axon for table in tables])
    order = np.argsort(axon, kind="stable")
    counts = np.bincount(axon, minlength=program.n_axons)
    return Deliveries(
        offset=offsets_of(counts),
        by_host=np.repeat([False, True], [part.size for part in owner])[order],
        owner=np.concatenate(owner)[order],
        delay=np.concatenate([table.delay for table in tables])[order].astype(np.int64),
    )


def owner_of_row(table: PacketTable) -> I64:
    """(n_packets,) neuron, or input element, that sends each packet."""
    return np.repeat(np.arange(table.owner_offset.size - 1), np.diff(table.owner_offset))


def rows_at(program: Program, fault: Fault, by_host: bool) -> Mask:
    """(n_packets,) packets, of neurons or of the host, at the place of a fault."""
    table = program.input_packets if by_host else program.packets
    keep = np.diff(table.delivery_offset) > 0
    if fault.layer:
        keep &= _of_layer(program, fault, table, by_host)
    for name in ("core", "neuron"):
        if name in fault.where:
            if by_host:
                return np.zeros_like(keep)
            owner = owner_of_row(table)
            core = core_of(program, owner)
            own = core if name == "core" else owner - program.cores.neuron_offset[core]
            keep &= own == fault.where[name]
    if "link" in fault.where:
        keep &= flows_over(program, fault.where["link"])[table.flow]
    return keep


def _of_layer(program: Program, fault: Fault, table: PacketTable, by_host: bool) -> Mask:
    names = program.layer_names
    if fault.layer not in (*names, INPUT):
        raise UsageError(
            f"fault {fault.text!r}: there is no layer {fault.layer!r}; known: "
            f"{', '.join((INPUT, *names))}."
        )
    of_host = fault.layer not in names
    if by_host or of_host:
        return np.full(table.flow.size, by_host and of_host)
    mine = np.zeros(program.n_neurons, np.bool_)
    mine[program.layer_neurons(names.index(fault.layer))] = True
    found: Mask = mine[owner_of_row(table)]
    return found


def flows_over(program: Program, link: int) -> Mask:
    """(n_flows,) flows whose way crosses a link."""
    flows = program.flows
    crosses = np.zeros(flows.kind.size, np.bool_)
    flow = np.repeat(np.arange(flows.kind.size), np.diff(flows.link_offset))
    crosses[flow[flows.link == link]] = True
    bare = np.flatnonzero(implied_flows(program))
    x, y = program.cores.x.astype(np.int64), program.cores.y.astype(np.int64)
    source, there = flows.source[bare], flows.target[flows.target_offset[bare]]
    offset, links = way_links(program.chip, x[source], y[source], x[there], y[there])
    way = np.repeat(np.arange(bare.size), np.diff(offset))
    crosses[bare[way[links == link]]] = True
    return crosses


def routers_behind(program: Program, flow: int, link: int) -> set[int]:
    """Routers that a packet of a tree reaches through one of its links."""
    chip, flows = program.chip, program.flows
    ends: dict[int, list[int]] = {}
    for number in flows.link[flows.link_offset[flow] : flows.link_offset[flow + 1]].tolist():
        here, there = _ends(chip.wide, chip.high, chip.n_cores, number)
        ends.setdefault(here, []).append(there)
    reached = [_ends(chip.wide, chip.high, chip.n_cores, link)[1]]
    for router in reached:
        reached += [there for there in ends.get(router, []) if there not in reached]
    return set(reached)


def _ends(wide: int, high: int, n_routers: int, link: int) -> tuple[int, int]:
    """Routers at both ends of a link; -1 for the host."""
    if link >= N_DIRECTIONS * n_routers:
        into, row = divmod(link - N_DIRECTIONS * n_routers, high)
        return (row * wide, -1) if into else (-1, row * wide)
    router, direction = divmod(link, N_DIRECTIONS)
    (dx, dy), x, y = DIRECTION_STEPS[direction], router % wide, router // wide
    return router, (y + dy) % high * wide + (x + dx) % wide


def deliveries_hit(program: Program, table: PacketTable, row: int, link: int | None) -> I64:
    """Deliveries of a packet that suffer from what happens to it: all, or those behind a link."""
    _, places = entries_of(table.delivery_offset, np.array([row]))
    flow = int(table.flow[row])
    several = program.flows.target_offset[flow + 1] - program.flows.target_offset[flow] > 1
    if link is None or not several:
        return places
    core = np.searchsorted(program.cores.axon_offset, table.axon[places], side="right") - 1
    chain = program.chip.noc_section.multicast == "relay"
    behind = list((delivered_behind if chain else routers_behind)(program, flow, link))
    return places[np.isin(program.terminal_of_core[core], behind)]
