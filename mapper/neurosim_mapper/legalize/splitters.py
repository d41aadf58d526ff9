"""Splitter neurons: fan-out on chips whose neurons reach few axons.

A neuron that many axons hear either gets copies (which hear everything that it hears, so its own
sources need more copies in turn) or sends to a splitter core, where one axon feeds as many relay
neurons as there are listeners, a tick later. Copies are free while a core has neurons to spare;
beyond that a splitter layer stops the growth. Both are counted, the smaller total wins.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim_mapper.connections import DiagonalConnection
from neurosim_mapper.legalize.relays import (
    free_name,
    in_forward_order,
    relay_layer,
    value_range,
)
from neurosim_mapper.partition.copies import plan_copies
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.partition.packing import make_items, pack
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork
from neurosim_mapper.schedule import schedule_layers


def split_fan_out(
    network: QuantizedNetwork, chip: Chip
) -> tuple[QuantizedNetwork, tuple[str, ...]]:
    """Add a splitter layer behind each layer where that saves cores, from the output backwards."""
    if chip.core.destinations_per_neuron is None:
        return network, ()
    best = _cores(network, chip)
    notes: list[str] = []
    for layer in reversed(network.layers):
        trial = _with_splitter(network, layer.name)
        if trial is None:
            continue
        cores = _cores(trial, chip)
        if cores is not None and (best is None or cores < best):
            saved = "makes it fit" if best is None else f"saves {best - cores} cores"
            notes.append(
                f"layer {layer.name!r}: a splitter layer carries its fan-out one tick later, which "
                f"{saved} (core.destinations_per_neuron = {chip.core.destinations_per_neuron})."
            )
            network, best = trial, cores
    return network, tuple(notes)


def _cores(network: QuantizedNetwork, chip: Chip) -> int | None:
    """Packed cores with copies; None if it does not fit."""
    try:
        schedule = schedule_layers(network, chip)
        plan = plan_copies(network, chip, schedule)
    except (DoesNotFitError, UnsupportedError):
        return None
    tiles = [tile for layer in network.layers for tile in plan.tiles[layer.name]]
    limits = CoreLimits.of(chip)
    return len(pack(make_items(network, schedule, tiles, limits), limits))


def _with_splitter(network: QuantizedNetwork, name: str) -> QuantizedNetwork | None:
    """All undelayed listeners of a layer behind one relay layer; None if it has none."""
    layer = network.by_name[name]
    own_loop = any(p.source == name for p in layer.projections)
    listeners = [p for other in network.layers for p in other.projections if p.source == name]
    if own_loop or not listeners or any(p.delay_ticks for p in listeners):
        return None
    relay_name = free_name(set(network.by_name) | {INPUT}, f"{name}.split")
    low, high = value_range(network, name)
    hop = Projection(name, DiagonalConnection(np.ones(layer.n_neurons, np.int64)))
    relay = relay_layer(
        network, relay_name, layer.shape, (hop,), layer.modes.output, low, high, layer.output_unit
    )
    layers = [
        replace(
            other,
            projections=tuple(
                replace(p, source=relay_name) if p.source == name else p for p in other.projections
            ),
        )
        for other in network.layers
    ]
    return replace(network, layers=in_forward_order([*layers, relay]))
