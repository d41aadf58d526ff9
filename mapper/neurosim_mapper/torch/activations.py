"""Activations of analog-fire neurons, the torch twins of `neurosim_mapper.activations`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor

FUNCTIONS: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "identity": lambda u: u,
    "relu": torch.relu,
    "selu": torch.selu,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "clamp": lambda u: u.clamp(0.0, 1.0),
    "square": torch.square,
}


def activate(u: Tensor, activation: str, clamp: tuple[float, float] | None = None) -> Tensor:
    """Output of an analog neuron whose (threshold-related) potential is `u`.

    `clamp` limits the value after the activation; for the activation ``clamp`` it replaces the
    limits 0..1.
    """
    if clamp is None:
        return FUNCTIONS[activation](u)
    inner = u if activation == "clamp" else FUNCTIONS[activation](u)
    return inner.clamp(clamp[0], clamp[1])
