"""``neurosim noc``: the network-on-chip alone."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import json_option

if TYPE_CHECKING:
    from neurosim.noc.model import Noc
    from neurosim.noc.replay import Replay
    from neurosim.noc.sweep import Point

PATTERNS = ("uniform", "transpose", "bitcomp", "tornado", "neighbor", "hotspot")
_PORTS = ("+x", "-x", "+y", "-y", "local")
_ROWS, _COLUMNS = 12, 64


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="""\b
Examples:
  neurosim noc sweep --chip tianjic --traffic uniform,transpose
  neurosim noc replay packets.csv --width 8 --pipeline single
""",
)
def noc() -> None:
    """The network-on-chip alone: replay packet traces, sweep synthetic traffic."""


def _network_options(command: Any) -> Any:
    options = (
        click.option("--chip", metavar="NAME|FILE", help="Take the network of this chip."),
        click.option("--width", type=int, help="Routers along x.  [default: 8]"),
        click.option("--height", type=int, help="Routers along y.  [default: width]"),
        click.option("--topology", type=click.Choice(["mesh", "torus"]), help="[default: mesh]"),
        click.option("--routing", type=click.Choice(["xy", "yx"]), help="[default: xy]"),
        click.option("--pipeline", type=click.Choice(["single", "default", "general"]),
                     help="3, 5, or a given number of cycles per router.  [default: single]"),
        click.option("--vcs", type=int, help="Virtual channels per link.  [default: 1]"),
        click.option("--buffer", type=int, help="Flits per virtual channel.  [default: 8]"),
        click.option("--flits", type=click.IntRange(min=1), default=1, show_default=True,
                     help="Flits per packet."),
        json_option,
    )  # fmt: skip
    for option in reversed(options):
        command = option(command)
    return command


def _build(chip: str | None, fields: dict[str, Any]) -> Noc:
    """The network of the options, on top of that of `chip`."""
    import pydantic

    from neurosim.errors import UsageError
    from neurosim.noc.model import Noc

    names = {"vcs": "n_vcs", "buffer": "buffer_flits"}
    given = {names.get(name, name): value for name, value in fields.items() if value is not None}
    base: dict[str, Any] = {}
    if chip is not None:
        import neurosim

        loaded: Any = neurosim
        base = loaded.load_chip(chip).noc.model_dump(exclude_unset=True)
    elif "width" in given and "height" not in given:
        given["height"] = given["width"]
    try:
        return Noc(**{**base, **given})
    except pydantic.ValidationError as error:
        parts = []
        for item in error.errors():
            where = ".".join(map(str, item["loc"]))
            message = item["msg"].removeprefix("Value error, ")
            parts.append(f"{where}: {message}." if where else message)
        raise UsageError(" ".join(parts)) from None


@noc.command(
    short_help="Play the packets of a CSV, cycle by cycle.",
    epilog="""\b
Examples:
  neurosim noc replay trace.csv.gz --width 8 --pipeline single
  neurosim noc replay packets.csv --chip tianjic -o played.csv
  neurosim noc replay packets.csv --width 16 --windows 20
""",
)
@click.argument("trace", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the cycles as CSV.")
@click.option("--windows", type=click.IntRange(2, 1000), default=10, show_default=True,
              help="Most stretches of time to count flits per link in.")  # fmt: skip
@_network_options
def replay(
    trace: Path,
    output: Path | None,
    windows: int,
    chip: str | None,
    flits: int,
    as_json: bool,
    **fields: Any,
) -> None:
    """Play the packets of a CSV cycle by cycle, and compare with the cycles in it.

    TRACE has a header with at least src, dst, ctime (source, destination, cycle of creation);
    where it has itime, atime or hops as well, every difference is counted.
    """
    from neurosim.noc.replay import read_trace, write_trace
    from neurosim.noc.replay import replay as play
    from neurosim_cli.output import progress, show_json

    network = _build(chip, fields)
    packets = read_trace(trace)
    with progress("playing packets"):
        played = play(network, packets, flits, n_windows=windows + windows % 2)
    if output is not None:
        write_trace(output, packets, played.result)
    summary = _summary(played)
    if as_json:
        show_json(summary | {"windows": _window_rows(network, played)})
    else:
        _show_replay(trace, network, played, summary)


def _summary(played: Replay) -> dict[str, Any]:
    import numpy as np

    result = played.result
    n = len(result.arrive_cycle)
    return {
        "packets": n,
        "cycles": result.drain_cycle,
        "flit_hops": result.flit_hops,
        "latency_mean": float(result.latency.mean()) if n else 0.0,
        "latency_p99": float(np.percentile(result.latency, 99)) if n else 0.0,
        "latency_max": int(result.latency.max(initial=0)),
        "stall_cycles_no_credit": int(result.stall_no_credit.sum()),
        "stall_flits_lost_arbitration": int(result.stall_lost.sum()),
        "peak_link_utilisation": float(result.utilisation().max()),
        "peak_input_queue": int(result.queue_peak.max(initial=0)),
        "peak_source_queue": int(result.source_peak.max(initial=0)),
        "differing": None if played.differing is None else len(played.differing),
        "first_differing_row": None
        if played.differing is None or not len(played.differing)
        else int(played.differing[0]),
    }


def _show_replay(trace: Path, network: Noc, played: Replay, summary: dict[str, Any]) -> None:
    import numpy as np
    from rich.table import Table

    from neurosim_cli.output import show

    table = Table(title=f"{trace.name} on {_name(network)}")
    table.add_column("what")
    table.add_column("value", justify="right")
    for key, value in summary.items():
        if value is not None:
            shown = f"{value:,.2f}" if isinstance(value, float) else f"{value:,}"
            table.add_row(key.replace("_", " "), shown)
    show(table)
    flits = played.result.link_flits
    hot = Table(title="hottest links")
    for heading in ("router", "to", "flits", "busy", "no credit", "lost arbitration"):
        hot.add_column(heading, justify="right")
    share = played.result.utilisation()
    for index in np.argsort(flits, axis=None)[::-1][:5]:
        router, port = divmod(int(index), 5)
        if flits[router, port] == 0:
            break
        hot.add_row(
            f"({router % network.width}, {router // network.width})",
            _PORTS[port],
            f"{flits[router, port]:,}",
            f"{share[router, port]:.1%}",
            f"{played.result.stall_no_credit[router, port]:,}",
            f"{played.result.stall_lost[router, port]:,}",
        )
    show(hot)
    _show_windows(network, played)
    if played.differing is not None:
        same = not len(played.differing)
        click.echo(
            "Every cycle equals the trace."
            if same
            else f"{len(played.differing)} packets differ from the trace, the first in row "
            f"{played.differing[0]}."
        )


def _window_rows(network: Noc, played: Replay) -> list[dict[str, Any]]:
    """Of every stretch of time: flits of all links, and the busiest link with its flits."""
    result = played.result
    rows = []
    for number, flits in enumerate(result.window_flits):
        start = number * result.window_cycles
        if start > result.drain_cycle:
            break
        router, port = divmod(int(flits.argmax()), 5)
        rows.append(
            {
                "cycle": start,
                "cycles": result.window_cycles,
                "flits": int(flits.sum()),
                "busiest_router": [router % network.width, router // network.width],
                "busiest_port": _PORTS[port],
                "busiest_flits": int(flits.max()),
            }
        )
    return rows


def _show_windows(network: Noc, played: Replay) -> None:
    from rich.table import Table

    from neurosim_cli.output import show

    table = Table(title="flits per link over time")
    for heading in ("from cycle", "flits", "busiest", "to", "its flits", "per cycle"):
        table.add_column(heading, justify="right")
    for row in _window_rows(network, played):
        table.add_row(
            f"{row['cycle']:,}",
            f"{row['flits']:,}",
            "({}, {})".format(*row["busiest_router"]),
            row["busiest_port"],
            f"{row['busiest_flits']:,}",
            f"{row['busiest_flits'] / row['cycles']:.2f}",
        )
    show(table)


def _name(network: Noc) -> str:
    vcs = "" if network.n_vcs == 1 else f", {network.n_vcs} VCs"
    return (
        f"{network.width} x {network.height} {network.topology}, {network.routing}, "
        f"{network.pipeline}, {network.buffer_flits} places{vcs}"
    )


@noc.command(
    epilog="""\b
Examples:
  neurosim noc sweep --width 8 --traffic uniform,transpose
  neurosim noc sweep --chip loihi --traffic hotspot --rates 0.02,0.05,0.1
  neurosim noc sweep --chip tianjic --plot curve.png \\
      --traffic uniform,transpose,bitcomp,tornado,neighbor,hotspot
"""
)
@click.option("--traffic", default="uniform", show_default=True, metavar="NAME[,NAME...]",
              help=f"Patterns: {', '.join(PATTERNS)}.")  # fmt: skip
@click.option("--rates", metavar="R[,R...]", help="Flits per router and cycle.  [default: to the "
              "bound]")  # fmt: skip
@click.option("--cycles", type=click.IntRange(min=100), default=5000, show_default=True,
              help="Measured cycles per point.")  # fmt: skip
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the traffic.")
@click.option("--plot", type=click.Path(path_type=Path), help="Write the curves as PNG.")
@_network_options
def sweep(
    traffic: str,
    rates: str | None,
    cycles: int,
    seed: int,
    plot: Path | None,
    chip: str | None,
    flits: int,
    as_json: bool,
    **fields: Any,
) -> None:
    """Injection rate against latency and throughput, up to saturation."""
    from neurosim.noc.sweep import default_rates
    from neurosim.noc.sweep import sweep as run
    from neurosim_cli.output import progress, show_json

    network = _build(chip, fields)
    patterns = [name.strip() for name in traffic.split(",") if name.strip()]
    given = _numbers(rates) if rates else None
    points: list[Point] = []
    steps = sum(len(given or default_rates(network, name)) for name in patterns)
    with progress("sweeping", steps) as advance:
        for name in patterns:
            for point in run(network, name, given, flits, seed, measure_cycles=cycles):
                points.append(point)
                advance(1)
    if plot is not None:
        _draw(network, points, plot)
    if as_json:
        show_json([dataclasses.asdict(point) for point in points])
    else:
        _show_sweep(network, points)


def _numbers(text: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise click.UsageError(
            f"--rates: {text!r} is no list of numbers. Write for example 0.05,0.1,0.2."
        ) from None


def _show_sweep(network: Noc, points: list[Point]) -> None:
    from rich.table import Table

    from neurosim_cli.output import show

    table = Table(title=_name(network))
    for heading in ("traffic", "rate", "accepted", "latency", "p99", "formula", "of bound"):
        table.add_column(heading, justify="left" if heading == "traffic" else "right")
    for point in points:
        table.add_row(
            point.traffic,
            f"{point.rate:.4f}",
            f"{point.accepted:.4f}",
            f"{point.latency:.2f}" + (" sat." if point.saturated else ""),
            f"{point.latency_p99:.0f}",
            "-" if point.formula is None else f"{point.formula:.2f}",
            "-" if not point.bound else f"{point.rate / point.bound:.0%}",
        )
    show(table)
    for name in dict.fromkeys(point.traffic for point in points):
        click.echo(_text_plot([point for point in points if point.traffic == name]))


def _text_plot(points: list[Point]) -> str:
    """Latency over rate as characters."""
    top = max(point.latency for point in points) or 1.0
    right = max(point.rate for point in points) or 1.0
    grid = [[" "] * (_COLUMNS + 1) for _ in range(_ROWS + 1)]
    for point in points:
        row = _ROWS - round(point.latency / top * _ROWS)
        grid[row][round(point.rate / right * _COLUMNS)] = "*"
    lines = [f"latency of {points[0].traffic} (cycles, to {top:.0f}) over rate (to {right:.3f})"]
    lines += [f"{'|'}{''.join(row).rstrip()}" for row in grid]
    return "\n".join([*lines, "+" + "-" * _COLUMNS])


def _draw(network: Noc, points: list[Point], path: Path) -> None:
    from neurosim.files.archive import write_atomically

    figure: Any = importlib.import_module("matplotlib.figure").Figure()
    axes = figure.subplots()
    for name in dict.fromkeys(point.traffic for point in points):
        mine = [point for point in points if point.traffic == name]
        axes.plot([p.rate for p in mine], [p.latency for p in mine], "o-", label=name)
    axes.set(xlabel="flits per router and cycle", ylabel="latency (cycles)", title=_name(network))
    axes.legend()
    image = io.BytesIO()
    figure.savefig(image, dpi=150, format="png")
    write_atomically(path, image.getvalue())
