"""Packets and flows: which packets each source sends, and the links that they cross.

Without multicast a source sends one packet per listening axon. With ``multicast: tree`` it sends
one packet that branches to every listening core. The output layer also sends to the host.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.chip import Chip
from neurosim.program import FLOW_KINDS, FlowTable, PacketTable
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import Partition, Placement, Routes, Wiring
from neurosim_mapper.quantized import INPUT, QuantizedNetwork
from neurosim_mapper.route.dimension_order import DimensionOrder

HOST = -1


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


def _neuron_packets(
    network: QuantizedNetwork, wiring: Wiring, source: Index, tree: bool
) -> _Packets:
    inner = np.flatnonzero(source >= 0)
    kinds = np.array([FLOW_KINDS[layer.modes.output] for layer in network.layers])
    layer_of = np.full(int(wiring.neuron_offset[-1]), -1, dtype=np.int64)
    for i in range(len(network.layers)):
        layer_of[wiring.layers.neuron[wiring.layers.offset[i] : wiring.layers.offset[i + 1]]] = i
    output = [layer.name for layer in network.layers].index(network.output)
    out = wiring.layers.neuron[wiring.layers.offset[output] : wiring.layers.offset[output + 1]]
    owner = np.concatenate([source[inner], out.astype(np.int64)])
    core = np.concatenate([wiring.core_of_axon()[inner], np.full(out.size, HOST)])
    axon = np.concatenate([inner, np.full(out.size, -1)])
    delay = np.concatenate([wiring.axon_delay[inner], np.zeros(out.size, np.int64)])
    return _bundle(
        owner, core, axon, delay, wiring.core_of_neuron, lambda o: kinds[layer_of[o]], tree
    )


def _input_packets(
    network: QuantizedNetwork, wiring: Wiring, source: Index, tree: bool
) -> _Packets:
    outer = np.flatnonzero(source < 0)
    kind = FLOW_KINDS[network.output_kind(INPUT)]
    return _bundle(
        -1 - source[outer],
        wiring.core_of_axon()[outer],
        outer,
        wiring.axon_delay[outer].astype(np.int64),
        lambda o: np.full(o.size, HOST),
        lambda o: np.full(o.size, kind),
        tree,
    )


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


def _bundle(owner, core, axon, delay, core_of, kind_of, tree) -> _Packets:  # type: ignore[no-untyped-def]
    """Sort rows (owner, core, axon) and cut them into packets."""
    order = np.lexsort((axon, core, owner))
    owner, core, axon, delay = owner[order], core[order], axon[order], delay[order]
    host = core == HOST
    if tree:
        first = np.ones(owner.size, dtype=bool)
        first[1:] = (owner[1:] != owner[:-1]) | (host[1:] != host[:-1])
    else:
        first = np.ones(owner.size, dtype=bool)
    packet = np.cumsum(first) - 1
    n_packets = int(first.sum())
    new_core = first.copy()
    new_core[1:] |= core[1:] != core[:-1]
    inside = ~host
    senders = owner[first]
    return _Packets(
        owner=senders,
        source_core=core_of(senders),
        kind=kind_of(senders),
        target_offset=_offsets(packet[new_core], n_packets),
        target=core[new_core],
        delivery_offset=_offsets(packet[inside], n_packets),
        axon=axon[inside],
        delay=delay[inside],
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
    for table in packets:
        rows, inverse = _distinct(table)
        flow_of.append(
            np.array([number.setdefault(r, len(number)) for r in rows], np.int64)[inverse]
        )
    paths = DimensionOrder(chip)
    xy = list(zip(placement.x.tolist(), placement.y.tolist(), strict=True))
    links = [_links(paths, key, xy) for key in number]
    targets = [[t for t in key[2:] if t != HOST] for key in number]
    table = FlowTable(
        kind=np.array([key[1] for key in number], np.int32),
        source=np.array([key[0] for key in number], np.int32),
        link_offset=np.cumsum([0, *map(len, links)], dtype=np.int64),
        link=np.array([link for path in links for link in path], np.int32),
        target_offset=np.cumsum([0, *map(len, targets)], dtype=np.int64),
        target=np.array([core for cores in targets for core in cores], np.int32),
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


def _links(paths: DimensionOrder, key: tuple[int, ...], xy: list[tuple[int, int]]) -> list[int]:
    source, targets = key[0], key[2:]
    if targets == (HOST,):
        return paths.to_host(xy[source])
    places = [xy[t] for t in targets]
    return paths.from_host(places) if source == HOST else paths.tree(xy[source], places)


def _packet_table(table: _Packets, n_owners: int, flow: Index) -> PacketTable:
    return PacketTable(
        owner_offset=_offsets(table.owner, n_owners),
        flow=flow.astype(np.int32),
        delivery_offset=table.delivery_offset,
        axon=table.axon.astype(np.int32),
        delay=table.delay.astype(np.int32),
    )
