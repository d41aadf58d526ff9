"""``neurosim report``: show what a run folder holds, as tables, a page, figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurosim_cli.options import FILE, json_option

if TYPE_CHECKING:
    from neurosim.report import Comparison
    from neurosim.results import RunFolder

EXAMPLES = """\b
Examples:
  neurosim report run/
  neurosim report run/ --energy               every term of the energy
  neurosim report run/ --html page.html       one page, no network needed
  neurosim report run/ --html page.html --neurons neuron2:3,7,12-15
  neurosim report run/ --png figures/         PNG files for a paper
  neurosim report run_liaf/ run_lif/          side by side
  neurosim report run_liaf/ run_lif/ --html comparison.html
  neurosim report run/ --json | jq .latency
  neurosim report --schema > report.schema.json
"""


@click.command("report", epilog=EXAMPLES)
@click.argument("folders", nargs=-1, type=FILE)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of report.json.")
@click.option("--energy", is_flag=True, help="Every term: count, unit energy, kind, source.")
@click.option("--html", type=FILE, help="Write a self-contained page to this file.")
@click.option(
    "--neurons",
    multiple=True,
    metavar="LAYER:N,...",
    help="With --html: neurons of a probed layer to show. Repeatable.",
)
@click.option("--png", type=FILE, help="Write figures for papers into this folder.")
@click.option("--perfetto", type=FILE, help="Copy the time line of the run to this file.")
@json_option
def report(
    folders: tuple[Path, ...],
    schema: bool,
    energy: bool,
    html: Path | None,
    neurons: tuple[str, ...],
    png: Path | None,
    perfetto: Path | None,
    as_json: bool,
) -> None:
    """Show the report of a run FOLDER, or several side by side.

    A run with the cycle-level network also shows what that network saw.
    Every file of a folder is checked against its digest first. Runs that stand side by side must
    be of one chip and one number of samples.
    """
    from neurosim.errors import UsageError
    from neurosim.report import compare_runs, report_schema
    from neurosim.results import load_run_folder
    from neurosim_cli.output import show_json

    if schema:
        show_json(report_schema())
        return
    if not folders:
        raise UsageError("report needs a run folder, as written by neurosim simulate -o.")
    if len(folders) > 1 and (energy or neurons or perfetto is not None):
        raise UsageError("--energy, --neurons and --perfetto are about one run; name one folder.")
    found = {str(folder): load_run_folder(folder) for folder in folders}
    if len(found) == 1:
        folder = next(iter(found.values()))
        _one(_choosing(folder, neurons), html, png, perfetto)
        _show_one(folder, energy, as_json)
        return
    comparison = compare_runs({name: folder.report for name, folder in found.items()})
    _several(comparison, html, png, as_json)


def _choosing(folder: RunFolder, neurons: tuple[str, ...]) -> RunFolder:
    """The folder, its page to show other neurons."""
    import dataclasses

    import numpy as np

    from neurosim.report.neuron_choice import parse_choices

    sizes = {name: int(values.shape[2]) for name, values in folder.values.items()}
    found = parse_choices(neurons, sizes, "--neurons")
    shown = {name: np.array(chosen, np.int64) for name, chosen in found.items() if chosen}
    return dataclasses.replace(folder, shown={**folder.shown, **shown})


def _one(folder: RunFolder, html: Path | None, png: Path | None, perfetto: Path | None) -> None:
    """The files that were asked for."""
    from neurosim.errors import UsageError
    from neurosim.report.view import view_of_folder
    from neurosim.results import PERFETTO

    view = view_of_folder(folder)
    if html is not None:
        from neurosim.report.page import run_page

        _write(html, run_page(view).encode())
    if png is not None:
        from neurosim.report.figures import run_figures

        _say_written(run_figures(view, png))
    if perfetto is not None:
        if PERFETTO not in folder.manifest["files"]:
            raise UsageError(
                f"{folder.path}: holds no time line. Run it again with: "
                "neurosim simulate ... --perfetto -o RUN"
            )
        _write(perfetto, (folder.path / PERFETTO).read_bytes())


def _write(path: Path, content: bytes) -> None:
    from neurosim.files.archive import write_atomically

    write_atomically(path, content)
    _say_written([path])


def _say_written(paths: list[Path]) -> None:
    from neurosim_cli.output import remark

    for path in paths:
        remark(f"written: {path}")


def _show_one(folder: RunFolder, energy: bool, as_json: bool) -> None:
    from neurosim.report.network import stats_view
    from neurosim.report.terminal import report_view, terms_view
    from neurosim_cli.output import show, show_json

    data = folder.report
    if energy:
        terms = data["chip"]["energy_terms"]
        if as_json:
            show_json({"energy_terms": terms, "energy_pj": data["energy_pj"]})
        else:
            show(terms_view(data))
    elif as_json:
        show_json(dict(data))
    else:
        show(report_view(data))
        if folder.network is not None:
            show(stats_view(folder.network, folder.chip, folder.counters))


def _several(comparison: Comparison, html: Path | None, png: Path | None, as_json: bool) -> None:
    from neurosim.report.terminal import comparison_view
    from neurosim_cli.output import show, show_json

    if html is not None:
        from neurosim.report.page import comparison_page

        _write(html, comparison_page(comparison).encode())
    if png is not None:
        from neurosim.report.figures import comparison_figures

        _say_written(comparison_figures(comparison, png))
    if as_json:
        show_json(comparison.to_dict())
    else:
        show(comparison_view(comparison))
