"""Tables for the terminal, at most 80 columns wide.

Enters: the plain data of ``report.json`` or a `Comparison`. Leaves: rich renderables (``*_view``)
or text (``*_text``). Nothing is printed here.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from neurosim.report.units import count, engineering, percent, picojoules

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table

    from neurosim.report.comparison import Comparison, Variant

WIDTH: Final = 80
_PARTS: Final = ("synapse", "soma", "router", "link", "io", "static", "total")
_MOST_COLUMNS: Final = 3


def report_text(data: Mapping[str, Any]) -> str:
    """The tables of one report as plain text."""
    return text_of(report_view(data))


def comparison_text(comparison: Comparison) -> str:
    """The tables of a comparison as plain text."""
    return text_of(comparison_view(comparison))


def text_of(view: RenderableType, width: int = WIDTH) -> str:
    """Plain text of a renderable, without colours."""
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None, highlight=False).print(view)
    return stream.getvalue()


def report_view(data: Mapping[str, Any]) -> Group:
    """Everything that a person wants to see of one run."""
    from rich.console import Group
    from rich.text import Text

    chip, program = data["chip"], data["program"]
    title = Text(f"{program['name']} on {chip['name']}, {chip['noc_model']} network", style="bold")
    return Group(
        title,
        layer_table(program),
        _pairs("Result", _result_rows(data)),
        _pairs("Traffic per inference", _traffic_rows(data)),
        _pairs("Time", _time_rows(data)),
        *([floorline_table(data["chip"]["floorline"])] if "floorline" in data["chip"] else []),
        energy_table(data),
        Text(kinds_sentence(chip["energy_terms"])),
        *([Text(data["chip"]["floorline"]["sentence"])] if "floorline" in data["chip"] else []),
    )


def layer_table(program: Mapping[str, Any]) -> Table:
    """Where the layers went, and how full their cores are."""
    from rich.table import Table

    used, available = program["cores_used"], program["cores_available"]
    share = percent(used / available if available else 0.0)
    title = f"Fits: {used} of {available} cores ({share})"
    if program["phases"] > 1:
        title = f"Fits: {used} cores in {program['phases']} phases of at most {available}"
    table = Table(title=title, title_justify="left")
    table.add_column("layer", overflow="fold", max_width=22)
    for name in ("shape", "sends", "neurons", "cores", "axons", "neur.", "syn."):
        table.add_column(name, justify="right")
    for layer in program["layers"]:
        table.add_row(
            layer["name"],
            "x".join(str(n) for n in layer["shape"]),
            layer["sends"],
            count(layer["neurons"]),
            count(layer["cores"]),
            *(f"{100 * layer[key]:.0f} %" for key in SHARES),
        )
    return table


SHARES: Final = ("axon_share", "neuron_share", "synapse_share")


def floorline_table(line: Mapping[str, Any]) -> Table:
    """Where the time goes, and the worst place of each bound."""
    from rich.table import Table

    table = Table(title="Floorline: what the time is spent on", title_justify="left")
    for name in ("cause", "share", "faster"):
        table.add_column(name, justify="left" if name == "cause" else "right", no_wrap=True)
    table.add_column("most often", overflow="fold")
    total = sum(line["cycles"].values()) or 1
    for cause, cycles in line["cycles"].items():
        worst = next((b for b in line["binders"] if b["bound"] == cause), None)
        if not cycles:
            continue
        faster = f"<= {line['speedup'][cause]:.2f} x" if cause in line["speedup"] else ""
        table.add_row(cause, percent(cycles / total), faster, _place(worst))
    return table


def _place(binder: Mapping[str, Any] | None) -> str:
    if binder is None:
        return ""
    layers = f", {' + '.join(binder['layers'])}" if binder["layers"] else ""
    return f"{binder['place']}{layers}: {count(binder['ticks'])} ticks"


def terms_view(data: Mapping[str, Any]) -> Group:
    """Every term of the energy of all samples; terms add up to the total as shown."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    terms = data["chip"]["energy_terms"]
    shown = picojoules([*(t["energy_pj"] for t in terms), data["energy_pj"]["total"]], digits=6)
    table = Table(title="Energy of all samples, term by term", title_justify="left")
    for name in ("part", "count of", "count", "each", "energy", "kind"):
        table.add_column(name, justify="right" if name in ("count", "each", "energy") else "left")
    for term, text in zip(terms, shown, strict=False):
        static = term["part"] == "static"
        number = engineering(term["count"], "s") if static else count(term["count"])
        unit = f"{term['unit_energy']:.6g} {'W' if static else 'pJ'}"
        table.add_row(term["part"], term["counter"], number, unit, text, term["kind"])
    table.add_section()
    table.add_row("total", "", "", "", shown[-1], "", style="bold")
    sources: dict[str, list[str]] = {}
    for term in terms:
        sources.setdefault(term["source"], []).append(term["key"])
    lines = [Text(f"{', '.join(keys)}: {source}") for source, keys in sources.items()]
    return Group(table, Text("Sources of the unit energies", style="bold"), *lines)


def energy_table(data: Mapping[str, Any]) -> Table:
    """Energy per inference by part; the parts add up to the total as shown."""
    from rich.table import Table

    samples = max(1, data["samples"])
    parts = data["energy_pj"]
    shown = picojoules([parts[name] / samples for name in _PARTS])
    table = Table(title="Energy per inference", title_justify="left")
    table.add_column("part")
    table.add_column("energy", justify="right")
    table.add_column("share", justify="right")
    for name, text in zip(_PARTS, shown, strict=True):
        share = parts[name] / parts["total"] if parts["total"] else 0.0
        table.add_row(name, text, percent(share), style="bold" if name == "total" else None)
    table.add_section()
    table.add_row("mean power", engineering(data["power_w"], "W"), "")
    return table


def kinds_sentence(terms: Sequence[Mapping[str, Any]]) -> str:
    """How sure the energy is: the share of it that rests on each kind of number."""
    total = sum(term["energy_pj"] for term in terms)
    if not total:
        return "No energy was spent."
    by_kind = {
        kind: sum(term["energy_pj"] for term in terms if term["kind"] == kind)
        for kind in ("published", "derived", "assumption")
    }
    shares = ", ".join(f"{percent(pj / total)} {kind}" for kind, pj in by_kind.items() if pj)
    return f"Energy by the kind of the chip's numbers: {shares}."


def _result_rows(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [("samples", count(data["samples"])), ("ticks per sample", count(data["ticks"]))]
    together = data["program"].get("samples_at_once", 1)
    if together > 1:
        rows.append(("samples that take turns", count(together)))
    if data["accuracy"] is not None:
        rows.append(("accuracy", percent(data["accuracy"])))
    return rows


def _traffic_rows(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    counts, samples = data["counts"], max(1, data["samples"])
    bandwidth = data["bandwidth"]

    def each(name: str) -> str:
        return count(counts[name] / samples)

    header = (counts["bits_sent"] - counts["payload_bits"]) / samples
    rows = [
        ("packets from cores", each("packets")),
        ("packets from the host", each("input_packets")),
        ("of all: spikes", each("spike_packets")),
        ("of all: values", each("analog_packets")),
    ]
    if counts["psum_packets"]:
        rows.append(("of all: partial sums", each("psum_packets")))
    return [
        *rows,
        ("header bits", count(header)),
        ("payload bits", each("payload_bits")),
        ("bits", each("bits_sent")),
        ("bits x links crossed", each("bit_hops")),
        ("busiest link", bandwidth["peak_link"] or "none"),
        ("  bits in its busiest tick", count(bandwidth["peak_link_bits_per_tick"])),
        ("mean bits per link and tick", f"{bandwidth['mean_link_bits_per_tick']:.3g}"),
    ]


def _time_rows(data: Mapping[str, Any]) -> list[tuple[str, str]]:
    latency, samples = data["latency"], max(1, data["samples"])
    binding = sum(latency["bound"].values())
    shares = ", ".join(
        f"{name} {percent(n / binding if binding else 0.0)}" for name, n in latency["bound"].items()
    )
    rows = [
        ("cycles per inference", count(latency["cycles_total"] / samples)),
        ("cycles per tick, mean", count(latency["cycles_per_tick_mean"])),
        ("cycles per tick, most", count(latency["cycles_per_tick_max"])),
        ("time per inference", engineering(latency["seconds_per_sample"], "s")),
        ("ticks bound by", shares),
    ]
    if data["counts"]["reload_cycles"]:
        cycles = count(data["counts"]["reload_cycles"] / samples)
        rows.append(("cycles spent reloading", cycles))
        rows.append(("bits reloaded", count(data["counts"]["reload_bits"] / samples)))
    if latency["overruns"]:
        rows.append(("overruns", f"{count(latency['overruns'])} ticks too short"))
    return rows


def _pairs(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column("what")
    table.add_column("value", justify="right", overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def comparison_view(comparison: Comparison) -> Group:
    """Variants as columns, figures as rows, then what follows from them."""
    from rich.console import Group
    from rich.text import Text

    chip, overhead = comparison.chip, comparison.payload_overhead
    title = (
        f"{len(comparison.variants)} variants on {chip['name']}, {chip['noc_model']} network, "
        f"{comparison.samples} samples"
    )
    sizes = comparison.packet_bits
    packets = (
        f"A spike packet has {sizes['spike']} bits, one with a value {sizes['analog']}: "
        f"{percent(overhead['of_spike_packet'])} of the spike packet, "
        f"{percent(overhead['of_analog_packet'])} of the new one."
    )
    notes = [f"{v.name}: {v.note}" for v in comparison.variants if v.note]
    verdicts = [pair.verdict for pair in comparison.pairs]
    return Group(
        Text(title, style="bold"),
        *_variant_tables(comparison.variants),
        *([_relative_table(comparison)] if len(comparison.variants) > 1 else []),
        Text(packets),
        *(Text(line) for line in (*verdicts, *notes)),
    )


def _relative_table(comparison: Comparison) -> Table:
    """One row per variant, each figure by that of the first."""
    from rich.table import Table

    table = Table(title=f"By {comparison.variants[0].name}, per inference", title_justify="left")
    table.add_column("", overflow="fold", max_width=24)
    for name in RELATIVE.values():
        table.add_column(name, justify="right")
    for row in comparison.relative:
        figures = (getattr(row, key) for key in RELATIVE)
        shown = ("-" if n is None else f"{n:.2f}" for n in figures)
        table.add_row(row.name, *shown)
    return table


RELATIVE: Final = {
    "cores": "cores",
    "packets": "packets",
    "bits": "bits",
    "bit_hops": "bits x links",
    "cycles": "cycles",
    "energy": "energy",
}
"""Columns of the table of `neurosim.report.comparison.Relative`."""


def _variant_tables(variants: Sequence[Variant]) -> list[Table]:
    """As many columns as fit the width beside each other."""
    starts = range(0, len(variants), _MOST_COLUMNS)
    return [_variant_table(variants[at : at + _MOST_COLUMNS]) for at in starts]


def _variant_table(variants: Sequence[Variant]) -> Table:
    from rich.table import Table

    table = Table(title="Per inference", title_justify="left")
    table.add_column("", no_wrap=True)
    for variant in variants:
        table.add_column(variant.name, justify="right", overflow="fold")
    for row in _variant_rows(variants):
        table.add_row(*row, style="bold" if row[0] == "energy" else None)
    return table


def _variant_rows(variants: Sequence[Variant]) -> list[tuple[str, ...]]:
    energies = [picojoules([v.energy_pj[part] for part in _PARTS]) for v in variants]

    def row(name: str, values: Iterable[str]) -> tuple[str, ...]:
        return (name, *values)

    return [
        row("hidden layers send", (v.sends for v in variants)),
        row("cores", (count(v.cores) for v in variants)),
        row("accuracy", (percent(v.accuracy) for v in variants)),
        row("silent neurons", (percent(v.silent_share) for v in variants)),
        row("packets, cores", (count(v.packets) for v in variants)),
        row("packets, host", (count(v.input_packets) for v in variants)),
        row("header bits", (count(v.header_bits) for v in variants)),
        row("payload bits", (count(v.payload_bits) for v in variants)),
        row("bits", (count(v.bits) for v in variants)),
        row("  if none had a value", (count(v.if_bare_bits) for v in variants)),
        row("  if all had a value", (count(v.if_payload_bits) for v in variants)),
        row("bits x links", (count(v.bit_hops) for v in variants)),
        row("busiest link", (v.peak_link or "none" for v in variants)),
        row("  bits in one tick", (count(v.peak_link_bits_per_tick) for v in variants)),
        row("cycles", (count(v.cycles) for v in variants)),
        row("time", (engineering(v.seconds, "s") for v in variants)),
        *(
            row(f"  {part}" if part != "total" else "energy", (e[i] for e in energies))
            for i, part in enumerate(_PARTS)
        ),
        row("mean power", (engineering(v.power_w, "W") for v in variants)),
    ]
