"""Row-major placement: cores in the order of the layers, row by row, dead cores left out."""

from __future__ import annotations

import numpy as np

from neurosim_mapper.mapping import Placement
from neurosim_mapper.place.problem import PlacementProblem


def place_row_major(problem: PlacementProblem, rng: np.random.Generator) -> Placement:
    """The n-th core of the mapping on the n-th free core of the chip."""
    return problem.placement(problem.fill(problem.free), "row-major")
