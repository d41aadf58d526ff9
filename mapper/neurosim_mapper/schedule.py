"""Pipeline offsets and axonal delays (DESIGN.md section 3, "Time").

A packet sent in tick t is integrated in tick t + delay, delay >= 1. A layer therefore works one
tick behind its deepest source, and shorter paths wait in longer axonal delays.
"""

from __future__ import annotations

from neurosim.chip import Chip
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim_mapper.mapping import Schedule
from neurosim_mapper.quantized import INPUT, QuantizedNetwork


def schedule_layers(network: QuantizedNetwork, chip: Chip) -> Schedule:
    """Offsets of all layers and delays of all projections.

    Raises UnsupportedError for a loop over several layers (its one tick of delay is shorter than
    the pipeline), DoesNotFitError for a delay beyond the chip's delay field.
    """
    first_tick: dict[str, int] = {}
    for layer in network.layers:
        before = [
            first_tick[p.source] + 1
            for p in layer.projections
            if p.source != INPUT and p.delay_ticks == 0
        ]
        first_tick[layer.name] = max(before, default=0)
    delays = {
        (layer.name, i): _delay(network, chip, first_tick, layer.name, i)
        for layer in network.layers
        for i in range(len(layer.projections))
    }
    return Schedule(first_tick, delays)


def _delay(
    network: QuantizedNetwork, chip: Chip, first_tick: dict[str, int], layer: str, number: int
) -> int:
    projection = network.by_name[layer].projections[number]
    delay = first_tick[layer] - first_tick.get(projection.source, 0) + projection.delay_ticks
    if projection.source == INPUT:
        return delay
    path = f"projection {projection.source!r} -> {layer!r}"
    if delay < 1:
        raise UnsupportedError(
            f"{path} closes a loop over {2 - delay} layers with {projection.delay_ticks} tick of "
            f"delay: the loop needs {projection.delay_ticks + 1 - delay}. Feed back from the same "
            "layer, or lengthen the delay of the loop."
        )
    if delay > chip.core.max_delay_ticks:
        raise DoesNotFitError(
            f"{path} needs an axonal delay of {delay} ticks, the chip {chip.name!r} offers "
            f"core.max_delay_ticks = {chip.core.max_delay_ticks}. Shorten the skip connection or "
            "use a chip with a wider delay field."
        )
    return delay
