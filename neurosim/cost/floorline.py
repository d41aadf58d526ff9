"""Floorline: what limits a run, tick by tick, and what would help.

Enters: a Program and the Counters of a run. Leaves: a `Floorline`, the optional section of the same
name in ``report.json``. Pure.

Every chip tick has three lower bounds: `compute` (the core that computes longest), `memory` (the
core that fetches weights longest) and `traffic` (the link or local port that is loaded longest).
The largest binds the tick; of equals the first. The time of a run falls into

========= =========================================================================================
compute   the binding bound of ticks that compute binds
memory    of ticks that memory binds
traffic   of ticks that traffic binds
transit   busy cycles beyond the largest bound: packets on their way or in queues, partial sums
          that are waited for (cycle-level network, and the phases of a folded program)
reload    waiting for the weights of a folded program
sync      with a barrier: `tick.sync_cycles` of every tick
idle      with a fixed tick: what is left of the period
========= =========================================================================================

With a barrier these add up to the cycles of the run; with a fixed tick as well, as long as no tick
overruns its period.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.cost.bandwidth import link_name
from neurosim.cost.counters import BOUNDS, Counters
from neurosim.cost.latency import period_cycles, tick_cycles
from neurosim.program.columns import Program

I64 = npt.NDArray[np.int64]

TIMES: Final = (*BOUNDS, "transit", "reload", "sync", "idle")
_TOP: Final = 3


@dataclass(frozen=True)
class Binder:
    """A core, link or port that sets the binding bound of some ticks.

    Attributes
    ----------
    bound : one of `BOUNDS`. place : ``core (3,4)``, ``link (3,4) -> (4,4)``, ``port into (3,4)``.
    layers : on that core; of a link none. ticks, cycles : of the whole run that it binds.
    """

    bound: str
    place: str
    layers: tuple[str, ...]
    ticks: int
    cycles: int


@dataclass(frozen=True)
class Floorline:
    """What limits a run.

    Attributes
    ----------
    cycles : by `TIMES`, the whole run.
    limit : the largest of them; "" for a run without ticks.
    speedup : by bound, how much shorter the run would be, at most, if that bound were 0.
    binders : the worst places of each bound that binds, most cycles first.
    sentence : what limits the run and what would help.
    """

    cycles: dict[str, int]
    limit: str
    speedup: dict[str, float]
    binders: tuple[Binder, ...]
    sentence: str


def floorline(program: Program, counters: Counters) -> Floorline:
    """What limits a run on its chip."""
    chip = program.chip
    cycles = _cycles(chip, counters)
    limit = max(TIMES, key=lambda name: cycles[name]) if any(cycles.values()) else ""
    binders = _binders(program, counters)
    speedup = {bound: _speedup(chip, counters, i) for i, bound in enumerate(BOUNDS)}
    return Floorline(
        cycles, limit, speedup, binders, _sentence(program, counters, cycles, limit, binders)
    )


def bounds_per_tick(counters: Counters) -> tuple[I64, I64]:
    """(n_samples, n_chip_ticks) number in `BOUNDS` of what binds (-1: idle), and its cycles."""
    most = counters.bounds.max(axis=2, initial=0)
    return np.where(most > 0, counters.bounds.argmax(axis=2), -1), most


def _cycles(chip: Chip, counters: Counters) -> dict[str, int]:
    which, most = bounds_per_tick(counters)
    result = {bound: int(most[which == i].sum()) for i, bound in enumerate(BOUNDS)}
    busy, fixed = counters.busy_cycles, chip.tick.mode == "fixed"
    reload = int(counters.reload_cycles.sum())
    spare = np.maximum(period_cycles(chip) - busy, 0) if fixed else np.zeros(1, np.int64)
    return result | {
        "transit": int((busy - most).sum()) - reload,
        "reload": reload,
        "sync": 0 if fixed else chip.tick.sync_cycles * busy.size,
        "idle": int(spare.sum()),
    }


def _speedup(chip: Chip, counters: Counters, bound: int) -> float:
    """Time of the run by its time without a bound; a fixed tick does not get shorter."""
    if chip.tick.mode == "fixed":
        return 1.0
    _, most = bounds_per_tick(counters)
    rest = np.delete(counters.bounds, bound, axis=2).max(axis=2, initial=0)
    total = int(tick_cycles(chip, counters).sum())
    left = total - int((most - rest).sum())
    return round(total / left, 3) if left else 1.0


def _binders(program: Program, counters: Counters) -> tuple[Binder, ...]:
    which, most = bounds_per_tick(counters)
    found: list[Binder] = []
    if counters.binding.shape[:2] != which.shape:
        return ()
    for i, bound in enumerate(BOUNDS):
        mine = which == i
        place = counters.binding[..., i][mine]
        numbers, inverse, ticks = np.unique(place, return_inverse=True, return_counts=True)
        cycles = np.bincount(inverse.ravel(), most[mine], minlength=numbers.size)
        order = np.lexsort((numbers, -cycles))[:_TOP]
        for k in order.tolist():
            name, layers = _place(program, bound, int(numbers[k]))
            found.append(Binder(bound, name, layers, int(ticks[k]), int(cycles[k])))
    return tuple(found)


def _place(program: Program, bound: str, number: int) -> tuple[str, tuple[str, ...]]:
    """Name of a core, link or local port, and the layers on the core."""
    if bound == "traffic" and number < program.n_links:
        return f"link {link_name(program.chip, number)}", ()
    kind, core = "core", number
    if bound == "traffic":
        out, core = divmod(number - program.n_links, program.n_cores)
        kind = "port out of" if out else "port into"
    layers = np.unique(program.groups.layer[program.groups.core == core])
    names = tuple(program.layer_names[i] for i in layers)
    return f"{kind} ({program.cores.x[core]},{program.cores.y[core]})", names


def _sentence(
    program: Program,
    counters: Counters,
    cycles: dict[str, int],
    limit: str,
    binders: tuple[Binder, ...],
) -> str:
    if not limit:
        return "The run has no ticks; nothing limits it."
    share = 100 * cycles[limit] / sum(cycles.values())
    chip, busiest = program.chip, int(counters.busy_cycles.max(initial=0))
    if limit == "idle":
        return (
            f"The fixed tick limits {chip.name}: {share:.0f} % of the time all is done and waits "
            f"for the period to end; the busiest tick takes {busiest:,} of "
            f"{period_cycles(chip):,} cycles, so a shorter period would help."
        )
    if limit == "reload":
        return (
            f"Reloading limits {chip.name}: {share:.0f} % of the time the folded program waits for "
            "its weights; more cores (fewer phases), fewer weights or a faster memory would help."
        )
    if limit == "sync":
        return (
            f"The barrier limits {chip.name}: {share:.0f} % of the time is spent in its "
            f"{chip.tick.sync_cycles:,} cycles at the end of every tick; fewer ticks per sample "
            "would help."
        )
    if limit == "transit":
        return (
            f"Transit limits {chip.name}: {share:.0f} % of the time, beyond what any core or link "
            "needs, packets are on their way, queue up, or partial sums come late. Shorter ways "
            "(another placement), faster routers or wider links would help."
        )
    worst = next((binder for binder in binders if binder.bound == limit), None)
    most = f", most often {_with_layers(worst)}" if worst else ""
    return (
        f"{limit.capitalize()} limits {chip.name}: {share:.0f} % of the time{most}. "
        f"{_remedy(limit, worst)}"
    )


def _with_layers(binder: Binder) -> str:
    return f"{binder.place} with {' + '.join(binder.layers)}" if binder.layers else binder.place


def _remedy(limit: str, worst: Binder | None) -> str:
    layers = " + ".join(worst.layers) if worst and worst.layers else "the layer"
    if limit == "compute":
        return f"Spreading {layers} over more cores, or fewer events, would help."
    if limit == "memory":
        return f"Fewer events per core would help: {layers} over more cores, sparser inputs."
    if worst is not None and "host" in worst.place:
        return "Fewer or smaller packets of the host, or a wider link to it, would help."
    if worst is not None and worst.place.startswith("port"):
        return f"Spreading {layers} over more cores, or smaller packets, would help."
    return "Another placement, multicast, smaller packets or wider links would help."
