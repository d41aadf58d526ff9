"""What the network saw, for the terminal: latencies, stalls, queues, the hottest links."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from neurosim.hot_links import hottest_links
from neurosim.network_stats import LATENCY_CLASSES, MAX_LATENCY_CYCLES, NetworkStats
from neurosim.report.units import count, percent

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from neurosim.simulator import Run


def network_view(run: Run) -> Group:
    """Hottest links of any run; latencies and stalls of one with the cycle-level network."""
    from rich.console import Group

    tables = [links_table(run)]
    if run.network is not None:
        tables += [latency_table(run.network), stall_table(run.network)]
    return Group(*tables)


def links_table(run: Run) -> Table:
    """The busiest router-to-router links and who uses them, per inference."""
    from rich.table import Table

    table = Table(title="Hottest links, per inference", title_justify="left")
    table.add_column("link")
    table.add_column("bits", justify="right")
    table.add_column("used by", overflow="fold")
    samples = max(1, run.counters.n_samples)
    for hot in hottest_links(run.program, run.counters):
        users = ", ".join(f"{name} {percent(bits / hot.bits)}" for name, bits in hot.users[:3])
        table.add_row(hot.link, count(hot.bits / samples), users)
    return table


def latency_table(stats: NetworkStats) -> Table:
    """Cycles from injection to arrival, by packet class."""
    from rich.table import Table

    table = Table(title="Packet latency in cycles, injection to arrival", title_justify="left")
    table.add_column("class")
    for name in ("packets", "mean", "median", "99 %", "most"):
        table.add_column(name, justify="right")
    for name, histogram in zip(LATENCY_CLASSES, stats.latency, strict=True):
        total = int(histogram.sum())
        if not total:
            continue
        reached = np.cumsum(histogram)
        quantiles = [int(np.searchsorted(reached, q * total)) for q in (0.5, 0.99)]
        most = int(np.flatnonzero(histogram)[-1])
        mean = float(histogram @ np.arange(histogram.size)) / total
        cells = [_cycles(value) for value in (*quantiles, most)]
        table.add_row(name, count(total), f"{mean:.1f}", *cells)
    return table


def stall_table(stats: NetworkStats) -> Table:
    """Why packets waited, summed over all routers, ticks and samples."""
    from rich.table import Table

    table = Table(title="Waiting in routers", title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_row(
        "cycles without a place behind (no credit)", count(int(stats.stall_no_credit.sum()))
    )
    table.add_row("packet cycles lost to another input", count(int(stats.stall_lost.sum())))
    table.add_row("longest input queue", f"{int(stats.queue_peak.max(initial=0))} packets")
    return table


def _cycles(value: int) -> str:
    return f"> {MAX_LATENCY_CYCLES:,}" if value >= MAX_LATENCY_CYCLES else count(value)
