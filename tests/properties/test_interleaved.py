"""Random loops over several layers without memory: samples take turns, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip, random_chip
from support.networks import random_dense, random_input, random_network

import neurosim
from neurosim.cluster.samples import join_runs
from neurosim.cost.counters import totals
from neurosim.errors import DoesNotFitError, UnsupportedError, UsageError
from neurosim.run.interleave import apart, interleaved, samples_of_passes
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedLayer, QuantizedNetwork
from neurosim_mapper.reference import run_reference
from neurosim_mapper.schedule import has_memory

pytestmark = pytest.mark.exactness


def forgetful(layer: QuantizedLayer) -> QuantizedLayer:
    """The same neurons without anything that lasts."""
    columns = layer.columns
    zero = np.zeros_like(columns.theta)
    columns = columns._replace(
        alpha_num=zero, rho_post=zero, v_start=np.maximum(columns.beta, columns.floor)
    )
    modes = replace(layer.modes, silent_step=False, reset="none")
    return replace(layer, columns=columns, modes=modes, alpha_syn=None)


def looping(rng: np.random.Generator, network: QuantizedNetwork) -> QuantizedNetwork:
    """The network without memory, its last layer heard by some of those before it."""
    last = network.layers[-1]
    layers = []
    for layer in map(forgetful, network.layers):
        if rng.random() < 0.6:
            back = random_dense(rng, last.n_neurons, layer.n_neurons)
            more = Projection(last.name, back, int(rng.integers(1, 3)))
            layer = replace(layer, projections=(*layer.projections, more))
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def mapped(seed: int):
    """A network, its program and a generator; None if it does not fit."""
    rng = np.random.default_rng(seed)
    chip = random_chip(rng)
    network = looping(rng, random_network(rng, chip))
    assert not any(map(has_memory, network.layers))
    try:
        program = map_network(network, chip, placer="row-major", seed=seed)
    except (DoesNotFitError, UnsupportedError):
        return None
    return network, program, rng


@given(st.integers(0, 2**32 - 1))
def test_the_chip_equals_the_reference(seed):
    """The reference plays every sample by itself; it knows nothing of turns."""
    found = mapped(seed)
    if found is None:
        return
    network, program, rng = found
    x = random_input(rng, network, int(rng.integers(1, 6)), n_ticks=int(rng.integers(1, 6)))
    run = neurosim.simulate(program, x, threads=int(rng.integers(1, 3)))
    np.testing.assert_array_equal(run.outputs, run_reference(network, x))
    assert run.counters.n_samples == len(x)
    assert run.counters.n_passes == -(-len(x) // program.interleave)


def test_turns_are_taken_where_they_must_be():
    """The property above means little without them."""
    found = [mapped(seed) for seed in range(60)]
    turns = [program.interleave for _, program, _ in filter(None, found)]
    assert len(turns) > 40
    assert len([n for n in turns if n > 1]) > 8
    assert max(turns) > 2


@pytest.fixture(scope="module")
def one():
    """A program in which at least two samples take turns."""
    return next(f for f in map(mapped, range(60)) if f and f[1].interleave > 1)


def test_parts_of_a_run_join_to_the_whole(one):
    network, program, rng = one
    x = random_input(rng, network, 2 * program.interleave + 1, n_ticks=4)
    whole, at = neurosim.simulate(program, x), program.interleave
    parts = [neurosim.simulate(program, part) for part in (x[:at], x[at:])]
    joined = join_runs(parts)
    np.testing.assert_array_equal(joined.outputs, whole.outputs)
    assert joined.counters.n_samples == len(x)
    assert totals(program, joined.counters) == totals(program, whole.counters)


def test_a_sample_cannot_be_played_in_pieces(one):
    _, program, _ = one
    with pytest.raises(UsageError, match="samples at once; a single one cannot be played piece"):
        neurosim.simulate_chunks(program, [], 3)


def test_sorting_samples_in_and_out():
    """Step s of sample k is chip tick 3 s + k of its pass; what is missing is 0."""
    x = np.arange(2 * 4, dtype=np.int16).reshape(4, 2, 1) + 1
    passes = interleaved(x, 3)
    assert passes[..., 0].tolist() == [[1, 3, 5, 2, 4, 6], [7, 0, 0, 8, 0, 0]]
    np.testing.assert_array_equal(apart(passes.astype(np.int32), 3, 4), x)
    assert samples_of_passes(4, 3).tolist() == [3, 1]
    assert samples_of_passes(0, 3).tolist() == []
    assert interleaved(x, 1) is x


def test_a_network_that_remembers_is_refused_by_name():
    rng = np.random.default_rng(3)
    chip = make_chip()
    network = random_network(rng, chip)
    while len(network.layers) < 2 or not has_memory(network.layers[0]):
        network = random_network(rng, chip)
    first, last = network.layers[0], network.layers[-1]
    forth = Projection(first.name, random_dense(rng, first.n_neurons, last.n_neurons))
    back = Projection(last.name, random_dense(rng, last.n_neurons, first.n_neurons), 1)
    inputs = tuple(p for p in first.projections if p.source == INPUT)
    layers = (
        replace(first, projections=(*inputs, back)),
        replace(last, projections=(forth,)),
    )
    loop = replace(network, layers=layers, output=last.name)
    with pytest.raises(UnsupportedError, match=f"samples could take turns; '{first.name}' has"):
        map_network(loop, chip, placer="row-major")
