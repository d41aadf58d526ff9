"""How fast the network is: flit-hops per second and the time of a tick, one thread.

``python -m tests.benchmarks.bench_noc`` prints a table. The clock is that of the thread, without
compilation, arrays and traffic ready; median and best of five runs. The bars are 20 million
flit-hops per second up to 32 x 32 at moderate load, 10 million on 64 x 64 and with trees, and
0.5 ms for a tick of 16 x 16 cores with four packets each. The peer is BookSim 2 (commit 28f4329)
on two cores of the same kind, the same mesh and rate; its figures are cited, not measured here.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from neurosim.noc import Noc, TickNetwork
from neurosim.noc.traffic import bernoulli
from tests.benchmarks.engine_table import print_table

RUNS = 5
PEER = {
    ("single", 8, 0.005): 0.18,
    ("single", 8, 0.1): 0.82,
    ("single", 8, 0.3): 0.90,
    ("single", 16, 0.05): 0.54,
    ("single", 16, 0.15): 0.62,
    ("default", 8, 0.1): 0.60,
}
"""Million flit-hops per second of the reference simulator, by pipeline, side and rate."""


class Row(NamedTuple):
    """One measurement, in million flit-hops per second; 0 where there is no bar or no peer."""

    name: str
    median: float
    best: float
    bar: float
    peer: float
    remark: str


def seconds_of(work: Callable[[], int]) -> tuple[list[float], int]:
    """Thread times of `work` in seconds after one run that compiles, and what it returned."""
    value = work()
    seconds = []
    for _ in range(RUNS):
        start = time.thread_time()
        value = work()
        seconds.append(time.thread_time() - start)
    return seconds, value


def _row(name: str, work: Callable[[], int], bar: float, peer: float = 0.0) -> Row:
    seconds, hops = seconds_of(work)
    median = hops / statistics.median(seconds) / 1e6
    return Row(name, median, hops / min(seconds) / 1e6, bar, peer, "")


def steady(side: int, rate: float, n_cycles: int, **fields: object) -> Row:
    """Uniform single-flit traffic at `rate`."""
    noc = Noc(width=side, height=side, **fields)  # type: ignore[arg-type]
    src, dst, create = bernoulli(noc, "uniform", rate, n_cycles, seed=1)
    network = TickNetwork(noc)

    def work() -> int:
        network.reset()
        return network.play(src, dst, create, check=False).flit_hops

    extra = "".join(f", {key}={value}" for key, value in fields.items())
    moderate = rate >= 0.05 and not fields
    bar = 10.0 if side >= 64 else 20.0 if moderate else 0.0
    peer = PEER.get((str(fields.get("pipeline", "single")), side, rate), 0.0)
    peer = 0.0 if "n_vcs" in fields else peer
    return _row(f"{side} x {side}, {rate} flits/node/cycle{extra}", work, bar, peer)


def trees(side: int, n_packets: int, n_goals: int) -> Row:
    """Multicast to random routers."""
    noc = Noc(width=side, height=side, multicast="tree")
    rng = np.random.default_rng(1)
    src = rng.integers(0, noc.n_routers, n_packets)
    dst = np.concatenate([rng.permutation(noc.n_routers)[:n_goals] for _ in range(n_packets)])
    network = TickNetwork(noc)
    routes = network.routes(src, np.arange(n_packets + 1) * n_goals, dst)
    release = np.sort(rng.integers(0, n_packets * 2, n_packets)) * 4 // side
    which = np.arange(n_packets)

    def work() -> int:
        network.reset()
        played = network.play(src, src, release, routes=routes, route=which, check=False)
        return played.flit_hops

    return _row(f"{side} x {side}, trees to {n_goals}", work, 10.0)


def ticks(side: int, per_core: int, n_ticks: int) -> Row:
    """Ticks with `per_core` packets of every core."""
    noc = Noc(width=side, height=side)
    rng = np.random.default_rng(1)
    n = noc.n_routers * per_core
    src = np.tile(np.repeat(np.arange(noc.n_routers), per_core), n_ticks)
    dst = rng.integers(0, noc.n_routers, n * n_ticks)
    release = np.tile(np.arange(per_core), noc.n_routers * n_ticks)
    offset = np.arange(n_ticks + 1) * n
    network = TickNetwork(noc)

    def work() -> int:
        return network.play_many(offset, src, dst, release).flit_hops

    seconds, hops = seconds_of(work)
    middle, best = statistics.median(seconds) / n_ticks * 1e3, min(seconds) / n_ticks * 1e3
    bar = ", bar 0.5" if (side, per_core) == (16, 4) else ""
    return Row(
        f"{side} x {side}, tick of {per_core} packets per core",
        hops / statistics.median(seconds) / 1e6,
        hops / min(seconds) / 1e6,
        0.0,
        0.0,
        f"{middle:.3f} ms per tick (best {best:.3f}{bar})",
    )


def main() -> list[Row]:
    """Measure everything."""
    return [
        steady(8, 0.005, 400_000),
        steady(8, 0.10, 50_000),
        steady(8, 0.30, 20_000),
        steady(8, 0.10, 20_000, pipeline="default"),
        steady(8, 0.10, 20_000, n_vcs=4),
        steady(16, 0.05, 20_000),
        steady(16, 0.15, 8_000),
        steady(32, 0.05, 4_000),
        steady(64, 0.02, 2_000),
        trees(8, 20_000, 8),
        trees(32, 4_000, 8),
        ticks(8, 4, 500),
        ticks(16, 4, 200),
    ]


if __name__ == "__main__":
    head = ("network", "ours", "best", "bar", "of bar", "peer", "x peer", "")
    print_table(
        "Network-on-chip, million flit-hops per second of one thread",
        head,
        [
            (
                row.name,
                f"{row.median:.1f}",
                f"{row.best:.1f}",
                f"{row.bar:.0f}" if row.bar else "",
                f"{row.median / row.bar:.2f}" if row.bar else "",
                f"{row.peer:.2f}" if row.peer else "",
                f"{row.median / row.peer:.0f}" if row.peer else "",
                row.remark,
            )
            for row in main()
        ],
    )
