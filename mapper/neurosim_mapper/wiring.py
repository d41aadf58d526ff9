"""Wiring: give every neuron and axon of a Partition its global number and its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from neurosim.program.columns import LayerTable
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import NeuronGroup, Partition, Schedule, Wiring
from neurosim_mapper.quantized import INPUT, QuantizedNetwork

# An axon as one number, from the left: source layer + 1, source neuron, delay, type.
_LAYER_BIT: Final = 50
_SOURCE_BIT: Final = 18
_DELAY_BIT: Final = 4


def wire(
    network: QuantizedNetwork,
    partition: Partition,
    schedule: Schedule,
    destinations: int | None = None,
) -> Wiring:
    """Number neurons and axons core by core; sources shared by groups of a core share an axon.

    With a limit of `destinations` per neuron the axons that hear one neuron are shared out among
    its copies; the host counts as one destination of the first copy.
    """
    index_of = {layer.name: i for i, layer in enumerate(network.layers)} | {INPUT: -1}
    codes = [core_axons(network, core, schedule, index_of) for core in partition.cores]
    axon_offset = np.cumsum([0, *(code.size for code in codes)], dtype=np.int64)
    sizes = [sum(g.neurons.size for g in core) for core in partition.cores]
    neuron_offset = np.cumsum([0, *sizes], dtype=np.int64)
    group_start = np.cumsum([0, *(g.neurons.size for g in partition.groups)], dtype=np.int64)[:-1]
    code = np.concatenate([np.empty(0, np.int64), *codes])
    layer = (code >> _LAYER_BIT) - 1
    source = (code >> _SOURCE_BIT) & ((1 << _LAYER_BIT - _SOURCE_BIT) - 1)
    layers, copies = _layer_table(network, partition, group_start)
    return Wiring(
        neuron_offset=neuron_offset,
        axon_offset=axon_offset,
        layers=layers,
        axon_source_layer=layer.astype(np.int32),
        axon_source=source,
        axon_delay=(code >> _DELAY_BIT & ((1 << _SOURCE_BIT - _DELAY_BIT) - 1)).astype(np.int32),
        axon_type=(code & ((1 << _DELAY_BIT) - 1)).astype(np.int32),
        feeder=_feeders(network, layers, copies, layer, source, destinations),
        group_neuron_start=group_start,
    )


def _feeders(
    network: QuantizedNetwork,
    layers: LayerTable,
    copies: Index,
    layer: Index,
    source: Index,
    destinations: int | None,
) -> Index:
    """The neuron, or copy of it, that feeds each axon; ``-1 - element`` for the input."""
    feeder: Index = -1 - source
    inner = np.flatnonzero(layer >= 0)
    place = layers.offset[layer[inner]] + source[inner]
    if destinations is None:
        feeder[inner] = layers.neuron[place]
        return feeder
    order = np.argsort(place, kind="stable")
    first = np.searchsorted(place[order], place[order], side="left")
    rank = np.empty(order.size, np.int64)
    rank[order] = np.arange(order.size) - first
    output = [entry.name for entry in network.layers].index(network.output)
    rank += layer[inner] == output  # its first destination is the host
    # `copies` lists all neurons by their place in the layers: those of one place side by side.
    start = np.searchsorted(copies >> 32, place)
    feeder[inner] = copies[start + rank // destinations] & ((1 << 32) - 1)
    return feeder


def core_axons(
    network: QuantizedNetwork,
    core: tuple[NeuronGroup, ...],
    schedule: Schedule,
    index_of: Mapping[str, int],
) -> Index:
    """Distinct axons of one core as `axon_codes`, ascending."""
    codes = []
    for group in core:
        projections = network.by_name[group.layer].projections
        for p, sources in group.inputs:
            layer = index_of[projections[p].source]
            delay = schedule.chip_delay[group.layer, p]
            codes.append(axon_codes(layer, sources, delay, projections[p].axon_type))
    if len(codes) == 1:
        return codes[0]  # the sources of a group are ascending
    return np.unique(np.concatenate([np.empty(0, np.int64), *codes]))


def axon_codes(layer: Any, source: Any, delay: Any, axon_type: Any) -> Index:
    """One number per axon, ascending by source layer (-1: input), source neuron, delay, type."""
    high = np.asarray(layer, np.int64) + 1 << _LAYER_BIT
    low = (np.asarray(delay, np.int64) << _DELAY_BIT) + axon_type
    codes: Index = high + (np.asarray(source, np.int64) << _SOURCE_BIT) + low
    return codes


def _layer_table(
    network: QuantizedNetwork, partition: Partition, group_start: Index
) -> tuple[LayerTable, Index]:
    """First neuron of every place in a layer, and all of them as ``place << 32 | neuron``."""
    offset = np.cumsum([0, *(layer.n_neurons for layer in network.layers)], dtype=np.int64)
    base = {layer.name: offset[i] for i, layer in enumerate(network.layers)}
    parts = [
        (base[group.layer] + group.neurons << 32) + start + np.arange(group.neurons.size)
        for group, start in zip(partition.groups, group_start, strict=True)
        if group.owner is None
    ]
    copies = np.sort(np.concatenate([np.empty(0, np.int64), *parts]))
    place = copies >> 32
    first = np.ones(place.size, dtype=bool)
    first[1:] = place[1:] != place[:-1]
    neuron = np.full(offset[-1], -1, dtype=np.int32)
    neuron[place[first]] = copies[first] & ((1 << 32) - 1)
    return LayerTable(offset, neuron), copies
