"""Floorline: the time of a run by cause, who binds, and what would help, by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chain import chain_chip, chain_network, chain_program, chain_run

from neurosim.cost.counters import BOUNDS
from neurosim.cost.floorline import TIMES, floorline
from neurosim.cost.latency import tick_cycles
from neurosim.report.page import run_page
from neurosim.report.view import view_of_run
from neurosim.run.simulator import simulate
from neurosim_mapper.pipeline import map_network


@pytest.fixture(scope="module")
def run():
    """Bounds of every tick are 3, 2, 2 cycles (see test_latency); the barrier takes one more."""
    return chain_run(np.full((1, 4), 5), chain_chip(tick__sync_cycles=1))


def test_cycles_by_cause(run):
    line = floorline(run.program, run.counters)
    assert tuple(line.cycles) == TIMES
    assert line.cycles == {
        "compute": 6 * 3, "memory": 0, "traffic": 0, "transit": 0, "reload": 0, "sync": 6, "idle": 0
    }  # fmt: skip
    assert line.limit == "compute"


def test_speedup_without_a_bound(run):
    """Without compute a tick takes 2 + 1 cycles for 3 + 1; the others never bind."""
    assert floorline(run.program, run.counters).speedup == {
        "compute": pytest.approx(4 / 3, abs=1e-3), "memory": 1.0, "traffic": 1.0
    }  # fmt: skip


def test_who_binds(run):
    """All relays need 3 cycles; of equals the first core counts: (0,0) while it has values."""
    found = [
        (b.bound, b.place, b.layers, b.ticks, b.cycles)
        for b in floorline(run.program, run.counters).binders
    ]
    assert found == [
        ("compute", "core (0,0)", ("relay0",), 4, 12),
        ("compute", "core (1,0)", ("relay1",), 1, 3),
        ("compute", "core (2,0)", ("relay2",), 1, 3),
    ]


def test_the_sentence_names_the_limit_the_place_and_a_remedy(run):
    assert floorline(run.program, run.counters).sentence == (
        "Compute limits test: 75 % of the time, most often core (0,0) with relay0. "
        "Spreading relay0 over more cores, or fewer events, would help."
    )


def _with_bounds(run, bounds):
    """The run with the given bounds in every tick; it is busy for the largest."""
    every = np.broadcast_to(np.asarray(bounds), run.counters.bounds.shape).copy()
    return replace(run.counters, bounds=every, busy_cycles=every.max(axis=2))


def test_memory_binds(run):
    line = floorline(run.program, _with_bounds(run, [1, 9, 1]))
    assert line.limit == "memory"
    assert line.sentence.startswith("Memory limits test: 90 % of the time, most often core (0,0)")


def test_a_link_of_the_host_binds():
    """A narrow link: 34 bits take 17 cycles on every link, the host's is the first of equals."""
    run = chain_run(np.full((1, 4), 5), chain_chip(noc__link_bits_per_cycle=2))
    line = floorline(run.program, run.counters)
    assert line.limit == "traffic"
    assert {binder.bound for binder in line.binders} == {"traffic"}
    assert line.cycles["traffic"] == int(run.counters.bounds[..., 2].sum())


def test_transit_is_what_the_cycle_level_network_adds():
    run = chain_run(np.full((1, 4), 5), chain_chip(tick__sync_cycles=1), noc="cycle")
    line = floorline(run.program, run.counters)
    largest = int(run.counters.bounds.max(axis=2).sum())
    assert line.cycles["transit"] == int(run.counters.busy_cycles.sum()) - largest > 0
    assert sum(line.cycles.values()) == int(tick_cycles(run.program.chip, run.counters).sum())


def test_a_fixed_tick_waits_for_its_period():
    """100 cycles of 10 ns; 3 of them busy."""
    clock = {"value": 1e8, "source": "chosen for a test", "kind": "assumption"}
    tick = {"mode": "fixed", "period_ns": 1000.0, "sync_cycles": 0}
    run = chain_run(np.full((1, 4), 5), chain_chip(tick=tick, timing__clock_hz=clock))
    line = floorline(run.program, run.counters)
    assert line.cycles["idle"] == 6 * 97
    assert line.limit == "idle"
    assert set(line.speedup.values()) == {1.0}
    assert "the busiest tick takes 3 of 100 cycles" in line.sentence


def test_a_folded_program_waits_for_its_weights():
    """Three relays on one core; the time of a run is still made up of its causes."""
    chip = chain_chip(grid={"wide": 1, "high": 1})
    program = map_network(chain_network(chip), chip, placer="row-major", fold="auto")
    run = simulate(program, np.full((1, 1, 1), 5), threads=1)
    line = floorline(program, run.counters)
    assert line.cycles["reload"] == int(run.counters.reload_cycles.sum()) > 0
    assert sum(line.cycles.values()) == int(tick_cycles(chip, run.counters).sum())
    assert line.limit == "reload"
    text = run_page(view_of_run(run))
    assert "2 cores of later phases share positions" in text


def test_the_barrier_limits():
    run = chain_run(np.full((1, 4), 5), chain_chip(tick__sync_cycles=1000))
    line = floorline(run.program, run.counters)
    assert line.limit == "sync"
    assert "1,000 cycles" in line.sentence


def test_a_run_without_ticks_is_limited_by_nothing():
    run = chain_run(np.zeros((0, 4), int), chain_chip())
    line = floorline(run.program, run.counters)
    assert line.limit == ""
    assert line.sentence == "The run has no ticks; nothing limits it."


def test_an_older_run_names_no_place(run):
    """Run folders of earlier versions lack who binds; the rest is there."""
    old = replace(run.counters, binding=np.zeros((0, 0, 3), np.int64))
    line = floorline(chain_program(), old)
    assert line.binders == ()
    assert line.cycles["compute"] == 18
    assert set(line.speedup) == set(BOUNDS)
