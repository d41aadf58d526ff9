"""Simulate with faults: those of the Program, and flips of potentials between ticks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neurosim.cluster.samples import join_runs
from neurosim.errors import UsageError
from neurosim.faults.draw import drawn, found_any, neurons_of, place
from neurosim.faults.inject import inject
from neurosim.faults.spec import Fault
from neurosim.program.columns import Program
from neurosim.run.simulator import Run, simulate, simulate_chunks
from neurosim.run.state import State

MOST_NOTED = 100
"""Hits that the provenance of a run lists; beyond, they are only counted."""


def simulate_faulty(
    program: Program,
    x: npt.ArrayLike,
    faults: Sequence[Fault],
    *,
    noc: Literal["ideal", "cycle"] = "ideal",
    labels: npt.ArrayLike | None = None,
    probe: Sequence[str] = (),
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    memory_limit: int | None = None,
) -> Run:
    """`neurosim.simulate` of a chip with faults.

    A potential is flipped after the soma has computed it in chip tick `tick` - 1, so it counts
    from `tick` on; tick 0 has no potential to flip. The run's program says under
    ``provenance["faults"]`` what was asked for, how many places were hit, and the first of them.

    Raises
    ------
    UsageError : see `inject`; or potentials are to be flipped with the cycle-level network.
    """
    injected = inject(program, faults)
    faulty, later = injected.program, injected.later
    if later and noc != "ideal":
        raise UsageError("potentials are flipped with the ideal network only; leave --noc out.")
    hits = list(injected.hits)
    if later:
        options = {"probe": probe, "threads": threads, "memory_limit": memory_limit}
        run = _flipped_run(faulty, np.asarray(x), later, hits, progress, options)
        run = replace(run, labels=None if labels is None else np.asarray(labels, np.int64))
    else:
        run = simulate(
            faulty,
            x,
            noc=noc,
            labels=labels,
            probe=probe,
            threads=threads,
            progress=progress,
            memory_limit=memory_limit,
        )
    said = {
        "asked": [fault.text for fault in faults],
        "hit": len(hits),
        "first": hits[:MOST_NOTED],
    }
    noted = {**program.provenance, "faults": said}
    return replace(run, program=replace(faulty, provenance=noted))


def _flipped_run(
    program: Program,
    x: npt.NDArray[Any],
    faults: Sequence[Fault],
    hits: list[str],
    progress: Callable[[int], None] | None,
    options: Mapping[str, Any],
) -> Run:
    """Sample by sample, tick by tick."""
    runs = []
    for fault in faults:
        if fault.where.get("sample", 0) >= len(x):
            raise UsageError(f"fault {fault.text!r}: there are {len(x)} samples, from 0.")
    for number, sample in enumerate(x):
        flips = _Flips(program, faults, number, hits)
        runs.append(
            simulate_chunks(
                program,
                _ticks(sample, flips),
                len(sample),
                number=number,
                between=flips,
                **options,
            )
        )
        if progress is not None:
            progress(1)
    return join_runs(runs)


def _ticks(sample: npt.NDArray[Any], flips: _Flips) -> Iterator[npt.NDArray[Any]]:
    for tick in range(len(sample)):
        flips.tick = tick
        yield sample[tick : tick + 1]


class _Flips:
    """Called between the ticks of one sample; draws anew for each."""

    def __init__(
        self, program: Program, faults: Sequence[Fault], sample: int, hits: list[str]
    ) -> None:
        self.tick = 0
        self._program, self._sample, self._hits = program, sample, hits
        self._bits = program.chip.core.membrane_bits
        self._plans = [
            (fault, neurons_of(program, fault), self._choice(fault))
            for fault in faults
            if fault.where.get("sample", sample) == sample
        ]

    def __call__(self, state: State) -> None:
        for fault, neurons, bits in self._plans:
            if fault.where.get("tick", self.tick) == self.tick:
                rng = np.random.default_rng((fault.seed, self._sample, self.tick))
                hit = drawn(neurons.size * bits.size, fault, rng)
                self._flip(state, neurons[hit // bits.size], bits[hit % bits.size])

    def _choice(self, fault: Fault) -> npt.NDArray[np.int64]:
        bits = np.arange(self._bits, dtype=np.int64)
        if "bit" in fault.where:
            bits = found_any(bits[bits == fault.where["bit"]], fault)
        return bits

    def _flip(
        self, state: State, neurons: npt.NDArray[np.int64], bits: npt.NDArray[np.int64]
    ) -> None:
        sign = 1 << (self._bits - 1)
        for neuron, bit in zip(neurons.tolist(), bits.tolist(), strict=True):
            word = (int(state.soma.v[neuron]) & (2 * sign - 1)) ^ (1 << bit)
            state.soma.v[neuron] = (word ^ sign) - sign
            where = f"{place(self._program, neuron)}, bit {bit}"
            self._hits.append(f"potentials: sample {self._sample}, tick {self.tick}, {where}")
        if neurons.size:
            state.quiet[:] = 0  # a core at rest looks again
