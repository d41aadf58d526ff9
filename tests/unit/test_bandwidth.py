"""Bandwidth: bits over links, counted by hand on a chain of three cores."""

from __future__ import annotations

import numpy as np
import pytest
from support.chain import chain_chip, chain_run
from support.chips import make_chip

from neurosim.cost.bandwidth import bandwidth, bits_by_axis, link_name, n_router_links
from neurosim.cost.counters import totals

HEADER, PAYLOAD = 9 + 9 + 8, 8
BITS = HEADER + PAYLOAD
N = 6  # values of the host


@pytest.fixture(scope="module")
def run():
    return chain_run(np.full((2, 3), 5))


def test_sums_by_hand(run):
    """Per value: 4 packets, two of them over host links, 1 + 1 + 2 hops between routers."""
    result = bandwidth(run.program, run.counters)
    assert result.packet_bits == {"spike": HEADER, "analog": BITS, "psum": HEADER + 24}
    assert result.bits_sent == 4 * N * BITS
    assert result.payload_bits == 4 * N * PAYLOAD
    assert result.bit_hops == 4 * N * BITS
    along = bits_by_axis(run.program, run.counters)
    assert (along.x, along.y, along.crossing, along.io) == (4 * N * BITS, 0, 0, 2 * N * BITS)


def test_busiest_link_and_mean(run):
    """Every link carries one packet per tick; the lowest number is (0,0) -> (1,0)."""
    result = bandwidth(run.program, run.counters)
    assert (result.peak_link_bits_per_tick, result.peak_link) == (BITS, "(0,0) -> (1,0)")
    n_ticks, n_links = 2 * (3 + 2), 2 * 3
    assert result.mean_link_bits_per_tick == pytest.approx(4 * N * BITS / (n_ticks * n_links))


def test_zeros_are_not_sent():
    silent = chain_run(np.zeros((1, 3), np.int64))
    result = bandwidth(silent.program, silent.counters)
    assert (result.bits_sent, result.peak_link_bits_per_tick, result.peak_link) == (0, 0, "")
    assert totals(silent.program, silent.counters)["neuron_updates"] == 3 * 3


def test_zeros_are_sent_where_the_chip_sends_them():
    silent = chain_run(np.zeros((1, 3), np.int64), chain_chip(core__send_zero=True))
    assert bandwidth(silent.program, silent.counters).bits_sent == 4 * 3 * BITS


@pytest.mark.parametrize(
    ("link", "name"),
    [
        (0, "(0,0) -> (1,0)"),
        (4 * 3 + 1, "(3,0) -> (2,0)"),
        (4 * 5 + 2, "(1,1) -> (1,2)"),
        (4 * 5 + 3, "(1,1) -> (1,0)"),
        (4 * 12, "host -> (0,0)"),
        (4 * 12 + 2, "host -> (0,2)"),
        (4 * 12 + 3 + 1, "(0,1) -> host"),
        (-1, ""),
    ],
)
def test_names_of_links(link, name):
    assert link_name(make_chip(grid={"wide": 4, "high": 3}), link) == name


def test_names_of_links_that_wrap():
    chip = make_chip(grid={"wide": 4, "high": 3}, noc__topology="torus")
    assert link_name(chip, 4 * 3) == "(3,0) -> (0,0)"
    assert link_name(chip, 3) == "(0,0) -> (0,2)"


@pytest.mark.parametrize(
    ("keys", "n_links"),
    [
        ({"grid": {"wide": 4, "high": 3}}, 2 * (3 * 3 + 4 * 2)),
        ({"grid": {"wide": 4, "high": 3}, "noc__topology": "torus"}, 4 * 12),
        ({"grid": {"wide": 4, "high": 1}, "noc__topology": "torus"}, 2 * 4),
        ({"grid": {"wide": 2, "high": 2}, "array": {"wide": 2, "high": 1}}, 2 * (3 * 2 + 4)),
        ({"grid": {"wide": 2, "high": 2}, "dead_links": [[[0, 0], [1, 0]]]}, 8 - 2),
    ],
)
def test_number_of_links(keys, n_links):
    assert n_router_links(make_chip(**keys)) == n_links
