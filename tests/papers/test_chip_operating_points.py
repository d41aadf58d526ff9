"""Published operating points, recomputed from the numbers of the shipped chip files."""

from __future__ import annotations

import pytest

from neurosim.chip.files import load_chip
from neurosim.chip.model import Chip


def _mean_hops(side: int) -> float:
    """Mean |a - b| of two uniformly random places on a line of `side`: (n^2 - 1) / (3 n)."""
    return (side * side - 1) / (3 * side)


@pytest.mark.parametrize(("rate_hz", "published_w"), [(11.58, 0.068), (95.93, 0.094)])
def test_truenorth_power_against_rate_merolla_2014(rate_hz: float, published_w: float) -> None:
    """Merolla et al., Science 2014: 0.8 V, 128 active synapses per axon, all neurons used."""
    chip = load_chip("truenorth")
    energy, neurons = chip.energy, chip.n_cores * chip.core.neurons
    assert neurons == 1_048_576
    ticks_per_second = 1e9 / (chip.tick.period_ns or 0)
    spikes = neurons * rate_hz
    picojoules = (
        neurons * ticks_per_second * energy.neuron_update_pj.value
        + spikes * 128 * energy.synaptic_op_pj.value
        + spikes * _mean_hops(chip.wide) * energy.hop_x_pj_per_packet.value
        + spikes * _mean_hops(chip.high) * energy.hop_y_pj_per_packet.value
    )
    assert chip.static_power_w + picojoules * 1e-12 == pytest.approx(published_w, rel=0.01)


def test_truenorth_never_prices_an_event_with_the_operating_point_average() -> None:
    """26 pJ per synaptic event contains static power, see chip_configs/README.md."""
    assert load_chip("truenorth").energy.synaptic_op_pj.value < 5.0


def _tianjic_full_load(chip: Chip, kind: str) -> tuple[float, float]:
    """(synaptic operations per second, W) with rounds of 5,050 cycles, all of 256 x 256 used."""
    energy = chip.energy
    rounds = chip.timing.clock_hz.value / 5050
    rows = chip.n_cores * chip.core.axons * rounds
    operations = rows * chip.core.neurons
    updates = chip.n_cores * chip.core.neurons * rounds
    bits = chip.packet_bits("analog" if kind == "analog" else "spike")
    per_update = (
        energy.neuron_access_pj.value
        + energy.neuron_update_pj.value
        + energy.neuron_fire_pj.value
        + energy.packet_send_pj.value
        + energy.packet_receive_pj.value
        + 4 * bits * energy.hop_x_pj_per_bit.value
    )
    operation = energy.mac_pj if kind == "analog" else energy.synaptic_op_pj
    picojoules = (
        operations * operation.value + rows * energy.row_read_pj.value + updates * per_update
    )
    return operations, chip.static_power_w + picojoules * 1e-12


def test_tianjic_tera_operations_per_watt() -> None:
    """1.28 TOPS/W (two operations per MAC), and the assumed 950 mW behind it."""
    operations, watts = _tianjic_full_load(load_chip("tianjic"), "analog")
    assert watts == pytest.approx(0.95, rel=0.005)
    assert 2 * operations / watts / 1e12 == pytest.approx(1.28, rel=0.01)


def test_tianjic_synaptic_operations_per_watt() -> None:
    """About 649 GSOPS/W; this model is 6 % more optimistic, as its README says."""
    operations, watts = _tianjic_full_load(load_chip("tianjic"), "spike")
    assert operations / watts / 1e9 == pytest.approx(649, rel=0.06)


def test_tianjic_memory_bandwidth() -> None:
    """More than 610 GB/s: one byte per weight, every weight once per round."""
    chip = load_chip("tianjic")
    operations, _ = _tianjic_full_load(chip, "analog")
    assert operations * chip.synapse_bytes / 1e9 == pytest.approx(610, rel=0.01)


def test_loihi_table_davies_2018() -> None:
    """Davies et al., IEEE Micro 2018: energy and time per operation."""
    chip = load_chip("loihi")
    energy, timing = chip.energy, chip.timing
    assert energy.synaptic_op_pj.value == 23.6
    assert energy.neuron_access_pj.value == 52
    assert energy.neuron_access_pj.value + energy.neuron_update_pj.value == 81
    assert energy.packet_send_pj.value == 1.7
    assert energy.hop_x_pj_per_packet.value == 3.0
    assert energy.hop_y_pj_per_packet.value == 4.0
    nanoseconds = 1e9 / timing.clock_hz.value
    assert timing.synaptic_op_cycles.value * nanoseconds == pytest.approx(3.5)
    assert timing.neuron_update_cycles.value * nanoseconds == pytest.approx(8.4)
    hop_cycles = chip.noc_section.router_cycles + chip.noc_section.link_cycles
    assert hop_cycles * nanoseconds == pytest.approx(4.1, rel=0.03)
    assert chip.tick.sync_cycles * nanoseconds == pytest.approx(465)


def test_liaf_net_section_v_packet_overhead() -> None:
    """LIAF-Net section V: 8 bit appended to a 32-bit packet; 20 % of the new packet."""
    for name in ("tianjic", "truenorth_value8"):
        chip = load_chip(name)
        spike, value = chip.packet_bits("spike"), chip.packet_bits("analog")
        assert (value - spike) / value == pytest.approx(0.20)
        assert (value - spike) / spike == pytest.approx(0.25)
    always = load_chip("always64")
    assert always.packet_bits("spike") == always.packet_bits("analog") == 64
