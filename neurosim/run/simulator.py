"""Simulate: run samples through a Program, tick by tick, exactly.

`simulate` is the public face: arrays in, a `Run` out. The phases of a tick live in
`neurosim.kernels.tick`; samples are independent of each other and are spread over threads, which
cannot change a result: every worker counts for itself and the integers are summed at the end.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.clock.model import Clock, Player
from neurosim.clock.offered import make_clock
from neurosim.cost.counters import Counters
from neurosim.cost.network_stats import NetworkStats
from neurosim.errors import InputFileError, UsageError
from neurosim.kernels.workers import TOGETHER
from neurosim.program.columns import Program
from neurosim.run.encoding import encode_input
from neurosim.run.gather import gathered_counters, joined_network
from neurosim.run.interleave import apart, interleaved, samples_of_passes
from neurosim.run.job import Job, Part, Progress, watched_layers
from neurosim.run.memory import estimate_memory

if TYPE_CHECKING:
    from neurosim.report import Report

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

NOC_MODELS: Final = ("ideal", "cycle")
TOGETHER_NEURONS: Final = 1 << 13
"""A single sample of a program with fewer neurons is not worth a barrier between workers."""


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
    memory_limit: int | None = None,
    first_sample: int = 0,
) -> Run:
    """Run every sample of `x` through the chip.

    Parameters
    ----------
    x : (n_samples, n_ticks, *program.input_shape), in the units that the network was trained with.
    noc : ``ideal`` bounds each tick in closed form, ``cycle`` plays its packets out. The outputs
        are the same.
    labels : (n_samples,) classes, for the accuracy.
    probe : names of layers whose outputs and potentials are kept.
    threads : workers, all cores of the machine by default. Several samples are spread over them;
        a single sample of a large program is played by all together. Never changes a result.
    progress : called with the number of samples done since the last call.
    memory_limit : bytes that the run may take at most.
    first_sample : number of the first sample of `x`, which random draws depend on.

    Raises
    ------
    UsageError : unknown noc, unknown layer, not enough memory allowed. InputFileError : `x` does
        not fit the program, or the program breaks a rule of its chip. SimulationFaultError : the
        network came to a halt.
    """
    check_call(program, noc, probe)
    run, _ = play_samples(
        program,
        x,
        make_clock(program, noc),
        noc,
        labels=labels,
        probe=probe,
        threads=threads,
        progress=progress,
        memory_limit=memory_limit,
        first_sample=first_sample,
    )
    return run


def play_samples(
    program: Program,
    x: npt.ArrayLike,
    clock: Clock,
    noc: str,
    *,
    labels: npt.ArrayLike | None = None,
    probe: Sequence[str] = (),
    threads: int | None = None,
    progress: Progress | None = None,
    memory_limit: int | None = None,
    first_sample: int = 0,
) -> tuple[Run, list[Player]]:
    """`simulate` with a clock of the caller's.

    Returns
    -------
    The run, and the clock's players in the order of their samples.
    """
    values = encode_input(x, program.input_shape, program.input_code)
    wanted, n_samples = _labels(labels, values.shape[0]), values.shape[0]
    values = interleaved(values, program.interleave)
    crew = crew_of(program, clock, threads, values.shape[0])
    if memory_limit is not None:
        estimate = estimate_memory(
            program, values.shape[0], values.shape[1], probe, crew.n_players, crew.size
        )
        estimate.refuse_beyond(memory_limit)
    job = Job(program, program.image, clock, tuple(probe), crew.size, progress)
    first = first_sample // program.interleave
    chunks = np.array_split(np.arange(values.shape[0]), crew.n_players)
    with ThreadPoolExecutor(crew.n_players) as pool:
        parts = list(pool.map(lambda s: job.run(s + first, values[s]), chunks))
    run = collect(job, parts, values.shape[1], noc, n_samples)
    return replace(run, labels=wanted), [part.player for part in parts]


@dataclass(frozen=True)
class Crew:
    """`n_players` samples at a time, each played by `size` workers together."""

    n_players: int
    size: int


def crew_of(program: Program, clock: Clock, threads: int | None, n_samples: int) -> Crew:
    """Who plays `n_samples`, with as many `threads` as allowed."""
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; at least 1 is needed.")
    available = threads if threads is not None else os.cpu_count() or 1
    large = program.n_neurons >= TOGETHER_NEURONS and TOGETHER and not clock.needs_packets
    if large and n_samples < available:
        return Crew(1, available)
    return Crew(max(1, min(available, n_samples)), 1)


def check_call(program: Program, noc: str, probe: Sequence[str]) -> None:
    """Raise the errors of `simulate` about its arguments."""
    if noc not in NOC_MODELS:
        raise UsageError(f"noc is {noc!r}; known: {', '.join(NOC_MODELS)}.")
    for name in probe:
        if name not in program.layer_names:
            raise UsageError(
                f"probe names the layer {name!r}; known: {', '.join(program.layer_names)}."
            )
    if program.violations:
        raise InputFileError(f"the program breaks a rule of its chip: {program.violations[0]}")


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


def collect(job: Job, parts: list[Part], n_ticks: int, noc: str, n_samples: int) -> Run:
    """What all parts recorded and counted, in sample time."""
    program, probe = job.program, job.probe
    counters = gathered_counters(
        program,
        [part.tally for part in parts],
        np.concatenate([part.costs for part in parts]),
        np.concatenate([part.busy_cycles for part in parts]),
        [part.player for part in parts],
        samples_of_passes(n_samples, program.interleave) if program.interleave > 1 else None,
    )
    cut = partial(_by_layer, program, probe, parts[0].first, n_ticks, n_samples)
    outputs, *values = cut(_joined([p.y for p in parts]))
    membrane = cut(_joined([p.v for p in parts]))[1:] if probe else []
    return Run(
        program,
        outputs,
        counters,
        noc,
        dict(zip(probe, values, strict=True)),
        dict(zip(probe, membrane, strict=True)),
        None,
        joined_network([part.player.stats for part in parts]),
    )


def _joined(recorded: list[I32]) -> I32:
    """What all players recorded; a single player's is not copied."""
    return recorded[0] if len(recorded) == 1 else np.concatenate(recorded)


def _by_layer(
    program: Program,
    probe: tuple[str, ...],
    begin: int,
    n_ticks: int,
    n_samples: int,
    recorded: I32,
) -> list[I32]:
    """Cut the watched columns into layers and samples, and shift each to sample time.

    `begin` is the chip tick of the first row of `recorded`.
    """
    result, column = [], 0
    for layer in watched_layers(program, probe):
        width, first = program.layer_neurons(layer).size, program.layer_first_tick(layer)
        rows = slice(max(first - begin, 0), max(first + n_ticks - begin, 0))
        own = np.ascontiguousarray(recorded[:, rows, column : column + width])
        result.append(apart(own, program.interleave, n_samples))
        column += width
    return result
