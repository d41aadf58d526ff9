"""Simulate with faults: those of the Program; flips of potentials and hit packets between ticks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from neurosim.cluster.samples import join_runs
from neurosim.errors import UsageError
from neurosim.faults.draw import drawn, found_any, neurons_of, place
from neurosim.faults.hits import Hits
from neurosim.faults.inject import inject
from neurosim.faults.packets import PacketFaults, Wiring
from neurosim.faults.spec import OF_PACKETS, Fault
from neurosim.program.columns import Program
from neurosim.run.encoding import encode_input
from neurosim.run.simulator import Run, simulate
from neurosim.run.state import State
from neurosim.run.stream import simulate_chunks


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
    from `tick` on; tick 0 has no potential to flip. What becomes of packets says
    `neurosim.faults.packets`. The run's program says under
    ``provenance["faults"]`` what was asked for, how many places were hit, and the first of them.

    Raises
    ------
    UsageError : see `inject`.
    """
    injected = inject(program, faults)
    faulty, later = injected.program, injected.later
    hits = Hits(injected.hits)
    if later:
        options = {"noc": noc, "probe": probe, "threads": threads, "memory_limit": memory_limit}
        run = _run_by_tick(faulty, np.asarray(x), later, hits, progress, options)
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
        "hit": hits.count,
        "first": hits.first,
    }
    noted = {**program.provenance, "faults": said}
    return replace(run, program=replace(faulty, provenance=noted))


def _run_by_tick(
    program: Program,
    x: npt.NDArray[Any],
    faults: Sequence[Fault],
    hits: Hits,
    progress: Callable[[int], None] | None,
    options: Mapping[str, Any],
) -> Run:
    """Sample by sample, tick by tick."""
    runs = []
    for fault in faults:
        if fault.where.get("sample", 0) >= len(x):
            raise UsageError(f"fault {fault.text!r}: there are {len(x)} samples, from 0.")
    wiring = _wiring(program, faults)
    for number, sample in enumerate(x):
        flips = _Flips(program, faults, number, hits)
        sent = encode_input(sample[None], program.input_shape, program.input_code)[0]
        packets = None if wiring is None else PacketFaults(wiring, number, sent, hits)

        def between(
            state: State,
            tick: int,
            flips: _Flips = flips,
            packets: PacketFaults | None = packets,
        ) -> None:
            flips(state, tick)
            if packets is not None:
                packets(state, tick)

        runs.append(
            simulate_chunks(
                program,
                (sample[tick : tick + 1] for tick in range(len(sample))),
                len(sample),
                number=number,
                between=between,
                **options,
            )
        )
        if progress is not None:
            progress(1)
    return join_runs(runs)


def _wiring(program: Program, faults: Sequence[Fault]) -> Wiring | None:
    """For the faults of packets; None without any."""
    of_packets = [fault for fault in faults if fault.kind in OF_PACKETS]
    if not of_packets:
        return None
    wiring = Wiring(program, of_packets)
    for fault, allowed in wiring.faults:
        n = sum(np.count_nonzero(rows) for rows in allowed) * wiring.bits_of(fault).size
        found_any(np.arange(n), fault)
    return wiring


class _Flips:
    """Flips of potentials, called before every tick of one sample; draws anew for each."""

    def __init__(self, program: Program, faults: Sequence[Fault], sample: int, hits: Hits) -> None:
        self._program, self._sample, self._hits = program, sample, hits
        self._bits = program.chip.core.membrane_bits
        self._plans = [
            (fault, neurons_of(program, fault), self._choice(fault))
            for fault in faults
            if fault.kind == "potentials" and fault.where.get("sample", sample) == sample
        ]

    def __call__(self, state: State, tick: int) -> None:
        for fault, neurons, bits in self._plans:
            if tick > 0 and fault.where.get("tick", tick) == tick:
                rng = np.random.default_rng((fault.seed, self._sample, tick))
                hit = drawn(neurons.size * bits.size, fault, rng)
                self._flip(state, tick, neurons[hit // bits.size], bits[hit % bits.size])

    def _choice(self, fault: Fault) -> npt.NDArray[np.int64]:
        bits = np.arange(self._bits, dtype=np.int64)
        if "bit" in fault.where:
            bits = found_any(bits[bits == fault.where["bit"]], fault)
        return bits

    def _flip(
        self, state: State, tick: int, neurons: npt.NDArray[np.int64], bits: npt.NDArray[np.int64]
    ) -> None:
        sign = 1 << (self._bits - 1)
        for neuron, bit in zip(neurons.tolist(), bits.tolist(), strict=True):
            word = (int(state.soma.v[neuron]) & (2 * sign - 1)) ^ (1 << bit)
            state.soma.v[neuron] = (word ^ sign) - sign
            where = f"{place(self._program, neuron)}, bit {bit}"
            self._hits.add(f"potentials: sample {self._sample}, tick {tick}, {where}")
        if neurons.size:
            state.quiet[:] = 0  # a core at rest looks again
