"""The placing step: which placer, what is pinned, what the report says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.errors import UsageError
from neurosim_mapper.mapping import Placement
from neurosim_mapper.place.annealing import place_annealing
from neurosim_mapper.place.by_phase import place_by_phase
from neurosim_mapper.place.pins import Pins, pin_by_name
from neurosim_mapper.place.placement_file import FilePlacer, pin_from_file
from neurosim_mapper.place.placers import PLACERS, Placer
from neurosim_mapper.place.problem import PlacementProblem
from neurosim_mapper.place.report import placement_report


@dataclass(frozen=True)
class Placing:
    """How to place.

    Attributes
    ----------
    placer : a name from PLACERS, or a function with the same prototype.
    effort : moves of the annealing placer; None: by the number of cores.
    file : placement file; the cores that it names are pinned.
    pins : cores pinned by name, see `neurosim_mapper.place.pins`.
    """

    placer: str | Placer = "annealing"
    effort: int | None = None
    file: str | Path | None = None
    pins: Pins | None = None


def place(
    problem: PlacementProblem, placing: Placing, rng: np.random.Generator
) -> tuple[Placement, dict[str, Any]]:
    """Placement and its report.

    Raises UsageError for a placer that is not known or an effort that it cannot use,
    InputFileError for a placement file that does not fit the mapping, UsageError for pins that
    cannot be.
    """
    placer = _placer(placing)
    if placing.file is not None:
        problem = pin_from_file(problem, placing.file)
    if placing.pins:
        problem = pin_by_name(problem, placing.pins)
    if isinstance(placer, FilePlacer):  # knows the cores of all phases
        placement = placer(problem, rng)
    else:
        placement = place_by_phase(problem, placer, rng)
    return placement, placement_report(problem, placement)


def _placer(placing: Placing) -> Placer:
    name, effort = placing.placer, placing.effort
    if effort is not None:
        if name != "annealing":
            raise UsageError(f"effort counts moves of the annealing placer; {name!r} has none.")
        if effort < 0:
            raise UsageError(f"effort is {effort}; needs a number of moves, 0 or more.")
        return lambda problem, rng: place_annealing(problem, rng, effort)
    if not isinstance(name, str):
        return name
    if name not in PLACERS:
        raise UsageError(f"placer is {name!r}; known: {', '.join(PLACERS)}.")
    return PLACERS[name]
