"""Row-major placement: cores in the order of the layers, row by row, dead cores left out."""

from __future__ import annotations

import numpy as np

from neurosim.chip import Chip
from neurosim_mapper.mapping import Placement, Wiring


def place_row_major(wiring: Wiring, chip: Chip, rng: np.random.Generator) -> Placement:
    """The n-th core of the partition on the n-th usable core of the chip."""
    xy = np.array(chip.usable_cores[: wiring.n_cores], dtype=np.int32).reshape(-1, 2)
    return Placement(xy[:, 0].copy(), xy[:, 1].copy(), {"placer": "row-major"})
