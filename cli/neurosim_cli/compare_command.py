"""``neurosim compare``: networks side by side on one chip and one set of samples."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import FILE, input_options, json_option, mapping_options, run_options

if TYPE_CHECKING:
    from neurosim.program.columns import Program
    from neurosim.recoding import SpikeCode
    from neurosim.report import Comparison
    from neurosim.run.simulator import Run

COMPARISON = "comparison.json"
NOT_RETRAINED = "the weights of {name}, not retrained for spikes"
RECODED = "the values of {name} as spike trains; its ticks have sub-ticks"

EXAMPLES = """\b
Examples:
  neurosim compare digits_liaf.nir digits_lif.nir --chip tianjic \\
      --input digits_test.npz -o cmp/
  neurosim compare digits_liaf.nir --chip truenorth_value8 \\
      --input digits_test.npz --noc cycle
  neurosim compare liaf.nsp lif.nsp --input digits_test.npz --json
  neurosim compare liaf.nsp --input digits_test.npz --recode phase:8 \\
      --recode rate:15 --recode ttfs:15
"""


@click.command("compare", epilog=EXAMPLES)
@click.argument("networks", nargs=-1, type=FILE, required=True)
@click.option("--chip", metavar="NAME|FILE", help="Needed for checkpoints; programs have one.")
@input_options
@run_options
@mapping_options
@click.option(
    "--what-if/--no-what-if",
    default=True,
    show_default=True,
    help="Also run each network with values once with spikes, same weights.",
)
@click.option(
    "--recode",
    multiple=True,
    metavar="CODE",
    help="Also send each network's values as spike trains: rate:N, ttfs:N, phase:B. Repeatable.",
)
@click.option("-o", "--output", type=FILE, help="Folder: comparison.json and a folder per run.")
@json_option
def compare(
    networks: tuple[Path, ...],
    noc: str,
    threads: int | None,
    output: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Compare NETWORKS (checkpoints or programs) on one chip and the same samples.

    Shows accuracy, packets, header and payload bits, links, time and energy per inference, what
    a value costs on top of a spike packet, and from which ratio of packets on values are cheaper.
    A checkpoint whose neurons send values is run a second time with spikes instead.
    """
    from neurosim.recoding import SpikeCode
    from neurosim.report import compare_runs
    from neurosim.report.terminal import comparison_view
    from neurosim_cli.output import remark, show, show_json

    codes = tuple(SpikeCode.parse(text) for text in options["recode"])
    if output is not None:
        check_comparison_folder(output)
    runs, notes = {}, {}
    for job in _jobs(networks, codes, options):
        runs[job.name] = _run(job, noc, threads, options)
        notes[job.name] = job.note
    comparison = compare_runs({name: r.report().to_dict() for name, r in runs.items()}, notes)
    if output is not None:
        write_comparison(output, comparison, runs)
    if as_json:
        show_json(comparison.to_dict())
    else:
        show(comparison_view(comparison))
    if output is not None:
        remark(f"written: {output}")


@dataclass(frozen=True)
class _Job:
    """A variant to run; its values are sent as spike trains if it has a code."""

    name: str
    program: Program
    note: str = ""
    code: SpikeCode | None = None


def _jobs(
    paths: tuple[Path, ...], codes: tuple[SpikeCode, ...], options: dict[str, Any]
) -> Iterator[_Job]:
    """Every variant, each network's own one first."""
    import zipfile

    from neurosim.errors import UsageError
    from neurosim.program.columns import load_program
    from neurosim_cli.options import map_checkpoint, read_checkpoint
    from neurosim_cli.output import progress
    from neurosim_mapper.variants import as_spikes, sends_values

    taken: set[str] = set()
    for path in paths:
        name = _free_name(path.stem, taken)
        if path.is_file() and zipfile.is_zipfile(path):
            yield from _with_codes(_Job(name, load_program(path)), codes, taken)
            continue
        if options["chip"] is None:
            raise UsageError(f"{path}: a checkpoint needs --chip, the chip that it is mapped onto.")
        network = read_checkpoint(path, options["reading"])
        with progress(f"mapping {name}"):
            program = map_checkpoint(network, options["chip"], options)
        yield from _with_codes(_Job(name, program), codes, taken)
        if options["what_if"] and sends_values(network):
            with progress(f"mapping {name} with spikes"):
                program = map_checkpoint(as_spikes(network), options["chip"], options)
            note = NOT_RETRAINED.format(name=name)
            yield _Job(_free_name(f"{name}-spikes", taken), program, note)


def _with_codes(job: _Job, codes: tuple[SpikeCode, ...], taken: set[str]) -> Iterator[_Job]:
    """The variant itself; if it sends values, also once with each code."""
    from neurosim.recoding.plan import sends_values

    yield job
    for code in codes if sends_values(job.program) else ():
        name = _free_name(f"{job.name}-{code}".replace(":", ""), taken)
        yield _Job(name, job.program, RECODED.format(name=job.name), code)


def _free_name(stem: str, taken: set[str]) -> str:
    """A name that can be a folder and that no other variant has."""
    base = re.sub(r"[^A-Za-z0-9._-]", "_", stem).lstrip(".") or "network"
    name, number = base, 2
    while name in taken or name in (COMPARISON, "report.html"):
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name


def _run(job: _Job, noc: str, threads: int | None, options: dict[str, Any]) -> Run:
    from neurosim.recoding import simulate_recoded
    from neurosim.run.simulator import simulate
    from neurosim_cli.options import read_samples
    from neurosim_cli.output import progress

    inputs = read_samples(options, job.program.input_shape, options["seed"])
    with progress(f"simulating {job.name}", len(inputs.x)) as advance:
        choices: dict[str, Any] = {
            "noc": noc,
            "labels": inputs.y,
            "threads": threads,
            "progress": advance,
        }
        if job.code is not None:
            return simulate_recoded(job.program, inputs.x, job.code, **choices)
        return simulate(job.program, inputs.x, **choices)


def check_comparison_folder(path: Path) -> None:
    """Raise UsageError if a comparison must not be written at `path`."""
    from neurosim.files.folders import check_replaceable
    from neurosim.results import PAGE, check_run_folder, is_run_folder

    inner = [entry for entry in path.iterdir() if is_run_folder(entry)] if path.is_dir() else []
    check_replaceable(path, COMPARISON, (COMPARISON, PAGE, *(entry.name for entry in inner)))
    for entry in inner:
        check_run_folder(entry)


def write_comparison(path: Path, comparison: Comparison, runs: dict[str, Run]) -> None:
    """The comparison and a run folder per variant, all or nothing."""
    import json

    from neurosim.files.folders import write_folder
    from neurosim.report.page import comparison_page
    from neurosim.results import PAGE, run_files
    from neurosim_cli.options import command_line

    text = json.dumps(comparison.to_dict(), indent=1, allow_nan=False) + "\n"
    page = comparison_page(comparison, {name: f"{name}/{PAGE}" for name in runs})
    files = {COMPARISON: text.encode(), PAGE: page.encode()}
    for name, run in runs.items():
        inner = run_files(run, command=command_line())
        files |= {f"{name}/{file}": content for file, content in inner.items()}
    write_folder(path, files)
