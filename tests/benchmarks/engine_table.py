"""Medians, tables and the machine: what the engine benchmarks share."""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numba


def median_seconds(run: Callable[[], object], repeats: int = 5) -> float:
    """Median wall time of several runs, after one that warms up (and compiles)."""
    run()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def in_turn(*sides: Callable[[], object], repeats: int = 5) -> list[tuple[float, float]]:
    """Of every side, run one after the other: median seconds, least processor time.

    A round in front, which compiles, does not count.
    """
    wall: list[list[float]] = [[] for _ in sides]
    cpu: list[list[float]] = [[] for _ in sides]
    for _ in range(1 + repeats):
        for number, run in enumerate(sides):
            start, begin = time.perf_counter(), time.process_time()
            run()
            wall[number].append(time.perf_counter() - start)
            cpu[number].append(time.process_time() - begin)
    return [(statistics.median(w[1:]), min(c[1:])) for w, c in zip(wall, cpu, strict=True)]


def marginal_seconds(
    run: Callable[[int], object], short: int, long: int, repeats: int = 5
) -> float:
    """Seconds per unit of work without the fixed part: medians of a long and a short run."""
    slow, quick = (median_seconds(lambda n=n: run(n), repeats) for n in (long, short))
    return (slow - quick) / (long - short)


def cpu_per_unit(run: Callable[[int], object], short: int, long: int, repeats: int = 5) -> float:
    """The same in processor time of this process."""

    def cpu(n: int) -> float:
        start = time.process_time()
        run(n)
        return time.process_time() - start

    slow, quick = (statistics.median(cpu(n) for _ in range(repeats)) for n in (long, short))
    return (slow - quick) / (long - short)


def machine() -> str:
    """Processor, cores, load and versions, for below a table."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    versions = f"Python {platform.python_version()}, Numba {numba.__version__}"
    return f"{name}, {os.cpu_count()} cores{load}, {versions}"


def peak_mb() -> float:
    """Most memory that this process has held, in MB; 0 where the system does not say."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0.0
    line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def print_table(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as they need to be."""
    cells = [list(map(str, head)), *[[_text(value) for value in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    print(f"\n{title}")
    for number, row in enumerate(cells):
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)))
        if number == 0:
            print("  ".join("-" * width for width in widths))
    print(f"({machine()})", flush=True)


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
