"""Wiring: give every neuron and axon of a Partition its global number and its source."""

from __future__ import annotations

import numpy as np

from neurosim.program import LayerTable
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import NeuronGroup, Partition, Schedule, Wiring
from neurosim_mapper.quantized import INPUT, QuantizedNetwork

# One axon: source layer (-1: input), source neuron, delay. Rows of this meaning are kept sorted.
_N_KEYS = 3


def wire(network: QuantizedNetwork, partition: Partition, schedule: Schedule) -> Wiring:
    """Number neurons and axons core by core; sources shared by groups of a core share an axon."""
    index_of = {layer.name: i for i, layer in enumerate(network.layers)} | {INPUT: -1}
    keys = [core_axons(network, core, schedule, index_of) for core in partition.cores]
    axon_offset = np.cumsum([0, *(len(k) for k in keys)], dtype=np.int64)
    sizes = [sum(g.neurons.size for g in core) for core in partition.cores]
    neuron_offset = np.cumsum([0, *sizes], dtype=np.int64)
    group_start = np.cumsum([0, *(g.neurons.size for g in partition.groups)], dtype=np.int64)[:-1]
    columns = np.concatenate([*keys, np.empty((0, _N_KEYS), np.int64)])
    return Wiring(
        neuron_offset=neuron_offset,
        axon_offset=axon_offset,
        layers=_layer_table(network, partition, group_start),
        axon_source_layer=columns[:, 0].astype(np.int32),
        axon_source=columns[:, 1].copy(),
        axon_delay=columns[:, 2].astype(np.int32),
        group_neuron_start=group_start,
    )


def core_axons(
    network: QuantizedNetwork,
    core: tuple[NeuronGroup, ...],
    schedule: Schedule,
    index_of: dict[str, int],
) -> Index:
    """Distinct axon keys (source layer, source neuron, delay) of one core, sorted."""
    rows = [
        np.column_stack(
            [
                np.full(sources.size, index_of[network.by_name[g.layer].projections[p].source]),
                sources,
                np.full(sources.size, schedule.chip_delay[g.layer, p]),
            ]
        )
        for g in core
        for p, sources in g.inputs
    ]
    if not rows:
        return np.empty((0, _N_KEYS), np.int64)
    return np.unique(np.concatenate(rows), axis=0)


def _layer_table(network: QuantizedNetwork, partition: Partition, group_start: Index) -> LayerTable:
    offset = np.cumsum([0, *(layer.n_neurons for layer in network.layers)], dtype=np.int64)
    base = {layer.name: offset[i] for i, layer in enumerate(network.layers)}
    neuron = np.full(offset[-1], -1, dtype=np.int32)
    for group, start in zip(partition.groups, group_start, strict=True):
        if group.owner is None:
            neuron[base[group.layer] + group.neurons] = start + np.arange(group.neurons.size)
    return LayerTable(offset, neuron)
