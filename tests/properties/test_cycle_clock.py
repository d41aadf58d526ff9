"""The cycle-level clock: same results as the ideal one, never faster, the same on any thread."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip, random_chip
from support.networks import random_input, random_network

import neurosim
from neurosim.chip.model import PACKET_KINDS
from neurosim.clock.ideal_validity import most_cycles
from neurosim.cost.counters import link_packets
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim.program.columns import N_DIRECTIONS
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.route.dimension_order import dead_link_numbers


def mapped(seed, **options):
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, **options)
    network = random_network(rng, chip)
    program = map_network(network, chip, placer="random", seed=seed)
    x = random_input(rng, network, n_samples=3, n_ticks=int(rng.integers(1, 6)))
    return program, x


def flits_by_program(program, run):
    """Flits over each router link, by the flows of the program."""
    flits = np.array([program.chip.flits(kind) for kind in PACKET_KINDS])
    return (flits @ link_packets(program, run.counters))[: N_DIRECTIONS * program.chip.n_cores]


def flits_by_network(program, run):
    """The same, counted by the routers."""
    seen = run.network.link_flits[:, :N_DIRECTIONS].copy()
    west_edge = np.arange(program.chip.high) * program.chip.wide
    seen[west_edge, 1] = 0  # on the west edge this output leads to the host
    return seen.reshape(-1)


def receiving(cycles):
    """The key of a chip whose cores take so long for a packet; None: as long as its port."""
    if cycles is None:
        return {}
    quantity = {"value": cycles, "source": "test value", "kind": "assumption"}
    return {"timing__packet_receive_cycles": quantity}


@given(st.integers(0, 2**32 - 1), st.sampled_from([None, None, 0.5, 9]))
def test_the_network_model_never_changes_a_result(seed, receive):
    try:
        program, x = mapped(seed, **receiving(receive))
    except (DoesNotFitError, UnsupportedError):
        return
    ideal = neurosim.simulate(program, x, noc="ideal", threads=1)
    cycle = neurosim.simulate(program, x, noc="cycle", threads=1)
    np.testing.assert_array_equal(ideal.outputs, cycle.outputs)
    np.testing.assert_array_equal(ideal.counters.core, cycle.counters.core)
    np.testing.assert_array_equal(ideal.counters.flow_packets, cycle.counters.flow_packets)
    assert (cycle.counters.busy_cycles >= ideal.counters.bounds.max(axis=-1)).all()
    assert (cycle.counters.busy_cycles <= most_cycles(program, ideal.counters)).all()


@given(st.integers(0, 2**32 - 1))
def test_it_carries_every_packet_over_the_links_of_its_route(seed):
    """Flits over each router link, counted by the network and by the flows of the program."""
    try:
        program, x = mapped(seed, noc__topology="mesh")
    except (DoesNotFitError, UnsupportedError):
        return
    run = neurosim.simulate(program, x, noc="cycle", threads=1)
    np.testing.assert_array_equal(flits_by_network(program, run), flits_by_program(program, run))


def test_a_core_that_takes_long_for_a_packet_keeps_the_next_one_waiting():
    """Eight inputs of one core, one after the other: each costs the whole time of taking it in."""
    n = 8
    busy, traffic = {}, {}
    for cycles in (20, 30):
        chip = make_chip(**receiving(cycles), core__axons=n)
        builder = neurosim.ProgramBuilder(chip, n_inputs=n)
        core = builder.add_core(0, 0)
        core.set_weights(np.ones((n, 1), int))
        core.set_liaf(theta=1000)
        builder.connect_inputs(range(n), core, axons=range(n))
        builder.add_layer("out", [(core, [0])])
        program = builder.build(output="out")
        run = neurosim.simulate(program, np.ones((1, 1, n)), noc="cycle")
        busy[cycles] = int(run.counters.busy_cycles[0, 0])
        traffic[cycles] = int(run.counters.bounds[0, 0, 2])
    assert traffic == {20: 20 * n, 30: 30 * n}
    assert busy[30] - busy[20] == 10 * n
    assert busy[20] > 20 * n


@pytest.mark.parametrize("multicast", ["none", "tree", "relay"])
def test_round_dead_links_both_models_count_the_same(multicast):
    """A mapped network on a chip whose dimension-order ways are broken in the middle."""
    rng = np.random.default_rng(5)
    dead = [((1, 0), (2, 0)), ((1, 1), (2, 1)), ((0, 1), (0, 2))]
    chip = make_chip(noc__multicast=multicast, grid={"wide": 4, "high": 4}, dead_links=dead)
    network = random_network(rng, chip)
    program = map_network(network, chip, placer="random", seed=1)
    x = random_input(rng, network, n_samples=2, n_ticks=4)
    run = neurosim.simulate(program, x, noc="cycle", threads=1)
    links = flits_by_program(program, run)
    np.testing.assert_array_equal(flits_by_network(program, run), links)
    assert not links[dead_link_numbers(chip)].any()
    whole = map_network(network, make_chip(grid={"wide": 4, "high": 4}), placer="random", seed=1)
    np.testing.assert_array_equal(run.outputs, neurosim.simulate(whole, x).outputs)


def test_threads_change_no_cycle():
    rng = np.random.default_rng(11)
    chip = make_chip(noc__multicast="tree")
    network = random_network(rng, chip)
    program = map_network(network, chip, placer="row-major")
    x = random_input(rng, network, n_samples=9, n_ticks=6)
    one = neurosim.simulate(program, x, noc="cycle", threads=1)
    for threads in (2, 7):
        many = neurosim.simulate(program, x, noc="cycle", threads=threads)
        np.testing.assert_array_equal(one.counters.busy_cycles, many.counters.busy_cycles)
        for item in dataclasses.fields(one.network):
            seen, expected = (getattr(run.network, item.name) for run in (many, one))
            np.testing.assert_array_equal(seen, expected, err_msg=item.name)
