"""Folding keeps the function: folded maps against the float executor, and exact composition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim_mapper.float_executor import run_float
from neurosim_mapper.fold import FoldedNetwork, fold
from neurosim_mapper.linear_maps import (
    CompositionError,
    ConvMap,
    DenseMap,
    DiagonalMap,
    LinearMap,
    compose,
)
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
from neurosim_mapper.quantized import INPUT


def run_folded(folded: FoldedNetwork, x: np.ndarray) -> np.ndarray:
    """The folded network layer by layer, each as a float network of one neuron node."""
    values = {INPUT: x.reshape(*x.shape[:2], -1)}
    n_samples, n_ticks = x.shape[:2]
    for layer in folded.layers:
        drive = np.zeros((n_samples, n_ticks, layer.n_neurons)) + layer.bias
        for projection in layer.projections:
            assert projection.source in values, "loops are not part of this test"
            for tick in range(projection.delay_ticks, n_ticks):
                source = values[projection.source][:, tick - projection.delay_ticks]
                drive[:, tick] += projection.map.apply(source)
        alone = Network.sequential([Input(layer.shape), layer.neuron])
        values[layer.name] = run_float(alone, drive.reshape(n_samples, n_ticks, *layer.shape))
    return values[folded.output]


def chain(rng: np.random.Generator) -> list[Node]:
    """Random nodes between an image and a dense read-out."""
    c, high, wide = shape = (int(rng.integers(1, 4)), int(rng.integers(5, 9)), 7)
    nodes: list[Node] = [Input(shape)]

    def norm() -> BatchNorm:
        return BatchNorm(*(rng.uniform(0.2, 1, c) for _ in range(4)))

    for _ in range(int(rng.integers(1, 5))):
        kind = rng.integers(0, 6)
        k = int(rng.integers(1, 4))
        pads = tuple((int(p), int(q)) for p, q in rng.integers(0, 2, (2, 2)))
        if kind == 0 and min(high, wide) > 3:
            c_new = int(rng.integers(1, 4))
            bias = rng.normal(size=c_new) if rng.random() < 0.5 else None
            stride = (int(rng.integers(1, 3)), 1)
            nodes.append(Conv(rng.normal(size=(c_new, c, k, k)), bias, stride, pads, (1, 1)))
        elif kind == 1 and min(high, wide) > 3:
            mode = "avg" if rng.random() < 0.5 else "sum"
            nodes.append(Pool(mode, (2, k), (2, 2), pads))
        elif kind == 2:
            nodes.append(norm())
        elif kind == 3:
            nodes.append(Scale(rng.uniform(0.5, 2, rng.choice([1, c]))))
        elif kind == 4:
            nodes.append(liaf(0.5, 0.5, "relu"))
        else:
            nodes.append(liaf(0.5, 0.25, "tanh"))
        c, high, wide = nodes[-1].out_shape((c, high, wide))
    n = c * high * wide
    return [*nodes, Flatten(), Linear(rng.normal(size=(3, n)), rng.normal(size=3))]


@given(st.integers(0, 2**32 - 1))
def test_a_folded_chain_is_the_same_function(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = Network.sequential(chain(rng))
    x = rng.normal(size=(2, 3, *network.input_shape))
    found = run_folded(fold(network), x)
    np.testing.assert_allclose(found, run_float(network, x), rtol=1e-9, atol=1e-9)


def residual() -> Network:
    rng = np.random.default_rng(3)
    nodes: dict[str, Node] = {
        "input": Input((4,)),
        "up": Linear(rng.normal(size=(6, 4)), rng.normal(size=6)),
        "first": liaf(0.5, 0.5),
        "late": Delay(2),
        "mid": Linear(rng.normal(size=(6, 6))),
        "second": liaf(0.5, 0.5),
        "down": Linear(rng.normal(size=(2, 6))),
        "output": Output(),
    }
    edges = [
        ("input", "up"),
        ("up", "first"),
        ("first", "late"),
        ("late", "mid"),
        ("mid", "second"),
        ("first", "second"),
        ("up", "second"),
        ("second", "down"),
        ("first", "down"),
        ("down", "output"),
    ]
    return Network(nodes, tuple(edges))


def test_additions_skips_and_delays() -> None:
    network = residual()
    folded = fold(network)
    x = np.random.default_rng(4).normal(size=(2, 5, 4))
    np.testing.assert_allclose(run_folded(folded, x), run_float(network, x), atol=1e-12)
    second = folded.layers[1]
    assert {(p.source, p.delay_ticks) for p in second.projections} == {
        ("first", 2),
        ("first", 0),
        (INPUT, 0),
    }
    assert [layer.name for layer in folded.layers] == ["first", "second", "readout"]
    assert "read-out layer" in folded.assumptions[0]


def test_a_loop_is_a_projection_one_tick_late() -> None:
    nodes: dict[str, Node] = {
        "input": Input((2,)),
        "cell": lif(1.0, 0.5),
        "back": Linear(np.ones((2, 2)), np.array([0.5, 0.25])),
        "output": Output(),
    }
    edges = (("input", "cell"), ("cell", "back"), ("back", "cell"), ("cell", "output"))
    (cell,) = fold(Network(nodes, edges)).layers
    assert {(p.source, p.delay_ticks) for p in cell.projections} == {(INPUT, 0), ("cell", 1)}
    np.testing.assert_array_equal(cell.bias, [0.5, 0.25])


def test_the_maximum_of_spikes_is_a_layer() -> None:
    network = Network.sequential(
        [Input((2, 4, 4)), lif(0.5, 0.5), Pool("max", (2, 2), (2, 2)), Neuron()]
    )
    folded = fold(network)
    assert [layer.added for layer in folded.layers] == [False, True, False]
    x = np.random.default_rng(1).normal(size=(3, 4, 2, 4, 4))
    np.testing.assert_array_equal(run_folded(folded, x), run_float(network, x))


def test_one_space_axis_is_an_image_of_height_one() -> None:
    rng = np.random.default_rng(0)
    conv = Conv(rng.normal(size=(4, 2, 3)), rng.normal(size=4), (2,), ((1, 2),), (2,), 2)
    network = Network.sequential([Input((4, 9)), conv, liaf(0.5, 0.5)])
    x = rng.normal(size=(2, 2, 4, 9))
    np.testing.assert_allclose(run_folded(fold(network), x), run_float(network, x), atol=1e-12)


@st.composite
def map_pairs(draw: st.DrawFn) -> tuple[LinearMap, LinearMap]:
    """A first map and a second one that takes its results."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    groups = draw(st.sampled_from([1, 2, 4]))
    in_shape = (4, draw(st.integers(4, 9)), draw(st.integers(4, 9)))

    def conv(shape: tuple[int, ...], groups: int) -> ConvMap:
        kernel = rng.integers(1, 4, 2)
        pads = rng.integers(0, 2, (2, 2)).tolist()
        return ConvMap(
            rng.normal(size=(groups * int(rng.integers(1, 3)), shape[0] // groups, *kernel)),
            (shape[0], shape[1], shape[2]),
            (int(rng.integers(1, 3)), int(rng.integers(1, 3))),
            ((pads[0][0], pads[0][1]), (pads[1][0], pads[1][1])),
            groups=groups,
        )

    first: LinearMap = conv(in_shape, groups)
    assert isinstance(first, ConvMap)
    kind = draw(st.sampled_from(["conv", "dense", "diagonal"]))
    fits = min(first.out_shape[1:]) >= 3
    if kind == "conv" and fits:
        c = first.out_shape[0]
        divisors = [g for g in (1, 2, c) if c % g == 0]
        return first, conv(first.out_shape, draw(st.sampled_from(divisors)))
    if kind == "dense":
        return first, DenseMap(rng.normal(size=(3, first.n_out)))
    return first, DiagonalMap(rng.normal(size=first.n_out))


@given(map_pairs())
def test_a_composition_does_one_after_the_other(pair: tuple[LinearMap, LinearMap]) -> None:
    first, second = pair
    joined = compose(second, first)
    x = np.eye(first.n_in)
    np.testing.assert_allclose(joined.apply(x), second.apply(first.apply(x)), atol=1e-9)
    assert (joined.n_in, joined.n_out) == (first.n_in, second.n_out)


def test_pool_then_convolution_stays_a_convolution() -> None:
    pool = ConvMap(np.full((4, 1, 2, 2), 0.25), (4, 8, 8), (2, 2), groups=4)
    conv = ConvMap(np.ones((5, 4, 3, 3)), (4, 4, 4), padding=((1, 1), (1, 1)))
    joined = compose(conv, pool)
    assert isinstance(joined, ConvMap)
    assert joined.weight.shape == (5, 4, 6, 6)
    assert joined.stride == (2, 2)


def test_a_composition_without_a_cheap_form_says_why() -> None:
    big = ConvMap(np.ones((8, 8, 3, 3)), (8, 64, 64), padding=((1, 1), (1, 1)))
    with pytest.raises(CompositionError, match="pads an image"):
        compose(big, big)
