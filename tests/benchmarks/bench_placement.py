"""Placement: ours beside the baselines, a lower bound, and the bars of the project's plan.

python -m tests.benchmarks.bench_placement
"""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

_ROOT = Path(__file__).resolve().parents[2]
for _folder in ("tests", "cli", "mapper", "."):
    sys.path.insert(0, str(_ROOT / _folder))

from support.placements import (  # noqa: E402
    brute_force_square,
    local_traffic,
    random_traffic,
    shuffled_grid,
    vgg_like,
)

from neurosim_mapper.place import PLACERS, PlacementProblem  # noqa: E402
from neurosim_mapper.place.annealing import place_annealing  # noqa: E402
from neurosim_mapper.place.bounds import best_bound  # noqa: E402
from neurosim_mapper.place.cost import PlacementCost, placement_cost  # noqa: E402

SEEDS = 20
LONG = 200_000_000  # moves, of two searches
LONG_SEEDS = (97, 98, 99)  # the best of these counts
HEAD = ("instance", "cores", "placer", "seconds", "hops", "/ bound", "/ row-major", "busiest link")
FORMAT = "{:<22} {:>6} {:<12} {:>8} {:>12} {:>8} {:>12} {:>13}"


def main() -> None:
    """Print the tables."""
    place_annealing(random_traffic(4, 4, 12, 0), np.random.default_rng(0))  # compile
    vgg = vgg_like()
    million = local_traffic(64, 0)
    print(FORMAT.format(*HEAD))
    for name, problem in {
        "VGG-like, 18x18": vgg,
        "uniform random, 16x16": random_traffic(16, 16, 256, 1),
        "shuffled grid, 16x16": shuffled_grid(16, 0)[0],
        "million neurons, 64x64": million,
    }.items():
        _rows(name, problem)
    print("\nbar                                                reached")
    _squares()
    _grids()
    _long_anneal(replace(vgg, congestion_share=0.0))
    _, seconds = _run(million, "annealing", 0)
    print(f"{'one million neurons, 4,096 cores: some 20 s':<50} {seconds:.1f} s")


def _rows(name: str, problem: PlacementProblem) -> None:
    bound_name, bound = best_bound(problem)
    reference = _run(problem, "row-major", 0)[0].distance
    for placer in ("random", "row-major", "hilbert", "spectral", "annealing"):
        cost, seconds = _run(problem, placer, 0)
        print(
            FORMAT.format(
                name,
                problem.n_cores,
                placer,
                f"{seconds:.2f}",
                f"{cost.distance:,.0f}",
                f"{cost.distance / bound:.3f}",
                f"{cost.distance / reference:.3f}",
                f"{cost.busiest_link:,.0f}",
            ),
            flush=True,
        )
    print(
        f"{name:<22} {problem.n_cores:>6} {'lower bound':<12} {'':>8} {bound:>12,.0f} {bound_name}"
    )


def _squares() -> None:
    hits = 0
    for seed in range(50):
        problem = replace(random_traffic(3, 3, 9, seed), congestion_share=0.0)
        hits += _run(problem, "annealing", seed)[0].distance == brute_force_square(problem)
    print(f"{'3x3, 50 random matrices: optimum 50 of 50':<50} {hits} of 50")


def _grids() -> None:
    worst, slowest = 0.0, 0.0
    for seed in range(SEEDS):
        problem, optimum = shuffled_grid(16, seed)
        cost, seconds = _run(problem, "annealing", seed)
        worst, slowest = max(worst, cost.distance / optimum), max(slowest, seconds)
    label = "shuffled 16x16 grid: 1.15 x optimum in 10 s"
    print(f"{label:<50} {worst:.3f} in {slowest:.1f} s (worst of {SEEDS})")


def _long_anneal(problem: PlacementProblem) -> None:
    runs = [_run(problem, "annealing", seed) for seed in range(SEEDS)]
    start = time.perf_counter()
    long = [place_annealing(problem, np.random.default_rng(s), LONG) for s in LONG_SEEDS]
    seconds = (time.perf_counter() - start) / len(long)
    best = min(placement_cost(problem, problem.routers(found)).distance for found in long)
    ratios = [cost.distance / best - 1 for cost, _ in runs]
    usual, most = (f([seconds for _, seconds in runs]) for f in (np.median, max))
    print(
        f"{'VGG-like, 300 cores: 1 % of a long anneal in 1 s':<50} {np.mean(ratios):+.2%} mean, "
        f"{max(ratios):+.2%} worst of {SEEDS} in {usual:.2f} s (worst {most:.2f} s) on "
        f"{min(2, os.cpu_count() or 1)} threads (long: {best:,.0f} in {seconds:.0f} s)"
    )


def _run(problem: PlacementProblem, placer: str, seed: int) -> tuple[PlacementCost, float]:
    start = time.perf_counter()
    placement = PLACERS[placer](problem, np.random.default_rng(seed))
    seconds = time.perf_counter() - start
    return placement_cost(problem, problem.routers(placement)), seconds


if __name__ == "__main__":
    main()
