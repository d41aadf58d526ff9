"""Loads by window of ticks: they add up to the totals, and to what each tick says itself."""

from __future__ import annotations

import numpy as np
import pytest
from support.chain import chain_chip, chain_program, chain_run

from neurosim.cost.counters import link_bits
from neurosim.image.build import CYCLE_FRACTION_BITS
from neurosim.run import windows
from neurosim.run.simulator import simulate
from neurosim.run.state import CORE_COUNTS
from neurosim.run.windows import plan_windows


def _core_time(run):
    """(2, n_cores) compute and memory time of the run from its counts, in 2**-16 cycles."""
    count = dict(zip(CORE_COUNTS, run.counters.core.T, strict=True))
    spike, mac, read, update, send = run.program.image.op_time
    compute = count["synaptic_ops"] * spike + count["macs"] * mac
    compute += count["neuron_updates"] * update + count["packets"] * send
    return np.stack([compute, count["axon_events"] * read])


def _check_sums(run):
    counters = run.counters
    bits = link_bits(run.program, counters)
    np.testing.assert_array_equal(counters.window_bits.sum(axis=0), bits[counters.window_link])
    assert counters.window_bits.sum() == bits.sum()
    np.testing.assert_array_equal(counters.window_core_time.sum(axis=0), _core_time(run))


@pytest.mark.parametrize("noc", ["ideal", "cycle"])
def test_windows_add_up_to_the_run(noc):
    run = chain_run(np.array([[5, 0, 3], [0, 0, 0], [1, 1, 1]]), chain_chip(), noc=noc)
    _check_sums(run)
    assert run.counters.window_start.tolist() == list(range(run.counters.n_chip_ticks))


def test_each_tick_of_one_sample_is_its_own_window():
    """With one sample a window is a tick: its busiest router link, its bounds, who sets them."""
    run = chain_run(np.array([[5, 0, 3, 0]]), chain_chip())
    counters, program = run.counters, run.program
    on_routers = counters.window_link < 4 * program.chip.n_cores
    most = counters.window_bits[:, on_routers].max(axis=1)
    np.testing.assert_array_equal(most, counters.peak_bits[0])
    cycles = -(-counters.window_core_time.max(axis=2) >> CYCLE_FRACTION_BITS)
    np.testing.assert_array_equal(cycles, counters.bounds[0, :, :2])
    binding = counters.binding[0]
    for tick, (by_core, _) in enumerate(counters.window_core_time):
        assert binding[tick, 0] == (int(by_core.argmax()) if by_core.any() else -1)


def test_an_idle_tick_is_set_by_nothing():
    run = chain_run(np.zeros((1, 2), int), chain_chip(core__send_zero=False))
    idle = run.counters.bounds[0] == 0
    assert idle.any()
    assert (run.counters.binding[0][idle] == -1).all()
    assert (run.counters.binding[0][~idle] >= 0).all()


def test_many_ticks_share_a_window(monkeypatch):
    program = chain_program(chain_chip())
    x = np.tile([5, 0, 3, 0, 1], 5)[None, :, None]
    fine = simulate(program, x)
    width = plan_windows(program.image, 1)
    assert width == (1, 1)
    per_window = fine.counters.window_core_time[0].size + (
        program.image.traffic.link.size - 2 * program.n_cores
    )
    monkeypatch.setattr(windows, "MOST_NUMBERS", 4 * per_window)
    coarse = simulate(program, x)
    _check_sums(coarse)
    assert coarse.counters.window_start.tolist() == [0, 7, 14, 21]
    summed = np.add.reduceat(fine.counters.window_bits, coarse.counters.window_start, axis=0)
    np.testing.assert_array_equal(coarse.counters.window_bits, summed)


def test_a_chip_beyond_the_limit_keeps_no_windows(monkeypatch):
    monkeypatch.setattr(windows, "MOST_NUMBERS", 3)
    run = chain_run(np.array([[5, 0, 3]]), chain_chip())
    assert run.counters.window_bits.shape[0] == 0
    assert run.counters.window_start.size == 0


def test_chunks_and_workers_count_the_same():
    program = chain_program(chain_chip())
    x = np.array([[5, 0, 3, 0, 2, 2]] * 3)[:, :, None]
    one, three = simulate(program, x, threads=1), simulate(program, x, threads=3)
    for name, column in one.counters.columns().items():
        np.testing.assert_array_equal(three.counters.columns()[name], column, err_msg=name)
