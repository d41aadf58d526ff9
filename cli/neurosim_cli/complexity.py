"""`neurosim complexity`: the operation counts of LIAF-Net, layer by layer and table by table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import FILE, json_option

if TYPE_CHECKING:
    from rich.table import Table

TABLE_NAMES = ("I", "II", "IV", "VII", "IX", "text")

EXAMPLES = """\b
Examples:
  neurosim complexity                             every table of the paper
  neurosim complexity --table I --inputs 400 --cells 128
  neurosim complexity --table II --conv 60,16,16,64,3,3,32
  neurosim complexity --table IX --json
  neurosim complexity digits_liaf.nir --ticks 8   a network's layers
  neurosim complexity digits_liaf.nir --input digits_test.npz
"""


@click.command(
    name="complexity", epilog=EXAMPLES, short_help="Operation counts of LIAF-Net layers."
)
@click.argument("network", type=FILE, required=False)
@click.option(
    "--table",
    "tables",
    type=click.Choice(TABLE_NAMES),
    multiple=True,
    help="Table of the paper; may be repeated. Default: all.",
)
@click.option("--inputs", default=50, show_default=True, help="K: inputs of the layers in Table I.")
@click.option("--cells", default=100, show_default=True, help="L: cells of the layers in Table I.")
@click.option(
    "--conv",
    default="60,32,32,128,3,3,64",
    show_default=True,
    metavar="T,H,W,L,I,J,K",
    help="Layer for Table II: ticks, output height, width, channels, kernel, input channels.",
)
@click.option("--input", "input_path", type=FILE, help="npz with x, for a NETWORK.")
@click.option("--ticks", type=int, help="Ticks of a NETWORK without --input.")
@click.option("--samples", type=int, help="Use the first N samples.  [default: all]")
@click.option("--chip", default="tianjic", show_default=True, metavar="NAME|FILE",
              help="Whose integers a NETWORK is turned into.")  # fmt: skip
@click.option("--reading", metavar="NAME", help="Framework that a foreign file was trained in.")
@json_option
def complexity(
    network: Path | None,
    tables: tuple[str, ...],
    inputs: int,
    cells: int,
    conv: str,
    chip: str,
    as_json: bool,
    **options: Any,
) -> None:
    """Print multiplications, additions and weights by the formulas of LIAF-Net.

    Of the checkpoint NETWORK: every layer, with --input also the operations that the packets of
    these samples really cause (a zero is not sent); a GRU or LSTM is one row, its operations are
    those of all its parts. Without a network, the tables of the paper.

    Tables I and II are evaluated for a layer of your choice. Tables IV, VII and IX stand beside
    the printed entries: "cut" or "rounded" means that the paper prints the computed number with
    two digits, "deviates" that it does not follow from the formulas.
    """
    from neurosim_cli.network_costs import costs_table, network_costs
    from neurosim_cli.output import show, show_json

    if network is not None:
        facts = network_costs(network, chip, options)
        if as_json:
            show_json(facts)
        else:
            show(costs_table(facts))
        return
    chosen = tables or TABLE_NAMES
    result = collect(chosen, inputs, cells, conv)
    if as_json:
        show_json(result)
        return
    for name in chosen:
        show(_rich_table(name, result[name]))


def collect(tables: tuple[str, ...], inputs: int, cells: int, conv: str) -> dict[str, Any]:
    """The content of the tables as plain values, for JSON and for printing."""
    from neurosim_mapper import complexity as formulas
    from neurosim_mapper import paper_tables

    result: dict[str, Any] = {}
    for name in tables:
        if name == "I":
            dense = formulas.DenseShape(inputs, cells)
            costs = {kind: f(dense) for kind, f in formulas.DENSE_LAYERS.items()}
            result[name] = _costs(costs, formulas.FORMULAS)
        elif name == "II":
            shape = _conv_shape(conv)
            costs = {kind: f(shape) for kind, f in formulas.CONV_LAYERS.items()}
            result[name] = _costs(costs, formulas.FORMULAS)
        elif name == "text":
            result[name] = [
                {
                    "what": saving.what,
                    "printed_percent": saving.printed_percent,
                    "computed_percent": saving.computed_percent,
                    "agrees": saving.agrees,
                }
                for saving in paper_tables.savings()
            ] + _overhead()
        else:
            result[name] = [
                {
                    "row": entry.row,
                    "column": entry.column,
                    "printed": entry.printed,
                    "computed": entry.computed,
                    "match": entry.match,
                    "note": entry.note,
                }
                for entry in paper_tables.TABLES[name]()
            ]
    return result


def _overhead() -> list[dict[str, Any]]:
    from neurosim_mapper.paper_tables import payload_overhead

    bases = ("of the new packet", "on top of the spike packet")
    return [
        {
            "what": f"Section V: 8 bits after a 32-bit packet, {base}",
            "printed_percent": 20.0,
            "computed_percent": percent,
            "agrees": percent == 20.0,
        }
        for base, percent in zip(bases, payload_overhead(), strict=True)
    ]


def _costs(
    costs: dict[str, Any], formulas: dict[str, tuple[str, str, str]]
) -> list[dict[str, Any]]:
    return [
        {
            "layer": kind,
            "muls": cost.muls,
            "adds": cost.adds,
            "weights": cost.weights,
            "formulas": list(formulas[kind]),
        }
        for kind, cost in costs.items()
    ]


def _conv_shape(text: str) -> Any:
    from neurosim_mapper.complexity import ConvShape

    try:
        t, h, w, channels, i, j, k = (int(part) for part in text.split(","))
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} must be seven whole numbers T,H,W,L,I,J,K.", param_hint="--conv"
        ) from error
    return ConvShape(t, h, w, channels, (i, j), k)


def _rich_table(name: str, rows: list[dict[str, Any]]) -> Table:
    if name in ("I", "II"):
        return _formula_table(name, rows)
    return _text_table(rows) if name == "text" else _paper_table(name, rows)


def _formula_table(name: str, rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    per = "per step" if name == "I" else "all steps"
    table = Table(title=f"Table {name}: operations ({per}) and weights", width=80)
    table.add_column("layer")
    for column in ("MULs", "ADDs", "weights"):
        table.add_column(column, justify="right", overflow="fold")
    for row in rows:
        values = (row["muls"], row["adds"], row["weights"])
        cells = (f"{f}\n{v:,}" for f, v in zip(row["formulas"], values, strict=True))
        table.add_row(row["layer"], *cells)
    return table


def _paper_table(name: str, rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(title=f"Table {name}: printed and computed", width=80)
    for column in ("network", "entry"):
        table.add_column(column, overflow="fold")
    for column in ("printed", "computed"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("match", no_wrap=True)
    notes = {row["note"]: "" for row in rows if row["note"]}
    for mark, note in zip("abcdefgh", notes, strict=False):
        notes[note] = mark
    for row in rows:
        mark = f" ({notes[row['note']]})" if row["note"] else ""
        printed = f"{row['printed']:.1e}"
        table.add_row(
            row["row"], row["column"], printed, f"{row['computed']:,}", row["match"] + mark
        )
    if notes:
        table.caption = "\n".join(f"({mark}) {note}." for note, mark in notes.items())
        table.caption_justify = "left"
    return table


def _text_table(rows: list[dict[str, Any]]) -> Table:
    from rich.table import Table

    table = Table(title="Percentages in the text", width=80)
    table.add_column("statement", overflow="fold")
    table.add_column("printed", justify="right")
    table.add_column("computed", justify="right")
    table.add_column("agrees")
    for row in rows:
        table.add_row(
            row["what"],
            f"{row['printed_percent']:g} %",
            f"{row['computed_percent']:.2f} %",
            "yes" if row["agrees"] else "no",
        )
    return table
