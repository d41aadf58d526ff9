"""Rounding and saturation on integer arrays, as a chip does them.

Every function takes and returns 64-bit integers and is exact. The compiled twins live in
`neurosim.kernels.arith`; tests hold the two against each other.
"""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]
Rounding = Literal["nearest", "floor", "toward_zero"]

ROUNDING_CODES: Final[dict[str, int]] = {"nearest": 0, "floor": 1, "toward_zero": 2}


def signed_limits(bits: int) -> tuple[int, int]:
    """Smallest and largest value of a two's complement number of `bits` bits."""
    return -(1 << (bits - 1)), (1 << (bits - 1)) - 1


def saturate(values: npt.ArrayLike, bits: int) -> IntArray:
    """Clip to the range of a signed number of `bits` bits."""
    low, high = signed_limits(bits)
    return np.clip(np.asarray(values, dtype=np.int64), low, high)


def shift_right(values: npt.ArrayLike, shift: int, rounding: Rounding) -> IntArray:
    """``values / 2**shift``, rounded.

    ``nearest`` rounds halves up (towards plus infinity), as adding half a step before an
    arithmetic shift does in hardware; ``floor`` is the bare arithmetic shift; ``toward_zero``
    is Loihi's ``sgn(x) floor(|x| / 2**shift)`` (FACTS: Davies et al. 2018 and its emulators).
    """
    x = np.asarray(values, dtype=np.int64)
    if shift == 0:
        return x.copy()
    if rounding == "nearest":
        return (x + (1 << (shift - 1))) >> shift
    if rounding == "floor":
        return x >> shift
    result: IntArray = np.sign(x) * (np.abs(x) >> shift)
    return result
