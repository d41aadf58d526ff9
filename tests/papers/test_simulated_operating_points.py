"""Published operating points, simulated: small networks, scaled up by a stated law.

The law: dynamic energy is proportional to what happens. Neuron updates and synaptic operations
grow with the number of cores, hops with the packets and with the mean way on the larger chip;
static power is that of the whole chip. `chip_configs/README.md` prints the table.
"""

from __future__ import annotations

import numpy as np
import pytest

from neurosim import ProgramBuilder, load_chip, simulate
from neurosim.cost.counters import totals
from neurosim.cost.energy import energy
from neurosim.cost.latency import seconds_total
from neurosim.run.encoding import InputCode

SIDE, N_TICKS = 4, 200


def _mean_hops(side):
    """Mean |a - b| of two uniformly random places on a line of `side`."""
    return (side * side - 1) / (3 * side)


def _characterisation_network(rate_hz, side=SIDE, seed=0):
    """Cores full of neurons that fire on their own, each to a random axon with 128 synapses.

    The leak of 1 per tick drives each neuron over its threshold, a whole number of ticks; two
    thresholds are mixed for the rate. The weights are 0, so that the drive alone sets the rate;
    all synapses of an active axon are worked on all the same.
    """
    chip, rng = load_chip("truenorth"), np.random.default_rng(seed)
    builder = ProgramBuilder(chip, n_inputs=1, seed=seed)
    short = int(1000 / rate_hz)
    share = (rate_hz / 1000 - 1 / (short + 1)) / (1 / short - 1 / (short + 1))
    cores = [builder.add_core(x, y) for y in range(side) for x in range(side)]
    for core in cores:
        connected = np.argsort(rng.random((256, 256)), axis=1) < 128
        core.set_crossbar(connected, np.arange(256) % 4)
        threshold = np.where(rng.random(256) < share, short, short + 1)
        start = rng.integers(0, threshold)
        core.set_truenorth(weight=[0, 0, 0, 0], leak=1, threshold=threshold, v_start=start)
    place = rng.permutation(side * side * 256)
    neuron = np.arange(place.size)
    builder.connect(neuron // 256, neuron % 256, place // 256, place % 256)
    builder.add_layer("out", [(cores[0], [0])])
    return builder.build("out")


def truenorth_watts(rate_hz):
    """Power of the whole chip at a rate, from a simulation of 4 x 4 cores."""
    program = _characterisation_network(rate_hz)
    run = simulate(program, np.zeros((1, N_TICKS, 1)))
    chip, bill = program.chip, energy(program, run.counters)
    counts = totals(program, run.counters)
    seconds = seconds_total(program, run.counters)
    fired = counts["fired"] / (program.n_neurons * seconds)
    assert fired == pytest.approx(rate_hz, rel=0.03)
    assert counts["synaptic_ops"] == 128 * counts["axon_events"]
    assert counts["hops_x"] / counts["packets"] == pytest.approx(_mean_hops(SIDE), rel=0.05)

    cores, more = chip.n_cores / program.n_cores, rate_hz / fired
    way = _mean_hops(chip.wide) / _mean_hops(SIDE)
    joules = cores * (bill.soma + more * bill.synapse + more * way * bill.router) * 1e-12
    return joules / seconds + chip.static_power_w


@pytest.mark.parametrize(("rate_hz", "published_w"), [(11.58, 0.068), (95.93, 0.094)])
def test_truenorth_power_against_rate_merolla_2014(rate_hz, published_w):
    """Merolla et al., Science 2014: 0.8 V, 128 active synapses per axon, every neuron used."""
    assert truenorth_watts(rate_hz) == pytest.approx(published_w, rel=0.02)


def _tianjic_full_load(kind):
    """(operations per second, W) of the whole chip with every axon active in every round.

    From a simulation of two full cores, the first of which feeds the second; per round of 5,050
    cycles and core 256 packets over four hops, as the chip file states.
    """
    chip = load_chip("tianjic")
    code = InputCode("analog", 1.0, 0, 255) if kind == "analog" else InputCode("spike")
    builder = ProgramBuilder(chip, n_inputs=256, input_code=code)
    cores = [builder.add_core(0, 0), builder.add_core(1, 0)]
    for core in cores:
        core.set_weights(np.ones((256, 256), np.int64), kind=kind)
        if kind == "analog":
            core.set_liaf(output="analog", alpha_num=0, theta=1 << 20, act_low=1, act_high=255)
        else:
            core.set_liaf(theta=1)
    axons = np.arange(256)
    builder.connect_inputs(axons, cores[0], axons)
    cores[0].connect(axons, cores[1], axons)
    builder.add_layer("out", [(cores[1], axons[:1])])
    program = builder.build("out")
    run = simulate(program, np.ones((1, 4, 256)))
    counts, bill = totals(program, run.counters), energy(program, run.counters)
    rounds = counts["axon_events"] / 256  # of full cores
    name = "macs" if kind == "analog" else "synaptic_ops"
    operations = counts[name] / rounds
    sent = 256 * chip.energy.packet_send_pj.value + 256 * chip.energy.packet_receive_pj.value
    bits = 256 * 4 * chip.packet_bits(kind) * chip.energy.hop_x_pj_per_bit.value
    picojoules = (bill.synapse + bill.soma) / rounds + sent + bits
    per_second = chip.n_cores * chip.timing.clock_hz.value / 5050
    watts = chip.static_power_w + per_second * picojoules * 1e-12
    return operations * per_second, watts


def test_tianjic_operations_per_watt():
    """1.28 TOPS/W with values (two operations per MAC), as in the round of 5,050 cycles."""
    operations, watts = _tianjic_full_load("analog")
    assert 2 * operations / watts / 1e12 == pytest.approx(1.28, rel=0.02)
    assert operations / 1e9 == pytest.approx(610, rel=0.01)  # a byte per weight: GB/s


def test_tianjic_synaptic_operations_per_watt():
    """About 649 GSOPS/W with spikes; the model is 6 % more optimistic, see the README."""
    operations, watts = _tianjic_full_load("spike")
    assert operations / watts / 1e9 == pytest.approx(649, rel=0.07)


def _loihi_bill(n_spikes, target=(1, 0)):
    """Energy in pJ of a run in which one neuron fires `n_spikes` times over one synapse."""
    builder = ProgramBuilder(load_chip("loihi_spikes"), n_inputs=1)
    first, second = builder.add_core(0, 0), builder.add_core(*target)
    for core in (first, second):
        core.set_weights([[1]])
        core.set_liaf(theta=1 if core is first else 100)
    builder.connect_inputs([0], first, axons=[0])
    first.connect([0], second, axons=[0])
    builder.add_layer("out", [(second, [0])])
    program = builder.build("out")
    x = np.zeros((1, 8, 1))
    x[0, :n_spikes] = 1
    return energy(program, simulate(program, x).counters)


@pytest.mark.parametrize(
    ("target", "hop_pj"), [((1, 0), 3.0), ((0, 1), 4.0), ((2, 1), 2 * 3.0 + 4.0)]
)
def test_one_more_spike_on_loihi_davies_2018(target, hop_pj):
    """Davies et al., IEEE Micro 2018: 23.6 pJ per synaptic operation, 3.0 and 4.0 pJ per hop
    east-west and north-south, 1.7 pJ at the source. One more spike is one more of each.
    """
    few, many = _loihi_bill(2, target=target), _loihi_bill(3, target=target)
    assert many.synapse - few.synapse == pytest.approx(2 * 23.6, abs=2e-3)  # both cores' synapses
    assert many.router - few.router == pytest.approx(hop_pj + 1.7, abs=2e-3)


def test_neuron_updates_on_loihi_davies_2018():
    """52 pJ per inactive update, 81 pJ per active one: 2 neurons in 8 ticks, access and update."""
    bill = _loihi_bill(0)
    terms = {term.key: term for term in bill.terms}
    assert terms["neuron_access_pj"].energy_pj == pytest.approx(
        52 * terms["neuron_access_pj"].count
    )
    assert terms["neuron_update_pj"].unit_energy + 52 == 81
