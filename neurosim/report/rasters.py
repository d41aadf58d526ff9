"""What neurons did in one sample: rasters of outputs, traces of potentials.

Enters: a `RunView`; its `shown` says which neurons, by default the first ones and, of potentials,
those that move most. Leaves: path data of small squares (one path per strength) and line charts, of
the first sample; outputs of every run, hidden layers and potentials of those that were probed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.report import charts
from neurosim.report.view import RunView

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

MOST_NEURONS: Final = 96
MOST_TICKS: Final = 300
TRACES: Final = 6
LEVELS: Final = 6


@dataclass(frozen=True)
class Raster:
    """Neurons from top to bottom, ticks from left to right; unit squares.

    Attributes
    ----------
    paths : (strength 1..`LEVELS`, path data). largest : output of the strongest square.
    note : what was left out.
    """

    layer: str
    neurons: int
    ticks: int
    paths: tuple[tuple[int, str], ...]
    largest: int
    events: int
    note: str


def rasters(view: RunView) -> list[Raster]:
    """Of the output layer and of every probed layer, first sample; empty without samples."""
    if view.outputs.shape[0] == 0:
        return []
    names = view.layer_names
    known = {name: values[0] for name, values in view.values.items()}
    known.setdefault(view.report["program"].get("output_layer", names[-1]), view.outputs[0])
    return [_raster(name, known[name], view.shown.get(name)) for name in names if name in known]


def _raster(layer: str, values: I32, chosen: I64 | None) -> Raster:
    values = values if chosen is None else values[:, chosen]
    n_ticks, n_neurons = values.shape
    shown = values[:MOST_TICKS, :MOST_NEURONS]
    largest = int(np.abs(values).max(initial=0))
    level = np.ceil(LEVELS * np.abs(shown.astype(np.int64)) / max(1, largest)).astype(np.int64)
    paths = []
    for strength in range(1, LEVELS + 1):
        places = np.argwhere(level == strength)
        if places.size:
            paths.append((strength, "".join(f"M{t} {i}h1v.9h-1z" for t, i in places.tolist())))
    left_out = [
        f"{what} {limit} of {n}"
        for what, n, limit in (("ticks", n_ticks, MOST_TICKS), ("neurons", n_neurons, MOST_NEURONS))
        if n > limit
    ]
    note = f"Shown: {', '.join(left_out)}." if left_out else ""
    if chosen is not None:
        note = f"Neurons {', '.join(map(str, chosen.tolist()))}. {note}".strip()
    return Raster(
        layer, shown.shape[1], shown.shape[0], tuple(paths), largest,
        int(np.count_nonzero(values)), note,
    )  # fmt: skip


def membrane_charts(view: RunView) -> list[tuple[str, str]]:
    """(layer, chart) of chosen or most moving potentials of every probed layer, first sample."""
    result = []
    for number, (layer, potential) in enumerate(view.membrane.items()):
        if potential.shape[0] == 0:
            continue
        first = potential[0, :MOST_TICKS].astype(np.int64)
        span = first.max(axis=0) - first.min(axis=0)
        neurons = np.sort(np.argsort(-span, kind="stable")[:TRACES])
        neurons = view.shown.get(layer, neurons)
        series = {f"neuron {i}": [float(v) for v in first[:, i]] for i in neurons.tolist()}
        labels = [str(tick) for tick in range(first.shape[0])]
        chart = charts.lines(f"membrane{number}", labels, series, charts.plain, "tick")
        result.append((layer, chart))
    return result
