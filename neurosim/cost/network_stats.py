"""What the cycle-level network saw over a run: loads, stalls, queues, latencies."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

LATENCY_CLASSES: Final = ("spike", "analog", "psum", "host")
MAX_LATENCY_CYCLES: Final = 4096
"""Latencies from here on share the last bin of the histogram."""

_PEAKS: Final = frozenset({"queue_peak", "drain_peak"})


@dataclass(frozen=True)
class NetworkStats:
    """Sums (and, for the peaks, maxima) over ticks and samples.

    Attributes
    ----------
    link_flits, busy_cycles : (n_routers, 5) flits over, and cycles of, the outputs +x, -x, +y,
        -y and the local port.
    stall_no_credit, stall_lost : (n_routers, 5) cycles in which an output had a packet and no place
        behind it; in which a packet waited while another one went.
    queue_peak : (n_routers, 5) longest input queue in packets.
    latency : (4, 4097) packets by class (`LATENCY_CLASSES`) and cycles from injection to arrival.
    drain_cycles_total : cycles until the last arrival, summed over ticks and samples.
    drain_cycles, drain_peak : (n_chip_ticks,) the same for each tick, summed over samples; the most
        in one sample.
    """

    link_flits: I64
    busy_cycles: I64
    stall_no_credit: I64
    stall_lost: I64
    queue_peak: I64
    latency: I64
    drain_cycles_total: int = 0
    drain_cycles: I64 = field(default_factory=lambda: np.zeros(0, np.int64))
    drain_peak: I64 = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def empty(cls, n_routers: int) -> NetworkStats:
        """Nothing seen yet."""
        ports = np.zeros((n_routers, 5), np.int64)
        shape = (len(LATENCY_CLASSES), MAX_LATENCY_CYCLES + 1)
        return cls(*(ports,) * 5, latency=np.zeros(shape, np.int64))

    def __add__(self, other: NetworkStats) -> NetworkStats:
        """What both saw together; associative, so threads cannot change it."""
        merged = {
            f.name: _merge(f.name, getattr(self, f.name), getattr(other, f.name))
            for f in fields(self)
        }
        return NetworkStats(**merged)


def _merge(name: str, one: Any, other: Any) -> Any:
    if np.size(one) != np.size(other):  # one of them has seen no tick yet
        return one if np.size(one) else other
    return np.maximum(one, other) if name in _PEAKS else one + other


def latency_histogram(latency_cycles: I64, kind: I64) -> I64:
    """(4, 4097) counts of packets by class and latency."""
    width = MAX_LATENCY_CYCLES + 1
    cells = kind * width + np.minimum(latency_cycles, MAX_LATENCY_CYCLES)
    counts = np.bincount(cells, minlength=len(LATENCY_CLASSES) * width)
    return counts.reshape(len(LATENCY_CLASSES), width).astype(np.int64)
