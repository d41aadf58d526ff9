"""Spikes with a gradient: a step forwards, a bump backwards.

Every bump is 1 at the threshold and its reach is set by `width`, so that one can be exchanged for
another without touching the learning rate. The rectangle is equation 13 of LIAF-Net with
``width`` as its mu; the others are the usual alternatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from neurosim.errors import UsageError


def rectangular(x: Tensor, width: float) -> Tensor:
    """1 where ``|x| < width``, else 0 (LIAF-Net eq. 13)."""
    return (x.abs() < width).to(x.dtype)


def triangular(x: Tensor, width: float) -> Tensor:
    """``max(0, 1 - |x| / width)``."""
    return (1 - x.abs() / width).clamp_min(0)


def arctan(x: Tensor, width: float) -> Tensor:
    """``1 / (1 + (x / width)^2)``, the slope of an arc tangent."""
    return 1 / (1 + (x / width) ** 2)


def sigmoid(x: Tensor, width: float) -> Tensor:
    """``4 s (1 - s)`` with ``s = 1 / (1 + exp(-x / width))``, the slope of a logistic step."""
    s = torch.sigmoid(x / width)
    return 4 * s * (1 - s)


def fast_sigmoid(x: Tensor, width: float) -> Tensor:
    """``1 / (1 + |x| / width)^2``."""
    return 1 / (1 + x.abs() / width) ** 2


SURROGATES: Final[dict[str, Callable[[Tensor, float], Tensor]]] = {
    "rectangular": rectangular,
    "triangular": triangular,
    "arctan": arctan,
    "sigmoid": sigmoid,
    "fast_sigmoid": fast_sigmoid,
}


class _Step(torch.autograd.Function):
    """1 where x >= 0; backwards the bump named by the surrogate."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, name: str, width: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.bump, ctx.width = SURROGATES[name], width
        return (x >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return gradients[0] * ctx.bump(x, ctx.width), None, None


@dataclass(frozen=True)
class Surrogate:
    """A step function with the gradient of a bump.

    Attributes
    ----------
    name : a key of `SURROGATES`.
    width : reach of the bump, in the units of the potential.

    Raises
    ------
    UsageError
        For an unknown name or a width that is not above 0.
    """

    name: str = "rectangular"
    width: float = 0.5

    def __post_init__(self) -> None:
        if self.name not in SURROGATES:
            raise UsageError(f"surrogate is {self.name!r}; known: {', '.join(SURROGATES)}.")
        if not self.width > 0:
            raise UsageError(f"surrogate width is {self.width}; a number above 0 is needed.")

    def __call__(self, x: Tensor) -> Tensor:
        """1.0 where `x` is at least 0, else 0.0."""
        result: Tensor = _Step.apply(x, self.name, self.width)  # type: ignore[no-untyped-call]
        return result
