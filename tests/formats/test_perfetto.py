"""The time line for Perfetto: valid trace events, times of the run, bounded, saying so."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.chain import chain_chip, chain_program, chain_run

from neurosim.cost.latency import seconds_total
from neurosim.cost.packet_trace import trace_sample
from neurosim.report import perfetto
from neurosim.report.perfetto import CORES, LINKS, PACKETS, TICKS, perfetto_trace

X = np.array([5, 0, 3])[:, None]


@pytest.fixture(scope="module")
def program():
    return chain_program(chain_chip(tick__sync_cycles=1))


@pytest.fixture(scope="module")
def data(program):
    return json.loads(perfetto_trace(program, X, "cycle"))


def _events(data, group, kind):
    return [e for e in data["traceEvents"] if e["pid"] == group and e["ph"] == kind]


def test_every_event_has_what_the_format_asks_for(data):
    for event in data["traceEvents"]:
        assert event["ph"] in ("M", "X", "C", "b", "e")
        assert {"ph", "pid", "name"} <= set(event)
        if event["ph"] != "M":
            assert event["ts"] >= 0
        if event["ph"] == "X":
            assert event["dur"] >= 0
    assert data["otherData"]["left_out"] == []


def test_ticks_follow_each_other(program, data):
    run, _ = trace_sample(program, X)
    ticks = _events(data, TICKS, "X")
    assert [t["args"]["busy_cycles"] for t in ticks] == run.counters.busy_cycles[0].tolist()
    us = 1e6 / program.chip.timing.clock_hz.value
    ends = [t["ts"] + t["dur"] + us for t in ticks]  # and one cycle for the barrier
    assert [t["ts"] for t in ticks[1:]] == pytest.approx(ends[:-1])
    assert ends[-1] == pytest.approx(1e6 * seconds_total(program, run.counters))


def test_cores_are_busy_as_counted(data):
    """Two values through three relays, 3 cycles each (see test_latency), updates in between."""
    slices = _events(data, CORES, "X")
    full = [s for s in slices if s["args"]["compute_cycles"] == 3]
    assert len(full) == 2 * 3
    assert {s["tid"] for s in slices} == {0, 1, 2}


def test_packets_are_those_of_the_run(program, data):
    """Per value: one of the host and one of each relay; each leaves before it arrives."""
    begin, end = _events(data, PACKETS, "b"), _events(data, PACKETS, "e")
    assert len(begin) == len(end) == 2 * 4
    for left, arrived in zip(begin, end, strict=True):
        assert left["id"] == arrived["id"]
        assert left["ts"] < arrived["ts"]
    names = {event["name"] for event in begin}
    assert names == {"input -> relay0", "relay0 -> relay1", "relay1 -> relay2", "relay2 -> host"}


def test_packet_times_make_the_latencies_of_the_network(program):
    run, times = trace_sample(program, X)
    assert run.network is not None
    expected = np.bincount(times.arrive - times.inject, minlength=run.network.latency.shape[1])
    np.testing.assert_array_equal(run.network.latency.sum(axis=0), expected)


def test_links_carry_their_bits(program, data):
    run, _ = trace_sample(program, X)
    most = max(event["args"]["bits"] for event in _events(data, LINKS, "C"))
    assert most == run.counters.window_bits.max()


def test_an_ideal_run_has_no_packets_and_says_so(program):
    data = json.loads(perfetto_trace(program, X, "ideal"))
    assert not _events(data, PACKETS, "b")
    assert "--noc cycle" in " ".join(data["otherData"]["left_out"])
    ideal = chain_run(X[:, 0][None], program.chip)
    busy = [tick["args"]["busy_cycles"] for tick in _events(data, TICKS, "X")]
    assert busy == ideal.counters.busy_cycles[0].tolist()


def test_what_is_left_out_is_said(program, monkeypatch):
    monkeypatch.setattr(perfetto, "MOST_PACKETS", 3)
    monkeypatch.setattr(perfetto, "MOST_LINKS", 1)
    monkeypatch.setattr(perfetto, "MOST_SLICES", 2)
    data = json.loads(perfetto_trace(program, X, "cycle"))
    assert len(_events(data, PACKETS, "b")) == 3
    said = " ".join(data["otherData"]["left_out"])
    assert "5 later deliveries of packets are left out" in said
    assert "links with less traffic are left out" in said
    assert "ticks at the end are left out" in said
    assert "busy times of cores at the end are left out" in said
