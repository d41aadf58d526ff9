"""The figures of a point: what objectives and constraints speak about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

Direction = Literal["max", "min"]

METRICS: Final[dict[str, Direction]] = {
    "accuracy": "max",
    "energy_pj": "min",
    "seconds": "min",
    "cycles": "min",
    "cores": "min",
    "peak_link_bits_per_tick": "min",
    "packets": "min",
    "bits_sent": "min",
    "bit_hops": "min",
    "power_w": "min",
}
"""Figures per sample (cores, the peak link and the power: of the whole), and their good end."""

OBJECTIVES: Final = ("accuracy", "energy_pj", "seconds", "cores", "peak_link_bits_per_tick")
"""What a study asks for unless it says otherwise."""


def metrics_of(report: Mapping[str, Any]) -> dict[str, float | int | None]:
    """The figures of `METRICS` from the data of a ``report.json``."""
    n_samples, counts = report["samples"], report["counts"]
    return {
        "accuracy": report["accuracy"],
        "energy_pj": report["energy_pj"]["total"] / n_samples,
        "seconds": report["latency"]["seconds_per_sample"],
        "cycles": report["latency"]["cycles_total"] / n_samples,
        "cores": report["program"]["cores_used"],
        "peak_link_bits_per_tick": report["bandwidth"]["peak_link_bits_per_tick"],
        "packets": (counts["packets"] + counts["input_packets"]) / n_samples,
        "bits_sent": report["bandwidth"]["bits_sent"] / n_samples,
        "bit_hops": report["bandwidth"]["bit_hops"] / n_samples,
        "power_w": report["power_w"],
    }


def feasible(figures: Mapping[str, Any], constraints: Mapping[str, Mapping[str, float]]) -> bool:
    """Whether every constraint holds; a figure that is not known breaks its constraint."""
    for name, limits in constraints.items():
        value = figures.get(name)
        if value is None or value < limits.get("min", value) or value > limits.get("max", value):
            return False
    return True


def pareto_front(rows: list[Mapping[str, Any]], objectives: Mapping[str, Direction]) -> list[int]:
    """Numbers of the rows that no other row beats: as good in all objectives, better in one.

    Rows without a figure for some objective are left out; equal rows are all kept.
    """
    costs = []
    for number, row in enumerate(rows):
        values = [row.get(name) for name in objectives]
        if all(value is not None for value in values):
            signs = [-1.0 if way == "max" else 1.0 for way in objectives.values()]
            cost = tuple(s * v for s, v in zip(signs, values, strict=True) if v is not None)
            costs.append((cost, number))
    front: list[tuple[tuple[float, ...], int]] = []
    for cost, number in sorted(costs):  # whoever beats a row comes before it
        if not any(_beats(other, cost) for other, _ in front):
            front.append((cost, number))
    return sorted(number for _, number in front)


def _beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
