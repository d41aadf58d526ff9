"""``neurosim describe``: the tensors of a checkpoint, and a description with blanks to fill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurosim_cli.options import FILE, json_option

EXAMPLES = """\b
Examples:
  neurosim describe net.pt
  neurosim describe net.pt -o net.yaml
"""


@click.command("describe", epilog=EXAMPLES)
@click.argument("checkpoint", type=FILE)
@click.option("-o", "--output", type=FILE, help="Description to write (.yaml).")
@click.option("--force", is_flag=True, help="Replace a description that is there.")
@json_option
def describe(checkpoint: Path, output: Path | None, force: bool, as_json: bool) -> None:
    """List the tensors of CHECKPOINT (.pt, .safetensors, .npz) and describe its architecture.

    Such a file holds numbers, but neither layers nor how neurons step. With -o a YAML file is
    written that says both, guessed from names and shapes, with a ? where you know better. Nothing
    in the checkpoint is executed.
    """
    import os

    from neurosim.errors import UsageError
    from neurosim.files.archive import write_atomically
    from neurosim.files.needed import need_file
    from neurosim_cli.output import remark, show_json
    from neurosim_mapper.readers.state_dict import read_state_dict
    from neurosim_mapper.readers.template import describe_state, guess_framework, template

    need_file(checkpoint)
    state = read_state_dict(checkpoint)
    rows, framework = describe_state(state), guess_framework(state)
    text = None
    if output is not None:
        if output.exists() and not force:
            raise UsageError(f"{output} is there already; --force replaces it.")
        text = template(state, os.path.relpath(checkpoint, output.parent))
        write_atomically(output, text.encode())
    if as_json:
        show_json(
            {
                "checkpoint": str(checkpoint),
                "format": state.format,
                "framework": framework,
                "tensors": rows,
                "notes": list(state.notes),
                "output": None if output is None else str(output),
            }
        )
        return
    _show(rows)
    for note in state.notes:
        remark(f"note: {note}")
    remark(f"The names look like {framework}." if framework else "No framework is recognised.")
    if text is not None:
        n_blank = text.count(": '?'") + text.count(': "?"') + text.count(": ?")
        remark(f"written: {output}, {n_blank} blanks (?) to fill.")
    else:
        remark(f"Describe it with: neurosim describe {checkpoint.name} -o {checkpoint.stem}.yaml")


def _show(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    from neurosim_cli.output import show

    table = Table(box=None, pad_edge=False)
    for title in ("tensor", "shape", "type", "range", ""):
        table.add_column(title, overflow="fold")
    for row in rows:
        limits = "" if row["min"] is None else f"{row['min']:.4g} .. {row['max']:.4g}"
        shape = " x ".join(map(str, row["shape"])) or "scalar"
        left = "left-over state" if row["state"] else ""
        table.add_row(row["tensor"], shape, row["dtype"], limits, left)
    show(table)
