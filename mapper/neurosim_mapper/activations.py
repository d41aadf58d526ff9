"""Activation functions of analog-fire neurons, in float.

Used by the float executor and, at all points an 8-bit value can take, for look-up tables.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

# Klambauer et al., Self-Normalizing Neural Networks (2017), equation 14.
SELU_ALPHA: Final = 1.6732632423543772848170429916717
SELU_LAMBDA: Final = 1.0507009873554804934193349852946


def identity(u: FloatArray) -> FloatArray:
    """``u``."""
    return u


def relu(u: FloatArray) -> FloatArray:
    """``max(u, 0)``."""
    return np.maximum(u, 0.0)


def selu(u: FloatArray) -> FloatArray:
    """``lambda u`` above 0, ``lambda alpha (exp(u) - 1)`` below."""
    return SELU_LAMBDA * np.where(u > 0, u, SELU_ALPHA * np.expm1(np.minimum(u, 0.0)))


def sigmoid(u: FloatArray) -> FloatArray:
    """``1 / (1 + exp(-u))``, without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * u))


def clamp01(u: FloatArray) -> FloatArray:
    """``u`` limited to 0..1."""
    return np.clip(u, 0.0, 1.0)


def square(u: FloatArray) -> FloatArray:
    """``u * u``."""
    return np.square(u)


FUNCTIONS: Final[dict[str, Callable[[FloatArray], FloatArray]]] = {
    "identity": identity,
    "relu": relu,
    "selu": selu,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "clamp": clamp01,
    "square": square,
}


def activate(
    u: npt.ArrayLike, activation: str, clamp: tuple[float, float] | None = None
) -> FloatArray:
    """Output value of an analog neuron whose (threshold-related) potential is `u`.

    `clamp` limits the value after the activation; for the activation ``clamp`` it replaces the
    limits 0..1.
    """
    values = np.asarray(u, dtype=np.float64)
    if clamp is None:
        return FUNCTIONS[activation](values)
    inner = values if activation == "clamp" else FUNCTIONS[activation](values)
    return np.clip(inner, clamp[0], clamp[1])
