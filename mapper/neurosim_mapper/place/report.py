"""What a mapping says about its placement: cost, lower bound, gap, baselines. Plain JSON data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np

from neurosim_mapper.mapping import Placement
from neurosim_mapper.place.bounds import lower_bounds
from neurosim_mapper.place.by_phase import place_by_phase
from neurosim_mapper.place.cost import placement_cost
from neurosim_mapper.place.problem import PlacementProblem, no_pins
from neurosim_mapper.place.random_cores import place_random
from neurosim_mapper.place.regions import n_confined
from neurosim_mapper.place.row_major import place_row_major

N_RANDOM: Final = 5


def placement_report(problem: PlacementProblem, placement: Placement) -> dict[str, Any]:
    """Figures of a placement, distances in packet hops per tick.

    Keys: the notes of the placer; those of `PlacementCost`; ``objective`` (tree links, relay chains
    or hops);
    ``pinned`` cores and those ``confined`` to a region; ``lower_bounds`` by name, ``lower_bound``
    the largest and ``bound`` its name; ``gap`` = distance / lower bound - 1, null without traffic;
    ``baselines``: distance in row-major order and the mean of five random placements, both without
    pins.
    """
    cost = placement_cost(problem, problem.routers(placement))
    bounds = lower_bounds(problem)
    name = max(bounds, key=lambda key: bounds[key])
    rng = np.random.default_rng(0)
    open_problem = replace(problem, pins=no_pins(problem.n_cores), regions=None)
    randoms = [
        placement_cost(
            problem, problem.routers(place_by_phase(open_problem, place_random, rng))
        ).distance
        for _ in range(N_RANDOM)
    ]
    in_order = problem.routers(place_by_phase(open_problem, place_row_major, rng))
    row_major = placement_cost(problem, in_order).distance
    return {
        **placement.notes,
        "objective": _objective(problem),
        "pinned": int((problem.pins >= 0).sum()),
        "confined": n_confined(problem),
        **cost.rows(),
        "lower_bounds": {key: _short(value) for key, value in bounds.items()},
        "lower_bound": _short(bounds[name]),
        "bound": name,
        "gap": _short(cost.distance / bounds[name] - 1) if bounds[name] > 0 else None,
        "baselines": {"row-major": _short(row_major), "random": _short(float(np.mean(randoms)))},
    }


def _objective(problem: PlacementProblem) -> str:
    """What `hops` counts."""
    if problem.is_chained:
        return "relay chains"
    return "tree links" if problem.is_tree else "hops"


def placement_sentence(report: dict[str, Any]) -> str:
    """The report in one sentence."""
    distance, bound, gap = report["distance"], report["lower_bound"], report["gap"]
    base = report["baselines"]
    if gap is None:
        proven = "no traffic that a placement could shorten"
    elif gap == 0:
        proven = f"an optimum (lower bound {report['bound']})"
    else:
        proven = (
            f"at most {gap:.1%} above the optimum (lower bound {bound:,.0f}, {report['bound']})"
        )
    return (
        f"placement ({report['placer']}): {distance:,.0f} packet hops per tick, {proven}; "
        f"row-major {base['row-major']:,.0f}, random {base['random']:,.0f}; "
        f"busiest link {report['busiest_link']:,.0f} packets"
    )


def _short(value: float) -> float:
    """Six digits: what two ways of adding up agree about."""
    return float(f"{value:.6g}")
