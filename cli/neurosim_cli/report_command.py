"""``neurosim report``: show what a run folder holds."""

from __future__ import annotations

from pathlib import Path

import click

from neurosim_cli.options import FILE, json_option

EXAMPLES = """\b
Examples:
  neurosim report run/
  neurosim report run_liaf/ run_lif/          side by side
  neurosim report run/ --json | jq .latency
  neurosim report --schema > report.schema.json
"""


@click.command("report", epilog=EXAMPLES)
@click.argument("folders", nargs=-1, type=FILE)
@click.option("--schema", is_flag=True, help="Print the JSON Schema of report.json.")
@json_option
def report(folders: tuple[Path, ...], schema: bool, as_json: bool) -> None:
    """Show the report of a run FOLDER, or several side by side.

    A run with the cycle-level network also shows what that network saw.
    Every file of a folder is checked against its digest first. Runs that stand side by side must
    be of one chip and one number of samples.
    """
    from neurosim.errors import UsageError
    from neurosim.report import compare_runs, report_schema
    from neurosim.report.network import stats_view
    from neurosim.report.terminal import comparison_view, report_view
    from neurosim.results import load_run_folder
    from neurosim_cli.output import show, show_json

    if schema:
        show_json(report_schema())
        return
    if not folders:
        raise UsageError("report needs a run folder, as written by neurosim simulate -o.")
    found = {str(folder): load_run_folder(folder) for folder in folders}
    reports = {name: run.report for name, run in found.items()}
    if len(reports) == 1:
        run = next(iter(found.values()))
        if as_json:
            show_json(run.report)
            return
        show(report_view(run.report))
        if run.network is not None:
            show(stats_view(run.network, run.chip, run.counters))
        return
    comparison = compare_runs(reports)
    if as_json:
        show_json(comparison.to_dict())
    else:
        show(comparison_view(comparison))
