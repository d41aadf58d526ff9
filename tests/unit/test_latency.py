"""Latency: barrier and fixed ticks, overruns, and what binds a tick."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chain import DEPTH, chain_chip, chain_program, chain_run

from neurosim.cost.counters import Counters
from neurosim.cost.latency import (
    bound_ticks,
    latency,
    period_cycles,
    seconds_total,
    slack_cycles,
    slack_sentence,
    tick_cycles,
)


def counters(busy, bounds=None):
    """Counters with the given busy cycles (samples, ticks); the rest is empty."""
    busy = np.asarray(busy, np.int64)
    none = np.zeros_like(busy)
    if bounds is None:
        bounds = np.stack([busy, none, none], axis=-1)
    return Counters(
        core=np.zeros((DEPTH, 8), np.int64),
        flow_packets=np.zeros(1, np.int64),
        bounds=np.asarray(bounds, np.int64),
        busy_cycles=busy,
        peak_bits=none,
        peak_link=none - 1,
    )


def fixed_chip(period_ns, clock_hz=1e8):
    clock = {"value": clock_hz, "source": "chosen for a test", "kind": "assumption"}
    tick = {"mode": "fixed", "period_ns": period_ns, "sync_cycles": 0}
    return chain_chip(tick=tick, timing__clock_hz=clock)


def fixed(period_ns):
    return chain_program(fixed_chip(period_ns))


def test_a_barrier_tick_takes_its_busy_cycles_and_the_barrier():
    program = chain_program(chain_chip(tick__sync_cycles=7))
    result = latency(program, counters([[10, 20, 0], [30, 40, 5]]))
    assert result.cycles_total == 10 + 20 + 30 + 40 + 5 + 6 * 7
    assert result.cycles_per_tick_max == 47
    assert result.cycles_per_tick_mean == pytest.approx((105 + 42) / 6)
    assert result.seconds_per_sample == pytest.approx((105 + 42) / 2 / 1e8)
    assert result.overruns == 0


def test_a_fixed_tick_takes_its_period():
    program = fixed(1000.0)  # 100 cycles at 100 MHz
    result = latency(program, counters([[10, 100, 3], [1, 2, 99]]))
    assert result.cycles_total == 6 * 100
    assert result.cycles_per_tick_max == 100
    assert result.seconds_per_sample == pytest.approx(3 * 1e-6)
    assert result.overruns == 0


@pytest.mark.parametrize(("busy", "overruns"), [(99, 0), (100, 0), (101, 1)])
def test_a_tick_overruns_from_one_cycle_too_many(busy, overruns):
    assert latency(fixed(1000.0), counters([[5, busy]])).overruns == overruns


def test_slack_of_a_fixed_tick():
    chip = fixed(1000.0).chip  # 100 cycles at 100 MHz
    left = counters([[10, 60], [99, 100]])
    assert slack_cycles(chip, left).tolist() == [[90, 40], [1, 0]]
    assert slack_sentence(chip, left) == (
        "Fixed tick of 100 cycles: the busiest leaves 0 (0%), the mean is 32.8 left."
    )
    late = counters([[10, 130, 101]])
    assert slack_sentence(chip, late) == (
        "Fixed tick of 100 cycles: 2 of 3 overrun it, by up to 30, the mean is 19.7 left."
    )
    barrier = chain_chip()
    assert not slack_cycles(barrier, left).any()
    assert slack_sentence(barrier, left) == ""


def test_a_period_of_broken_cycles_counts_whole_ones_but_exact_seconds():
    program = fixed(1005.0)
    assert period_cycles(program.chip) == 100
    assert seconds_total(program, counters([[0] * 4])) == pytest.approx(4 * 1005e-9)
    assert latency(program, counters([[101]])).overruns == 1


def test_periods_are_not_rounded_down_by_floating_point():
    """0.1 ms at 300 MHz are 30,000 cycles, although 1e5 * 3e8 / 1e9 may round below it."""
    for period_us in range(1, 200):
        assert period_cycles(fixed_chip(period_us * 1000.0, 3e8)) == 300 * period_us


def test_what_binds_a_tick():
    """The largest of compute, memory, traffic; equals go to the first, idle ticks to nobody."""
    bounds = [[[9, 1, 1], [1, 9, 1], [1, 1, 9], [4, 4, 4], [0, 5, 5], [0, 0, 0]]]
    found = bound_ticks(counters([[9, 9, 9, 4, 5, 0]], bounds))
    assert found == {"compute": 2, "memory": 2, "traffic": 1}


def test_an_empty_run_takes_no_time():
    result = latency(chain_program(), counters(np.zeros((0, 3))))
    assert (result.cycles_total, result.seconds_per_sample, result.cycles_per_tick_max) == (0, 0, 0)


def test_cycles_of_the_chain_by_hand():
    """A relay needs 0.5 (value) + 1 (update) + 1 (send) cycles of compute: 3 whole ones.

    Memory: one row of 2 cycles. Traffic: 34 bits over links of 32, so 2 cycles. The pipeline has
    2 ticks beyond the sample; in tick 0 only the first relay works, in the last only the last.
    """
    run = chain_run(np.full((1, 4), 5), chain_chip(tick__sync_cycles=1))
    np.testing.assert_array_equal(run.counters.bounds[0], [[3, 2, 2]] * 6)
    np.testing.assert_array_equal(run.counters.busy_cycles[0], [3] * 6)
    np.testing.assert_array_equal(tick_cycles(run.program.chip, run.counters)[0], [4] * 6)
    assert latency(run.program, run.counters).bound == {"compute": 6, "memory": 0, "traffic": 0}


def test_seconds_follow_the_clock():
    clock = {"value": 5e7, "source": "chosen for a test", "kind": "assumption"}
    busy = counters([[10, 20]])
    fast, slow = chain_program(), chain_program(chain_chip(timing__clock_hz=clock))
    assert seconds_total(slow, busy) == pytest.approx(2 * seconds_total(fast, busy))
    assert seconds_total(fast, replace(busy, busy_cycles=busy.busy_cycles * 3)) == pytest.approx(
        3 * seconds_total(fast, busy)
    )
