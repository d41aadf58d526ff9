"""What quantisation did to the results, on calibration data: noise, saturation, silence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.fixed_point import signed_limits
from neurosim_mapper.float_executor import trace_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import FloatArray, Neuron
from neurosim_mapper.quantized import QuantizedLayer, QuantizedNetwork
from neurosim_mapper.reference import ReferenceTrace, trace_reference

VALUE_LIMIT: Final = 1 << 22  # values of all layers together that are compared


def with_figures(
    quantized: QuantizedNetwork, network: Network, calibration: npt.ArrayLike
) -> QuantizedNetwork:
    """The same network with figures in the notes of its layers and warnings in `assumptions`.

    Runs the float and the integer network side by side, on as many of the first samples as fit
    into `VALUE_LIMIT` values.
    """
    x = np.asarray(calibration)
    per_sample = x.shape[1] * sum(layer.n_neurons for layer in quantized.layers)
    x = x[: max(1, VALUE_LIMIT // max(1, per_sample))]
    if not x.size:
        return quantized
    floats = trace_float(network, x)
    integers = trace_reference(quantized, x, potential=True)
    layers, warnings = [], []
    for layer in quantized.layers:
        expected = _float_output(layer, network, floats.Y, floats.outputs)
        figures = _figures(layer, expected, integers, quantized.membrane_bits)
        layers.append(replace(layer, notes={**layer.notes, **figures}))
        warnings += _warnings(layer, expected, figures)
    return replace(
        quantized,
        layers=tuple(layers),
        assumptions=(*quantized.assumptions, *warnings),
    )


def _float_output(
    layer: QuantizedLayer, network: Network, Y: dict[str, FloatArray], outputs: FloatArray
) -> FloatArray | None:
    """Output of the float network for a layer; None for an added maximum pool."""
    if layer.name in Y:
        return Y[layer.name].reshape(*outputs.shape[:2], -1)
    if layer.name not in network.nodes:
        return outputs
    assert not isinstance(network.nodes[layer.name], Neuron)
    return None


def _figures(
    layer: QuantizedLayer,
    expected: FloatArray | None,
    trace: ReferenceTrace,
    membrane_bits: int,
) -> dict[str, Any]:
    values, U = trace.values[layer.name], trace.potential[layer.name]
    low, high = signed_limits(membrane_bits)
    figures: dict[str, Any] = {
        "samples_compared": int(values.shape[0]),
        "potential_seen": [int(U.min(initial=0)), int(U.max(initial=0))],
        "saturated_potentials": int(np.count_nonzero(np.isin(U, (low, high)))),
        "silent_neurons": int(np.count_nonzero(~(values != 0).any(axis=(0, 1)))),
        "active_share": float((values != 0).mean()) if values.size else 0.0,
    }
    if layer.modes.output == "analog":
        ends = (values == layer.modes.act_high) | (
            (values == layer.modes.act_low) & (layer.modes.act_low < 0)
        )
        figures["outputs_at_limit"] = int(np.count_nonzero(ends))
    if expected is not None:
        figures["silent_neurons_float"] = int(np.count_nonzero(~(expected != 0).any(axis=(0, 1))))
        figures["active_share_float"] = float((expected != 0).mean()) if expected.size else 0.0
        figures["sqnr_db"] = signal_to_noise_db(expected, values * layer.output_unit)
    return figures


def signal_to_noise_db(expected: FloatArray, found: npt.NDArray[np.floating[Any]]) -> float | None:
    """Power of `expected` over power of the difference in dB; None where one of them is 0."""
    signal = float(np.square(expected).sum())
    noise = float(np.square(found - expected).sum())
    if signal == 0.0 or noise == 0.0:
        return None
    return 10.0 * float(np.log10(signal / noise))


def _warnings(
    layer: QuantizedLayer, expected: FloatArray | None, figures: dict[str, Any]
) -> list[str]:
    found = []
    alive = expected is not None and bool((expected != 0).any())
    if alive and figures["active_share"] == 0.0:
        found.append(
            f"Warning: layer {layer.name!r} falls silent after quantisation (float: "
            f"{100 * figures['active_share_float']:.2g} % of its outputs are not 0). "
            "More weight bits, or thresholds closer to the weights, would help."
        )
    if figures["saturated_potentials"]:
        found.append(
            f"Warning: layer {layer.name!r}: {figures['saturated_potentials']} potentials "
            "saturated on the calibration data. A smaller weight_shift or more membrane bits "
            "would help."
        )
    return found


def quantization_report(quantized: QuantizedNetwork) -> list[dict[str, Any]]:
    """One row of plain figures per layer, for tables and JSON.

    Figures that need calibration data are None without it.
    """
    keys = (
        "weight_shift",
        "weight_shift_from",
        "weights",
        "weights_rounded_to_zero",
        "output_range",
        "sqnr_db",
        "saturated_potentials",
        "outputs_at_limit",
        "active_share",
        "active_share_float",
        "silent_neurons",
    )
    return [
        {
            "layer": layer.name,
            "neurons": layer.n_neurons,
            "output": layer.modes.output,
            **{key: layer.notes.get(key) for key in keys},
        }
        for layer in quantized.layers
    ]
