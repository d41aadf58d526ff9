"""Charts of a page as SVG text, drawn by pygal; colours are the page's CSS variables.

Equal data give equal text: no time stamps, no random ids.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from neurosim.report.units import engineering

Series = Mapping[str, Sequence[float | None]]
Format = Callable[[float], str]

NO_CHART: Final = "<p class='missing'>Charts need pygal: <code>pip install pygal</code></p>"

_COMMENTS: Final = re.compile(r"<!--.*?-->", re.DOTALL)
_SCRIPTS: Final = re.compile(r"<script.*?</script>", re.DOTALL)
# Not allowed in XML; names from files may hold anything.
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_WIDE: Final = 1060
_NARROW: Final = 600


def plain(value: float) -> str:
    """A count with a prefix for thousands."""
    return engineering(value, "").replace(" ", "")


def picojoule(value: float) -> str:
    """An energy given in pJ."""
    return engineering(value * 1e-12, "J")


def stacked_rows(name: str, labels: Sequence[str], series: Series, show: Format) -> str:
    """Horizontal stacked bars, the first label on top."""
    return _drawn(
        "HorizontalStackedBar",
        name,
        labels[::-1],
        {title: values[::-1] for title, values in series.items()},
        show,
        height=90 + 36 * len(labels) + 20 * (len(series) > 3),
    )


def stacked_columns(
    name: str, labels: Sequence[str], series: Series, show: Format, x_title: str
) -> str:
    """Vertical stacked bars, labelled at every n-th."""
    return _drawn("StackedBar", name, labels, series, show, x_title=x_title, **_few(labels))


def lines(name: str, labels: Sequence[str], series: Series, show: Format, x_title: str) -> str:
    """Lines over a common axis, labelled at every n-th."""
    dots = {"show_dots": len(labels) <= 40, "dots_size": 2}
    return _drawn("Line", name, labels, series, show, x_title=x_title, **dots, **_few(labels))


def _few(labels: Sequence[str]) -> dict[str, Any]:
    step = max(1, -(-len(labels) // 12))
    return {
        "x_labels_major": [_UNPRINTABLE.sub("?", label) for label in labels[::step]],
        "show_minor_x_labels": False,
        "truncate_label": -1,
    }


def _drawn(
    kind: str,
    name: str,
    labels: Sequence[str],
    series: Series,
    show: Format,
    height: int = 320,
    **more: Any,
) -> str:
    """The chart; without pygal a sentence, since no result may be lost for want of a picture."""
    try:
        import pygal
    except ImportError:
        return NO_CHART
    chart = getattr(pygal, kind)(
        style=_style(),
        js=[],
        disable_xml_declaration=True,
        width=_WIDE if kind != "HorizontalStackedBar" else _NARROW,
        height=height,
        margin=6,
        margin_bottom=24,
        legend_at_bottom=True,
        legend_at_bottom_columns=min(3, len(series)) if kind.startswith("Hor") else len(series),
        max_scale=6,
        truncate_legend=-1,
        show_legend=len(series) > 1,
        legend_box_size=12,
        value_formatter=lambda value: "" if value is None else show(value),
        no_data_text="nothing to show",
        **more,
    )
    chart.uuid = name
    chart.x_labels = [_UNPRINTABLE.sub("?", label) for label in labels]
    for title, values in series.items():
        chart.add(title, list(values))
    text = _COMMENTS.sub("", chart.render(is_unicode=True))
    return _SCRIPTS.sub("", text)


def _style() -> Any:
    from pygal.style import Style

    return Style(
        background="transparent",
        plot_background="transparent",
        foreground="var(--ink)",
        foreground_strong="var(--ink)",
        foreground_subtle="var(--line)",
        colors=tuple(f"var(--s{i})" for i in range(1, 9)),
        font_family="inherit",
        label_font_size=12,
        major_label_font_size=12,
        legend_font_size=13,
        title_font_size=13,
        guide_stroke_color="var(--line)",
        major_guide_stroke_color="var(--line)",
        guide_stroke_dasharray="none",
        major_guide_stroke_dasharray="none",
        opacity="1",
        opacity_hover=".8",
        transition="0s",
    )
