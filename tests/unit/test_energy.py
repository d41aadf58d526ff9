"""Energy: count times unit energy, term by term; parts and total add up as printed."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chain import chain_chip, chain_run

from neurosim.cost.energy import PARTS, PRICE_LIST, energy, power_w
from neurosim.cost.latency import seconds_total

N = 6  # values of the host: 2 samples x 3 ticks
BITS = 9 + 9 + 8 + 8  # header and payload of a value packet of the test chip


@pytest.fixture(scope="module")
def run():
    return chain_run(np.full((2, 3), 5))


@pytest.fixture(scope="module")
def bill(run):
    return energy(run.program, run.counters)


def test_parts_by_hand(run, bill):
    """Three events, three updates, three packets, and 1 + 1 + 2 hops per value of the host."""
    assert bill.synapse == pytest.approx(3 * N * 2.0 + 3 * N * 3.0)
    assert bill.soma == pytest.approx(3 * N * (0.5 + 5.0) + 3 * N * 7.0)
    assert bill.router == pytest.approx(3 * N * 11.0 + 3 * N * 13.0 + 4 * N * 1.5)
    assert bill.link == pytest.approx(4 * N * BITS * 0.25)
    assert bill.io == pytest.approx(2 * N * BITS * 17.0)
    assert bill.static == pytest.approx(
        0.01 * seconds_total(run.program, run.counters) * 1e12, abs=1e-3
    )


def test_every_field_of_the_chip_is_priced_once(bill, run):
    keys = [term.key for term in bill.terms]
    assert sorted(keys) == sorted(type(run.program.chip.energy).model_fields)
    assert {part for part, _, _ in PRICE_LIST} == set(PARTS)


def test_a_term_says_where_its_number_comes_from(bill):
    for term in bill.terms:
        assert term.source == "chosen for a test"
        assert term.kind == "assumption"


def test_terms_are_count_times_unit_energy(bill):
    for term in bill.terms:
        factor = 1e12 if term.part == "static" else 1.0
        assert term.energy_pj == pytest.approx(term.count * term.unit_energy * factor, abs=5e-4)


def test_power_is_energy_by_time(run, bill):
    seconds = seconds_total(run.program, run.counters)
    expected = bill.total * 1e-12 / seconds
    assert power_w(run.program, run.counters) == pytest.approx(expected)


def test_an_array_draws_static_power_once_per_chip():
    one = chain_run(np.full((1, 2), 5), chain_chip(energy__static_w=_watts(0.5)))
    array = {"wide": 2, "high": 3}
    six = chain_run(np.full((1, 2), 5), chain_chip(energy__static_w=_watts(0.5), array=array))
    seconds = [seconds_total(run.program, run.counters) for run in (one, six)]
    assert seconds[0] == seconds[1]
    bills = [energy(run.program, run.counters) for run in (one, six)]
    assert bills[1].static == pytest.approx(6 * bills[0].static)


def test_crossings_are_paid_on_top_of_the_hop():
    """Chips of one core: every hop crosses; (0,0) -> (1,0) -> (2,0) -> west edge are 4 hops."""
    chip = chain_chip(grid={"wide": 1, "high": 1}, array={"wide": 4, "high": 1})
    run = chain_run(np.full((2, 3), 5), chip)
    bill = energy(run.program, run.counters)
    assert bill.link == pytest.approx(4 * N * BITS * (0.25 + 26.0))


def _watts(value):
    return {"value": value, "source": "chosen for a test", "kind": "assumption"}


def _as_printed(number):
    return Decimal(json.dumps(number))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(0, 1e6), min_size=len(PRICE_LIST), max_size=len(PRICE_LIST)),
    st.integers(1, 10**12),
)
def test_parts_add_up_exactly_as_printed(run, prices, busy):
    """Whatever the prices: terms make up their part, parts the total, to the last digit."""
    keys = [key for _, _, key in PRICE_LIST]
    table = run.program.chip.energy.model_copy(
        update={
            key: getattr(run.program.chip.energy, key).model_copy(update={"value": price})
            for key, price in zip(keys, prices, strict=True)
        }
    )
    program = replace(run.program, chip=run.program.chip.model_copy(update={"energy": table}))
    counters = replace(run.counters, busy_cycles=np.full_like(run.counters.busy_cycles, busy))
    bill = energy(program, counters)
    printed = {name: _as_printed(pj) for name, pj in bill.parts().items()}
    assert sum(printed[name] for name in PARTS) == printed["total"]
    for name in PARTS:
        terms = [_as_printed(term.energy_pj) for term in bill.terms if term.part == name]
        assert sum(terms) == printed[name]
