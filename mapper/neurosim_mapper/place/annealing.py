"""Annealing placement: two searches, each a field of starts; the best result; the routes last.

Simulated annealing (S. Kirkpatrick et al., Science 220, 1983) in three phases:

1. Field: coarse arrangements (`neurosim_mapper.place.coarse`) and the spectral ones, cooled through
   the temperatures at which the large-scale arrangement freezes. A start that freezes badly stays
   bad, and shows it by a higher mean cost; so the worse half is given up several times on the way.
   Where there are too few moves for that, the best spectral arrangement counts.
2. The one with the lowest mean cost is cooled on, to moves that never go uphill. A few cores freeze
   all at once, so with them random starts and the spectral ones are all cooled to the end.
3. Routes: the real objective (tree links, load of the busiest links, dead links), which costs more
   per move, at low temperature.

Phases 1 and 2 run twice, side by side on two threads, each with random numbers of its own; the
cheaper result counts. Even a long search may end in a bad arrangement, but seldom two of them.

The effort is a number of moves, never seconds: the result depends neither on the machine's speed
nor on the number of its processors. It is never worse than row-major order, nor than the best
spectral arrangement.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Final

import numpy as np

from neurosim_mapper.mapping import Placement
from neurosim_mapper.place._annealing_kernel import Board
from neurosim_mapper.place.coarse import coarse_starts
from neurosim_mapper.place.cost import pair_distance, placement_cost
from neurosim_mapper.place.pairs import Run, begin, make_moves
from neurosim_mapper.place.problem import I64, PlacementProblem
from neurosim_mapper.place.routes import MOVE_NS, refine_routes, route_moves
from neurosim_mapper.place.row_major import place_row_major
from neurosim_mapper.place.spectral import spectral_starts

N_SEARCHES: Final = 2
N_RANDOM_OF_FEW: Final = 16
FEW_CORES: Final = 64  # up to here, every start is cooled to the end
GIVE_UP_AT: Final = (0.2, 0.4, 0.6, 0.8)  # of the way through the field: the worse half is left
START_ACCEPTANCE: Final = 0.4  # of moves to a neighbouring router at the start temperature
FIELD: Final = (0.58, 0.23)  # first and last temperature of phase 1 as shares of that one
COLD: Final = 1 / 22  # end temperature of phase 2, same unit
ROUTE_WARMTH: Final = (2.5, 1 / 3)  # first and last temperature of phase 3, as shares of COLD
ROUTE_SHARE: Final = 0.3  # time of the last phase as a share of the others
COARSE_SHARE: Final = 0.12  # of the moves: coarse starts
FIELD_SHARE: Final = 0.53  # phase 1
SPECTRAL_SHARE: Final = 0.03  # a look at the spectral arrangements, if there are few moves
FEW_MOVES_PER_CORE: Final = 3_000  # of a search; below, no coarse start gets anywhere
_FIELD_STAGES: Final = 16
# The default effort of a search, in ns of a machine of 2024; from counts alone, so the result never
# depends on how fast a machine really is.
FULL_PHASES: Final = 10  # of a folded program, as many get the full effort; more share it
_NS_PER_CORE: Final = 6_000_000
_NS_CAP: Final = 420_000_000
_NS_PER_CORE_ABOVE: Final = 500_000


def default_effort(problem: PlacementProblem) -> int:
    """Moves of all searches: less than a second of two threads with 300 cores, far less with few.

    From counts alone.
    """
    n_cores = problem.movable.size
    budget_ns = min(_NS_PER_CORE * n_cores, _NS_CAP + _NS_PER_CORE_ABOVE * n_cores)
    budget_ns = budget_ns * FULL_PHASES // max(FULL_PHASES, problem.n_siblings)
    degree = problem.graph.neighbour.size / max(problem.n_cores, 1)
    n_searches = N_SEARCHES if n_cores > FEW_CORES else 1
    return int(n_searches * budget_ns / (MOVE_NS[0] + MOVE_NS[1] * degree))


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
    moves = make_moves(problem.graph, problem.grid, problem.movable, rng)

    def start_at(router: I64) -> Run:
        return begin(moves, make_board(problem, router, rng))

    hot = _start_temperature(start_at(problem.fill(rng.permutation(problem.compact))))
    cold = hot * COLD
    if problem.movable.size <= FEW_CORES:
        random = [problem.fill(rng.permutation(problem.compact)) for _ in range(N_RANDOM_OF_FEW)]
        runs = [start_at(router) for router in random + starts]
        for run in runs:
            run.cool(hot, cold, n_moves // len(runs))
    elif n_moves < N_SEARCHES * FEW_MOVES_PER_CORE * problem.movable.size:
        runs = [start_at(router) for router in starts]
        n_look = int(n_moves * SPECTRAL_SHARE)
        for run in runs:
            run.stage(hot * FIELD[1], 1, n_look // len(runs))
        runs = [min(runs, key=lambda run: run.mean)]
        runs[0].cool(hot * FIELD[1], cold, n_moves - n_look)
    else:
        own = rng.spawn(N_SEARCHES)
        with ThreadPoolExecutor(N_SEARCHES) as pool:
            runs = list(
                pool.map(lambda g: _search(problem, starts, hot, n_moves // N_SEARCHES, g), own)
            )
    return min(runs, key=lambda run: run.cost).board.router, cold


def _search(
    problem: PlacementProblem,
    starts: list[I64],
    hot: float,
    n_moves: int,
    rng: np.random.Generator,
) -> Run:
    """Phases 1 and 2 from coarse arrangements and `starts`."""
    moves = make_moves(problem.graph, problem.grid, problem.movable, rng)
    n_coarse, n_field = int(n_moves * COARSE_SHARE), int(n_moves * FIELD_SHARE)
    routers = coarse_starts(problem, hot, n_coarse, rng) + starts
    field = [begin(moves, make_board(problem, router, rng)) for router in routers]
    best = _best_of_field(field, hot, n_field)
    best.cool(hot * FIELD[1], hot * COLD, n_moves - n_coarse - n_field)
    return best


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


def _start_temperature(run: Run) -> float:
    """Temperature at which START_ACCEPTANCE of the moves are accepted; leaves the run shuffled."""
    pairs, unit = run.moves.pairs, run.moves.unit
    typical = pairs.weight.mean() if pairs.weight.size else pairs.host.max()
    temperature = unit * max(float(typical), 1.0)
    for _ in range(100):
        if run.stage(temperature, 1, 2048) >= START_ACCEPTANCE:
            break
        temperature *= 1.15
    return temperature


def _best_of_field(runs: list[Run], hot: float, n_moves: int) -> Run:
    """Cool all runs side by side; at GIVE_UP_AT the half with the lower mean cost goes on."""
    steps = np.arange(_FIELD_STAGES) / (_FIELD_STAGES - 1)
    for number, share in enumerate(steps.tolist()):
        count = max(1, len(runs) >> sum(share >= g > steps[number - 1] for g in GIVE_UP_AT))
        runs = sorted(runs, key=lambda run: run.mean)[:count]
        for run in runs:
            temperature = hot * FIELD[0] * (FIELD[1] / FIELD[0]) ** share
            run.stage(temperature, 1 + number % 2, n_moves // (_FIELD_STAGES * count))
    return min(runs, key=lambda run: run.mean)
