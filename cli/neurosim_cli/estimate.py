"""``neurosim estimate``: cores, packets and memory from shapes alone, before any mapping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import FILE, chip_option, json_option

if TYPE_CHECKING:
    from rich.table import Table

EXAMPLES = """\b
Examples:
  neurosim estimate vgg16.nir --chip tianjic_array
  neurosim estimate snn.nir --reading snntorch --chip my_chip.yaml --json
"""


@click.command("estimate", epilog=EXAMPLES)
@click.argument("checkpoint", type=FILE)
@chip_option
@click.option("--reading", metavar="NAME", help="Framework that a foreign NIR file was trained in.")
@json_option
def estimate_command(checkpoint: Path, chip: str, reading: str | None, as_json: bool) -> None:
    """Say what CHECKPOINT would need on a chip: cores, packets, memory.

    Only shapes are looked at, weights may be untrained; zeros among the many weights of a pruned
    layer, which could save axons, are not seen. Ends with exit code 4 if the network does not fit,
    and says what would.
    """
    from neurosim.chip.files import load_chip
    from neurosim.errors import DoesNotFitError
    from neurosim_cli.options import read_checkpoint
    from neurosim_cli.output import remark, show, show_json
    from neurosim_mapper.estimate import estimate

    target = load_chip(chip)
    facts = estimate(read_checkpoint(checkpoint, reading, shapes_only=True), target)
    if as_json:
        show_json(facts)
    else:
        show(_table(facts))
        for sentence in (*facts["changes"], *facts["notes"]):
            remark(sentence)
        click.echo(_summary(facts))
    if not facts["fits"]:
        error = DoesNotFitError(facts["reason"])
        error.report = facts
        raise error


def _table(facts: dict[str, Any]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("layer", no_wrap=True)
    for heading in ("neurons", "tile", "tiles", "parts", "axons", "routing\nentries", "memory\nKB"):
        table.add_column(heading, justify="right")
    for row in facts["layers"]:
        table.add_row(
            row["layer"],
            f"{row['neurons']:,}",
            "x".join(str(n) for n in row["tile"]),
            f"{row['tiles']:,}",
            str(row["fragments_per_tile"]),
            f"{row['axons']:,}",
            f"{row['routing_entries']:,}",
            f"{row['synapse_bytes'] / 1024:,.0f}",
        )
    return table


def _summary(facts: dict[str, Any]) -> str:
    most, tables = facts["packets_per_tick_at_most"], facts["routing_table"]
    limit = "not limited" if tables["limit"] is None else f"limit {tables['limit']}"
    return (
        f"{facts['cores']:,} cores of {facts['cores_available']:,} ({facts['chips']} chips; "
        f"at least {facts['simple_bound']:,} for {facts['neurons']:,} neurons), "
        f"{facts['synapse_bytes'] / 2**20:,.1f} MB of weights, per tick at most "
        f"{most['copies']:,} deliveries and {most['partial_sums']:,} partial sums; "
        f"up to {tables['entries_max']:,} routing entries per core and layer ({limit})."
    )
