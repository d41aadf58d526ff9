"""Units, shifts, thresholds, output and input codes of the quantizer, from their formulas."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.run.encoding import InputCode
from neurosim_mapper.float_executor import run_float, trace_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import RESETS, Conv, Flatten, Input, Linear, Neuron, Pool, liaf, lif
from neurosim_mapper.quantizer import quantization_report, quantize
from neurosim_mapper.quantizer.activation import requantisation
from neurosim_mapper.quantizer.figures import signal_to_noise_db
from neurosim_mapper.quantizer.ranges import parameters_of, potential_bounds
from neurosim_mapper.reference import run_reference, trace_reference
from tests.support.chips import make_chip

RNG = np.random.default_rng(11)


def dense_lif(weight: Any, **neuron: Any) -> Network:
    weight = np.asarray(weight, dtype=float)
    values: dict[str, Any] = {"threshold": 1.0, "alpha": 0.5} | neuron
    return Network.sequential([Input((weight.shape[1],)), Linear(weight), lif(**values)])


def test_one_unit_per_neuron_from_its_largest_weight() -> None:
    weight = np.array([[0.5, -1.0], [0.125, 0.25]])
    layer = quantize(dense_lif(weight), make_chip()).layers[0]
    unit = np.array([1.0, 0.25]) / 127
    np.testing.assert_allclose(layer.membrane_unit * 2.0**layer.modes.weight_shift, unit)
    expected = np.rint(weight / unit[:, None])
    np.testing.assert_array_equal(layer.projections[0].connection.weight, expected)


def test_one_unit_per_layer_and_fewer_bits_on_request() -> None:
    weight = np.array([[0.5, -1.0], [0.125, 0.25]])
    layer = quantize(dense_lif(weight), make_chip(), weight_bits=4, per_channel=False).layers[0]
    np.testing.assert_array_equal(layer.projections[0].connection.weight, np.rint(weight * 7))


@pytest.mark.parametrize(("strict", "theta"), [(False, 127), (True, 128)])
def test_a_threshold_on_the_grid_is_met_exactly(strict: bool, theta: int) -> None:
    # 0.3 / (0.3 / 127) is 127 in mathematics and a little off in floating point
    network = dense_lif([[0.3]], threshold=0.3, strict=strict)
    layer = quantize(network, make_chip(), weight_shift=0).layers[0]
    assert layer.columns.theta.tolist() == [theta]


def test_a_threshold_between_two_steps_is_rounded_up() -> None:
    layer = quantize(dense_lif([[1.0]], threshold=0.996), make_chip(), weight_shift=2).layers[0]
    assert layer.columns.theta.tolist() == [int(np.ceil(0.996 * 127 * 4))]


def test_potentials_and_decay_in_their_steps() -> None:
    network = dense_lif(
        [[0.5]], v_reset=-0.25, alpha=0.9, beta=0.1, rho_post=0.2, v_start=0.3, floor=-1.0
    )
    layer = quantize(network, make_chip(), weight_shift=3).layers[0]
    step = 0.5 / 127 / 8
    c = layer.columns
    found = [int(x[0]) for x in (c.v_reset, c.beta, c.rho_post, c.v_start, c.floor)]
    assert found == [round(v / step) for v in (-0.25, 0.1, 0.2, 0.3, -1.0)]
    assert c.alpha_num.tolist() == [round(0.9 * 4096)]
    assert layer.modes.alpha_shift == 12


def test_bias_in_steps_of_each_channel() -> None:
    weight = RNG.normal(size=(3, 2, 3, 3))
    bias = RNG.normal(size=3)
    network = Network.sequential([Input((2, 5, 5)), Conv(weight, bias), lif(1.0, 0.5)])
    layer = quantize(network, make_chip(), weight_shift=4).layers[0]
    unit = np.abs(weight).max(axis=(1, 2, 3)) / 127 / 16
    np.testing.assert_array_equal(layer.columns.bias, np.repeat(np.rint(bias / unit), 9))


def test_all_projections_of_a_neuron_share_its_unit() -> None:
    nodes = {
        "input": Input((2,)),
        "small": Linear(np.full((2, 2), 0.1)),
        "large": Linear(np.full((2, 2), 0.8)),
        "cell": lif(1.0, 0.5),
        "output": Network.sequential([Input((1,))]).nodes["output"],
    }
    edges = (
        ("input", "small"),
        ("input", "large"),
        ("small", "cell"),
        ("large", "cell"),
        ("cell", "output"),
    )
    layer = quantize(Network(nodes, edges), make_chip()).layers[0]
    found = [p.connection.weight.max() for p in layer.projections]
    assert found == [round(0.1 / 0.8 * 127), 127]


def test_the_shift_is_the_largest_that_is_proven_to_fit() -> None:
    chip = make_chip(core__membrane_bits=16, core__max_weight_shift=16)
    # two inputs of 127 steps, nothing remembered: 254 steps, times 2**7 within 2**15
    layer = quantize(dense_lif([[0.9, 0.9]], alpha=0.0), chip).layers[0]
    assert layer.modes.weight_shift == 7
    bound = layer.notes["potential_bound"]
    assert bound <= 2**15 - 1 < 2 * bound
    assert "proven" in layer.notes["weight_shift_from"]


def test_without_a_proof_the_calibration_decides_with_double_room() -> None:
    network = Network.sequential([Input((1,)), Linear([[1.0]]), Neuron(reset="none")])
    x = np.ones((1, 50, 1))
    chip = make_chip(core__membrane_bits=16)
    layer = quantize(network, chip, x * 1.0).layers[0]
    assert layer.notes["weight_shift_from"].startswith("integers")
    scaled = Network.sequential([Input((1,)), Linear([[0.9]]), Neuron(reset="none")])
    layer = quantize(scaled, chip, x).layers[0]
    # U grows to 50 * 127 steps: doubled and shifted once it fits 32767, shifted twice it does not
    assert layer.modes.weight_shift == 1
    assert "calibrated" in layer.notes["weight_shift_from"]


@given(st.integers(0, 2**32 - 1))
def test_no_run_leaves_the_proven_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = 4
    reset = rng.choice(RESETS)
    neuron = Neuron(
        threshold=rng.uniform(0.1, 2, n),
        alpha=rng.choice([0.0, 0.5, 0.9, 1.0, -0.7, -1.0], n),
        v_reset=rng.uniform(-1, 0.5, n),
        beta=rng.uniform(-0.2, 0.2, n),
        rho=rng.uniform(-0.1, 1.5, n),
        rho_post=rng.choice([0.0, 0.3, -0.1], n),
        v_start=rng.uniform(-1, 1, n),
        floor=np.full(n, -0.8) if rng.random() < 0.3 else None,
        reset=reset,
        n_max=1 if reset == "soft_raised" else int(rng.choice([1, 3])),
        silent_step=bool(rng.random() < 0.2),
    )
    low, high = np.sort(rng.uniform(-1, 1, (2, n)), axis=0)
    bounds = potential_bounds(neuron, parameters_of(neuron, (n,)), low, high)
    drive = np.where(rng.random((20, 30, n)) < rng.random(), low, high)
    alone = Network.sequential([Input((n,)), neuron])
    U = trace_float(alone, drive).U["neuron1"]
    assert (bounds[0] - 1e-9 <= U).all()
    assert (bounds[1] + 1e-9 >= U).all()


@given(st.integers(0, 2**32 - 1))
def test_the_multiplier_is_right_to_one_part_in_2_to_the_14(seed: int) -> None:
    rng = np.random.default_rng(seed)
    unit = np.full(3, 10.0 ** rng.uniform(-9, 3))
    pre = float(unit[0] * 10.0 ** rng.uniform(-3, 5))
    mult, shift = requantisation("a", unit, pre)
    assert 0 < mult.max() < 2**16
    np.testing.assert_allclose(mult / 2.0**shift, unit / pre, rtol=2.0**-14)


def test_relu_outputs_use_the_range_that_was_seen() -> None:
    network = Network.sequential([Input((4,)), Linear(RNG.normal(size=(5, 4))), liaf(9.0, 0.0)])
    x = RNG.uniform(0, 1, (20, 3, 4))
    largest = run_float(network, x).max()
    layer = quantize(network, make_chip(), x).layers[0]
    assert layer.output_unit == pytest.approx(largest / 255)
    assert (layer.modes.act_low, layer.modes.act_high) == (0, 255)
    outlier = np.concatenate([x, np.full((1, 3, 4), 50.0)])
    seen = run_float(network, outlier)
    layer = quantize(network, make_chip(), outlier, activation_range="percentile", percentile=98)
    assert layer.layers[0].output_unit == pytest.approx(np.percentile(seen, 98) / 255)


def test_the_least_error_range_beats_the_full_one() -> None:
    network = Network.sequential([Input((64,)), Linear(np.eye(64) * 0.5), liaf(1e3, 0.0)])
    chip = make_chip(packet__analog_payload_bits=4)
    x = RNG.exponential(size=(50, 2, 64))
    expected = run_float(network, x)
    errors = {}
    for method in ("minmax", "mse"):
        q = quantize(network, chip, x, activation_range=method, input_kind="analog")
        steps = np.clip(np.rint(expected / q.layers[0].output_unit), 0, 15)
        errors[method] = np.square(steps * q.layers[0].output_unit - expected).mean()
    assert errors["mse"] < 0.8 * errors["minmax"]


@pytest.mark.parametrize(
    ("neuron", "kind"),
    [
        (liaf(0.5, 0.5, "identity"), "identity"),
        (liaf(0.5, 0.5, "relu", threshold_related=True), "relu"),
        (liaf(0.5, 0.5, "relu", clamp=(0.0, 0.7)), "relu"),
        (liaf(0.5, 0.5, "clamp"), "identity"),
        (liaf(0.5, 0.5, "selu", clamp=(0.0, 1.0)), "identity"),
        (liaf(0.5, 0.5, "selu"), "lut"),
        (liaf(0.5, 0.5, "tanh"), "lut"),
        (liaf(0.5, 0.5, "sigmoid", threshold_related=True), "lut"),
    ],
    ids=lambda v: v if isinstance(v, str) else f"{v.activation}-{v.clamp}-{v.threshold_related}",
)
def test_every_activation_keeps_its_values_to_a_few_steps(neuron: Neuron, kind: str) -> None:
    rng = np.random.default_rng(5)
    network = Network.sequential([Input((30,)), Linear(rng.normal(size=(20, 30)) * 0.2), neuron])
    x = rng.integers(0, 2, (30, 5, 30))
    quantized = quantize(network, make_chip(), x)
    layer = quantized.layers[0]
    assert layer.modes.activation == kind
    error = run_reference(quantized, x) * layer.output_unit - run_float(network, x)
    reset_differs = np.abs(error) > 6 * layer.output_unit  # one of them fired, the other not
    assert reset_differs.mean() < 0.02
    assert layer.notes["sqnr_db"] > 20


def test_input_codes() -> None:
    network = dense_lif(np.ones((2, 3)) * 0.3)
    chip = make_chip()

    def code(x: Any, **more: Any) -> InputCode:
        return quantize(network, chip, np.reshape(x, (1, 1, 3)), **more).input_code

    assert code([0, 1, 1]) == InputCode("spike")
    assert code([0, 1, 1], input_kind="analog") == InputCode("analog", 1.0, 0, 255)
    assert code([0, 1, 16]) == InputCode("analog", 1.0, 0, 255)
    assert code([-3, 1, 16]) == InputCode("analog", 1.0, -128, 127)
    assert code([0.0, 0.25, 0.75]) == InputCode("analog", 0.25, 0, 255)
    assert code([0.1, 0.31, 0.7]) == InputCode("analog", 0.7 / 255, 0, 255)
    assert code([-0.9, 0.31, 0.7]) == InputCode("analog", 0.9 / 128, -128, 127)
    assert code([0, 1, 300]).unit == pytest.approx(300 / 255)
    assert quantize(network, chip).input_code == InputCode("spike")
    analog = Network.sequential([Input((3,)), Linear(np.ones((2, 3)) * 0.3), liaf(1.0, 0.5)])
    bare = quantize(analog, chip)
    assert bare.input_code == InputCode("analog", 1.0, 0, 255, saturate=False)
    assert any("Input: assumed to be integers from 0 to 255" in a for a in bare.assumptions)
    assert any("random inputs of 0 and 1, doubled" in a for a in bare.assumptions)


def test_average_pooling_between_neurons_and_weights() -> None:
    rng = np.random.default_rng(2)
    network = Network.sequential(
        [
            Input((1, 8, 8)),
            Conv(rng.normal(size=(4, 1, 3, 3)), padding=((1, 1), (1, 1))),
            lif(0.5, 0.5),
            Pool("avg", (2, 2), (2, 2)),
            Flatten(),
            Linear(rng.normal(size=(10, 64)) * 0.3),
            lif(0.5, 0.5, reset="soft", rho=0.5),
        ]
    )
    x = (rng.random((40, 10, 1, 8, 8)) < 0.3).astype(float)
    quantized = quantize(network, make_chip(), x)
    assert len(quantized.layers) == 2
    expected, found = run_float(network, x), run_reference(quantized, x)
    assert np.mean(expected == found) > 0.97


def test_the_report_is_plain_and_names_a_layer_that_falls_silent() -> None:
    # 100 inputs of 0.004 reach the threshold together, but round to 0 beside the weight of 5
    weight = np.full((2, 101), 0.004)
    weight[:, 100] = 5.0
    network = dense_lif(weight, threshold=0.3, alpha=0.0)
    x = np.ones((2, 3, 101))
    x[:, :, 100] = 0
    quantized = quantize(network, make_chip(), x, weight_bits=8)
    row = quantization_report(quantized)[0]
    assert json.loads(json.dumps(row)) == row
    assert json.loads(json.dumps(dict(quantized.layers[0].notes)))
    assert row["weights_rounded_to_zero"] == 200
    assert row["silent_neurons"] == 2
    assert any("'neuron2' falls silent after quantisation" in a for a in quantized.assumptions)


def test_signal_to_noise() -> None:
    expected = np.array([1.0, 2.0])
    assert signal_to_noise_db(expected, np.array([1.0, 2.5])) == pytest.approx(
        10 * np.log10(5 / 0.25)
    )
    assert signal_to_noise_db(expected, expected) is None


def test_membranes_too_narrow_for_the_sums_get_coarser_weights() -> None:
    chip = make_chip(core__membrane_bits=10)
    weight = np.random.default_rng(0).uniform(0.5, 1.0, (3, 40))
    network = dense_lif(weight, threshold=10.0, alpha=0.9)
    x = np.random.default_rng(1).integers(0, 2, (10, 10, 40))
    quantized = quantize(network, chip, x)
    assert quantized.layers[0].notes["saturated_potentials"] == 0
    assert quantized.layers[0].modes.weight_shift == 0
    U = trace_reference(quantized, x, potential=True).potential["neuron2"]
    assert np.abs(U).max() < 511
