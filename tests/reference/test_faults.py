"""Faults, counted by hand: three relays in a row, and two spiking neurons."""

from __future__ import annotations

import numpy as np
import pytest
from support.chain import chain_program
from support.chips import make_chip

import neurosim
from neurosim.errors import UsageError
from neurosim.faults import inject, parse_fault, simulate_faulty
from neurosim.results import run_files
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, liaf
from neurosim_mapper.pipeline import map_network

X = np.array([[[5], [0], [9], [1]], [[2], [7], [0], [3]]])


def outputs(*faults: str, **more) -> np.ndarray:
    return simulate_faulty(chain_program(), X, [parse_fault(t) for t in faults], **more).outputs


@pytest.mark.parametrize(("bit", "weight"), [(0, 0), (1, 3), (3, 9), (7, -127)])
def test_a_flipped_bit_of_a_weight(bit, weight):
    """Relays have the weight 1 and saturate at 0 and 255."""
    found = outputs(f"weights:core=1,axon=0,neuron=0,bit={bit}")
    np.testing.assert_array_equal(found, np.clip(weight * X, 0, 255))


def test_a_weight_of_zero_is_no_synapse():
    program = inject(chain_program(), [parse_fault("weights:core=1,bit=0")]).program
    assert program.axons.synapses.tolist() == [1, 0, 1]


def test_a_silent_neuron_sends_nothing():
    run = simulate_faulty(chain_program(), X, [parse_fault("silent:core=1")])
    assert not run.outputs.any()
    whole = neurosim.simulate(chain_program(), X).report().to_dict()["counts"]
    # Of three relays that send each of the 6 values, the second and the third fall silent.
    assert (whole["packets"], run.report().to_dict()["counts"]["packets"]) == (18, 6)


@pytest.mark.parametrize("tick", [1, 3])
def test_a_flipped_bit_of_a_potential(tick):
    """Relays forget, so their potential is 0 between ticks, and bit 4 adds 16 to one value."""
    found = outputs(f"potentials:core=0,neuron=0,bit=4,tick={tick},sample=1")
    expected = X.copy()
    expected[1, tick] += 16
    np.testing.assert_array_equal(found, expected)


def test_every_potential_in_every_tick():
    """The first relay adds 16 in every tick but the first; relays behind it work later."""
    found = outputs("potentials:core=0,bit=4")
    expected = X.copy()
    expected[:, 1:] += 16
    np.testing.assert_array_equal(found, expected)


def test_a_firing_neuron_fires_in_every_tick():
    builder = neurosim.ProgramBuilder(neurosim.load_chip("loihi"), n_inputs=1)
    core = builder.add_core(0, 0)
    core.set_weights([[1, 1]])
    core.set_liaf(theta=3)
    builder.connect_inputs([0], core, axons=[0])
    builder.add_layer("out", [(core, [0, 1])])
    program = builder.build(output="out")
    x = np.array([[[0], [1], [0], [0]]])
    found = simulate_faulty(program, x, [parse_fault("firing:core=0,neuron=1")]).outputs
    np.testing.assert_array_equal(found[0], [[0, 1]] * 4)


def test_rates_hit_their_share_and_follow_the_seed():
    """24 bits of 3 weights, many seeds: the mean of a binomial, four standard deviations."""
    program, n_seeds, rate = chain_program(), 400, 0.25
    hits = [inject(program, [parse_fault(f"weights:{rate},seed={s}")]).hits for s in range(n_seeds)]
    mean = np.mean([len(h) for h in hits])
    assert abs(mean - 24 * rate) < 4 * np.sqrt(24 * rate * (1 - rate) / n_seeds)
    assert inject(program, [parse_fault(f"weights:{rate},seed=7")]).hits == hits[7]
    assert all(len(set(h)) == len(h) for h in hits)


def test_a_dropped_packet_was_sent_and_does_not_arrive():
    """The first relay's packet of tick 2 carries the 9 of sample 0, and loads its link."""
    run = simulate_faulty(chain_program(), X, [parse_fault("dropped:core=0,tick=2,sample=0")])
    expected = X.copy()
    expected[0, 2] = 0
    np.testing.assert_array_equal(run.outputs, expected)
    counts = run.report().to_dict()["counts"]
    # 6 values and 3 relays; of one value the host's packet arrives and the first relay's is sent.
    assert (counts["packets"], counts["axon_events"]) == (5 * 3 + 1, 5 * 3 + 1)
    assert run.program.provenance["faults"]["first"] == [
        "dropped: sample 0, tick 2, core 0 (x 0, y 0), neuron 0, packet 0"
    ]


@pytest.mark.parametrize(("bit", "value"), [(0, 8), (2, 13), (7, 137)])
def test_a_flipped_bit_of_a_value(bit, value):
    found = outputs(f"corrupted:layer=relay1,tick=3,sample=0,bit={bit}")
    expected = X.copy()
    expected[0, 2] = value  # relay 1 sends the 9 of tick 2 in tick 3
    np.testing.assert_array_equal(found, expected)


def test_packets_of_the_host():
    run = simulate_faulty(chain_program(), X, [parse_fault("dropped:layer=input")])
    counts = run.report().to_dict()["counts"]
    assert not run.outputs.any()
    assert (counts["input_packets"], counts["axon_events"], counts["packets"]) == (6, 0, 0)


def test_a_link_loses_what_crosses_it():
    """Link 0 leads from the first router to the second; nothing comes through."""
    run = simulate_faulty(chain_program(), X, [parse_fault("dropped:link=0")])
    assert not run.outputs.any()
    assert run.report().to_dict()["counts"]["packets"] == 6
    assert run.program.provenance["faults"]["hit"] == 6


def test_the_wrong_axon():
    """Axon 0 has the weight 1, axon 1 the weight 3."""
    builder = neurosim.ProgramBuilder(neurosim.load_chip("loihi"), n_inputs=1)
    core = builder.add_core(0, 0)
    core.set_weights([[1], [3]])
    core.set_liaf(theta=3)
    builder.connect_inputs([0], core, axons=[0])
    builder.add_layer("out", [(core, [0])])
    x = np.array([[[1], [0], [1], [0]]])
    faults = [parse_fault("misdelivered:tick=2,bit=0")]
    found = simulate_faulty(builder.build(output="out"), x, faults)
    np.testing.assert_array_equal(found.outputs[0, :, 0], [0, 0, 1, 0])
    assert found.report().to_dict()["counts"]["axon_events"] == 2


def test_a_tree_loses_the_cores_behind_the_link():
    """One value goes to two cores; the way to the second leads on from the first."""
    chip = make_chip(core__neurons=4, noc__multicast="tree", grid={"wide": 4, "high": 1})
    relays = [Linear(np.ones((1, 1))), liaf(1.0, 0.0, "relu", clamp=(0.0, 127.0))]
    out = [Linear(np.ones((8, 1))), liaf(1.0, 0.0, "relu", clamp=(0.0, 127.0))]
    network = Network.sequential([Input((1,)), *relays, *out])
    program = map_network(network, chip, np.ones((1, 1, 1)), placer="row-major")
    flow = int(np.flatnonzero(np.diff(program.flows.target_offset) == 2)[0])
    links = program.flows.link[slice(*program.flows.link_offset[flow : flow + 2])]
    x = np.ones((1, 2, 1))
    whole = neurosim.simulate(program, x).outputs
    found = simulate_faulty(program, x, [parse_fault(f"dropped:link={links[-1]}")]).outputs
    assert whole.all()
    assert links.size == 2
    np.testing.assert_array_equal(np.sort(found[0, 0] != 0), [False] * 4 + [True] * 4)


def test_spikes_of_a_crossbar():
    """A spike of the first core is lost, or comes to the other axon, which nobody listens to."""
    builder = neurosim.ProgramBuilder(neurosim.load_chip("truenorth"), n_inputs=1)
    first, second = builder.add_core(0, 0), builder.add_core(1, 0)
    for core, connected in ((first, [[1]]), (second, [[1], [0]])):
        core.set_crossbar(connected, [0] * len(connected))
        core.set_truenorth(weight=[1, 0, 0, 0], threshold=1)
    builder.connect_inputs([0], first, axons=[0])
    first.connect([0], second, axons=[0], delays=[2])
    builder.add_layer("out", [(second, [0])])
    program = builder.build(output="out")
    x = np.array([[[1], [0], [1], [0], [0], [0]]])
    spikes = neurosim.simulate(program, x).outputs[0, :, 0]
    np.testing.assert_array_equal(spikes, [0, 0, 1, 0, 1, 0])
    for fault, events in (("dropped:core=0,tick=0", 3), ("misdelivered:core=0,tick=0,bit=0", 4)):
        run = simulate_faulty(program, x, [parse_fault(fault)])
        np.testing.assert_array_equal(run.outputs[0, :, 0], [0, 0, 0, 0, 1, 0])
        assert run.report().to_dict()["counts"]["axon_events"] == events


@pytest.mark.parametrize("kind", ["weights", "potentials", "silent", "dropped", "corrupted"])
def test_no_hit_is_the_whole_chip(kind):
    found = simulate_faulty(chain_program(), X, [parse_fault(f"{kind}:0")], probe=["relay1"])
    whole = neurosim.simulate(chain_program(), X, probe=["relay1"])
    for name in ("counters.npz", "trace.npz"):
        assert run_files(found)[name] == run_files(whole)[name]
    assert found.program.provenance["faults"] == {"asked": [f"{kind}:0"], "hit": 0, "first": []}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "wieghts:1",
            "'wieghts' is no kind; known: weights, potentials, silent, firing, dropped, "
            "corrupted, misdelivered.",
        ),
        ("weights", "needs a rate (weights:0.001) or a place (weights:core=0)."),
        ("weights:2", "'2' is no rate; a number from 0 to 1 is needed."),
        ("weights:nan", "'nan' is no rate; a number from 0 to 1 is needed."),
        ("weights:core=x", "core is 'x'; a whole number from 0 is needed."),
        ("silent:tick=1", "'tick' is no place of silent; known: core, neuron, seed."),
        ("silent:core=9", "there is nothing at this place of the program."),
        ("weights:bit=8", "there is nothing at this place of the program."),
        ("potentials:sample=2", "there are 2 samples, from 0."),
        ("dropped:sample=2", "there are 2 samples, from 0."),
        ("dropped:link=9", "there is nothing at this place of the program."),
        ("corrupted:bit=8", "there is nothing at this place of the program."),
        ("dropped:layer=x", "there is no layer 'x'; known: input, relay0, relay1, relay2."),
    ],
)
def test_one_sentence(text, sentence):
    with pytest.raises(UsageError) as caught:
        outputs(text)
    assert str(caught.value) == f"fault {text!r}: {sentence}"


def test_values_cannot_fire():
    with pytest.raises(UsageError, match="only neurons with one spike per tick can fire"):
        outputs("firing:core=0")
