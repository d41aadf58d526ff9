"""Relay neurons for axonal delays that are longer than the chip's delay field."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from neurosim.chip.model import Chip
from neurosim_mapper.connections import DiagonalConnection
from neurosim_mapper.legalize.relays import (
    free_name,
    in_forward_order,
    relay_layer,
    value_range,
)
from neurosim_mapper.quantized import INPUT, Projection, QuantizedLayer, QuantizedNetwork
from neurosim_mapper.schedule import earliest_ticks, needed_interleave


def relay_long_delays(
    network: QuantizedNetwork, chip: Chip
) -> tuple[QuantizedNetwork, tuple[str, ...]]:
    """Chains of relays in every projection that would need a longer delay than there is.

    Projections that leave one layer with the same delay share their relays. `schedule_layers`
    then finds the tick of each relay. Spikes stay spikes, values stay values.
    """
    most = chip.core.max_delay_ticks
    together = needed_interleave(network)
    tick = earliest_ticks(network, together)
    taken = set(network.by_name) | {INPUT}
    added: dict[tuple[str, int], QuantizedLayer] = {}
    layers: list[QuantizedLayer] = []
    notes: list[str] = []
    for layer in network.layers:
        projections = []
        for p in layer.projections:
            delay = tick[layer.name] - tick.get(p.source, 0) + p.delay_ticks * together
            if p.source != INPUT and delay > most:
                n_before = len(added)
                n_relays, held = -(-delay // most) - 1, (most - 1) // together
                p = _through_relays(network, p, n_relays, held, taken, added)
                notes.append(
                    f"{p.source!r} -> {layer.name!r}: a delay of {delay} ticks exceeds "
                    f"core.max_delay_ticks = {most}; {len(added) - n_before} relay layers added."
                )
            projections.append(p)
        layers.append(replace(layer, projections=tuple(projections)))
    if not added:
        return network, ()
    ordered = in_forward_order([*layers, *added.values()])
    return replace(network, layers=ordered), tuple(notes)


def _through_relays(
    network: QuantizedNetwork,
    projection: Projection,
    n_relays: int,
    held: int,
    taken: set[str],
    added: dict[tuple[str, int], QuantizedLayer],
) -> Projection:
    """The projection as it leaves the last of `n_relays` relays, each `held` ticks late at most."""
    origin, left = projection.source, projection.delay_ticks
    low, high = value_range(network, origin)
    source, passed = origin, 0
    for number in range(n_relays):
        step = min(left, held)
        left, passed = left - step, passed + step
        key = (f"{origin}:{number}", passed)
        if key not in added:
            size = network.size_of(origin)
            hop = Projection(source, DiagonalConnection(np.ones(size, np.int64)), step)
            added[key] = relay_layer(
                network,
                free_name(taken, f"{origin}.relay"),
                network.by_name[origin].shape,
                (hop,),
                network.output_kind(origin),
                low,
                high,
                network.by_name[origin].output_unit,
            )
        source = added[key].name
    return replace(projection, source=source, delay_ticks=left)
