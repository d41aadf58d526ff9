"""The table that the training examples print."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

from neurosim_mapper.torch.training import Measured


@dataclass(frozen=True)
class Row:
    """One trained network.

    Attributes
    ----------
    kind, ticks, seed : what was trained.
    trained : accuracy of the trained module in float.
    measured : the exported network, in integers and on the chip; None if it cannot be mapped.
    weights : trained numbers.
    aware : whether training went on in the integers of the chip.
    rounded : 8-bit accuracy before that.
    """

    kind: str
    ticks: int
    seed: int
    trained: float
    measured: Measured | None
    weights: int
    aware: bool = False
    rounded: float | None = None


def print_table(rows: list[Row]) -> None:
    """Every run, then mean and spread over the seeds."""
    table = Table(title="accuracy in %, cost per sample on the chip")
    for name in ("model", "ticks", "seed", "float", "8 bit", "on chip", "of", "weights"):
        table.add_column(name, justify="left" if name == "model" else "right")
    for name in ("cores", "operations", "packets", "kbit"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*_cells(row))
    Console(width=120).print(table)
    for kind, ticks in dict.fromkeys((row.kind, row.ticks) for row in rows):
        same = [row for row in rows if (row.kind, row.ticks) == (kind, ticks)]
        print(f"{kind}, {ticks} ticks: {_summary(same)}")


def _cells(row: Row) -> list[str]:
    start = [row.kind, str(row.ticks), str(row.seed), f"{100 * row.trained:.2f}"]
    m = row.measured
    if m is None:
        return [*start, "-", "-", "-", f"{row.weights:,}", "-", "-", "-", "-"]
    rounded = f"{100 * m.integer_accuracy:.2f}"
    if row.aware and row.rounded is not None:
        rounded += f" (rounded only: {100 * row.rounded:.2f})"
    return [
        *start,
        rounded,
        f"{100 * m.chip_accuracy:.2f}",
        str(m.chip_samples),
        f"{row.weights:,}",
        str(m.cores),
        f"{m.operations:,.0f}",
        f"{m.packets:,.0f}",
        f"{m.bits / 1000:,.0f}",
    ]


def _summary(rows: list[Row]) -> str:
    """Mean and sample standard deviation over the seeds."""
    found = {"float": [100 * row.trained for row in rows]}
    measured = [row.measured for row in rows if row.measured is not None]
    if measured:
        found["8 bit"] = [100 * m.integer_accuracy for m in measured]
        found["packets"] = [m.packets for m in measured]
        found["operations"] = [m.operations for m in measured]
    parts = []
    for name, values in found.items():
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
        parts.append(f"{name} {np.mean(values):,.2f} +- {spread:,.2f}")
    return ", ".join(parts)
