"""The network against formulas and bounds (the rules are in `neurosim.noc.model`)."""

import csv
from pathlib import Path

import numpy as np
import pytest

from neurosim.noc import Noc, TickNetwork, simulate_noc
from neurosim.noc.theory import (
    contention_latency,
    link_loads,
    saturation_bound,
    tick_estimate,
    zero_load_latency,
)
from neurosim.noc.traffic import TRAFFIC, bernoulli, flow_matrix

CURVES = Path(__file__).parents[1] / "data" / "noc" / "booksim_curves.csv"
KNEE = {
    ("uniform", 1): 0.368,
    ("uniform", 4): 0.416,
    ("transpose", 1): 0.145,
    ("transpose", 4): 0.136,
}


def manhattan(noc, a, b):
    return np.abs(a % noc.width - b % noc.width) + np.abs(a // noc.width - b // noc.width)


@pytest.mark.parametrize("pipeline", ["single", "default"])
@pytest.mark.parametrize("k", [4, 8])
@pytest.mark.parametrize("flits", [1, 3])
def test_zero_load_latency_of_every_pair(pipeline, k, flits):
    noc = Noc(width=k, height=k, pipeline=pipeline)
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(k * k), np.arange(k * k)))
    alone = np.arange(len(a)) * 200
    result = simulate_noc(noc, a, b, alone, flits)
    per_router = {"single": 3, "default": 5}[pipeline]
    expected = 2 + per_router * (manhattan(noc, a, b) + 1) + flits - 1
    np.testing.assert_array_equal(result.arrive_cycle - alone, expected)
    np.testing.assert_array_equal(zero_load_latency(noc, a, b, flits), expected)
    np.testing.assert_array_equal(result.inject_cycle, alone)


@pytest.mark.parametrize(("router", "link", "credit"), [(1, 1, 1), (3, 2, 1), (2, 5, 3)])
def test_zero_load_latency_of_the_general_pipeline(router, link, credit):
    noc = Noc(
        width=5, height=3, pipeline="general", router_cycles=router, link_cycles=link,
        credit_cycles=credit,
    )  # fmt: skip
    result = simulate_noc(noc, [0], [14], [7])
    assert result.latency.tolist() == [1 + link + (router + link) * 7]


@pytest.mark.parametrize("topology", ["mesh", "torus"])
def test_ring_distances(topology):
    noc = Noc(width=6, height=5, topology=topology, n_vcs=2)
    a, b = (grid.ravel() for grid in np.meshgrid(np.arange(30), np.arange(30)))
    dx, dy = np.abs(a % 6 - b % 6), np.abs(a // 6 - b // 6)
    if topology == "torus":
        dx, dy = np.minimum(dx, 6 - dx), np.minimum(dy, 5 - dy)
    result = simulate_noc(noc, a, b, np.arange(900) * 100)
    np.testing.assert_array_equal(result.hops, dx + dy + 1)
    np.testing.assert_array_equal(result.latency, 2 + 3 * (dx + dy + 1))


@pytest.mark.parametrize("buffer", [1, 2, 3, 4, 5, 6, 8])
def test_peak_throughput_of_one_link_is_the_credit_loop(buffer):
    """A place is used again 5 cycles later: one link carries min(1, buffer / 5) flits per cycle."""
    n = 2000
    noc = Noc(width=2, height=1, buffer_flits=buffer)
    result = simulate_noc(noc, np.zeros(n, int), np.ones(n, int), np.zeros(n, int))
    rate = (n - 1) / (result.arrive_cycle[-1] - result.arrive_cycle[0])
    assert rate == pytest.approx(min(1, buffer / 5), rel=0.01)


@pytest.mark.parametrize("pattern", ["bitcomp", "hotspot", "tornado", "transpose", "uniform"])
def test_saturation_is_never_above_the_bound(pattern):
    """Offered 10 % more than the bound, the network needs 10 % longer than the traffic lasts.

    (The mean throughput of a permutation may go above: flows that miss the full link go on. The
    bound of ``neighbor`` is one flit per cycle, and nobody can offer more.)
    """
    noc = Noc(width=8, height=8)
    bound = saturation_bound(noc, flow_matrix(noc, pattern))
    src, dst, create = bernoulli(noc, pattern, 1.1 * bound, 4000)
    result = simulate_noc(noc, src, dst, create)
    busiest = link_loads(noc, src, dst).max()
    assert result.drain_cycle >= busiest + 4  # not faster than the busiest link
    assert busiest > 1.02 * 4000


@pytest.mark.parametrize(("k", "bound"), [(4, 1.0), (8, 0.5), (16, 0.25)])
def test_bound_of_uniform_traffic_is_4_over_k(k, bound):
    noc = Noc(width=k, height=k)
    assert saturation_bound(noc, flow_matrix(noc, "uniform")) == pytest.approx(bound)


@pytest.mark.parametrize("routing", ["xy", "yx"])
@pytest.mark.parametrize("host_io", [False, True])
def test_flits_are_conserved_and_links_equal_the_difference_arrays(routing, host_io):
    noc = Noc(width=7, height=4, routing=routing, host_io=host_io)
    rng = np.random.default_rng(3)
    src, dst = rng.integers(0, noc.n_terminals, (2, 3000))
    flits = rng.integers(1, 5, 3000)
    result = simulate_noc(noc, src, dst, np.sort(rng.integers(0, 900, 3000)), flits)
    assert (result.arrive_cycle > result.inject_cycle).all()
    np.testing.assert_array_equal(result.link_flits, link_loads(noc, src, dst, flits))
    assert result.link_flits.sum() == (result.hops * flits).sum() == result.flit_hops


def test_arbitration_is_fair():
    """Five inputs that always want one output get a fifth each, over any long stretch."""
    noc = Noc(width=3, height=3)
    src = np.tile(np.array([1, 3, 4, 5, 7]), 500)
    result = simulate_noc(noc, src, np.full(2500, 4), np.zeros(2500, int))
    first = result.arrive_cycle <= 1000
    shares = np.bincount(src[first], minlength=9)[[1, 3, 4, 5, 7]]
    assert shares.max() - shares.min() <= 8  # those under way at the end


@pytest.mark.parametrize("k", [4, 8])
@pytest.mark.parametrize("pattern", sorted(TRAFFIC))
@pytest.mark.parametrize(("share", "error"), [(0.2, 0.005), (0.4, 0.0225)])
def test_contention_formula(k, pattern, share, error):
    """Within 2 % at 40 % of the bound (and a quarter of a percent of noise)."""
    noc = Noc(width=k, height=k)
    flows = flow_matrix(noc, pattern)
    rate = share * saturation_bound(noc, flows)
    src, dst, create = bernoulli(noc, pattern, rate, 8000, seed=1)
    result = simulate_noc(noc, src, dst, create)
    # the formula is for the pattern; take the drawn packets' own distance out of the noise
    drawn = zero_load_latency(noc, src, dst).mean()
    a, b = np.nonzero(flows)
    exact = np.average(zero_load_latency(noc, a, b), weights=flows[a, b])
    load = contention_latency(noc, flows, rate)
    assert load.valid
    assert load.latency - exact + drawn == pytest.approx(result.latency[500:].mean(), rel=error)


def test_formula_says_when_it_is_outside_its_validity():
    noc = Noc()
    flows = flow_matrix(noc, "uniform")
    assert contention_latency(noc, flows, 0.34).valid
    assert not contention_latency(noc, flows, 0.36).valid


@pytest.mark.parametrize("seed", range(5))
def test_tick_estimate_holds_its_band(seed):
    noc = Noc(width=8, height=8)
    rng = np.random.default_rng(seed)
    n = int(rng.integers(64, 1500))
    src, dst = rng.integers(0, 64, (2, n))
    played = TickNetwork(noc).play(src, dst, np.zeros(n, int))
    estimate = tick_estimate(noc, src, dst)
    low, high = estimate.error_band
    assert estimate.lower_bound_cycles <= played.drain_cycles[0]
    assert low * estimate.cycles <= played.drain_cycles[0] <= high * estimate.cycles


def curve_points():
    with CURVES.open() as text:
        for row in csv.DictReader(text):
            key = row["traffic"], int(row["num_vcs"])
            if row["state"] == "stable" and float(row["rate_flits"]) < 0.9 * KNEE[key]:
                yield *key, float(row["rate_flits"]), float(row["packet_latency"])


@pytest.mark.parametrize(("pattern", "vcs", "rate", "latency"), list(curve_points()))
def test_latency_curves_of_the_reference_simulator(pattern, vcs, rate, latency):
    """Within 3 % up to 90 % of saturation, with traffic of our own."""
    noc = Noc(n_vcs=vcs)
    src, dst, create = bernoulli(noc, pattern, rate, 8000, seed=2)
    result = simulate_noc(noc, src, dst, create)
    mine = (create >= 1500) & (create < 7500)
    assert result.latency[mine].mean() == pytest.approx(latency, rel=0.03)
