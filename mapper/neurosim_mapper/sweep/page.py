"""The page of a study: Pareto front, parallel coordinates, table; one file that needs no network.

Every text that comes from a file is escaped by the template engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from neurosim import __version__
from neurosim.report.page import page_environment
from neurosim_mapper.sweep.metrics import METRICS
from neurosim_mapper.sweep.study import Study

Row = Mapping[str, Any]

CHART_WIDE: Final = 330
CHART_HIGH: Final = 240
LINES_WIDE: Final = 1040
LINES_HIGH: Final = 320
_MARGIN: Final = 12
_N_TICKS: Final = 4


@dataclass(frozen=True)
class Scale:
    """Values along an axis, as pixels from its low end; words stand in order of appearance."""

    name: str
    low: float
    high: float
    words: tuple[str, ...]

    @classmethod
    def of(cls, name: str, values: Sequence[Any]) -> Scale:
        """The scale that holds all values but None."""
        known = [value for value in values if value is not None]
        if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
            return cls(name, min(known, default=0), max(known, default=1), ())
        return cls(name, 0, 1, tuple(dict.fromkeys(str(value) for value in known)))

    def place(self, value: Any, length: float) -> float:
        """Pixels from the low end of an axis of `length`."""
        if self.words:
            share = (self.words.index(str(value)) + 0.5) / len(self.words)
        elif self.high == self.low:
            share = 0.5
        else:
            share = (value - self.low) / (self.high - self.low)
        return round(share * length, 1)

    def ticks(self, length: float) -> list[tuple[float, str]]:
        """Pixels and label of some values."""
        if self.words:
            return [(self.place(word, length), _figure(word)) for word in self.words]
        if self.high == self.low:
            return [(length / 2, f"{self.low:.4g}")]
        steps = [i / _N_TICKS for i in range(_N_TICKS + 1)]
        return [
            (round(s * length, 1), f"{self.low + s * (self.high - self.low):.4g}") for s in steps
        ]


def sweep_page(study: Study, rows: Sequence[Row]) -> str:
    """HTML of a study."""
    done = [row for row in rows if row["status"] == "done"]
    names = [name for name in study.objectives if all(row[name] is not None for row in done)]
    environment = page_environment(Path(__file__).parent)
    environment.filters["figure"] = _figure
    return environment.get_template("page.html.j2").render(
        title=f"{study.name} - sweep",
        study=study,
        rows=rows,
        n_done=len(done),
        front=[row for row in rows if row["pareto"]],
        metrics=list(METRICS),
        charts=_charts(names, done),
        axes=_parallel(list(dict.fromkeys((*study.axes, *names))), done),
        lines=_lines(list(dict.fromkeys((*study.axes, *names))), done),
        chart=(CHART_WIDE, CHART_HIGH),
        plot=(LINES_WIDE, LINES_HIGH),
        label=lambda row: _label(study, row),
        version=__version__,
    )


def _figure(value: Any) -> str:
    """A value in short: floats with five digits, files by their name."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.5g}" if isinstance(value, float) else str(value).rsplit("/", 1)[-1]


def _label(study: Study, row: Row) -> str:
    """What a point is called when the mouse is over it."""
    return f"point {row['point']}: " + ", ".join(f"{a} {_figure(row[a])}" for a in study.axes)


def _charts(names: Sequence[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """A chart for the first objective over each of the others."""
    if not rows or len(names) < 2:
        return []
    y = Scale.of(names[0], [row[names[0]] for row in rows])
    charts = []
    for name in names[1:]:
        x = Scale.of(name, [row[name] for row in rows])
        marks = [
            (x.place(row[name], CHART_WIDE), CHART_HIGH - y.place(row[y.name], CHART_HIGH), row)
            for row in sorted(rows, key=lambda row: bool(row["pareto"]))
        ]
        y_ticks = [(CHART_HIGH - at, text) for at, text in y.ticks(CHART_HIGH)]
        charts.append(
            {"x": x, "y": y, "marks": marks, "x_ticks": x.ticks(CHART_WIDE), "y_ticks": y_ticks}
        )
    return charts


def _parallel(names: Sequence[str], rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The upright axes of the parallel coordinates."""
    axes = []
    for place, name in enumerate(names):
        scale = Scale.of(name, [row[name] for row in rows])
        ticks = [(LINES_HIGH - at, text) for at, text in scale.ticks(LINES_HIGH)]
        axes.append({"name": name, "x": _axis_x(place, len(names)), "ticks": ticks})
    return axes


def _lines(names: Sequence[str], rows: Sequence[Row]) -> list[tuple[str, Row]]:
    """A line through all axes per point, those of the front last, so that they lie on top."""
    scales = [Scale.of(name, [row[name] for row in rows]) for name in names]
    lines = []
    for row in sorted(rows, key=lambda row: bool(row["pareto"])):
        known = [(p, s) for p, s in enumerate(scales) if row[s.name] is not None]
        places = [
            f"{_axis_x(place, len(names))},{LINES_HIGH - scale.place(row[scale.name], LINES_HIGH)}"
            for place, scale in known
        ]
        lines.append((" ".join(places), row))
    return lines


def _axis_x(place: int, n_axes: int) -> float:
    return round(_MARGIN + place * (LINES_WIDE - 2 * _MARGIN) / max(1, n_axes - 1), 1)
