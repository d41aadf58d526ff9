"""Scales that come with a network: one that was trained with the chip's integers in view.

Quantisation-aware training fixes the size of a weight step, the fractional bits of the potential
and the code of every output, and trains the numbers for them. The network keeps these choices in
``provenance["quantization"]`` (plain JSON, so that they survive a file), and `quantize` uses them
instead of choosing anew: the integers are then those of the training, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from neurosim.chip.model import Chip
from neurosim.errors import InputFileError
from neurosim.run.encoding import InputCode
from neurosim_mapper.fold import FoldedLayer, FoldedNetwork
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import FloatArray
from neurosim_mapper.quantizer.activation import OutputCode
from neurosim_mapper.quantizer.options import QuantizeOptions

KEY: Final = "quantization"
FORMAT: Final = 1
_LABEL: Final = "provenance['quantization']"


@dataclass(frozen=True)
class GivenLayer:
    """Choices for one layer.

    Attributes
    ----------
    weight_unit : (n_neurons,) size of a weight step.
    weight_shift : fractional bits of the potential.
    code : of the output.
    """

    weight_unit: FloatArray
    weight_shift: int
    code: OutputCode


@dataclass(frozen=True)
class GivenScales:
    """Choices for the input and every layer, by name."""

    input_code: InputCode
    layers: Mapping[str, GivenLayer]


def widths(chip: Chip, weight_bits: int) -> dict[str, Any]:
    """What the integers of a network depend on; equal widths give equal integers."""
    core = chip.core
    return {
        "weight_bits": weight_bits,
        "membrane_bits": core.membrane_bits,
        "decay_bits": core.decay_bits,
        "rounding": core.rounding,
        "value_bits": chip.packet.analog_payload_bits,
    }


def scales_entry(chip: Chip, weight_bits: int, scales: GivenScales) -> dict[str, Any]:
    """`scales` as plain JSON data, for ``provenance["quantization"]``."""
    code = scales.input_code
    return {
        "format": FORMAT,
        "widths": widths(chip, weight_bits),
        "input": {"kind": code.kind, "unit": code.unit, "low": code.low, "high": code.high},
        "layers": {
            name: {
                "weight_unit": _shortest(layer.weight_unit),
                "weight_shift": layer.weight_shift,
                "output": {
                    "spike": layer.code.spike,
                    "unit": layer.code.unit,
                    "low": layer.code.low,
                    "high": layer.code.high,
                    "kind": layer.code.kind,
                    "pre_unit": layer.code.pre_unit,
                    "lut": None if layer.code.lut is None else list(layer.code.lut),
                },
            }
            for name, layer in scales.layers.items()
        },
    }


def _shortest(values: FloatArray) -> dict[str, list[Any]]:
    """Run lengths: units are equal inside a channel."""
    change = np.flatnonzero(np.diff(values, prepend=np.nan))
    counts = np.diff(np.append(change, values.size))
    return {"values": values[change].tolist(), "counts": counts.tolist()}


def given_scales(
    network: Network, folded: FoldedNetwork, chip: Chip, options: QuantizeOptions
) -> tuple[GivenScales | None, list[str]]:
    """Scales that `network` brings for this chip, or None and why they cannot be used.

    Raises
    ------
    InputFileError
        If the entry is there but damaged, or names other layers than the network has.
    """
    entry = network.provenance.get(KEY)
    if entry is None:
        return None, []
    fields = _checked(entry, {"format": int, "widths": dict, "input": dict, "layers": dict}, "")
    if fields["format"] != FORMAT:
        raise InputFileError(
            f"{_LABEL}: format {fields['format']} is not known; this neurosim reads {FORMAT}."
        )
    wanted = widths(chip, options.weight_bits)
    differing = [k for k, v in wanted.items() if fields["widths"].get(k) != v]
    if options.weight_shift is not None:
        differing.append("weight_shift")
    if differing:
        return None, [
            f"The network was trained for other integers ({', '.join(differing)} differ); "
            "it was quantised anew."
        ]
    names = {layer.name for layer in folded.layers}
    if names != set(fields["layers"]):
        odd = sorted(names ^ set(fields["layers"]))
        raise InputFileError(f"{_LABEL}: layers and network differ in {', '.join(odd)}.")
    layers = {layer.name: _layer(layer, fields["layers"][layer.name]) for layer in folded.layers}
    return GivenScales(_input(fields["input"]), layers), []


def _input(entry: Mapping[str, Any]) -> InputCode:
    fields = _checked(entry, {"kind": str, "unit": float, "low": int, "high": int}, "input: ")
    if fields["kind"] not in ("spike", "analog") or fields["low"] >= fields["high"]:
        raise InputFileError(f"{_LABEL}: the input code {dict(entry)} cannot be.")
    return InputCode(fields["kind"], fields["unit"], fields["low"], fields["high"])


def _layer(layer: FoldedLayer, entry: Any) -> GivenLayer:
    where = f"layer {layer.name!r}: "
    fields = _checked(entry, {"weight_unit": dict, "weight_shift": int, "output": dict}, where)
    runs = _checked(fields["weight_unit"], {"values": list, "counts": list}, where)
    try:
        values = np.asarray(runs["values"], dtype=np.float64)
        counts = np.asarray(runs["counts"], dtype=np.int64)
    except (TypeError, ValueError):
        raise InputFileError(f"{_LABEL}: {where}weight_unit holds things but numbers.") from None
    fits = values.shape == counts.shape and values.ndim == 1 and (counts > 0).all()
    if not fits or counts.sum() != layer.n_neurons or not (values > 0).all():
        raise InputFileError(
            f"{_LABEL}: {where}weight_unit must be above 0 for each of {layer.n_neurons} neurons."
        )
    shift = fields["weight_shift"]
    if not 0 <= shift <= 31:
        raise InputFileError(f"{_LABEL}: {where}weight_shift is {shift}; 0 to 31 is possible.")
    return GivenLayer(np.repeat(values, counts), shift, _code(layer, fields["output"], where))


def _code(layer: FoldedLayer, entry: Any, where: str) -> OutputCode:
    known = {"spike": bool, "unit": float, "low": int, "high": int, "kind": str, "pre_unit": float}
    fields = _checked(entry, known, where)
    lut = entry.get("lut")
    table = tuple(lut) if isinstance(lut, list) and all(isinstance(v, int) for v in lut) else None
    spike = layer.neuron.output == "spike"
    straight = fields["kind"] in ("identity", "relu") and table is None
    tabled = fields["kind"] == "lut" and table is not None and len(table) == 256
    if fields["spike"] != spike or not (straight or tabled) or fields["low"] > fields["high"]:
        raise InputFileError(f"{_LABEL}: {where}the output code does not fit the layer.")
    return OutputCode(
        spike,
        fields["unit"],
        fields["low"],
        fields["high"],
        fields["kind"],
        fields["pre_unit"],
        table,
        method="given" if not spike else "spikes",
    )


def _checked(entry: Any, known: Mapping[str, type], where: str) -> dict[str, Any]:
    """The named fields of `entry`, each of its type; numbers are finite and units above 0."""
    if not isinstance(entry, Mapping):
        raise InputFileError(f"{_LABEL}: {where}a table is needed, found {entry!r:.60}.")
    found: dict[str, Any] = {}
    for name, kind in known.items():
        value = entry.get(name)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        right = isinstance(value, kind) and (kind is not int or not isinstance(value, bool))
        if isinstance(value, float) and not (math.isfinite(value) and value > 0):
            right = False
        if not right:
            raise InputFileError(f"{_LABEL}: {where}{name!r} is {value!r:.60}.")
        found[name] = value
    return found
