"""The report of a recording that was played piece by piece, from the runs of its pieces.

Enters: one `Run` per piece, in order. Leaves: the data of ``report.json`` for the whole recording:
exact sums, maxima, and energies priced once, on the sums. Promised: the same numbers as the report
of the recording in one go, and memory for a single piece. What limits the run, and energy by
layer, stand in the reports of the pieces.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.cost.bandwidth import bandwidth, link_name, n_router_links, peak
from neurosim.cost.counters import BOUNDS, Counters
from neurosim.cost.energy import PJ_PER_J, bill, priced_counts
from neurosim.cost.latency import Latency, bound_ticks, overruns, seconds_of, tick_cycles
from neurosim.program.columns import Program
from neurosim.report.report import REPORT_SCHEMA, chip_facts, program_facts
from neurosim.run.memory_facts import memory_facts
from neurosim.run.simulator import Run
from neurosim.run.state import CORE_COUNTS

I64 = npt.NDArray[np.int64]


class StreamTotal:
    """Sums over the pieces of one recording.

    Attributes
    ----------
    ticks : of input, once the last piece is in. chip_ticks : with the rest of the pipeline.
    core, flow_packets : as in `Counters`, summed.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.chip_ticks = 0
        self.core: I64 = np.zeros((program.n_cores, len(CORE_COUNTS)), np.int64)
        self.flow_packets: I64 = np.zeros(program.flows.kind.size, np.int64)
        self._cycles = self._most_cycles = self._overruns = 0
        self._bound = dict.fromkeys(BOUNDS, 0)
        self._peak_bits, self._peak_link = 0, -1
        self._reload_bits = self._reload_cycles = 0

    @property
    def ticks(self) -> int:
        """Ticks of input, once the last piece is in."""
        return self.chip_ticks - self.program.depth_ticks

    def add(self, run: Run) -> None:
        """Add the next piece."""
        chip, counters = self.program.chip, run.counters
        self.core += counters.core
        self.flow_packets += counters.flow_packets
        cycles = tick_cycles(chip, counters)
        self.chip_ticks += cycles.size
        self._cycles += int(cycles.sum())
        self._most_cycles = max(self._most_cycles, int(cycles.max(initial=0)))
        self._overruns += overruns(chip, counters)
        self._reload_bits += int(counters.reload_bits.sum())
        self._reload_cycles += int(counters.reload_cycles.sum())
        for bound, n in bound_ticks(counters).items():
            self._bound[bound] += n
        bits, link = peak(counters)
        if bits > self._peak_bits or (bits == self._peak_bits and 0 <= link < self._peak_link):
            self._peak_bits, self._peak_link = bits, link

    def report(self) -> dict[str, Any]:
        """The data of ``report.json``."""
        program, chip = self.program, self.program.chip
        counters = self._counters()
        seconds = seconds_of(chip, self.chip_ticks, self._cycles)
        counts = priced_counts(program, counters, seconds)
        priced = bill(program, counts)
        sizes = bandwidth(program, counters)
        per_link = sizes.bit_hops / max(1, self.chip_ticks * n_router_links(chip))
        return {
            "schema": REPORT_SCHEMA,
            "chip": {
                **chip_facts(chip),
                "noc_model": "ideal",
                "energy_terms": [asdict(term) for term in priced.terms],
            },
            "program": {**program_facts(program), "memory": memory_facts(program)},
            "samples": 1,
            "ticks": self.ticks,
            "accuracy": None,
            "counts": {name: n for name, n in counts.items() if isinstance(n, int)},
            "bandwidth": asdict(
                replace(
                    sizes,
                    peak_link_bits_per_tick=self._peak_bits,
                    mean_link_bits_per_tick=per_link,
                    peak_link=link_name(chip, self._peak_link),
                )
            ),
            "latency": asdict(
                Latency(
                    cycles_total=self._cycles,
                    cycles_per_tick_mean=self._cycles / max(1, self.chip_ticks),
                    cycles_per_tick_max=self._most_cycles,
                    seconds_per_sample=seconds,
                    overruns=self._overruns,
                    bound=dict(self._bound),
                )
            ),
            "energy_pj": priced.parts(),
            "power_w": priced.total / PJ_PER_J / seconds if seconds else 0.0,
        }

    def _counters(self) -> Counters:
        """The sums, without a column by tick."""
        nothing = np.zeros((1, 0), np.int64)
        return Counters(
            core=self.core,
            flow_packets=self.flow_packets,
            bounds=np.zeros((1, 0, len(BOUNDS)), np.int64),
            busy_cycles=nothing,
            peak_bits=nothing,
            peak_link=nothing,
            reload_bits=np.array([[self._reload_bits]], np.int64),
            reload_cycles=np.array([[self._reload_cycles]], np.int64),
        )
