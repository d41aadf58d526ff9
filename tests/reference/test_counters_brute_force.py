"""Every counter equals a slow count of the same run, packet by packet and event by event."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.brute_force import count_by_hand, link_number
from support.chips import make_chip, random_chip
from support.networks import random_input, random_network

import neurosim
from neurosim.cost.bandwidth import bandwidth, bits_by_axis, link_name, n_router_links
from neurosim.cost.counters import link_bits, totals
from neurosim.errors import DoesNotFitError, InputFileError
from neurosim_mapper.legalize import legalize
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.reference import trace_reference

SLOW = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def random_run(seed, **chip_keys):
    """A mapped random network, its run, and the slow count; None if it does not fit."""
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, **chip_keys)
    try:
        network = random_network(rng, chip)
        program = map_network(
            network, chip, placer=str(rng.choice(["row-major", "random"])), seed=seed
        )
    except (DoesNotFitError, InputFileError):
        return None
    x = random_input(rng, network, n_samples=2, n_ticks=int(rng.integers(1, 5)))
    run = neurosim.simulate(program, x)
    legal, _ = legalize(network, chip)
    return run, count_by_hand(program, trace_reference(legal, x))


def assert_equal_counts(run, counted):
    program, chip, n_router = run.program, run.program.chip, 4 * run.program.chip.n_cores
    fast = totals(program, run.counters)
    assert fast == {name: counted.total[name] for name in fast}

    per_link = np.zeros(program.n_links, np.int64)
    for loads in counted.link_bits.values():
        for link, bits in loads.items():
            per_link[link_number(chip, link)] += bits
    np.testing.assert_array_equal(link_bits(program, run.counters), per_link)

    for sample in range(run.counters.n_samples):
        for tick in range(run.counters.n_chip_ticks):
            loads = counted.link_bits[sample, tick]
            between = {link_number(chip, link): bits for link, bits in loads.items()}
            between = {number: bits for number, bits in between.items() if number < n_router}
            most = max(between.values(), default=0)
            where = min((n for n, bits in between.items() if bits == most), default=-1)
            assert run.counters.peak_bits[sample, tick] == most
            assert run.counters.peak_link[sample, tick] == where

    by_tick = np.zeros((run.counters.n_chip_ticks, program.n_links), np.int64)
    for (_, tick), loads in counted.link_bits.items():
        for link, bits in loads.items():
            by_tick[tick, link_number(chip, link)] += bits
    windows = np.zeros_like(by_tick)
    windows[:, run.counters.window_link] = run.counters.window_bits
    np.testing.assert_array_equal(windows, by_tick)


def assert_equal_bandwidth(run, counted):
    chip = run.program.chip
    loads = [
        (bits, link_number(chip, link))
        for tick in counted.link_bits.values()
        for link, bits in tick.items()
        if link[0] not in ("in", "out")
    ]
    most = max((bits for bits, _ in loads), default=0)
    where = min((link for bits, link in loads if bits == most), default=-1)
    result = bandwidth(run.program, run.counters)
    assert result.peak_link_bits_per_tick == most
    assert result.peak_link == link_name(chip, where)
    assert result.bit_hops == sum(bits for bits, _ in loads)
    link_ticks = n_router_links(chip) * run.counters.busy_cycles.size
    assert result.mean_link_bits_per_tick == pytest.approx(result.bit_hops / link_ticks)

    along = bits_by_axis(run.program, run.counters)
    assert along.x + along.y == result.bit_hops
    assert along.io == counted.total["io_bits"]


@SLOW
@given(st.integers(0, 2**32 - 1))
def test_counters_of_random_networks(seed):
    found = random_run(seed)
    if found is not None:
        assert_equal_counts(*found)
        assert_equal_bandwidth(*found)


@pytest.mark.parametrize("seed", range(4))
def test_counters_on_an_array_of_chips(seed):
    """Crossings are counted where a link leaves a chip."""
    small = {"wide": 2, "high": 3}
    found = random_run(
        seed, grid=small, array={"wide": 5, "high": 4}, noc__topology="mesh", core__axons=24
    )
    assert found is not None
    assert_equal_counts(*found)
    assert found[1].total["crossings"] > 0


def test_the_property_sees_everything():
    """Among the first draws each kind of packet and event occurs, or the property says little."""
    seen: set[str] = set()
    for seed in range(30):
        found = random_run(seed)
        if found is not None:
            seen |= {name for name, n in found[1].total.items() if n}
    wanted = set(totals(found[0].program, found[0].counters)) - {"crossings"}
    assert wanted <= seen


def test_traffic_does_not_depend_on_the_network_model():
    rng = np.random.default_rng(3)
    chip = make_chip()
    network = random_network(rng, chip)
    program = map_network(network, chip)
    x = random_input(rng, network, n_samples=2, n_ticks=3)
    ideal, cycle = (neurosim.simulate(program, x, noc=noc) for noc in ("ideal", "cycle"))
    assert totals(program, ideal.counters) == totals(program, cycle.counters)
    np.testing.assert_array_equal(ideal.outputs, cycle.outputs)
    assert (cycle.counters.busy_cycles >= ideal.counters.busy_cycles).all()
