"""Hilbert placement: cores in the order of the layers along a space-filling curve.

Neighbours on the curve are neighbours on the grid (D. Hilbert, Math. Annalen 38, 1891), so a long
layer becomes a compact patch rather than a row. A baseline; it knows no traffic.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurosim_mapper.mapping import Placement
from neurosim_mapper.place.problem import I64, PlacementProblem


def place_hilbert(problem: PlacementProblem, rng: np.random.Generator) -> Placement:
    """The n-th core of the mapping on the n-th free core along the curve."""
    wide = problem.chip.wide
    order = hilbert_index(problem.free % wide, problem.free // wide)
    return problem.placement(problem.fill(problem.free[np.argsort(order)]), "hilbert")


def hilbert_index(x: npt.ArrayLike, y: npt.ArrayLike) -> I64:
    """Position of (x, y) on the curve through the smallest square of side 2**k that holds all."""
    x, y = np.array(x, dtype=np.int64), np.array(y, dtype=np.int64)
    side = 1
    while side <= max(int(x.max(initial=0)), int(y.max(initial=0))):
        side *= 2
    index = np.zeros(x.shape, np.int64)
    step = side // 2
    while step:
        right, below = (x & step) > 0, (y & step) > 0
        index += step * step * ((3 * right) ^ below)
        # Turn the quadrant so that the curve inside it starts and ends where it should.
        flip = ~below & right
        x, y = np.where(flip, side - 1 - x, x), np.where(flip, side - 1 - y, y)
        x, y = np.where(below, x, y), np.where(below, y, x)
        step //= 2
    return index
