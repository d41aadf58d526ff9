"""Folded programs of every kind: each way of a large fan-in, with loops, skips, relays, kernels.

Networks several times too large for their chip, equal to the reference bit for bit; and a count of
what is drawn, since what is never drawn is never tested.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chips import make_chip
from support.equality import assert_equal_to_reference
from support.folded import FAN_IN, draw_folded, same_conv, traits
from support.networks import random_dense, random_input, random_layer

from neurosim.run.encoding import InputCode
from neurosim_mapper.connections import DenseConnection, DiagonalConnection
from neurosim_mapper.legalize import legalize
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork

pytestmark = pytest.mark.exactness

KINDS = [(fan_in, False) for fan_in in FAN_IN] + [
    (fan_in, True) for fan_in in FAN_IN if fan_in != "axon_types"
]


@settings(max_examples=40)
@given(st.sampled_from(KINDS), st.integers(0, 2**32 - 1))
def test_folded_equals_reference(kind, seed):
    made = draw_folded(np.random.default_rng(seed), *kind)
    if made is not None:
        assert_equal_to_reference(*made)


@pytest.mark.parametrize(("fan_in", "kernels"), KINDS)
def test_every_kind_is_drawn(fan_in, kernels):
    """Each trait, in a folded program, within a few draws."""
    wanted = {"three phases", "loop", "skip", "relay", "packed", "current"}
    wanted |= {"kernels"} if kernels else set()
    wanted |= set() if fan_in == "none" else {fan_in}
    for seed in range(60):
        made = draw_folded(np.random.default_rng(seed), fan_in, kernels)
        wanted -= set() if made is None else traits(made)
        if not wanted:
            return
    raise AssertionError(f"never drawn: {wanted}")


def residual(rng, chip):
    """A convolution and the identity past it, from the same layer: weights that meet."""
    shape = (2, 4, 4)
    conv = same_conv(rng, shape, 2)
    full = replace(conv, weight=np.full_like(conv.weight, 127))
    identity = DiagonalConnection(np.full(32, 127))
    layers = (
        random_layer(rng, chip, "a", shape, (Projection(INPUT, conv),)),
        random_layer(rng, chip, "b", shape, (Projection("a", full), Projection("a", identity))),
    )
    return QuantizedNetwork(layers, "b", shape, InputCode("spike"), chip.core.membrane_bits)


@pytest.mark.parametrize("fan_in", ["none", "psum_hw", "psum_tree", "axon_merge"])
@pytest.mark.parametrize("kernels", [False, True])
def test_weights_that_do_not_add_up_take_two_axons(fan_in, kernels):
    """127 + 127 is no weight of 8 bits."""
    rng = np.random.default_rng(0)
    chip = make_chip(
        core__axons=64 if fan_in == "none" else 24,
        core__fan_in_extension=fan_in,
        core__shared_kernel=kernels,
        packet__analog_payload_bits=24,
        grid={"wide": 1, "high": 1},
    )
    network = residual(rng, chip)
    _, notes = legalize(network, chip)
    assert any("parallel projections add up to more than -128..127" in note for note in notes)
    program = map_network(network, chip, placer="row-major", fold="auto")
    assert program.n_phases > 1
    assert_equal_to_reference(program, network, random_input(rng, network, 2, 5))


def test_weights_that_add_up_share_their_axons():
    rng = np.random.default_rng(0)
    chip = make_chip()
    network = residual(rng, chip)
    half = replace(network.layers[1].projections[1], connection=DiagonalConnection(np.zeros(32)))
    b = replace(network.layers[1], projections=(network.layers[1].projections[0], half))
    legal, notes = legalize(replace(network, layers=(network.layers[0], b)), chip)
    assert [p.axon_type for p in legal.by_name["b"].projections] == [0, 0]
    assert notes == ()


def test_a_synapse_of_one_bit_takes_an_axon_per_parallel_projection():
    """TrueNorth: weight 1 twice from one input is two axons of type 0, 4 types apart."""
    rng = np.random.default_rng(0)
    chip = make_chip(core__weight_scheme="axon_types", core__axon_types=4)
    ones = DenseConnection(np.ones((3, 5), np.int64))
    layer = random_layer(rng, chip, "a", (3,), (Projection(INPUT, ones), Projection(INPUT, ones)))
    network = QuantizedNetwork((layer,), "a", (5,), InputCode("spike"), 24)
    legal, _ = legalize(network, chip)
    assert [p.axon_type for p in legal.by_name["a"].projections] == [0, 4]
    program = map_network(network, chip, placer="row-major")
    assert program.n_axons == 10
    assert_equal_to_reference(program, network, random_input(rng, network, 2, 4))


def test_a_recurrent_layer_keeps_its_loop_beside_a_tree_of_sums():
    """90 inputs and 8 of its own on 16 axons: three levels of sums ahead, the loop at once."""
    rng = np.random.default_rng(2)
    chip = make_chip(core__axons=16, core__fan_in_extension="psum_tree",
                     packet__analog_payload_bits=24, grid={"wide": 2, "high": 2})  # fmt: skip
    loop = Projection("a", random_dense(rng, 8, 8), 1)
    forward = Projection(INPUT, random_dense(rng, 90, 8))
    layer = random_layer(rng, chip, "a", (8,), (forward, loop))
    network = QuantizedNetwork((layer,), "a", (90,), InputCode("spike"), 24)
    program = map_network(network, chip, placer="row-major", fold="auto")
    assert_equal_to_reference(program, network, random_input(rng, network, 2, 6))
