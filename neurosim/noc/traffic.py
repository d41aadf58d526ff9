"""Synthetic traffic: destination patterns and Bernoulli injection."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import UsageError
from neurosim.kernels.noc_layout import I64
from neurosim.noc.model import Noc

Pattern = Callable[[Noc, I64, np.random.Generator], I64]


def uniform(noc: Noc, src: I64, rng: np.random.Generator) -> I64:
    """Every router alike, the own one included."""
    return rng.integers(0, noc.n_routers, len(src))


def transpose(noc: Noc, src: I64, rng: np.random.Generator) -> I64:
    """(x, y) to (y, x); square networks only."""
    if noc.width != noc.height:
        raise UsageError(
            f"traffic 'transpose' needs a square network, this one is {noc.width} x {noc.height}. "
            "Use 'bitcomp' or 'uniform'."
        )
    return (src % noc.width) * noc.width + src // noc.width


def bitcomp(noc: Noc, src: I64, rng: np.random.Generator) -> I64:
    """(x, y) to (width - 1 - x, height - 1 - y)."""
    return noc.n_routers - 1 - src


def tornado(noc: Noc, src: I64, rng: np.random.Generator) -> I64:
    """Nearly half-way round in x: (x, y) to (x + ceil(width / 2) - 1 mod width, y)."""
    x = (src % noc.width + (noc.width + 1) // 2 - 1) % noc.width
    return src // noc.width * noc.width + x


def neighbor(noc: Noc, src: I64, rng: np.random.Generator) -> I64:
    """(x, y) to (x + 1 mod width, y)."""
    return src // noc.width * noc.width + (src + 1) % noc.width


def hotspot(noc: Noc, src: I64, rng: np.random.Generator) -> I64:
    """A tenth of the packets to the router in the middle, the rest uniform."""
    middle = noc.height // 2 * noc.width + noc.width // 2
    return np.where(rng.random(len(src)) < 0.1, middle, uniform(noc, src, rng))


TRAFFIC: dict[str, Pattern] = {
    "uniform": uniform,
    "transpose": transpose,
    "bitcomp": bitcomp,
    "tornado": tornado,
    "neighbor": neighbor,
    "hotspot": hotspot,
}


def flow_matrix(noc: Noc, pattern: str) -> NDArray[np.float64]:
    """Share of the packets of every router that go to every router, ``(n, n)``; rows sum to 1."""
    n = noc.n_routers
    if pattern == "uniform":
        return np.full((n, n), 1.0 / n)
    if pattern == "hotspot":
        flows = np.full((n, n), 0.9 / n)
        flows[:, noc.height // 2 * noc.width + noc.width // 2] += 0.1
        return flows
    flows = np.zeros((n, n))
    src = np.arange(n)
    flows[src, _pattern(pattern)(noc, src, np.random.default_rng(0))] = 1.0
    return flows


def _pattern(name: str) -> Pattern:
    if name not in TRAFFIC:
        raise UsageError(f"traffic {name!r} does not exist; there is {', '.join(TRAFFIC)}.")
    return TRAFFIC[name]


def bernoulli(
    noc: Noc, pattern: str, packets_per_cycle: float, n_cycles: int, seed: int = 0
) -> tuple[I64, I64, I64]:
    """Source, destination and creation cycle of random packets, in order of time.

    Parameters
    ----------
    packets_per_cycle : float
        Chance that a router creates a packet in a cycle, 0 to 1.

    Raises
    ------
    UsageError
        An unknown pattern, one that does not fit the network, or a rate outside 0 to 1.
    """
    chosen = _pattern(pattern)
    if not 0.0 <= packets_per_cycle <= 1.0:
        raise UsageError(
            f"rate {packets_per_cycle} packets per router and cycle is outside 0 to 1. "
            "Divide flits by the flits per packet."
        )
    rng = np.random.default_rng(seed)
    n_slots = noc.n_routers * n_cycles
    n = int(rng.binomial(n_slots, packets_per_cycle))
    if n == 0:
        slot = np.zeros(0, np.int64)
    elif packets_per_cycle > 0.05:
        slot = np.flatnonzero(rng.random(n_slots) < packets_per_cycle)
    else:
        slot = np.unique(rng.integers(0, n_slots, n))
    src = slot % noc.n_routers
    return src, chosen(noc, src, rng), slot // noc.n_routers
