"""Pipeline offsets and axonal delays (DESIGN.md section 3, "Time").

A packet sent in tick t is integrated in tick t + delay, 1 <= delay <= the chip's delay field. So
the offsets f of the layers obey, for every projection u -> v with d ticks of delay in sample time,

    1 <= f[v] - f[u] + d <= max_delay_ticks

and the least solution is a longest path. It starts every layer as early as possible, and later
only where an axonal delay would not fit. The host may hold its packets back as long as it likes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim_mapper.mapping import Schedule
from neurosim_mapper.quantized import INPUT, QuantizedNetwork


class _Bound(NamedTuple):
    """``f[layer] >= f[other] + ticks``."""

    layer: str
    other: str
    ticks: int


def schedule_layers(network: QuantizedNetwork, chip: Chip) -> Schedule:
    """Offsets of all layers and delays of all projections.

    Raises UnsupportedError for a loop over several layers whose delay is shorter than the
    pipeline, DoesNotFitError for a delay beyond the chip's delay field.
    """
    earliest = earliest_ticks(network)
    most = chip.core.max_delay_ticks
    bounds = _lower_bounds(network) + [
        _Bound(p.source, layer.name, p.delay_ticks - most)
        for layer in network.layers
        for p in layer.projections
        if p.source != INPUT
    ]
    first_tick = _least_solution(network, bounds)
    if first_tick is None:
        raise _too_long(network, chip, earliest)
    return Schedule(
        first_tick,
        {
            (layer.name, i): first_tick[layer.name] - first_tick.get(p.source, 0) + p.delay_ticks
            for layer in network.layers
            for i, p in enumerate(layer.projections)
        },
    )


def earliest_ticks(network: QuantizedNetwork) -> dict[str, int]:
    """Offsets without a limit on delays; raises UnsupportedError for a loop that is too short."""
    first_tick = _least_solution(network, _lower_bounds(network))
    if first_tick is None:
        raise _too_short_loop(network)
    return first_tick


def _lower_bounds(network: QuantizedNetwork) -> list[_Bound]:
    return [
        _Bound(layer.name, p.source, 1 - p.delay_ticks)
        for layer in network.layers
        for p in layer.projections
        if p.source != INPUT
    ]


def _least_solution(network: QuantizedNetwork, bounds: list[_Bound]) -> dict[str, int] | None:
    """The smallest offsets >= 0 within the bounds (Bellman-Ford); None if there are none."""
    tick = {layer.name: 0 for layer in network.layers}
    for _ in range(len(tick) + 1):
        changed = False
        for layer, other, ticks in bounds:
            if tick[layer] < tick[other] + ticks:
                tick[layer] = tick[other] + ticks
                changed = True
        if not changed:
            return tick
    return None


def _too_short_loop(network: QuantizedNetwork) -> UnsupportedError:
    depth = _least_solution(network, [b for b in _lower_bounds(network) if b.ticks == 1]) or {}
    for layer in network.layers:
        for p in layer.projections:
            have = depth.get(layer.name, 0) - depth.get(p.source, 0) + p.delay_ticks
            if p.source != INPUT and p.delay_ticks and have < 1:
                return UnsupportedError(
                    f"projection {p.source!r} -> {layer.name!r} closes a loop over "
                    f"{p.delay_ticks + 1 - have} layers with {p.delay_ticks} tick of delay: the "
                    f"loop needs {p.delay_ticks + 1 - have}. Feed back from the same layer, or "
                    "lengthen the delay of the loop."
                )
    return UnsupportedError("the network has a loop whose delay is shorter than its pipeline.")


def _too_long(
    network: QuantizedNetwork, chip: Chip, earliest: Mapping[str, int]
) -> DoesNotFitError:
    delay, source, target = max(
        (earliest[layer.name] - earliest[p.source] + p.delay_ticks, p.source, layer.name)
        for layer in network.layers
        for p in layer.projections
        if p.source != INPUT
    )
    return DoesNotFitError(
        f"projection {source!r} -> {target!r} needs an axonal delay of {delay} ticks, the chip "
        f"{chip.name!r} offers core.max_delay_ticks = {chip.core.max_delay_ticks}. A delay field "
        f"of {delay.bit_length()} bits would fit; else shorten the skip connection."
    )
