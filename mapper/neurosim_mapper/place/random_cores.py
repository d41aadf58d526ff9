"""Random placement: the baseline every placer has to beat."""

from __future__ import annotations

import numpy as np

from neurosim.chip import Chip
from neurosim_mapper.mapping import Placement, Wiring


def place_random(wiring: Wiring, chip: Chip, rng: np.random.Generator) -> Placement:
    """Every core on a usable core drawn without replacement."""
    xy = np.array(chip.usable_cores, dtype=np.int32).reshape(-1, 2)
    chosen = xy[rng.permutation(len(xy))[: wiring.n_cores]]
    return Placement(chosen[:, 0].copy(), chosen[:, 1].copy(), {"placer": "random"})
