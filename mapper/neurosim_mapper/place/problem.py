"""The placement problem: who sends how much to whom, and where cores may sit.

Enters: nets (a source and the cores that hear it) and a chip. Leaves: a `PlacementProblem`, all
that a placer sees. Promised: integer weights, so that every sum is exact and no result depends on
the order of an addition; only the packets matter, whatever layer they belong to.

Routers are numbered ``y * wide + x``. A placement is an array (n_cores,) of router numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UsageError
from neurosim.offsets import offsets_of
from neurosim_mapper.mapping import Placement
from neurosim_mapper.place.regions import settled
from neurosim_mapper.route.dimension_order import dead_link_numbers

I64 = npt.NDArray[np.int64]
I32 = npt.NDArray[np.int32]
F64 = npt.NDArray[np.float64]
HOST: Final = -1
CONGESTION_SHARE: Final = 0.05
CROSSING_COST: Final = 8  # hops that one chip border counts for, on top of its own hop
NO_RING: Final = 1 << 30  # length of an axis that is not closed to a ring


class Nets(NamedTuple):
    """Packets that travel together. A net without targets goes to the host."""

    source: I64  # (n_nets,) core, HOST for input
    offset: I64  # (n_nets + 1,) into `target`
    target: I64  # cores, each at most once per net
    weight: I64  # (n_nets,) packets per tick, in units of `PlacementProblem.unit`


class Graph(NamedTuple):
    """Traffic between pairs of cores, both directions added, no core with itself."""

    start: I64  # (n_cores + 1,)
    neighbour: npt.NDArray[np.int32]
    weight: I64
    host: I64  # (n_cores,) traffic with the host


class Grid(NamedTuple):
    """Routers of the chip; `px`, `py` are positions in which a chip border is a longer step."""

    column: npt.NDArray[np.int32]  # (n_routers,)
    row: npt.NDArray[np.int32]
    px: npt.NDArray[np.int32]
    py: npt.NDArray[np.int32]
    host_distance: I64  # (n_routers,) to the west edge along the row
    size: I64  # (5,) wide, high, length of the ring in x, in y (NO_RING on a mesh), 1: torus
    steps_x: F64  # (wide, wide) distance between columns, (high, high) between rows
    steps_y: F64


@dataclass(frozen=True)
class PlacementProblem:
    """What a placer gets.

    Attributes
    ----------
    chip : topology, routing, chip borders, dead cores and links.
    n_cores : cores to place.
    nets : their packets.
    unit : packets per tick of one unit of weight; 1 unless rates are calibrated.
    pins : (n_cores,) router of cores that must not move, -1 for the others.
    regions : (n_cores, 4) x0, y0, x1, y1 of the rectangle that each core must sit in, corners
        included; None: anywhere.
    labels : (n_cores,) what each core holds, for people; may be empty.
    members : cores of each layer, of "input" (those that hear it) and "output", ascending.
    congestion_share : weight of the load of busy links against distance; 0: distance only.
    phase : (n_cores,) phase of each core of a folded program; None: all at once. Cores of
        different phases may share a router.
    n_siblings : phases that are placed one after the other, this one included.
    n_ghosts : the last so many cores are pinned and take no place: cores of another phase.

    Raises
    ------
    DoesNotFitError : more cores than the chip has usable ones.
    UsageError : a pin on a dead core, outside of the chip, or on a router taken by another pin.
    """

    chip: Chip
    n_cores: int
    nets: Nets
    pins: I64
    unit: float = 1.0
    regions: I32 | None = None
    labels: tuple[str, ...] = ()
    members: Mapping[str, I64] = field(default_factory=dict)
    congestion_share: float = CONGESTION_SHARE
    phase: I64 | None = None
    n_siblings: int = 1
    n_ghosts: int = 0

    def __post_init__(self) -> None:
        needed = int(np.bincount(self.phases[: self.n_residents]).max(initial=0))
        if needed > len(self.chip.usable_cores):
            raise DoesNotFitError(
                f"the placement needs {needed} cores, the chip {self.chip.name!r} has "
                f"{len(self.chip.usable_cores)} usable ones. A larger array would fit "
                "(array: in the chip file)."
            )
        _check_pins(self)

    @cached_property
    def usable(self) -> I64:
        """Routers of usable cores, ascending (row-major)."""
        xy = np.array(self.chip.usable_cores, dtype=np.int64).reshape(-1, 2)
        return xy[:, 1] * self.chip.wide + xy[:, 0]

    @cached_property
    def phases(self) -> I64:
        """(n_cores,) phase of every core."""
        return np.zeros(self.n_cores, np.int64) if self.phase is None else self.phase

    @property
    def n_phases(self) -> int:
        """1 unless the program is folded."""
        return 1 + int(self.phases.max(initial=0))

    @property
    def n_residents(self) -> int:
        """Cores that take a place; ghosts follow behind them."""
        return self.n_cores - self.n_ghosts

    @cached_property
    def free(self) -> I64:
        """Usable routers without a pinned core, ascending."""
        pins = self.pins[: self.n_residents]
        return np.setdiff1d(self.usable, pins[pins >= 0])

    @cached_property
    def movable(self) -> I64:
        """Cores without a pin, ascending."""
        return np.flatnonzero(self.pins < 0)

    @cached_property
    def compact(self) -> I64:
        """As many free routers as there are movable cores, in a square at the host edge.

        Ordered by column, then row.
        """
        x, y = self.free % self.chip.wide, self.free // self.chip.wide
        chosen = self.free[np.lexsort((y, x, np.maximum(x, y)))][: self.movable.size]
        return chosen[np.lexsort((chosen // self.chip.wide, chosen % self.chip.wide))]

    @cached_property
    def grid(self) -> Grid:
        """Coordinates of the routers."""
        return _grid(self.chip)

    @cached_property
    def graph(self) -> Graph:
        """Pairs of cores with traffic; the branches of a net count as single packets."""
        return _graph(self)

    @cached_property
    def is_tree(self) -> bool:
        """Whether some net has several targets."""
        return bool((np.diff(self.nets.offset) > 1).any())

    @cached_property
    def is_chained(self) -> bool:
        """Whether nets of several targets are relay chains; else they are trees."""
        return self.is_tree and self.chip.noc_section.multicast == "relay"

    def with_pins(self, pins: Mapping[int, tuple[int, int]]) -> PlacementProblem:
        """The same problem with cores fixed at (x, y)."""
        router = self.pins.copy()
        for core, (x, y) in pins.items():
            if not 0 <= core < self.n_cores:
                raise UsageError(
                    f"pin of core {core}: the mapping has cores 0..{self.n_cores - 1}."
                )
            if not (0 <= x < self.chip.wide and 0 <= y < self.chip.high):
                raise UsageError(
                    f"pin of core {core} at ({x}, {y}): the chip {self.chip.name!r} reaches "
                    f"from (0, 0) to ({self.chip.wide - 1}, {self.chip.high - 1})."
                )
            router[core] = y * self.chip.wide + x
        return replace(self, pins=router)

    def fill(self, routers: I64) -> I64:
        """Placement with the movable cores, in order, on `routers` and the others on their pins.

        Cores with a region that are not in it change places, see `neurosim_mapper.place.regions`.
        """
        return settled(self, self.filled(routers))

    def filled(self, routers: I64) -> I64:
        """As `fill`, without a look at the regions."""
        result = self.pins.copy()
        result[self.movable] = routers[: self.movable.size]
        return result

    def placement(self, router: I64, placer: str, **notes: float | str) -> Placement:
        """Placement of a solution."""
        x = (router % self.chip.wide).astype(np.int32)
        y = (router // self.chip.wide).astype(np.int32)
        return Placement(x, y, {"placer": placer, **notes}, self.phases.astype(np.int32))

    def routers(self, placement: Placement) -> I64:
        """Router numbers of a placement."""
        return placement.y.astype(np.int64) * self.chip.wide + placement.x


def problem_of_pairs(
    chip: Chip, n_cores: int, source: npt.ArrayLike, target: npt.ArrayLike, weight: npt.ArrayLike
) -> PlacementProblem:
    """Problem of single flows: core (or HOST) to core (or HOST), packets per tick.

    Source, target and weight are (n_flows,); equal pairs add up, flows inside a core vanish.
    """
    s, t, w = (np.asarray(a, dtype=np.int64) for a in (source, target, weight))
    return PlacementProblem(chip, n_cores, pair_nets(n_cores, s, t, w), no_pins(n_cores))


def no_pins(n_cores: int) -> I64:
    """(n_cores,) of -1."""
    return np.full(n_cores, -1, dtype=np.int64)


def pair_nets(n_cores: int, source: I64, target: I64, weight: I64) -> Nets:
    """Nets of one target each; equal pairs add up, traffic inside a core vanishes."""
    away = (source != target) & (weight > 0)
    key = (source[away] + 1) * (n_cores + 1) + target[away] + 1
    found, which = np.unique(key, return_inverse=True)
    total = np.zeros(found.size, np.int64)
    np.add.at(total, which, weight[away])
    source, target = found // (n_cores + 1) - 1, found % (n_cores + 1) - 1
    offset = offsets_of(target != HOST)
    return Nets(source, offset, target[target != HOST], total)


def _check_pins(problem: PlacementProblem) -> None:
    pinned = np.flatnonzero(problem.pins[: problem.n_residents] >= 0)
    routers = problem.pins[pinned]
    wide = problem.chip.wide
    for core, router in zip(pinned.tolist(), routers.tolist(), strict=True):
        if router not in problem.usable:
            raise UsageError(
                f"pin of core {core} at ({router % wide}, {router // wide}): that core of "
                f"{problem.chip.name!r} is dead. Pin it to another one."
            )
    slots = problem.phases[pinned] * problem.chip.n_cores + routers
    found, counts = np.unique(slots, return_counts=True)
    if (counts > 1).any():
        both = pinned[slots == found[counts > 1][0]]
        router = problem.pins[both[0]]
        raise UsageError(
            f"pins of cores {both[0]} and {both[1]}: both at ({router % wide}, {router // wide}). "
            "A core of the chip holds one core of the mapping."
        )


def _grid(chip: Chip) -> Grid:
    column, row = (a.astype(np.int32) for a in _columns_and_rows(chip))
    px = column + CROSSING_COST * (column // chip.grid.wide)
    py = row + CROSSING_COST * (row // chip.grid.high)
    ring_x = ring_y = NO_RING
    torus = chip.noc_section.topology == "torus"
    if torus:
        ring_x = chip.wide + CROSSING_COST * (chip.array.wide if chip.array.wide > 1 else 0)
        ring_y = chip.high + CROSSING_COST * (chip.array.high if chip.array.high > 1 else 0)
    return Grid(
        column,
        row,
        px,
        py,
        np.minimum(px, ring_x - px).astype(np.int64),
        np.array([chip.wide, chip.high, ring_x, ring_y, torus], np.int64),
        _steps(px[: chip.wide], ring_x),
        _steps(py[:: chip.wide], ring_y),
    )


def _steps(position: I32, ring: int) -> F64:
    """(n, n) distances between positions along one axis."""
    away = np.abs(position[:, None].astype(np.int64) - position[None, :])
    steps: F64 = np.minimum(away, ring - away).astype(np.float64)
    return steps


def _columns_and_rows(chip: Chip) -> tuple[I64, I64]:
    router = np.arange(chip.n_cores, dtype=np.int64)
    return router % chip.wide, router // chip.wide


def _graph(problem: PlacementProblem) -> Graph:
    nets, n = problem.nets, problem.n_cores
    sizes = np.diff(nets.offset)
    source = np.repeat(nets.source, sizes)
    weight = np.repeat(nets.weight, sizes)
    host = np.zeros(n, np.int64)
    np.add.at(host, nets.target[source == HOST], weight[source == HOST])
    out = sizes == 0
    np.add.at(host, nets.source[out], nets.weight[out])
    inner = (source != HOST) & (source != nets.target)
    one, two, w = source[inner], nets.target[inner], weight[inner]
    key = np.concatenate([one * n + two, two * n + one])
    found, which = np.unique(key, return_inverse=True)
    total = np.zeros(found.size, np.int64)
    np.add.at(total, which, np.concatenate([w, w]))
    start = offsets_of(np.bincount(found // max(n, 1), minlength=n))
    return Graph(start.astype(np.int64), (found % max(n, 1)).astype(np.int32), total, host)


def dead_links(chip: Chip) -> I64:
    """Numbers of the links that must not be used."""
    return dead_link_numbers(chip) if chip.dead_links else np.empty(0, np.int64)
