"""Placement of a folded program: phase after phase, each over the whole chip.

The cores of a phase are placed with those of the phases before it in view: they stand where they
are and draw the cores that they talk to, but take no place. What later phases will need is not
known yet; they come to the cores that are placed already.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from neurosim.offsets import offsets_of
from neurosim_mapper.mapping import Placement
from neurosim_mapper.place.problem import HOST, I32, I64, Nets, PlacementProblem

_Place: TypeAlias = Callable[[PlacementProblem, np.random.Generator], Placement]
_ABSENT = -2


def place_by_phase(
    problem: PlacementProblem, placer: _Place, rng: np.random.Generator
) -> Placement:
    """Placement of all phases; numbers in the notes of the placer are added up."""
    if problem.n_phases == 1:
        return placer(problem, rng)
    router = np.full(problem.n_cores, -1, np.int64)
    notes: dict[str, float | str] = {}
    for phase in range(problem.n_phases):
        part = phase_problem(problem, phase, router)
        placed = placer(part, rng)
        mine = np.flatnonzero(problem.phases == phase)
        router[mine] = part.routers(placed)[: mine.size]
        for name, value in placed.notes.items():
            before = notes.get(name, 0)
            added = not isinstance(value, str) and not isinstance(before, str)
            notes[name] = before + value if added else value  # type: ignore[operator]
    name = str(notes.pop("placer", "placer"))
    return problem.placement(router, name, **notes)


def phase_problem(problem: PlacementProblem, phase: int, router: I64 | None) -> PlacementProblem:
    """The cores of one phase, then a ghost for every router that holds cores of earlier ones.

    Without `router` there are no ghosts: only the traffic inside the phase and with the host.
    """
    mine = np.flatnonzero(problem.phases == phase)
    local = np.full(problem.n_cores, _ABSENT, np.int64)
    local[mine] = np.arange(mine.size)
    ghosts = np.empty(0, np.int64)
    if router is not None:
        placed = np.flatnonzero(problem.phases < phase)
        ghosts, number = np.unique(router[placed], return_inverse=True)
        local[placed] = mine.size + number
    return replace(
        problem,
        n_cores=mine.size + ghosts.size,
        nets=_renumbered(problem.nets, local, mine.size),
        pins=np.concatenate([problem.pins[mine], ghosts]),
        regions=_regions(problem, mine, ghosts.size),
        labels=tuple(problem.labels[core] for core in mine) if problem.labels else (),
        members={},
        phase=None,
        n_siblings=problem.n_phases,
        n_ghosts=ghosts.size,
    )


def _regions(problem: PlacementProblem, mine: I64, n_ghosts: int) -> I32 | None:
    if problem.regions is None:
        return None
    return np.concatenate([problem.regions[mine], np.zeros((n_ghosts, 4), np.int32)])


def _renumbered(nets: Nets, local: I64, n_own: int) -> Nets:
    """Nets with cores numbered by `local`; those without a core of its own kind are left out."""
    sizes = np.diff(nets.offset)
    source = np.where(nets.source == HOST, HOST, local[nets.source])
    net, target = np.repeat(np.arange(sizes.size), sizes), local[nets.target]
    own = (source >= 0) & (source < n_own)
    own[net[(target >= 0) & (target < n_own)]] = True
    known = own[net] & (target != _ABSENT) & (source[net] != _ABSENT) & (target != source[net])
    width = local.size + n_own + 1
    pairs = np.unique(net[known] * width + target[known])
    net, target = pairs // width, pairs % width
    counts = np.bincount(net, minlength=sizes.size)
    keep = own & (source != _ABSENT) & ((counts > 0) | (sizes == 0))
    chosen = keep[net]
    return Nets(
        source[keep],
        offsets_of(counts[keep]),
        target[chosen],
        nets.weight[keep],
    )
