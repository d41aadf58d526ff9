"""A Dask cluster: connect, check that every worker runs the same code, spread calls over it.

Dask is an optional extra (``pip install 'neurosim-toolchain[dask]'``). The scheduler and its
workers are somebody else's; nothing here starts or stops them. A scheduler and its clients trust
each other as far as running code goes, so connect only to your own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeVar

from neurosim.errors import SimulationFaultError, UsageError
from neurosim.provenance import code_digest

A = TypeVar("A")
R = TypeVar("R")

CONNECT_SECONDS: Final = 10
AHEAD: Final = 2
"""Calls that wait at the cluster for each of its threads."""


@contextmanager
def connected(address: str, packages: tuple[str, ...]) -> Iterator[Any]:
    """A `distributed.Client` of the scheduler at `address`, with at least one worker.

    Parameters
    ----------
    packages : what the workers must have in the same version, file by file.

    Raises
    ------
    UsageError
        Dask is not installed, nobody answers, there is no worker, or a worker has other code.
    SimulationFaultError
        The cluster went away while it was used.
    """
    try:
        from distributed import Client
    except ImportError:
        raise UsageError(
            "--dask needs Dask; install it: pip install 'neurosim-toolchain[dask]'."
        ) from None
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise UsageError(
            f"no Dask scheduler answers at {address!r} ({_one_line(error)}). Start one: dask "
            "scheduler; and workers: dask worker ADDRESS"
        ) from None
    try:
        _check_workers(client, address, packages)
        yield client
    finally:
        client.close(timeout=CONNECT_SECONDS)


def _check_workers(client: Any, address: str, packages: tuple[str, ...]) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError:
        raise UsageError(
            f"the Dask scheduler at {address!r} has no worker. Start some: dask worker {address}"
        ) from None
    ours = code_digest(*packages)
    try:
        found = client.run(code_digest, *packages)
    except Exception as error:
        raise UsageError(
            f"the Dask workers at {address!r} cannot run neurosim ({_one_line(error)}). Install "
            "the same version there."
        ) from None
    other = [worker for worker, digest in found.items() if digest != ours]
    if other:
        raise UsageError(
            f"the Dask worker {other[0]} has another version of neurosim, so its results could "
            "differ. Install the same version there."
        )


def n_threads(client: Any) -> int:
    """Threads of all workers together."""
    total: int = sum(client.nthreads().values())
    return max(1, total)


def spread(
    client: Any, function: Callable[..., R], calls: Iterable[tuple[int, A]], *shared: Any
) -> Iterator[tuple[int, R | Exception]]:
    """Call `function` on the workers; yields number and result in the order of arrival.

    Only a few calls wait at the cluster at any time, so `calls` may be long. A call that fails
    gives its exception as the result. What is `shared` goes to every worker once and comes after
    the argument of each call.

    Raises SimulationFaultError if the cluster is lost.
    """
    from distributed import as_completed

    waiting = iter(calls)
    numbers: dict[str, int] = {}
    kept = [client.scatter(item, broadcast=True, hash=False) for item in shared]

    def submit(count: int) -> list[Any]:
        futures = []
        for number, argument in islice(waiting, count):
            future = client.submit(function, argument, *kept, pure=False)
            numbers[future.key] = number
            futures.append(future)
        return futures

    running = as_completed(submit(AHEAD * n_threads(client)), loop=client.loop)
    for future in running:
        try:
            result: R | Exception = future.result()
        except Exception as error:
            result = error
        if client.status != "running" or getattr(future, "status", "") in ("lost", "cancelled"):
            raise SimulationFaultError(
                "the Dask scheduler went away during the run; what it had finished is kept. Start "
                "it again and repeat the command."
            )
        yield numbers.pop(future.key), result
        for more in submit(1):
            running.add(more)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
