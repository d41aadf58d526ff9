"""Comparison: ratios, break-even and overheads from formulas."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from support.chain import chain_chip, chain_run

from neurosim.errors import UsageError
from neurosim.report import compare_runs
from neurosim.report.comparison import packet_kind

SPIKE, ANALOG = 26, 34  # bits of the test chip's packets


@pytest.fixture(scope="module")
def analog():
    return chain_run(np.full((2, 3), 5), labels=[0, 0]).report().to_dict()


@pytest.fixture(scope="module")
def spike(analog):
    """The same counts as if twice the packets had been sent, all of them spikes."""
    data = copy.deepcopy(analog)
    counts = data["counts"]
    for layer in data["program"]["layers"]:
        layer["sends"] = "spike"
    counts["packets"] *= 2
    counts["spike_packets"] = 2 * counts["analog_packets"]
    counts["analog_packets"] = 0
    counts["payload_bits"] = 0
    counts["bits_sent"] = counts["spike_packets"] * SPIKE
    return data


def test_overheads_and_break_even_of_the_chip(analog, spike):
    found = compare_runs({"values": analog, "spikes": spike})
    assert found.packet_bits == {"spike": SPIKE, "analog": ANALOG, "psum": SPIKE + 24}
    assert found.payload_overhead["of_spike_packet"] == pytest.approx(8 / 26)
    assert found.payload_overhead["of_analog_packet"] == pytest.approx(8 / 34)
    (pair,) = found.pairs
    assert pair.break_even_bits == pytest.approx(26 / 34)
    assert pair.packet_ratio == pytest.approx(0.5)
    assert pair.bit_ratio == pytest.approx(34 / (2 * 26))
    assert pair.verdict == (
        "values sends 0.50 packets for each of spikes; on this chip values need fewer bits below "
        "0.76, so its cores send fewer bits."
    )


def test_figures_by_those_of_the_first(analog, spike):
    found = compare_runs({"values": analog, "spikes": spike})
    first, second = found.relative
    assert set(vars(first).values()) == {"values", 1.0}
    assert (second.packets, second.cores, second.cycles) == (2.0, 1.0, 1.0)
    assert second.bits == pytest.approx(2 * SPIKE / ANALOG)
    assert "By values, per inference" in str(found)


def test_break_even_is_where_both_cost_the_same_bits(analog, spike):
    """At the break-even ratio r, r packets of values weigh as much as one spike packet."""
    (pair,) = compare_runs({"values": analog, "spikes": spike}).pairs
    assert pair.break_even_bits * ANALOG == pytest.approx(SPIKE)


def test_break_even_of_energy(analog, spike):
    (pair,) = compare_runs({"values": analog, "spikes": spike}).pairs
    moving = sum(analog["energy_pj"][part] for part in ("synapse", "soma", "router", "link"))
    per_packet = [
        moving / analog["counts"]["packets"],
        moving / spike["counts"]["packets"],
    ]
    assert pair.break_even_energy == pytest.approx(per_packet[1] / per_packet[0])


def test_what_if_of_packet_kinds(analog):
    """4 packets per value of the host and 3 values per sample."""
    (variant,) = compare_runs({"values": analog}).variants
    assert variant.if_bare_bits == 4 * 3 * SPIKE
    assert variant.if_payload_bits == variant.bits == 4 * 3 * ANALOG
    assert variant.header_bits == 4 * 3 * SPIKE
    assert variant.payload_bits == 4 * 3 * 8
    assert variant.packets == 3 * 3
    assert variant.input_packets == 3


def test_payload_always():
    """A chip whose spike packets carry the field, too, has no overhead and breaks even at 1."""
    data = chain_run(np.full((1, 1), 5), chain_chip(packet__payload_always=True)).report().to_dict()
    found = compare_runs({"a": data})
    assert found.payload_overhead == {"of_spike_packet": 0.0, "of_analog_packet": 0.0}


def test_silent_share():
    """Of 3 ticks the middle one is silent: a third of the updates sends nothing."""
    data = chain_run(np.array([[5, 0, 5]])).report().to_dict()
    (variant,) = compare_runs({"a": data}).variants
    assert variant.silent_share == pytest.approx(1 / 3)


def test_kinds(analog, spike):
    mixed = copy.deepcopy(analog)
    mixed["program"]["layers"][0]["sends"] = "spike"
    assert [packet_kind(d) for d in (analog, spike, mixed)] == ["analog", "spike", "mixed"]
    # The last layer is heard by the host alone, so its kind does not count.
    last = copy.deepcopy(analog)
    last["program"]["layers"][-1]["sends"] = "spike"
    assert packet_kind(last) == "analog"


def test_a_silent_spiking_network(analog, spike):
    silent = copy.deepcopy(spike)
    silent["counts"]["packets"] = 0
    (pair,) = compare_runs({"a": analog, "s": silent}).pairs
    assert (pair.packet_ratio, pair.break_even_energy) == (None, 0.0)
    assert pair.verdict == "s sends no packets; there is nothing to compare."


def test_what_cannot_be_compared(analog):
    with pytest.raises(UsageError, match="compare needs at least one run"):
        compare_runs({})
    other = copy.deepcopy(analog)
    other["chip"]["digest"] = "f" * 64
    with pytest.raises(UsageError, match="'a' and 'b' ran on different chips"):
        compare_runs({"a": analog, "b": other})
    fewer = copy.deepcopy(analog)
    fewer["samples"] = 1
    with pytest.raises(UsageError, match="'a' ran 2 samples, 'b' 1; compare needs the same"):
        compare_runs({"a": analog, "b": fewer})


def test_text_fits_the_terminal(analog, spike):
    long = "a_network_with_quite_a_long_name"
    text = str(compare_runs({long: analog, f"{long}_2": spike, "third": spike}))
    assert all(len(line) <= 80 for line in text.splitlines())
