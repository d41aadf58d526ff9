"""Coarse starts: groups of about four cores, annealed on blocks of two by two routers.

What goes wrong early, a sheet of cores that is folded or twisted, no single move puts right later.
With a quarter of the cores and of the places, annealing untwists it in a fraction of the time. So
many coarse arrangements are made, and the best ones become starts for the cores themselves
(compare the multilevel method of C. Walshaw, Annals of Operations Research 131, 2004).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.offsets import offsets_of
from neurosim_mapper.place._annealing_kernel import Board
from neurosim_mapper.place._matching_kernel import join_pairs
from neurosim_mapper.place.pairs import Moves, begin, make_moves
from neurosim_mapper.place.problem import I64, NO_RING, Graph, Grid, PlacementProblem
from neurosim_mapper.place.spectral import rank_grid

N_COARSE: Final = 24
N_KEPT: Final = 16
CORES_IN_ALL: Final = 24_000  # of all coarse arrangements: fewer of them for very many cores
TEMPERATURES: Final = (3.7, 0.7)  # first and last, as shares of the start temperature of the cores
_BLOCK: Final = 2  # routers along each side
_STAGES: Final = 16


def coarse_starts(
    problem: PlacementProblem, hot: float, n_moves: int, rng: np.random.Generator
) -> list[I64]:
    """Arrangements of the cores from the cheapest coarse ones, `n_moves` for all together.

    `hot` is the start temperature of the cores.
    """
    grid = _blocks(problem.grid)
    block = _block_of(problem, grid)
    is_open = np.zeros(grid.column.size, np.bool_)
    is_open[block[problem.free]] = True
    found = []
    n_runs = max(min(N_COARSE, CORES_IN_ALL // problem.movable.size), 1)
    for _ in range(n_runs):
        group = _groups(problem, int(is_open.sum()), rng)
        moves, board = _board_of_groups(problem, grid, group, block, is_open, rng)
        run = begin(moves, board)
        for share in np.linspace(0.0, 1.0, _STAGES).tolist():
            temperature = hot * TEMPERATURES[0] * (TEMPERATURES[1] / TEMPERATURES[0]) ** share
            run.stage(temperature, 1, n_moves // (n_runs * _STAGES))
        found.append((run.cost, board.router[group]))
    best = sorted(found, key=lambda pair: pair[0])[:N_KEPT]
    return [_spread(problem, grid, at, rng) for _, at in best]


def _board_of_groups(
    problem: PlacementProblem,
    grid: Grid,
    group: I64,
    block: I64,
    is_open: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> tuple[Moves, Board]:
    """Groups on blocks: those of pinned cores where they belong, the others by chance."""
    graph = _graph_of_groups(problem.graph, group)
    router, core = np.full(graph.host.size, -1, np.int64), np.full(is_open.size, -1, np.int64)
    pinned = np.flatnonzero(problem.pins >= 0)
    router[group[pinned]] = block[problem.pins[pinned]]
    movable = np.flatnonzero(router < 0)
    router[movable] = rng.permutation(np.flatnonzero(is_open))[: movable.size]
    core[router[movable]] = movable
    anywhere, state = np.empty((0, 4), np.int32), rng.integers(1, 2**63, 1, np.uint64)
    board = Board(router, core, is_open, movable, anywhere, state)
    return make_moves(graph, grid, movable, rng), board


def _blocks(grid: Grid) -> Grid:
    """Every other column and row of the chip."""
    steps_x, steps_y = (steps[::_BLOCK, ::_BLOCK].copy() for steps in (grid.steps_x, grid.steps_y))
    wide, high = len(steps_x), len(steps_y)
    row, column = (a.ravel().astype(np.int32) for a in np.indices((high, wide)))
    return Grid(
        column,
        row,
        column,
        row,
        grid.host_distance[: grid.size[0] : _BLOCK][column],
        np.array([wide, high, NO_RING, NO_RING, grid.size[4]], np.int64),
        steps_x,
        steps_y,
    )


def _block_of(problem: PlacementProblem, blocks: Grid) -> I64:
    """(n_routers,) block of each router."""
    column, row = problem.grid.column // _BLOCK, problem.grid.row // _BLOCK
    block: I64 = row.astype(np.int64) * blocks.size[0] + column
    return block


def _groups(problem: PlacementProblem, n_places: int, rng: np.random.Generator) -> I64:
    """(n_cores,) group of each core: as many groups of movable cores as places, or fewer.

    Pairs join in the order of their traffic as a share of the traffic of the one that has less;
    then pairs of pairs. Larger groups are made only for want of places.
    """
    is_pinned = problem.pins >= 0
    graph, group = problem.graph, np.arange(problem.n_cores)
    size = np.ones(problem.n_cores, np.int64)
    goal = int(is_pinned.sum()) + n_places
    for most in (_BLOCK, _BLOCK**2, 2 * _BLOCK**2, problem.n_cores):
        owner = np.repeat(np.arange(size.size), np.diff(graph.start))
        traffic = np.bincount(owner, weights=graph.weight, minlength=size.size)
        once = (owner < graph.neighbour) & ~is_pinned[owner] & ~is_pinned[graph.neighbour]
        one, two = owner[once], graph.neighbour[once].astype(np.int64)
        strength = graph.weight[once] / np.minimum(traffic[one], traffic[two])
        order = np.argsort(-strength * (1 + rng.random(one.size)), kind="stable")
        first = np.arange(size.size)
        enough = goal if most > _BLOCK**2 else 1
        join_pairs(one[order], two[order], first, size.copy(), most, first.size, enough)
        while (first[first] != first).any():
            first = first[first]
        names, joined = np.unique(first, return_inverse=True)
        graph, is_pinned = _graph_of_groups(graph, joined), is_pinned[names]
        size = np.bincount(joined, weights=size).astype(np.int64)
        group = joined[group]
    return _no_more_than(group, problem.movable, n_places)


def _no_more_than(group: I64, movable: I64, n_places: int) -> I64:
    """Groups without traffic join the others by number, if they would be too many."""
    names, number = np.unique(group[movable], return_inverse=True)
    result = group.copy()
    result[movable] = names[number % n_places]
    return np.unique(result, return_inverse=True)[1].astype(np.int64)


def _graph_of_groups(graph: Graph, group: I64) -> Graph:
    n = int(group.max()) + 1
    one, two = np.repeat(group, np.diff(graph.start)), group[graph.neighbour]
    away = one != two
    key, which = np.unique(one[away] * n + two[away], return_inverse=True)
    weight, host = np.zeros(key.size, np.int64), np.zeros(n, np.int64)
    np.add.at(weight, which, graph.weight[away])
    np.add.at(host, group, graph.host)
    start = offsets_of(np.bincount(key // n, minlength=n))
    return Graph(start, (key % n).astype(np.int32), weight, host)


def _spread(problem: PlacementProblem, blocks: Grid, block: I64, rng: np.random.Generator) -> I64:
    """Cores on routers, in the order of their blocks; inside a block by chance."""
    x, y = (line[block] + rng.random(block.size) / _BLOCK for line in (blocks.column, blocks.row))
    return rank_grid(problem, x, y)
