"""How long a run took: from busy cycles per tick to seconds per sample.

Enters: a Program (for its chip) and the Counters of a run. Leaves: a `Latency`, the section of the
same name in ``report.json``. Pure.

A tick with ``tick.mode: barrier`` takes its busy cycles and ``sync_cycles``. With ``mode: fixed``
it takes ``period_ns``, whatever happens; a tick that is busy for longer is an *overrun*: the chip
would not have been ready, and the results of this run hold only for a longer period. Cycles of a
fixed tick are the whole cycles that fit into the period; seconds are counted from the period
itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.cost.counters import BOUNDS, Counters
from neurosim.program.columns import Program

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Latency:
    """Time of a run.

    Attributes
    ----------
    cycles_total : of all samples, one after the other (or all passes, if samples share them).
    cycles_per_tick_mean, cycles_per_tick_max : over all chip ticks of all samples.
    seconds_per_sample : from the first input to the last output, pipeline included; where samples
        are interleaved, the share of one sample in the time of its pass.
    overruns : ticks of fixed length that were busy for longer.
    bound : number of ticks that each resource binds: the one that needs the most cycles, of
        equals the first of compute, memory, traffic. Idle ticks are bound by nothing.
    """

    cycles_total: int
    cycles_per_tick_mean: float
    cycles_per_tick_max: int
    seconds_per_sample: float
    overruns: int
    bound: dict[str, int]


def latency(program: Program, counters: Counters) -> Latency:
    """The time that the run took on its chip."""
    cycles = tick_cycles(program.chip, counters)
    return Latency(
        cycles_total=int(cycles.sum()),
        cycles_per_tick_mean=float(cycles.mean()) if cycles.size else 0.0,
        cycles_per_tick_max=int(cycles.max(initial=0)),
        seconds_per_sample=seconds_total(program, counters) / max(1, counters.n_samples),
        overruns=overruns(program.chip, counters),
        bound=bound_ticks(counters),
    )


def tick_cycles(chip: Chip, counters: Counters) -> I64:
    """(n_samples, n_chip_ticks) cycles from the start of each tick to the start of the next."""
    if chip.tick.mode == "fixed":
        return np.full_like(counters.busy_cycles, period_cycles(chip))
    return counters.busy_cycles + chip.tick.sync_cycles


def period_cycles(chip: Chip) -> int:
    """Whole clock cycles in one fixed tick."""
    return int(_period_s(chip) * Fraction(chip.timing.clock_hz.value))


def overruns(chip: Chip, counters: Counters) -> int:
    """Ticks that were busy for longer than the fixed period; 0 with a barrier."""
    if chip.tick.mode != "fixed":
        return 0
    return int(np.count_nonzero(counters.busy_cycles > period_cycles(chip)))


def slack_cycles(chip: Chip, counters: Counters) -> I64:
    """(n_samples, n_chip_ticks) cycles left of the fixed period, negative where it is overrun.

    What a tick with a barrier leaves is nothing, so there the array is all zero.
    """
    if chip.tick.mode != "fixed":
        return np.zeros_like(counters.busy_cycles)
    return period_cycles(chip) - counters.busy_cycles


def slack_sentence(chip: Chip, counters: Counters) -> str:
    """For people, about a chip with a fixed tick; empty with a barrier or without ticks."""
    slack = slack_cycles(chip, counters)
    if chip.tick.mode != "fixed" or not slack.size:
        return ""
    period = period_cycles(chip)
    left = f"the busiest leaves {slack.min():,} ({slack.min() / max(period, 1):.0%})"
    late = overruns(chip, counters)
    if late:
        left = f"{late:,} of {slack.size:,} overrun it, by up to {-slack.min():,}"
    return f"Fixed tick of {period:,} cycles: {left}, the mean is {slack.mean():,.1f} left."


def seconds_total(program: Program, counters: Counters) -> float:
    """Time of all samples, one after the other."""
    cycles = int(tick_cycles(program.chip, counters).sum())
    return seconds_of(program.chip, counters.busy_cycles.size, cycles)


def seconds_of(chip: Chip, n_ticks: int, cycles: int) -> float:
    """Time of ticks that take these cycles together; fixed ones take their period."""
    if chip.tick.mode == "fixed":
        return float(_period_s(chip) * n_ticks)
    return float(Fraction(cycles) / Fraction(chip.timing.clock_hz.value))


def bound_ticks(counters: Counters) -> dict[str, int]:
    """How many ticks each resource binds."""
    bounds = counters.bounds.reshape(-1, len(BOUNDS))
    busy = bounds[bounds.max(axis=1) > 0]
    number = np.bincount(busy.argmax(axis=1), minlength=len(BOUNDS))
    return dict(zip(BOUNDS, number.tolist(), strict=True))


def _period_s(chip: Chip) -> Fraction:
    if chip.tick.period_ns is None:
        raise AssertionError("a fixed tick has a period; Chip checks that")
    return Fraction(chip.tick.period_ns) / 10**9
