"""Numbers for people."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.report.units import count, engineering, percent, picojoules


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (1, "1 s"),
        (1.5e-5, "15 us"),
        (9.996e-4, "1 ms"),
        (999.4, "999 s"),
        (999.6, "1 ks"),
        (1234567, "1.23 Ms"),
        (3e-17, "0.03 fs"),
    ],
)
def test_engineering(value, text):
    assert engineering(value, "s") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (12, "12"), (12.34, "12.3"), (1234.5, "1,234"), (1e6, "1,000,000")],
)
def test_count(value, text):
    assert count(value) == text


def test_percent():
    assert (percent(0.1234), percent(None)) == ("12.3 %", "-")


def test_picojoules_by_hand():
    """Thirds of 1 nJ: rounded down each, and one of them gets the missing last place."""
    third = 1000.0 / 3
    shown = picojoules([third, third, third, 1000.0])
    assert sorted(shown[:-1]) == ["0.3333 nJ", "0.3333 nJ", "0.3334 nJ"]
    assert shown[-1] == "1.0000 nJ"
    assert picojoules([0.0, 0.0]) == ["0 pJ", "0 pJ"]


@given(st.lists(st.floats(0, 1e15), min_size=1, max_size=8))
def test_parts_add_up_to_the_total_as_shown(parts):
    shown = picojoules([*parts, sum(parts)])
    numbers = [Decimal(text.split()[0]) for text in shown]
    assert sum(numbers[:-1]) == numbers[-1]
    assert len({text.split()[1] for text in shown}) == 1
