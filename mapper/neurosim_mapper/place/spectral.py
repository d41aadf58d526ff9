"""Spectral placement: the smoothest vectors of the traffic graph as coordinates.

The eigenvectors of the smallest eigenvalues of the graph's Laplacian put cores with much traffic
side by side (K. M. Hall, Management Science 17, 1970). Their ranks fill the grid column by column.
Weights that differ widely bend the picture, so their square root and the bare graph are tried as
well, in several rotations; the cheapest one counts. Pulling cores towards their neighbours and
ranking again removes what the ranks have bent.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim_mapper.mapping import Placement
from neurosim_mapper.place._spectral_kernel import filter_block, orthonormalise, project
from neurosim_mapper.place.cost import pair_distance
from neurosim_mapper.place.problem import I64, PlacementProblem
from neurosim_mapper.place.regions import settled

F64 = npt.NDArray[np.float64]
EXPONENTS: Final = (1.0, 0.5, 0.0)
_PAIRS: Final = ((0, 1), (0, 2), (1, 2))
_N_VECTORS: Final = 5
_N_ROUNDS: Final = 10
_ORDER: Final = 40
_N_ANGLES: Final = 16
_N_HALVINGS: Final = 6
_N_RELAXATIONS: Final = 40
_FEW_CORES: Final = 1024  # beyond, one pair of vectors is tried


def place_spectral(problem: PlacementProblem, rng: np.random.Generator) -> Placement:
    """The cheapest of the spectral arrangements."""
    best = min(spectral_starts(problem, rng), key=lambda router: pair_distance(problem, router))
    return problem.placement(best, "spectral")


def spectral_starts(problem: PlacementProblem, rng: np.random.Generator) -> list[I64]:
    """For each exponent of the weights, its cheapest arrangement, relaxed."""
    starts = []
    for exponent in EXPONENTS:
        vectors = smooth_vectors(problem, exponent, rng)
        few = problem.n_cores <= _FEW_CORES
        found = [_best_rotation(problem, vectors, pair) for pair in (_PAIRS if few else _PAIRS[:1])]
        best = min(found, key=lambda router: pair_distance(problem, router))
        starts.append(_relax(problem, best, exponent))
    return starts


def smooth_vectors(
    problem: PlacementProblem, exponent: float, rng: np.random.Generator, n_rounds: int = _N_ROUNDS
) -> F64:
    """(_N_VECTORS, n_cores): approximate eigenvectors, smallest eigenvalue above 0 first."""
    graph = problem.graph
    weight = graph.weight.astype(np.float64) ** exponent
    degree = np.bincount(
        np.repeat(np.arange(problem.n_cores), np.diff(graph.start)),
        weights=weight,
        minlength=problem.n_cores,
    )
    block = rng.standard_normal((_N_VECTORS, problem.n_cores))
    orthonormalise(block)
    high = max(2.0 * float(degree.max(initial=0.0)), 1e-9)  # Gershgorin
    low = high / 4
    small = np.empty((_N_VECTORS, _N_VECTORS))
    for _ in range(n_rounds):
        filter_block(graph.start, graph.neighbour, weight, block, low, high, _ORDER)
        orthonormalise(block)
        project(graph.start, graph.neighbour, weight, block, small)
        values, turn = np.linalg.eigh((small + small.T) / 2)
        block = np.einsum("ij,ik->jk", turn, block)
        low = min(max(float(values[-1]), high * 1e-9), high / 4)
    return block


def _best_rotation(problem: PlacementProblem, vectors: F64, pair: tuple[int, int]) -> I64:
    """Try angles all around, then ever closer to the best of them."""
    one, two = vectors[pair[0]], vectors[pair[1]]

    def arrange(angle: float) -> tuple[int, float, I64]:
        cos, sin = float(np.cos(angle)), float(np.sin(angle))
        router = rank_grid(problem, cos * one - sin * two, sin * one + cos * two)
        return pair_distance(problem, router), angle, router

    step = 2 * np.pi / _N_ANGLES
    best = min((arrange(step * i) for i in range(_N_ANGLES)), key=lambda found: found[:2])
    for _ in range(_N_HALVINGS):
        step /= 2
        closer = [arrange(best[1] + turn) for turn in (-step, step)]
        best = min([best, *closer], key=lambda found: found[:2])
    return best[2]


def _relax(problem: PlacementProblem, router: I64, exponent: float) -> I64:
    """Move every core half way to the mean of its neighbours and rank again, a few times.

    Ranks by column and by row take turns. Evens out what the rank grid has bent.
    """
    graph, wide, n = problem.graph, problem.chip.wide, problem.n_cores
    weight = graph.weight.astype(np.float64) ** exponent
    owner = np.repeat(np.arange(n), np.diff(graph.start))
    total = np.bincount(owner, weights=weight, minlength=n)
    best, best_cost = router, pair_distance(problem, router)
    for number in range(_N_RELAXATIONS):
        goal = []
        for here in ((router % wide).astype(np.float64), (router // wide).astype(np.float64)):
            pull = np.bincount(owner, weights=weight * here[graph.neighbour], minlength=n)
            mean = np.where(total > 0, pull / np.where(total > 0, total, 1.0), here)
            goal.append((here + mean) / 2)
        router = rank_grid(problem, goal[0], goal[1], by_row=bool(number % 2))
        cost = pair_distance(problem, router)
        if cost < best_cost:
            best, best_cost = router, cost
    return best


def rank_grid(problem: PlacementProblem, x: F64, y: F64, by_row: bool = False) -> I64:
    """Movable cores by rank of `x` into columns, by rank of `y` inside a column.

    With `by_row`, by rank of `y` into rows, by rank of `x` inside a row.
    """
    movable, routers = problem.movable, problem.compact
    outer, inner, line = x, y, routers % problem.chip.wide
    if by_row:
        routers = np.sort(routers)
        outer, inner, line = y, x, routers // problem.chip.wide
    order = movable[np.argsort(outer[movable], kind="stable")]
    result = problem.pins.copy()
    # Routers are sorted by line: the cores of a line are consecutive in `order`.
    result[order[np.lexsort((inner[order], line))]] = routers
    return settled(problem, result)
