"""Any network that neurosim can hold is written and read back exactly."""

from __future__ import annotations

from dataclasses import fields
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    ACTIVATIONS,
    RESETS,
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
    Shape,
)
from neurosim_mapper.readers import read_network, write_network

FLOATS = st.one_of(
    st.sampled_from([0.0, 1.0, 0.5, -1.0]),
    st.floats(-4, 4, allow_subnormal=False).filter(lambda v: v == 0 or abs(v) > 1e-6),
)
DECAYS = st.one_of(st.sampled_from([0.0, 1.0, 0.5, 0.9]), st.floats(-1, 1, allow_subnormal=False))


@st.composite
def arrays(draw: st.DrawFn, shape: Shape, values: st.SearchStrategy[float] = FLOATS) -> np.ndarray:
    """An array of a given shape."""
    n = int(np.prod(shape))
    return np.array(draw(st.lists(values, min_size=n, max_size=n))).reshape(shape)


@st.composite
def neurons(draw: st.DrawFn, shape: Shape) -> Neuron:
    """A neuron with parameters per layer, channel or neuron; often one that plain NIR can say."""

    def parameter(values: st.SearchStrategy[float]) -> np.ndarray:
        return draw(arrays(draw(st.sampled_from([(), (shape[0],), shape])), values))

    more: dict[str, Any] = {"output": draw(st.sampled_from(["spike", "analog"]))}
    more["threshold"] = parameter(st.floats(0.1, 3))
    more["alpha"] = parameter(draw(st.sampled_from([DECAYS, st.just(1.0), st.floats(0.1, 0.9)])))
    more["strict"] = draw(st.booleans())
    if more["output"] == "analog":
        more["reset"] = "none"
    if draw(st.booleans()):
        for name in ("v_reset", "beta", "rho", "rho_post", "v_start", "floor"):
            more[name] = parameter(FLOATS)
        more["alpha_syn"] = draw(st.one_of(st.none(), st.just(parameter(st.floats(0.1, 0.9)))))
        more["reset"] = draw(st.sampled_from(RESETS))
        if more["reset"] != "soft_raised":
            more["n_max"] = draw(st.sampled_from([1, 3, 2**31 - 1]))
        more["silent_step"] = draw(st.booleans())
        more["activation"] = draw(st.sampled_from(ACTIVATIONS))
        more["threshold_related"] = draw(st.booleans())
        more["clamp"] = draw(st.sampled_from([None, (0.0, 1.0), (-2.5, 0.25)]))
    return Neuron(**more)


@st.composite
def convolutions(draw: st.DrawFn, shape: Shape) -> Conv:
    """A convolution that fits a (channels, space...) shape."""
    n_space = len(shape) - 1
    groups = shape[0] if draw(st.booleans()) else 1
    kernel = tuple(draw(st.integers(1, min(2, n))) for n in shape[1:])
    c_out = groups * draw(st.integers(1, 2))
    pads = st.tuples(st.integers(0, 2), st.integers(0, 2))
    even = st.integers(0, 2).map(lambda n: (n, n))
    return Conv(
        draw(arrays((c_out, shape[0] // groups, *kernel))),
        draw(st.one_of(st.none(), arrays((c_out,)))),
        tuple(draw(st.integers(1, 2)) for _ in range(n_space)),
        tuple(draw(st.one_of(even, pads)) for _ in range(n_space)),
        (1,) * n_space,
        groups,
    )


@st.composite
def nodes(draw: st.DrawFn, shape: Shape) -> Node:
    """One node that accepts `shape`."""
    kinds = ["neuron", "neuron", "scale", "norm", "delay", "flatten"]
    kinds += {1: ["linear"], 2: ["conv"], 3: ["conv", "pool"]}.get(len(shape), [])
    kind = draw(st.sampled_from(kinds))
    if kind == "neuron":
        return draw(neurons(shape))
    if kind == "scale":
        return Scale(draw(arrays(draw(st.sampled_from([(), (shape[0],), shape])))))
    if kind == "norm":
        mean, gain, shift = (draw(arrays((shape[0],))) for _ in range(3))
        return BatchNorm(mean, draw(arrays((shape[0],), st.floats(0.1, 2))), gain, shift, 1e-3)
    if kind == "delay":
        return Delay(draw(st.integers(0, 9)))
    if kind == "flatten":
        return draw(st.sampled_from([Flatten(), Flatten(-1, -1), Flatten(0, len(shape) - 1)]))
    if kind == "linear":
        n_out = draw(st.integers(1, 3))
        bias = draw(st.one_of(st.none(), arrays((n_out,))))
        return Linear(draw(arrays((n_out, shape[0]))), bias)
    if kind == "pool":
        window = tuple(draw(st.integers(1, min(2, n))) for n in shape[1:])
        padding = draw(st.sampled_from([((0, 0), (0, 0)), ((1, 1), (0, 0)), ((1, 0), (0, 0))]))
        return Pool(draw(st.sampled_from(["sum", "avg", "max"])), window, (1, 2), padding)
    return draw(convolutions(shape))


NAMES = st.one_of(
    st.text(st.characters(exclude_categories=("Cs",)), max_size=8),
    st.sampled_from(["/", ".", "..", "a/b", "%2F", "10", "2", "nodes", "type", "rnn.lif", "ü", ""]),
)


@st.composite
def networks(draw: st.DrawFn) -> Network:
    """A chain with odd names, and a recurrent edge or a skip where the shapes allow."""
    shape = draw(st.sampled_from([(3,), (2, 3), (2, 3, 2)]))
    chain: list[Node] = [Input(shape)]
    shapes = [shape]
    for _ in range(draw(st.integers(0, 4))):
        chain.append(draw(nodes(shapes[-1])))
        shapes.append(chain[-1].out_shape(shapes[-1]))
    chain.append(Output())
    names = draw(st.lists(NAMES, min_size=len(chain), max_size=len(chain), unique=True))
    edges = list(pairwise(names))
    for i in range(1, len(chain) - 1):
        if isinstance(chain[i], Neuron) and shapes[i] == shapes[i - 1] and draw(st.booleans()):
            edges.append((names[i], names[i]))
    items = draw(st.permutations(list(zip(names, chain, strict=True))))
    sentences = draw(st.lists(st.text(st.characters(exclude_categories=("Cs",))), max_size=2))
    return Network(
        dict(items),
        tuple(draw(st.permutations(edges))),
        draw(st.sampled_from(["sum", "mean", "last"])),
        tuple(sentences),
        {"accuracy": 0.5, "made by": ["a test", None], "": {"deep": 1}},
    )


def assert_identical(a: Network, b: Network) -> None:
    """Same nodes in the same order, every number bit for bit."""
    assert list(a.nodes) == list(b.nodes)
    assert (a.edges, a.readout, a.assumptions) == (b.edges, b.readout, b.assumptions)
    assert a.provenance == b.provenance
    for name, node in a.nodes.items():
        other = b.nodes[name]
        assert type(node) is type(other)
        for f in fields(node):
            x, y = getattr(node, f.name), getattr(other, f.name)
            if isinstance(x, np.ndarray):
                assert isinstance(y, np.ndarray)
                assert x.dtype == y.dtype
                np.testing.assert_array_equal(x, y, strict=True)
            else:
                assert x == y, (name, f.name)


ONE_CHANNEL = Network(
    {"in": Input((1, 2, 1)), "scale": Scale(np.array([[[0.5], [2.0]]])), "out": Output()},
    (("in", "scale"), ("scale", "out")),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(network=networks())
@example(network=ONE_CHANNEL)
def test_write_then_read_gives_the_identical_network(tmp_path: Path, network: Network) -> None:
    path = tmp_path / "network.nir"
    write_network(network, path)
    assert_identical(network, read_network(path))
    first = path.read_bytes()
    write_network(network, path)
    assert path.read_bytes() == first
    assert list(tmp_path.iterdir()) == [path]
