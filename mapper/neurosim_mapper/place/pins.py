"""Pins by name: a core of a layer, a whole layer, or a neighbour of the host on given cores.

``{"conv1:0": (3, 4)}`` puts the first core of layer conv1 at x = 3, y = 4; ``{"conv1": ((0, 0),
(3, 4))}`` keeps all its cores in the rectangle from (0, 0) to (3, 4). ``input`` are the cores that
hear the input, ``output`` those that send the result. Cores of a layer count from 0 in the order of
the mapping. Several pins may name a core: it obeys them all.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from neurosim.errors import UsageError
from neurosim_mapper.place.by_phase import phase_problem
from neurosim_mapper.place.problem import I32, I64, PlacementProblem
from neurosim_mapper.place.regions import settled

Pins = Mapping[str, Sequence[Any]]


class _Box(NamedTuple):
    """A rectangle of cores, corners included; a single core if they are the same."""

    x0: int
    y0: int
    x1: int
    y1: int

    def __str__(self) -> str:
        first = f"{self.x0},{self.y0}"
        return first if self.is_single else f"{first}:{self.x1},{self.y1}"

    @property
    def is_single(self) -> bool:
        return (self.x0, self.y0) == (self.x1, self.y1)


def parse_pin(text: str) -> tuple[str, tuple[tuple[int, int], ...]]:
    """Name and place of ``LAYER[:CORE]=X,Y[:X,Y]``; raises UsageError for anything else."""
    name, equals, place = text.rpartition("=")
    corners = [corner.split(",") for corner in place.split(":")]
    good = name and equals and len(corners) <= 2
    if not good or not all(len(c) == 2 and all(n.strip().isdecimal() for n in c) for c in corners):
        raise UsageError(
            f"pin {text!r}: needs LAYER=X,Y, LAYER:CORE=X,Y, or a region as LAYER=X,Y:X,Y."
        )
    return name, tuple((int(x), int(y)) for x, y in corners)


def pin_by_name(problem: PlacementProblem, pins: Pins) -> PlacementProblem:
    """The problem with the named cores fixed, or kept in their regions.

    Raises UsageError, with the pin as it was written, for a layer or core that does not exist, a
    place outside of the chip or on a dead core, a place taken by another pin, and for regions that
    have too few cores or contradict each other.
    """
    chip = problem.chip
    regions = np.empty((problem.n_cores, 4), np.int32)
    regions[:] = (0, 0, chip.wide - 1, chip.high - 1)
    said: dict[int, list[str]] = {}
    for name, place in pins.items():
        box = _box_of(name, place)
        what = f"pin {name}={box}"
        cores = _cores_of(problem, name, what)
        _check_box(problem, box, cores, what)
        for core in cores.tolist():
            said.setdefault(core, []).append(what)
            x0, y0, x1, y1 = regions[core].tolist()
            both = _Box(max(x0, box.x0), max(y0, box.y0), min(x1, box.x1), min(y1, box.y1))
            if both.x0 > both.x1 or both.y0 > both.y1:
                raise UsageError(f"{' and '.join(said[core])} leave core {core} no place.")
            regions[core] = both
    pinned = replace(problem, pins=_fixed(problem, regions, said), regions=regions)
    for phase in range(pinned.n_phases):
        part = phase_problem(pinned, phase, None)
        settled(part, part.filled(part.free))  # finds every core a place, or says which has none
    return pinned


def _fixed(problem: PlacementProblem, regions: I32, said: dict[int, list[str]]) -> I64:
    """(n_cores,) pins of the problem, and those of regions with a single core."""
    fixed = problem.pins.copy()
    wide = problem.chip.wide
    for core, names in said.items():
        box = _Box(*regions[core].tolist())
        x, y = divmod(int(fixed[core]), wide)[::-1]
        if fixed[core] >= 0 and not (box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1):
            raise UsageError(f"{names[-1]}: the placement file has its core {core} at ({x}, {y}).")
        if not box.is_single:
            continue
        same = (fixed == box.y0 * wide + box.x0) & (problem.phases == problem.phases[core])
        same[core] = False
        if same.any():
            by = said.get(int(np.flatnonzero(same)[0]), ["the placement file"])[-1]
            raise UsageError(f"{names[-1]}: ({box.x0}, {box.y0}) is taken already, by {by}.")
        fixed[core] = box.y0 * wide + box.x0
    return fixed


def _box_of(name: str, place: Sequence[Any]) -> _Box:
    corners = [place] if len(place) == 2 and not isinstance(place[0], Sequence) else list(place)
    numbers = [n for corner in corners for n in corner]
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers)
    if len(corners) not in (1, 2) or len(numbers) != 2 * len(corners) or not whole:
        raise UsageError(f"pin of {name!r} at {place!r}: needs (x, y) or ((x, y), (x, y)).")
    xs, ys = sorted(map(int, numbers[::2])), sorted(map(int, numbers[1::2]))
    return _Box(xs[0], ys[0], xs[-1], ys[-1])


def _cores_of(problem: PlacementProblem, name: str, what: str) -> I64:
    """Cores that a name stands for: a layer, or ``layer:number``."""
    if name in problem.members:
        return problem.members[name]
    layer, _, number = name.rpartition(":")
    if layer not in problem.members:
        asked = layer if layer and number.isdecimal() else name
        close = difflib.get_close_matches(asked, problem.members, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else "."
        raise UsageError(
            f"{what}: there is no layer {asked!r}; known: {', '.join(problem.members)}{hint}"
        )
    cores = problem.members[layer]
    if not number.isdecimal() or int(number) >= cores.size:
        last = cores.size - 1
        raise UsageError(f"{what}: {layer!r} has the cores {layer}:0 to {layer}:{last}.")
    return cores[[int(number)]]


def _check_box(problem: PlacementProblem, box: _Box, cores: I64, what: str) -> None:
    chip = problem.chip
    if min(box) < 0 or box.x1 >= chip.wide or box.y1 >= chip.high:
        raise UsageError(
            f"{what}: the chip {chip.name!r} reaches from (0, 0) to "
            f"({chip.wide - 1}, {chip.high - 1})."
        )
    x, y = problem.usable % chip.wide, problem.usable // chip.wide
    room = int(((x >= box.x0) & (x <= box.x1) & (y >= box.y0) & (y <= box.y1)).sum())
    if box.is_single and not room:
        raise UsageError(f"{what}: that core of {chip.name!r} is dead. Pin it to another one.")
    needed = int(np.bincount(problem.phases[cores]).max())
    if needed > room:
        raise UsageError(
            f"{what}: {needed} cores have to go where {chip.name!r} has {room} usable "
            f"{'one' if room == 1 else 'ones'}. Give a larger region, or pin single cores "
            "(LAYER:CORE)."
        )
