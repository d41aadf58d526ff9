"""Rounding and saturation inside kernels; the compiled twin of `neurosim.fixed_point`."""

from __future__ import annotations

from neurosim.kernels._jit import kernel

NEAREST, FLOOR, TOWARD_ZERO = 0, 1, 2


@kernel
def saturate(value: int, low: int, high: int) -> int:
    """Clip to [low, high]."""
    if value < low:
        return low
    if value > high:
        return high
    return value


@kernel
def shift_right(value: int, shift: int, rounding: int) -> int:
    """``value / 2**shift`` rounded as `fixed_point.shift_right` does."""
    if shift == 0:
        return value
    if rounding == NEAREST:
        return (value + (1 << (shift - 1))) >> shift
    if rounding == FLOOR:
        return value >> shift
    return value >> shift if value >= 0 else -((-value) >> shift)
