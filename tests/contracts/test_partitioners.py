"""Every partitioner keeps the same promises: each neuron once, all sources heard, limits kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip, random_chip
from support.networks import random_dense, random_layer, random_network

from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim.run.encoding import InputCode
from neurosim_mapper.connections import DenseConnection
from neurosim_mapper.partition import PARTITIONERS
from neurosim_mapper.partition.kernels import shared_cells
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork
from neurosim_mapper.schedule import schedule_layers
from neurosim_mapper.wiring import wire


def assert_keeps_its_promises(network, chip, partition, schedule):
    groups = partition.groups
    for layer in network.layers:
        owners = [g.neurons for g in groups if g.layer == layer.name and g.owner is None]
        found = np.sort(np.concatenate(owners))
        np.testing.assert_array_equal(found, np.arange(layer.n_neurons), err_msg=layer.name)
    heard = {}
    for number, group in enumerate(groups):
        owner = number if group.owner is None else group.owner
        np.testing.assert_array_equal(group.neurons, groups[owner].neurons)
        assert groups[owner].owner is None
        for projection, sources in group.inputs:
            assert (np.diff(sources) > 0).all()
            heard.setdefault((owner, projection), []).append(sources)
    for number, group in enumerate(groups):
        if group.owner is None:
            for i, projection in enumerate(network.by_name[group.layer].projections):
                parts = heard.get((number, i), [np.empty(0, np.int64)])
                found = np.sort(np.concatenate(parts))
                expected = projection.connection.sources_of(np.unique(group.neurons))
                np.testing.assert_array_equal(found, expected)
    wiring = wire(network, partition, schedule, chip.core.destinations_per_neuron)
    limits = CoreLimits.of(chip)
    for core, axons, neurons in zip(
        partition.cores, np.diff(wiring.axon_offset), np.diff(wiring.neuron_offset), strict=True
    ):
        shared = sum(shared_cells(network.by_name[g.layer], g, limits) for g in core)
        assert bool(limits.fits(axons, neurons, shared))


@pytest.mark.parametrize("name", PARTITIONERS)
@given(seed=st.integers(0, 2**32 - 1))
def test_random_networks(name, seed):
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, core__fan_in_extension=str(rng.choice(["none", "psum_hw"])))
    network = random_network(rng, chip)
    try:
        schedule = schedule_layers(network, chip)
        partition = PARTITIONERS[name](network, chip, schedule)
    except (DoesNotFitError, UnsupportedError):
        return
    assert_keeps_its_promises(network, chip, partition, schedule)


@pytest.mark.parametrize("name", PARTITIONERS)
def test_the_same_twice(name):
    rng = np.random.default_rng(7)
    chip = random_chip(rng)
    network = random_network(rng, chip)
    schedule = schedule_layers(network, chip)
    first, second = (PARTITIONERS[name](network, chip, schedule) for _ in range(2))
    for one, other in zip(first.groups, second.groups, strict=True):
        assert one.layer == other.layer
        np.testing.assert_array_equal(one.neurons, other.neurons)
        for (i, a), (j, b) in zip(one.inputs, other.inputs, strict=True):
            assert i == j
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", PARTITIONERS)
def test_a_layer_that_hears_nothing(name):
    rng = np.random.default_rng(0)
    chip = make_chip()
    silent = Projection(INPUT, DenseConnection(np.zeros((5, 4), np.int64)))
    network = QuantizedNetwork(
        (random_layer(rng, chip, "a", (5,), (silent,)),), "a", (4,), InputCode("spike"), 24
    )
    schedule = schedule_layers(network, chip)
    partition = PARTITIONERS[name](network, chip, schedule)
    assert len(partition.cores) == 1
    assert_keeps_its_promises(network, chip, partition, schedule)


@pytest.mark.parametrize("name", PARTITIONERS)
def test_a_neuron_that_no_core_can_hold(name):
    rng = np.random.default_rng(0)
    chip = make_chip(core__fan_in_extension="none", core__axons=8)
    dense = Projection(INPUT, random_dense(rng, 40, 3))
    network = QuantizedNetwork(
        (random_layer(rng, chip, "big", (3,), (dense,)),), "big", (40,), InputCode("spike"), 24
    )
    with pytest.raises(DoesNotFitError, match="'big'"):
        PARTITIONERS[name](network, chip, schedule_layers(network, chip))


@pytest.mark.parametrize("name", PARTITIONERS)
def test_one_core_is_enough_for_a_small_network(name):
    rng = np.random.default_rng(0)
    chip = make_chip(core__axons=64, core__neurons=32)
    layers = (
        random_layer(rng, chip, "a", (10,), (Projection(INPUT, random_dense(rng, 20, 10)),)),
        random_layer(rng, chip, "b", (5,), (Projection("a", random_dense(rng, 10, 5)),)),
    )
    network = QuantizedNetwork(layers, "b", (20,), InputCode("spike"), 24)
    partition = PARTITIONERS[name](network, chip, schedule_layers(network, chip))
    assert len(partition.cores) == 1
