"""From a user's arrays to the integers that enter the chip.

One function for the reference executor and the simulator, so that both see the same input.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError


@dataclass(frozen=True)
class InputCode:
    """How one input element becomes one packet value.

    Attributes
    ----------
    kind : ``spike`` (0 or 1; a count above 1 needs an analog input) or ``analog``.
    unit : size of one step in the user's units; 1.0 keeps integers as they are.
    low, high : range of the packet value.
    saturate : values outside the range are clipped and others rounded (a calibrated range), or
        both refused (a range that nobody measured).
    """

    kind: Literal["spike", "analog"]
    unit: float = 1.0
    low: int = 0
    high: int = 1
    saturate: bool = True


_ROUNDED = 1e-3  # of a step: what arithmetic in single precision leaves


def checked_input(
    x: npt.ArrayLike, shape: tuple[int, ...], what: str = "x"
) -> npt.NDArray[np.generic]:
    """`x` as an array (samples, ticks, *shape); InputFileError when it is something else."""
    array = np.asarray(x)
    if array.dtype.kind not in "buif":
        raise InputFileError(f"{what} has dtype {array.dtype}; numbers are needed.")
    if array.ndim != len(shape) + 2 or array.shape[2:] != shape:
        raise InputFileError(
            f"{what} has shape {array.shape}; needed: (samples, ticks, "
            f"{', '.join(str(n) for n in shape)})."
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise InputFileError(f"{what} holds NaN or infinite values; all must be finite.")
    return array


def encode_input(
    x: npt.ArrayLike, shape: tuple[int, ...], code: InputCode, what: str = "x"
) -> npt.NDArray[np.int16]:
    """Packet values (samples, ticks, n_inputs) of `x` (samples, ticks, *shape).

    Raises InputFileError for other shapes, for NaN or infinite values, and for values that a
    spike input or a range that nobody measured cannot carry. Analog values are rounded to the
    nearest step and saturate.
    """
    array: npt.NDArray[Any] = checked_input(x, shape, what)
    flat = array.reshape(array.shape[0], array.shape[1], int(np.prod(shape)))
    if code.kind == "spike":
        if flat.size and not ((flat == 0) | (flat == 1)).all():
            raise InputFileError(
                f"{what} holds values other than 0 and 1, but the input of this network is "
                "mapped as spikes. Map it with an analog input or encode the values as spikes."
            )
        return flat.astype(np.int16)
    steps = np.rint(flat / code.unit) if code.unit != 1.0 or flat.dtype.kind == "f" else flat
    if not code.saturate and flat.size:
        outside = steps.min() < code.low or steps.max() > code.high
        if outside or np.abs(steps * code.unit - flat).max() > _ROUNDED * code.unit:
            between = "" if outside else ", some of them between the steps"
            raise InputFileError(
                f"{what} holds values from {flat.min():g} to {flat.max():g}{between}; the input of "
                f"this network carries {code.low}..{code.high} in steps of {code.unit:g}. "
                "Map it with calibration data so that the range is known."
            )
    return np.clip(steps, code.low, code.high).astype(np.int16)
