"""The last phase of annealing: moves judged by the routes that packets really take."""

from __future__ import annotations

from typing import Final

import numpy as np

from neurosim.offsets import offsets_of
from neurosim_mapper.place._annealing_kernel import LOGS, Board
from neurosim_mapper.place._route_kernel import Traffic, anneal_routes
from neurosim_mapper.place.cost import (
    congestion_scale,
    link_costs,
    link_loads,
    net_links,
)
from neurosim_mapper.place.problem import HOST, I64, Nets, PlacementProblem
from neurosim_mapper.route.dimension_order import network_shape

NEAR_SHARE: Final = 512
_STAGES: Final = 30
# Measured cost of a move in ns: constant, and per neighbour or link of a core; only ratios count.
MOVE_NS: Final = (24.0, 0.9)
_LINK_NS: Final = (800.0, 150.0)


def refine_routes(
    problem: PlacementProblem, board: Board, start: float, end: float, n_moves: int
) -> None:
    """Cool `board`, in place, on `PlacementCost.total` from temperature `start` to `end`."""
    traffic = make_traffic(problem, board.router)
    factor = problem.congestion_share * congestion_scale(problem)
    steps = start * (end / start) ** (np.arange(_STAGES) / (_STAGES - 1))
    for temperature in (*steps.tolist(), 0.0):
        anneal_routes(
            problem.graph,
            problem.grid,
            board,
            problem.nets,
            traffic,
            factor,
            temperature,
            NEAR_SHARE,
            n_moves // (_STAGES + 1),
            LOGS,
        )


def route_moves(problem: PlacementProblem, router: I64, n_moves: int) -> int:
    """Moves on routes that take about as long as `n_moves` on pairs, from counts alone."""
    offset, _ = net_links(problem, router)
    members = np.diff(problem.nets.offset) + (problem.nets.source != HOST)
    links = float((np.diff(offset) * members).sum()) / max(problem.n_cores, 1)
    pairs = problem.graph.neighbour.size / max(problem.n_cores, 1)
    return int(n_moves * (MOVE_NS[0] + pairs * MOVE_NS[1]) / (_LINK_NS[0] + links * _LINK_NS[1]))


def make_traffic(problem: PlacementProblem, router: I64) -> Traffic:
    """The nets of a problem on the links that they cross with the cores at `router`."""
    chip, nets = problem.chip, problem.nets
    load = link_loads(problem, router)
    start, net = nets_of_cores(nets, problem.n_cores)
    capacity = _log_capacity(problem, start, net)
    return Traffic(
        net_start=start,
        net=net,
        link_cost=link_costs(chip),
        shape=network_shape(chip),
        chained=problem.is_chained,
        load=load,
        link_mark=np.full(load.size, -1, np.int64),
        net_mark=np.full(nets.source.size, -1, np.int64),
        counter=np.zeros(3, np.int64),
        log_link=np.empty(capacity, np.int32),
        log_weight=np.empty(capacity, np.int64),
        chain=np.empty((3, int(np.diff(nets.offset).max(initial=1))), np.int64),
    )


def nets_of_cores(nets: Nets, n_cores: int) -> tuple[I64, I64]:
    """Offsets (n_cores + 1,) and the nets that each core sends or receives."""
    numbers = np.arange(nets.source.size)
    inner = nets.source != HOST
    core = np.concatenate([nets.source[inner], nets.target])
    net = np.concatenate([numbers[inner], np.repeat(numbers, np.diff(nets.offset))])
    order = np.lexsort((net, core))
    start = offsets_of(np.bincount(core, minlength=n_cores))
    return start, net[order]


def _log_capacity(problem: PlacementProblem, start: I64, net: I64) -> int:
    """Links that one proposal can touch: two cores, before and after.

    A chain crosses no link twice in one direction; single packets take its place if they cross
    fewer links. Those of the host have a link of its own each.
    """
    chip = problem.chip
    longest = chip.wide + chip.high
    branches = np.maximum(np.diff(problem.nets.offset), 1)
    most = np.minimum(branches * longest, 4 * chip.n_cores) + branches
    total = offsets_of(most[net])
    per_core = total[start[1:]] - total[start[:-1]]
    return 4 * int(per_core.max(initial=0)) + 1
