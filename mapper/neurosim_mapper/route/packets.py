"""Packets and flows: which packets each source sends, and the links that they cross.

Without multicast a source sends one packet per listening axon. With ``multicast: tree`` it sends
one packet that branches to every listening core, with ``multicast: relay`` one that is handed from
listening core to listening core (`neurosim_mapper.route.chains`), or one per listening core where
those cross fewer links or the chain could deadlock. The output layer also sends to the host.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.offsets import offsets_of
from neurosim.program.columns import FLOW_KINDS, FlowTable, PacketTable
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import Partition, Placement, Routes, Wiring
from neurosim_mapper.quantized import INPUT, QuantizedNetwork
from neurosim_mapper.route.chains import Mask, chain_legs, circling_chains, visiting_order
from neurosim_mapper.route.dimension_order import flow_links

HOST = -1


@dataclass(frozen=True)
class _Rows:
    """One row per (source, listening axon); `core` is HOST for what leaves the chip."""

    owner: Index
    source_core: Index
    kind: Index
    core: Index
    axon: Index
    delay: Index


@dataclass(frozen=True)
class _Packets:
    """Packets sorted by owner; `targets` are core numbers or HOST, ascending per packet."""

    owner: Index
    source_core: Index
    kind: Index
    target_offset: Index
    target: Index
    delivery_offset: Index
    axon: Index
    delay: Index


@dataclass(frozen=True)
class _Ways:
    """Distinct flows, and which of them every packet of the bundles takes."""

    source: Index  # core, or HOST
    kind: npt.NDArray[np.int32]
    to_host: Mask
    offset: Index  # into `target`; none for flows to the host
    target: Index
    flow_of: list[Index]


def route_packets(
    network: QuantizedNetwork,
    partition: Partition,
    wiring: Wiring,
    placement: Placement,
    chip: Chip,
) -> Routes:
    """Routes of every neuron, input element and fragment; raises DoesNotFitError on dead links."""
    together = chip.noc_section.multicast != "none"
    source = wiring.source_neuron()
    bundles = [
        _neuron_packets(network, wiring, source, together),
        _input_packets(network, wiring, source, together),
        _psum_packets(partition, wiring),
    ]
    ways = _ways(bundles)
    notes: dict[str, int] = {}
    if chip.noc_section.multicast == "relay":
        alone, notes = _sent_alone(ways, placement, chip)
        bundles = [
            _one_each(bundle, alone[flow], wiring)
            for bundle, flow in zip(bundles, ways.flow_of, strict=True)
        ]
        ways = _ways(bundles)
    inner, outer, psum = bundles
    psum_flow = np.full(len(partition.groups), -1, dtype=np.int32)
    psum_flow[psum.owner] = ways.flow_of[2]
    n_neurons = int(wiring.neuron_offset[-1])
    return Routes(
        _flow_table(ways, placement, chip),
        _packet_table(inner, n_neurons, ways.flow_of[0]),
        _packet_table(outer, network.n_inputs, ways.flow_of[1]),
        psum_flow,
        notes,
    )


def core_entries(
    network: QuantizedNetwork, partition: Partition, wiring: Wiring, chip: Chip
) -> Index:
    """(n_cores,) distinct flows that every core sends, wherever the cores are placed.

    A set of listeners counts as one relay chain; the placement may ask for single packets instead.
    """
    together = chip.noc_section.multicast != "none"
    inner = _neuron_packets(network, wiring, wiring.source_neuron(), together)
    keys = [*_distinct(inner)[0], *_distinct(_psum_packets(partition, wiring))[0]]
    senders = np.array([key[0] for key in keys], np.int64)
    return np.bincount(senders, minlength=wiring.n_cores).astype(np.int64)


def _neuron_packets(
    network: QuantizedNetwork, wiring: Wiring, source: Index, together: bool
) -> _Packets:
    """What neurons send: one row per listening axon, and one to the host per output neuron."""
    inner = np.flatnonzero(source >= 0)
    output = [layer.name for layer in network.layers].index(network.output)
    offset = wiring.layers.offset
    out = wiring.layers.neuron[offset[output] : offset[output + 1]].astype(np.int64)
    owner = np.concatenate([source[inner], out])
    rows = _Rows(
        owner=owner,
        source_core=wiring.core_of_neuron(owner),
        kind=_kind_of_neuron(network, wiring)[owner],
        core=np.concatenate([wiring.core_of_axon()[inner], np.full(out.size, HOST)]),
        axon=np.concatenate([inner, np.full(out.size, -1)]),
        delay=np.concatenate([wiring.axon_delay[inner], np.zeros(out.size, np.int64)]),
    )
    return _bundle(rows, together)


def _kind_of_neuron(network: QuantizedNetwork, wiring: Wiring) -> Index:
    """Packet kind of every neuron with a soma; 0 for those of fragments."""
    kind = np.zeros(int(wiring.neuron_offset[-1]), dtype=np.int64)
    for i, layer in enumerate(network.layers):
        neurons = wiring.layers.neuron[wiring.layers.offset[i] : wiring.layers.offset[i + 1]]
        kind[neurons] = FLOW_KINDS[layer.modes.output]
    return kind


def _input_packets(
    network: QuantizedNetwork, wiring: Wiring, source: Index, together: bool
) -> _Packets:
    """What the host sends for each input element."""
    outer = np.flatnonzero(source < 0)
    rows = _Rows(
        owner=-1 - source[outer],
        source_core=np.full(outer.size, HOST),
        kind=np.full(outer.size, FLOW_KINDS[network.output_kind(INPUT)]),
        core=wiring.core_of_axon()[outer],
        axon=outer,
        delay=wiring.axon_delay[outer].astype(np.int64),
    )
    return _bundle(rows, together)


def _psum_packets(partition: Partition, wiring: Wiring) -> _Packets:
    groups = partition.groups
    fragments = np.array([i for i, g in enumerate(groups) if g.owner is not None], dtype=np.int64)
    owners = np.array([groups[i].owner for i in fragments], dtype=np.int64)
    start = wiring.group_neuron_start
    count = np.arange(fragments.size + 1)
    none = np.zeros(fragments.size + 1, np.int64)
    return _Packets(
        owner=fragments,
        source_core=wiring.core_of_neuron(start[fragments]),
        kind=np.full(fragments.size, FLOW_KINDS["psum"]),
        target_offset=count,
        target=wiring.core_of_neuron(start[owners]),
        delivery_offset=none,
        axon=np.empty(0, np.int64),
        delay=np.empty(0, np.int64),
    )


def _bundle(rows: _Rows, together: bool) -> _Packets:
    """Sort rows by (owner, core, axon) and cut them into packets."""
    order = np.lexsort((rows.axon, rows.core, rows.owner))
    owner, core = rows.owner[order], rows.core[order]
    host = core == HOST
    first = np.ones(owner.size, dtype=bool)
    if together:
        first[1:] = (owner[1:] != owner[:-1]) | (host[1:] != host[:-1])
    packet = np.cumsum(first) - 1
    n_packets = int(first.sum())
    new_core = first.copy()
    new_core[1:] |= core[1:] != core[:-1]
    return _Packets(
        owner=owner[first],
        source_core=rows.source_core[order][first],
        kind=rows.kind[order][first],
        target_offset=_offsets(packet[new_core], n_packets),
        target=core[new_core],
        delivery_offset=_offsets(packet[~host], n_packets),
        axon=rows.axon[order][~host],
        delay=rows.delay[order][~host],
    )


def _offsets(rows: Index, n: int) -> Index:
    """Offsets of sorted row owners: how many rows belong to items 0..i-1."""
    return offsets_of(np.bincount(rows, minlength=n))


def _one_each(bundle: _Packets, alone: Mask, wiring: Wiring) -> _Packets:
    """The same with a packet per target in place of every packet that is `alone`."""
    if not alone.any():
        return bundle
    sizes = np.diff(bundle.target_offset)
    packet = np.repeat(np.arange(sizes.size), sizes)
    first = alone[packet]
    first[bundle.target_offset[:-1]] = True
    of_delivery = np.repeat(np.arange(sizes.size), np.diff(bundle.delivery_offset))
    core = np.searchsorted(wiring.axon_offset, bundle.axon, side="right") - 1
    new = np.ones(core.size, np.bool_)
    new[1:] = (of_delivery[1:] != of_delivery[:-1]) | (core[1:] != core[:-1])
    row = np.flatnonzero(bundle.target != HOST)[np.cumsum(new) - 1]
    number, n_packets = np.cumsum(first) - 1, int(first.sum())
    return replace(
        bundle,
        owner=bundle.owner[packet[first]],
        source_core=bundle.source_core[packet[first]],
        kind=bundle.kind[packet[first]],
        target_offset=_offsets(number, n_packets),
        delivery_offset=_offsets(number[row], n_packets),
    )


def _ways(packets: list[_Packets]) -> _Ways:
    """Distinct (source core, kind, targets) and the flow number of every packet."""
    number: dict[tuple[int, ...], int] = {}
    flow_of = []
    for bundle in packets:
        rows, inverse = _distinct(bundle)
        flow_of.append(
            np.array([number.setdefault(r, len(number)) for r in rows], np.int64)[inverse]
        )
    sizes = [len(key) - 2 for key in number]
    flat = np.array([core for key in number for core in key[2:]], np.int64)
    to_host = np.zeros(len(number), dtype=bool)
    if flat.size:
        to_host[np.repeat(np.arange(len(number)), sizes)[flat == HOST]] = True
    return _Ways(
        source=np.array([key[0] for key in number], np.int64),
        kind=np.array([key[1] for key in number], np.int32),
        to_host=to_host,
        offset=offsets_of(np.where(to_host, 0, sizes)),
        target=flat[flat != HOST],
        flow_of=flow_of,
    )


def _ends(ways: _Ways, placement: Placement) -> tuple[Index, Index]:
    """Where flows start (x = -1: the host, in the row of its first target), and their targets."""
    xy = np.column_stack([placement.x, placement.y]).astype(np.int64)
    start, goal = xy[ways.source], xy[ways.target]
    from_host = np.flatnonzero(ways.source == HOST)
    rows = goal[ways.offset[from_host], 1]
    start[from_host] = np.column_stack([np.full(from_host.size, -1), rows])
    return start, goal


def _sent_alone(ways: _Ways, placement: Placement, chip: Chip) -> tuple[Mask, dict[str, int]]:
    """(n_flows,) flows whose targets get a packet each, and how many for which reason."""
    start, goal = _ends(ways, placement)
    order = visiting_order(chip, start, ways.offset, goal)
    alone = order.alone
    n_shorter = int(alone.sum())
    legs = chain_legs(start, ways.to_host, ways.offset, goal[order.row], alone)
    leg_offset, link = flow_links(chip, *legs[1:])
    circling = circling_chains(chip, leg_offset[legs.offset], link, alone)
    notes = {"shorter_alone": n_shorter, "could_deadlock": int(circling.sum())}
    return alone | circling, notes


def _flow_table(ways: _Ways, placement: Placement, chip: Chip) -> FlowTable:
    start, goal = _ends(ways, placement)
    target = ways.target
    if chip.noc_section.multicast == "relay":
        row = visiting_order(chip, start, ways.offset, goal).row
        target = target[row]
        none = np.zeros(start.shape[0], np.bool_)
        legs = chain_legs(start, ways.to_host, ways.offset, goal[row], none)
        leg_offset, link = flow_links(chip, *legs[1:])
        link_offset = leg_offset[legs.offset]
    else:
        link_offset, link = flow_links(chip, start, ways.to_host, ways.offset, goal)
    return FlowTable(
        kind=ways.kind,
        source=ways.source.astype(np.int32),
        link_offset=link_offset,
        link=link,
        target_offset=ways.offset,
        target=target.astype(np.int32),
    )


def _distinct(table: _Packets) -> tuple[list[tuple[int, ...]], Index]:
    """Distinct keys (source core, kind, targets...) and, per packet, the number of its key."""
    counts = np.diff(table.target_offset)
    keys: list[tuple[int, ...]] = []
    inverse = np.empty(counts.size, dtype=np.int64)
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        columns = table.target[table.target_offset[rows][:, None] + np.arange(count)]
        wide = np.column_stack([table.source_core[rows], table.kind[rows], columns])
        found, which = np.unique(wide, axis=0, return_inverse=True)
        inverse[rows] = len(keys) + which.reshape(-1)
        keys.extend(tuple(row) for row in found.tolist())
    return keys, inverse


def _packet_table(table: _Packets, n_owners: int, flow: Index) -> PacketTable:
    return PacketTable(
        owner_offset=_offsets(table.owner, n_owners),
        flow=flow.astype(np.int32),
        delivery_offset=table.delivery_offset,
        axon=table.axon.astype(np.int32),
        delay=table.delay.astype(np.int32),
    )
