"""The result of a study as a table: one row per point, in the order of the study."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from neurosim_mapper.sweep.metrics import METRICS, feasible, pareto_front
from neurosim_mapper.sweep.study import Point, Study
from neurosim_mapper.sweep.task import Outcome

Row = Mapping[str, Any]


def table_rows(study: Study, points: Sequence[Point], outcomes: Sequence[Outcome]) -> list[Row]:
    """Number, axes, status, figures, whether the constraints hold, whether in the front, reason."""
    rows: list[dict[str, Any]] = []
    for number, (point, outcome) in enumerate(zip(points, outcomes, strict=True)):
        rows.append(
            {
                "point": number,
                **{axis: _cell(point, axis) for axis in study.axes},
                "status": outcome.status,
                **{name: outcome.figures.get(name) for name in METRICS},
                "feasible": outcome.status == "done" and feasible(outcome.figures, study.limits),
                "pareto": False,
                "reason": outcome.reason,
            }
        )
    candidates = [row for row in rows if row["feasible"]]
    for place in pareto_front(list(candidates), study.objectives):
        candidates[place]["pareto"] = True
    return list(rows)


def _cell(point: Point, axis: str) -> Any:
    """A value along an axis; lists and sections as JSON text."""
    value = point.axes.get(axis, getattr(point.settings, axis, None))
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def csv_bytes(rows: Sequence[Row]) -> bytes:
    """The table as CSV (RFC 4180, UTF-8): numbers in full, nothing for what is not known."""
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({name: _text(value) for name, value in row.items()})
    return stream.getvalue().encode()


def _text(value: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else value


def parquet_bytes(rows: Sequence[Row]) -> bytes | None:
    """The table as Parquet; None if pyarrow is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        return None
    columns = {}
    for name in rows[0]:
        values = [row[name] for row in rows]
        kinds = {type(value) for value in values if value is not None}
        columns[name] = [
            value if len(kinds) < 2 or kinds == {int, float} or value is None else str(value)
            for value in values
        ]
        if kinds == {int, float}:
            columns[name] = [None if value is None else float(value) for value in values]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    content: bytes = sink.getvalue().to_pybytes()
    return content
