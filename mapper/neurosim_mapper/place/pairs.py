"""Annealing on traffic between pairs of cores: one board on its way through the temperatures.

Enters: a graph, a grid and a board. Promised: whole weights, so small that no sum of the kernel is
rounded. Where that takes a coarser unit, weights are rounded to it; what a placement costs in the
end is added up elsewhere, from the weights as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from neurosim_mapper.place._annealing_kernel import (
    BATCH,
    FARTHEST,
    LARGEST_LINE,
    LOGS,
    N_LOGS,
    N_LOOKS,
    U32,
    Board,
    Lines,
    Pairs,
    Scratch,
    anneal_pairs,
)
from neurosim_mapper.place._lines_kernel import LANES
from neurosim_mapper.place.problem import F64, I64, Graph, Grid

NEAR_LOOKS: Final = 24  # of N_LOOKS proposals, how many look next to a neighbour
_STAGES: Final = 30


@dataclass(frozen=True)
class Moves:
    """What the runs of one graph share: the graph as the kernel wants it, and room to work in.

    `unit` is the traffic that one unit of weight stands for.
    """

    pairs: Pairs
    unit: float
    grid: Grid
    columns: Lines
    rows: Lines
    scratch: Scratch


@dataclass
class Run:
    """One board, with its cost by `distance` and its mean cost in the last stage."""

    moves: Moves
    board: Board
    cost: float
    mean: float = 0.0

    def stage(self, temperature: float, radius: int, n_moves: int) -> float:
        """Moves at one temperature; returns the share that was accepted."""
        moves = self.moves
        change, mean, accepted = anneal_pairs(
            moves.pairs,
            moves.grid,
            moves.columns,
            moves.rows,
            self.board,
            moves.scratch,
            temperature / moves.unit,
            radius,
            n_moves,
            LOGS,
        )
        self.mean = self.cost + mean * moves.unit
        self.cost += float(change) * moves.unit
        return float(accepted) / max(n_moves, 1)

    def cool(self, start: float, end: float, n_moves: int) -> None:
        """Geometric cooling with short and not so short moves, then a few that never go uphill."""
        for number in range(_STAGES):
            share = number / (_STAGES - 1)
            self.stage(start * (end / start) ** share, 1 + number % 3, n_moves // (_STAGES + 1))
        self.stage(0.0, 1, n_moves // (_STAGES + 1))


def make_moves(graph: Graph, grid: Grid, movable: I64, rng: np.random.Generator) -> Moves:
    """A graph on a grid, for `Run`; whom a core looks at is drawn from its neighbours by weight."""
    n_cores = graph.host.size
    columns, rows = (axis_lines(steps, grid.size[4] > 0) for steps in (grid.steps_x, grid.steps_y))
    farthest = float(np.abs(columns.along).max() + np.abs(rows.along).max())
    owner = np.repeat(np.arange(n_cores), np.diff(graph.start))
    traffic = np.bincount(owner, weights=graph.weight, minlength=n_cores)
    largest = traffic * farthest + graph.host * float(grid.host_distance.max())
    unit = max(float(largest.max(initial=0.0)) / LARGEST_LINE, 1.0)
    return Moves(
        Pairs(
            graph.start,
            graph.neighbour,
            np.rint(graph.weight / unit).astype(np.float32),
            np.rint(graph.host / unit).astype(np.float32),
            _looks(graph, movable, rng),
        ),
        unit,
        grid,
        columns,
        rows,
        _scratch(n_cores, grid),
    )


def axis_lines(steps: F64, is_ring: bool) -> Lines:
    """Lines of an axis from the distances (n, n) between its columns."""
    n = len(steps)
    # What most of a line gains or loses with a step is made good along the whole line.
    gain = np.sort(np.diff(steps, axis=0), axis=1)[:, n // 2]
    along = np.zeros((n + 1, n + LANES), np.float32)
    along[:n, :n] = steps - np.concatenate([[0.0], np.cumsum(gain)])[:, None]
    differ = along[:n, None, :n] != along[None, :n, :n]
    first, behind = differ.argmax(axis=2), n - differ[:, :, ::-1].argmax(axis=2)
    changed = np.stack([first, np.where(differ.any(axis=2), behind, first)], axis=2)
    near = np.arange(-FARTHEST, n + FARTHEST)
    place = near % n if is_ring else near.clip(0, n - 1)
    return Lines(along, changed.astype(np.int16), place.astype(np.uint64))


def _scratch(n_cores: int, grid: Grid) -> Scratch:
    wide, high = len(grid.steps_x), len(grid.steps_y)
    return Scratch(
        cost_x=np.zeros((n_cores + 2, wide + LANES), np.float32),
        cost_y=np.zeros((n_cores + 2, high + LANES), np.float32),
        x=np.zeros(n_cores, np.uint64),
        y=np.zeros(n_cores, np.uint64),
        occupant=np.zeros(wide * high, np.uint32),
        pending=np.zeros((3, BATCH + 1), np.uint64),
        limit=np.zeros(N_LOGS, np.float32),
    )


def begin(moves: Moves, board: Board) -> Run:
    """A run that has not moved yet."""
    pairs, grid, router = moves.pairs, moves.grid, board.router
    here = np.repeat(router, np.diff(pairs.start))
    there = router[pairs.neighbour]
    away = grid.steps_x[grid.column[here], grid.column[there]]
    away += grid.steps_y[grid.row[here], grid.row[there]]
    to_host = (pairs.host.astype(np.float64) * grid.host_distance[router]).sum()
    return Run(moves, board, moves.unit * float((pairs.weight * away).sum() / 2 + to_host))


def _looks(graph: Graph, movable: I64, rng: np.random.Generator) -> U32:
    """(n_movable, N_LOOKS) neighbours, often those with much traffic, and the core itself."""
    look = np.repeat(movable[:, None], N_LOOKS, axis=1).astype(np.uint32)
    some = np.flatnonzero(np.diff(graph.start)[movable] > 0)
    if some.size:
        first, stop = graph.start[movable[some]], graph.start[movable[some] + 1]
        sums: F64 = np.concatenate([[0.0], np.cumsum(graph.weight)])
        share = (np.arange(NEAR_LOOKS) + rng.random((some.size, 1))) / NEAR_LOOKS
        drawn = sums[first][:, None] + share * (sums[stop] - sums[first])[:, None]
        at = np.searchsorted(sums, drawn, side="right") - 1
        look[some, :NEAR_LOOKS] = graph.neighbour[np.minimum(at, stop[:, None] - 1)]
    return look
