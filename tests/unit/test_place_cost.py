"""Placement cost: hops, crossings, congestion, and the fast sums of the kernels."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chips import make_chip
from support.placements import grid_chip, random_nets, random_traffic
from support.relay_twin import slow_links

from neurosim_mapper.place import PLACERS, annealing, problem_of_pairs
from neurosim_mapper.place._annealing_kernel import LARGEST_LINE, LOGS
from neurosim_mapper.place._route_kernel import anneal_routes
from neurosim_mapper.place.annealing import (
    FEW_CORES,
    FEW_MOVES_PER_CORE,
    N_SEARCHES,
    make_board,
    place_annealing,
)
from neurosim_mapper.place.coarse import coarse_starts
from neurosim_mapper.place.cost import (
    CROSSING_COST,
    DEAD_LINK_COST,
    congestion_scale,
    link_loads,
    pair_distance,
    placement_cost,
)
from neurosim_mapper.place.hilbert import hilbert_index
from neurosim_mapper.place.pairs import begin, make_moves
from neurosim_mapper.place.problem import HOST
from neurosim_mapper.place.routes import make_traffic, nets_of_cores
from neurosim_mapper.route import DimensionOrder


def any_problem(seed, **chip_keys):
    rng = np.random.default_rng(seed)
    wide, high = int(rng.integers(2, 6)), int(rng.integers(2, 6))
    keys = {
        "grid": {"wide": wide, "high": high},
        "array": {"wide": int(rng.integers(1, 3)), "high": int(rng.integers(1, 3))},
        "noc__topology": str(rng.choice(["mesh", "torus"])),
        "noc__routing": str(rng.choice(["xy", "yx"])),
    }
    if keys["noc__topology"] == "mesh":
        keys["noc__multicast"] = str(rng.choice(["tree", "relay"]))
    chip = make_chip(**(keys | chip_keys))
    n = int(rng.integers(1, min(12, len(chip.usable_cores)) + 1))
    problem = random_nets(rng, chip, n)
    return problem, problem.fill(rng.permutation(problem.free)), rng


def loads_by_hand(problem, router):
    """Every net walked by the slow twin of the router, link by link."""
    paths, chip, nets = DimensionOrder(problem.chip), problem.chip, problem.nets
    loads = np.zeros(4 * chip.n_cores + 2 * chip.high, np.int64)
    xy = [(int(r) % chip.wide, int(r) // chip.wide) for r in router]
    for i, source in enumerate(nets.source.tolist()):
        targets = [xy[t] for t in nets.target[nets.offset[i] : nets.offset[i + 1]]]
        if not targets:
            links = paths.to_host(xy[source])
        elif problem.is_chained:
            start = None if source == HOST else xy[source]
            links = slow_links(paths, start, targets, chip.noc_section.routing)
        elif source == HOST:
            links = paths.from_host(targets)
        else:
            links = paths.tree(xy[source], targets)
        np.add.at(loads, links, nets.weight[i])
    return loads


@given(st.integers(0, 2**32 - 1))
def test_link_loads_against_the_slow_router(seed):
    problem, router, _ = any_problem(seed)
    np.testing.assert_array_equal(link_loads(problem, router), loads_by_hand(problem, router))


def test_cost_of_one_flow_by_formula():
    """10 packets over (0, 0) -> (3, 2), 5 packets from the host to (3, 2), 2 from (0, 0) out."""
    problem = problem_of_pairs(grid_chip(4, 3), 2, [0, HOST, 0], [1, 1, HOST], [10, 5, 2])
    cost = placement_cost(problem, np.array([0, 2 * 4 + 3]))
    assert cost.hops == 10 * (3 + 2) + 5 * 3
    assert cost.crossings == 0
    assert cost.distance == cost.hops
    assert cost.busiest_link == 10
    fourth = 5 * 10**4 + 3 * 5**4 + 5**4 + 2**4  # links of the host count as load, not as hops
    assert cost.congestion == pytest.approx(8**0.75 * fourth**0.25)
    assert cost.total == pytest.approx(cost.distance + 0.05 * cost.congestion)


def test_a_tree_counts_each_link_once():
    """Three targets in a row share the way."""
    chip = grid_chip(4, 1)
    problem = random_nets(np.random.default_rng(0), chip, 4)
    nets = problem.nets._replace(
        source=np.array([0]), offset=np.array([0, 3]), target=np.array([1, 2, 3]),
        weight=np.array([7]),
    )  # fmt: skip
    problem = replace(problem, nets=nets)
    assert problem.is_tree
    assert placement_cost(problem, np.arange(4)).hops == 3 * 7
    assert pair_distance(problem, np.arange(4)) == (1 + 2 + 3) * 7


def test_a_relay_chain_counts_its_legs():
    """From the left end of a row to all others; from its middle, single packets are shorter."""
    chip = grid_chip(5, 1, noc__multicast="relay")
    problem = random_nets(np.random.default_rng(0), chip, 4)
    nets = problem.nets._replace(
        source=np.array([0]), offset=np.array([0, 3]), target=np.array([1, 2, 3]),
        weight=np.array([7]),
    )  # fmt: skip
    problem = replace(problem, nets=nets)
    assert problem.is_chained
    assert placement_cost(problem, np.array([0, 2, 1, 4])).hops == 4 * 7  # 0 -> 1 -> 2 -> 4
    assert placement_cost(problem, np.array([2, 4, 1, 0])).hops == (1 + 2 + 2) * 7


def test_a_chip_border_is_a_longer_step():
    chip = make_chip(grid={"wide": 2, "high": 2}, array={"wide": 3, "high": 1})
    problem = problem_of_pairs(chip, 2, [0], [1], [10])
    cost = placement_cost(problem, np.array([0, 5]))
    assert (cost.hops, cost.crossings) == (50, 20)
    assert cost.distance == 50 + 20 * CROSSING_COST == pair_distance(problem, np.array([0, 5]))


def test_dead_links_are_counted_both_ways():
    chip = grid_chip(3, 1, dead_links=[[[0, 0], [1, 0]]])
    problem = problem_of_pairs(chip, 2, [0, 1], [1, 0], [3, 4])
    assert placement_cost(problem, np.array([0, 2])).dead_link_packets == 7
    assert placement_cost(problem, np.array([1, 2])).dead_link_packets == 0


@given(st.integers(0, 2**32 - 1))
def test_pair_distance_is_the_distance_of_single_packets(seed):
    """On chips whose rings are as long in hops as in chip borders (one chip, or a mesh)."""
    rng = np.random.default_rng(seed)
    topology = str(rng.choice(["mesh", "torus"]))
    array = {"wide": 1 if topology == "torus" else 2, "high": 1}
    chip = make_chip(
        grid={"wide": 4, "high": 3}, array=array, noc__topology=topology,
        noc__routing=str(rng.choice(["xy", "yx"])),
    )  # fmt: skip
    n = int(rng.integers(2, 12))
    ends = rng.integers(-1, n, (2, 30))
    problem = problem_of_pairs(chip, n, *ends, rng.integers(1, 50, 30))
    router = problem.fill(rng.permutation(problem.free))
    assert pair_distance(problem, router) == placement_cost(problem, router).distance


@pytest.mark.exactness
@given(st.integers(0, 2**32 - 1))
def test_moves_on_pairs_add_up(seed):
    """The change that the kernel reports is the change of the recomputed cost; pins stay."""
    problem, router, rng = any_problem(seed)
    pin = int(rng.integers(problem.n_cores))
    wide = problem.chip.wide
    problem = problem.with_pins({pin: (int(router[pin]) % wide, int(router[pin]) // wide)})
    if not problem.movable.size:
        return
    board = make_board(problem, router, rng)
    run = begin(make_moves(problem.graph, problem.grid, problem.movable, rng), board)
    assert run.cost == pair_distance(problem, router)
    run.stage(100.0, 2, 300)
    assert run.cost == pair_distance(problem, board.router)
    assert board.router[pin] == router[pin]
    assert_consistent(problem, board)


@pytest.mark.exactness
@given(st.integers(0, 2**32 - 1), st.booleans())
def test_moves_on_routes_add_up(seed, dead):
    rng = np.random.default_rng(seed)
    keys = {"dead_links": [[[0, 0], [1, 0]]]} if dead else {}
    problem, router, rng = any_problem(seed, **keys)
    board = make_board(problem, router, rng)
    traffic = make_traffic(problem, router)
    factor = problem.congestion_share * congestion_scale(problem)
    change = anneal_routes(
        problem.graph, problem.grid, board, problem.nets, traffic, factor, 200.0, 512, 200, LOGS
    )
    before, after = (placement_cost(problem, r).total for r in (router, board.router))
    assert after - before == pytest.approx(change, abs=1e-6 * max(before, 1))
    np.testing.assert_array_equal(traffic.load, link_loads(problem, board.router))
    assert_consistent(problem, board)


def test_heavy_traffic_is_annealed_in_a_coarser_unit():
    """Weights of 40 bits: rounded for the moves, so that their sums stay exact in floats."""
    rng = np.random.default_rng(3)
    source, target = rng.integers(0, 12, (2, 60))
    weight = rng.integers(1 << 39, 1 << 40, 60)
    problem = problem_of_pairs(grid_chip(4, 4), 12, source, target, weight)
    board = make_board(problem, problem.fill(problem.free), rng)
    moves = make_moves(problem.graph, problem.grid, problem.movable, rng)
    largest = np.add.reduceat(moves.pairs.weight, moves.pairs.start[:-1]).max() * 6
    assert LARGEST_LINE / 2 < largest < LARGEST_LINE * 1.01
    run = begin(moves, board)
    run.stage(moves.unit * 1000.0, 1, 500)
    assert run.cost == pytest.approx(begin(moves, board).cost, rel=1e-12)
    assert run.cost == pytest.approx(pair_distance(problem, board.router), rel=1e-4)


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_coarse_starts_are_placements(seed):
    """Whatever the traffic, pins and dead cores, every core gets a place of its own."""
    problem, router, rng = any_problem(seed, dead_cores=[[1, 0]])
    pin = int(rng.integers(problem.n_cores))
    wide = problem.chip.wide
    problem = problem.with_pins({pin: (int(router[pin]) % wide, int(router[pin]) // wide)})
    if not problem.movable.size:
        return
    for start in coarse_starts(problem, 10.0, 2000, rng):
        assert start[pin] == router[pin]
        assert_consistent(problem, make_board(problem, start, rng))


def assert_consistent(problem, board):
    assert np.unique(board.router).size == problem.n_cores
    assert np.isin(board.router, problem.usable).all()
    np.testing.assert_array_equal(board.core[board.router], np.arange(problem.n_cores))
    assert (board.core >= 0).sum() == problem.n_cores


def test_nets_of_cores():
    problem = random_nets(np.random.default_rng(4), grid_chip(3, 3), 6)
    nets = problem.nets
    start, net = nets_of_cores(nets, 6)
    for core in range(6):
        expected = [
            i
            for i in range(nets.source.size)
            if nets.source[i] == core or core in nets.target[nets.offset[i] : nets.offset[i + 1]]
        ]
        assert net[start[core] : start[core + 1]].tolist() == expected


@given(st.integers(0, 2**32 - 1))
def test_annealing_is_never_worse_than_row_major(seed):
    problem, _, rng = any_problem(seed)
    row_major = PLACERS["row-major"](problem, rng)
    found = place_annealing(problem, rng, effort=int(rng.integers(0, 3000)))
    costs = [placement_cost(problem, problem.routers(p)) for p in (found, row_major)]
    assert costs[0].distance <= costs[1].distance
    assert costs[0].total <= costs[1].total


def test_searches_on_one_thread_or_two(monkeypatch):
    """The same placement, with a pin and a dead core, and one router for each core."""
    chip = grid_chip(10, 7, dead_cores=[[4, 4]])
    problem = random_nets(np.random.default_rng(8), chip, FEW_CORES + 4).with_pins({3: (2, 2)})
    effort = N_SEARCHES * FEW_MOVES_PER_CORE * problem.n_cores
    two = place_annealing(problem, np.random.default_rng(5), effort)
    with monkeypatch.context() as patch:
        patch.setattr(annealing, "ThreadPoolExecutor", lambda _: ThreadPoolExecutor(1))
        one = place_annealing(problem, np.random.default_rng(5), effort)
    np.testing.assert_array_equal(problem.routers(one), problem.routers(two))
    assert_consistent(problem, make_board(problem, problem.routers(two), np.random.default_rng(0)))
    assert (two.x[3], two.y[3]) == (2, 2)


def test_annealing_avoids_dead_links():
    """A ring of four on 3x3 with a dead link in the middle: row-major order would use it."""
    chip = grid_chip(3, 3, dead_links=[[[0, 0], [1, 0]], [[1, 0], [2, 0]]])
    problem = problem_of_pairs(chip, 4, [0, 1, 2, 3], [1, 2, 3, 0], [10] * 4)
    row_major, found = (
        placement_cost(problem, problem.routers(PLACERS[name](problem, np.random.default_rng(0))))
        for name in ("row-major", "annealing")
    )
    assert row_major.dead_link_packets > 0
    assert found.dead_link_packets == 0
    assert found.total < row_major.total + DEAD_LINK_COST


def test_congestion_counts():
    """With a large share, the busiest link carries less, or the distance would not have grown."""
    problem = random_traffic(5, 5, 20, 3)
    plain, even = (
        placement_cost(
            weighted, weighted.routers(PLACERS["annealing"](weighted, np.random.default_rng(1)))
        )
        for weighted in (replace(problem, congestion_share=s) for s in (0.0, 5.0))
    )
    assert plain.distance <= even.distance
    assert even.congestion < plain.congestion


@pytest.mark.parametrize("side", [1, 2, 4, 8, 16])
def test_hilbert_curve_visits_every_place_in_steps_of_one(side):
    y, x = np.divmod(np.arange(side * side), side)
    order = np.argsort(hilbert_index(x, y))
    assert sorted(hilbert_index(x, y)) == list(range(side * side))
    assert (np.abs(np.diff(x[order])) + np.abs(np.diff(y[order])) == 1).all()
