"""Maximum pools of values written out as differences: the same function, exact in integers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip

from neurosim_mapper.float_executor import apply_node, run_float
from neurosim_mapper.maxima import MaximumPart, expand_maxima, value_pools
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    Conv,
    Delay,
    Flatten,
    Input,
    Linear,
    Neuron,
    Node,
    Pool,
    Scale,
    liaf,
    lif,
)
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.reference import trace_reference


def added(network: Network) -> dict[str, MaximumPart]:
    """The neurons of the pools by name."""
    return {k: node for k, node in network.nodes.items() if isinstance(node, MaximumPart)}


def window(data: st.DataObject) -> tuple[int, int, tuple[int, int]]:
    """Size, stride, padding of a pool whose windows have a middle inside the image."""
    size = data.draw(st.integers(1, 5))
    most = (size - 1) // 2
    before, after = (data.draw(st.integers(0, most)) for _ in range(2))
    return size, data.draw(st.integers(1, 4)), (before, after)


@given(st.data())
def test_any_window_keeps_its_maximum(data: st.DataObject) -> None:
    """Against the maximum of the float executor, whose twin is torch (test_table_activation)."""
    n_space = data.draw(st.sampled_from([1, 2]))
    sizes, strides, pads = zip(*(window(data) for _ in range(n_space)), strict=True)
    shape = (2, *(data.draw(st.integers(5, 9)) for _ in range(n_space)))
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    pool = Pool("max", sizes, strides, pads)
    behind: list[Node] = [Scale(np.asarray(0.5)), liaf(0.5, 0.75, "identity")]
    if data.draw(st.booleans()):
        outputs = int(np.prod(pool.out_shape(shape)))
        behind = [Flatten(), Linear(rng.normal(size=(3, outputs))), *behind]
    first = Conv(rng.normal(size=(2, 2, *[1] * n_space)), rng.normal(size=2))
    network = Network.sequential([Input(shape), first, pool, *behind])
    x = rng.normal(size=(2, 3, *shape))
    expanded = expand_maxima(network)
    assert not value_pools(expanded)
    np.testing.assert_allclose(run_float(expanded, x), run_float(network, x), atol=1e-12)


@pytest.mark.parametrize(("stride", "padding"), [(2, 0), (1, 1), (2, 1)])
def test_the_maximum_of_integers_is_exact(stride: int, padding: int) -> None:
    """Behind values the pool's own neurons give the maximum of the integers in its window."""
    rng = np.random.default_rng(stride + padding)
    pool = Pool("max", 3, stride, padding)
    outputs = int(np.prod(pool.out_shape((3, 6, 7))))
    nodes = [
        Input((2, 6, 7)),
        Conv(rng.normal(size=(3, 2, 3, 3)), rng.normal(size=3), padding=1),
        liaf(1.0, 0.5, "tanh"),
        pool,
        Flatten(),
        Linear(rng.normal(size=(4, outputs))),
        lif(1.0, 0.5),
    ]
    network = Network.sequential(nodes)
    x = (rng.random((9, 4, 2, 6, 7)) < 0.4).astype(np.float64)
    quantized = quantize(network, make_chip(), x)
    trace = trace_reference(quantized, x)
    values = trace.values["neuron2"].reshape(-1, 3, 6, 7).astype(np.float64)
    assert values.min() < 0 < values.max()
    found = trace.values["pool3"].reshape(-1, *pool.out_shape((3, 6, 7)))
    np.testing.assert_array_equal(found, apply_node(pool, values))


def test_a_silent_image_sends_nothing() -> None:
    """The bias is taken away in front of the maximum and added behind it."""
    bias = np.array([3.0, -2.0])
    nodes = [Input((1, 4, 4)), Conv(np.ones((2, 1, 1, 1)), bias), Pool("max", 2, 2)]
    network = expand_maxima(Network.sequential([*nodes, liaf(9.0, 0.0, "identity")]))
    values = Network.sequential([Input((2, 2, 2)), liaf(9.0, 0.0, "identity")])
    expected = run_float(values, np.broadcast_to(bias[:, None, None], (1, 2, 2, 2, 2)))
    x = np.zeros((1, 2, 1, 4, 4))
    np.testing.assert_array_equal(run_float(network, x), expected)
    assert sorted(added(network)) == ["pool2.across1", "pool2.down1", "pool2.values"]
    quantized = quantize(network, make_chip(), np.ones((8, 2, 1, 4, 4)))
    trace = trace_reference(quantized, x)
    assert not any(trace.values[name].any() for name in added(network))


def test_thresholds_without_memory_move_in_front_and_need_no_values() -> None:
    first = Conv(np.ones((2, 1, 1, 1)))
    neuron = lif(np.array([0.5, 1.5]), 0.0)
    nodes: list[Node] = [Input((1, 4, 4)), first, Pool("max", 2, 2), neuron]
    network = Network.sequential(nodes)
    moved = expand_maxima(network)
    assert not added(moved)
    assert isinstance(moved.nodes["neuron3.each"], Neuron)
    assert moved.nodes["neuron3"] is network.nodes["pool2"]
    x = np.random.default_rng(0).integers(0, 3, (4, 3, 1, 4, 4))
    np.testing.assert_array_equal(run_float(moved, x), run_float(network, x))
    for more in ({"alpha": 0.1}, {"beta": 0.1}, {"rho_post": 0.1}, {"v_start": 0.1}):
        kept = lif(0.5, **{"alpha": 0.0, **more})  # type: ignore[arg-type]
        assert added(expand_maxima(Network.sequential([*nodes[:3], kept])))


def test_pools_of_single_spikes_stay() -> None:
    once: dict[str, list[Node]] = {
        "spikes": [lif(0.5, 0.5)],
        "late spikes": [lif(0.5, 0.5), Delay(1), Scale(np.ones(1))],
        "a pool of them": [lif(0.5, 0.5), Pool("max", 2, 1)],
        "the input": [],
    }
    for nodes in once.values():
        network = Network.sequential([Input((1, 6, 6)), *nodes, Pool("max", 2, 2)])
        assert expand_maxima(network) is network
        assert value_pools(network) == []
    twice: dict[str, Any] = {"rho": 0.5, "reset": "soft", "n_max": 2}
    network = Network.sequential([Input((1, 6, 6)), lif(0.5, 0.5, **twice), Pool("max", 2, 2)])
    assert value_pools(network) == ["pool2"]
    network = Network.sequential([Input((1, 6, 6)), Pool("max", 2, 2), lif(0.5, 0.5)])
    assert expand_maxima(network, np.full((1, 1, 1, 6, 6), 0.5)) is not network
    assert expand_maxima(network, np.ones((1, 1, 1, 6, 6))) is network


def test_what_it_costs_is_said_once() -> None:
    """4 x 4 values, 2 x 4 and 2 x 2 differences in two channels; one tick each."""
    nodes = [Input((1, 4, 4)), Conv(np.full((2, 1, 1, 1), 0.3)), Pool("max", 2, 2), lif(1.0, 0.5)]
    quantized = quantize(Network.sequential(nodes), make_chip(), np.ones((1, 2, 1, 4, 4)))
    assert sum(layer.n_neurons for layer in quantized.layers) == 56 + 8
    (said,) = (note for note in quantized.assumptions if "maximum" in note)
    assert said.startswith(
        "Pool 'pool2' takes the maximum of values, not of spikes: 56 more neurons compute it, by "
        "differences of values rounded to a packet's bits, 3 ticks later."
    )
    unseen = quantize(Network.sequential(nodes), make_chip()).assumptions
    assert [note for note in unseen if "range of its analog output" in note] == [
        "Layer 'pool2.values': range of its analog output from random inputs of 0 and 1, doubled; "
        "calibration data would show the true one."
    ]


def test_integers_that_fit_are_not_rounded() -> None:
    """A network of integers stays one, if no value is larger than a packet."""
    nodes = [Input((1, 4, 4)), Conv(np.full((1, 1, 2, 2), 3.0)), Pool("max", 3, 1), lif(7.0, 1.0)]
    network = Network.sequential(nodes)
    x = (np.random.default_rng(1).random((4, 5, 1, 4, 4)) < 0.3).astype(np.float64)
    quantized = quantize(network, make_chip(), x)
    assert all((layer.membrane_unit == 1).all() for layer in quantized.layers)
    assert quantized.by_name["neuron3"].notes["weight_shift_from"] == "integers, kept"
    np.testing.assert_array_equal(trace_reference(quantized, x).outputs, run_float(network, x))
    large = Network.sequential([nodes[0], Conv(np.full((1, 1, 2, 2), 99.0)), *nodes[2:]])
    rounded = quantize(large, make_chip(), x)
    assert rounded.by_name["neuron3"].notes["weight_shift_from"] != "integers, kept"
