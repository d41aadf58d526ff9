"""Simulate a Program whose values travel as spike trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from neurosim.clock.model import Clock, CoreTimes, Player
from neurosim.clock.offered import make_clock
from neurosim.cost.counters import BOUNDS, Counters
from neurosim.errors import UsageError
from neurosim.program.columns import Program
from neurosim.recoding.codes import SpikeCode
from neurosim.recoding.plan import Plan, plan_recoding
from neurosim.recoding.subticks import Sample, count_sample
from neurosim.run.gather import reload_columns
from neurosim.run.simulator import NOC_MODELS, Run, play_samples
from neurosim.run.state import CORE_COUNTS, PacketLog, TickCosts, allocate_log
from neurosim.run.windows import WindowPlan, windows_for

I64 = npt.NDArray[np.int64]


def simulate_recoded(
    program: Program,
    x: npt.ArrayLike,
    code: SpikeCode | str | Mapping[str, SpikeCode],
    *,
    noc: Literal["ideal", "cycle"] = "ideal",
    labels: npt.ArrayLike | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Run:
    """Run every sample of `x`; values between cores travel as spike trains of `code`.

    The outputs are those of `neurosim.simulate` for a program whose values are rounded to what the
    code carries: the receiving cores decode what was sent (`neurosim.recoding.codes`). Packets,
    links, operations, time and energy are those of the spikes; a tick of the counters is a
    sub-tick.

    Parameters
    ----------
    program : values that the code cannot carry are rounded, see `plan_recoding`.
    code : of every layer, for instance ``"phase:8"``, or by name of the layer.
    x, noc, labels, threads, progress : as for `neurosim.simulate`.

    Raises
    ------
    UsageError : no such code, or no core sends values to another.
    """
    chosen = SpikeCode.parse(code) if isinstance(code, str) else code
    if noc not in NOC_MODELS:
        raise UsageError(f"noc is {noc!r}; known: {', '.join(NOC_MODELS)}.")
    plan = plan_recoding(program, chosen)
    clock = _RecodedClock(plan.program, plan, make_clock(plan.priced, noc))
    run, players = play_samples(
        plan.program, x, clock, noc, labels=labels, threads=threads, progress=progress
    )
    return replace(run, program=plan.priced, counters=_counters(run, players))


@dataclass(frozen=True)
class _RecodedClock(Clock):
    """Cuts ticks into sub-ticks and has them timed by another clock."""

    plan: Plan
    inner: Clock

    def new_log(self, n_chip_ticks: int) -> PacketLog:
        """Room for a guess."""
        return allocate_log(n_chip_ticks, 1 << 12)

    def new_player(self) -> Player:
        """Keeps what its samples cost."""
        return _RecodedPlayer(self)


class _RecodedPlayer(Player):
    def __init__(self, clock: _RecodedClock) -> None:
        self._plan = clock.plan
        self.inner = clock.inner.new_player()
        self._needs_packets = clock.inner.needs_packets
        program = clock.program
        self.core: I64 = np.zeros((program.n_cores, len(CORE_COUNTS)), np.int64)
        self.flow_packets: I64 = np.zeros(clock.plan.priced.flows.kind.size, np.int64)
        self.costs: list[TickCosts] = []
        self.busy: list[I64] = []
        self.link, self.windows = clock.plan.ways.link, WindowPlan(0, 1)
        self.loads: tuple[I64, ...] = ()  # link_bits and core_time of `Sample`, summed

    def play(self, costs: TickCosts, log: PacketLog, times: CoreTimes | None = None) -> I64:
        """Count and time the sub-ticks; the caller's ticks have no length of their own."""
        depth = self._plan.program.depth_ticks
        n_subticks = costs.compute.size * self._plan.n_subticks
        self.windows = windows_for(self._plan.ways.link.size, n_subticks)
        sample: Sample = count_sample(
            self._plan, log, depth, self._needs_packets, self.windows.ticks
        )
        loads = (sample.link_bits, sample.core_time)
        before = self.loads or (np.zeros_like(loads[0]), np.zeros_like(loads[1]))
        self.loads = (before[0] + loads[0], before[1] + loads[1])
        self.core += sample.core
        self.flow_packets += sample.flow_packets
        self.costs.append(sample.costs)
        self.busy.append(self.inner.play(sample.costs, sample.log, sample.times))
        self.stats = self.inner.stats
        return np.zeros_like(costs.compute)


def _counters(run: Run, players: list[Player]) -> Counters:
    """Of the sub-ticks."""
    own = [player for player in players if isinstance(player, _RecodedPlayer)]
    costs = [cost for player in own for cost in player.costs]
    core = np.sum([player.core for player in own], axis=0)
    fired = CORE_COUNTS.index("fired")
    core[:, fired] = run.counters.core[:, fired]
    busy_cycles = np.stack([busy for player in own for busy in player.busy])
    return Counters(
        core=core,
        flow_packets=np.sum([player.flow_packets for player in own], axis=0),
        bounds=np.stack(
            [np.stack([getattr(cost, name) for name in BOUNDS], axis=-1) for cost in costs]
        ),
        busy_cycles=busy_cycles,
        peak_bits=np.stack([cost.peak_bits for cost in costs]),
        peak_link=np.stack([cost.peak_link for cost in costs]),
        carried=run.counters.carried,
        **_windows(own),
        **reload_columns([player.inner for player in own], busy_cycles.shape),
    )


def _windows(players: list[_RecodedPlayer]) -> dict[str, I64]:
    """The columns of `Counters` by window of sub-ticks; links without traffic are left out."""
    played = [player for player in players if player.loads]
    if not played or not played[0].windows.n:
        return {}
    bits, times = (np.sum(parts, axis=0) for parts in zip(*(p.loads for p in played), strict=True))
    used = np.flatnonzero(bits.any(axis=0))
    return {
        "window_start": played[0].windows.starts(),
        "window_link": played[0].link[used],
        "window_bits": np.ascontiguousarray(bits[:, used]),
        "window_core_time": times,
    }
