"""The input code: how the user's numbers become packets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError
from neurosim.run.encoding import InputCode
from neurosim_mapper.fold import FoldedNetwork
from neurosim_mapper.quantizer.options import InputKind


def choose_input_code(
    folded: FoldedNetwork,
    chip: Chip,
    calibration: npt.ArrayLike | None,
    kind: InputKind,
    fine: bool = False,
) -> tuple[InputCode, list[str]]:
    """Input code and what had to be assumed.

    `fine` asks for small steps: in a layer that adds inputs to values, the weights of both are
    multiples of one unit, and a value in steps of 1/127 beside an input in steps of 1 would be left
    with weights of 0 and 1. The same numbers are sent as multiples of a finer step, then.

    Raises DoesNotFitError if the chip takes no input of the kind that is needed.
    """
    x = None if calibration is None else np.asarray(calibration)
    if kind == "auto":
        fine = fine and "analog" in chip.core.input_kinds
        kind = "analog" if fine else _fitting_kind(folded, chip, x)
    if kind not in chip.core.input_kinds:
        remedy = (
            "Encode the inputs as spikes (0 or 1), or choose a chip whose core.input_kinds names "
            "analog."
            if kind == "analog"
            else "Map with an analog input, or choose a chip whose core.input_kinds names spike."
        )
        raise DoesNotFitError(
            f"Input: the network needs {kind} packets, {chip.name} takes "
            f"{' and '.join(chip.core.input_kinds)} packets. {remedy}"
        )
    if kind == "spike":
        return InputCode("spike"), _if(x is None, "Input: assumed to be spikes, 0 or 1.")
    if x is None or not x.size:
        high = (1 << chip.packet.analog_payload_bits) - 1
        return InputCode("analog", 1.0, 0, high, saturate=False), [
            f"Input: assumed to be integers from 0 to {high}; calibration data would show."
        ]
    code = _measured_code(x, chip.packet.analog_payload_bits)
    if not fine:
        return code, []
    finer = _finer(code, x)
    note = f"Input: sent as values in steps of {finer.unit:.3g}, because layers add it to values."
    return finer, [note]


def _if(condition: bool, text: str) -> list[str]:
    return [text] if condition else []


def _fitting_kind(
    folded: FoldedNetwork, chip: Chip, x: npt.NDArray[np.generic] | None
) -> InputKind:
    if x is None:
        spikes = all(layer.neuron.output == "spike" for layer in folded.layers if not layer.added)
    else:
        spikes = bool(((x == 0) | (x == 1)).all())
    if spikes and "spike" in chip.core.input_kinds:
        return "spike"
    return "analog"


def _finer(code: InputCode, x: npt.NDArray[np.generic]) -> InputCode:
    """The unit divided by a whole number, as often as the range allows."""
    low, high = float(x.min()) / code.unit, float(x.max()) / code.unit
    ends = (code.high / high if high > 0 else np.inf, code.low / low if low < 0 else np.inf)
    steps = max(1, int(min(min(ends), code.high) + 1e-6))
    return replace(code, unit=code.unit / steps)


def _measured_code(x: npt.NDArray[np.generic], bits: int) -> InputCode:
    """Integers stay as they are; values on an even grid keep the grid; others get 2**bits steps."""
    values = x.astype(np.float64)
    low, high = float(values.min()), float(values.max())
    least, most = (0, (1 << bits) - 1) if low >= 0 else (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
    if low >= least and high <= most and not (values % 1).any():
        return InputCode("analog", 1.0, least, most)
    grid = float(np.abs(values[values != 0]).min())
    steps = values / grid
    if np.abs(steps - np.rint(steps)).max() < 1e-6 and least <= low / grid <= high / grid <= most:
        return InputCode("analog", grid, least, most)
    unit = max(high / most, low / least if least else 0.0)
    return InputCode("analog", unit, least, most)
