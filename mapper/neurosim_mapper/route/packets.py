"""Packets and flows: which packets each source sends, and the links that they cross.

Without multicast a source sends one packet per listening axon. With ``multicast: tree`` it sends
one packet that branches to every listening core. Chains of relays (``multicast: relay``) are not
mapped: such a chip gets one packet per listening axon. The output layer also sends to the host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.chip.model import Chip
from neurosim.program.columns import FLOW_KINDS, FlowTable, PacketTable
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import Partition, Placement, Routes, Wiring
from neurosim_mapper.quantized import INPUT, QuantizedNetwork
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


def route_packets(
    network: QuantizedNetwork,
    partition: Partition,
    wiring: Wiring,
    placement: Placement,
    chip: Chip,
) -> Routes:
    """Routes of every neuron, input element and fragment; raises DoesNotFitError on dead links."""
    tree = chip.noc_section.multicast == "tree"
    source = wiring.source_neuron()
    inner = _neuron_packets(network, wiring, source, tree)
    outer = _input_packets(network, wiring, source, tree)
    psum = _psum_packets(partition, wiring)
    flows, flow_of = _flows([inner, outer, psum], placement, chip)
    psum_flow = np.full(len(partition.groups), -1, dtype=np.int32)
    psum_flow[psum.owner] = flow_of[2]
    n_neurons = int(wiring.neuron_offset[-1])
    return Routes(
        flows,
        _packet_table(inner, n_neurons, flow_of[0]),
        _packet_table(outer, network.n_inputs, flow_of[1]),
        psum_flow,
    )


def core_entries(
    network: QuantizedNetwork, partition: Partition, wiring: Wiring, chip: Chip
) -> Index:
    """(n_cores,) distinct flows that every core sends, wherever the cores are placed."""
    tree = chip.noc_section.multicast == "tree"
    inner = _neuron_packets(network, wiring, wiring.source_neuron(), tree)
    keys = [*_distinct(inner)[0], *_distinct(_psum_packets(partition, wiring))[0]]
    senders = np.array([key[0] for key in keys], np.int64)
    return np.bincount(senders, minlength=wiring.n_cores).astype(np.int64)


def route_notes(chip: Chip) -> tuple[str, ...]:
    """What a user should know about the packets on this chip."""
    if chip.noc_section.multicast != "relay":
        return ()
    return (
        "noc.multicast is 'relay': chains from core to core are not mapped, every listening core "
        "is sent a packet of its own.",
    )


def _neuron_packets(
    network: QuantizedNetwork, wiring: Wiring, source: Index, tree: bool
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
    return _bundle(rows, tree)


def _kind_of_neuron(network: QuantizedNetwork, wiring: Wiring) -> Index:
    """Packet kind of every neuron with a soma; 0 for those of fragments."""
    kind = np.zeros(int(wiring.neuron_offset[-1]), dtype=np.int64)
    for i, layer in enumerate(network.layers):
        neurons = wiring.layers.neuron[wiring.layers.offset[i] : wiring.layers.offset[i + 1]]
        kind[neurons] = FLOW_KINDS[layer.modes.output]
    return kind


def _input_packets(
    network: QuantizedNetwork, wiring: Wiring, source: Index, tree: bool
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
    return _bundle(rows, tree)


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


def _bundle(rows: _Rows, tree: bool) -> _Packets:
    """Sort rows by (owner, core, axon) and cut them into packets."""
    order = np.lexsort((rows.axon, rows.core, rows.owner))
    owner, core = rows.owner[order], rows.core[order]
    host = core == HOST
    first = np.ones(owner.size, dtype=bool)
    if tree:
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
    return np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=n))]).astype(np.int64)


def _flows(
    packets: list[_Packets], placement: Placement, chip: Chip
) -> tuple[FlowTable, list[Index]]:
    """Distinct (source core, kind, targets) and the flow number of every packet."""
    number: dict[tuple[int, ...], int] = {}
    flow_of = []
    for bundle in packets:
        rows, inverse = _distinct(bundle)
        flow_of.append(
            np.array([number.setdefault(r, len(number)) for r in rows], np.int64)[inverse]
        )
    sources = np.array([key[0] for key in number], np.int64)
    kinds = np.array([key[1] for key in number], np.int32)
    sizes = [len(key) - 2 for key in number]
    flat = np.array([core for key in number for core in key[2:]], np.int64)
    to_host = np.zeros(len(number), dtype=bool)
    if flat.size:
        to_host[np.repeat(np.arange(len(number)), sizes)[flat == HOST]] = True
    offset = np.cumsum([0, *np.where(to_host, 0, sizes)], dtype=np.int64)
    target = flat[flat != HOST]
    xy = np.column_stack([placement.x, placement.y]).astype(np.int64)
    start = xy[sources]
    from_host = np.flatnonzero(sources == HOST)
    # The host enters in the row of its first target.
    start[from_host] = np.column_stack(
        [np.full(from_host.size, -1), xy[target[offset[from_host]], 1]]
    )
    link_offset, link = flow_links(chip, start, to_host, offset, xy[target])
    table = FlowTable(
        kind=kinds,
        source=sources.astype(np.int32),
        link_offset=link_offset,
        link=link,
        target_offset=offset,
        target=target.astype(np.int32),
    )
    return table, flow_of


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
