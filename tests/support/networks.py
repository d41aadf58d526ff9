"""Random integer networks that visit the corners of the soma."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.chip.model import Chip
from neurosim.fixed_point import signed_limits
from neurosim.run.encoding import InputCode
from neurosim.soma.liaf import LiafColumns
from neurosim_mapper.connections import ConvConnection, DenseConnection
from neurosim_mapper.nodes import RESETS
from neurosim_mapper.quantized import (
    INPUT,
    Projection,
    QuantizedLayer,
    QuantizedNetwork,
    SomaModes,
)


def random_network(rng: np.random.Generator, chip: Chip, max_layers: int = 4) -> QuantizedNetwork:
    """One to `max_layers` layers: dense or convolution, forward, skipping and recurrent."""
    image = bool(rng.random() < 0.4)
    input_shape = (int(rng.integers(1, 4)), 5, 6) if image else (int(rng.integers(3, 40)),)
    code = _input_code(rng)
    layers: list[QuantizedLayer] = []
    shapes: dict[str, tuple[int, ...]] = {INPUT: input_shape}
    previous = INPUT
    for i in range(int(rng.integers(1, max_layers + 1))):
        name = f"layer{i}"
        convolve = image and len(shapes[previous]) == 3 and rng.random() < 0.6
        if convolve:
            connection: Any = random_conv(rng, shapes[previous])
            shape = connection.out_shape
        else:
            shape = (int(rng.integers(1, 30)),)
            connection = random_dense(rng, int(np.prod(shapes[previous])), shape[0])
        n = int(np.prod(shape))
        projections = [Projection(previous, connection)]
        if i >= 1 and rng.random() < 0.4:
            source = str(rng.choice(list(shapes)))
            size = int(np.prod(shapes[source]))
            delay = int(rng.integers(0, 3))
            projections.append(Projection(source, random_dense(rng, size, n), delay))
        if rng.random() < 0.3:
            projections.append(Projection(name, random_dense(rng, n, n), 1))
        layers.append(random_layer(rng, chip, name, shape, tuple(projections)))
        shapes[name] = shape
        previous = name
    return QuantizedNetwork(
        tuple(layers), previous, input_shape, code, membrane_bits=chip.core.membrane_bits
    )


def _input_code(rng: np.random.Generator) -> InputCode:
    kind = rng.integers(0, 3)
    if kind == 0:
        return InputCode("spike")
    return InputCode("analog", 1.0, 0, 255) if kind == 1 else InputCode("analog", 1.0, -128, 127)


def random_dense(rng: np.random.Generator, n_sources: int, n_targets: int) -> DenseConnection:
    """Full range weights, some of them sparse."""
    scale = int(rng.choice([1, 8, 127]))
    weight = rng.integers(-scale, scale + 1, size=(n_targets, n_sources))
    return DenseConnection(weight * (rng.random(weight.shape) < rng.choice([0.1, 0.6, 1.0])))


def random_conv(rng: np.random.Generator, shape: tuple[int, ...]) -> ConvConnection:
    """A small convolution over `shape` (channels, height, width)."""
    groups = shape[0] if rng.random() < 0.3 else 1
    c_out = groups * int(rng.integers(1, 4))
    kernel = tuple(
        min(int(k), n) for k, n in zip(rng.integers(1, 4, size=2), shape[1:], strict=True)
    )
    weight = rng.integers(-20, 21, size=(c_out, shape[0] // groups, *kernel))
    stride = tuple(int(s) for s in rng.integers(1, 3, size=2))
    pad = tuple((int(p), int(q)) for p, q in rng.integers(0, 2, size=(2, 2)))
    return ConvConnection(weight, (shape[0], shape[1], shape[2]), stride, pad, (1, 1), groups)


def random_layer(
    rng: np.random.Generator,
    chip: Chip,
    name: str,
    shape: tuple[int, ...],
    projections: tuple[Projection, ...],
) -> QuantizedLayer:
    """Parameters per neuron; thresholds low enough to fire, decays of both signs."""
    n = int(np.prod(shape))
    modes = _random_modes(rng, chip)
    low, high = signed_limits(chip.core.membrane_bits)
    span = int(rng.choice([20, 500, high]))
    span = min(span, high)
    one = 1 << modes.alpha_shift

    def draw(a: int, b: int) -> np.ndarray:
        values = rng.integers(a, b + 1, size=n)
        return (values if rng.random() < 0.7 else np.full(n, values[0])).astype(np.int32)

    columns = LiafColumns(
        bias=draw(-span // 4, span // 4),
        theta=draw(1, span),
        v_reset=draw(-span // 4, span // 4),
        alpha_num=draw(-one, one) if rng.random() < 0.5 else draw(0, one),
        beta=draw(-span // 8, span // 8),
        rho=draw(0, span),
        rho_post=draw(0, span // 2) if rng.random() < 0.3 else np.zeros(n, np.int32),
        floor=draw(low, 0) if rng.random() < 0.3 else np.full(n, low, np.int32),
        v_start=draw(-span // 4, span // 4),
        act_subtract=draw(0, span) if rng.random() < 0.5 else np.zeros(n, np.int32),
        act_mult=draw(1, 1 << 10),
    )
    has_current = "cuba" in chip.core.soma_models and rng.random() < 0.25
    return QuantizedLayer(
        name,
        shape,
        projections,
        columns,
        modes,
        np.ones(n),
        alpha_syn=draw(-one, one) if has_current else None,
    )


def _random_modes(rng: np.random.Generator, chip: Chip) -> SomaModes:
    output = str(rng.choice(["spike", "analog"]))
    activation = str(rng.choice(["identity", "relu", "lut"]))
    unsigned = bool(rng.random() < 0.5)
    table = tuple(int(v) for v in rng.integers(0 if unsigned else -128, 128, size=256))
    reset = str(rng.choice(RESETS))
    several = output == "spike" and reset != "soft_raised"
    return SomaModes(
        output=output,  # type: ignore[arg-type]
        reset=reset,  # type: ignore[arg-type]
        n_max=int(rng.choice([1, 1, 3])) if several else 1,
        silent_step=bool(rng.random() < 0.2),
        weight_shift=int(rng.integers(0, 4)),
        alpha_shift=int(rng.integers(0, chip.core.decay_bits + 1)),
        rounding=chip.core.rounding,
        activation=activation,  # type: ignore[arg-type]
        act_shift=int(rng.integers(0, 12)),
        act_low=0 if unsigned else -128,
        act_high=255 if unsigned else 127,
        lut=table if activation == "lut" else None,
    )


def random_input(
    rng: np.random.Generator, network: QuantizedNetwork, n_samples: int, n_ticks: int
) -> np.ndarray:
    """Values over the whole range of the input code, many of them 0."""
    code = network.input_code
    shape = (n_samples, n_ticks, *network.input_shape)
    return rng.integers(code.low, code.high + 1, size=shape) * (rng.random(shape) < 0.5)
