"""Dimension-order paths: all steps along one axis, then all along the other.

Deadlock-free on a mesh because no packet ever turns back to the first axis (Dally and Seitz 1987).
On a torus every axis takes the shorter way round, the positive one when both are equal. Around dead
links of a mesh lead the ways of `neurosim.links.detours`.

`flow_links` does all flows of a network at once; `DimensionOrder` is the same for a single path,
in plain Python, and the slow twin that tests hold the compiled code against.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError
from neurosim.links.detours import detour_links, needs_detours
from neurosim.noc.model import MAX_TABLE_ROUTERS
from neurosim.program.columns import DIRECTION_STEPS, N_DIRECTIONS
from neurosim_mapper.route._tree_kernel import walk_flows

XY = tuple[int, int]
Index = npt.NDArray[np.int64]


def flow_links(
    chip: Chip,
    source_xy: Index,
    to_host: npt.NDArray[np.bool_],
    target_offset: Index,
    target_xy: Index,
) -> tuple[Index, npt.NDArray[np.int32]]:
    """Links of every flow: offsets (n_flows + 1,) and links in order of travel.

    Parameters
    ----------
    source_xy : (n_flows, 2) router of the source; x = -1: the host, which enters in row y.
    to_host : (n_flows,) flows to the host, along their row and out at the west edge; no targets.
    target_offset, target_xy : (n_flows + 1,) and (n_targets, 2) routers of the targets.

    Raises
    ------
    DoesNotFitError : dead links cut the mesh into parts, or a way on a torus needs one.
    """
    if needs_detours(chip):
        return detour_links(chip, source_xy.astype(np.int64), to_host, target_offset, target_xy)
    offset, link = dimension_order_links(chip, source_xy, to_host, target_offset, target_xy)
    if chip.dead_links:
        dead = np.flatnonzero(np.isin(link, dead_link_numbers(chip)))
        if dead.size:
            raise dead_link_error(chip, int(link[dead[0]]))
    return offset, link


def dimension_order_links(
    chip: Chip,
    source_xy: Index,
    to_host: npt.NDArray[np.bool_],
    target_offset: Index,
    target_xy: Index,
) -> tuple[Index, npt.NDArray[np.int32]]:
    """The same as `flow_links`, over dead links as over others."""
    shape = network_shape(chip)
    sx, sy = np.ascontiguousarray(source_xy.T.astype(np.int64))
    tx, ty = np.ascontiguousarray(target_xy.T.astype(np.int64))
    offset = np.zeros(len(sx) + 1, np.int64)
    nothing = np.empty(0, np.int32)
    walk_flows(sx, sy, to_host, target_offset, tx, ty, shape, offset, nothing)
    offset = np.cumsum(offset)
    link = np.empty(int(offset[-1]), np.int32)
    if link.size:
        walk_flows(sx, sy, to_host, target_offset, tx, ty, shape, offset, link)
    return offset, link


def network_shape(chip: Chip) -> Index:
    """(4,) wide, high, 1 for a torus, 1 for y before x."""
    noc = chip.noc_section
    return np.array(
        [chip.wide, chip.high, noc.topology == "torus", noc.routing == "yx"], dtype=np.int64
    )


def dead_link_numbers(chip: Chip) -> Index:
    """Numbers of the dead links, both directions of each."""
    dead = []
    for a, b in chip.dead_links:
        for (x, y), (u, v) in ((a, b), (b, a)):
            for direction, (dx, dy) in enumerate(DIRECTION_STEPS):
                if ((x + dx) % chip.wide, (y + dy) % chip.high) == (u, v):
                    dead.append(N_DIRECTIONS * (y * chip.wide + x) + direction)
    return np.array(sorted(set(dead)), dtype=np.int64)


def dead_link_error(chip: Chip, link: int) -> DoesNotFitError:
    """What to say about a route over a dead link."""
    router, direction = divmod(link, N_DIRECTIONS)
    here = (router % chip.wide, router // chip.wide)
    dx, dy = DIRECTION_STEPS[direction]
    return DoesNotFitError(
        f"the route needs the dead link {here} -> {(here[0] + dx, here[1] + dy)} of "
        f"{chip.name!r}; ways round dead links are found on a mesh of up to "
        f"{MAX_TABLE_ROUTERS} routers. Place the network away from it (another placer or seed)."
    )


class DimensionOrder:
    """Paths over the links of one chip, numbered as in `neurosim.program.columns`."""

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
            raise dead_link_error(self._chip, link)
        return link

    @cached_property
    def _dead_links(self) -> frozenset[int]:
        """Both directions of every dead link."""
        return frozenset(dead_link_numbers(self._chip).tolist())
