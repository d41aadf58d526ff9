"""Dimension-order paths: all steps along one axis, then all along the other.

Deadlock-free on a mesh because no packet ever turns back to the first axis (Dally and Seitz 1987).
On a torus every axis takes the shorter way round, the positive one when both are equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

from neurosim.chip import Chip
from neurosim.errors import DoesNotFitError
from neurosim.program import N_DIRECTIONS

XY = tuple[int, int]
_STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))


class DimensionOrder:
    """Paths over the links of one chip, numbered as in `neurosim.program`."""

    def __init__(self, chip: Chip) -> None:
        self._chip = chip
        self._axes = (0, 1) if chip.noc_section.routing == "xy" else (1, 0)
        self._size = (chip.wide, chip.high)

    def links(self, source: XY, target: XY) -> list[int]:
        """Links from the router of `source` to that of `target`, in order of travel."""
        here, path = list(source), []
        for axis in self._axes:
            step, count = self._way(axis, here[axis], target[axis])
            direction = 2 * axis + (0 if step > 0 else 1)
            for _ in range(count):
                path.append(self._link((here[0], here[1]), direction))
                here[axis] = (here[axis] + step) % self._size[axis]
        return path

    def tree(self, source: XY, targets: Iterable[XY]) -> list[int]:
        """Links of the multicast tree: the union of the paths, each link once."""
        seen: dict[int, None] = {}
        for target in targets:
            seen.update(dict.fromkeys(self.links(source, target)))
        return list(seen)

    def from_host(self, targets: list[XY]) -> list[int]:
        """Links from the host through the west edge, in the row of the first target."""
        row = targets[0][1]
        return [N_DIRECTIONS * self._chip.n_cores + row, *self.tree((0, row), targets)]

    def to_host(self, source: XY) -> list[int]:
        """Links to the host through the west edge, in the row of `source`."""
        row = source[1]
        host = N_DIRECTIONS * self._chip.n_cores + self._chip.high + row
        return [*self.links(source, (0, row)), host]

    def _way(self, axis: int, here: int, there: int) -> tuple[int, int]:
        """Step (+1 or -1) and number of steps along one axis."""
        ahead = there - here
        if self._chip.noc_section.topology == "torus":
            size = self._size[axis]
            ahead %= size
            if ahead > size - ahead:
                ahead -= size
        return (1, ahead) if ahead >= 0 else (-1, -ahead)

    def _link(self, here: XY, direction: int) -> int:
        link = N_DIRECTIONS * (here[1] * self._chip.wide + here[0]) + direction
        if link in self._dead_links:
            dx, dy = _STEPS[direction]
            raise DoesNotFitError(
                f"the route needs the dead link {here} -> {(here[0] + dx, here[1] + dy)} of "
                f"{self._chip.name!r}; routing {self._chip.noc_section.routing!r} has no way "
                "round it. Place the network away from it (another placer or seed)."
            )
        return link

    @cached_property
    def _dead_links(self) -> frozenset[int]:
        """Both directions of every dead link."""
        dead = set()
        for a, b in self._chip.dead_links:
            for (x, y), (u, v) in ((a, b), (b, a)):
                for direction, (dx, dy) in enumerate(_STEPS):
                    if ((x + dx) % self._size[0], (y + dy) % self._size[1]) == (u, v):
                        dead.add(N_DIRECTIONS * (y * self._chip.wide + x) + direction)
        return frozenset(dead)
