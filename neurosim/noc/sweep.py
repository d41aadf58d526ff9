"""Latency and throughput against injection rate, up to saturation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from neurosim.errors import UnsupportedError
from neurosim.noc.model import Noc
from neurosim.noc.simulate import simulate_noc
from neurosim.noc.theory import contention_latency, saturation_bound, zero_load_latency
from neurosim.noc.traffic import bernoulli, flow_matrix

SATURATED = 3.0
"""A network counts as saturated where the latency is so many times that without load."""


@dataclass(frozen=True)
class Point:
    """One run.

    Attributes
    ----------
    traffic : str
    rate, accepted : float
        Flits created, and delivered, per router and cycle of the measured stretch.
    latency, network_latency : float
        Mean cycles from creation, and from injection, to the arrival of the tail.
    latency_p99 : float
    formula : float or None
        Latency by the contention formula, None outside its validity.
    bound : float or None
        Rate above which no network of these links can go, None where there is no formula.
    saturated : bool
        Latency above 3 times that without load.
    """

    traffic: str
    rate: float
    accepted: float
    latency: float
    network_latency: float
    latency_p99: float
    formula: float | None
    bound: float | None
    saturated: bool


def measure(
    noc: Noc,
    traffic: str,
    rate: float,
    n_flits: int = 1,
    warmup_cycles: int = 2000,
    measure_cycles: int = 5000,
    seed: int = 1,
) -> Point:
    """Play Bernoulli traffic at `rate` flits per router and cycle; measure after the warm-up.

    Packets created in the measured stretch count, until the last of them has arrived; injection
    goes on while they are on the way.
    """
    stop = warmup_cycles + measure_cycles
    src, dst, create = bernoulli(noc, traffic, rate / n_flits, stop + measure_cycles // 2, seed)
    result = simulate_noc(noc, src, dst, create, n_flits)
    mine = (create >= warmup_cycles) & (create < stop)
    arrived = (result.arrive_cycle >= warmup_cycles) & (result.arrive_cycle < stop)
    latency = result.latency[mine]
    mean = float(latency.mean()) if mine.any() else 0.0
    zero = zero_load_latency(noc, src[mine], dst[mine], n_flits)
    bound, formula = _closed_form(noc, traffic, rate, n_flits)
    return Point(
        traffic=traffic,
        rate=rate,
        accepted=float(arrived.sum() * n_flits / (noc.n_routers * measure_cycles)),
        latency=mean,
        network_latency=float((result.arrive_cycle - result.inject_cycle)[mine].mean())
        if mine.any()
        else 0.0,
        latency_p99=float(np.percentile(latency, 99)) if mine.any() else 0.0,
        formula=formula,
        bound=bound,
        saturated=bool(mine.any() and mean > SATURATED * float(zero.mean())),
    )


def _closed_form(
    noc: Noc, traffic: str, rate: float, n_flits: int
) -> tuple[float | None, float | None]:
    try:
        flows = flow_matrix(noc, traffic)
        bound = saturation_bound(noc, flows)
        load = contention_latency(noc, flows, rate, n_flits)
    except UnsupportedError:
        return None, None
    return bound, load.latency if load.valid and n_flits == 1 else None


def default_rates(noc: Noc, traffic: str, n_points: int = 10) -> list[float]:
    """Rates from a tenth of the bound up to a little above it."""
    try:
        bound = saturation_bound(noc, flow_matrix(noc, traffic))
    except UnsupportedError:
        bound = 0.5
    return [round(bound * 1.05 * (i + 1) / n_points, 4) for i in range(n_points)]


def sweep(
    noc: Noc,
    traffic: str,
    rates: list[float] | None = None,
    n_flits: int = 1,
    seed: int = 1,
    warmup_cycles: int = 2000,
    measure_cycles: int = 5000,
) -> Iterator[Point]:
    """Points of rising rate, ending with the first that is saturated."""
    for rate in sorted(rates or default_rates(noc, traffic)):
        point = measure(noc, traffic, rate, n_flits, warmup_cycles, measure_cycles, seed)
        yield point
        if point.saturated:
            return
