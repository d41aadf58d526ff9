"""Figures for papers as PNG files, drawn by matplotlib.

Enters: a `RunView`, a `Comparison` or a Program. Leaves: PNG files of 300 dots per inch, as wide as
one column of a paper.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from neurosim.cost.counters import BOUNDS
from neurosim.cost.energy import PARTS
from neurosim.cost.floorline import bounds_per_tick
from neurosim.cost.network_stats import LATENCY_CLASSES
from neurosim.errors import UsageError
from neurosim.program.columns import DIRECTION_STEPS, N_DIRECTIONS, Program
from neurosim.report.view import RunView

if TYPE_CHECKING:
    from neurosim.report.comparison import Comparison

WIDTH_INCHES: Final = 3.5
DOTS_PER_INCH: Final = 300


def run_figures(view: RunView, folder: Path) -> list[Path]:
    """Write every figure that the run has data for; returns the files.

    Raises UsageError if the folder cannot be written.
    """
    drawn: dict[str, Callable[[RunView, Any], None]] = {"energy_by_part": _energy_by_part}
    if view.report["chip"].get("energy_by_layer"):
        drawn["energy_by_layer"] = _energy_by_layer
    if view.counters.busy_cycles.size:
        drawn["tick_time"] = _tick_time
    if view.cores is not None:
        drawn |= {"floor_plan": _floor_plan, "link_load": _link_load}
    if view.network is not None and view.network.latency.any():
        drawn["packet_latency"] = _packet_latency
    return [_save(folder / f"{name}.png", partial(draw, view)) for name, draw in drawn.items()]


def comparison_figures(comparison: Comparison, folder: Path) -> list[Path]:
    """Energy and bits of every variant as bars; returns the files. Raises as `run_figures`."""
    names = [variant.name for variant in comparison.variants]

    def energy(axes: Any) -> None:
        rows = [[v.energy_pj[part] / 1e3 for v in comparison.variants] for part in PARTS]
        _stacked(axes, names, dict(zip(PARTS, rows, strict=True)), "energy per inference (nJ)")

    def bits(axes: Any) -> None:
        rows = {
            "header": [v.header_bits for v in comparison.variants],
            "payload": [v.payload_bits for v in comparison.variants],
        }
        _stacked(axes, names, rows, "bits per inference")

    drawn = {"comparison_energy": energy, "comparison_bits": bits}
    return [_save(folder / f"{name}.png", draw) for name, draw in drawn.items()]


def floor_plan_figure(program: Program, path: Path) -> Path:
    """The floor plan of a program: layers as colours, filled by the share of neurons in use.

    Raises UsageError if the file cannot be written.
    """
    layers = [
        np.unique(program.groups.layer[program.groups.core == core]).tolist()
        for core in range(program.n_cores)
    ]
    fill = np.diff(program.cores.neuron_offset) / program.chip.core.neurons
    x, y, names = program.cores.x.tolist(), program.cores.y.tolist(), program.layer_names
    return _save(path, lambda axes: _plan(axes, x, y, layers, fill.tolist(), names))


def _save(path: Path, draw: Callable[[Any], None]) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH_INCHES, 2.6), dpi=DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    axes.tick_params(labelsize=7)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    draw(axes)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="png", metadata={"Software": None})
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from None
    return path


def _labels(axes: Any, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=8)
    axes.set_ylabel(y, fontsize=8)


def _stacked(
    axes: Any, names: Sequence[str], rows: Mapping[str, Sequence[float]], title: str
) -> None:
    left = np.zeros(len(names))
    for part, values in rows.items():
        if any(values):
            axes.barh(names, values, left=left, label=part)
            left += np.asarray(values)
    axes.invert_yaxis()
    _labels(axes, title, "")
    _legend(axes)


def _energy_by_part(view: RunView, axes: Any) -> None:
    values = [view.report["energy_pj"].get(part, 0.0) / view.samples / 1e3 for part in PARTS]
    axes.barh(PARTS, values)
    axes.invert_yaxis()
    _labels(axes, "energy per inference (nJ)", "")


def _energy_by_layer(view: RunView, axes: Any) -> None:
    rows = [row for row in view.report["chip"]["energy_by_layer"] if row["what"] != "static"]
    names = [" + ".join(row["layers"]) or row["what"] for row in rows]
    series = {part: [row.get(part, 0.0) / view.samples / 1e3 for row in rows] for part in PARTS}
    _stacked(axes, names, series, "energy without static power (nJ)")


def _tick_time(view: RunView, axes: Any) -> None:
    which, most = bounds_per_tick(view.counters)
    ticks, bottom = np.arange(which.shape[1]), np.zeros(which.shape[1])
    for i, bound in enumerate(BOUNDS):
        height = np.where(which == i, most, 0).mean(axis=0)
        axes.bar(ticks, height, bottom=bottom, width=1.0, label=bound)
        bottom += height
    beyond = (view.counters.busy_cycles - most).mean(axis=0)
    if beyond.any():
        axes.bar(ticks, beyond, bottom=bottom, width=1.0, label="transit, reload")
    _labels(axes, "chip tick", "cycles, mean over samples")
    axes.legend(fontsize=6, frameon=False)


def _packet_latency(view: RunView, axes: Any) -> None:
    assert view.network is not None
    histogram, bottom = view.network.latency, 0
    last = int(np.flatnonzero(histogram.any(axis=0))[-1]) + 1
    for name, row in zip(LATENCY_CLASSES, histogram, strict=True):
        if row.any():
            axes.bar(np.arange(last), row[:last], bottom=bottom, width=1.0, label=name)
            bottom = bottom + row[:last]
    _labels(axes, "cycles from injection to arrival", "packets")
    axes.legend(fontsize=6, frameon=False)


def _floor_plan(view: RunView, axes: Any) -> None:
    cores = view.cores
    assert cores is not None
    layers = [cores.layers(core) for core in range(cores.x.size)]
    fill = cores.neurons / view.chip.core.neurons
    _plan(axes, cores.x.tolist(), cores.y.tolist(), layers, fill.tolist(), view.layer_names)


def _plan(
    axes: Any,
    x: Sequence[int],
    y: Sequence[int],
    layers: Sequence[Sequence[int]],
    fill: Sequence[float],
    names: Sequence[str],
) -> None:
    from matplotlib.patches import Rectangle

    seen: set[int] = set()
    for cx, cy, mine, share in zip(x, y, layers, fill, strict=True):
        axes.add_patch(Rectangle((cx - 0.4, cy - 0.4), 0.8, 0.8, fill=False, ec="0.5", lw=0.5))
        for k, layer in enumerate(mine):
            wide, high = 0.8 / len(mine), 0.8 * min(1.0, share)
            corner = (cx - 0.4 + k * wide, cy + 0.4 - high)
            label = names[layer] if layer not in seen else None
            seen.add(layer)
            axes.add_patch(Rectangle(corner, wide, high, color=f"C{layer % 10}", label=label))
    _chip_axes(axes, x, y)
    _legend(axes, list(names))


def _legend(axes: Any, order: Sequence[str] = ()) -> None:
    """Beside the axes; with `order`, entries by their place in it."""
    entries = list(zip(*axes.get_legend_handles_labels(), strict=True))
    if order:
        entries.sort(key=lambda entry: order.index(entry[1]))
    handles, labels = [handle for handle, _ in entries], [label for _, label in entries]
    beside = {"bbox_to_anchor": (1, 1), "loc": "upper left"}
    axes.legend(handles, labels, fontsize=6, frameon=False, **beside)


def _link_load(view: RunView, axes: Any) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    chip, cores = view.chip, view.cores
    assert cores is not None
    link, bits = view.counters.window_link, view.counters.window_bits.sum(axis=0) / view.samples
    inside = link < N_DIRECTIONS * chip.n_cores
    link, bits = link[inside], bits[inside]
    scale = ScalarMappable(Normalize(0, max(1.0, float(bits.max(initial=0)))), cmap="viridis_r")
    axes.scatter(cores.x, cores.y, marker="s", s=18, color="0.8", zorder=1)
    for number, load in zip(link.tolist(), bits.tolist(), strict=True):
        router, direction = divmod(number, N_DIRECTIONS)
        dx, dy = DIRECTION_STEPS[direction]
        start = (router % chip.wide - 0.12 * dy, router // chip.wide + 0.12 * dx)
        end = (start[0] + dx, start[1] + dy)
        style = {"arrowstyle": "-|>", "color": scale.to_rgba(load), "lw": 1.2, "mutation_scale": 5}
        axes.annotate("", end, start, arrowprops=style)
    x = [*cores.x.tolist(), *(link // N_DIRECTIONS % chip.wide).tolist()]
    y = [*cores.y.tolist(), *(link // N_DIRECTIONS // chip.wide).tolist()]
    _chip_axes(axes, x, y)
    bar = axes.figure.colorbar(scale, ax=axes)
    bar.set_label("bits per inference", fontsize=7)
    bar.ax.tick_params(labelsize=6)


def _chip_axes(axes: Any, x: Sequence[int], y: Sequence[int]) -> None:
    """Cores as they lie on the chip, north at the top."""
    axes.set_xlim(min(x) - 0.7, max(x) + 0.7)
    axes.set_ylim(max(y) + 0.7, min(y) - 0.7)
    axes.set_aspect("equal")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.yaxis.get_major_locator().set_params(integer=True)
    _labels(axes, "x", "y")
