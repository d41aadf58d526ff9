"""Dropped, corrupted and misdelivered packets: the chip equals one that got other packets."""

from __future__ import annotations

from dataclasses import fields
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.built import random_built
from support.chips import random_chip
from support.networks import random_input, random_network
from support.packet_twin import play, read_hits

from neurosim.cost.counters import link_packets
from neurosim.errors import DoesNotFitError, UnsupportedError, UsageError
from neurosim.faults import parse_fault, simulate_faulty
from neurosim.faults.hits import MOST_NOTED
from neurosim.run import simulator
from neurosim.run.encoding import encode_input
from neurosim.run.state import CORE_COUNTS
from neurosim_mapper.legalize import legalize
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import SomaModes

pytestmark = pytest.mark.exactness
KINDS = ("dropped", "corrupted", "misdelivered")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["add", "or"]), st.booleans())
def test_random_faults_on_random_networks(seed, collision, folds):
    """On a chip that is large enough, and folded onto one of six cores."""
    rng = np.random.default_rng(seed)
    size = {"grid": {"wide": 3, "high": 2}} if folds else {}
    chip = random_chip(rng, core__axon_collision=collision, **size)
    network = random_network(rng, chip)
    fold = "auto" if folds else None
    try:
        program = map_network(network, chip, placer="row-major", seed=seed, fold=fold)
        legal, _ = legalize(network, chip)
    except (DoesNotFitError, UnsupportedError):
        return
    x = random_input(rng, network, n_samples=2, n_ticks=4)
    sent = simulator.simulate(program, x).counters.flow_packets.sum()
    rate = min(0.3, 14 / (1 + sent))
    faults = [parse_fault(f"{kind}:{rate / 4},seed={seed % 1000}") for kind in KINDS]
    probe = [layer.name for layer in legal.layers]
    try:
        run = simulate_faulty(program, x, faults, probe=probe, threads=1)
    except UsageError as error:  # a network without packets, or values, has none to hit
        if "there is nothing" not in str(error):
            raise
        return
    said = run.program.provenance["faults"]
    if said["hit"] > MOST_NOTED:
        return
    hits, counts = read_hits(program, said["first"]), np.zeros((3, program.n_cores), np.int64)
    values = encode_input(x, program.input_shape, program.input_code)
    for sample in range(len(x)):
        played = play(program, legal.layers, values[sample], sample, hits)
        for number, layer in enumerate(legal.layers):
            first = program.layer_first_tick(number)
            expected = played.values[layer.name][first : first + x.shape[1]]
            np.testing.assert_array_equal(run.values[layer.name][sample], expected)
        for row, counted in enumerate((played.events, played.ops, played.macs)):
            for core, n in counted.items():
                counts[row, core] += n
    for row, name in enumerate(("axon_events", "synaptic_ops", "macs")):
        np.testing.assert_array_equal(
            run.counters.core[:, CORE_COUNTS.index(name)], counts[row], err_msg=name
        )
    assert link_packets(program, run.counters).min() >= 0


@pytest.mark.parametrize("fold", [None, "auto"])
@pytest.mark.parametrize("seed", [1, 5])
def test_the_cycle_level_network_has_the_same_faults(seed, fold):
    """The same packets are hit, with the same results, counters and loads of links.

    A fault that hits nobody leaves the network's statistics as they are without any.
    """
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, grid={"wide": 3, "high": 3} if fold else {"wide": 9, "high": 9})
    network = random_network(rng, chip)
    program = map_network(network, chip, placer="row-major", seed=seed, fold=fold)
    x = random_input(rng, network, n_samples=2, n_ticks=4)
    ideal, cycle = (
        simulate_faulty(program, x, [parse_fault("dropped:0.2,seed=3")], noc=noc, threads=1)
        for noc in ("ideal", "cycle")
    )
    assert cycle.program.provenance["faults"] == ideal.program.provenance["faults"]
    assert cycle.program.provenance["faults"]["hit"] > 0
    np.testing.assert_array_equal(cycle.outputs, ideal.outputs)
    for name in ("core", "flow_packets", "window_bits"):
        expected = getattr(ideal.counters, name)
        np.testing.assert_array_equal(getattr(cycle.counters, name), expected, err_msg=name)
    sound = simulator.simulate(program, x, noc="cycle", threads=1)
    spared = simulate_faulty(program, x, [parse_fault("dropped:0,seed=3")], noc="cycle")
    for field in fields(sound.network):
        found, expected = (getattr(run.network, field.name) for run in (spared, sound))
        np.testing.assert_array_equal(found, expected, err_msg=field.name)
    np.testing.assert_array_equal(spared.counters.busy_cycles, sound.counters.busy_cycles)


def by_hand(program):
    """The only layer of a program made by hand, as the reference executor knows layers."""
    return SimpleNamespace(
        name="all",
        n_neurons=program.n_neurons,
        columns=program.neurons,
        alpha_syn=None,
        modes=SomaModes(
            output="spike",
            reset="soft",
            n_max=1,
            weight_shift=int(program.modes.weight_shift[0]),
            alpha_shift=int(program.modes.alpha_shift[0]),
            rounding="nearest",
        ),
    )


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["add", "or"]), st.sampled_from([1, 3]))
def test_axons_with_several_senders(seed, collision, threads):
    """Recurrent, delays up to 4 ticks, axons that hear several neurons; one worker or three."""
    program, x = random_built(seed, core__axon_collision=collision)
    faults = [parse_fault("dropped:0.2,seed=5"), parse_fault("misdelivered:0.04,seed=5")]
    least, simulator.TOGETHER_NEURONS = simulator.TOGETHER_NEURONS, 1
    try:
        run = simulate_faulty(program, x, faults, threads=threads)
    finally:
        simulator.TOGETHER_NEURONS = least
    said = run.program.provenance["faults"]
    if said["hit"] > MOST_NOTED:
        return
    played = play(program, [by_hand(program)], x[0], 0, read_hits(program, said["first"]))
    np.testing.assert_array_equal(run.outputs[0], played.values["all"])
    events = run.counters.core[:, CORE_COUNTS.index("axon_events")]
    np.testing.assert_array_equal(events, [played.events[c] for c in range(program.n_cores)])
