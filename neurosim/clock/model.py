"""What a clock is: it says how many cycles each tick is busy, by some model of the network.

Enters: the closed-form bounds of every tick (and, for the cycle-level network, its packets).
Leaves: per tick the cycles until everything is computed and delivered. What a tick then costs in
time (barrier or fixed period) is `neurosim.cost.latency`'s business. `neurosim.clock.offered`
offers them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.cost.network_stats import NetworkStats
from neurosim.program.columns import Program
from neurosim.run.state import PacketLog, TickCosts


class CoreTimes(NamedTuple):
    """How long every core computes and reads weights in every tick, in 2**-16 cycles."""

    compute: npt.NDArray[np.int64]  # (n_chip_ticks, n_cores)
    memory: npt.NDArray[np.int64]


class Player(ABC):
    """A clock at work for one worker.

    Attributes
    ----------
    stats : what the network saw, None for a model without one.
    needs_core_times : whether `play` wants to know the times of every core.
    reloads : of folded programs, per call of `play` (2, n_chip_ticks): bits reloaded, and their
        cycles.
    """

    stats: NetworkStats | None = None
    needs_core_times: ClassVar[bool] = False
    reloads: list[npt.NDArray[np.int64]] | None = None

    @abstractmethod
    def play(
        self, costs: TickCosts, log: PacketLog, times: CoreTimes | None = None
    ) -> npt.NDArray[np.int64]:
        """Busy cycles of the chip ticks of one sample, or of a piece of it, (n_chip_ticks,)."""


@dataclass(frozen=True)
class Clock(ABC):
    """A network model, shared by all workers.

    Attributes
    ----------
    needs_packets : whether its players read the packets of every tick; one worker plays a sample.
    whole_samples : whether a player has to be shown all ticks of a sample at once, because what it
        plays goes on from tick to tick.
    """

    program: Program
    needs_packets: ClassVar[bool] = True

    @property
    def whole_samples(self) -> bool:
        """See the class."""
        return False

    @abstractmethod
    def new_log(self, n_chip_ticks: int) -> PacketLog:
        """Where the kernel notes packets for this model."""

    @abstractmethod
    def new_player(self) -> Player:
        """A player with its own arrays, for one worker."""
