"""Codes that carry an 8-bit value as a train of spikes (LIAF-Net section VII.C).

A chip tick is cut into *sub-ticks*. In each of them a neuron sends a spike or nothing, and the
receiving core adds ``weight of the sub-tick x weight of the synapse`` for every spike, so that at
the end of the tick it holds what one packet with the carried value would have given:

========== ================ ===================================================== ==============
code       sub-ticks        spikes of a value v with the level k = round(v N / m)  sub-tick j adds
========== ================ ===================================================== ==============
rate:N     N                in the first k sub-ticks                              q(j + 1) - q(j)
ttfs:N     N                one, in sub-tick N - k (none for k = 0)               q(N - j)
phase:B    B                in sub-tick j if bit B - 1 - j of v is set            2^(B - 1 - j)
========== ================ ===================================================== ==============

m is the largest positive value and q(k) = round(k m / N) the value of level k, halves rounded up:
N levels above 0. Where values may be negative, ``rate`` and ``ttfs`` take N more sub-ticks for the
negative ones, and the first sub-tick of ``phase`` counts negative (two's complement). With fewer
than 8 bits ``phase`` carries the upper ones, rounded. ``phase:8`` loses nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError

I64 = npt.NDArray[np.int64]

KINDS: Final = ("rate", "ttfs", "phase")
MOST_SUBTICKS: Final = 256


@dataclass(frozen=True)
class Book:
    """What a code does to every value from `low` on.

    Attributes
    ----------
    low : first value of the table.
    spikes : (n_values, n_subticks) bool, the sub-ticks in which a value has a spike.
    weights : (n_subticks,) what a spike adds.
    """

    low: int
    spikes: npt.NDArray[np.bool_]
    weights: I64

    @property
    def carried(self) -> I64:
        """(n_values,) what the receiver decodes for every value."""
        total: I64 = self.spikes @ self.weights
        return total


@dataclass(frozen=True)
class SpikeCode:
    """``rate:N``, ``ttfs:N`` or ``phase:B``; see the module."""

    kind: Literal["rate", "ttfs", "phase"]
    size: int

    @classmethod
    def parse(cls, text: str) -> SpikeCode:
        """Read ``kind:number``; raises UsageError."""
        kind, _, number = text.partition(":")
        most = {"rate": 128, "ttfs": 128, "phase": 16}.get(kind)
        if most is None or not (number.isascii() and number.isdigit()):
            raise UsageError(
                f"{text!r} is no code for values; known: rate:N, ttfs:N and phase:B, "
                "for instance rate:15, ttfs:15, phase:8."
            )
        if not 1 <= int(number) <= most:
            raise UsageError(f"{text!r}: the number of {kind} is from 1 to {most}.")
        return cls(kind, int(number))  # type: ignore[arg-type]

    def __str__(self) -> str:
        return f"{self.kind}:{self.size}"

    def n_subticks(self, signed: bool) -> int:
        """Sub-ticks of a tick; `signed` if any value may be negative."""
        return self.size if self.kind == "phase" or not signed else 2 * self.size

    def book(self, low: int, high: int) -> Book:
        """The code for values from `low` to `high` (at least 1)."""
        return _book(self, low, high)


@lru_cache(maxsize=64)
def _book(code: SpikeCode, low: int, high: int) -> Book:
    values = np.arange(low, high + 1, dtype=np.int64)
    if code.kind == "phase":
        return _phase(values, code.size)
    spikes, weights = _levels(values, high, code)
    if low < 0:
        below, _ = _levels(-values, high, code)
        spikes, weights = np.hstack([spikes, below]), np.concatenate([weights, -weights])
    return Book(low, spikes, weights)


def _levels(values: I64, most: int, code: SpikeCode) -> tuple[npt.NDArray[np.bool_], I64]:
    """Spikes and weights of the values above 0; `most` has the highest level."""
    n = code.size
    level = np.clip(_round(np.maximum(values, 0) * n, most), 0, n)
    step = np.arange(n)
    worth = _round(np.arange(n + 1) * most, n)
    if code.kind == "rate":
        return level[:, None] > step, np.diff(worth)
    return (level[:, None] == n - step) & (level[:, None] > 0), worth[n - step]


def _phase(values: I64, n_bits: int) -> Book:
    signed = bool(values[0] < 0)
    most = max(int(values[-1]), -int(values[0]) - 1)
    needed = max(1, most.bit_length()) + signed
    step = 1 << max(0, needed - n_bits)
    width = min(n_bits, needed)
    top = (1 << (width - signed)) - 1
    level = np.clip((values + step // 2) // step, -(top + 1) if signed else 0, top)
    place = np.arange(n_bits - 1, -1, -1)
    weights = (np.int64(1) << place) * step
    if signed:
        weights[0] = -weights[0]
    return Book(int(values[0]), (level[:, None] >> place) & 1 == 1, weights)


def _round(numerator: I64, denominator: int) -> I64:
    """Quotient, halves up."""
    result: I64 = (2 * numerator + denominator) // (2 * denominator)
    return result
