"""Pipeline offsets and axonal delays (DESIGN.md section 3, "Time").

A packet sent in tick t is integrated in tick t + delay, 1 <= delay <= the chip's delay field. So
the offsets f of the layers obey, for every projection u -> v with d ticks of delay in sample time,

    1 <= f[v] - f[u] + d <= max_delay_ticks

and the least solution is a longest path. It starts every layer as early as possible, and later
only where an axonal delay would not fit. The host may hold its packets back as long as it likes.

A loop over n layers with d ticks of delay in all has no solution for n > d. If no neuron remembers
anything, L samples can share the chip tick by tick (`neurosim.run.interleave`); a tick of a sample
is L chip ticks then, and the bounds have L d in place of d. The smallest L that has a solution is
taken: 1 wherever that will do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim_mapper.mapping import Schedule
from neurosim_mapper.quantized import INPUT, QuantizedLayer, QuantizedNetwork


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
    together = needed_interleave(network)
    earliest = earliest_ticks(network, together)
    most = chip.core.max_delay_ticks
    bounds = _lower_bounds(network, together) + [
        _Bound(p.source, layer.name, p.delay_ticks * together - most)
        for layer in network.layers
        for p in layer.projections
        if p.source != INPUT
    ]
    first_tick = _least_solution(network, bounds)
    if first_tick is None:
        raise _too_long(network, chip, earliest, together)
    return Schedule(
        first_tick,
        {
            (layer.name, i): first_tick[layer.name]
            - first_tick.get(p.source, 0)
            + p.delay_ticks * together
            for layer in network.layers
            for i, p in enumerate(layer.projections)
        },
        together,
    )


def needed_interleave(network: QuantizedNetwork) -> int:
    """Samples that the chip must carry at once, so that no loop is too short; mostly 1.

    Raises UnsupportedError if it is more than 1 and a neuron remembers something.
    """
    for together in range(1, len(network.layers) + 1):
        if _least_solution(network, _lower_bounds(network, together)) is not None:
            break
    else:
        raise AssertionError("every loop has a tick of delay")
    if together > 1:
        keeping = next((layer for layer in network.layers if has_memory(layer)), None)
        if keeping is not None:
            raise _too_short_loop(network, keeping)
    return together


def has_memory(layer: QuantizedLayer) -> bool:
    """Whether a neuron's output depends on more than what arrives in the same tick."""
    columns, modes = layer.columns, layer.modes
    rest = np.maximum(columns.beta, columns.floor)
    constant = (columns.alpha_num == 0) & (columns.rho_post == 0) & (columns.v_start == rest)
    flag = modes.silent_step or modes.reset == "soft_raised"
    return bool(not constant.all() or flag or layer.alpha_syn is not None)


def earliest_ticks(network: QuantizedNetwork, together: int) -> dict[str, int]:
    """Offsets without a limit on delays, for samples of which `together` are interleaved."""
    first_tick = _least_solution(network, _lower_bounds(network, together))
    if first_tick is None:
        raise AssertionError("needed_interleave gives a number that has a solution")
    return first_tick


def _lower_bounds(network: QuantizedNetwork, together: int) -> list[_Bound]:
    return [
        _Bound(layer.name, p.source, 1 - p.delay_ticks * together)
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


def _too_short_loop(network: QuantizedNetwork, keeping: QuantizedLayer) -> UnsupportedError:
    forward = [b for b in _lower_bounds(network, 1) if b.ticks == 1]
    depth = _least_solution(network, forward) or {}
    memory = (
        f"Without memory in any neuron, samples could take turns; {keeping.name!r} has a potential "
        "that lasts."
    )
    for layer in network.layers:
        for p in layer.projections:
            have = depth.get(layer.name, 0) - depth.get(p.source, 0) + p.delay_ticks
            if p.source != INPUT and p.delay_ticks and have < 1:
                return UnsupportedError(
                    f"projection {p.source!r} -> {layer.name!r} closes a loop over "
                    f"{p.delay_ticks + 1 - have} layers with {p.delay_ticks} tick of delay: the "
                    f"loop needs {p.delay_ticks + 1 - have}. Feed back from the same layer, or "
                    f"lengthen the delay of the loop. {memory}"
                )
    return UnsupportedError(
        f"the network has a loop whose delay is shorter than its pipeline. {memory}"
    )


def _too_long(
    network: QuantizedNetwork, chip: Chip, earliest: Mapping[str, int], together: int
) -> DoesNotFitError:
    delay, source, target = max(
        (earliest[layer.name] - earliest[p.source] + p.delay_ticks * together, p.source, layer.name)
        for layer in network.layers
        for p in layer.projections
        if p.source != INPUT
    )
    return DoesNotFitError(
        f"projection {source!r} -> {target!r} needs an axonal delay of {delay} ticks, the chip "
        f"{chip.name!r} offers core.max_delay_ticks = {chip.core.max_delay_ticks}. A delay field "
        f"of {delay.bit_length()} bits would fit; else shorten the skip connection."
    )
