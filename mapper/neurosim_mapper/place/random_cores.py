"""Random placement: the baseline every placer has to beat."""

from __future__ import annotations

import numpy as np

from neurosim_mapper.mapping import Placement
from neurosim_mapper.place.problem import PlacementProblem


def place_random(problem: PlacementProblem, rng: np.random.Generator) -> Placement:
    """Every core on a free core of the chip drawn without replacement."""
    return problem.placement(problem.fill(rng.permutation(problem.free)), "random")
