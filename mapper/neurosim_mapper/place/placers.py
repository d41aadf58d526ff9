"""The family of placers: one file per algorithm, one line here.

``placer(problem, rng) -> Placement``. A caller may pass any function with this prototype instead.
Randomness comes from `rng` only; a placer honours the pins of the problem.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np

from neurosim_mapper.mapping import Placement
from neurosim_mapper.place.annealing import place_annealing
from neurosim_mapper.place.hilbert import place_hilbert
from neurosim_mapper.place.problem import PlacementProblem
from neurosim_mapper.place.random_cores import place_random
from neurosim_mapper.place.row_major import place_row_major
from neurosim_mapper.place.spectral import place_spectral

Placer: TypeAlias = Callable[[PlacementProblem, np.random.Generator], Placement]

PLACERS: Final[Mapping[str, Placer]] = {
    "annealing": place_annealing,
    "row-major": place_row_major,
    "random": place_random,
    "hilbert": place_hilbert,
    "spectral": place_spectral,
}
