"""Parallel projections: what several of them send from one input to one neuron.

Projections from one source with one delay share their axons, and their weights add up in one
synapse: a convolution and the identity past it are one convolution with a larger centre. Where
such a sum is more than a weight can be, an input takes one axon more per core, and no number
changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from neurosim.chip.model import Chip
from neurosim.fixed_point import signed_limits
from neurosim_mapper.connections import Connection
from neurosim_mapper.quantized import Projection, QuantizedLayer, QuantizedNetwork

_TARGETS: Final = 64  # looked at together


def part_parallel(
    network: QuantizedNetwork, chip: Chip
) -> tuple[QuantizedNetwork, tuple[str, ...]]:
    """Axons of their own for parallel projections whose weights do not add up to a weight."""
    if chip.core.weight_scheme == "axon_types":
        return network, ()  # `slice_weights` looks after types
    low, high = signed_limits(chip.core.weight_bits)
    notes: list[str] = []
    layers: list[QuantizedLayer] = []
    for layer in network.layers:
        projections = with_own_axons(layer.projections, low, high)
        if any(p is not q for p, q in zip(projections, layer.projections, strict=True)):
            layer = replace(layer, projections=projections)
            n_axons = 1 + max(p.axon_type for p in projections)
            notes.append(
                f"layer {layer.name!r}: the weights of parallel projections add up to more than "
                f"{low}..{high}, so an input takes up to {n_axons} axons per core."
            )
        layers.append(layer)
    return (replace(network, layers=tuple(layers)), tuple(notes)) if notes else (network, ())


def with_own_axons(
    projections: Sequence[Projection], low: int, high: int, step: int = 1
) -> tuple[Projection, ...]:
    """The projections, parallel ones `step` axon types apart if a sum leaves `low`..`high`."""
    sets: dict[tuple[str, int, int], list[list[Connection]]] = {}
    parted = []
    for projection in projections:
        known = sets.setdefault(
            (projection.source, projection.delay_ticks, projection.axon_type), []
        )
        mine = projection.connection
        number = next(
            (i for i, others in enumerate(known) if _add_up([*others, mine], low, high)),
            len(known),
        )
        if number == len(known):
            known.append([])
        known[number].append(mine)
        if number:
            projection = replace(projection, axon_type=projection.axon_type + step * number)
        parted.append(projection)
    return tuple(parted)


def _add_up(connections: Sequence[Connection], low: int, high: int) -> bool:
    """Whether every sum of weights of one source and target lies in `low`..`high`."""
    if len(connections) == 1:
        return True
    if sum(c.weight_abs_max for c in connections) <= min(-low, high):
        return True
    n = connections[0].n_targets
    for start in range(0, n, _TARGETS):
        targets = np.arange(start, min(start + _TARGETS, n))
        heard, times = np.unique(
            np.concatenate([c.sources_of(targets) for c in connections]), return_counts=True
        )
        both = heard[times > 1]
        if both.size:
            total = sum(c.block(both, targets) for c in connections)
            if int(np.min(total)) < low or int(np.max(total)) > high:
                return False
    return True
