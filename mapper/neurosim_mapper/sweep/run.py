"""Run a study: what is on the disk already, then the rest, then the table and the page.

============ =================================================================================
points/      a file per finished point, named after the digest of what its result depends on
result/      table.csv, sweep.json, sweep.html, and table.parquet where pyarrow is installed
============ =================================================================================

`result` is put in place with one rename: readers see the old one or the new one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from neurosim.errors import NeurosimError, UsageError
from neurosim.files.folders import check_replaceable, write_folder
from neurosim_mapper.sweep.engines import Engine, Numbered, dask_engine, local_engine
from neurosim_mapper.sweep.page import sweep_page
from neurosim_mapper.sweep.store import Store
from neurosim_mapper.sweep.study import Point, Study, points_of, read_study
from neurosim_mapper.sweep.table import Row, csv_bytes, parquet_bytes, table_rows
from neurosim_mapper.sweep.task import Materials, Outcome

SWEEP_SCHEMA: Final = "neurosim-sweep/1"
POINTS: Final = "points"
RESULT: Final = "result"
TABLE: Final = "table.csv"
FILES: Final = (TABLE, "table.parquet", "sweep.json", "sweep.html")

Progress = Callable[[int], None]


@dataclass(frozen=True)
class Sweep:
    """A study that was run.

    Attributes
    ----------
    rows : of the table, in the order of the study.
    n_kept : points that were finished before.
    """

    study: Study
    rows: list[Row]
    n_kept: int

    @property
    def front(self) -> list[Row]:
        """Rows that no other row beats."""
        return [row for row in self.rows if row["pareto"]]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data of ``sweep.json``; equal studies give equal data."""
        return {
            "schema": SWEEP_SCHEMA,
            "name": self.study.name,
            "objectives": dict(self.study.objectives),
            "constraints": self.study.limits,
            "axes": self.study.axes,
            "rows": [dict(row) for row in self.rows],
        }


def run_study(
    path: str | Path,
    output: str | Path,
    *,
    workers: int | None = None,
    dask: str | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Compute every point of the study file `path` that is not finished in the folder `output`.

    Parameters
    ----------
    workers : processes of this machine, one per processor by default; no influence on results.
    dask : address of a Dask scheduler, whose workers compute instead.
    progress : called with the number of points done since the last call.

    Raises
    ------
    InputFileError : the study file is wrong. UsageError : `output` cannot be written, or the
        cluster cannot be used. A point that fails raises nothing: its row says why.
    """
    source, folder = Path(path), Path(output)
    study = read_study(source)
    check_sweep_folder(folder)
    points = list(points_of(study, source.parent))
    outcomes: list[Outcome | None] = [None] * len(points)
    store, materials = Store(folder / POINTS), Materials()
    keys = _known(points, outcomes, store, materials)
    n_kept = sum(bool(k) and o is not None for k, o in zip(keys, outcomes, strict=True))
    advance = progress or _ignore
    advance(sum(outcome is not None for outcome in outcomes))
    engine = _engine(workers, dask)
    todo = [number for number, outcome in enumerate(outcomes) if outcome is None]
    for number, outcome in engine(_tasks(todo, points, outcomes, materials)) if todo else ():
        outcomes[number] = outcome
        if outcome.status != "crashed":
            store.save(keys[number], outcome)
        advance(1)
    found = [outcome for outcome in outcomes if outcome is not None]
    sweep = Sweep(study, table_rows(study, points, found), n_kept)
    _write(folder, sweep)
    return sweep


def check_sweep_folder(folder: Path) -> None:
    """Raise UsageError if a sweep must not be written at `folder`."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(
            f"{folder}: is a file; a folder is to be written there. Choose another -o."
        )
    entries = sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []
    foreign = [n for n in entries if n not in (POINTS, RESULT) and not n.startswith(f".{RESULT}.")]
    if foreign:
        raise UsageError(
            f"{folder}: holds {foreign[0]}, which no sweep wrote. Choose another -o, or an earlier "
            "sweep to go on with."
        )
    check_replaceable(folder / RESULT, TABLE, FILES)


def _engine(workers: int | None, dask: str | None) -> Engine:
    if dask is not None:
        if workers is not None:
            raise UsageError(
                "--workers counts processes of this machine; leave it out with --dask."
            )
        return dask_engine(dask)
    if workers is not None and workers < 1:
        raise UsageError(f"workers is {workers}; at least 1 is needed.")
    return local_engine(workers or os.cpu_count() or 1)


def _known(
    points: list[Point], outcomes: list[Outcome | None], store: Store, materials: Materials
) -> list[str]:
    """The key of every point; sets the outcomes of those that are finished, or cannot begin."""
    keys = []
    for number, point in enumerate(points):
        try:
            keys.append(materials.key(point))
        except NeurosimError as error:
            keys.append("")
            outcomes[number] = _refused(error)
        else:
            outcomes[number] = store.load(keys[-1])
    return keys


def _tasks(
    todo: list[int], points: list[Point], outcomes: list[Outcome | None], materials: Materials
) -> Iterator[Numbered]:
    """The tasks of all points that can be computed; the others get their outcome here."""
    for number in todo:
        try:
            yield number, materials.task(points[number])
        except NeurosimError as error:
            outcomes[number] = _refused(error)


def _refused(error: NeurosimError) -> Outcome:
    return Outcome("failed", " ".join(str(error).split()))


def _write(folder: Path, sweep: Sweep) -> None:
    """The result, all or nothing; remains of sweeps that were killed are cleared away."""
    for remains in folder.glob(f".{RESULT}.*"):
        shutil.rmtree(remains, ignore_errors=True)
    files = {
        TABLE: csv_bytes(sweep.rows),
        "sweep.json": (json.dumps(sweep.to_dict(), indent=1) + "\n").encode(),
        "sweep.html": sweep_page(sweep.study, sweep.rows).encode(),
    }
    parquet = parquet_bytes(sweep.rows)
    if parquet is not None:
        files["table.parquet"] = parquet
    write_folder(folder / RESULT, files)


def _ignore(n: int) -> None:
    """Nobody watches."""
