"""Numbers for people: engineering prefixes, shares, and columns that add up as shown."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "u", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}
_PJ_EXPONENT = -12
_NOTHING_PJ: Final = 1e-30  # far below one electron volt


def engineering(value: float, unit: str) -> str:
    """Three or more digits with a prefix: ``12.3 nJ``; counts below 1000 stay whole."""
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}".rstrip()
    exponent = min(12, max(-15, 3 * (math.floor(math.log10(abs(value)) + 1e-12) // 3)))
    scaled = value / 10.0**exponent
    if abs(scaled) >= 999.5 and exponent < 12:
        scaled, exponent = scaled / 1000, exponent + 3
    return f"{scaled:.3g} {_PREFIXES[exponent]}{unit}".rstrip()


def count(value: float) -> str:
    """A number of things: whole with thousands separated, fractions with one digit."""
    return f"{value:,.0f}" if value == int(value) or value >= 1000 else f"{value:,.1f}"


def percent(share: float | None) -> str:
    """A share as ``12.3 %``; a dash for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def picojoules(values: Sequence[float], digits: int = 5) -> list[str]:
    """Energies in pJ with one prefix for all, so that the last is the sum of the others as shown.

    The last value must be the total. It is rounded to `digits` significant digits; the others are
    rounded down to its last place, and what is missing goes to those that lost most.
    """
    total = values[-1]
    if total < _NOTHING_PJ:
        return ["0 pJ"] * len(values)
    magnitude = math.floor(math.log10(total))
    exponent = min(12, max(-15, 3 * ((magnitude + _PJ_EXPONENT) // 3)))
    place = max(0, digits - 1 - (magnitude + _PJ_EXPONENT - exponent))
    steps = [v * 10.0 ** (_PJ_EXPONENT - exponent + place) for v in values]
    whole = [math.floor(step) for step in steps[:-1]]
    missing = round(steps[-1]) - sum(whole)
    by_loss = sorted(range(len(whole)), key=lambda i: whole[i] - steps[i])
    for i in by_loss[:missing]:
        whole[i] += 1
    shown = [*whole, sum(whole)]
    return [f"{step / 10**place:.{place}f} {_PREFIXES[exponent]}J" for step in shown]
