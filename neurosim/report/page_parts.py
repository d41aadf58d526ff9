"""The parts of a run's page: figures, tables and charts as plain data for the template.

Enters: a `RunView` or the data of its ``report.json``. Leaves: lists, rows and SVG text. What a run
folder does not hold is None here, and the page says how to get it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.cost.bandwidth import link_name
from neurosim.cost.counters import BOUNDS
from neurosim.cost.energy import PARTS
from neurosim.cost.floorline import TIMES, bounds_per_tick
from neurosim.cost.network_stats import LATENCY_CLASSES
from neurosim.program.columns import N_DIRECTIONS
from neurosim.report import charts
from neurosim.report.units import count, engineering, percent, picojoules
from neurosim.report.view import RunView

I64 = npt.NDArray[np.int64]

MOST_CLASSES: Final = 40
_COLUMNS: Final = 160  # of a chart over ticks or latencies
_LINKS: Final = 10


@dataclass(frozen=True)
class Figure:
    """A figure of the head: its key and value in ``report.json``, and what is shown."""

    title: str
    key: str
    value: Any
    text: str
    note: str = ""


def headline(view: RunView) -> list[Figure]:
    """The figures of the head."""
    report, samples = view.report, max(1, view.report["samples"])
    counts, latency, program = report["counts"], report["latency"], report["program"]
    total = report["energy_pj"]["total"]
    bandwidth = report["bandwidth"]

    def each(title: str, key: str, value: float, note: str = "per inference") -> Figure:
        return Figure(title, key, value, count(value / samples), note)

    figures = []
    if report["accuracy"] is not None:
        note = f"of {count(report['samples'])} samples"
        figures.append(
            Figure("Accuracy", "accuracy", report["accuracy"], percent(report["accuracy"]), note)
        )
    seconds, power = latency["seconds_per_sample"], report["power_w"]
    cores = f"of {count(program['cores_available'])} cores"
    return [
        *figures,
        Figure(
            "Time",
            "latency.seconds_per_sample",
            seconds,
            engineering(seconds, "s"),
            "per inference",
        ),
        Figure(
            "Energy", "energy_pj.total", total, charts.picojoule(total / samples), "per inference"
        ),
        Figure("Mean power", "power_w", power, engineering(power, "W")),
        each("Packets", "counts.packets", counts["packets"], "from cores, per inference"),
        each("Bits", "counts.bits_sent", counts["bits_sent"]),
        Figure(
            "Cores",
            "program.cores_used",
            program["cores_used"],
            count(program["cores_used"]),
            cores,
        ),
        Figure(
            "Busiest link",
            "bandwidth.peak_link_bits_per_tick",
            bandwidth["peak_link_bits_per_tick"],
            f"{count(bandwidth['peak_link_bits_per_tick'])} bits",
            f"in one tick, {bandwidth['peak_link'] or 'none'}",
        ),
    ]


def time_shares(report: Mapping[str, Any]) -> list[tuple[str, int, float]]:
    """(cause, cycles, share) of the run's time; nothing for an older folder."""
    if "floorline" not in report["chip"]:
        return []
    cycles = report["chip"]["floorline"]["cycles"]
    total = sum(cycles.values()) or 1
    return [(name, cycles[name], cycles[name] / total) for name in TIMES if cycles.get(name)]


def binder_rows(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Bound, place, layers, ticks, mean cycles of what binds most."""
    if "floorline" not in report["chip"]:
        return []
    return [
        (
            row["bound"],
            row["place"],
            " + ".join(row["layers"]),
            count(row["ticks"]),
            count(row["cycles"] / row["ticks"]),
        )
        for row in report["chip"]["floorline"]["binders"]
    ]


def tick_chart(view: RunView) -> str:
    """Mean length of every chip tick: the binding bound in its colour, transit on top."""
    which, most = bounds_per_tick(view.counters)
    n_ticks = which.shape[1]
    if not which.size:
        return ""
    by_bound = [np.where(which == i, most, 0).mean(axis=0) for i in range(len(BOUNDS))]
    reload = view.counters.reload_cycles
    after = (view.counters.busy_cycles - most).mean(axis=0)
    reload_mean = reload.mean(axis=0) if reload.size else np.zeros(n_ticks)
    beyond = {"transit": after - reload_mean, "reload": reload_mean}
    step = -(-n_ticks // _COLUMNS)
    heads = np.arange(0, n_ticks, step)
    sizes = np.diff(np.append(heads, n_ticks))
    series = {
        name: [float(v) for v in np.add.reduceat(values, heads) / sizes]
        for name, values in (dict(zip(BOUNDS, by_bound, strict=True)) | beyond).items()
        if values.any() or name in BOUNDS
    }
    labels = [str(tick) for tick in heads]
    title = "chip tick" if step == 1 else f"chip tick, means of {step}"
    return charts.stacked_columns("ticks", labels, series, charts.plain, title)


def hot_link_rows(view: RunView) -> list[tuple[str, str, str]]:
    """Link, bits per inference and share of all bit hops, busiest router links first."""
    counters, n_router = view.counters, N_DIRECTIONS * view.chip.n_cores
    link, bits = counters.window_link, counters.window_bits.sum(axis=0)
    inside = link < n_router
    link, bits = link[inside], bits[inside]
    total = int(bits.sum())
    return [
        (
            link_name(view.chip, int(link[i])),
            count(int(bits[i]) / view.samples),
            percent(int(bits[i]) / total),
        )
        for i in np.argsort(-bits, kind="stable")[:_LINKS].tolist()
        if bits[i]
    ]


def part_rows(report: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """Part, energy per inference as shown, share; the last row is the total."""
    samples, parts = max(1, report["samples"]), report["energy_pj"]
    names = (*PARTS, "total")
    shown = picojoules([parts[name] / samples for name in names])
    total = parts["total"] or 1.0
    return [(name, text, parts[name] / total) for name, text in zip(names, shown, strict=True)]


def layer_chart(report: Mapping[str, Any]) -> str | None:
    """Energy per inference by layer and part, static power left out."""
    samples = max(1, report["samples"])
    rows = [row for row in report["chip"].get("energy_by_layer", ()) if row["what"] != "static"]
    if not rows:
        return None
    labels = [" + ".join(row["layers"]) or row["what"] for row in rows]
    series = {
        part: [row.get(part, 0.0) / samples for row in rows]
        for part in PARTS
        if any(row.get(part) for row in rows)
    }
    return charts.stacked_rows("layers", labels, series, charts.picojoule)


def energy_rows(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every term, with its energy as printed; parts add up to the total as shown."""
    terms = report["chip"]["energy_terms"]
    shown = picojoules([*(t["energy_pj"] for t in terms), report["energy_pj"]["total"]])
    total = report["energy_pj"]["total"] or 1.0
    return [
        {**term, "shown": text, "share": term["energy_pj"] / total}
        for term, text in zip(terms, shown, strict=False)
    ] + [{"part": "total", "shown": shown[-1]}]


def latency_chart(view: RunView) -> str | None:
    """Packets by cycles from injection to arrival; None without the cycle-level network."""
    if view.network is None:
        return None
    histogram = view.network.latency
    every = histogram.sum(axis=0)
    total = int(every.sum())
    if total == 0:
        return None
    last = int(np.searchsorted(every.cumsum(), 0.999 * total))
    step = -(-(last + 1) // 60)
    n_bins = last // step + 1
    series = {
        name: [float(v) for v in _binned(row, step, n_bins)]
        for name, row in zip(LATENCY_CLASSES, histogram, strict=True)
        if row.any()
    }
    labels = [str(i * step) for i in range(n_bins)] + [f">{n_bins * step - 1}"]
    title = "cycles from injection to arrival" + (f", steps of {step}" if step > 1 else "")
    return charts.stacked_columns("latency", labels, series, charts.plain, title)


def _binned(row: I64, step: int, n_bins: int) -> I64:
    """Sums of `step` cells, and one more bin for the rest."""
    inside = np.zeros(n_bins * step, np.int64)
    kept = row[: n_bins * step]
    inside[: kept.size] = kept
    return np.append(inside.reshape(n_bins, step).sum(axis=1), row[n_bins * step :].sum())


def confusion(view: RunView) -> dict[str, Any] | None:
    """Counts of (label, prediction), or None without labels or with too many classes."""
    if view.labels is None or view.labels.size == 0:
        return None
    n = max(int(view.labels.max()) + 1, int(view.outputs.shape[2]))
    if n > MOST_CLASSES or int(view.labels.min()) < 0:
        return None
    table = np.zeros((n, n), np.int64)
    np.add.at(table, (view.labels, view.predictions), 1)
    of_label = np.maximum(table.sum(axis=1), 1)
    level = np.ceil(6 * table / of_label[:, None]).astype(int)
    return {
        "rows": [
            list(zip(r.tolist(), q.tolist(), strict=True))
            for r, q in zip(table, level, strict=True)
        ],
        "recall": [percent(float(table[i, i] / of_label[i])) for i in range(n)],
        "right": int(np.trace(table)),
        "samples": int(table.sum()),
    }
