"""Cores that share a block and hear a dense layer together give what the reference gives.

A convolution on a small chip has many cores with the same weights, fragments whose sums go to other
cores among them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chips import make_chip
from support.equality import assert_equal_to_reference
from support.networks import random_layer

from neurosim.kernels.pulls import DENSE
from neurosim.run import job, simulator
from neurosim.run.encoding import InputCode
from neurosim.run.state import allocate_state
from neurosim_mapper.connections import ConvConnection
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork

pytestmark = pytest.mark.exactness


def two_convolutions(rng, chip, output):
    """A layer that sends nearly always, and one that has more axons than a core."""
    shape = (6, 5, 14)
    first = ConvConnection(rng.integers(-9, 10, (6, 6, 1, 1)), shape)
    weight = rng.integers(-127, 128, (5, 6, 3, 3))
    second = ConvConnection(weight, shape, padding=((1, 1), (1, 1)))
    layers = []
    for name, source, connection in (("first", INPUT, first), ("second", "first", second)):
        projections = (Projection(source, connection),)
        layer = random_layer(rng, chip, name, connection.out_shape, projections)
        modes = replace(layer.modes, output=output, n_max=1)
        columns = layer.columns._replace(theta=np.ones_like(layer.columns.theta))
        layers.append(replace(layer, modes=modes, columns=columns))
    code = InputCode("analog", 1.0, 0, 255)
    return QuantizedNetwork(
        tuple(layers), "second", shape, code, membrane_bits=chip.core.membrane_bits
    )


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("collision", ["add", "or"])
@pytest.mark.parametrize("output", ["analog", "spike"])
def test_dense_layers_on_shared_blocks(output, collision, threads, monkeypatch):
    states = []

    def allocate(*arguments):
        states.append(allocate_state(*arguments))
        return states[-1]

    monkeypatch.setattr(job, "allocate_state", allocate)
    monkeypatch.setattr(simulator, "TOGETHER_NEURONS", 1)
    chip = make_chip(
        grid={"wide": 24, "high": 24},
        core__axons=32,
        core__neurons=32,
        core__axon_collision=collision,
    )
    rng = np.random.default_rng(17)
    network = two_convolutions(rng, chip, output)
    program = map_network(network, chip, placer="row-major")
    shared = program.image.products.block >= 0
    assert shared.sum() >= 8
    assert (program.image.blocks.psum[shared] >= 0).any()
    x = rng.integers(0, 256, (1, 8, *network.input_shape))
    x[0, 4:6] *= rng.random((2, *network.input_shape)) < 0.05
    assert_equal_to_reference(program, network, x, threads=threads)
    assert any((state.history.pulled == DENSE).any() for state in states)
