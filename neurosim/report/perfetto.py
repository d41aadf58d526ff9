"""``trace.perfetto.json``: one sample on a time line, for Perfetto and chrome://tracing.

Enters: a Program and one sample. Leaves: the text of a file in the trace event format (JSON); times
in microseconds of chip time. Four groups: the ticks with their bounds, the cores with their busy
time, the links as counters of bits per tick, the packets from leaving to arriving. Its size is
bounded by `MOST_PACKETS` and `MOST_LINKS`; ``otherData.left_out`` says what is not in it.
"""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.cost.bandwidth import link_name
from neurosim.cost.core_facts import core_facts
from neurosim.cost.counters import BOUNDS
from neurosim.cost.floorline import bounds_per_tick
from neurosim.cost.latency import tick_cycles
from neurosim.cost.packet_trace import PacketTimes, trace_sample
from neurosim.image.build import CYCLE_FRACTION_BITS
from neurosim.links.hot_links import flow_names
from neurosim.program.columns import Program
from neurosim.provenance import program_name
from neurosim.run.simulator import Run, simulate

I64 = npt.NDArray[np.int64]
Event = dict[str, Any]

MOST_PACKETS: Final = 50_000
MOST_LINKS: Final = 64
MOST_SLICES: Final = 100_000

TICKS, CORES, LINKS, PACKETS = 1, 2, 3, 4
_GROUPS: Final = {TICKS: "ticks", CORES: "cores", LINKS: "links", PACKETS: "packets"}


def perfetto_trace(program: Program, x: npt.ArrayLike, noc: str) -> str:
    """The file of one sample (n_ticks, *input_shape); packets only with ``noc="cycle"``."""
    packets: PacketTimes | None = None
    if noc == "cycle":
        run, packets = trace_sample(program, x)
    else:
        run = simulate(program, np.asarray(x)[None], threads=1)
    line = _Line(run)
    events, left_out = [_named(group, name) for group, name in _GROUPS.items()], []
    for found, sentence in (
        line.ticks(),
        line.cores(),
        line.links(),
        line.packets(packets),
    ):
        events += found
        left_out += [sentence] if sentence else []
    about = {
        "program": program_name(program),
        "chip": program.chip.name,
        "noc": noc,
        "sample": 0,
        "left_out": left_out,
    }
    data = {"traceEvents": events, "displayTimeUnit": "ns", "otherData": about}
    return json.dumps(data, separators=(",", ":"), allow_nan=False) + "\n"


def _named(group: int, name: str, row: int | None = None) -> Event:
    what = "process_name" if row is None else "thread_name"
    event: Event = {"ph": "M", "name": what, "pid": group, "args": {"name": name}}
    return event if row is None else {**event, "tid": row}


class _Line:
    """The time line of a run of one sample; every method gives events and what it left out."""

    def __init__(self, run: Run) -> None:
        self._run, self._counters = run, run.counters
        chip = run.program.chip
        self._us = 1e6 / chip.timing.clock_hz.value
        lengths = tick_cycles(chip, run.counters)[0]
        self._start = np.concatenate([[0], np.cumsum(lengths)])[:-1]
        self._n = int(min(lengths.size, MOST_SLICES))

    def _at(self, cycles: float) -> float:
        """Cycles as microseconds, to a picosecond."""
        return round(float(cycles) * self._us, 6)

    def _slice(
        self, group: int, row: int, name: str, start: float, cycles: float, args: Event
    ) -> Event:
        return {
            "ph": "X",
            "pid": group,
            "tid": row,
            "name": name,
            "ts": self._at(start),
            "dur": self._at(cycles),
            "args": args,
        }

    def ticks(self) -> tuple[list[Event], str]:
        which, _ = bounds_per_tick(self._counters)
        events = []
        for tick in range(self._n):
            bounds = dict(zip(BOUNDS, self._counters.bounds[0, tick].tolist(), strict=True))
            binds = BOUNDS[which[0, tick]] if which[0, tick] >= 0 else "idle"
            busy = int(self._counters.busy_cycles[0, tick])
            args = {"binds": binds, "busy_cycles": busy} | bounds
            start = self._start[tick]
            events.append(self._slice(TICKS, 0, f"tick {tick}, {binds}", start, busy, args))
        left_out = self._start.size - self._n
        return events, f"{left_out:,} ticks at the end are left out." if left_out else ""

    def cores(self) -> tuple[list[Event], str]:
        facts = core_facts(self._run.program, self._counters)
        names = self._run.program.layer_names
        time = self._counters.window_core_time
        if time.shape[0] != self._start.size:
            return [], "Cores and links are left out: the sample is too long or the chip too large."
        time = -(-time >> CYCLE_FRACTION_BITS)
        busy = np.argwhere(time.max(axis=1) > 0)
        events = [
            _named(
                CORES,
                f"core ({facts.x[core]},{facts.y[core]}) "
                + " + ".join(names[i] for i in facts.layers(core)),
                core,
            )
            for core in np.unique(busy[:, 1]).tolist()
        ]
        for tick, core in busy[:MOST_SLICES].tolist():
            compute, memory = time[tick, :, core].tolist()
            name = "compute" if compute >= memory else "memory"
            args = {"compute_cycles": compute, "memory_cycles": memory}
            length = max(compute, memory)
            events.append(self._slice(CORES, core, name, self._start[tick], length, args))
        rest = len(busy) - MOST_SLICES
        return events, f"{rest:,} busy times of cores at the end are left out." if rest > 0 else ""

    def links(self) -> tuple[list[Event], str]:
        bits, number = self._counters.window_bits, self._counters.window_link
        if bits.shape[0] != self._start.size:
            return [], ""
        order = np.argsort(-bits.sum(axis=0), kind="stable")[:MOST_LINKS]
        events: list[Event] = []
        for k in order.tolist():
            name = link_name(self._run.program.chip, int(number[k]))
            column, last = bits[: self._n, k].tolist(), -1
            for tick, value in enumerate(column):
                if value != last:
                    start = self._at(self._start[tick])
                    args = {"bits": value}
                    events.append(
                        {"ph": "C", "pid": LINKS, "name": name, "ts": start, "args": args}
                    )
                    last = value
        rest = number.size - order.size
        return events, f"{rest:,} links with less traffic are left out." if rest else ""

    def packets(self, times: PacketTimes | None) -> tuple[list[Event], str]:
        if times is None:
            return (
                [],
                "Packets are left out: the ideal network has no times for them (--noc cycle).",
            )
        names = flow_names(self._run.program)
        events: list[Event] = []
        for row in range(min(times.tick.size, MOST_PACKETS)):
            start = self._start[times.tick[row]]
            same = {
                "cat": "packet",
                "id": row,
                "pid": PACKETS,
                "tid": 0,
                "name": names[times.flow[row]],
            }
            about = {"packet": int(times.packet[row]), "tick": int(times.tick[row])}
            left, arrived = start + times.inject[row], start + times.arrive[row]
            events.append({"ph": "b", "ts": self._at(left), "args": about, **same})
            events.append({"ph": "e", "ts": self._at(arrived), **same})
        rest = times.tick.size - MOST_PACKETS
        return events, f"{rest:,} later deliveries of packets are left out." if rest > 0 else ""
