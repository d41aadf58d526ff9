"""Faults, counted by hand: three relays in a row, and two spiking neurons."""

from __future__ import annotations

import numpy as np
import pytest
from support.chain import chain_program

import neurosim
from neurosim.errors import UsageError
from neurosim.faults import inject, parse_fault, simulate_faulty
from neurosim.results import run_files

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


@pytest.mark.parametrize("kind", ["weights", "potentials", "silent"])
def test_no_hit_is_the_whole_chip(kind):
    found = simulate_faulty(chain_program(), X, [parse_fault(f"{kind}:0")], probe=["relay1"])
    whole = neurosim.simulate(chain_program(), X, probe=["relay1"])
    for name in ("counters.npz", "trace.npz"):
        assert run_files(found)[name] == run_files(whole)[name]
    assert found.program.provenance["faults"] == {"asked": [f"{kind}:0"], "hit": 0, "first": []}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("wieghts:1", "'wieghts' is no kind; known: weights, potentials, silent, firing."),
        ("weights", "needs a rate (weights:0.001) or a place (weights:core=0)."),
        ("weights:2", "'2' is no rate; a number from 0 to 1 is needed."),
        ("weights:nan", "'nan' is no rate; a number from 0 to 1 is needed."),
        ("weights:core=x", "core is 'x'; a whole number from 0 is needed."),
        ("silent:tick=1", "'tick' is no place of silent; known: core, neuron, seed."),
        ("silent:core=9", "there is nothing at this place of the program."),
        ("weights:bit=8", "there is nothing at this place of the program."),
        ("potentials:sample=2", "there are 2 samples, from 0."),
    ],
)
def test_one_sentence(text, sentence):
    with pytest.raises(UsageError) as caught:
        outputs(text)
    assert str(caught.value) == f"fault {text!r}: {sentence}"


def test_values_cannot_fire():
    with pytest.raises(UsageError, match="only neurons with one spike per tick can fire"):
        outputs("firing:core=0")
