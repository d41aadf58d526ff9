"""How fast the network is: flit-hops per second and the time of a tick, one thread.

``python -m tests.benchmarks.bench_noc`` prints a table; ``main()`` returns its rows. The clock is
that of the thread, without compilation, arrays and traffic ready; best of three.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from neurosim.noc import Noc, TickNetwork
from neurosim.noc.traffic import bernoulli

Row = tuple[str, float, float, str]


def best_of(work: Callable[[], int], times: int = 3) -> tuple[float, int]:
    """Shortest thread time of `work` in seconds, and what it returned."""
    seconds, value = float("inf"), 0
    for _ in range(times):
        start = time.thread_time()
        value = work()
        seconds = min(seconds, time.thread_time() - start)
    return seconds, value


def steady(side: int, rate: float, n_cycles: int, **fields: object) -> Row:
    """Uniform single-flit traffic at `rate`; the bar is 20 million flit-hops per second."""
    noc = Noc(width=side, height=side, **fields)  # type: ignore[arg-type]
    src, dst, create = bernoulli(noc, "uniform", rate, n_cycles, seed=1)
    network = TickNetwork(noc)

    def work() -> int:
        network.reset()
        return network.play(src, dst, create, check=False).flit_hops

    seconds, hops = best_of(work)
    name = f"{side} x {side}, {rate} flits/node/cycle" + (f", {fields}" if fields else "")
    bar = 10.0 if side >= 64 else 20.0
    cycles = f"{n_cycles / seconds / 1e6:.3f} M cycles/s"
    return name, hops / seconds / 1e6, bar, cycles


def trees(side: int, n_packets: int, n_goals: int) -> Row:
    """Multicast to random routers; the bar is 10 million flit-hops per second."""
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

    seconds, hops = best_of(work)
    return f"{side} x {side}, trees to {n_goals}", hops / seconds / 1e6, 10.0, ""


def ticks(side: int, per_core: int, n_ticks: int) -> Row:
    """Ticks with `per_core` packets of every core; the bar is 0.5 ms for 16 x 16 and four."""
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

    seconds, hops = best_of(work)
    name = f"{side} x {side}, tick of {per_core} packets per core"
    return name, hops / seconds / 1e6, 0.0, f"{seconds / n_ticks * 1e3:.3f} ms per tick"


def main() -> list[Row]:
    """Measure everything; rows of name, million flit-hops per second, bar, remark."""
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
    for title, speed, bar, remark in main():
        print(f"{title:48s} {speed:7.1f} M flit-hops/s (bar {bar:.0f})  {remark}")
