"""The export of a quantisation-aware module: exact multiples of its units, and the units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from neurosim.errors import UnsupportedError
from neurosim_mapper.linear_maps import ConvMap, DenseMap
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    BatchNorm,
    Conv,
    Delay,
    Flatten,
    FloatArray,
    Linear,
    Neuron,
    Pool,
    Scale,
    Shape,
)
from neurosim_mapper.quantized import INPUT
from neurosim_mapper.quantizer.activation import OutputCode
from neurosim_mapper.quantizer.given import KEY, GivenLayer, GivenScales, scales_entry
from neurosim_mapper.torch.graph import Builder, Value
from neurosim_mapper.torch.qat import MARK, QuantizationAware
from neurosim_mapper.torch.qat_layers import QatLayer, QatProjection
from neurosim_mapper.torch.values import numbers


def network_of(
    model: QuantizationAware, readout: str | None, provenance: Mapping[str, Any] | None
) -> Network:
    """See `QuantizationAware.network`."""
    builder = Builder(model.input_shape, None)
    values = {INPUT: builder.input()}
    scales: dict[str, GivenLayer] = {}
    for layer in model.layers:
        if not isinstance(layer, QatLayer):
            name = str(layer.name)
            source, pool = model.pools[name]
            node = Pool("sum", pool.kernel, pool.stride)
            values[name] = builder.add(name.removesuffix(MARK), node, values[source])
            continue
        values[layer.name] = _add_layer(builder, layer, values)
        scales[values[layer.name].sources[0]] = _scales(layer)
    result = values[model.output]
    network = builder.finish(Value(result.sources, result.shape), readout or model.readout)
    entry = scales_entry(model.chip, model.weight_bits, GivenScales(model.input_code, scales))
    notes = {**model.provenance, **(provenance or {}), KEY: entry}
    return Network(network.nodes, network.edges, network.readout, (), notes)


def _scales(layer: QatLayer) -> GivenLayer:
    modes, spike = layer.modes, layer.modes.output == "spike"
    code = OutputCode(
        spike,
        layer.output_unit,
        0 if spike else modes.act_low,
        modes.n_max if spike else modes.act_high,
        modes.activation,
        float(layer.notes["activation_unit"]),
        modes.lut,
    )
    return GivenLayer(layer.weight_unit, modes.weight_shift, code)


def _add_layer(builder: Builder, layer: QatLayer, values: Mapping[str, Value]) -> Value:
    """The maps into a layer and its neurons."""
    with torch.no_grad():
        columns = {name: numbers(c) for name, c in layer.columns(torch.float64).items()}
    unit = numbers(layer.unit)
    bias = columns["bias"] * unit
    incoming: list[Value] = []
    for i, (source, projection) in enumerate(zip(layer.sources, layer.projections, strict=True)):
        assert isinstance(projection, QatProjection)
        value = values[source]
        if projection.delay_ticks:
            value = builder.add(f"{layer.name}.delay{i}", Delay(projection.delay_ticks), value)
        own = bias.reshape(layer.shape[0], -1)[:, 0] if layer.bias is not None and i == 0 else None
        incoming.append(_add_map(builder, layer, f"{layer.name}.weight{i}", projection, value, own))
    total = incoming[0]
    for value in incoming[1:]:
        total = builder.sum(layer.name, total, value)
    return builder.add(layer.name, _neuron(layer, columns, unit), total)


def _add_map(
    builder: Builder,
    layer: QatLayer,
    name: str,
    projection: QatProjection,
    value: Value,
    bias: FloatArray | None,
) -> Value:
    linear = projection.linear
    with torch.no_grad():
        weight = numbers(projection.integers(torch.float64) * projection.row_unit)
    if not isinstance(linear, ConvMap) and len(layer.shape) == 1 and len(value.shape) > 1:
        value = builder.add(f"{name}.flat", Flatten(), value)
    if isinstance(linear, DenseMap):
        if len(layer.shape) > 1:
            raise UnsupportedError(
                f"Layer {layer.name!r} is an image behind a dense map, which has no node. "
                "Put a neuron between the linear layers in front of it."
            )
        return builder.add(name, Linear(weight, bias), value)
    if isinstance(linear, ConvMap):
        return builder.add(name, _convolution(linear, weight, bias, len(value.shape) == 2), value)
    value = builder.add(name, Scale(weight.reshape(layer.shape)), value)
    if bias is None:
        return value
    zeros, ones = np.zeros_like(bias), np.ones_like(bias)
    return builder.add(f"{name}.bias", BatchNorm(zeros, ones, ones, bias, eps=0.0), value)


def _convolution(linear: ConvMap, weight: FloatArray, bias: FloatArray | None, line: bool) -> Conv:
    """The node; over one space axis if the image is a line."""
    n = 1 if line else 0
    return Conv(
        weight[:, :, 0] if line else weight,
        bias,
        linear.stride[n:],
        linear.padding[n:],
        linear.dilation[n:],
        linear.groups,
    )


def _neuron(layer: QatLayer, columns: Mapping[str, FloatArray], unit: FloatArray) -> Neuron:
    """The neuron with every number on a step of the membrane."""

    def held(name: str) -> FloatArray:
        return _compact(columns[name] * unit, layer.shape)

    old = layer.neuron
    return Neuron(
        output=old.output,
        threshold=held("theta"),
        v_reset=held("v_reset"),
        alpha=_compact(columns["alpha_num"] / 2.0**layer.modes.alpha_shift, layer.shape),
        beta=held("beta"),
        rho=held("rho"),
        rho_post=held("rho_post"),
        v_start=held("v_start"),
        floor=None if old.floor is None else held("floor"),
        reset=old.reset,
        activation=old.activation,
        threshold_related=old.threshold_related,
        clamp=old.clamp,
    )


def _compact(values: FloatArray, shape: Shape) -> FloatArray:
    """One value for the layer or per channel where that says the same."""
    if (values == values[0]).all():
        return np.asarray(values[0])
    image = values.reshape(shape[0], -1)
    return image[:, 0] if (image == image[:, :1]).all() else values.reshape(shape)
