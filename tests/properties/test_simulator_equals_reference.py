"""The central test: the mapped chip gives what the reference executor gives, bit for bit.

Random networks, chips, placements and thread counts; every output and every membrane potential.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip, random_chip
from support.equality import assert_equal_to_reference
from support.networks import random_input, random_network

import neurosim
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim_mapper.pipeline import map_network

pytestmark = pytest.mark.exactness


@given(st.integers(0, 2**32 - 1))
def test_random_networks_on_random_chips(seed):
    rng = np.random.default_rng(seed)
    chip = random_chip(rng)
    network = random_network(rng, chip)
    try:
        program = map_network(
            network, chip, placer=str(rng.choice(["row-major", "random"])), seed=seed
        )
    except (DoesNotFitError, UnsupportedError):
        return
    x = random_input(rng, network, n_samples=3, n_ticks=int(rng.integers(1, 8)))
    assert_equal_to_reference(program, network, x, threads=int(rng.integers(1, 4)))


def test_most_random_networks_do_fit():
    """The property above skips what does not fit; that must stay the exception."""
    mapped = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        chip = random_chip(rng)
        try:
            map_network(random_network(rng, chip), chip, placer="row-major")
        except (DoesNotFitError, UnsupportedError):
            continue
        mapped += 1
    assert mapped >= 30


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_change_nothing(threads):
    rng = np.random.default_rng(5)
    chip = make_chip()
    network = random_network(rng, chip)
    program = map_network(network, chip, placer="row-major")
    x = random_input(rng, network, n_samples=9, n_ticks=6)
    one = neurosim.simulate(program, x, threads=1)
    run = assert_equal_to_reference(program, network, x, threads=threads)
    for name, column in one.counters.columns().items():
        np.testing.assert_array_equal(run.counters.columns()[name], column, err_msg=name)
