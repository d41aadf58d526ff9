"""``neurosim sweep``: a study of many points in, a table and its Pareto front out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from neurosim_cli.options import FILE, json_option

if TYPE_CHECKING:
    from rich.table import Table

    from neurosim_mapper.sweep import Sweep

SHOWN: Final = 20
ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
EXAMPLES = """\b
Examples:
  neurosim sweep examples/sweep_digits.yaml -o out/
  neurosim sweep study.yaml -o out/ --workers 4
  neurosim sweep study.yaml -o out/ --dask tcp://10.0.0.5:8786
  neurosim sweep --schema > study.schema.json
"""


@click.command("sweep", epilog=EXAMPLES)
@click.argument("study", type=FILE, required=False)
@click.option("-o", "--output", type=FILE, help="Folder for points and results.")
@click.option("--workers", type=int, help="Processes.  [default: one per processor]")
@click.option("--dask", metavar="ADDRESS", help="Compute on the workers of a Dask scheduler.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of study files.")
@json_option
def sweep(
    study: Path | None,
    output: Path | None,
    workers: int | None,
    dask: str | None,
    schema: bool,
    as_json: bool,
) -> None:
    """Run every point of STUDY (.yaml): networks, chips, codings, mapper options, seeds.

    Finished points are kept in the output folder: the same command goes on where a stopped sweep
    was, and a changed study computes only what it changed. A point that fails is recorded with
    its reason. The table, the page and the Pareto front are in OUTPUT/result.
    """
    for name in ONE_THREAD:  # before numpy is loaded: every point is computed by one thread
        os.environ.setdefault(name, "1")
    if not schema and dask is None and (workers or os.cpu_count() or 1) > 1:
        from neurosim.cluster.early import serve_workers

        serve_workers(["neurosim_mapper.sweep.warm_up"])
    from neurosim.errors import InputFileError, UsageError
    from neurosim_cli.output import progress, remark, show, show_json
    from neurosim_mapper.sweep import read_study, run_study, study_schema

    if schema:
        show_json(study_schema())
        return
    if study is None or output is None:
        raise UsageError("sweep needs a study file and -o, the folder for its results.")
    with progress("sweeping", read_study(study).n_points) as advance:
        done = run_study(study, output, workers=workers, dask=dask, progress=advance)
    if as_json:
        show_json(done.to_dict())
    else:
        show(_front(done))
        for reason, n in _failures(done).most_common():
            remark(f"{n} failed: {reason}")
    remark(f"written: {output / 'result'} ({done.n_kept} of {len(done.rows)} points were kept)")
    if not any(row["status"] == "done" for row in done.rows):
        raise InputFileError(f"{study}: no point gave a result; {output / 'result'} says why.")


def _failures(done: Sweep) -> Counter[str]:
    return Counter(row["reason"] for row in done.rows if row["status"] != "done")


def _front(done: Sweep) -> Table:
    """The first points of the front."""
    from rich.table import Table

    front, names = done.front, list(done.study.objectives)
    n_done = sum(row["status"] == "done" for row in done.rows)
    title = f"{done.study.name}: {n_done} of {len(done.rows)} points done; the Pareto front"
    table = Table(title=title, title_justify="left", show_lines=True)
    table.add_column("point", justify="right")
    table.add_column("settings", overflow="fold")
    table.add_column("figures", overflow="fold")
    for row in front[:SHOWN]:
        told = (_lines(row, columns) for columns in (done.study.axes, names))
        table.add_row(str(row["point"]), *told)
    if len(front) > SHOWN:
        table.caption = f"and {len(front) - SHOWN} more"
    return table


def _lines(row: Mapping[str, Any], names: Sequence[str]) -> str:
    """A line per value; files by their name."""
    return "\n".join(f"{name} {_text(name, row[name])}" for name in names)


def _text(name: str, value: Any) -> str:
    from neurosim.report.units import engineering, percent
    from neurosim_mapper.sweep.settings import FILES

    if name in FILES:
        return Path(value).name
    if name == "accuracy":
        return percent(value)
    if name in ("energy_pj", "seconds", "power_w"):
        factor, unit = {"energy_pj": (1e-12, "J"), "seconds": (1, "s")}.get(name, (1, "W"))
        return engineering(value * factor, unit)
    return f"{value:,.4g}" if isinstance(value, float) else str(value)
