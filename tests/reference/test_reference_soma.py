"""The reference executor against hand-worked ticks, and against a loop over single neurons."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.errors import InputFileError, UsageError
from neurosim.run.encoding import InputCode
from neurosim.soma.liaf import LiafColumns
from neurosim_mapper.connections import DenseConnection, DiagonalConnection
from neurosim_mapper.nodes import RESETS
from neurosim_mapper.quantized import (
    INPUT,
    Projection,
    QuantizedLayer,
    QuantizedNetwork,
    SomaModes,
)
from neurosim_mapper.reference import run_reference, trace_reference

ANALOG = InputCode("analog", 1.0, -128, 127)


def columns(n: int, **values: Any) -> LiafColumns:
    base: dict[str, Any] = dict.fromkeys(LiafColumns._fields, 0)
    base |= {"theta": 5, "floor": -(1 << 20), "act_mult": 1}
    base |= values
    return LiafColumns(**{k: np.full(n, v, np.int32) for k, v in base.items()})


def one_layer(modes: SomaModes, bits: int = 16, **values: Any) -> QuantizedNetwork:
    """One neuron that integrates the input itself."""
    layer = QuantizedLayer(
        "a",
        (1,),
        (Projection(INPUT, DiagonalConnection(np.ones(1))),),
        columns(1, **values),
        modes,
        np.ones(1),
    )
    return QuantizedNetwork((layer,), "a", (1,), ANALOG, bits)


def run(network: QuantizedNetwork, inputs: list[int]) -> tuple[list[int], list[int], list[int]]:
    trace = trace_reference(network, np.reshape(inputs, (1, -1, 1)), potential=True)
    return tuple(a["a"][0, :, 0].tolist() for a in (trace.potential, trace.values, trace.membrane))  # type: ignore[return-value]


def test_hard_reset_with_decay_of_one_half() -> None:
    network = one_layer(SomaModes("spike", alpha_shift=2), alpha_num=2, v_reset=1)
    # U: 3 -> V 2 (1.5 rounds up); 2+3=5 fires -> R 1 -> V 1 (0.5 rounds up); 1+0=1 -> V 1
    assert run(network, [3, 3, 0]) == ([3, 5, 1], [0, 1, 0], [2, 1, 1])


@pytest.mark.parametrize(
    ("rounding", "expected"), [("nearest", -1), ("floor", -2), ("toward_zero", -1)]
)
def test_rounding_of_the_decay_of_minus_three_halves(rounding: Any, expected: int) -> None:
    network = one_layer(SomaModes("spike", alpha_shift=1, rounding=rounding), alpha_num=1)
    assert run(network, [-3])[2] == [expected]


def test_soft_reset_of_several_spikes_before_and_after_the_decay() -> None:
    before = one_layer(SomaModes("spike", "soft", n_max=3), rho=5, alpha_num=1)
    assert run(before, [23, 0]) == ([23, 8], [3, 1], [8, 3])  # at most 3 of 4 spikes
    after = one_layer(SomaModes("spike", "none", n_max=3, alpha_shift=1), rho_post=5, alpha_num=1)
    assert run(after, [12]) == ([12], [2], [-4])  # 12 / 2 - 2 * 5


def test_soft_reset_that_leaves_the_threshold_reached_raises_it_by_rho_once() -> None:
    network = one_layer(SomaModes("spike", "soft_raised"), rho=5, alpha_num=1)
    # 12 fires, 7 left: 10 is needed, 7 + 2 = 9 is silent and stays above 5; 9 + 1 = 10 fires,
    # leaves 5: still raised, 5 + 4 = 9 is silent; 9 - 6 = 3 silent, below 5; 3 + 2 = 5 fires
    expected = ([12, 9, 10, 9, 3, 5], [1, 0, 1, 0, 0, 1], [7, 9, 5, 9, 3, 0])
    assert run(network, [12, 2, 1, 4, -6, 2]) == expected


def test_silent_step_loses_input_and_bias_but_not_the_decay() -> None:
    network = one_layer(SomaModes("spike", silent_step=True), alpha_num=1, beta=1, bias=2)
    # 4+2=6 fires -> 0+1=1; silent: U=1 -> V 2; then 2+4+2=8 fires
    assert run(network, [4, 4, 4]) == ([6, 1, 8], [1, 0, 1], [1, 2, 1])


def test_saturation_at_both_ends_and_floor() -> None:
    keep = SomaModes("spike", "none", weight_shift=4)
    network = one_layer(keep, bits=8, alpha_num=1, theta=1000, floor=-100)
    assert run(network, [100, -100]) == ([127, -128], [0, 0], [127, -100])


def test_analog_outputs() -> None:
    def output(values: list[int], modes: dict[str, Any], **more: Any) -> list[int]:
        network = one_layer(SomaModes("analog", "none", **modes), alpha_num=0, **more)
        return run(network, values)[1]

    identity = {"act_low": -8, "act_high": 7}
    assert output([-9, -3, 3, 9], identity) == [-8, -3, 3, 7]
    assert output([-3, 5], identity, act_subtract=2) == [-5, 3]
    assert output([-3, 3], {"activation": "relu", "act_low": 0, "act_high": 255}) == [0, 3]
    # (U * 3) / 4, halves up: -2.25, 1.5, 2.25
    assert output([-3, 2, 3], {"act_shift": 2}, act_mult=3) == [-2, 2, 2]
    table = tuple(range(255, -1, -1))
    lut = {"activation": "lut", "lut": table, "act_low": 0, "act_high": 255}
    assert output([-100, 0, 100], lut, act_mult=2) == [255, 127, 0]


def test_delays_and_recurrence_count_in_sample_time() -> None:
    spike = SomaModes("spike", "none")
    first = QuantizedLayer(
        "a",
        (1,),
        (Projection(INPUT, DiagonalConnection(np.ones(1))),),
        columns(1, theta=1),
        spike,
        np.ones(1),
    )
    second = QuantizedLayer(
        "b",
        (1,),
        (
            Projection("a", DenseConnection([[1]]), 2),
            Projection("b", DenseConnection([[1]]), 1),
        ),
        columns(1, theta=1),
        spike,
        np.ones(1),
    )
    network = QuantizedNetwork((first, second), "b", (1,), InputCode("spike"), 8)
    out = run_reference(network, np.reshape([1, 0, 0, 0, 0], (1, 5, 1)))
    assert out[0, :, 0].tolist() == [0, 0, 1, 1, 1]


def looped(network: QuantizedNetwork, x: np.ndarray) -> np.ndarray:
    """One neuron after the other in Python integers: the docstring of `reference`, read aloud."""
    layer = network.layers[0]
    c, m = layer.columns, layer.modes
    low, high = -(1 << network.membrane_bits - 1), (1 << network.membrane_bits - 1) - 1
    weight = layer.projections[0].connection.block(
        np.arange(network.n_inputs), np.arange(layer.n_neurons)
    )
    out = np.zeros((*x.shape[:2], layer.n_neurons), np.int64)
    for sample in range(x.shape[0]):
        for i in range(layer.n_neurons):
            V, fired, raised = int(c.v_start[i]), 0, False
            for tick in range(x.shape[1]):
                total = sum(int(x[sample, tick, k]) * int(weight[k, i]) for k in range(len(weight)))
                drive = total * 2**m.weight_shift + int(c.bias[i])
                if m.silent_step and fired:
                    drive = 0
                U = min(max(V + drive, low), high)
                n = 0
                theta = int(c.theta[i]) + (int(c.rho[i]) if raised else 0)
                while n < m.n_max and theta * (n + 1) <= U:
                    n += 1
                R = U
                if m.reset == "hard" and n:
                    R = int(c.v_reset[i])
                elif m.reset != "none":
                    R = U - n * int(c.rho[i])
                raised = m.reset == "soft_raised" and int(c.theta[i]) <= R
                product, one = int(c.alpha_num[i]) * R, 2**m.alpha_shift
                if m.rounding == "nearest":
                    decayed = (2 * product + one) // (2 * one)
                elif m.rounding == "floor":
                    decayed = product // one
                else:
                    decayed = abs(product) // one * (1 if product >= 0 else -1)
                decayed += int(c.beta[i]) - n * int(c.rho_post[i])
                V = max(min(max(decayed, low), high), int(c.floor[i]))
                fired = n
                out[sample, tick, i] = n
    return out


@given(st.integers(0, 2**32 - 1))
def test_spikes_equal_those_of_a_loop_in_python_integers(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, k, bits = 3, 4, int(rng.integers(8, 20))
    high = (1 << bits - 1) - 1
    reset = rng.choice(RESETS)
    modes = SomaModes(
        "spike",
        reset,
        n_max=1 if reset == "soft_raised" else int(rng.choice([1, 1, 4])),
        silent_step=bool(rng.random() < 0.3),
        weight_shift=int(rng.integers(0, 3)),
        alpha_shift=int(rng.integers(0, 6)),
        rounding=rng.choice(["nearest", "floor", "toward_zero"]),
    )
    span = min(high, 300)
    draw = {f: rng.integers(-span, span + 1, n).astype(np.int32) for f in LiafColumns._fields}
    draw["theta"] = rng.integers(1, span + 1, n).astype(np.int32)
    draw["alpha_num"] = rng.integers(-(1 << modes.alpha_shift), (1 << modes.alpha_shift) + 1, n)
    draw["alpha_num"] = draw["alpha_num"].astype(np.int32)
    connection = DenseConnection(rng.integers(-127, 128, (n, k)))
    layer = QuantizedLayer(
        "a", (n,), (Projection(INPUT, connection),), LiafColumns(**draw), modes, np.ones(n)
    )
    network = QuantizedNetwork((layer,), "a", (k,), ANALOG, bits)
    x = rng.integers(-2, 3, (2, 6, k))
    np.testing.assert_array_equal(run_reference(network, x), looped(network, x))


def test_a_network_that_contradicts_itself_is_refused() -> None:
    good = one_layer(SomaModes("spike")).layers[0]

    def build(**changes: Any) -> QuantizedNetwork:
        layer = QuantizedLayer(**({f: getattr(good, f) for f in FIELDS} | changes))
        return QuantizedNetwork((layer,), "a", (1,), ANALOG, 16)

    loop = Projection("a", DenseConnection([[1]]), 0)
    with pytest.raises(InputFileError, match="with a delay of 0 ticks; a source that does not"):
        build(projections=(loop,))
    with pytest.raises(InputFileError, match="joins 2 sources with 1 targets"):
        build(projections=(Projection(INPUT, DenseConnection([[1, 1]])),))
    with pytest.raises(InputFileError, match="'b', which does not exist"):
        build(projections=(Projection("b", DenseConnection([[1]])),))
    with pytest.raises(InputFileError, match="thresholds must be above 0"):
        build(modes=SomaModes("spike", n_max=2), columns=columns(1, theta=0))
    with pytest.raises(InputFileError, match="with the reset 'soft_raised' n_max must be 1"):
        build(modes=SomaModes("spike", "soft_raised", n_max=2))
    with pytest.raises(InputFileError, match="table of 256 entries"):
        build(modes=SomaModes("analog", activation="lut"))
    with pytest.raises(InputFileError, match=r"v_reset reaches from 40000 to 40000"):
        build(columns=columns(1, v_reset=40000))
    with pytest.raises(UsageError, match="no layer 'c' to trace; known: a"):
        trace_reference(build(), np.zeros((1, 1, 1)), layers=("c",))


FIELDS = ("name", "shape", "projections", "columns", "modes", "membrane_unit")
