"""Spectral placement: the smoothest vectors of the traffic graph as coordinates.

The eigenvectors of the smallest eigenvalues of the graph's Laplacian put cores with much traffic
side by side (K. M. Hall, Management Science 17, 1970). Their ranks fill the grid column by column.
Weights that differ widely bend the picture, so their square root and the bare graph are tried as
well, in several rotations; the cheapest one counts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim_mapper.mapping import Placement
from neurosim_mapper.place._spectral_kernel import filter_block, orthonormalise, project
from neurosim_mapper.place.cost import pair_distance
from neurosim_mapper.place.problem import I64, PlacementProblem

F64 = npt.NDArray[np.float64]
EXPONENTS: Final = (1.0, 0.5, 0.0)
_PAIRS: Final = ((0, 1), (0, 2), (1, 2))
_N_VECTORS: Final = 5
_N_ROUNDS: Final = 10
_ORDER: Final = 40
_N_ANGLES: Final = 32
_FEW_CORES: Final = 1024  # beyond, one pair of vectors and fewer angles are tried


def place_spectral(problem: PlacementProblem, rng: np.random.Generator) -> Placement:
    """The cheapest of the spectral arrangements."""
    best = min(spectral_starts(problem, rng), key=lambda router: pair_distance(problem, router))
    return problem.placement(best, "spectral")


def spectral_starts(problem: PlacementProblem, rng: np.random.Generator) -> list[I64]:
    """For each exponent of the weights, its cheapest arrangement."""
    starts = []
    for exponent in EXPONENTS:
        vectors = smooth_vectors(problem, exponent, rng)
        arrangements = _arrangements(problem, vectors)
        starts.append(min(arrangements, key=lambda router: pair_distance(problem, router)))
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


def _arrangements(problem: PlacementProblem, vectors: F64) -> Iterator[I64]:
    few = problem.n_cores <= _FEW_CORES
    n_angles = _N_ANGLES if few else _N_ANGLES // 2
    for one, two in _PAIRS if few else _PAIRS[:1]:
        for angle in np.arange(n_angles) * (2 * np.pi / n_angles):
            x = np.cos(angle) * vectors[one] - np.sin(angle) * vectors[two]
            y = np.sin(angle) * vectors[one] + np.cos(angle) * vectors[two]
            yield rank_grid(problem, x, y)


def rank_grid(problem: PlacementProblem, x: F64, y: F64) -> I64:
    """Movable cores by rank of `x` into columns, by rank of `y` inside a column."""
    movable, routers = problem.movable, problem.compact
    order = movable[np.argsort(x[movable], kind="stable")]
    column = routers % problem.chip.wide
    result = problem.pins.copy()
    # Routers are sorted by (column, row): equal columns get consecutive cores.
    result[order[np.lexsort((y[order], column))]] = routers
    return result
