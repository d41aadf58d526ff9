"""Annealing placement: a field of starts, the best one cooled on, the routes last.

Simulated annealing (S. Kirkpatrick et al., Science 220, 1983) in three phases:

1. Field: random starts, cooled through the temperatures at which the large-scale arrangement
   freezes. A start that freezes badly stays bad, and shows it by a higher mean cost; so the worse
   half is given up three times on the way. Spectral arrangements join at the last temperature.
2. The one with the lowest mean cost is cooled on, to moves that never go uphill. A few cores freeze
   all at once, so with them every start is cooled to the end.
3. Routes: the real objective (tree links, load of the busiest links, dead links), which costs more
   per move, at low temperature.

The effort is a number of moves, never seconds: the result does not depend on the machine's speed.
The result is never worse than row-major order, nor than the best spectral arrangement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from neurosim_mapper.mapping import Placement
from neurosim_mapper.place._annealing_kernel import LOGS, Board, anneal_pairs
from neurosim_mapper.place.cost import pair_distance, placement_cost
from neurosim_mapper.place.problem import I64, PlacementProblem
from neurosim_mapper.place.routes import MOVE_NS, refine_routes, route_moves
from neurosim_mapper.place.row_major import place_row_major
from neurosim_mapper.place.spectral import spectral_starts

N_RANDOM: Final = 12
N_RANDOM_OF_FEW: Final = 16
FEW_CORES: Final = 64  # up to here, every start is cooled to the end
GIVE_UP_AT: Final = (0.4, 0.6, 0.8)  # share of the way through the field: the worse half is left
NEAR_SHARE: Final = 768  # of 1024 proposals, how many look next to a neighbour
START_ACCEPTANCE: Final = 0.4  # of moves to a neighbouring router at the start temperature
FIELD: Final = (0.65, 0.2)  # first and last temperature of phase 1 as shares of that one
COLD: Final = 1 / 25  # end temperature of phase 2, same unit
ROUTE_WARMTH: Final = (2.5, 1 / 3)  # first and last temperature of phase 3, as shares of COLD
ROUTE_SHARE: Final = 0.3  # time of the last phase as a share of the others
_SHARES: Final = {"spectral": 0.03, "random": 0.6, "cool": 0.37}
FEW_MOVES_PER_CORE: Final = 3_000  # below, a random start gets nowhere and is left out
_FIELD_STAGES: Final = 16
_STAGES: Final = 30
# The default effort, in ns of a machine of 2024; from counts alone, so the result never depends
# on how fast a machine really is.
FULL_PHASES: Final = 10  # of a folded program, as many get the full effort; more share it
_NS_PER_CORE: Final = 6_000_000
_NS_CAP: Final = 850_000_000
_NS_PER_CORE_ABOVE: Final = 500_000


def default_effort(problem: PlacementProblem) -> int:
    """Moves for about a second with 300 cores, far less with a few; from counts alone."""
    n_cores = problem.movable.size
    budget_ns = min(_NS_PER_CORE * n_cores, _NS_CAP + _NS_PER_CORE_ABOVE * n_cores)
    budget_ns = budget_ns * FULL_PHASES // max(FULL_PHASES, problem.n_siblings)
    degree = problem.graph.neighbour.size / max(problem.n_cores, 1)
    return int(budget_ns / (MOVE_NS[0] + MOVE_NS[1] * degree))


@dataclass
class _Run:
    """One board on its way, with its exact cost and its mean cost in the last stage."""

    problem: PlacementProblem
    board: Board
    cost: int
    mean: float = 0.0

    def stage(self, temperature: float, radius: int, n_moves: int) -> float:
        """Moves at one temperature; returns the share that was accepted."""
        problem = self.problem
        change, mean, accepted = anneal_pairs(
            problem.graph,
            problem.grid,
            self.board,
            temperature,
            radius,
            NEAR_SHARE,
            n_moves,
            LOGS,
        )
        self.mean = self.cost + mean
        self.cost += int(change)
        return float(accepted) / max(n_moves, 1)

    def cool(self, start: float, end: float, n_moves: int) -> None:
        """Geometric cooling with short and not so short moves, then a few that never go uphill."""
        for number in range(_STAGES):
            share = number / (_STAGES - 1)
            self.stage(start * (end / start) ** share, 1 + number % 3, n_moves // (_STAGES + 1))
        self.stage(0.0, 1, n_moves // (_STAGES + 1))


def place_annealing(
    problem: PlacementProblem, rng: np.random.Generator, effort: int | None = None
) -> Placement:
    """The cheapest placement that `effort` moves find (default: `default_effort`)."""
    n_moves = default_effort(problem) if effort is None else effort
    candidates = [problem.routers(place_row_major(problem, rng))]
    if problem.movable.size > 1 and problem.nets.weight.any():
        starts = spectral_starts(problem, rng)
        candidates.append(min(starts, key=lambda router: pair_distance(problem, router)))
        found, cold = _anneal(problem, starts, n_moves, rng)
        candidates.append(found)
        if problem.is_tree or problem.congestion_share or problem.chip.dead_links:
            candidates.append(_on_routes(problem, found, cold, n_moves, rng))
    return problem.placement(_cheapest(problem, candidates), "annealing", moves=n_moves)


def _on_routes(
    problem: PlacementProblem, router: I64, cold: float, n_moves: int, rng: np.random.Generator
) -> I64:
    board = make_board(problem, router, rng)
    moves = route_moves(problem, router, int(n_moves * ROUTE_SHARE))
    refine_routes(problem, board, cold * ROUTE_WARMTH[0], cold * ROUTE_WARMTH[1], moves)
    return board.router


def _cheapest(problem: PlacementProblem, candidates: list[I64]) -> I64:
    """Fewest packets over dead links, no more distance than the first one, then least total."""
    costs = [placement_cost(problem, router) for router in candidates]
    fewest = min(cost.dead_link_packets for cost in costs)
    reference = costs[0] if costs[0].dead_link_packets == fewest else None
    order = [
        (
            cost.dead_link_packets > fewest,
            reference is not None and cost.distance > reference.distance,
            cost.total,
            number,
        )
        for number, cost in enumerate(costs)
    ]
    return candidates[min(order)[-1]]


def _anneal(
    problem: PlacementProblem, starts: list[I64], n_moves: int, rng: np.random.Generator
) -> tuple[I64, float]:
    """The result of phases 1 and 2, and the temperature at which they ended."""
    few = problem.movable.size <= FEW_CORES
    n_random = N_RANDOM_OF_FEW if few else N_RANDOM
    field = [_run(problem, rng.permutation(problem.compact), rng) for _ in range(n_random)]
    hot = _start_temperature(field[0])
    cold = hot * COLD
    spectral = [_run_at(problem, router, rng) for router in starts]
    if few:
        field += spectral
        for run in field:
            run.cool(hot, cold, n_moves // len(field))
        return min(field, key=lambda run: run.cost).board.router, cold
    moves = {name: int(n_moves * share) for name, share in _SHARES.items()}
    if n_moves < FEW_MOVES_PER_CORE * problem.movable.size:
        moves["cool"] += moves["random"]
        field = []
    else:
        field = [_best_of_field(field, hot, moves["random"])]
    for run in spectral:
        run.stage(hot * FIELD[1], 1, moves["spectral"] // len(spectral))
    best = min([*field, *spectral], key=lambda run: run.mean)
    best.cool(hot * FIELD[1], cold, moves["cool"])
    return best.board.router, cold


def _run(problem: PlacementProblem, routers: I64, rng: np.random.Generator) -> _Run:
    return _run_at(problem, problem.fill(routers), rng)


def _run_at(problem: PlacementProblem, router: I64, rng: np.random.Generator) -> _Run:
    return _Run(problem, make_board(problem, router, rng), pair_distance(problem, router))


def make_board(problem: PlacementProblem, router: I64, rng: np.random.Generator) -> Board:
    """A board with the cores at `router` and its own random numbers."""
    core = np.full(problem.chip.n_cores, -1, np.int64)
    core[router[: problem.n_residents]] = np.arange(problem.n_residents)
    is_open = np.zeros(problem.chip.n_cores, dtype=np.bool_)
    is_open[problem.free] = True
    return Board(
        router=router.copy(),
        core=core,
        is_open=is_open,
        movable=problem.movable,
        region=np.empty((0, 4), np.int32) if problem.regions is None else problem.regions,
        random=rng.integers(1, 2**63, size=1, dtype=np.uint64),
    )


def _start_temperature(run: _Run) -> float:
    """Temperature at which START_ACCEPTANCE of the moves are accepted; leaves the run shuffled."""
    weight = run.problem.graph.weight
    temperature = float(weight.mean()) if weight.size else float(run.problem.graph.host.max())
    for _ in range(40):
        if run.stage(temperature, 1, 4096) >= START_ACCEPTANCE:
            break
        temperature *= 1.5
    return temperature


def _best_of_field(runs: list[_Run], hot: float, n_moves: int) -> _Run:
    """Cool all runs side by side; at GIVE_UP_AT the half with the lower mean cost goes on."""
    steps = np.arange(_FIELD_STAGES) / (_FIELD_STAGES - 1)
    for number, share in enumerate(steps.tolist()):
        count = max(1, len(runs) >> sum(share >= g > steps[number - 1] for g in GIVE_UP_AT))
        runs = sorted(runs, key=lambda run: run.mean)[:count]
        for run in runs:
            temperature = hot * FIELD[0] * (FIELD[1] / FIELD[0]) ** share
            run.stage(temperature, 1 + number % 2, n_moves // (_FIELD_STAGES * count))
    return min(runs, key=lambda run: run.mean)
