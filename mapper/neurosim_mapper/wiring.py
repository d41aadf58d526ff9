"""Wiring: give every neuron and axon of a Partition its global number and its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from neurosim.program import LayerTable
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import NeuronGroup, Partition, Schedule, Wiring
from neurosim_mapper.quantized import INPUT, QuantizedNetwork

# An axon as one number: (source layer + 1) << _LAYER_BIT, source neuron << _SOURCE_BIT, delay.
_LAYER_BIT: Final = 48
_SOURCE_BIT: Final = 16


def wire(network: QuantizedNetwork, partition: Partition, schedule: Schedule) -> Wiring:
    """Number neurons and axons core by core; sources shared by groups of a core share an axon."""
    index_of = {layer.name: i for i, layer in enumerate(network.layers)} | {INPUT: -1}
    codes = [core_axons(network, core, schedule, index_of) for core in partition.cores]
    axon_offset = np.cumsum([0, *(code.size for code in codes)], dtype=np.int64)
    sizes = [sum(g.neurons.size for g in core) for core in partition.cores]
    neuron_offset = np.cumsum([0, *sizes], dtype=np.int64)
    group_start = np.cumsum([0, *(g.neurons.size for g in partition.groups)], dtype=np.int64)[:-1]
    code = np.concatenate([np.empty(0, np.int64), *codes])
    return Wiring(
        neuron_offset=neuron_offset,
        axon_offset=axon_offset,
        layers=_layer_table(network, partition, group_start),
        axon_source_layer=((code >> _LAYER_BIT) - 1).astype(np.int32),
        axon_source=(code >> _SOURCE_BIT) & ((1 << _LAYER_BIT - _SOURCE_BIT) - 1),
        axon_delay=(code & ((1 << _SOURCE_BIT) - 1)).astype(np.int32),
        group_neuron_start=group_start,
    )


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
            codes.append(axon_codes(layer, sources, schedule.chip_delay[group.layer, p]))
    if len(codes) == 1:
        return codes[0]  # the sources of a group are ascending
    return np.unique(np.concatenate([np.empty(0, np.int64), *codes]))


def axon_codes(layer: Any, source: Any, delay: Any) -> Index:
    """One number per axon, ascending by source layer (-1: input), source neuron, delay."""
    high = np.asarray(layer, np.int64) + 1 << _LAYER_BIT
    codes: Index = high + (np.asarray(source, np.int64) << _SOURCE_BIT) + delay
    return codes


def _layer_table(network: QuantizedNetwork, partition: Partition, group_start: Index) -> LayerTable:
    offset = np.cumsum([0, *(layer.n_neurons for layer in network.layers)], dtype=np.int64)
    base = {layer.name: offset[i] for i, layer in enumerate(network.layers)}
    neuron = np.full(offset[-1], -1, dtype=np.int32)
    for group, start in zip(partition.groups, group_start, strict=True):
        if group.owner is None:
            neuron[base[group.layer] + group.neurons] = start + np.arange(group.neurons.size)
    return LayerTable(offset, neuron)
