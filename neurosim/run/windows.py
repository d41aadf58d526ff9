"""Windows of ticks: how finely a run remembers when links and cores were busy.

A window is one chip tick, or as many as it takes for the columns to stay below `MOST_NUMBERS`; sums
over all windows equal the totals of the run whatever their size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.run.state import Tally

if TYPE_CHECKING:
    from neurosim.image.build import Image
    from neurosim.program.columns import Program

I64 = npt.NDArray[np.int64]

MOST_NUMBERS: Final = 1 << 20
"""Numbers that the columns of one player have at most."""


class WindowPlan(NamedTuple):
    """`n` windows of `ticks` chip ticks each, the last one possibly shorter; n is 0 if the chip is
    so large that even a single window has too many numbers.
    """

    n: int
    ticks: int

    def starts(self) -> I64:
        """(n,) first chip tick of every window."""
        return np.arange(self.n, dtype=np.int64) * self.ticks


def plan_windows(image: Image, n_chip_ticks: int) -> WindowPlan:
    """As many windows as fit."""
    return windows_for(image.traffic.link.size, n_chip_ticks)


def windows_for(n_resources: int, n_chip_ticks: int) -> WindowPlan:
    """As many windows as fit with so many links and ports, of which every core has two."""
    most = MOST_NUMBERS // max(1, n_resources)
    if most == 0 or n_chip_ticks == 0:
        return WindowPlan(0, max(1, n_chip_ticks))
    ticks = -(-n_chip_ticks // most)
    return WindowPlan(-(-n_chip_ticks // ticks), ticks)


def add_tally(total: Tally, by_tick: Tally, ticks: int, start: int) -> None:
    """Add a tally with a window per tick, the first of them tick `start` of the total, in place.

    The windows of the total are `ticks` chip ticks long.
    """
    for name in total._fields:
        column, added = getattr(total, name), getattr(by_tick, name)
        if not name.startswith("window_"):
            column += added
        elif column.shape[0]:
            np.add.at(column, (start + np.arange(added.shape[0])) // ticks, added)


def binding_numbers(program: Program) -> I64:
    """(n_resources,) number of what a resource of `image.traffic` is.

    A link keeps its number; the local port into core c is ``program.n_links + c``, the one out of
    it ``program.n_links + program.n_cores + c``.
    """
    link = program.image.traffic.link.astype(np.int64)
    n_ports = 2 * program.n_cores
    ports = program.n_links + np.arange(n_ports)
    return np.concatenate([link[: link.size - n_ports], ports])
