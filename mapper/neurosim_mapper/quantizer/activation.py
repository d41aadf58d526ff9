"""Analog outputs: the size of a step, the activation as the chip computes it, requantisation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim_mapper.activations import SELU_LAMBDA, activate
from neurosim_mapper.nodes import FloatArray, Neuron
from neurosim_mapper.quantizer.calibration import LayerStatistics
from neurosim_mapper.quantizer.options import QuantizeOptions

# Beyond these potentials an 8-bit output no longer changes: half a step from the asymptote.
_SATURATION: Final = {"sigmoid": 6.3, "tanh": 3.2, "selu": 8.0}
MULTIPLIER_BITS: Final = 16
MAX_ACT_SHIFT: Final = 40


@dataclass(frozen=True)
class OutputCode:
    """How a layer's float output becomes packet values ``low..high`` in steps of `unit`.

    Attributes
    ----------
    kind : what the chip computes.
    pre_unit : potential that one step of the rescaled value stands for: `unit` divided by the
        slope for identity and ReLU, the step of the table's index for a look-up table.
    method : where the range comes from.
    """

    spike: bool
    unit: float
    low: int
    high: int
    kind: Literal["identity", "relu", "lut", "lut_unsigned"] = "identity"
    pre_unit: float = 1.0
    lut: tuple[int, ...] | None = None
    method: str = "spikes"


def spike_code(n_max: int) -> OutputCode:
    """Spikes: 0..n_max, one step is one spike."""
    return OutputCode(True, 1.0, 0, n_max)


def integer_code(neuron: Neuron, bits: int) -> OutputCode | None:
    """Code that keeps integers as they are; None if the activation does not give integers."""
    kind: Literal["identity", "relu"] = "relu" if neuron.activation == "relu" else "identity"
    low, high = _limits(bits, signed=kind == "identity")
    bounds = _clamp_of(neuron)
    if neuron.activation not in ("identity", "relu", "clamp"):
        return None
    if bounds is not None:
        if any(b % 1 for b in bounds):
            return None
        if kind == "identity" and bounds[0] >= 0:
            low, high = _limits(bits, signed=False)
        low, high = max(low, int(bounds[0])), min(high, int(bounds[1]))
        if low > high:
            return None
    return OutputCode(False, 1.0, low, high, kind, method="integers, kept")


def scaled_code(
    name: str,
    neuron: Neuron,
    statistics: LayerStatistics | None,
    bound: tuple[float, float],
    bits: int,
    options: QuantizeOptions,
) -> OutputCode:
    """Code for the range seen in calibration, or for a proven bound of the potential.

    `bound` is that of what the activation sees. Raises UsageError if there is neither.
    """
    low, high = _value_range(name, neuron, statistics, bound, options)
    method = options.activation_range if statistics else "bound"
    slope = SELU_LAMBDA if neuron.activation == "selu" else 1.0
    floor = _clamp_of(neuron)[0] if _clamp_of(neuron) else -np.inf  # type: ignore[index]
    straight = neuron.activation in ("identity", "relu", "clamp") or (
        neuron.activation == "selu" and floor >= 0  # linear above 0, and nothing below is seen
    )
    signed = low < 0 or (neuron.activation == "identity" and floor < 0)
    least, most = _limits(bits, signed)
    if statistics and options.activation_range == "mse":
        low, high = _least_error(statistics.out, low, high, least, most)
    unit = _unit(low, high, least, most)
    if not straight:
        return _table(neuron, statistics, unit, (least, most), method)
    kind: Literal["identity", "relu"] = "relu" if neuron.activation == "relu" else "identity"
    bounds = _clamp_of(neuron)
    if bounds is not None:
        least = max(least, round(bounds[0] / unit))
        most = min(most, round(bounds[1] / unit))
    elif neuron.activation == "relu":
        least = max(least, 0)
    return OutputCode(False, unit, least, most, kind, unit / slope, method=method)


def _clamp_of(neuron: Neuron) -> tuple[float, float] | None:
    if neuron.clamp is None and neuron.activation == "clamp":
        return 0.0, 1.0
    return neuron.clamp


def _limits(bits: int, signed: bool) -> tuple[int, int]:
    return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)


def _unit(low: float, high: float, least: int, most: int) -> float:
    unit = max(high / most, low / least if least else 0.0)
    return unit if unit > 0 else 1.0 / most


def _value_range(
    name: str,
    neuron: Neuron,
    statistics: LayerStatistics | None,
    bound: tuple[float, float],
    options: QuantizeOptions,
) -> tuple[float, float]:
    """Range of the output in the float network's units."""
    if statistics:
        if options.activation_range == "percentile":
            rest = 100.0 - options.percentile
            low, high = np.percentile(statistics.out, [rest, options.percentile])
            return min(float(low), 0.0), max(float(high), 0.0)
        return statistics.y_low, statistics.y_high
    ends = neuron.activated(np.clip(np.asarray(bound, dtype=np.float64), -1e300, 1e300))
    if neuron.table is not None:  # any entry may be met
        ends = neuron.table_values()
    low, high = float(ends.min()), float(ends.max())
    if max(-low, high) > 1e200:
        raise UsageError(
            f"Layer {name!r}: nothing bounds its analog output. Give calibration data, so that "
            "its range is known."
        )
    return low, high


def _least_error(
    out: FloatArray, low: float, high: float, least: int, most: int
) -> tuple[float, float]:
    """The share of the range, clipped, with the least mean squared error on the sample."""
    errors = []
    shares = np.linspace(0.2, 1.0, 81)
    for share in shares:
        unit = _unit(low * share, high * share, least, most)
        error = np.clip(np.rint(out / unit), least, most) * unit - out
        errors.append(float((error**2).sum()))
    best = float(shares[int(np.argmin(errors))])
    return low * best, high * best


def _table(
    neuron: Neuron,
    statistics: LayerStatistics | None,
    unit: float,
    limits: tuple[int, int],
    method: str,
) -> OutputCode:
    """Look-up table over a signed 8-bit index that spans the potentials seen."""
    if neuron.table is not None:
        pre_unit = neuron.table_step
        steps = np.rint(neuron.table_values() / unit)
        entries = tuple(int(v) for v in np.clip(steps, *limits))
        return OutputCode(
            False, unit, min(entries), max(entries), "lut", pre_unit, entries, "table"
        )
    reach = _SATURATION.get(neuron.activation, 1.0)
    if statistics:
        seen = max(abs(statistics.u_low), abs(statistics.u_high))
        reach = min(seen, reach) if neuron.activation in ("sigmoid", "tanh") else seen
    pre_unit = reach / 127 if reach > 0 else 1.0 / 127
    index = np.arange(-128, 128) * pre_unit
    steps = np.rint(activate(index, neuron.activation, neuron.clamp) / unit)
    lut = tuple(int(v) for v in np.clip(steps, *limits))
    return OutputCode(False, unit, min(lut), max(lut), "lut", pre_unit, lut, method)


def requantisation(
    name: str, membrane_unit: FloatArray, pre_unit: float
) -> tuple[npt.NDArray[np.int64], int]:
    """Multipliers (n_neurons,) and one shift with ``mult / 2**shift ~ membrane_unit / pre_unit``.

    The largest multiplier uses all of its 16 bits (15 below the sign).
    """
    ratio = membrane_unit / pre_unit
    largest = float(ratio.max())
    shift = int(np.clip(MULTIPLIER_BITS - 1 - np.ceil(np.log2(largest)), 0, MAX_ACT_SHIFT))
    mult = np.rint(ratio * 2.0**shift).astype(np.int64)
    if mult.max() >= 1 << MULTIPLIER_BITS:
        raise UsageError(
            f"Layer {name!r}: one step of its potential is {largest:g} steps of its output; at "
            f"most {1 << MULTIPLIER_BITS} are possible. Give calibration data that drives it."
        )
    return mult, shift


def code_notes(code: OutputCode) -> dict[str, Any]:
    """What the report says about an output code."""
    return {
        "output_unit": code.unit,
        "output_range": [code.low * code.unit, code.high * code.unit],
        "output_range_from": code.method,
        "activation": "spike" if code.spike else code.kind,
        "activation_unit": code.pre_unit,
    }
