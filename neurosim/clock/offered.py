"""The clocks on offer, by the name of their network model: ``ideal`` and ``cycle``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from neurosim.clock.folded import FoldedClock
from neurosim.clock.model import Clock, CoreTimes, Player
from neurosim.program.columns import Program
from neurosim.run.state import PacketLog, TickCosts, allocate_log


@dataclass(frozen=True)
class IdealClock(Clock):
    """The largest of the three bounds: compute, memory, and the busiest link or port.

    Compute, memory and network are taken to overlap perfectly, so this is a lower bound of what
    the cycle-level network gives.
    """

    needs_packets: ClassVar[bool] = False

    def new_log(self, n_chip_ticks: int) -> PacketLog:
        """Nothing is logged."""
        return allocate_log(0, 0)

    def new_player(self) -> Player:
        """The maximum, tick by tick."""
        return _IdealPlayer()


class _IdealPlayer(Player):
    def play(
        self, costs: TickCosts, log: PacketLog, times: CoreTimes | None = None
    ) -> npt.NDArray[np.int64]:
        """The largest of the three bounds."""
        return np.maximum(np.maximum(costs.compute, costs.memory), costs.traffic)


def make_clock(program: Program, noc: str) -> Clock:
    """The clock of a network model, ``ideal`` or ``cycle``; phase by phase if folded."""
    clock = _network_clock(program, noc)
    return clock if program.n_phases == 1 else FoldedClock(program, clock)


def _network_clock(program: Program, noc: str) -> Clock:
    if noc == "ideal":
        return IdealClock(program)
    from neurosim.clock.cycle import CycleClock

    return CycleClock(program)
