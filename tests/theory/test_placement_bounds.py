"""Placement against optima that are known and bounds that are proven."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chips import make_chip
from support.placements import (
    brute_force_distance,
    brute_force_square,
    grid_chip,
    random_nets,
    random_traffic,
    shuffled_grid,
)

from neurosim_mapper.place import PLACERS, PlacementProblem, problem_of_pairs
from neurosim_mapper.place._assignment_kernel import assign_rows
from neurosim_mapper.place.bounds import lower_bounds
from neurosim_mapper.place.cost import placement_cost
from neurosim_mapper.place.problem import no_pins
from neurosim_mapper.place.spectral import smooth_vectors


def distance(problem, placer="annealing", seed=0):
    placement = PLACERS[placer](problem, np.random.default_rng(seed))
    return placement_cost(problem, problem.routers(placement)).distance


def small_problem(seed):
    """Up to four cores with trees and host traffic on a chip of up to six, of any kind."""
    rng = np.random.default_rng(seed)
    shape = [(3, 2), (2, 3), (5, 1), (2, 2)][rng.integers(4)]
    chip = make_chip(
        grid={"wide": shape[0], "high": shape[1]},
        noc__topology=str(rng.choice(["mesh", "torus"])),
        noc__routing=str(rng.choice(["xy", "yx"])),
        dead_cores=[[1, 0]] if rng.random() < 0.3 else [],
    )
    return random_nets(rng, chip, int(rng.integers(1, min(4, len(chip.usable_cores)) + 1)))


def test_brute_force_optimum_of_fifty_random_squares():
    """3x3 cores, 50 random traffic matrices: the optimum, 50 times of 50; and no bound is above."""
    for seed in range(50):
        problem = random_traffic(3, 3, 9, seed)
        optimum = brute_force_square(problem)
        assert distance(replace(problem, congestion_share=0.0), seed=seed) == optimum
        assert max(lower_bounds(problem).values()) <= optimum


@given(st.integers(0, 2**32 - 1))
def test_no_bound_is_above_the_optimum(seed):
    problem = small_problem(seed)
    assert max(lower_bounds(problem).values()) <= brute_force_distance(problem)


@given(st.integers(0, 2**32 - 1))
def test_no_bound_with_pins_and_regions_is_above_the_optimum(seed):
    """Nor below the bound without them: a pin takes choices away."""
    rng = np.random.default_rng(seed)
    free = small_problem(seed)
    home = rng.permutation(free.usable)[: free.n_cores]
    wide, high = free.chip.wide, free.chip.high
    pins = np.where(rng.random(free.n_cores) < 0.4, home, -1)
    x, y = home % wide, home // wide
    regions = np.stack([x * rng.integers(0, 2), y, np.maximum(x, wide - 2), y], axis=1)
    regions[rng.random(free.n_cores) < 0.5] = (0, 0, wide - 1, high - 1)
    problem = replace(free, pins=pins, regions=regions.astype(np.int32))
    allowed = [
        np.array(routers)
        for routers in permutations(free.usable.tolist(), free.n_cores)
        if all(
            r in (pins[i], r if pins[i] < 0 else -1)
            and regions[i, 0] <= r % wide <= regions[i, 2]
            and regions[i, 1] <= r // wide <= regions[i, 3]
            for i, r in enumerate(routers)
        )
    ]
    optimum = min(placement_cost(problem, routers).distance for routers in allowed)
    bounds, looser = lower_bounds(problem), lower_bounds(free)
    assert max(bounds.values()) <= optimum
    assert bounds["gilmore-lawler"] >= looser["gilmore-lawler"]


def test_bound_of_pinned_cores_is_what_they_cost():
    """All pinned, single flows: nothing is left to choose."""
    problem = random_traffic(3, 3, 9, 1)
    problem = replace(problem, pins=np.random.default_rng(1).permutation(9))
    assert lower_bounds(problem)["gilmore-lawler"] == placement_cost(problem, problem.pins).distance


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_no_bound_of_a_folded_program_is_above_the_optimum(seed):
    """Cores of up to three phases on two to four routers, in every arrangement that there is."""
    rng = np.random.default_rng(seed)
    shape = [(2, 1), (3, 1), (2, 2)][rng.integers(3)]
    chip = make_chip(
        grid={"wide": shape[0], "high": shape[1]},
        noc__topology=str(rng.choice(["mesh", "torus"])),
        dead_cores=[[1, 0]] if shape == (2, 2) and rng.random() < 0.3 else [],
    )
    sizes = rng.integers(1, min(3, len(chip.usable_cores)) + 1, int(rng.integers(2, 4)))
    n = int(sizes.sum())
    nets = random_nets(rng, grid_chip(4, 4), n).nets
    phase = np.repeat(np.arange(sizes.size), sizes)
    problem = PlacementProblem(chip, n, nets, no_pins(n), phase=phase)
    ways = [permutations(problem.usable.tolist(), int(size)) for size in sizes]
    optimum = min(
        placement_cost(problem, np.array(sum(way, ()), np.int64)).distance
        for way in product(*map(list, ways))
    )
    assert max(lower_bounds(problem).values()) <= optimum


def test_folded_bounds_that_are_exact():
    """A core that hears four of another phase: one at distance 0, three next to it."""
    flows = (np.zeros(4, np.int64), np.arange(1, 5), np.array([9, 5, 3, 2]))
    nets = problem_of_pairs(grid_chip(3, 3), 5, *flows).nets
    phase = np.array([0, 1, 1, 1, 1])
    problem = PlacementProblem(grid_chip(3, 3), 5, nets, no_pins(5), phase=phase)
    bounds = lower_bounds(problem)
    # Its own view counts 0 x 9 + 5 + 3 + 2, theirs nothing (each could share its router): half.
    assert bounds["degree"] == bounds["gilmore-lawler"] == (5 + 3 + 2) / 2
    # With the first core in the middle of the mesh: the placement that its own view describes.
    assert placement_cost(problem, np.array([4, 4, 1, 3, 5])).distance == 5 + 3 + 2


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_grid_of_known_optimum(seed):
    problem, optimum = shuffled_grid(16, seed)
    assert lower_bounds(problem)["degree"] == optimum
    assert distance(problem, seed=seed) <= 1.15 * optimum


def test_chain_of_known_optimum():
    """A chain folds into any chip with every step of length 1."""
    order = np.random.default_rng(5).permutation(30)
    problem = problem_of_pairs(grid_chip(6, 5), 30, order[:-1], order[1:], np.full(29, 7))
    assert lower_bounds(problem)["degree"] == 29 * 7
    assert distance(problem) <= 1.1 * 29 * 7


def test_torus_of_known_optimum():
    """A shuffled ring of rings on a chip whose rows and columns are closed: every step is 1."""
    core = np.random.default_rng(6).permutation(36).reshape(6, 6)
    source = np.concatenate([core.ravel(), core.ravel()])
    target = np.concatenate([np.roll(core, -1, 0).ravel(), np.roll(core, -1, 1).ravel()])
    chip = grid_chip(6, 6, noc__topology="torus")
    problem = problem_of_pairs(chip, 36, source, target, np.full(72, 10))
    assert lower_bounds(problem)["degree"] == 720
    assert distance(problem) <= 1.15 * 720


def test_spectral_cut_is_exact_for_all_to_all_traffic():
    """Every placement of a full chip costs the same; every line cuts m (n - m) pairs."""
    wide, high = 5, 4
    n = wide * high
    source, target = np.triu_indices(n, 1)
    problem = problem_of_pairs(grid_chip(wide, high), n, source, target, np.ones(source.size))
    columns = sum(high * k * (n - high * k) for k in range(1, wide))
    rows = sum(wide * k * (n - wide * k) for k in range(1, high))
    assert distance(problem, "random") == columns + rows
    assert lower_bounds(problem)["spectral cut"] == columns + rows


def test_gilmore_lawler_is_exact_for_a_star():
    """One core talks to eight others with weights 1 to 8: the four heaviest sit next to it."""
    problem = problem_of_pairs(grid_chip(5, 5), 9, [0] * 8, range(1, 9), range(1, 9))
    best = (8 + 7 + 6 + 5) + 2 * (4 + 3 + 2 + 1)
    assert distance(problem) == best
    # The star's own core sees `best`, its neighbours 1 step each; both count half.
    assert lower_bounds(problem)["gilmore-lawler"] == np.ceil((best + 36) / 2)


def test_host_traffic_fills_the_west_edge():
    """Twelve cores that only talk to the host, on 4x4: the four heaviest in column 0, and so on."""
    weight = np.arange(1, 13)
    problem = problem_of_pairs(grid_chip(4, 4), 12, np.full(12, -1), np.arange(12), weight)
    optimum = sum(range(5, 9)) * 1 + sum(range(1, 5)) * 2
    assert max(lower_bounds(problem).values()) == optimum
    assert distance(problem) == optimum


@pytest.mark.parametrize(("n", "m"), [(1, 1), (3, 3), (4, 6), (5, 5)])
def test_assignment_prices_against_every_permutation(n, m):
    rng = np.random.default_rng(n * 10 + m)
    for _ in range(20):
        cost = rng.integers(0, 30, (n, m)).astype(float)
        row_price, column_price = np.empty(n), np.empty(m)
        assign_rows(cost, row_price, column_price)
        best = min(sum(cost[range(n), list(p)]) for p in permutations(range(m), n))
        assert row_price.sum() + column_price.sum() == pytest.approx(best)
        assert (row_price[:, None] + column_price <= cost + 1e-9).all()
        assert (column_price <= 1e-9).all()


def test_smooth_vectors_are_eigenvectors():
    """Of a path of n cores: eigenvalues 2 - 2 cos(k pi / n) (Fiedler 1973)."""
    n = 24
    problem = problem_of_pairs(grid_chip(6, 4), n, range(n - 1), range(1, n), [1] * (n - 1))
    vectors = smooth_vectors(problem, 1.0, np.random.default_rng(0))
    laplacian = 2 * np.eye(n) - np.eye(n, k=1) - np.eye(n, k=-1)
    laplacian[0, 0] = laplacian[-1, -1] = 1
    for k in (1, 2):
        vector = vectors[k - 1]
        np.testing.assert_allclose(
            laplacian @ vector, (2 - 2 * np.cos(k * np.pi / n)) * vector, atol=1e-6
        )
