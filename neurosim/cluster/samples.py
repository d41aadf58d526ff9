"""One run on many machines: samples are split over the workers of a Dask cluster.

Samples do not know of each other, and counters are integers, so the joined run is the run on one
machine, bit for bit, however the samples were split.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.cluster.calls import connected, n_threads, spread
from neurosim.cost.counters import Counters
from neurosim.errors import NeurosimError, SimulationFaultError
from neurosim.program.columns import Program
from neurosim.run.gather import joined_network
from neurosim.run.interleave import n_passes
from neurosim.run.simulator import Run, simulate

SHARDS_PER_THREAD: Final = 4

_PER_SAMPLE: Final = (
    "bounds",
    "busy_cycles",
    "peak_bits",
    "peak_link",
    "binding",
    "reload_bits",
    "reload_cycles",
    "carried",
)
_SUMS: Final = ("core", "flow_packets", "window_core_time")

I64 = npt.NDArray[np.int64]


def simulate_on_cluster(
    program: Program,
    x: npt.ArrayLike,
    address: str,
    *,
    noc: Literal["ideal", "cycle"] = "ideal",
    labels: npt.ArrayLike | None = None,
    probe: Sequence[str] = (),
    progress: Callable[[int], None] | None = None,
) -> Run:
    """`neurosim.simulate` on the workers of the Dask scheduler at `address`; the same `Run`.

    Parameters
    ----------
    program, x, noc, labels, probe, progress : as for `simulate`.

    Raises
    ------
    As `simulate`, and UsageError if the cluster cannot be used, SimulationFaultError if it is
    lost.
    """
    samples = np.asarray(x)
    wanted = None if labels is None else np.asarray(labels)
    with connected(address, ("neurosim",)) as client:
        together = program.interleave
        rows = n_passes(len(samples), together)
        n_shards = max(1, min(rows, SHARDS_PER_THREAD * n_threads(client)))
        first = np.linspace(0, rows, n_shards + 1).astype(np.int64) * together
        shards = [
            (number, (int(first[number]), samples[first[number] : first[number + 1]]))
            for number in range(n_shards)
        ]
        play = partial(_play_shard, noc=noc, probe=tuple(probe))
        parts: dict[int, Run] = {}
        for number, found in spread(client, play, shards, replace(program)):
            if isinstance(found, NeurosimError):
                raise found
            if isinstance(found, Exception):
                raise SimulationFaultError(
                    f"the cluster gave up a part of the samples ({' '.join(str(found).split())})."
                )
            parts[number] = Run(program=program, **found)
            if progress is not None:
                progress(len(parts[number].outputs))
    run = join_runs([parts[number] for number in range(n_shards)])
    return replace(run, labels=None if wanted is None else wanted.astype(np.int64))


def _play_shard(
    shard: tuple[int, npt.NDArray[Any]],
    program: Program,
    noc: Literal["ideal", "cycle"],
    probe: tuple[str, ...],
) -> dict[str, Any]:
    """On a worker: the fields of the run of some samples, without what the caller has."""
    first, x = shard
    run = simulate(program, x, noc=noc, probe=probe, threads=1, first_sample=first)
    given = ("program", "labels")
    return {f.name: getattr(run, f.name) for f in fields(run) if f.name not in given}


def join_runs(runs: Sequence[Run]) -> Run:
    """Runs of one program over consecutive samples, without labels, as one run."""
    first = runs[0]
    return replace(
        first,
        outputs=np.concatenate([run.outputs for run in runs]),
        counters=_joined_counters(first.program, [run.counters for run in runs]),
        values=_joined_layers([run.values for run in runs]),
        membrane=_joined_layers([run.membrane for run in runs]),
        network=joined_network([run.network for run in runs]),
    )


def _joined_layers(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _joined_counters(program: Program, parts: Sequence[Counters]) -> Counters:
    columns: dict[str, I64] = {"window_start": parts[0].window_start}
    for name in _PER_SAMPLE:
        columns[name] = np.concatenate([getattr(part, name) for part in parts])
    for name in _SUMS:
        columns[name] = np.sum([getattr(part, name) for part in parts], axis=0)
    link = program.image.traffic.link.astype(np.int64)
    used = link[np.isin(link, np.concatenate([part.window_link for part in parts]))]
    place = {int(number): row for row, number in enumerate(used)}
    bits = np.zeros((len(parts[0].window_start), used.size), np.int64)
    for part in parts:
        bits[:, [place[int(number)] for number in part.window_link]] += part.window_bits
    return Counters(**columns, window_link=used, window_bits=bits)
