"""The float executor against equations written out by hand and slow twins with scalar loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper import activations
from neurosim_mapper.float_executor import apply_node, run_float, trace_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    BatchNorm,
    Conv,
    Delay,
    Flatten,
    Input,
    Linear,
    Neuron,
    Node,
    Output,
    Pool,
    Scale,
    liaf,
    lif,
)


def slow_convolution(node: Conv, x: np.ndarray) -> np.ndarray:
    """Definition of torch's Conv2d, one scalar at a time; x (c, h, w)."""
    out = np.zeros(node.out_shape(x.shape))
    c_out, c_in, kh, kw = node.weight.shape
    per_group = c_out // node.groups
    (top, _), (left, _) = node.padding
    for o, i, j in np.ndindex(*out.shape):
        total = 0.0 if node.bias is None else float(node.bias[o])
        for c, a, b in itertools.product(range(c_in), range(kh), range(kw)):
            row = i * node.stride[0] + a * node.dilation[0] - top
            column = j * node.stride[1] + b * node.dilation[1] - left
            if 0 <= row < x.shape[1] and 0 <= column < x.shape[2]:
                channel = o // per_group * c_in + c
                total += node.weight[o, c, a, b] * x[channel, row, column]
        out[o, i, j] = total
    return out


CONVOLUTIONS = {
    "plain": {},
    "stride and padding": {"stride": (2, 1), "padding": ((1, 1), (2, 0))},
    "dilation": {"dilation": (2, 1), "padding": ((2, 1), (0, 0))},
    "groups": {"groups": 2},
}


@pytest.mark.parametrize("options", CONVOLUTIONS.values(), ids=CONVOLUTIONS.keys())
@pytest.mark.parametrize("with_bias", [False, True])
def test_convolution_is_the_defining_sum(options: dict[str, Any], with_bias: bool) -> None:
    rng = np.random.default_rng(1)
    groups = options.get("groups", 1)
    node = Conv(
        rng.normal(size=(4, 4 // groups, 3, 2)),
        rng.normal(size=4) if with_bias else None,
        **options,
    )
    x = rng.normal(size=(2, 4, 7, 6))
    expected = np.stack([slow_convolution(node, sample) for sample in x])
    np.testing.assert_allclose(apply_node(node, x), expected, rtol=1e-12, atol=1e-12)


def test_one_number_counts_for_every_axis() -> None:
    weight = np.ones((2, 3, 3, 3))
    spelt = Conv(weight, None, (2, 2), ((1, 1), (1, 1)), (1, 1))
    short = Conv(weight, stride=2, padding=1)
    assert (short.stride, short.padding, short.dilation) == (
        spelt.stride,
        spelt.padding,
        spelt.dilation,
    )
    assert Conv(np.ones((2, 3, 5)), padding=(1,)).padding == ((1, 1),)
    pool = Pool("max", 2, 2)
    assert (pool.kernel, pool.stride, pool.padding) == ((2, 2), (2, 2), ((0, 0), (0, 0)))


def test_convolution_over_one_axis_is_the_one_over_two_with_one_row() -> None:
    rng = np.random.default_rng(2)
    weight, x = rng.normal(size=(3, 2, 3)), rng.normal(size=(2, 2, 9))
    one = Conv(weight, None, (2,), ((1, 0),), (2,))
    two = Conv(weight[:, :, None], None, (1, 2), ((0, 0), (1, 0)), (1, 2))
    expected = np.stack([slow_convolution(two, sample[:, None]) for sample in x])[:, :, 0]
    np.testing.assert_allclose(apply_node(one, x), expected, rtol=1e-12)


@pytest.mark.parametrize(("mode", "combine"), [("sum", np.sum), ("avg", np.mean), ("max", np.max)])
def test_pooling_combines_each_window(mode: Any, combine: Any) -> None:
    x = np.random.default_rng(3).normal(size=(2, 3, 5, 6))
    node = Pool(mode, (2, 3), (1, 2), ((1, 0), (0, 1)))
    border = -np.inf if mode == "max" else 0.0  # as torch pads
    padded = np.pad(x, ((0, 0), (0, 0), (1, 0), (0, 1)), constant_values=border)
    expected = np.zeros((2, *node.out_shape((3, 5, 6))))
    for s, c, i, j in np.ndindex(*expected.shape):
        expected[s, c, i, j] = combine(padded[s, c, i : i + 2, 2 * j : 2 * j + 3])
    np.testing.assert_allclose(apply_node(node, x), expected, rtol=1e-12)


def test_pooling_over_one_axis_is_the_one_over_two_with_one_row() -> None:
    x = np.random.default_rng(4).normal(size=(2, 3, 9))
    one = Pool("avg", (3,), (2,), ((1, 0),))
    two = Pool("avg", (1, 3), (1, 2), ((0, 0), (1, 0)))
    expected = apply_node(two, x[:, :, None])[:, :, 0]
    np.testing.assert_array_equal(apply_node(one, x), expected)
    assert one.out_shape((3, 9)) == expected.shape[1:]


def test_flatten_is_row_major_and_can_keep_axes() -> None:
    x = np.arange(24.0).reshape(1, 2, 3, 4)
    assert apply_node(Flatten(), x).tolist() == [list(range(24))]
    assert apply_node(Flatten(1, 2), x).tolist() == x.reshape(1, 2, 12).tolist()


def test_batch_norm_and_scale_act_per_channel() -> None:
    x = np.arange(12.0).reshape(1, 2, 2, 3)
    norm = BatchNorm([1.0, 2.0], [3.0, 8.0], [2.0, 5.0], [0.5, -1.0], eps=1.0)
    expected = np.stack(
        [(x[:, 0] - 1) / 2 * 2 + 0.5, (x[:, 1] - 2) / 3 * 5 - 1],
        axis=1,
    )
    np.testing.assert_allclose(apply_node(norm, x), expected, rtol=1e-12)
    np.testing.assert_array_equal(
        apply_node(Scale([2.0, 3.0]), x), x * np.array([2, 3]).reshape(2, 1, 1)
    )


def one_neuron(neuron: Neuron, x: list[float]) -> list[float]:
    """Outputs of a single neuron that gets `x` tick by tick."""
    network = Network.sequential([Input((1,)), neuron])
    return [float(y) for y in run_float(network, np.reshape(x, (1, -1, 1)))[0, :, 0]]


def test_hard_reset_follows_the_equations() -> None:
    # U: 0.6, 0.5*0.6+0.6 = 0.9, 0.5*0.9+0.6 = 1.05 fires, 0.5*0.2 + 0.6 = 0.7, 0.95, 1.075 fires
    neuron = lif(1.0, 0.5, v_reset=0.2)
    assert one_neuron(neuron, [0.6] * 6) == [0, 0, 1, 0, 0, 1]
    trace = trace_float(Network.sequential([Input((1,)), neuron]), np.full((1, 6, 1), 0.6))
    np.testing.assert_allclose(
        trace.U["neuron1"][0, :, 0], [0.6, 0.9, 1.05, 0.7, 0.95, 1.075], rtol=1e-12
    )


@pytest.mark.parametrize(
    ("parameters", "x", "spikes"),
    [
        ({"strict": False}, [1.0, 0.0], [1, 0]),
        ({"strict": True}, [1.0, 0.0], [0, 0]),
        # soft reset before the leak: U = 2, R = 1, V = 0.5, U = 1.0 fires; V = 0, U = 0.5
        ({"reset": "soft", "rho": 1.0, "alpha": 0.5}, [2.0, 0.5, 0.5], [1, 1, 0]),
        # ... after the leak: V = 0.5 * 2 - 1 = 0, U = 0.5 silent, V = 0.25, U = 0.75
        ({"reset": "soft", "rho_post": 1.0, "alpha": 0.5}, [2.0, 0.5, 0.5], [1, 0, 0]),
        # no reset: U = 1, 1, 1
        ({"reset": "none"}, [1.0, 0.0, 0.0], [1, 1, 1]),
        # while R reaches the threshold, 2.0 is needed: U = 2.6 fires, R = 1.6; U = 1.6 silent;
        # U = 2.1 fires, R = 1.1; U = 0.9 silent, and 1.0 is needed again; U = 1.1 fires
        ({"reset": "soft_raised", "rho": 1.0}, [2.6, 0.0, 0.5, -0.2, 0.2], [1, 0, 1, 0, 1]),
        # several spikes: floor(3.5) = 3 with rest 0.5, at most 4
        ({"reset": "soft", "rho": 1.0, "n_max": 4}, [3.5, 0.5, 9.0], [3, 1, 4]),
        # strictly above: 3.0 fires twice, so that 1.0 is left, which is not above
        ({"reset": "soft", "rho": 1.0, "n_max": 4, "strict": True}, [3.0, 0.0, 0.5], [2, 0, 1]),
        # the input of the tick after a spike is lost
        ({"silent_step": True}, [1.0, 1.0, 1.0], [1, 0, 1]),
        # floor: V = max(-5, -0.5), U = 0.5
        ({"floor": -0.5}, [-5.0, 1.0, 0.5], [0, 0, 1]),
        # start value and constant: U = 0.5 + 0.25, V = 0.75 + 0.25 = 1.0, U = 1.0
        ({"v_start": 0.5, "beta": 0.25}, [0.25, 0.0], [0, 1]),
        # negative decay (DA-LIF): U = 0.5, V = -0.25, U = 1.25 - 0.25
        ({"alpha": -0.5}, [0.5, 1.25], [0, 1]),
        # synaptic state: I = 0.5, 0.25, 0.125; U = 0.5, 0.75, 0.875; then I = 0.0625 + 0.0625
        ({"alpha_syn": 0.5}, [0.5, 0.0, 0.0, 0.0625], [0, 0, 0, 1]),
    ],
)
def test_every_setting_of_the_soma(
    parameters: dict[str, Any], x: list[float], spikes: list[int]
) -> None:
    given = {"threshold": 1.0, "alpha": 1.0} | parameters
    assert one_neuron(lif(**given), x) == spikes


def test_synaptic_state_survives_a_silent_step() -> None:
    # tick 0: I = 1, U = 1 fires; tick 1: I = 1 (dropped), U = 0; tick 2: I = 1, U = 1 fires
    assert one_neuron(lif(1.0, 1.0, alpha_syn=1.0, silent_step=True), [1, 0, 0]) == [1, 0, 1]


def test_analog_output_with_and_without_threshold() -> None:
    # U: 0.75, 0.5 * 0.75 + 1 = 1.375 fires, so V = 0; U = -1
    x = [0.75, 1.0, -1.0]
    assert one_neuron(liaf(1.0, 0.5, "identity"), x) == [0.75, 1.375, -1.0]
    assert one_neuron(liaf(1.0, 0.5, "relu"), x) == [0.75, 1.375, 0.0]
    assert one_neuron(liaf(1.0, 0.5, "relu", threshold_related=True), x) == [0.0, 0.375, 0.0]
    assert one_neuron(liaf(1.0, 0.5, "identity", clamp=(-0.5, 1.25)), x) == [0.75, 1.25, -0.5]
    assert one_neuron(liaf(1.0, 0.5, "clamp"), x) == [0.75, 1.0, 0.0]


def test_activations_at_known_points() -> None:
    u = np.array([-800.0, -1.0, 0.0, 1.0, 800.0])
    scale, alpha = 1.0507009873554805, 1.6732632423543772
    np.testing.assert_allclose(
        activations.activate(u, "selu"),
        [-scale * alpha, scale * alpha * (np.e**-1 - 1), 0, scale, 800 * scale],
        rtol=1e-14,
    )
    np.testing.assert_allclose(
        activations.activate(u, "sigmoid"), [0, 1 / (1 + np.e), 0.5, 1 / (1 + np.e**-1), 1]
    )
    assert activations.activate(u, "clamp", (-2.0, 2.0)).tolist() == [-2, -1, 0, 1, 2]
    assert activations.activate(u, "selu", (0.0, 1.0)).tolist() == [0, 0, 0, 1, 1]


def test_parameters_per_channel_and_per_neuron() -> None:
    x = np.full((1, 1, 2, 1, 2), 0.5)
    per_channel = Network.sequential([Input((2, 1, 2)), lif([0.4, 0.6], 1.0)])
    assert run_float(per_channel, x)[0, 0].tolist() == [1, 1, 0, 0]
    per_neuron = Network.sequential([Input((2, 1, 2)), lif([[[0.4, 0.6]], [[0.6, 0.4]]], 1.0)])
    assert run_float(per_neuron, x)[0, 0].tolist() == [1, 0, 0, 1]


def graph(nodes: dict[str, Node], *edges: str) -> Network:
    """A network from edges written as "a>b"."""
    pairs = tuple((a, b) for a, _, b in (edge.partition(">") for edge in edges))
    return Network(nodes, pairs)


def test_forward_edges_act_in_the_same_tick_and_recurrent_ones_in_the_next() -> None:
    ann = liaf(9.0, 0.0, "identity", reset="none")
    network = graph(
        {"in": Input((1,)), "a": ann, "b": ann, "w": Linear([[0.5]], [1.0]), "out": Output()},
        "in>a",
        "a>b",
        "b>w",
        "w>a",
        "b>out",
    )
    assert network.recurrent_edges == {("b", "w")}
    # y = x + 0.5 * previous y + 1; the bias of the recurrent weights acts in the first tick, too
    y = run_float(network, np.reshape([4.0, 0.0, 0.0], (1, 3, 1)))
    assert y[0, :, 0].tolist() == [5.0, 3.5, 2.75]


def test_two_loops_each_have_one_tick() -> None:
    ann = liaf(9.0, 0.0, "identity", reset="none")
    network = graph(
        {"in": Input((1,)), "a": ann, "b": ann, "out": Output()},
        "in>a",
        "a>a",
        "a>b",
        "b>a",
        "b>out",
    )
    assert network.recurrent_edges == {("a", "a"), ("b", "a")}
    # a(t) = x(t) + a(t-1) + b(t-1), b = a
    y = run_float(network, np.reshape([1.0, 0.0, 0.0, 0.0], (1, 4, 1)))
    assert y[0, :, 0].tolist() == [1, 2, 4, 8]


def test_delays_and_several_edges_into_one_node() -> None:
    network = graph(
        {"in": Input((1,)), "d": Delay(2), "none": Delay(0), "out": Output()},
        "in>d",
        "in>none",
        "d>out",
        "none>out",
    )
    y = run_float(network, np.reshape([1.0, 10.0, 100.0, 1000.0], (1, 4, 1)))
    assert y[0, :, 0].tolist() == [1, 10, 101, 1010]


def test_outputs_are_flattened_row_major_and_samples_are_independent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Network.sequential([Input((2, 3)), lif(1.0, 0.9, reset="soft", rho=1.0)])
    x = np.random.default_rng(4).uniform(0, 1, (5, 7, 2, 3))
    together = run_float(network, x)
    assert together.shape == (5, 7, 6)
    assert together.dtype == np.float64
    monkeypatch.setattr("neurosim_mapper.float_executor.BATCH_ELEMENTS", 12)
    np.testing.assert_array_equal(run_float(network, x), together)
    trace = trace_float(network, x)
    np.testing.assert_array_equal(trace.outputs, together)
    np.testing.assert_array_equal(trace.Y["neuron1"].reshape(5, 7, 6), together)


def test_an_observer_sees_every_tick_and_nothing_is_kept() -> None:
    network = Network.sequential([Input((2,)), lif(1.0, 0.5), lif(0.5, 0.0)])
    x = np.random.default_rng(5).uniform(0, 1, (3, 4, 2))
    seen: dict[tuple[str, int], np.ndarray] = {}
    trace = trace_float(
        network, x, observe=lambda name, tick, at: seen.update({(name, tick): at.U})
    )
    assert trace.U == {}
    everything = trace_float(network, x)
    assert set(seen) == {(name, tick) for name in ("neuron1", "neuron2") for tick in range(4)}
    for (name, tick), potential in seen.items():
        np.testing.assert_array_equal(potential, everything.U[name][:, tick])


def test_empty_batches_have_the_right_shape() -> None:
    network = Network.sequential([Input((2,)), Linear(np.ones((3, 2)))])
    assert run_float(network, np.zeros((0, 4, 2))).shape == (0, 4, 3)
    assert run_float(network, np.zeros((2, 0, 2))).shape == (2, 0, 3)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3)), "x has shape (2, 3); needed: (samples, ticks, 2)."),
        (np.zeros((1, 1, 2), dtype="U1"), "x has dtype <U1; numbers are needed."),
        (np.full((1, 1, 2), np.nan), "x holds NaN or infinite values; all must be finite."),
    ],
)
def test_inputs_that_cannot_be_used(x: np.ndarray, message: str) -> None:
    with pytest.raises(InputFileError) as caught:
        run_float(Network.sequential([Input((2,))]), x)
    assert str(caught.value) == message


def test_a_potential_without_bound_is_named() -> None:
    network = Network.sequential([Input((1,)), liaf(1.0, 1e200, reset="none")])
    with pytest.raises(InputFileError, match="potential of 'neuron1' grows beyond"):
        run_float(network, np.ones((1, 3, 1)))


def test_tracing_something_that_is_no_neuron() -> None:
    network = Network.sequential([Input((1,)), lif(1.0, 0.5)])
    with pytest.raises(UsageError, match="'input' is not a neuron; known: neuron1"):
        trace_float(network, np.ones((1, 1, 1)), nodes=["input"])
