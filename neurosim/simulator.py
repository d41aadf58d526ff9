"""Simulate: run samples through a Program, tick by tick, exactly.

`simulate` is the public face: arrays in, a `Run` out. The phases of a tick live in
`neurosim.kernels.tick`; samples are independent of each other and are spread over threads, which
cannot change a result: every worker counts for itself and the integers are summed at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.clock import Clock, make_clock
from neurosim.counters import BOUNDS, Counters
from neurosim.encoding import encode_input
from neurosim.errors import InputFileError, UsageError
from neurosim.kernels.tick import run_sample
from neurosim.network_stats import NetworkStats
from neurosim.program import Program
from neurosim.program_check import check_program
from neurosim.state import (
    Image,
    PacketLog,
    State,
    Tally,
    TickCosts,
    allocate_log,
    allocate_state,
    allocate_tally,
    make_image,
)

if TYPE_CHECKING:
    from neurosim.report import Report

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Progress = Callable[[int], None]

NOC_MODELS: Final = ("ideal", "cycle")


@dataclass(frozen=True)
class Run:
    """The result of `simulate`.

    Attributes
    ----------
    outputs : (n_samples, n_ticks, n_outputs) int32, aligned to sample time: spike counts, or
        values in steps of ``program.output_unit``.
    counters : integers per core, flow and tick.
    values, membrane : per probed layer (n_samples, n_ticks, n_neurons) int32, sample time;
        the membrane potential is that after the decay.
    noc : name of the network model.
    labels : class per sample, if given.
    network : loads, stalls and latencies of the cycle-level network; None for ``ideal``.
    """

    program: Program
    outputs: I32
    counters: Counters
    noc: str
    values: Mapping[str, I32] = field(default_factory=dict)
    membrane: Mapping[str, I32] = field(default_factory=dict)
    labels: I64 | None = None
    network: NetworkStats | None = None

    @property
    def predictions(self) -> I64:
        """(n_samples,) class with the largest read-out; the first of equals."""
        return predict(self.outputs, self.program.readout)

    @property
    def accuracy(self) -> float | None:
        """Share of samples whose prediction is their label; None without labels."""
        if self.labels is None or self.labels.size == 0:
            return None
        return float(np.mean(self.predictions == self.labels))

    def report(self) -> Report:
        """What the run cost and how well it did."""
        from neurosim.report import make_report

        return make_report(self)


def predict(outputs: npt.NDArray[np.integer], readout: str) -> I64:
    """Arg max over classes of the sum (or mean) over ticks, or of the last tick."""
    scores = (
        outputs[:, -1].astype(np.int64)
        if readout == "last"
        else outputs.sum(axis=1, dtype=np.int64)
    )
    best: I64 = np.argmax(scores, axis=1).astype(np.int64)
    return best


def simulate(
    program: Program,
    x: npt.ArrayLike,
    *,
    noc: Literal["ideal", "cycle"] = "ideal",
    labels: npt.ArrayLike | None = None,
    probe: Sequence[str] = (),
    threads: int | None = None,
    progress: Progress | None = None,
) -> Run:
    """Run every sample of `x` through the chip.

    Parameters
    ----------
    x : (n_samples, n_ticks, *program.input_shape), in the units that the network was trained with.
    noc : ``ideal`` bounds each tick in closed form, ``cycle`` plays its packets out. The outputs
        are the same.
    labels : (n_samples,) classes, for the accuracy.
    probe : names of layers whose outputs and potentials are kept.
    threads : workers over samples; all cores of the machine by default. Never changes a result.
    progress : called with the number of samples done since the last call.

    Raises
    ------
    UsageError : unknown noc, unknown layer. InputFileError : `x` does not fit the program, or the
        program breaks a rule of its chip. SimulationFaultError : the network came to a halt.
    """
    _check_call(program, noc, probe)
    values = encode_input(x, program.input_shape, program.input_code)
    wanted = _labels(labels, values.shape[0])
    job = _Job(
        program, make_image(program), values, make_clock(program, noc), tuple(probe), progress
    )
    workers = _n_threads(threads, values.shape[0])
    chunks = np.array_split(np.arange(values.shape[0]), workers)
    with ThreadPoolExecutor(workers) as pool:
        parts = list(pool.map(job.run, chunks))
    return _collect(program, parts, job, noc, wanted)


@dataclass(frozen=True)
class _Part:
    """What one worker brings back for its samples."""

    y: I32  # (n_samples, n_chip_ticks, n_watched)
    v: I32
    core: I64
    flow_packets: I64
    costs: I64  # (n_samples, len(TickCosts), n_chip_ticks)
    busy_cycles: I64
    network: NetworkStats | None


@dataclass(frozen=True)
class _Job:
    """One run, shared by all workers."""

    program: Program
    image: Image
    values: npt.NDArray[np.int16]
    clock: Clock
    probe: tuple[str, ...]
    progress: Progress | None

    @property
    def n_chip_ticks(self) -> int:
        """Ticks from the first input to the last output."""
        return int(self.values.shape[1]) + self.program.depth_ticks

    def run(self, samples: npt.NDArray[np.intp]) -> _Part:
        """Play `samples` one after the other with one set of arrays."""
        watch = _watched_neurons(self.program, self.probe)
        shape = (samples.size, self.n_chip_ticks)
        y = np.zeros((*shape, watch.size), np.int32)
        v = np.zeros((samples.size, self.n_chip_ticks if self.probe else 0, watch.size), np.int32)
        costs = np.zeros((samples.size, len(TickCosts._fields), self.n_chip_ticks), np.int64)
        busy = np.zeros(shape, np.int64)
        state, tally = allocate_state(self.image), allocate_tally(self.image)
        log = self.clock.new_log(self.n_chip_ticks)
        player = self.clock.new_player()
        for row, sample in enumerate(samples):
            cost = TickCosts(*costs[row])
            log = self._play(sample, state, tally, cost, watch, y[row], v[row], log)
            busy[row] = player.play(cost, log)
            if self.progress is not None:
                self.progress(1)
        return _Part(y, v, tally.core, tally.flow_packets, costs, busy, player.stats)

    def _play(
        self,
        sample: np.intp,
        state: State,
        tally: Tally,
        cost: TickCosts,
        watch: I32,
        y: I32,
        v: I32,
        log: PacketLog,
    ) -> PacketLog:
        """One sample; returns the log, a larger one if the packets had outgrown it."""
        log.n_logged[0] = 0
        run_sample(self.image, state, tally, cost, self.values[sample], watch, y, v, log)
        if log.n_logged[0] > log.flow.size:
            # Counted already, so the second pass counts into arrays that nobody reads.
            log = allocate_log(self.n_chip_ticks, 2 * int(log.n_logged[0]))
            spare = allocate_tally(self.image)
            run_sample(self.image, state, spare, cost, self.values[sample], watch, y, v, log)
        return log


def _check_call(program: Program, noc: str, probe: Sequence[str]) -> None:
    if noc not in NOC_MODELS:
        raise UsageError(f"noc is {noc!r}; known: {', '.join(NOC_MODELS)}.")
    for name in probe:
        if name not in program.layer_names:
            raise UsageError(
                f"probe names the layer {name!r}; known: {', '.join(program.layer_names)}."
            )
    violations = check_program(program)
    if violations:
        raise InputFileError(f"the program breaks a rule of its chip: {violations[0]}")


def _labels(labels: npt.ArrayLike | None, n_samples: int) -> I64 | None:
    if labels is None:
        return None
    array = np.asarray(labels)
    if array.shape != (n_samples,) or array.dtype.kind not in "iu":
        raise InputFileError(
            f"labels have shape {array.shape} and dtype {array.dtype}; "
            f"needed: {n_samples} integers."
        )
    return array.astype(np.int64)


def _n_threads(threads: int | None, n_samples: int) -> int:
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; at least 1 is needed.")
    available = threads if threads is not None else os.cpu_count() or 1
    return max(1, min(available, n_samples))


def _watched_layers(program: Program, probe: tuple[str, ...]) -> tuple[int, ...]:
    """The output layer, then every probed layer."""
    return (program.output_layer, *(program.layer_names.index(name) for name in probe))


def _watched_neurons(program: Program, probe: tuple[str, ...]) -> I32:
    layers = [program.layer_neurons(i) for i in _watched_layers(program, probe)]
    return np.concatenate(layers).astype(np.int32)


def _collect(program: Program, parts: list[_Part], job: _Job, noc: str, labels: I64 | None) -> Run:
    costs = np.concatenate([part.costs for part in parts])
    field_of = {name: costs[:, i] for i, name in enumerate(TickCosts._fields)}
    counters = Counters(
        core=np.sum([part.core for part in parts], axis=0),
        flow_packets=np.sum([part.flow_packets for part in parts], axis=0),
        bounds=np.stack([field_of[name] for name in BOUNDS], axis=-1),
        busy_cycles=np.concatenate([part.busy_cycles for part in parts]),
        peak_bits=field_of["peak_bits"],
        peak_link=field_of["peak_link"],
    )
    n_ticks = job.values.shape[1]
    outputs, *values = _by_layer(program, job.probe, np.concatenate([p.y for p in parts]), n_ticks)
    membrane: list[I32] = []
    if job.probe:
        membrane = _by_layer(program, job.probe, np.concatenate([p.v for p in parts]), n_ticks)[1:]
    return Run(
        program,
        outputs,
        counters,
        noc,
        dict(zip(job.probe, values, strict=True)),
        dict(zip(job.probe, membrane, strict=True)),
        labels,
        _joined([part.network for part in parts]),
    )


def _joined(parts: list[NetworkStats | None]) -> NetworkStats | None:
    seen = [part for part in parts if part is not None]
    return sum(seen[1:], seen[0]) if seen else None


def _by_layer(program: Program, probe: tuple[str, ...], recorded: I32, n_ticks: int) -> list[I32]:
    """Cut the watched columns into layers and shift each to sample time."""
    result, column = [], 0
    for layer in _watched_layers(program, probe):
        width, first = program.layer_neurons(layer).size, program.layer_first_tick(layer)
        result.append(recorded[:, first : first + n_ticks, column : column + width].copy())
        column += width
    return result
