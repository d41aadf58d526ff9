"""Lines of costs that the annealer looks moves up in, against sums over the traffic."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip
from support.placements import random_nets

from neurosim_mapper.place._annealing_kernel import FARTHEST
from neurosim_mapper.place._lines_kernel import LANES, add_difference
from neurosim_mapper.place.annealing import make_board
from neurosim_mapper.place.pairs import axis_lines, begin, make_moves

CHIPS = {
    "mesh": {"grid": {"wide": 7, "high": 4}},
    "torus": {"grid": {"wide": 5, "high": 6}, "noc__topology": "torus"},
    "array": {"grid": {"wide": 3, "high": 5}, "array": {"wide": 3, "high": 1}},
    "column": {"grid": {"wide": 1, "high": 11}},
}


def _add(lines, which, weight, begin, end, first, table, plus, minus):
    return add_difference(lines, which, weight, begin, end, first, table, plus, minus)


add = numba.njit(_add)  # what is inlined into kernels cannot be called from Python


@pytest.mark.exactness
def test_difference_of_rows_times_weights():
    """Only LANES numbers of the chosen lines change; a line may be chosen twice."""
    rng = np.random.default_rng(0)
    lines, table = (rng.integers(-99, 99, (n, 13)).astype(np.float32) for n in (6, 3))
    which = np.array([5, 2, 2, 0, 3], np.int32)
    weight = rng.integers(1, 9, 5).astype(np.float32)
    expected = lines.copy()
    for k in (1, 2, 3):
        for i in range(4, 4 + LANES):
            expected[which[k], i] += weight[k] * (table[2, i] - table[0, i])
    add(lines, which, weight, 1, 4, 4, table, 2, 0)
    np.testing.assert_array_equal(lines, expected)


@pytest.mark.parametrize("name", CHIPS)
def test_lines_of_an_axis(name):
    """They differ as the distances do, and from each other in the given entries only."""
    problem = random_nets(np.random.default_rng(0), make_chip(**CHIPS[name]), 2)
    for steps in (problem.grid.steps_x, problem.grid.steps_y):
        lines = axis_lines(steps, name == "torus")
        n = len(steps)
        along = lines.along[:n, :n]
        np.testing.assert_array_equal(along - along[:, :1], steps - steps[:, :1])
        assert not lines.along[:, n:].any()
        assert not lines.along[n].any()
        for a in range(n):
            for b in range(n):
                first, stop = lines.changed[a, b]
                differ = np.flatnonzero(along[a] != along[b])
                assert (differ >= first).all()
                assert (differ < stop).all()
                assert stop - first <= n
        if name == "mesh":  # one step changes the shorter side of the line
            sizes = [np.subtract(*lines.changed[a, a + 1, ::-1]) for a in range(n - 1)]
            assert sizes == [min(a + 1, n - 1 - a) for a in range(n - 1)]


def test_places_beyond_the_edge():
    """A mesh ends there, a ring goes on."""
    steps = np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0)))
    assert FARTHEST == 3
    assert axis_lines(steps, False).place.tolist() == [0, 0, 0, 0, 1, 2, 3, 3, 3, 3]
    assert axis_lines(steps, True).place.tolist() == [1, 2, 3, 0, 1, 2, 3, 0, 1, 2]


@given(st.sampled_from(sorted(CHIPS)), st.integers(0, 2**32 - 1))
def test_lines_after_moves(name, seed):
    """Along every line, the differences are those of the costs added up anew."""
    rng = np.random.default_rng(seed)
    chip = make_chip(**CHIPS[name])
    problem = random_nets(rng, chip, int(rng.integers(2, len(chip.usable_cores) + 1)))
    board = make_board(problem, problem.fill(rng.permutation(problem.free)), rng)
    moves = make_moves(problem.graph, problem.grid, problem.movable, rng)
    begin(moves, board).stage(150.0, 2, 200)
    graph, grid = problem.graph, problem.grid
    for core in range(problem.n_cores):
        here = slice(graph.start[core], graph.start[core + 1])
        at, weight = board.router[graph.neighbour[here]], graph.weight[here]
        by_x = (
            weight @ grid.steps_x[grid.column[at]]
            + graph.host[core] * (grid.host_distance[: chip.wide])
        )
        by_y = weight @ grid.steps_y[grid.row[at]]
        for line, expected in ((moves.scratch.cost_x, by_x), (moves.scratch.cost_y, by_y)):
            found = line[core, : expected.size]
            np.testing.assert_array_equal(found - found[0], expected - expected[0])
