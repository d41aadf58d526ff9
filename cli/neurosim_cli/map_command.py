"""``neurosim map``: a checkpoint and a chip in, a program out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import FILE, chip_option, json_option, mapping_options

if TYPE_CHECKING:
    from neurosim.program.columns import Program

EXAMPLES = """\b
Examples:
  neurosim map digits_liaf.nir --chip tianjic -o digits.nsp
  neurosim map digits_liaf.nir --chip tianjic --calibration train.npz \\
      -o digits.nsp
  neurosim map snn.nir --reading snntorch --chip my_chip.yaml -o snn.nsp
  neurosim map snn.nir --chip tianjic --pin input=0,0:0,12 --pin fc:0=3,4 \\
      -o snn.nsp
"""


@click.command("map", epilog=EXAMPLES)
@click.argument("checkpoint", type=FILE)
@chip_option
@click.option("-o", "--output", type=FILE, required=True, help="Program to write (.nsp).")
@mapping_options
@click.option("--ticks", type=int, help="Ticks of static calibration samples.")
@click.option(
    "--against",
    type=FILE,
    help="Recording that the network must give; see neurosim check. Its inputs set the ranges "
    "where nothing else does.",
)
@click.option(
    "--report",
    "report_path",
    type=FILE,
    help="JSON file for what the mapper found; if the network does not fit it is written anyway, "
    "as mapping_report.json beside the program.",
)
@click.option(
    "--placement-out",
    type=FILE,
    help="JSON file for where the cores sit, to be edited and given to --placement.",
)
@json_option
def map_command(
    checkpoint: Path,
    chip: str,
    output: Path,
    report_path: Path | None,
    placement_out: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Map the trained network CHECKPOINT onto a chip and write the program.

    Weights become integers, layers are cut into cores, cores are placed and joined by routes. A
    network that does not fit ends with exit code 4 and the limit that it breaks; what was found by
    then is in mapping_report.json, and no program is written. The same call gives the same file,
    byte by byte.
    """
    from neurosim.chip.files import load_chip
    from neurosim.errors import DoesNotFitError, UnsupportedError
    from neurosim_cli.options import map_checkpoint, read_checkpoint
    from neurosim_cli.output import progress

    load_chip(chip)  # a misspelt chip is found before the checkpoint is read
    with progress(f"mapping {checkpoint.name}"):
        network = read_checkpoint(checkpoint, options["reading"])
        if options["against"] is not None:
            from neurosim_mapper.readers.recording import verified

            network = verified(network, options["against"])
        try:
            program = map_checkpoint(network, chip, options)
        except (DoesNotFitError, UnsupportedError) as error:
            _write_failure(report_path, output, error.report)
            raise
        program.save(output)
        if placement_out is not None:
            from neurosim_mapper.place import write_placement_file

            write_placement_file(program, placement_out)
    _write_report(report_path, program.mapping)
    _show(program, output, as_json)


def _write_failure(path: Path | None, output: Path, report: Mapping[str, Any]) -> None:
    """The report of a mapping that failed; a place of our own choice may refuse it."""
    import contextlib

    from neurosim.errors import NeurosimError
    from neurosim_cli.output import remark

    where = path or output.with_name("mapping_report.json")
    with contextlib.suppress(*(() if path else (NeurosimError, OSError))):
        _write_report(where, report)
        remark(f"written: {where}")


def _write_report(path: Path | None, data: Mapping[str, Any]) -> None:
    import json

    from neurosim.files.archive import write_atomically

    if path is not None:
        write_atomically(path, (json.dumps(dict(data), indent=1) + "\n").encode())


def _show(program: Program, output: Path, as_json: bool) -> None:
    from neurosim.links.chains import chain_sentence
    from neurosim.program.kernels import kernel_sentences
    from neurosim.program.routing_check import routing_sentence
    from neurosim.report.report import chip_facts, program_facts
    from neurosim.report.terminal import layer_table
    from neurosim_cli.output import remark, show, show_json
    from neurosim_mapper.place import placement_sentence

    facts = program_facts(program)
    if as_json:
        show_json({"output": str(output), "chip": chip_facts(program.chip), "program": facts})
        return
    show(layer_table(facts))
    for sentence in facts["mapping"].get("changes", ()):
        remark(f"changed: {sentence}")
    for sentence in (*kernel_sentences(program), *(f"assumed: {a}" for a in program.assumptions)):
        remark(sentence)
    remark(placement_sentence(facts["mapping"]["placement"]))
    remark(routing_sentence(facts["mapping"]["routing_table"]))
    if "relay_chains" in facts["mapping"]:
        remark(chain_sentence(facts["mapping"]["relay_chains"]))
    remark(f"written: {output}")
