"""One layer: units, integer weights, membrane shift and columns.

A layer has one weight unit per neuron (or channel), common to all its projections: a real input
of that size adds 1 to the accumulator. One step of the membrane is that unit divided by
``2**weight_shift``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim.fixed_point import signed_limits
from neurosim.soma.liaf import LiafColumns
from neurosim_mapper.fold import FoldedLayer
from neurosim_mapper.nodes import FloatArray
from neurosim_mapper.quantized import Projection, QuantizedLayer, SomaModes
from neurosim_mapper.quantizer.activation import OutputCode, code_notes, requantisation
from neurosim_mapper.quantizer.calibration import LayerStatistics
from neurosim_mapper.quantizer.given import GivenLayer
from neurosim_mapper.quantizer.options import QuantizeOptions
from neurosim_mapper.quantizer.ranges import (
    NeuronParameters,
    current_bounds,
    highest_threshold,
    parameters_of,
    potential_bounds,
)

WANTED_SHIFT: Final = 4  # fractional bits worth having before head-room is given up
HEADROOM: Final = 2.0  # over the calibrated range, where no range can be proven
FUZZ: Final = 1e-9  # relative; float noise in a quotient that should be an integer
MEAN_STEPS: Final = 1 << 16  # resolution of mean values in exact sums
_INT32: Final = (1 << 31) - 1


@dataclass(frozen=True)
class _Scaled:
    """A layer on its way: integer projections and the bounds of U in weight units."""

    unit: FloatArray  # (n_neurons,) weight unit
    projections: tuple[Projection, ...]
    drive: tuple[FloatArray, FloatArray]
    bounds: tuple[FloatArray, FloatArray]


def build_layer(
    layer: FoldedLayer,
    codes: Mapping[str, OutputCode],
    chip: Chip,
    options: QuantizeOptions,
    statistics: LayerStatistics | None,
    keep: bool,
    given: GivenLayer | None = None,
    means: Mapping[str, FloatArray] | None = None,
) -> QuantizedLayer:
    """Integers of one layer.

    Parameters
    ----------
    codes : output codes of all layers and of the input, by name.
    keep : True for weights that are integers already; the unit is then 1.
    given : unit and shift that the network brings along.
    means : mean values that sources send, by name. What rounded weights change in the mean input
        is put into the bias (Nagel et al., Data-Free Quantization, ICCV 2019, section 4.2).

    Raises
    ------
    DoesNotFitError
        If the chip has no fractional decays.
    UnsupportedError
        If the decay lets the potential grow.
    """
    parameters = parameters_of(layer.neuron, layer.shape)
    alpha_num = _decay(layer.name, parameters.alpha, chip)
    alpha_syn = None
    if parameters.alpha_syn is not None:
        alpha_syn = _decay(layer.name, parameters.alpha_syn, chip).astype(np.int32)
    membrane_bits, core = chip.core.membrane_bits, chip.core
    if given is not None:
        unit = given.weight_unit
    else:
        unit = np.ones(layer.n_neurons) if keep else _units(layer, codes, parameters, chip, options)
    scaled = _scale(layer, codes, parameters, unit, options)
    if given is not None:
        shift, reason = given.weight_shift, "given by the network"
    elif keep:
        shift, reason = options.weight_shift or 0, "integers, kept"
        level = float(_levels(layer, parameters).max(initial=0))
        _check_given_shift(layer.name, level, signed_limits(membrane_bits)[1], shift, chip)
    else:
        shift, reason = _choose_shift(layer, scaled, parameters, statistics, chip, options)
        if shift < 0:  # weights become coarser so that the potential fits
            scaled = _scale(layer, codes, parameters, unit * 2.0**-shift, options)
            shift = 0
    membrane_unit = scaled.unit / 2.0**shift
    code = codes[layer.name]
    if means:
        layer = replace(layer, bias=layer.bias + _mean_error(layer, scaled, codes, means))
    columns, act_shift = _columns(
        layer, parameters, alpha_num, membrane_unit, code, membrane_bits, shift
    )
    modes = SomaModes(
        output=layer.neuron.output,
        reset=layer.neuron.reset,
        n_max=layer.neuron.n_max,
        silent_step=layer.neuron.silent_step,
        weight_shift=shift,
        alpha_shift=core.decay_bits,
        rounding=core.rounding,
        activation=code.kind,
        act_shift=act_shift,
        act_low=code.low,
        act_high=code.high,
        lut=code.lut,
    )
    notes = _notes(layer, scaled, parameters, alpha_num, chip, shift, reason, codes)
    return QuantizedLayer(
        layer.name,
        layer.shape,
        scaled.projections,
        columns,
        modes,
        membrane_unit,
        code.unit,
        notes | code_notes(code),
        alpha_syn,
    )


def _mean_error(
    layer: FoldedLayer,
    scaled: _Scaled,
    codes: Mapping[str, OutputCode],
    means: Mapping[str, FloatArray],
) -> FloatArray:
    """Mean input that rounding the weights took away, (n_neurons,) in float units."""
    lost = np.zeros(layer.n_neurons)
    for folded, projection in zip(layer.projections, scaled.projections, strict=True):
        mean = means.get(folded.source)
        if mean is not None:
            steps = np.rint(mean / codes[folded.source].unit * MEAN_STEPS).astype(np.int64)
            kept = projection.connection.apply(steps[None])[0] / MEAN_STEPS * scaled.unit
            lost += folded.map.apply(mean[None])[0] - kept
    return lost


def has_integers(
    layer: FoldedLayer,
    codes: Mapping[str, OutputCode],
    chip: Chip,
    bits: int,
    decay_bits: int,
) -> bool:
    """True if weights and parameters are integers that the chip holds as they are.

    `decay_bits` is how many fractional bits the decay may use.
    """
    neuron = layer.neuron
    potentials = [
        getattr(neuron, n) for n in neuron.array_names() if n not in ("alpha", "alpha_syn")
    ]
    numbers = [layer.bias, *(p for p in potentials if p is not None)]
    numbers += [p.map.values * codes[p.source].unit for p in layer.projections]
    if any((values % 1).any() for values in numbers):
        return False
    widest = signed_limits(chip.core.membrane_bits)[1]
    if any(p is not None and np.abs(p).max(initial=0) > widest for p in potentials):
        return False
    low, high = signed_limits(bits)
    for projection in layer.projections:
        weights = projection.map.values
        if weights.size and (weights.min() < low or weights.max() > high):
            return False
    decays = [a for a in (neuron.alpha, neuron.alpha_syn) if a is not None]
    return not any(((a * 2.0**decay_bits) % 1).any() for a in decays)


def _decay(name: str, alpha: FloatArray, chip: Chip) -> npt.NDArray[np.int64]:
    bits = chip.core.decay_bits
    numerator = np.rint(alpha * 2.0**bits)
    if bits == 0 and (numerator != alpha).any():
        worst = float(alpha[int(np.argmax(np.abs(numerator - alpha)))])
        raise DoesNotFitError(
            f"Layer {name!r}: a decay of {worst:g} needs fractional bits, {chip.name} has none "
            "(core.decay_bits: 0). Train with a decay of 0 or 1, or choose a chip with "
            "core.decay_bits of 1 or more."
        )
    if np.abs(numerator).max(initial=0) > 1 << bits:
        raise UnsupportedError(
            f"Layer {name!r}: a decay of {float(alpha[int(np.argmax(np.abs(alpha)))]):g} lets the "
            f"potential grow by itself; {chip.name} holds -1..1. Train with a decay in that range."
        )
    return numerator.astype(np.int64)


def _units(
    layer: FoldedLayer,
    codes: Mapping[str, OutputCode],
    parameters: NeuronParameters,
    chip: Chip,
    options: QuantizeOptions,
) -> FloatArray:
    """Weight unit of every neuron: the largest weight uses all bits, the threshold still fits."""
    largest = np.zeros(layer.n_neurons)
    groups: npt.NDArray[np.int64] | None = None
    for projection in layer.projections:
        size = projection.map.row_abs_max() * codes[projection.source].unit
        largest = np.maximum(largest, size)
        groups = projection.map.unit_groups() if groups is None else groups
    levels = _levels(layer, parameters)
    bits = chip.core.membrane_bits
    spare = min(WANTED_SHIFT + 1, chip.core.max_weight_shift, max(0, (bits - 10) // 2))
    least = levels / max(1, signed_limits(bits)[1] >> spare)
    unit = np.maximum(largest * options.stretch / options.weight_max, least)
    if not options.per_channel:
        unit[:] = unit.max(initial=0.0)
    elif groups is not None:
        per_group = np.zeros(int(groups.max()) + 1)
        np.maximum.at(per_group, groups, unit)
        unit = per_group[groups]
    fallback = float(unit.max(initial=0.0)) or 1.0 / options.weight_max
    return np.where(unit > 0, unit, fallback)


def _levels(layer: FoldedLayer, p: NeuronParameters) -> FloatArray:
    """Largest magnitude of the potentials that the chip must hold for each neuron."""
    neuron = layer.neuron
    used = [layer.bias, p.v_start, p.beta, p.rho_post]
    if neuron.output == "spike" or neuron.reset != "none":
        used.append(highest_threshold(neuron, p))
    if neuron.reset != "none":
        used.append(p.v_reset if neuron.reset == "hard" else p.rho)
    return np.asarray(np.abs(np.stack(used)).max(axis=0))


def _scale(
    layer: FoldedLayer,
    codes: Mapping[str, OutputCode],
    parameters: NeuronParameters,
    unit: FloatArray,
    options: QuantizeOptions,
) -> _Scaled:
    bias = layer.bias / unit
    low, high = bias.copy(), bias.copy()
    projections = []
    for projection in layer.projections:
        code = codes[projection.source]
        connection = projection.map.to_integers(unit / code.unit)
        positive, negative = connection.positive_negative_sums()
        low += positive * code.low + negative * code.high
        high += positive * code.high + negative * code.low
        projections.append(Projection(projection.source, connection, projection.delay_ticks))
    # Before the first spike arrives, and where a source stays silent, the sum is the bias alone.
    low, high = np.minimum(low, bias), np.maximum(high, bias)
    drive = low, high
    if parameters.alpha_syn is None:
        bounds = potential_bounds(layer.neuron, parameters.scaled(unit), low, high, slack=1.0)
    else:
        low, high = current_bounds(parameters.alpha_syn, low, high, slack=1.0)
        least, most = potential_bounds(layer.neuron, parameters.scaled(unit), low, high, slack=1.0)
        bounds = np.minimum(least, low), np.maximum(most, high)  # the state has the same width
    return _Scaled(unit, tuple(projections), drive, bounds)


def _choose_shift(
    layer: FoldedLayer,
    scaled: _Scaled,
    parameters: NeuronParameters,
    statistics: LayerStatistics | None,
    chip: Chip,
    options: QuantizeOptions,
) -> tuple[int, str]:
    """Fractional bits of the potential, and the reason; negative if even whole steps overflow."""
    limit = signed_limits(chip.core.membrane_bits)[1]
    level = float((_levels(layer, parameters) / scaled.unit).max(initial=0))
    if options.weight_shift is not None:
        _check_given_shift(layer.name, level, limit, options.weight_shift, chip)
        return options.weight_shift, "given"
    most = max(0, min(chip.core.max_weight_shift, _fitting_shift(level, limit)))
    proven = _fitting_shift(float(np.abs(np.stack(scaled.bounds)).max(initial=0)), limit)
    if proven >= min(WANTED_SHIFT, most):
        return min(proven, most), "proven: no input can saturate the potential"
    if statistics is not None:
        seen = float((statistics.u_abs_max / scaled.unit).max(initial=0)) * HEADROOM
        measured = min(_fitting_shift(seen, limit), WANTED_SHIFT, most)
        if measured > proven:
            return measured, f"calibrated: {HEADROOM:g} x the largest potential seen"
        return min(max(proven, measured), most), "proven: no input can saturate the potential"
    if proven >= 0:
        return min(proven, most), "proven: no input can saturate the potential"
    drive = float(np.abs(np.stack(scaled.drive)).max(initial=0))
    assumed = min(_fitting_shift(max(drive, level), limit), most)
    return max(assumed, 0), "assumed: no bound and no calibration; the potential may saturate"


def _check_given_shift(name: str, level: float, limit: int, shift: int, chip: Chip) -> None:
    if _fitting_shift(level, limit) < shift:
        raise DoesNotFitError(
            f"Layer {name!r}: with weight_shift {shift} its thresholds or biases reach "
            f"{level * 2.0**shift:.0f} steps; a membrane of {chip.core.membrane_bits} bits holds "
            f"{limit}. A weight_shift of {max(0, _fitting_shift(level, limit))} would fit."
        )


def _fitting_shift(size: float, limit: int) -> int:
    """Largest s with ``size * 2**s <= limit``; -64 for an infinite size."""
    if not np.isfinite(size):
        return -64
    return int(np.floor(np.log2(limit / max(size, 1.0))))


def _columns(
    layer: FoldedLayer,
    p: NeuronParameters,
    alpha_num: npt.NDArray[np.int64],
    membrane_unit: FloatArray,
    code: OutputCode,
    membrane_bits: int,
    kept_shift: int,
) -> tuple[LiafColumns, int]:
    """Per-neuron integers and the shift of the requantisation.

    `kept_shift` is that shift for outputs that keep their unit.
    """
    low, high = signed_limits(membrane_bits)
    steps = p.scaled(membrane_unit)
    neuron = layer.neuron
    noise = FUZZ * np.maximum(1.0, np.abs(steps.threshold))
    if neuron.strict and neuron.n_max == 1:
        theta = np.floor(steps.threshold + noise) + 1
    else:
        theta = np.ceil(steps.threshold - noise)
    if neuron.n_max > 1:
        theta = np.maximum(theta, 1)
    mult, act_shift = np.ones(layer.n_neurons, np.int64), kept_shift
    subtract = np.zeros(layer.n_neurons)
    if neuron.output == "analog":
        if code.method != "integers, kept":
            mult, act_shift = requantisation(layer.name, membrane_unit, code.pre_unit)
        if neuron.threshold_related:
            subtract = np.rint(steps.threshold)

    def held(values: npt.NDArray[Any], most: int = high) -> npt.NDArray[np.int32]:
        clipped: npt.NDArray[np.int32] = np.clip(np.rint(values), low, most).astype(np.int32)
        return clipped

    columns = LiafColumns(
        bias=held(layer.bias / membrane_unit),
        theta=held(theta, high + 1),  # beyond what a potential reaches is never
        v_reset=held(steps.v_reset),
        alpha_num=alpha_num.astype(np.int32),
        beta=held(steps.beta),
        rho=held(steps.rho),
        rho_post=held(steps.rho_post),
        floor=held(steps.floor),
        v_start=held(steps.v_start),
        act_subtract=np.clip(subtract, -_INT32, _INT32).astype(np.int32),
        act_mult=mult.astype(np.int32),
    )
    return columns, act_shift


def _notes(
    layer: FoldedLayer,
    scaled: _Scaled,
    parameters: NeuronParameters,
    alpha_num: npt.NDArray[np.int64],
    chip: Chip,
    shift: int,
    reason: str,
    codes: Mapping[str, OutputCode],
) -> dict[str, Any]:
    """Figures that need no data; plain JSON."""
    n_weights = n_lost = 0
    for folded, projection in zip(layer.projections, scaled.projections, strict=True):
        floats = folded.map.values
        n_weights += int(np.count_nonzero(floats))
        integers = getattr(projection.connection, "weight", np.zeros(0))
        n_lost += int(np.count_nonzero(floats)) - int(np.count_nonzero(integers))
    alpha = alpha_num / 2.0**chip.core.decay_bits
    peak = float(np.abs(np.stack(scaled.drive)).max(initial=0))
    bound = float(np.abs(np.stack(scaled.bounds)).max(initial=0))
    return {
        "weight_unit": _span(scaled.unit),
        "membrane_unit": _span(scaled.unit / 2.0**shift),
        "weight_shift": shift,
        "weight_shift_from": reason,
        "weights": n_weights,
        "weights_rounded_to_zero": n_lost,
        "decay_error_max": float(np.abs(alpha - parameters.alpha).max(initial=0)),
        "input_sum_bound": int(np.ceil(peak)),
        "potential_bound": int(np.ceil(bound * 2.0**shift)) if np.isfinite(bound) else None,
        "sources": {p.source: codes[p.source].unit for p in layer.projections},
    }


def _span(values: FloatArray) -> list[float]:
    return [float(values.min()), float(values.max())] if values.size else []
