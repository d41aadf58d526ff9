"""What a run says about its network: the chain of three cores, counted by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from support.chain import chain_chip, chain_program, chain_run

import neurosim
from neurosim.clock.ideal_validity import ideal_validity, longest_way_cycles
from neurosim.cost.counters import BOUNDS
from neurosim.cost.network_stats import LATENCY_CLASSES
from neurosim.noc.bands import DRAIN_OVER_BOUND
from neurosim.report.network import network_view
from neurosim.report.terminal import text_of

VALUES = np.full((2, 3), 5)


def bounds_of(run, rows):
    """The counters of `run` with other bounds (ticks, 3) for its one sample."""
    bounds = np.array([rows], np.int64)
    return dataclasses.replace(run.counters, bounds=bounds, busy_cycles=bounds.max(axis=-1))


def test_latencies_and_drains_of_a_chain():
    """Alone in the network: 2 cycles to the router, 3 per router, one more for the second flit.

    A value passes two routers, a result three on its way to the host, an input of the host one.
    """
    run = chain_run(VALUES, noc="cycle")
    stats = run.network
    latencies = {(int(c), int(t)): int(stats.latency[c, t]) for c, t in np.argwhere(stats.latency)}
    analog, host = LATENCY_CLASSES.index("analog"), LATENCY_CLASSES.index("host")
    assert latencies == {(analog, 9): 12, (analog, 12): 6, (host, 6): 6}
    assert stats.drain_cycles.sum() == stats.drain_cycles_total
    np.testing.assert_array_equal(stats.drain_peak * 2, stats.drain_cycles)  # two equal samples
    assert (stats.drain_peak <= run.counters.busy_cycles[0]).all()
    assert (stats.drain_peak - stats.drain_peak[0]).tolist() == [0, 0, 3, 3, 3]


def test_the_longest_way_is_from_the_third_core_to_the_host():
    chip = chain_chip()
    body = -(-chip.packet_bits("psum") // chip.noc.link_bits)
    expected = chip.noc.source_cycles + 3 * chip.noc.hop_cycles + body - 1
    assert longest_way_cycles(chain_program(chip)) == expected


@pytest.mark.parametrize(
    ("traffic", "load", "outside"), [((0, 0), 0.0, 0), ((7, 4), 0.7, 0), ((8, 20), 1.0, 2)]
)
def test_validity_ends_at_seventy_percent(traffic, load, outside):
    """Ticks of 10 cycles of compute: a link that carries bits in 7 of them is just inside."""
    run = chain_run(VALUES)
    program = chain_program(chain_chip(noc__buffer_flits=8))  # the credit loop is 5 cycles
    assert BOUNDS == ("compute", "memory", "traffic")
    judged = ideal_validity(program, bounds_of(run, [[10, 3, cycles] for cycles in traffic]))
    assert judged.peak_load == pytest.approx(load)
    assert judged.ticks_outside == outside
    assert judged.inside == (outside == 0)
    # 2 cycles to the router and 3 through it for a short way, else the longest: 2 + 3 * 3 + 1
    drains = [DRAIN_OVER_BOUND * max(cycles + 5, 12) if cycles else 0 for cycles in traffic]
    most = sum(10 + drain for drain in drains)
    assert judged.high == pytest.approx(most / sum(max(10, cycles) for cycles in traffic))


def test_short_buffers_count_as_load():
    """Four places and a loop of 5 cycles: a link carries 4 flits in 5 cycles at most."""
    run = chain_run(VALUES)
    program = chain_program(chain_chip(noc__buffer_flits=4))
    judged = ideal_validity(program, bounds_of(run, [[10, 3, 6]]))
    assert judged.peak_load == pytest.approx(0.6 / 0.8)
    assert judged.ticks_outside == 1


def test_the_ideal_network_speaks_about_its_validity():
    shown = text_of(network_view(chain_run(VALUES)))
    assert "Ideal network: links loaded up to" in shown
    assert "times its cycles" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


def test_the_cycle_level_network_shows_what_it_saw():
    run = chain_run(VALUES, noc="cycle")
    shown = text_of(network_view(run))
    for heading in (
        "Hottest links",
        "Packet latency",
        "Waiting",
        "Busiest router outputs",
        "Drain",
    ):
        assert heading in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert shown.count("host") >= 1


def test_a_fixed_tick_shows_its_slack():
    tick = {"mode": "fixed", "period_ns": 1000.0, "sync_cycles": 0}
    program = chain_program(chain_chip(tick=tick))
    for noc in ("ideal", "cycle"):
        run = neurosim.simulate(program, VALUES[..., None], noc=noc)
        assert "Fixed tick of" in text_of(network_view(run))


def test_statistics_add_up_in_any_order():
    program = chain_program()
    x = np.array([[[v]] * 3 for v in (1, 9, 4)], np.int64)
    whole = neurosim.simulate(program, x, noc="cycle", threads=1).network
    parts = [neurosim.simulate(program, x[i : i + 1], noc="cycle").network for i in (2, 0, 1)]
    added = parts[0] + (parts[1] + parts[2])
    for item in dataclasses.fields(whole):
        np.testing.assert_array_equal(getattr(added, item.name), getattr(whole, item.name))
