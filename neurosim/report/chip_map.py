"""Where the cores and links of a run are on a drawing of its chip, and what to say about each.

Enters: a `RunView`. Leaves: a `ChipMap`: shapes for the template, and the plain data that the
page's script shows for a core, a link and a tick. Distances are in units of the drawing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.cost.bandwidth import link_name
from neurosim.cost.core_facts import CoreFacts
from neurosim.cost.latency import tick_cycles
from neurosim.image.build import CYCLE_FRACTION_BITS
from neurosim.links.flow_links import crossing_links
from neurosim.program.columns import N_DIRECTIONS
from neurosim.report.view import RunView
from neurosim.run.state import CORE_COUNTS

I64 = npt.NDArray[np.int64]

PITCH: Final = 40
CELL: Final = 25
MOST_CELLS: Final = 4096
MOST_NUMBERS: Final = 100_000
"""Numbers of the tables behind the slider; longer runs share a position among several windows."""

_MUCH: Final = 0.4  # of the chip
_LEAST: Final = 6  # rows and columns
_ARROWS: Final = (  # of the links of a router: +x, -x, +y, -y; from the middle of its cell
    f"M{CELL / 2 + 1} -6h{PITCH - CELL - 6}l4 3-4 3h-{PITCH - CELL - 6}z",
    f"M-{CELL / 2 + 1} 0h-{PITCH - CELL - 6}l-4 3 4 3h{PITCH - CELL - 6}z",
    f"M0 {CELL / 2 + 1}v{PITCH - CELL - 6}l3 4 3-4v-{PITCH - CELL - 6}z",
    f"M-6 -{CELL / 2 + 1}v-{PITCH - CELL - 6}l3-4 3 4v{PITCH - CELL - 6}z",
)


@dataclass(frozen=True)
class Cell:
    """A core of the drawing; `number` is -1 for one without neurons, `colours` are its layers'."""

    x: float
    y: float
    number: int
    colours: tuple[int, ...]
    fill: float
    label: str
    dead: bool = False


@dataclass(frozen=True)
class Arrow:
    """A link with traffic, its shape around (x, y)."""

    x: float
    y: float
    path: str


@dataclass(frozen=True)
class ChipMap:
    """Shapes, and `data` for the script.

    Attributes
    ----------
    width, height : of the drawing. part : what is shown if it is not the whole chip, else "".
    layers : (name, colour) of the legend.
    positions : of the slider, "all ticks" not counted.
    """

    width: float
    height: float
    part: str
    cells: tuple[Cell, ...]
    arrows: tuple[Arrow, ...]
    layers: tuple[tuple[str, int], ...]
    positions: int
    data: dict[str, Any]


N_COLOURS: Final = 8


def layer_colour(layer: int) -> int:
    """1..`N_COLOURS`."""
    return layer % N_COLOURS + 1


def chip_map(view: RunView) -> ChipMap | None:
    """The drawing; None if the run has no `CoreFacts` or spreads over too many cores to draw."""
    if view.cores is None:
        return None
    box = _Box.around(view, view.cores)
    if box.wide * box.high > MOST_CELLS:
        return None
    loads = _loads(view)
    return ChipMap(
        width=box.wide * PITCH + PITCH / 2,
        height=box.high * PITCH + PITCH / 4,
        part=" ".join(filter(None, (box.sentence(view), _folded(view.cores)))),
        cells=tuple(_cells(view, view.cores, box)),
        arrows=tuple(_arrows(view, box)),
        layers=tuple((name, layer_colour(i)) for i, name in enumerate(view.layer_names)),
        positions=len(loads["ticks"]),
        data={"cores": _core_data(view, view.cores), "loads": loads, "samples": view.samples},
    )


@dataclass(frozen=True)
class _Box:
    """The part of the chip that is drawn."""

    left: int
    top: int
    wide: int
    high: int

    @classmethod
    def around(cls, view: RunView, cores: CoreFacts) -> _Box:
        """What is used and one more core around it, or the whole chip if that is much of it."""
        chip = view.chip
        router = view.counters.window_link // N_DIRECTIONS
        router = router[router < chip.n_cores]
        x = np.concatenate([cores.x, router % chip.wide])
        y = np.concatenate([cores.y, router // chip.wide])
        (left, wide), (top, high) = _span(x, chip.wide), _span(y, chip.high)
        if wide * high > _MUCH * chip.wide * chip.high:
            return cls(0, 0, chip.wide, chip.high)
        return cls(left, top, wide, high)

    def middle(self, x: int, y: int) -> tuple[float, float]:
        """Of a core's cell; the column left of the first is the host's."""
        return (x - self.left + 1.25) * PITCH - PITCH / 2, (y - self.top + 0.6) * PITCH

    def sentence(self, view: RunView) -> str:
        chip = view.chip
        if (self.wide, self.high) == (chip.wide, chip.high):
            return ""
        return (
            f"Shown are {self.wide} x {self.high} of {chip.wide} x {chip.high} cores, from core "
            f"({self.left},{self.top}) on; the others are not used."
        )


def _folded(cores: CoreFacts) -> str:
    """A word on cores that share a position, as those of a folded program."""
    hidden = cores.x.size - len(set(zip(cores.x.tolist(), cores.y.tolist(), strict=True)))
    if not hidden:
        return ""
    return f"{hidden:,} cores of later phases share positions with those drawn; links count all."


def _span(used: I64, size: int) -> tuple[int, int]:
    """First and number of the rows (or columns) to draw."""
    wanted = min(size, max(_LEAST, int(used.max() - used.min()) + 3))
    first = min(max(0, int(used.min()) - 1), size - wanted)
    return first, wanted


def _cells(view: RunView, cores: CoreFacts, box: _Box) -> list[Cell]:
    place: dict[tuple[int, int], int] = {}
    for i, position in enumerate(zip(cores.x.tolist(), cores.y.tolist(), strict=True)):
        place.setdefault(position, i)
    dead, limits, names = set(view.chip.dead_cores), view.chip.core, view.layer_names
    cells = []
    for y in range(box.top, box.top + box.high):
        for x in range(box.left, box.left + box.wide):
            number = place.get((x, y), -1)
            layers = cores.layers(number) if number >= 0 else []
            fill = cores.neurons[number] / limits.neurons if number >= 0 else 0.0
            what = " + ".join(names[i] for i in layers) or ("dead" if (x, y) in dead else "free")
            cells.append(
                Cell(
                    *box.middle(x, y),
                    number=number,
                    colours=tuple(layer_colour(i) for i in layers),
                    fill=round(min(1.0, float(fill)), 3),
                    label=f"core ({x},{y}): {what}",
                    dead=(x, y) in dead,
                )
            )
    return cells


def _arrows(view: RunView, box: _Box) -> list[Arrow]:
    chip, result = view.chip, []
    for link in view.counters.window_link.tolist():
        router, direction = divmod(link, N_DIRECTIONS)
        if router >= chip.n_cores:  # a link of the host, on the west edge
            row = (link - N_DIRECTIONS * chip.n_cores) % chip.high
            inward = link - N_DIRECTIONS * chip.n_cores < chip.high
            x, y = box.middle(box.left - 1, row)
            direction = 0 if inward else 1
            x, y = (x, y) if inward else (x + PITCH, y)
        else:
            x, y = box.middle(router % chip.wide, router // chip.wide)
        result.append(Arrow(x, y, _ARROWS[direction]))
    return result


def _core_data(view: RunView, cores: CoreFacts) -> dict[str, Any]:
    """Columns per core for the script, of the whole run."""
    names = view.layer_names
    return {
        "name": [f"({x},{y})" for x, y in zip(cores.x, cores.y, strict=True)],
        "layers": [" + ".join(names[i] for i in cores.layers(c)) for c in range(cores.x.size)],
        "axons": cores.axons.tolist(),
        "neurons": cores.neurons.tolist(),
        "synapses": cores.synapses.tolist(),
        "limits": [view.chip.core.axons, view.chip.core.neurons, view.chip.core.synapses],
        "events": cores.counts[:, CORE_COUNTS.index("axon_events")].tolist(),
        "packets": cores.counts[:, CORE_COUNTS.index("packets")].tolist(),
        "energy_pj": [round(float(pj), 3) for pj in cores.energy_pj[:-2].sum(axis=1)],
    }


def _loads(view: RunView) -> dict[str, Any]:
    """What the slider shows, summed over samples: bits per link, busy cycles per core, and the
    time that there was: cycles of every position, bits per cycle of every link.
    """
    counters = view.counters
    starts, bits = counters.window_start, counters.window_bits
    cycles = counters.window_core_time.max(axis=1) / (1 << CYCLE_FRACTION_BITS)
    width = bits.shape[1] + cycles.shape[1]
    step = max(1, -(-starts.size * width // MOST_NUMBERS))
    heads = np.arange(0, starts.size, step)
    first = starts[heads]
    last, spans = first, first
    if heads.size:
        last = np.append(first[1:], counters.n_chip_ticks) - 1
        spans = np.add.reduceat(tick_cycles(view.chip, counters).sum(axis=0), first)
        bits = np.add.reduceat(bits, heads, axis=0)
        cycles = np.add.reduceat(cycles, heads, axis=0)
    return {
        "ticks": [
            f"tick {a}" if a == b else f"ticks {a} to {b}" for a, b in zip(first, last, strict=True)
        ],
        "spans": spans.tolist(),
        "widths": _widths(view).tolist(),
        "links": [link_name(view.chip, link) for link in counters.window_link.tolist()],
        "bits": bits.tolist(),
        "cycles": [[round(float(c), 1) for c in row] for row in cycles],
    }


def _widths(view: RunView) -> I64:
    """(n_used,) bits per cycle of every link with traffic."""
    chip, link = view.chip, view.counters.window_link
    between = np.isin(link, crossing_links(chip))
    widths: I64 = np.where(
        between, chip.inter_chip.link_bits_per_cycle, chip.noc_section.link_bits_per_cycle
    )
    return widths
