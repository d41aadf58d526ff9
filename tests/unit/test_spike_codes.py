"""Codes of values as spike trains: what a receiver that follows the table of the module decodes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from neurosim.errors import UsageError
from neurosim.recoding.codes import SpikeCode

RANGES = [(0, 255), (-128, 127), (0, 127)]


def rounded(value: Fraction) -> int:
    """Halves up."""
    return int((value + Fraction(1, 2)) // 1)


def level_value(value: int, n: int, most: int) -> int:
    """The value of the nearest of n levels above 0, by the formula."""
    level = min(n, rounded(Fraction(abs(value) * n, most)))
    return (1 if value >= 0 else -1) * rounded(Fraction(level * most, n))


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("kind", ["rate", "ttfs"])
@pytest.mark.parametrize("n", [1, 2, 7, 15, 16, 128])
def test_rate_and_ttfs_lose_what_rounding_to_n_levels_loses(kind, n, low, high):
    book = SpikeCode.parse(f"{kind}:{n}").book(low, high)
    assert book.carried.tolist() == [level_value(v, n, high) for v in range(low, high + 1)]
    sent = book.spikes.sum(axis=1)
    levels = [min(n, rounded(Fraction(abs(v) * n, high))) for v in range(low, high + 1)]
    assert sent.tolist() == [k if kind == "rate" else min(k, 1) for k in levels]


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("bits", [8, 9, 16])
def test_phase_of_eight_bits_is_lossless(bits, low, high):
    book = SpikeCode.parse(f"phase:{bits}").book(low, high)
    assert book.carried.tolist() == list(range(low, high + 1))
    assert book.spikes.shape[1] == bits


@pytest.mark.parametrize(("low", "high"), RANGES)
@pytest.mark.parametrize("bits", [2, 3, 6])
def test_phase_of_fewer_bits_keeps_the_upper_ones(bits, low, high):
    book = SpikeCode.parse(f"phase:{bits}").book(low, high)
    step = (high - low + 1) // 2**bits
    for value, carried in zip(range(low, high + 1), book.carried.tolist(), strict=True):
        nearest = rounded(Fraction(value, step)) * step
        assert carried == min(nearest, high + 1 - step)


def test_larger_values_come_earlier_with_time_to_first_spike():
    book = SpikeCode.parse("ttfs:15").book(0, 255)
    first = [int(np.argmax(row)) for row in book.spikes if row.any()]
    assert first == sorted(first, reverse=True)


@pytest.mark.parametrize("text", ["rate", "rate:", "rate:0", "rate:-3", "burst:4", "phase:17", ""])
def test_an_unknown_code_is_refused(text):
    with pytest.raises(UsageError, match=r"rate:N|from 1 to"):
        SpikeCode.parse(text)
