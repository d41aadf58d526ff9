"""``neurosim chips``: the shipped chips, one chip in detail, or the JSON Schema of chip files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.output import show

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from neurosim.chip.model import Chip, Source

EXAMPLES = """\b
Examples:
  neurosim chips                          the shipped chips
  neurosim chips tianjic                  one chip, numbers with their sources
  neurosim chips my_chip.yaml             check a chip file of your own
  neurosim chips --json                   the list, for a script
  neurosim chips tianjic --json           the complete chip, as a chip file
  neurosim chips --schema > schema.json   for editors that complete YAML
"""


@click.command("chips", epilog=EXAMPLES)
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of chip files.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def chips(name: str | None, schema: bool, as_json: bool) -> None:
    """List the shipped chips, or show the chip NAME (a shipped name or a .yaml file).

    \b
    Each number comes with its source and one of three kinds:
      published    found in the named publication
      derived      calculated from published numbers, as stated
      assumption   not published; the reason is given
    """
    from neurosim.chip.files import builtin_chips, chip_schema, load_chip
    from neurosim.errors import UsageError

    if schema:
        if name is not None:
            raise UsageError(f"--schema is one for all chips: leave out NAME {name!r}.")
        click.echo(json.dumps(chip_schema(), indent=2))
    elif name is not None:
        chip = load_chip(name)
        if as_json:
            click.echo(json.dumps(chip.to_dict(), indent=2))
        else:
            _show(chip)
    else:
        summaries = [_summary(load_chip(entry)) for entry in builtin_chips()]
        if as_json:
            click.echo(json.dumps(summaries, indent=2))
        else:
            _list(summaries)


def _summary(chip: Chip) -> dict[str, Any]:
    """What the list says about a chip; `analog_bits` is None if it sends no values."""
    sends_values = "analog" in chip.core.output_kinds
    return {
        "name": chip.name,
        "description": chip.description,
        "array": [chip.array.wide, chip.array.high],
        "grid": [chip.grid.wide, chip.grid.high],
        "cores": chip.n_cores,
        "axons_per_core": chip.core.axons,
        "neurons_per_core": chip.core.neurons,
        "spike_bits": chip.packet_bits("spike"),
        "analog_bits": chip.packet_bits("analog") if sends_values else None,
    }


def _list(summaries: list[dict[str, Any]]) -> None:
    table = _table()
    table.add_column("chip", no_wrap=True)
    for heading in ("grid", "cores", "axons", "neurons", "spike\nbits", "value\nbits"):
        table.add_column(heading, justify="right")
    for chip in summaries:
        grid = _by(chip["array"], chip["grid"])
        numbers = (chip["cores"], chip["axons_per_core"], chip["neurons_per_core"])
        bits = (chip["spike_bits"], chip["analog_bits"])
        table.add_row(chip["name"], grid, *map(_number, (*numbers, *bits)))
    show(
        table,
        "",
        "Axons and neurons per core, bits per packet. grid 4x4 of 12x13: chips of cores.",
        "One chip with the source of every number: neurosim chips NAME",
    )


def _by(array: list[int], grid: list[int]) -> str:
    """``12x13``, or ``4x4 of 12x13`` for an array."""
    cores = f"{grid[0]}x{grid[1]}"
    return cores if array == [1, 1] else f"{array[0]}x{array[1]} of {cores}"


def _show(chip: Chip) -> None:
    """Sizes, one table per section, and the numbered sources below."""
    views: list[RenderableType] = [f"{chip.name}: {chip.description}\n", _sizes(chip)]
    notes: dict[str, int] = {}
    for title, rows in _sections(chip):
        table = _plain_table(title)
        table.add_column(min_width=24)
        table.add_column(justify="right", min_width=10, max_width=28, overflow="fold")
        table.add_column()
        table.add_column(justify="right")
        for key, value, source in rows:
            kind = source.kind if source else ""
            note = f"[{notes.setdefault(source.source, len(notes) + 1)}]" if source else ""
            table.add_row(key, value, kind, note)
        views += ["", table]
    sources = _plain_table()
    sources.add_column(justify="right")
    sources.add_column(overflow="fold")
    for text, number in notes.items():
        sources.add_row(f"[{number}]", text)
    show(*views, "\nSources", sources, f"\n{_kinds(chip)}")


def _sizes(chip: Chip) -> str:
    """What follows from the numbers: cores, packet sizes, overhead of a value."""
    spike, value = chip.packet_bits("spike"), chip.packet_bits("analog")
    grid = _by([chip.array.wide, chip.array.high], [chip.grid.wide, chip.grid.high])
    dead = chip.n_cores - len(chip.usable_cores)
    lines = [f"{grid} cores, {chip.n_cores:,} in all" + (f", {dead} of them dead" if dead else "")]
    if "analog" in chip.core.output_kinds:
        more = value - spike
        lines.append(
            f"spike packet {spike} bits, packet with value {value} bits: {more / spike:.0%} of the "
            f"spike packet, {more / value:.0%} of the new packet"
        )
    else:
        lines.append(f"spike packet {spike} bits, no packets with values")
    return "\n".join(lines)


def _sections(chip: Chip) -> list[tuple[str, list[tuple[str, str, Source | None]]]]:
    """(title, rows of key, value, source) of each section of the chip file."""
    sections = []
    for title, content in chip.to_dict().items():
        if not isinstance(content, dict) or title == "array":
            continue
        rows = []
        for key, value in content.items():
            source = chip.source_of(f"{title}.{key}") if _has_source(value) else None
            number = value["value"] if isinstance(value, dict) else value
            rows.append((key, _text(number), source))
        sections.append((title, rows))
    return sections


def _has_source(value: Any) -> bool:
    """Whether a value is a number, or holds numbers; switches and choices have no source."""
    if isinstance(value, list):
        return any(isinstance(entry, dict) for entry in value)
    return isinstance(value, (int, float, dict)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, list):
        entries = (
            f"{entry['name']} {entry['bits']}" if isinstance(entry, dict) else str(entry)
            for entry in value
        )
        return ", ".join(entries)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    return _number(value)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"


def _kinds(chip: Chip) -> str:
    """How many numbers of energy and timing are of each kind."""
    given = [*dict(chip.energy).values(), *dict(chip.timing).values()]
    quantities = [quantity for quantity in given if quantity is not None]
    words = {"published": "published", "derived": "derived", "assumption": "assumed"}
    counts = [
        f"{sum(quantity.kind == kind for quantity in quantities)} {word}"
        for kind, word in words.items()
    ]
    return f"Of {len(quantities)} energies and times: {', '.join(counts)}."


def _table() -> Table:
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)


def _plain_table(title: str | None = None) -> Table:
    from rich.table import Table

    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        show_header=False,
        padding=(0, 1, 0, 2),
    )
