"""Blocks: cut every layer into runs of consecutive neurons that fit a core.

Enters: an integer network. Leaves: a Partition in which every group respects the axon, neuron,
synapse and memory limits. Fan-in beyond the axon limit is cut into fragments when the chip sums
partial sums in hardware (`psum_hw`); otherwise mapping stops with the reason.
"""

from __future__ import annotations

import numpy as np

from neurosim.chip import Chip
from neurosim.errors import DoesNotFitError
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import NeuronGroup, Partition, Schedule
from neurosim_mapper.quantized import QuantizedLayer, QuantizedNetwork


def partition_blocks(network: QuantizedNetwork, chip: Chip, schedule: Schedule) -> Partition:
    """One layer after the other, as many neurons per core as its limits allow."""
    cores: list[tuple[NeuronGroup, ...]] = []
    for layer in network.layers:
        start = 0
        while start < layer.n_neurons:
            stop = _largest_stop(layer, chip, start)
            cores.extend(_cut_block(layer, chip, np.arange(start, stop), len(cores)))
            start = stop
    return Partition(tuple(cores))


def _inputs(layer: QuantizedLayer, neurons: Index) -> list[tuple[int, Index]]:
    return [(i, p.connection.sources_of(neurons)) for i, p in enumerate(layer.projections)]


def _n_axons(layer: QuantizedLayer, neurons: Index) -> int:
    return sum(sources.size for _, sources in _inputs(layer, neurons))


def _max_neurons(chip: Chip, n_axons: int) -> int:
    """Neurons that fit beside `n_axons` axons on one core."""
    core = chip.core
    n_axons = max(n_axons, 1)
    by_memory = core.synapse_memory_bytes * 8 // (core.weight_bits * n_axons)
    return min(core.neurons, core.synapses // n_axons, by_memory)


def _largest_stop(layer: QuantizedLayer, chip: Chip, start: int) -> int:
    """End of the longest block from `start` that fits; halves the step until it does."""
    best, size = start, min(chip.core.neurons, layer.n_neurons - start)
    step = size
    while step >= 1:
        trial = min(best + step, start + size)
        if trial > best and _fits(layer, chip, np.arange(start, trial)):
            best = trial
        step //= 2
    if best == start:
        _explain(layer, chip, start)
    return best


def _fits(layer: QuantizedLayer, chip: Chip, neurons: Index) -> bool:
    n_axons = _n_axons(layer, neurons)
    if n_axons > chip.core.axons:
        if chip.core.fan_in_extension != "psum_hw":
            return False
        n_axons = chip.core.axons
    return neurons.size <= _max_neurons(chip, n_axons)


def _explain(layer: QuantizedLayer, chip: Chip, neuron: int) -> None:
    needed = _n_axons(layer, np.array([neuron]))
    core = chip.core
    if needed > core.axons and core.fan_in_extension != "psum_hw":
        raise DoesNotFitError(
            f"layer {layer.name!r} needs {needed} axons per neuron, a core of {chip.name!r} has "
            f"{core.axons} and core.fan_in_extension is {core.fan_in_extension!r}. Choose a chip "
            "with fan_in_extension: psum_hw, or reduce the fan-in of the layer."
        )
    raise DoesNotFitError(
        f"layer {layer.name!r}: one neuron with {min(needed, core.axons)} axons needs "
        f"{min(needed, core.axons)} synapses and {min(needed, core.axons) * core.weight_bits // 8} "
        f"bytes, a core of {chip.name!r} has {core.synapses} synapses and "
        f"{core.synapse_memory_bytes} bytes. Choose fewer weight bits or a larger core."
    )


def _cut_block(
    layer: QuantizedLayer, chip: Chip, neurons: Index, first_core: int
) -> list[tuple[NeuronGroup, ...]]:
    """The owner's core and, when the fan-in is too large, one core per further fragment."""
    fragments = _fragments(_inputs(layer, neurons), chip.core.axons)
    return [
        (NeuronGroup(layer.name, neurons, inputs, None if i == 0 else first_core),)
        for i, inputs in enumerate(fragments)
    ]


def _fragments(inputs: list[tuple[int, Index]], limit: int) -> list[tuple[tuple[int, Index], ...]]:
    """Cut the list of sources into runs of at most `limit`, equal to within one."""
    total = sum(sources.size for _, sources in inputs)
    count = max(1, -(-total // limit))
    edges = [total * i // count for i in range(count + 1)]
    starts = np.cumsum([0, *(sources.size for _, sources in inputs)])
    result = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        parts = [
            (number, sources[max(low - begin, 0) : max(high - begin, 0)])
            for (number, sources), begin in zip(inputs, starts, strict=False)
        ]
        result.append(tuple((number, part) for number, part in parts if part.size))
    return result
