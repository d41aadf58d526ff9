"""Integer arithmetic of the chip on floating tensors, with straight-through gradients.

Values are whole numbers held in float tensors: exact in float64 (evaluation) up to 2^53, and in
float32 (training) up to 2^24. The forward pass is that of `neurosim.fixed_point`; backwards,
rounding counts as the identity.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from neurosim.fixed_point import Rounding, signed_limits


class _Straight(torch.autograd.Function):
    """`value` forwards, the gradient of `x` backwards."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


def straight(x: Tensor, value: Tensor) -> Tensor:
    """`value`, which stands for `x` and hands its gradient on."""
    result: Tensor = _Straight.apply(x, value.detach())  # type: ignore[no-untyped-call]
    return result


def rounded(x: Tensor, low: float, high: float) -> Tensor:
    """The nearest whole number within limits; no gradient outside of them."""
    inside = x.clamp(low, high)
    return straight(inside, torch.round(inside))


def saturated(x: Tensor, bits: int) -> Tensor:
    """Limited to what `bits` bits hold."""
    low, high = signed_limits(bits)
    return x.clamp(low, high)


def shifted_right(x: Tensor, shift: int, rounding: Rounding) -> Tensor:
    """``x / 2**shift`` as `neurosim.fixed_point.shift_right` rounds it."""
    if shift == 0:
        return x
    exact = x * 2.0**-shift
    with torch.no_grad():
        if rounding == "nearest":
            value = torch.floor((x + 2.0 ** (shift - 1)) * 2.0**-shift)
        elif rounding == "floor":
            value = torch.floor(exact)
        else:
            value = torch.trunc(exact)
    return straight(exact, value)
