"""Self-contained HTML pages: ``report.html`` of a run and of a comparison.

Enters: a `RunView`, or a `Comparison`. Leaves: the text of one file that needs no network: styles,
script, drawings and data are inside. Everything that comes from a file (names of layers, chips,
checkpoints) is escaped. Every number of the head is the one of ``report.json``: it stands in a
``<data>`` element with its key and exact value.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from neurosim.cost.energy import PARTS
from neurosim.report import charts
from neurosim.report.chip_map import chip_map
from neurosim.report.page_parts import (
    binder_rows,
    confusion,
    energy_rows,
    headline,
    hot_link_rows,
    latency_chart,
    layer_chart,
    part_rows,
    tick_chart,
    time_shares,
)
from neurosim.report.rasters import membrane_charts, rasters
from neurosim.report.terminal import RELATIVE, kinds_sentence
from neurosim.report.units import count, engineering, percent, picojoules
from neurosim.report.view import RunView

if TYPE_CHECKING:
    from jinja2 import Environment

    from neurosim.report.comparison import Comparison

TEMPLATES: Final = Path(__file__).resolve().parent / "templates"


def run_page(view: RunView) -> str:
    """The page of one run."""
    report = view.report
    return _render(
        "run.html.j2",
        title=f"{report['program']['name']} on {report['chip']['name']}",
        report=report,
        chip=view.chip,
        headline=headline(view),
        floorline=report["chip"].get("floorline"),
        time_shares=time_shares(report),
        binders=binder_rows(report),
        tick_chart=tick_chart(view),
        map=chip_map(view),
        hot_links=hot_link_rows(view),
        energy_rows=energy_rows(report),
        part_rows=part_rows(report),
        layer_chart=layer_chart(report),
        kinds=kinds_sentence(report["chip"]["energy_terms"]),
        latency_chart=latency_chart(view),
        confusion=confusion(view),
        rasters=rasters(view),
        membranes=membrane_charts(view),
    )


def comparison_page(comparison: Comparison, pages: dict[str, str] | None = None) -> str:
    """The page of a comparison; `pages` are links to the pages of its variants."""
    variants = comparison.variants
    names = [variant.name for variant in variants]
    energies = {part: [v.energy_pj[part] for v in variants] for part in PARTS}
    bits = {
        "header": [v.header_bits for v in variants],
        "payload": [v.payload_bits for v in variants],
    }
    packets = {
        "from cores": [v.packets for v in variants],
        "from the host": [v.input_packets for v in variants],
    }
    return _render(
        "comparison.html.j2",
        title=f"Spikes and values on {comparison.chip['name']}",
        comparison=comparison,
        data=comparison.to_dict(),
        pages=pages or {},
        relative=RELATIVE,
        parts=(*PARTS, "total"),
        shown={v.name: picojoules([v.energy_pj[p] for p in (*PARTS, "total")]) for v in variants},
        energy_chart=charts.stacked_rows("energy", names, energies, charts.picojoule),
        bits_chart=charts.stacked_rows("bits", names, bits, charts.plain),
        packets_chart=charts.stacked_rows("packets", names, packets, charts.plain),
        time_chart=charts.stacked_rows(
            "time", names, {"cycles": [v.cycles for v in variants]}, charts.plain
        ),
    )


def _render(template: str, **values: Any) -> str:
    """The text; what cannot be written as UTF-8 (lone surrogates in names) becomes ``?``."""
    text = page_environment().get_template(template).render(**values)
    return text.encode("utf-8", "replace").decode()


def page_environment(*folders: Path) -> Environment:
    """Templates of `folders`, then ours; text is escaped, and ``base.html.j2`` is the frame."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": count, "percent": percent, "si": engineering}
    environment.globals |= {
        "style": Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        "script": Markup((TEMPLATES / "script.js").read_text(encoding="utf-8")),
        "svg": Markup,
    }
    return environment
