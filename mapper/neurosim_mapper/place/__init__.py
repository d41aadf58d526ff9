"""Placers: which core of the chip each core of the partition becomes. One file per algorithm.

``placer(wiring, chip, rng) -> Placement``. `PLACERS` names the ones on offer; a caller may pass
any function with this prototype instead. Randomness comes from `rng` only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import numpy as np

from neurosim.chip import Chip
from neurosim_mapper.mapping import Placement, Wiring
from neurosim_mapper.place.random_cores import place_random
from neurosim_mapper.place.row_major import place_row_major

Placer: TypeAlias = Callable[[Wiring, Chip, np.random.Generator], Placement]

PLACERS: Final[Mapping[str, Placer]] = {"row-major": place_row_major, "random": place_random}
