"""When every packet of one sample left and arrived, from the cycle-level network.

Enters: a Program and one sample. Leaves: its `Run` and its `PacketTimes`.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.clock.cycle import CycleClock, CyclePlayer
from neurosim.clock.folded import FoldedClock, FoldedPlayer
from neurosim.clock.model import Clock, CoreTimes, Player
from neurosim.noc.tick import TickResult
from neurosim.program.columns import Program
from neurosim.run.simulator import Run, play_samples
from neurosim.run.state import PacketLog, TickCosts

I64 = npt.NDArray[np.int64]


class PacketTimes(NamedTuple):
    """One row per delivery (a packet of a tree or chain once per core), in order of sending.

    Attributes
    ----------
    tick, flow : chip tick, and flow of the Program.
    packet : number of the packet; deliveries of one packet share it.
    inject, arrive : cycles from the start of that tick (in a folded program, of the phase of the
        sender): the head leaves, the tail arrives.
    """

    tick: I64
    flow: I64
    packet: I64
    inject: I64
    arrive: I64


def trace_sample(program: Program, x: npt.ArrayLike) -> tuple[Run, PacketTimes]:
    """Play one sample (n_ticks, *input_shape) with the cycle-level network, noting every packet."""
    clock: Clock = _NotingClock(program)
    if program.n_phases > 1:
        clock = FoldedClock(program, clock)
    run, players = play_samples(program, np.asarray(x)[None], clock, "cycle", threads=1)
    player = players[0].inner if isinstance(players[0], FoldedPlayer) else players[0]
    assert isinstance(player, _NotingPlayer)
    noted = player.noted
    return run, noted._replace(tick=noted.tick // program.n_phases)


class _NotingClock(CycleClock):
    def new_player(self) -> Player:
        return _NotingPlayer(self)


class _NotingPlayer(CyclePlayer):
    """Keeps the packets of the last sample in `noted`."""

    noted: PacketTimes

    def play(self, costs: TickCosts, log: PacketLog, times: CoreTimes | None = None) -> I64:
        sizes = np.diff(log.tick_offset)
        self._tick = np.repeat(np.arange(sizes.size), sizes)
        return super().play(costs, log, times)

    def _note(self, flow: I64, played: TickResult) -> None:
        packet = np.repeat(np.arange(flow.size), self._ends.n_targets[flow])
        inject = played.inject_cycle[packet]
        self.noted = PacketTimes(
            self._tick[packet], flow[packet], packet, inject, played.arrive_cycle
        )
        super()._note(flow, played)
