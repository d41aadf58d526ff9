"""Charts of a page as SVG text, drawn by matplotlib; colours are the page's CSS variables.

matplotlib writes colours as numbers, so it is given a number for each variable, and these are put
into its text. Equal data give equal text: no time stamps, no random ids.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from neurosim.report.units import engineering

Series = Mapping[str, Sequence[float | None]]
Format = Callable[[float], str]

# Not allowed in XML; names from files may hold anything.
_UNPRINTABLE: Final = re.compile("[\x00-\x1f\ud800-\udfff\ufffe\uffff]")
_INK: Final = "#01fe00"
_LINE: Final = "#02fe00"
_COLOURS: Final = tuple(f"#{number:02x}fe01" for number in range(1, 9))
_VARIABLES: Final = {_INK: "var(--ink)", _LINE: "var(--line)"} | {
    colour: f"var(--s{i})" for i, colour in enumerate(_COLOURS, start=1)
}
_WIDE: Final = 1060
_NARROW: Final = 600
_DPI: Final = 72
_FONT: Final = 12


def plain(value: float) -> str:
    """A count with a prefix for thousands."""
    return engineering(value, "").replace(" ", "")


def picojoule(value: float) -> str:
    """An energy given in pJ."""
    return engineering(value * 1e-12, "J")


def stacked_rows(name: str, labels: Sequence[str], series: Series, show: Format) -> str:
    """Horizontal stacked bars, the first label on top."""

    def draw(axes: Any) -> None:
        _stack(axes.barh, labels, series, "left")
        axes.set_yticks(range(len(labels)), [_printable(label) for label in labels])
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(lambda value, _: show(value))
        axes.xaxis.set_major_locator(_locator(5))
        axes.grid(axis="x")

    return _drawn(name, draw, _NARROW, 90 + 34 * len(labels), len(series))


def stacked_columns(
    name: str, labels: Sequence[str], series: Series, show: Format, x_title: str
) -> str:
    """Vertical stacked bars, labelled at every n-th."""

    def draw(axes: Any) -> None:
        _stack(axes.bar, labels, series, "bottom")
        _below(axes, labels, show, x_title)

    return _drawn(name, draw, _WIDE, 320, len(series))


def lines(name: str, labels: Sequence[str], series: Series, show: Format, x_title: str) -> str:
    """Lines over a common axis, labelled at every n-th."""

    def draw(axes: Any) -> None:
        for title, values in series.items():
            numbers = [float("nan") if value is None else value for value in values]
            marker = "." if len(labels) <= 40 else None
            axes.plot(range(len(labels)), numbers, label=_printable(title), marker=marker)
        _below(axes, labels, show, x_title)

    return _drawn(name, draw, _WIDE, 320, len(series))


def _stack(bars: Callable[..., Any], labels: Sequence[str], series: Series, start: str) -> None:
    total = [0.0] * len(labels)
    for title, values in series.items():
        sizes = [value or 0.0 for value in values]
        bars(range(len(labels)), sizes, 0.7, label=_printable(title), **{start: total})
        total = [a + b for a, b in zip(total, sizes, strict=True)]


def _below(axes: Any, labels: Sequence[str], show: Format, x_title: str) -> None:
    step = max(1, -(-len(labels) // 12))
    axes.set_xticks(range(0, len(labels), step), [_printable(la) for la in labels[::step]])
    axes.set_xlabel(x_title)
    axes.yaxis.set_major_formatter(lambda value, _: show(value))
    axes.yaxis.set_major_locator(_locator(6))
    axes.grid(axis="y")


def _locator(n: int) -> Any:
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(n)


def _printable(text: str) -> str:
    return _UNPRINTABLE.sub("?", text)


def _drawn(name: str, draw: Callable[[Any], None], width: int, height: int, n_series: int) -> str:
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    style: Any = _style(name)
    with matplotlib.rc_context(style), warnings.catch_warnings():
        # The page's font has the characters that the font for measuring lacks.
        warnings.filterwarnings("ignore", "Glyph")
        figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI, layout="constrained")
        canvas: Any = FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        draw(axes)
        axes.set_axisbelow(True)
        if n_series > 1:
            figure.legend(loc="outside lower center", ncols=min(n_series, 4))
        stream = io.StringIO()
        canvas.print_svg(stream, metadata={"Date": None, "Creator": None})
    return _inline(stream.getvalue(), name)


def _inline(text: str, name: str) -> str:
    """The ``<svg>`` element alone, with the page's colours and font."""
    element = text[text.index("<svg") :]
    for colour, variable in _VARIABLES.items():
        element = element.replace(colour, variable)
    element = re.sub(r"<(metadata|style).*?</\1>", "", element, flags=re.DOTALL)
    element = re.sub(r'<g id="[^"]*">', "<g>", element)  # a page has several charts
    element = re.sub(r"(?<=[;\"] )font-family: [^;\"]*;? ?", "", element)
    size = r'width="[\d.]+pt" height="[\d.]+pt"'
    return re.sub(size, f'class="drawn" role="img" aria-label="{name}"', element, count=1)


def _style(name: str) -> dict[str, Any]:
    from cycler import cycler

    return {
        "svg.fonttype": "none",
        "svg.hashsalt": name,
        "font.size": _FONT,
        "text.color": _INK,
        "text.parse_math": False,
        "axes.edgecolor": _LINE,
        "axes.labelcolor": _INK,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=_COLOURS),
        "xtick.color": _LINE,
        "ytick.color": _LINE,
        "xtick.labelcolor": _INK,
        "ytick.labelcolor": _INK,
        "grid.color": _LINE,
        "legend.frameon": False,
        "figure.facecolor": "none",
        "axes.facecolor": "none",
        "savefig.facecolor": "none",
    }
