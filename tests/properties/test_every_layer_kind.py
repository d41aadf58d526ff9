"""Every kind of layer, from the float network to the chip: integers, cores, and equal results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from support.chips import make_chip

import neurosim
from neurosim.errors import UnsupportedError
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.joining import placement
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
    liaf,
    lif,
)
from neurosim_mapper.norms import LayerNorm, freeze_layer_norms, layer_norms
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.recurrent import memoryless
from neurosim_mapper.reference import run_reference

pytestmark = pytest.mark.exactness
RNG = np.random.default_rng(23)
TICKS, SAMPLES = 5, 6


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def fire(threshold: float = 0.5) -> Neuron:
    return lif(threshold, 0.75)


def many() -> Neuron:
    """As Sinabs and Rockpool have it: as many spikes as thresholds fit."""
    half = np.asarray(0.5)
    return Neuron(threshold=half, rho=half, alpha=half, reset="soft", n_max=2**31 - 1)


def norm(channels: int) -> BatchNorm:
    return BatchNorm(
        normal(channels), RNG.uniform(0.5, 2, channels), normal(channels), normal(channels)
    )


def image(*nodes: Node) -> Network:
    """Nodes behind an image of two channels, and a dense layer behind them."""
    chain = [Input((2, 6, 6)), *nodes]
    shape = Network.sequential(chain).output_shape
    if len(shape) > 1:
        chain.append(Flatten())
    return Network.sequential([*chain, Linear(normal(4, int(np.prod(shape)))), fire()])


def line(*nodes: Node) -> Network:
    return Network.sequential([Input((6,)), *nodes])


def branched(**nodes: tuple[Node, str]) -> Network:
    """Named nodes, each with the names of its sources."""
    edges = [(source, name) for name, (_, sources) in nodes.items() for source in sources.split()]
    return Network({name: node for name, (node, _) in nodes.items()}, tuple(edges))


def convolution(groups: int = 1, n_out: int = 4, **options: object) -> Conv:
    return Conv(normal(n_out, 2 // groups, 3, 3), normal(n_out), groups=groups, **options)  # type: ignore[arg-type]


NETWORKS: dict[str, Callable[[], Network]] = {
    "dense": lambda: line(Linear(normal(8, 6), normal(8)), fire(), Linear(normal(3, 8)), fire()),
    "conv1d": lambda: Network.sequential(
        [Input((2, 9)), Conv(normal(3, 2, 3), normal(3), (2,), ((1, 0),)), fire()]
    ),
    "conv2d, strides and padding": lambda: image(
        convolution(stride=(2, 1), padding=((1, 0), (1, 1))), fire()
    ),
    "dilated": lambda: image(convolution(dilation=(2, 2)), fire()),
    "depthwise": lambda: image(convolution(groups=2), fire()),
    "grouped": lambda: image(convolution(), fire(), Conv(normal(6, 2, 2, 2), groups=2), fire()),
    "average pool": lambda: image(convolution(), fire(), Pool("avg", 2, 2)),
    "sum pool": lambda: image(convolution(), fire(), Pool("sum", 2, 2)),
    "maximum pool": lambda: image(convolution(), fire(), Pool("max", (2, 2), (1, 2))),
    "maximum pool in front of neurons": lambda: image(convolution(), Pool("max", 2, 2), fire()),
    "maximum pool in front of neurons, windows that overlap and reach beyond the image": (
        lambda: image(convolution(), norm(4), Pool("max", 3, 2, 1), fire())
    ),
    "maximum pool in front of neurons without memory": lambda: image(
        convolution(), Pool("max", 2, 2), lif(0.5, 0.0)
    ),
    "maximum pool of values": lambda: image(
        convolution(), liaf(0.5, 0.75, "tanh"), Pool("max", (2, 3), (1, 2))
    ),
    "pools over one axis": lambda: Network.sequential(
        [
            Input((2, 9)),
            Conv(normal(3, 2, 2)),
            fire(),
            Pool("max", (2,), (2,)),
            Pool("avg", (2,), (1,)),
            Flatten(),
            Linear(normal(2, 9)),
            fire(0.1),
        ]
    ),
    "batch norm before the pool": lambda: image(convolution(), norm(4), Pool("avg", 2, 2), fire()),
    "batch norm behind the pool": lambda: image(
        convolution(), fire(), Pool("avg", 2, 2), norm(4), convolution_of(4), fire()
    ),
    "batch norm on the membrane": lambda: image(convolution(), norm(4), fire()),
    "layer norm": lambda: image(
        convolution(), LayerNorm(np.ones(4), normal(4)), liaf(0.5, 0.75, activation="relu")
    ),
    "group norm": lambda: line(
        Linear(normal(8, 6)), LayerNorm(normal(8), normal(8), groups=4), fire()
    ),
    "residual add": lambda: branched(
        input=(Input((6,)), ""),
        first=(Linear(normal(6, 6)), "input"),
        a=(fire(), "first"),
        second=(Linear(normal(6, 6)), "a"),
        b=(fire(), "second"),
        sum=(Linear(normal(3, 6)), "a b"),
        c=(fire(), "sum"),
        output=(Output(), "c"),
    ),
    "skip over several layers": lambda: branched(
        input=(Input((6,)), ""),
        first=(Linear(normal(6, 6)), "input"),
        a=(fire(), "first"),
        second=(Linear(normal(6, 6)), "a"),
        b=(fire(), "second"),
        third=(Linear(normal(6, 6)), "b"),
        c=(fire(), "third"),
        short=(Linear(normal(6, 6)), "a"),
        d=(fire(), "c short input"),
        output=(Output(), "d"),
    ),
    "concatenation": lambda: branched(
        input=(Input((6,)), ""),
        first=(Linear(normal(5, 6)), "input"),
        a=(fire(), "first"),
        left=(placement((6,), 11, 0), "input"),
        right=(placement((5,), 11, 6), "a"),
        mix=(Linear(normal(4, 11)), "left right"),
        b=(fire(), "mix"),
        output=(Output(), "b"),
    ),
    "recurrent": lambda: branched(
        input=(Input((6,)), ""),
        first=(Linear(normal(5, 6)), "input"),
        a=(fire(), "first back"),
        back=(Linear(0.5 * normal(5, 5)), "a"),
        output=(Output(), "a"),
    ),
    "any number of spikes": lambda: line(
        Linear(2 * normal(8, 6)), many(), Linear(normal(3, 8)), many()
    ),
    "current-based": lambda: line(
        Linear(normal(8, 6)), Neuron(alpha=np.asarray(0.75), alpha_syn=np.asarray(0.5))
    ),
    "delay": lambda: line(Linear(normal(8, 6)), fire(), Delay(2), Linear(normal(3, 8)), fire()),
    "time-mean of a linear read-out": lambda: line(
        Linear(normal(8, 6)), fire(), Linear(normal(3, 8), normal(3))
    ),
    "last potential of an integrator": lambda: line(
        Linear(normal(8, 6)),
        fire(),
        Linear(normal(3, 8)),
        Neuron(output="analog", alpha=np.asarray(1.0), reset="none"),
    ),
}
READOUTS = {
    "time-mean of a linear read-out": "mean",
    "last potential of an integrator": "last",
}


def convolution_of(channels: int) -> Conv:
    return Conv(normal(3, channels, 2, 2))


@pytest.mark.parametrize("kind", NETWORKS)
def test_the_chip_gives_what_the_integers_give(kind: str) -> None:
    RNG.bit_generator.state = np.random.default_rng(len(kind)).bit_generator.state
    network = NETWORKS[kind]()
    if kind in READOUTS:
        network = Network(network.nodes, network.edges, READOUTS[kind])
    chip = make_chip()
    x = (RNG.random((SAMPLES, TICKS, *network.input_shape)) < 0.5).astype(np.float64)
    quantized = quantize(network, chip, x)
    program = map_network(quantized, chip, placer="row-major")
    run = neurosim.simulate(program, x)
    expected = run_reference(quantized, x)
    assert expected.any()
    np.testing.assert_array_equal(run.outputs, expected)


def test_a_layer_norm_is_frozen_by_the_calibration_and_says_what_that_costs() -> None:
    """Over all features of both samples and ticks: averages of the means and of the variances."""
    gain, shift = np.array([2.0, 1.0]), np.array([0.5, 0.0])
    network = line(Linear(normal(2, 6)), LayerNorm(gain, shift, 0.0), memoryless("identity"))
    x = RNG.normal(size=(2, 3, 6))
    drive = x @ network.nodes["linear1"].weight.T  # type: ignore[attr-defined]
    mean = drive.mean(axis=-1, keepdims=True)
    spread = drive.std(axis=-1, keepdims=True)
    np.testing.assert_allclose(run_float(network, x), (drive - mean) / spread * gain + shift)
    frozen = freeze_layer_norms(network, x)
    fixed = (drive - mean.mean()) / np.sqrt((spread**2).mean()) * gain + shift
    np.testing.assert_allclose(run_float(frozen, x), fixed)
    same = 100 * np.mean(
        fixed.sum(axis=1).argmax(axis=1) == run_float(network, x).sum(axis=1).argmax(axis=1)
    )
    assert not layer_norms(frozen)
    assert frozen.assumptions == (
        "LayerNorm 'layernorm2': frozen, with the mean and variance of 2 calibration samples; the "
        f"float network decides {same:.1f} % of these as before.",
    )
    assert set(frozen.assumptions) <= set(quantize(network, make_chip(), x).assumptions)
    with pytest.raises(UnsupportedError, match="'layernorm2': a LayerNorm needs mean and variance"):
        quantize(network, make_chip())


def test_neurons_without_a_limit_of_spikes_get_one_that_sums_can_hold() -> None:
    """Four times what the calibration data cause, at least 8; 255 without any."""
    network = line(Linear(np.full((2, 6), 0.5)), many())
    x = np.zeros((2, 3, 6))
    x[0, 0] = 1  # U = 3: six thresholds
    assert run_float(network, x).max() == 6
    quantized = quantize(network, make_chip(), x)
    assert quantized.layers[0].modes.n_max == 24
    assert (
        "Layer 'neuron2': at most 24 spikes per neuron and tick, 4 times what the calibration data "
        "cause; more wait in the potential."
    ) in quantized.assumptions
    assert quantize(network, make_chip(), x[:, 1:]).layers[0].modes.n_max == 8
    assert quantize(network, make_chip()).layers[0].modes.n_max == 255
    np.testing.assert_array_equal(run_reference(quantized, x), run_float(network, x))
