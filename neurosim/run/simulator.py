"""Simulate: run samples through a Program, tick by tick, exactly.

`simulate` is the public face: arrays in, a `Run` out. The phases of a tick live in
`neurosim.kernels.tick`; samples are independent of each other and are spread over threads, which
cannot change a result: every worker counts for itself and the integers are summed at the end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.clock.model import Clock, CoreTimes, Player
from neurosim.clock.offered import make_clock
from neurosim.cost.counters import Counters
from neurosim.cost.network_stats import NetworkStats
from neurosim.errors import InputFileError, UsageError
from neurosim.image.build import Image
from neurosim.image.crossbar import narrow_places, spike_bits
from neurosim.kernels.tick import run_sample
from neurosim.kernels.workers import TOGETHER
from neurosim.program.columns import Program
from neurosim.run.encoding import encode_input
from neurosim.run.gather import gathered_counters, joined_network
from neurosim.run.interleave import apart, interleaved, samples_of_passes
from neurosim.run.memory import estimate_memory
from neurosim.run.state import (
    PacketLog,
    State,
    Tally,
    TickCosts,
    Watch,
    allocate_log,
    allocate_state,
    allocate_tally,
)
from neurosim.run.windows import add_tally, plan_windows

if TYPE_CHECKING:
    from neurosim.report import Report

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Progress = Callable[[int], None]

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
    _check_call(program, noc, probe)
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
    crew = _crew(program, clock, threads, values.shape[0])
    estimate = estimate_memory(
        program, values.shape[0], values.shape[1], probe, crew.n_players, crew.size
    )
    estimate.refuse_beyond(memory_limit)
    job = _Job(program, program.image, clock, tuple(probe), crew.size, progress)
    first = first_sample // program.interleave
    chunks = np.array_split(np.arange(values.shape[0]), crew.n_players)
    with ThreadPoolExecutor(crew.n_players) as pool:
        parts = list(pool.map(lambda s: job.run(s + first, values[s]), chunks))
    run = _collect(job, parts, values.shape[1], noc, n_samples)
    return replace(run, labels=wanted), [part.player for part in parts]


def simulate_chunks(
    program: Program,
    chunks: Iterable[npt.ArrayLike],
    n_ticks: int,
    *,
    probe: Sequence[str] = (),
    threads: int | None = None,
    memory_limit: int | None = None,
    number: int = 0,
    between: Callable[[State], None] | None = None,
) -> Run:
    """Run one sample whose input is longer than memory, piece by piece.

    Parameters
    ----------
    chunks : arrays (n_ticks of the piece, *program.input_shape), one after the other.
    n_ticks : ticks of all pieces together.
    probe, threads, memory_limit : as for `simulate`.
    number : of the sample, which random draws depend on.
    between : called with the state of the chip before every piece but the first; may change it.

    Returns
    -------
    The same `Run`, bit for bit, as `simulate` gives for the whole sample at once.

    Raises
    ------
    InputFileError : a piece does not fit the program, or the pieces have other than `n_ticks`
        ticks. UsageError : as for `simulate`.
    """
    _check_call(program, "ideal", probe)
    if program.n_phases > 1:
        raise UsageError("a folded program is played a sample at a time; use `simulate`.")
    if program.interleave > 1:
        raise UsageError(
            f"the program carries {program.interleave} samples at once; a single one cannot be "
            "played piece by piece. Use `simulate`."
        )
    clock = make_clock(program, "ideal")
    crew = _crew(program, clock, threads, 1)
    estimate_memory(program, 1, n_ticks, probe, 1, crew.size).refuse_beyond(memory_limit)
    image = program.image if between is None else program.open_image
    job = _Job(program, image, clock, tuple(probe), crew.size, None)
    part = job.run_pieces(_encoded(program, chunks), n_ticks, number, between)
    return _collect(job, [part], n_ticks, "ideal", 1)


def _encoded(program: Program, chunks: Iterable[npt.ArrayLike]) -> Iterator[npt.NDArray[np.int16]]:
    for number, chunk in enumerate(chunks):
        what = f"chunk {number}"
        yield encode_input(np.asarray(chunk)[None], program.input_shape, program.input_code, what)[
            0
        ]


@dataclass(frozen=True)
class _Crew:
    """`n_players` samples at a time, each played by `size` workers together."""

    n_players: int
    size: int


def _crew(program: Program, clock: Clock, threads: int | None, n_samples: int) -> _Crew:
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}; at least 1 is needed.")
    available = threads if threads is not None else os.cpu_count() or 1
    large = program.n_neurons >= TOGETHER_NEURONS and TOGETHER and not clock.needs_packets
    if large and n_samples < available:
        return _Crew(1, available)
    return _Crew(max(1, min(available, n_samples)), 1)


@dataclass(frozen=True)
class _Part:
    """What one player brings back for its samples."""

    y: I32  # (n_samples, n_chip_ticks, n_watched)
    v: I32
    tally: Tally
    costs: I64  # (n_samples, len(TickCosts), n_chip_ticks)
    busy_cycles: I64
    player: Player


@dataclass(frozen=True)
class _Piece:
    """Ticks of one sample that are played in one go, and where what they give goes."""

    span: I64  # see `run_sample`
    x: npt.NDArray[np.int16]
    costs: TickCosts
    watch: Watch


@dataclass(frozen=True)
class _Job:
    """One run, shared by all players."""

    program: Program
    image: Image
    clock: Clock
    probe: tuple[str, ...]
    n_workers: int
    progress: Progress | None

    def run(self, samples: npt.NDArray[np.intp], x: npt.NDArray[np.int16]) -> _Part:
        """Play `samples` one after the other with one set of arrays."""
        n_ticks = x.shape[1]
        part = self._new_part(samples.size, n_ticks)
        state = allocate_state(self.image, self.n_workers)
        log = self.clock.new_log(n_ticks + self.program.depth_ticks)
        for row, sample in enumerate(samples):
            piece = self._piece(part, row, int(sample), x[row], 0, n_ticks)
            log, times = self._play_timed(state, part, piece, log)
            part.busy_cycles[row] = part.player.play(piece.costs, log, times)
            if self.progress is not None:
                self.progress(self.program.interleave)
        return part

    def run_pieces(
        self,
        chunks: Iterator[npt.NDArray[np.int16]],
        n_ticks: int,
        number: int,
        between: Callable[[State], None] | None,
    ) -> _Part:
        """Play one sample chunk by chunk, then the rest of its pipeline."""
        part = self._new_part(1, n_ticks)
        state = allocate_state(self.image, self.n_workers)
        log, done = allocate_log(0, 0), 0
        for chunk in chunks:
            if done + len(chunk) > n_ticks:
                raise InputFileError(
                    f"the chunks hold {done + len(chunk)} ticks or more; n_ticks is {n_ticks}."
                )
            if between is not None and done:
                between(state)
            if len(chunk):
                piece = self._piece(part, 0, number, chunk, done, n_ticks)
                self._play(state, part.tally, piece, log)
            done += len(chunk)
        if done < n_ticks:
            raise InputFileError(f"the chunks hold {done} ticks; n_ticks is {n_ticks}.")
        part.busy_cycles[0] = part.player.play(TickCosts(*part.costs[0]), log)
        return part

    def _new_part(self, n_samples: int, n_ticks: int) -> _Part:
        shape = (n_samples, n_ticks + self.program.depth_ticks)
        watched = _watched_neurons(self.program, self.probe).size
        return _Part(
            y=np.zeros((*shape, watched), np.int32),
            v=np.zeros((n_samples, shape[1] if self.probe else 0, watched), np.int32),
            tally=allocate_tally(self.image, plan_windows(self.image, shape[1]).n),
            costs=np.zeros((n_samples, len(TickCosts._fields), shape[1]), np.int64),
            busy_cycles=np.zeros(shape, np.int64),
            player=self.clock.new_player(),
        )

    def _piece(
        self,
        part: _Part,
        row: int,
        sample: int,
        x: npt.NDArray[np.int16],
        first: int,
        n_ticks: int,
    ) -> _Piece:
        """Input ticks from `first` on; the last ones bring the rest of the pipeline."""
        last = first + len(x) == n_ticks
        stop = first + len(x) + (self.program.depth_ticks if last else 0)
        width = plan_windows(self.image, n_ticks + self.program.depth_ticks).ticks
        span = np.array([sample, first, stop - first, n_ticks, width], np.int64)
        costs = TickCosts(*part.costs[row][:, first:stop])
        neuron = _watched_neurons(self.program, self.probe)
        watch = Watch(
            neuron,
            spike_bits(self.program, self.image.crossbar, neuron),
            narrow_places(self.program, self.image.crossbar, neuron),
            part.y[row, first:stop],
            part.v[row, first:stop],
        )
        return _Piece(span, x, costs, watch)

    def _play_timed(
        self, state: State, part: _Part, piece: _Piece, log: PacketLog
    ) -> tuple[PacketLog, CoreTimes | None]:
        """`_play` of a whole sample, with the times of every core if the clock asks for them."""
        if not part.player.needs_core_times:
            return self._play(state, part.tally, piece, log), None
        tally = allocate_tally(self.image, piece.costs.compute.size)
        by_tick = np.append(piece.span[:4], 1)
        log = self._play(state, tally, replace(piece, span=by_tick), log)
        add_tally(part.tally, tally, int(piece.span[4]))
        return log, CoreTimes(tally.window_compute, tally.window_memory)

    def _play(self, state: State, tally: Tally, piece: _Piece, log: PacketLog) -> PacketLog:
        """One piece; returns the log, a larger one if the packets had outgrown it."""
        log.n_logged[0] = 0
        self._work(state, tally, piece, log)
        if log.n_logged[0] > log.flow.size:
            # Counted already, so the second pass counts into arrays that nobody reads.
            log = allocate_log(log.tick_offset.size - 1, 2 * int(log.n_logged[0]))
            self._work(state, allocate_tally(self.image), piece, log)
        return log

    def _work(self, state: State, tally: Tally, piece: _Piece, log: PacketLog) -> None:
        def one(worker: int) -> None:
            run_sample(
                piece.x,
                piece.span,
                worker,
                piece.watch,
                log,
                piece.costs,
                tally,
                *self.image,
                *state,
            )

        if self.n_workers == 1:
            one(0)
        else:
            with ThreadPoolExecutor(self.n_workers) as pool:
                list(pool.map(one, range(self.n_workers)))


def _check_call(program: Program, noc: str, probe: Sequence[str]) -> None:
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


def _watched_layers(program: Program, probe: tuple[str, ...]) -> tuple[int, ...]:
    """The output layer, then every probed layer."""
    return (program.output_layer, *(program.layer_names.index(name) for name in probe))


def _watched_neurons(program: Program, probe: tuple[str, ...]) -> I32:
    layers = [program.layer_neurons(i) for i in _watched_layers(program, probe)]
    return np.concatenate(layers).astype(np.int32)


def _collect(job: _Job, parts: list[_Part], n_ticks: int, noc: str, n_samples: int) -> Run:
    program, probe = job.program, job.probe
    counters = gathered_counters(
        program,
        [part.tally for part in parts],
        np.concatenate([part.costs for part in parts]),
        np.concatenate([part.busy_cycles for part in parts]),
        [part.player for part in parts],
        samples_of_passes(n_samples, program.interleave) if program.interleave > 1 else None,
    )
    cut = partial(_by_layer, program, probe, n_ticks, n_samples)
    outputs, *values = cut(np.concatenate([p.y for p in parts]))
    membrane = cut(np.concatenate([p.v for p in parts]))[1:] if probe else []
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


def _by_layer(
    program: Program, probe: tuple[str, ...], n_ticks: int, n_samples: int, recorded: I32
) -> list[I32]:
    """Cut the watched columns into layers and samples, and shift each to sample time."""
    result, column = [], 0
    for layer in _watched_layers(program, probe):
        width, first = program.layer_neurons(layer).size, program.layer_first_tick(layer)
        own = recorded[:, first : first + n_ticks, column : column + width].copy()
        result.append(apart(own, program.interleave, n_samples))
        column += width
    return result
