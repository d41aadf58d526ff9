"""Who computes: this process, worker processes of this machine, or a Dask cluster.

Each engine takes numbered tasks and yields numbered outcomes in the order in which they arrive.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

from neurosim.cluster.calls import connected, spread
from neurosim.cluster.early import leave_with
from neurosim_mapper.sweep.task import PACKAGES, Outcome, Task, evaluate

Numbered = tuple[int, Task]
Engine = Callable[[Iterable[Numbered]], Iterator[tuple[int, Outcome]]]


def local_engine(n_workers: int) -> Engine:
    """Worker processes of joblib's loky, each on one thread; one worker is this process itself.

    A worker that dies takes the points with it that it was busy with; they are tried once more,
    each on its own, so that the one that kills is known and the others are computed.
    """

    def run(tasks: Iterable[Numbered]) -> Iterator[tuple[int, Outcome]]:
        if n_workers == 1:
            yield from map(_numbered, tasks)
            return
        from joblib.externals.loky.process_executor import TerminatedWorkerError

        handed: dict[int, Task] = {}
        try:
            for number, outcome in _pool(_noted(tasks, handed), n_workers):
                del handed[number]
                yield number, outcome
        except TerminatedWorkerError:
            yield from _one_by_one(handed)
            yield from run(tasks)

    return lambda tasks: run(iter(tasks))


def dask_engine(address: str) -> Engine:
    """The workers of a Dask scheduler."""

    def run(tasks: Iterable[Numbered]) -> Iterator[tuple[int, Outcome]]:
        with connected(address, PACKAGES) as client:
            for number, outcome in spread(client, evaluate, tasks):
                if isinstance(outcome, Exception):
                    outcome = Outcome("crashed", f"the cluster gave it up ({_first_line(outcome)})")
                yield number, outcome

    return run


def _numbered(task: Numbered) -> tuple[int, Outcome]:
    return task[0], evaluate(task[1])


def _of_leader(leader: int, task: Numbered) -> tuple[int, Outcome]:
    """In a worker process."""
    leave_with(leader)
    return _numbered(task)


def _noted(tasks: Iterable[Numbered], handed: dict[int, Task]) -> Iterator[Numbered]:
    """Pass tasks on, keeping those whose outcome is not known yet."""
    for number, task in tasks:
        handed[number] = task
        yield number, task


def _pool(tasks: Iterable[Numbered], n_workers: int) -> Iterator[tuple[int, Outcome]]:
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", inner_max_num_threads=1):
        pool = Parallel(n_workers, return_as="generator_unordered", pre_dispatch="2*n_jobs")
        yield from pool(delayed(_of_leader)(os.getpid(), task) for task in tasks)


def _one_by_one(tasks: dict[int, Task]) -> Iterator[tuple[int, Outcome]]:
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    for number, task in tasks.items():
        try:
            yield from _pool([(number, task)], 2)
        except TerminatedWorkerError:
            yield number, Outcome("crashed", "its worker process died; it may need more memory")


def _first_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
