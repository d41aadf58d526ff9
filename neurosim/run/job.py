"""A run at work: the pieces that samples are played in, and the arrays that they fill.

Enters: a Program, a clock, encoded inputs. Leaves: a `Part` per player or piece, what it recorded
and counted. A sample is played in one piece, or in several one after the other, with the state of
the chip kept between them.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from neurosim.clock.model import Clock, CoreTimes, Player
from neurosim.errors import InputFileError
from neurosim.image.build import Image
from neurosim.image.crossbar import narrow_places, spike_bits
from neurosim.kernels.tick import run_samples
from neurosim.program.columns import Program
from neurosim.run.state import (
    PacketLog,
    State,
    Tally,
    TickCosts,
    Watch,
    allocate_log,
    allocate_state,
    allocate_tally,
    joined_log,
)
from neurosim.run.windows import add_tally, plan_windows

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Progress = Callable[[int], None]
Between = Callable[[State, int], None]

_IN_ONE_GO: Final = 0.1
"""Seconds of samples that the kernels play before Python looks again, about."""


@dataclass(frozen=True)
class Part:
    """What one player brings back for its samples, or for a piece of a single one.

    `first` is the chip tick at which the piece begins.
    """

    first: int
    y: I32  # (n_samples, n_chip_ticks, n_watched)
    v: I32
    tally: Tally
    costs: I64  # (n_samples, len(TickCosts), n_chip_ticks)
    busy_cycles: I64
    player: Player


_Untimed: TypeAlias = tuple[PacketLog, CoreTimes]
"""What a clock has to know of some ticks."""


@dataclass(frozen=True)
class Piece:
    """Samples, or ticks of one sample, that are played in one go; where what they give goes."""

    spans: I64  # (n_samples, 7), see `run_samples`
    x: I16  # (n_samples, n_ticks, n_inputs)
    costs: I64  # rows of `Part.costs`
    watch: Watch


@dataclass(frozen=True)
class Job:
    """One run, shared by all players."""

    program: Program
    image: Image
    clock: Clock
    probe: tuple[str, ...]
    n_workers: int
    progress: Progress | None

    def run(self, samples: npt.NDArray[np.intp], x: I16) -> Part:
        """Play `samples` one after the other with one set of arrays."""
        n_ticks = x.shape[1]
        n_chip_ticks = n_ticks + self.program.depth_ticks
        part = self._new_part(samples.size, n_chip_ticks)
        state = self._new_state()
        log = self.clock.new_log(n_chip_ticks)
        player, done, size = part.player, 0, 1
        one_by_one = self.clock.needs_packets or player.needs_core_times
        while done < samples.size:
            begin, rows = time.perf_counter(), range(done, min(done + size, samples.size))
            piece = self._piece(
                part,
                rows,
                samples[rows.start : rows.stop],
                x[rows.start : rows.stop],
                0,
                n_chip_ticks,
                n_ticks,
                True,
            )
            log, times = self._play_timed(state, part, piece, log)
            for row in rows:
                part.busy_cycles[row] = player.play(TickCosts(*part.costs[row]), log, times)
            if self.progress is not None:
                self.progress(self.program.interleave * len(rows))
            done, seconds = rows.stop, time.perf_counter() - begin
            size = 1 if one_by_one else max(1, min(4 * size, int(size * _IN_ONE_GO / seconds)))
        return part

    def run_pieces(
        self, chunks: Iterator[I16], n_ticks: int, number: int, between: Between | None
    ) -> Part:
        """Play one sample chunk by chunk, then the rest of its pipeline; what all pieces give.

        With `between`, which is called before every piece, the rest is played tick by tick. A clock
        of whole samples plays the packets of all pieces when they are known.
        """
        part = self._new_part(1, n_ticks + self.program.depth_ticks)
        state = self._fresh_state(part, number, n_ticks, keep_all=between is not None)
        log, untimed = self.clock.new_log(0), list[_Untimed]()
        for x, start, ticks in self._cut(chunks, n_ticks, between is not None):
            if between is not None:
                between(state, start)
            log = self._play_piece(state, part, number, x, start, ticks, n_ticks, log, untimed)
        if untimed:
            logs, times = zip(*untimed, strict=True)
            every = CoreTimes(*(np.concatenate(column) for column in zip(*times, strict=True)))
            costs = TickCosts(*part.costs[0])
            part.busy_cycles[0] = part.player.play(costs, joined_log(logs), every)
        return part

    def parts_of_stream(self, chunks: Iterator[I16], n_ticks: int, number: int) -> Iterator[Part]:
        """Play one sample chunk by chunk; what each chunk gives, the last one with the rest."""
        log, state, untimed = self.clock.new_log(0), None, list[_Untimed]()
        for x, start, ticks in self._cut(chunks, n_ticks, False):
            part = self._new_part(1, ticks, start)
            state = state or self._fresh_state(part, number, n_ticks)
            log = self._play_piece(state, part, number, x, start, ticks, n_ticks, log, untimed)
            if self.progress is not None:
                self.progress(len(x))
            yield part

    def _cut(
        self, chunks: Iterator[I16], n_ticks: int, by_tick: bool
    ) -> Iterator[tuple[I16, int, int]]:
        """Input, first chip tick and chip ticks of every piece.

        The rest of the pipeline comes with the last chunk, or `by_tick`.
        """
        done, depth = 0, self.program.depth_ticks
        for chunk in chunks:
            stop = done + len(chunk)
            if stop > n_ticks:
                raise InputFileError(f"the chunks hold {stop} ticks or more; n_ticks is {n_ticks}.")
            if len(chunk):
                yield chunk, done, len(chunk) + (depth if stop == n_ticks and not by_tick else 0)
            done = stop
        if done < n_ticks:
            raise InputFileError(f"the chunks hold {done} ticks; n_ticks is {n_ticks}.")
        nothing = np.zeros((0, int(np.prod(self.program.input_shape))), np.int16)
        for tick in range(n_ticks, n_ticks + depth if by_tick else 0):
            yield nothing, tick, 1

    def _fresh_state(
        self, part: Part, number: int, n_ticks: int, *, keep_all: bool = False
    ) -> State:
        """The chip before the first tick of sample `number`."""
        state = self._new_state(keep_all=keep_all)
        nothing = np.zeros((0, int(np.prod(self.program.input_shape))), np.int16)
        begin = self._piece_of_one(part, number, nothing, part.first, 0, n_ticks, reset=True)
        self._work(state, part.tally, begin, self.clock.new_log(1))
        return state

    def _new_state(self, *, keep_all: bool = False) -> State:
        """State that keeps the outputs of neurons that are watched, or of all."""
        state = allocate_state(self.image, self.n_workers)
        watched = self.program.group_of(watched_neurons(self.program, self.probe))
        state.soma.kept[slice(None) if keep_all else watched] = 1
        return state

    def _new_part(
        self, n_samples: int, n_chip_ticks: int, first: int = 0, player: Player | None = None
    ) -> Part:
        shape = (n_samples, n_chip_ticks)
        watched = watched_neurons(self.program, self.probe).size
        return Part(
            first=first,
            y=np.zeros((*shape, watched), np.int32),
            v=np.zeros((n_samples, n_chip_ticks if self.probe else 0, watched), np.int32),
            tally=allocate_tally(self.image, plan_windows(self.image, n_chip_ticks).n),
            costs=np.zeros((n_samples, len(TickCosts._fields), n_chip_ticks), np.int64),
            busy_cycles=np.zeros(shape, np.int64),
            player=player or self.clock.new_player(),
        )

    def _piece_of_one(
        self,
        part: Part,
        number: int,
        x: I16,
        start: int,
        ticks: int,
        n_ticks: int,
        reset: bool = False,
    ) -> Piece:
        """Of sample `number`, the only one of `part`; x : (n_ticks of the piece, n_inputs)."""
        numbers = np.array([number])
        return self._piece(part, range(1), numbers, x[None], start, ticks, n_ticks, reset)

    def _piece(
        self,
        part: Part,
        rows: range,
        numbers: npt.NDArray[np.intp],
        x: I16,
        start: int,
        ticks: int,
        n_ticks: int,
        reset: bool = False,
    ) -> Piece:
        """`ticks` chip ticks from `start` on, of samples with `n_ticks`; `rows` of `part`."""
        width = plan_windows(self.image, part.busy_cycles.shape[1]).ticks
        own = slice(rows.start, rows.stop)
        spans = np.empty((len(rows), 7), np.int64)
        spans[:, 0] = numbers
        spans[:, 1:] = start, ticks, n_ticks, width, part.first, reset
        neuron = watched_neurons(self.program, self.probe)
        watch = Watch(
            neuron,
            spike_bits(self.program, self.image.crossbar, neuron),
            narrow_places(self.program, self.image.crossbar, neuron),
            part.y[own],
            part.v[own],
        )
        return Piece(spans, x, part.costs[own], watch)

    def _play_timed(
        self, state: State, part: Part, piece: Piece, log: PacketLog
    ) -> tuple[PacketLog, CoreTimes | None]:
        """`_play` of a whole sample, with the times of every core if the clock asks for them."""
        if not part.player.needs_core_times:
            return self._play(state, part.tally, piece, log), None
        tally = allocate_tally(self.image, piece.costs.shape[2])
        by_tick = piece.spans.copy()
        by_tick[:, 4] = 1
        log = self._play(state, tally, replace(piece, spans=by_tick), log)
        add_tally(part.tally, tally, int(piece.spans[0, 4]), 0)
        return log, CoreTimes(tally.window_compute, tally.window_memory)

    def _play_piece(
        self,
        state: State,
        part: Part,
        number: int,
        x: I16,
        start: int,
        ticks: int,
        n_ticks: int,
        log: PacketLog,
        untimed: list[_Untimed],
    ) -> PacketLog:
        """Play and time `ticks` of the only sample of `part`; returns the log to go on with.

        For a clock of whole samples, what it has to know of these ticks goes to `untimed`.
        """
        rows = slice(start - part.first, start - part.first + ticks)
        if not self.clock.needs_packets:
            piece = self._piece_of_one(part, number, x, start, ticks, n_ticks)
            log = self._play(state, part.tally, piece, log)
            costs = TickCosts(*part.costs[0][:, rows])
            part.busy_cycles[0, rows] = part.player.play(costs, log)
            return log
        own = self._new_part(1, ticks, start, part.player)
        tally = allocate_tally(self.image, ticks)
        piece = self._piece_of_one(own, number, x, start, ticks, n_ticks)
        piece.spans[:, 4] = 1
        log = log._replace(tick_offset=np.zeros(ticks + 1, np.int64))
        log = self._play(state, tally, piece, log)
        times = CoreTimes(tally.window_compute, tally.window_memory)
        if self.clock.whole_samples:
            untimed.append((joined_log([log]), times))
        else:
            part.busy_cycles[0, rows] = part.player.play(TickCosts(*own.costs[0]), log, times)
        width = plan_windows(self.image, part.busy_cycles.shape[1]).ticks
        add_tally(part.tally, tally, width, rows.start)
        part.costs[:, :, rows] = own.costs
        part.y[:, rows] = own.y
        if self.probe:
            part.v[:, rows] = own.v
        return log

    def _play(self, state: State, tally: Tally, piece: Piece, log: PacketLog) -> PacketLog:
        """One piece; returns the log, a larger one if the packets had outgrown it."""
        log.n_logged[0] = 0
        goes_on = self.clock.needs_packets and not piece.spans[0, 6]
        before = copy.deepcopy(state) if goes_on else state
        self._work(state, tally, piece, log)
        if log.n_logged[0] > log.flow.size:
            # Counted already, so the second pass counts into arrays that nobody reads.
            log = allocate_log(log.tick_offset.size - 1, 2 * int(log.n_logged[0]))
            self._work(before, allocate_tally(self.image), piece, log)
        return log

    def _work(self, state: State, tally: Tally, piece: Piece, log: PacketLog) -> None:
        def one(worker: int) -> None:
            run_samples(
                piece.x,
                piece.spans,
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


def watched_layers(program: Program, probe: tuple[str, ...]) -> tuple[int, ...]:
    """The output layer, then every probed layer."""
    return (program.output_layer, *(program.layer_names.index(name) for name in probe))


def watched_neurons(program: Program, probe: tuple[str, ...]) -> I32:
    """Global neurons of these layers, one layer after the other."""
    layers = [program.layer_neurons(i) for i in watched_layers(program, probe)]
    return np.concatenate(layers).astype(np.int32)
