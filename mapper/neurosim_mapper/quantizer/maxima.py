"""Integers of the neurons that compute a maximum of values (`neurosim_mapper.maxima`).

The layer that rounds the values has a range as others have. Differences of its values, and their
sums, are integers in the same steps: weights are 1 and -1, nothing is rounded again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeGuard

import numpy as np

from neurosim.chip.model import Chip
from neurosim.errors import UnsupportedError
from neurosim_mapper.fold import FoldedLayer
from neurosim_mapper.maxima import MaximumPart
from neurosim_mapper.nodes import Neuron
from neurosim_mapper.quantizer.activation import OutputCode
from neurosim_mapper.quantizer.given import GivenLayer

_SHUT: Final = 4  # times the span of the values: more than any difference


def refuse_values_of_spikes(layer: FoldedLayer, chip: Chip) -> None:
    """UnsupportedError for a maximum of values on a chip that sends spikes only."""
    neuron = layer.neuron
    kinds = {*chip.core.output_kinds} & {*chip.core.input_kinds}
    if isinstance(neuron, MaximumPart) and "analog" not in kinds:
        raise UnsupportedError(
            f"{neuron.pool!r}: a maximum pool of values (in front of neurons, or behind analog "
            f"ones) needs analog packets; {chip.name} has spike packets only. Choose a chip with "
            "analog packets, or train with the pool directly behind spiking neurons, or with "
            "average pooling."
        )


def counts_steps(neuron: Neuron) -> TypeGuard[MaximumPart]:
    """Whether neurons count in the steps of another layer."""
    return isinstance(neuron, MaximumPart) and neuron.steps_of is not None


def part_code(part: MaximumPart, codes: Mapping[str, OutputCode]) -> OutputCode:
    """Code of differences of values, or of their maximum."""
    assert part.steps_of is not None
    values = codes[part.steps_of]
    difference = part.activation == "relu"
    return OutputCode(
        False,
        values.unit,
        0 if difference else values.low,
        values.high - values.low if difference else values.high,
        "relu" if difference else "identity",
        values.unit,
        method=f"steps of {part.steps_of}",
    )


def part_scale(layer: FoldedLayer, codes: Mapping[str, OutputCode]) -> GivenLayer | None:
    """Weights 1 and -1 for a layer that counts in another one's steps; None for other layers."""
    part = layer.neuron
    if not isinstance(part, MaximumPart) or part.steps_of is None:
        return None
    unit = np.full(layer.n_neurons, codes[part.steps_of].unit)
    return GivenLayer(unit, 0, codes[layer.name])


def with_shut_neurons(layer: FoldedLayer, codes: Mapping[str, OutputCode]) -> FoldedLayer:
    """The layer with a bias that keeps its shut neurons at 0, whatever they hear."""
    part = layer.neuron
    if not isinstance(part, MaximumPart) or part.outside is None:
        return layer
    code = codes[layer.name]
    low = -_SHUT * code.unit * (code.high - code.low)
    return replace(layer, bias=np.where(part.outside.reshape(-1), low, layer.bias))


def holds_maxima(layer: FoldedLayer, code: OutputCode, bound: tuple[float, float]) -> bool:
    """Whether `code` holds every value that a layer of a maximum pool can compare, unrounded."""
    part = layer.neuron
    if not isinstance(part, MaximumPart) or part.steps_of is not None:
        return True
    return code.low <= bound[0] and bound[1] <= code.high
