"""Integer networks are kept, and then the integer network *is* the float network."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neurosim_mapper.float_executor import run_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    RESETS,
    Conv,
    Delay,
    Flatten,
    Input,
    Linear,
    Neuron,
    Node,
    Output,
    Pool,
)
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.reference import run_reference
from tests.support.chips import make_chip


def integer_neuron(rng: np.random.Generator, n: int, spiking: bool) -> Neuron:
    """Integer potentials; decays that keep integers (0, 1 or -1)."""

    def draw(low: int, high: int) -> np.ndarray:
        return rng.integers(low, high + 1, n if rng.random() < 0.5 else ()).astype(float)

    values: dict[str, Any] = {
        "threshold": draw(1, 9),
        "v_reset": draw(-3, 3),
        "alpha": rng.choice([0.0, 1.0, -1.0], n),
        "beta": draw(-1, 1),
        "rho": draw(0, 9),
        "rho_post": draw(0, 2),
        "v_start": draw(-2, 2),
        "floor": draw(-60, -20) if rng.random() < 0.5 else None,
        "reset": rng.choice(RESETS),
        "silent_step": bool(rng.random() < 0.2),
    }
    if spiking:
        strict = bool(rng.random() < 0.5)
        one = strict or values["reset"] == "soft_raised"
        return Neuron(n_max=1 if one else int(rng.integers(1, 4)), strict=strict, **values)
    return Neuron(
        output="analog",
        activation=rng.choice(["identity", "relu"]),
        threshold_related=bool(rng.random() < 0.5),
        **values,
    )


def integer_network(rng: np.random.Generator) -> Network:
    """Image, convolution, pool, dense, with a skip, a delay and a loop."""
    channels = int(rng.integers(1, 4))
    spiking = bool(rng.random() < 0.5)
    nodes: dict[str, Node] = {
        "input": Input((2, 5, 4)),
        "conv": Conv(
            rng.integers(-3, 4, (channels, 2, 2, 3)),
            rng.integers(-1, 2, channels),
            padding=((1, 0), (1, 1)),
        ),
        "first": integer_neuron(rng, channels, spiking),
        "pool": Pool("sum", (2, 2), (2, 2)),
        "flat": Flatten(),
        "dense": Linear(rng.integers(-4, 5, (6, channels * 4)), rng.integers(-1, 2, 6)),
        "second": integer_neuron(rng, 6, bool(rng.random() < 0.7)),
        "loop": Linear(np.diag(rng.integers(-2, 3, 6))),
        "late": Delay(int(rng.integers(0, 3))),
        "third": integer_neuron(rng, 6, bool(rng.random() < 0.7)),
        "output": Output(),
    }
    edges = [
        ("input", "conv"),
        ("conv", "first"),
        ("first", "pool"),
        ("pool", "flat"),
        ("flat", "dense"),
        ("dense", "second"),
        ("second", "loop"),
        ("loop", "second"),
        ("second", "late"),
        ("late", "third"),
        ("second", "third"),
        ("third", "output"),
    ]
    return Network(nodes, tuple(edges))


@given(st.integers(0, 2**32 - 1), st.integers(0, 3))
def test_integers_are_kept_and_exact(seed: int, weight_shift: int) -> None:
    rng = np.random.default_rng(seed)
    network = integer_network(rng)
    binary = bool(rng.random() < 0.5)
    x = rng.integers(0, 2 if binary else 4, (3, 5, *network.input_shape))
    options = {} if weight_shift == 0 else {"weight_shift": weight_shift}
    # wide enough that no analog value of these networks saturates
    chip = make_chip(packet__analog_payload_bits=24, core__membrane_bits=31)
    quantized = quantize(network, chip, x, **options)
    for layer in quantized.layers:
        assert layer.output_unit == 1.0
        np.testing.assert_array_equal(layer.membrane_unit, 2.0**-weight_shift)
        assert layer.modes.weight_shift == weight_shift
        assert layer.notes["weight_shift_from"] == "integers, kept"
    assert quantized.input_code.unit == 1.0
    assert quantized.input_code.kind == ("spike" if (x <= 1).all() else "analog")
    np.testing.assert_array_equal(run_reference(quantized, x), run_float(network, x))


@given(st.integers(0, 2**32 - 1))
def test_fractional_bits_make_a_decay_of_one_half_exact_for_a_few_ticks(seed: int) -> None:
    rng = np.random.default_rng(seed)
    neuron = Neuron(threshold=np.asarray(4.0), alpha=np.asarray(0.5), v_reset=np.asarray(1.0))
    network = Network.sequential([Input((5,)), Linear(rng.integers(-3, 4, (4, 5))), neuron])
    x = rng.integers(0, 2, (4, 6, 5))
    quantized = quantize(network, make_chip(), x, weight_shift=8)  # six halvings need six bits
    np.testing.assert_array_equal(run_reference(quantized, x), run_float(network, x))


def test_eight_bit_outputs_of_integers_saturate_at_their_ends() -> None:
    for activation, ends in (("relu", (0, 255)), ("identity", (-128, 127))):
        neuron = Neuron(output="analog", alpha=np.asarray(0.0), activation=activation, reset="none")
        network = Network.sequential([Input((1,)), Linear([[100.0]]), neuron])
        x = np.array([[[-9], [-1], [0], [1], [9]]])
        quantized = quantize(network, make_chip(), x)
        assert (quantized.layers[0].modes.act_low, quantized.layers[0].modes.act_high) == ends
        np.testing.assert_array_equal(
            run_reference(quantized, x), np.clip(run_float(network, x), *ends)
        )
