"""``neurosim check``: does a checkpoint do what its framework recorded?"""

from __future__ import annotations

from pathlib import Path

import click

from neurosim_cli.options import FILE, json_option

EXAMPLES = """\b
Examples:
  neurosim check snn.nir --reading snntorch --against recorded.npz
  neurosim check snn.nir --against recorded.npz \\
      --reading snntorch,reset=hard
  neurosim check net.yaml --against recorded.npz
"""

_DIFFERENT = 3


@click.command("check", epilog=EXAMPLES)
@click.argument("network", type=FILE)
@click.option(
    "--against",
    type=FILE,
    required=True,
    help="npz with x (samples, ticks, ...) and spikes or outputs, what the framework gave.",
)
@click.option(
    "--reading",
    metavar="NAME[,CHOICE=VALUE...]",
    help="Framework that the file was trained in, and choices that differ from its defaults.",
)
@click.option(
    "--tolerance",
    default=1e-5,
    show_default=True,
    type=click.FloatRange(min=0),
    help="Largest difference of values that are no spikes.",
)
@json_option
@click.pass_context
def check(
    ctx: click.Context,
    network: Path,
    against: Path,
    reading: str | None,
    tolerance: float,
    as_json: bool,
) -> None:
    """Run NETWORK in float and compare every output with a recording of its framework.

    Nothing is mapped. The exit code is 3 if a single value differs; the first one is named, in the
    layer where it begins if spikes_<layer> are recorded, too.
    """
    from neurosim.errors import InputFileError
    from neurosim_cli.options import read_checkpoint
    from neurosim_cli.output import remark, show_json
    from neurosim_mapper.readers.recording import compare_with_recording, not_in_file

    found = read_checkpoint(network, reading)
    result = compare_with_recording(found, against, tolerance)
    if as_json:
        show_json(
            {
                "network": str(network),
                "recording": str(against),
                **result.as_dict(),
                "assumptions": list(found.assumptions),
            }
        )
        if not result.agrees:
            ctx.exit(_DIFFERENT)
        return
    for sentence in found.assumptions:
        remark(f"assumed: {sentence}")
    if not result.agrees:
        said = result.sentence(str(against))
        raise InputFileError(f"{network}: {said}.{not_in_file(found)}")
    click.echo(f"{network}: {result.sentence(str(against))}.")
