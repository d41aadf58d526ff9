"""Recordings longer than memory: one sample, played piece by piece.

Enters: chunks of input ticks, one after the other, and how many ticks they are together. Leaves:
one `Run` of all of them (`simulate_chunks`), or a `Run` per chunk as it is played
(`simulate_stream`), with memory for a single chunk. The chip runs on between chunks: outputs and
counters are those of the sample in one go, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from neurosim.clock.offered import make_clock
from neurosim.errors import UsageError
from neurosim.program.columns import Program
from neurosim.run.encoding import encode_input
from neurosim.run.job import I16, Between, Job
from neurosim.run.memory import estimate_memory
from neurosim.run.simulator import Run, check_call, collect, crew_of


def simulate_chunks(
    program: Program,
    chunks: Iterable[npt.ArrayLike],
    n_ticks: int,
    *,
    noc: Literal["ideal", "cycle"] = "ideal",
    probe: Sequence[str] = (),
    threads: int | None = None,
    memory_limit: int | None = None,
    number: int = 0,
    between: Between | None = None,
) -> Run:
    """Run one sample whose input is longer than memory, piece by piece.

    Parameters
    ----------
    chunks : arrays (n_ticks of the piece, *program.input_shape), one after the other.
    n_ticks : ticks of all pieces together.
    noc : as for `simulate`; ``cycle`` keeps the packets of all pieces until the last is played.
    probe, threads, memory_limit : as for `simulate`.
    number : of the sample, which random draws depend on.
    between : called before every piece with the state of the chip and the next chip tick; may
        change the state. The rest of the pipeline is then played tick by tick.

    Returns
    -------
    The same `Run`, bit for bit, as `simulate` gives for the whole sample at once.

    Raises
    ------
    InputFileError : a piece does not fit the program, or the pieces have other than `n_ticks`
        ticks. UsageError : as for `simulate`.
    """
    job = _job(program, n_ticks, probe, threads, memory_limit, noc)
    if between is not None:
        job = replace(job, image=program.open_image)
    part = job.run_pieces(_encoded(program, chunks), n_ticks, number, between)
    return collect(job, [part], n_ticks, noc, 1)


def simulate_stream(
    program: Program,
    chunks: Iterable[npt.ArrayLike],
    n_ticks: int,
    *,
    probe: Sequence[str] = (),
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Run]:
    """Play one sample chunk by chunk; yields what each chunk gave as soon as it is played.

    Parameters
    ----------
    chunks, n_ticks, probe, threads : as for `simulate_chunks`.
    progress : called with the number of ticks played since the last call.

    Yields
    ------
    A `Run` per chunk. Its per-tick counters cover the chip ticks of the chunk, the last one's
    also the rest of the pipeline; its outputs (and probed layers) are those that came out during
    these ticks, so one after the other they are the outputs of the whole sample, each chunk's
    shifted by the pipeline offset. Counts add up to those of the sample in one go.

    Raises
    ------
    As `simulate_chunks`.
    """
    job = replace(_job(program, 1, probe, threads), progress=progress)
    for part in job.parts_of_stream(_encoded(program, chunks), n_ticks, 0):
        yield collect(job, [part], n_ticks, "ideal", 1)


def _job(
    program: Program,
    n_ticks: int,
    probe: Sequence[str],
    threads: int | None,
    memory_limit: int | None = None,
    noc: str = "ideal",
) -> Job:
    check_call(program, noc, probe)
    if program.interleave > 1:
        raise UsageError(
            f"the program carries {program.interleave} samples at once; a single one cannot be "
            "played piece by piece. Use `simulate`."
        )
    clock = make_clock(program, noc)
    crew = crew_of(program, clock, threads, 1)
    if memory_limit is not None:
        estimate_memory(program, 1, n_ticks, probe, 1, crew.size).refuse_beyond(memory_limit)
    return Job(program, program.image, clock, tuple(probe), crew.size, None)


def _encoded(program: Program, chunks: Iterable[npt.ArrayLike]) -> Iterator[I16]:
    for number, chunk in enumerate(chunks):
        what = f"chunk {number}"
        yield encode_input(np.asarray(chunk)[None], program.input_shape, program.input_code, what)[
            0
        ]
