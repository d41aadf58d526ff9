"""What the network saw, for the terminal: latencies, stalls, queues, drains, the hottest links."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from neurosim.clock.ideal_validity import ideal_validity
from neurosim.cost.latency import slack_sentence
from neurosim.cost.network_stats import LATENCY_CLASSES, MAX_LATENCY_CYCLES, NetworkStats
from neurosim.links.hot_links import hottest_links
from neurosim.report.units import count, percent

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

    from neurosim.chip.model import Chip
    from neurosim.cost.counters import Counters
    from neurosim.run.simulator import Run

_SIDES: Final = ("+x", "-x", "+y", "-y", "local")


def network_view(run: Run) -> Group:
    """Hottest links of any run, and what its network model has to say about itself."""
    from rich.console import Group
    from rich.text import Text

    chip, counters = run.program.chip, run.counters
    if run.network is not None:
        return Group(links_table(run), stats_view(run.network, chip, counters))
    said = [ideal_validity(run.program, counters).sentence(), slack_sentence(chip, counters)]
    return Group(links_table(run), *(Text(sentence) for sentence in said if sentence))


def stats_view(stats: NetworkStats, chip: Chip, counters: Counters) -> Group:
    """What the cycle-level network saw: latencies, stalls, busiest outputs, drain of every tick."""
    from rich.console import Group
    from rich.text import Text

    tables = [latency_table(stats), stall_table(stats)]
    tables.append(outputs_table(stats, chip, int(counters.busy_cycles.sum())))
    if stats.drain_cycles.size:
        tables.append(drain_table(stats, counters))
    slack = slack_sentence(chip, counters)
    return Group(*tables, *([Text(slack)] if slack else []))


def outputs_table(stats: NetworkStats, chip: Chip, cycles: int, n: int = 5) -> Table:
    """The `n` outputs that were busy longest; shares are of the run's busy `cycles`."""
    from rich.table import Table

    table = Table(title="Busiest router outputs", title_justify="left")
    for name in ("router", "to", "flits", "in use", "no credit", "lost", "queue"):
        table.add_column(name, justify="right")
    busy = stats.busy_cycles.ravel()
    order = np.argsort(-busy, kind="stable")[:n]
    for output in order[busy[order] > 0].tolist():
        router, port = divmod(output, len(_SIDES))
        table.add_row(
            f"({router % chip.wide}, {router // chip.wide})",
            "host" if (port, router % chip.wide) == (1, 0) else _SIDES[port],
            count(int(stats.link_flits[router, port])),
            percent(int(busy[output]) / max(1, cycles)),
            count(int(stats.stall_no_credit[router, port])),
            count(int(stats.stall_lost[router, port])),
            count(int(stats.queue_peak[router].max())),
        )
    return table


def drain_table(stats: NetworkStats, counters: Counters, n: int = 8) -> Table:
    """Cycles until the last packet of a tick has arrived, and until the tick is over."""
    from rich.table import Table

    table = Table(title="Drain of the network in cycles, by tick", title_justify="left")
    for name in ("ticks", "drain, mean", "drain, most", "tick, mean", "tick, most"):
        table.add_column(name, justify="right")
    samples = max(1, counters.n_samples)
    for ticks in np.array_split(
        np.arange(stats.drain_cycles.size), min(n, stats.drain_cycles.size)
    ):
        first, last = int(ticks[0]), int(ticks[-1])
        busy = counters.busy_cycles[:, first : last + 1]
        table.add_row(
            str(first) if first == last else f"{first} - {last}",
            f"{stats.drain_cycles[ticks].mean() / samples:,.1f}",
            count(int(stats.drain_peak[ticks].max())),
            f"{busy.mean():,.1f}" if busy.size else "-",
            count(int(busy.max(initial=0))),
        )
    return table


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
