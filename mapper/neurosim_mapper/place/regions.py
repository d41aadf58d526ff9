"""Regions: cores that may sit anywhere in a rectangle of the chip, and nowhere else.

Enters: an arrangement of cores that a placer made without a look at the rectangles. Leaves: one
that honours them all. Promised: cores that stand well stay, others go to the nearest router of
their region that can be had; a core without a region makes room and goes to the nearest free one.

Who gets which router of a region is a matching, grown path by path (H. W. Kuhn, Naval Research
Logistics Quarterly 2, 1955): a core that finds all its routers taken makes another core move on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError

if TYPE_CHECKING:
    from neurosim_mapper.place.problem import PlacementProblem

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]


def settled(problem: PlacementProblem, router: I64) -> I64:
    """`router` (n_cores,) with every movable core inside its region.

    Raises UsageError if the regions leave a core no place.
    """
    regions = problem.regions
    if regions is None:
        return router
    confined = _confined(problem).tolist()
    wanted = {core: _nearest_first(problem, regions, core, int(router[core])) for core in confined}
    taken: dict[int, int] = {}
    for core in sorted(confined, key=lambda c: (wanted[c][:1] != [int(router[c])], c)):
        if not _give_place(core, wanted, taken):
            raise UsageError(_no_place(problem, regions, core, len(wanted[core])))
    result = router.copy()
    result[list(taken.values())] = list(taken)
    _make_room(problem, result, taken)
    return result


def n_confined(problem: PlacementProblem) -> int:
    """Movable cores that may not sit everywhere."""
    return int(_confined(problem).size)


def _confined(problem: PlacementProblem) -> I64:
    if problem.regions is None:
        return np.empty(0, np.int64)
    whole = [0, 0, problem.chip.wide - 1, problem.chip.high - 1]
    small = (problem.regions != whole).any(axis=1)
    confined: I64 = problem.movable[small[problem.movable]]
    return confined


def _nearest_first(problem: PlacementProblem, regions: I32, core: int, here: int) -> list[int]:
    """Free routers of the core's region, the nearest to `here` first."""
    wide, free = problem.chip.wide, problem.free
    x0, y0, x1, y1 = regions[core].tolist()
    x, y = free % wide, free // wide
    mine = free[(x >= x0) & (x <= x1) & (y >= y0) & (y <= y1)]
    away = np.abs(mine % wide - here % wide) + np.abs(mine // wide - here // wide)
    nearest: list[int] = mine[np.lexsort((mine, away))].tolist()
    return nearest


def _give_place(core: int, wanted: dict[int, list[int]], taken: dict[int, int]) -> bool:
    """Find a router for `core`; those who must move on for it do so along the shortest path."""
    came_from: dict[int, int] = {}
    waiting = [core]
    for mover in waiting:
        for place in wanted[mover]:
            if place in came_from:
                continue
            came_from[place] = mover
            if place not in taken:
                while True:
                    mover = came_from[place]
                    left = next((p for p, c in taken.items() if c == mover), None)
                    taken[place] = mover
                    if left is None:
                        return True
                    del taken[left]
                    place = left
            waiting.append(taken[place])
    return False


def _make_room(problem: PlacementProblem, router: I64, taken: dict[int, int]) -> None:
    """Cores without a region that stand on a taken router go to the nearest empty one, in place."""
    wide = problem.chip.wide
    others = [c for c in problem.movable.tolist() if c not in set(taken.values())]
    empty = np.setdiff1d(problem.free, router[problem.movable])
    for core in others:
        here = int(router[core])
        if here not in taken:
            continue
        away = np.abs(empty % wide - here % wide) + np.abs(empty // wide - here // wide)
        chosen = int(np.argmin(away))
        router[core] = empty[chosen]
        empty = np.delete(empty, chosen)


def _no_place(problem: PlacementProblem, regions: I32, core: int, n_routers: int) -> str:
    x0, y0, x1, y1 = regions[core].tolist()
    holds = f" ({problem.labels[core]})" if problem.labels else ""
    return (
        f"the pins leave no place for core {core}{holds}: its region ({x0}, {y0}) to ({x1}, {y1}) "
        f"has {n_routers} usable cores without another pin, all needed by others with a region. "
        "Enlarge the region."
    )
