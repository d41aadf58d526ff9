"""How far the time of a run with the ideal network can be trusted.

Enters: a Program and the Counters of a run. Leaves: whether the network was loaded lightly enough
for a closed form, and a band around the run's cycles. Pure.

The ideal tick is the largest of compute, memory and traffic, as if they overlapped perfectly: the
cycle-level network is never faster. It was not seen slower than everything one after the other:
computing, then draining all packets, at most `DRAIN_OVER_BOUND` times the bound of the drain (the
busiest link or port, slowed down where buffers are too short for the credits to come back in
time, and the longest way); with partial sums all that twice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import PACKET_KINDS, Chip
from neurosim.cost.counters import BOUNDS, Counters
from neurosim.links.flow_links import receive_cycles
from neurosim.noc.bands import DRAIN_OVER_BOUND, VALID_SHARE, link_capacity
from neurosim.program.columns import FLOW_KINDS, N_DIRECTIONS, Program

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class IdealValidity:
    """What a run with the ideal network may be off by.

    Attributes
    ----------
    peak_load : largest share, over ticks, of what a link or port could carry in that tick.
    ticks_outside, ticks : ticks in which that share is above `VALID_SHARE`, of all with traffic.
    low, high : the cycle-level network takes so many times the cycles of this run.
    """

    peak_load: float
    ticks_outside: int
    ticks: int
    low: float
    high: float

    @property
    def inside(self) -> bool:
        """Whether every tick is inside the validity."""
        return self.ticks_outside == 0

    def sentence(self) -> str:
        """For people."""
        if self.ticks == 0:
            return "Ideal network: no traffic, its time is exact."
        where = (
            "inside its validity"
            if self.inside
            else f"outside its validity in {self.ticks_outside:,} of {self.ticks:,} ticks"
        )
        return (
            f"Ideal network: links loaded up to {self.peak_load:.0%} in a tick, {where} (up to "
            f"{VALID_SHARE:.0%}). The cycle-level network takes {self.low:.2f} to {self.high:.2f} "
            "times its cycles (--noc cycle plays them)."
        )


def ideal_validity(program: Program, counters: Counters) -> IdealValidity:
    """Judge a run with the ideal network."""
    bounds = counters.bounds
    traffic = bounds[..., BOUNDS.index("traffic")] / _capacity(program.chip)
    ideal = bounds.max(axis=-1)
    used = traffic > 0
    load = np.where(used, traffic / np.maximum(ideal, 1), 0.0)
    total = float(ideal.sum())
    return IdealValidity(
        peak_load=float(load.max(initial=0.0)),
        ticks_outside=int((load > VALID_SHARE).sum()),
        ticks=int(used.sum()),
        low=1.0,
        high=float(most_cycles(program, counters).sum()) / total if total else 1.0,
    )


def most_cycles(program: Program, counters: Counters) -> npt.NDArray[np.float64]:
    """(n_samples, n_chip_ticks) busy cycles that the cycle-level network stays below."""
    bounds = counters.bounds
    traffic = bounds[..., BOUNDS.index("traffic")]
    computing = bounds[..., : BOUNDS.index("traffic")].max(axis=-1)
    noc = program.chip.noc
    loaded = traffic / _capacity(program.chip) + noc.source_cycles + noc.grant_cycles
    # A packet that is handed on from core to core may wait for the others at every one of them.
    chains = program.chip.noc_section.multicast == "relay"
    longest = longest_way_cycles(program)
    queue = loaded + longest if chains else np.maximum(loaded, longest)
    alone = queue + receive_cycles(program.chip)
    drain = DRAIN_OVER_BOUND * alone
    phases = 2 if (program.flows.kind == FLOW_KINDS["psum"]).any() else 1
    result: npt.NDArray[np.float64] = np.where(
        traffic > 0, phases * (computing + drain), computing
    ).astype(np.float64)
    return result


def _capacity(chip: Chip) -> float:
    return link_capacity(chip.noc, min(chip.flits(kind) for kind in PACKET_KINDS))


def longest_way_cycles(program: Program) -> int:
    """Cycles of the longest packet on the longest way of the program, alone in the network."""
    chip, noc = program.chip, program.chip.noc
    width, extra = noc.link_bits, 0
    if noc.chip_link_cycles is not None:
        extra = max(0, noc.chip_link_cycles - noc.link_cycles)
        extra *= chip.wide // chip.grid.wide + chip.high // chip.grid.high - 2
    if noc.chip_link_bits is not None:
        width = min(width, noc.chip_link_bits)
    body = max(-(-chip.packet_bits(kind) // width) for kind in PACKET_KINDS)
    return noc.source_cycles + noc.hop_cycles * (_longest(program) + 1) + extra + body - 1


def _longest(program: Program) -> int:
    """Links between routers on the longest way to a single target."""
    flows = program.flows
    x, y = program.cores.x.astype(np.int64), program.cores.y.astype(np.int64)
    n_targets = np.diff(flows.target_offset)
    sender = np.repeat(flows.source, n_targets)
    known = sender >= 0
    dx = np.abs(x[flows.target] - np.where(known, x[sender], 0))
    dy = np.where(known, np.abs(y[flows.target] - y[sender]), program.chip.high - 1)
    to_host = flows.source[(n_targets == 0) & (flows.source >= 0)]
    inside = np.concatenate([[0], np.cumsum(flows.link < N_DIRECTIONS * program.chip.n_cores)])
    single = np.diff(inside[flows.link_offset])[n_targets <= 1]
    ways = (dx + dy, x[to_host], single)
    return max(int(way.max(initial=0)) for way in ways)
