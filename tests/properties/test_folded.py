"""Folded programs: the same numbers as the reference, every packet and every reload accounted for.

Networks several times as large as the chip, over random nets, chips and placements.
"""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chips import make_chip, random_chip
from support.networks import random_input, random_network
from support.reference_networks import cnn

import neurosim
from neurosim.chip.model import PACKET_KINDS
from neurosim.clock.folded import reloads_of_cores
from neurosim.cost.counters import link_packets
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim.program.check import synapse_memory_bytes
from neurosim.program.columns import FLOW_KINDS, N_DIRECTIONS
from neurosim.report.total import StreamTotal
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.reference import trace_reference


def folded(seed, placer, **options):
    """A program in several phases, its network and input; None if that did not come out."""
    rng = np.random.default_rng(seed)
    side = {"wide": int(rng.integers(1, 4)), "high": int(rng.integers(1, 4))}
    chip = random_chip(rng, grid=side, core__fan_in_extension="psum_hw", **options)
    network = random_network(rng, chip)
    try:
        program = map_network(network, chip, placer=placer, seed=seed, fold="auto")
    except (DoesNotFitError, UnsupportedError):
        return None
    x = random_input(rng, network, n_samples=2, n_ticks=int(rng.integers(1, 6)))
    return None if program.n_phases == 1 else (program, network, x)


@pytest.mark.exactness
@given(st.integers(0, 2**32 - 1))
def test_folding_changes_no_number(seed):
    made = folded(seed, "row-major")
    if made is None:
        return
    program, network, x = made
    names = [layer.name for layer in network.layers]
    run = neurosim.simulate(program, x, probe=names, threads=1)
    expected = trace_reference(network, x)
    np.testing.assert_array_equal(run.outputs, expected.outputs)
    for name in names:
        np.testing.assert_array_equal(run.values[name], expected.values[name], err_msg=name)
        np.testing.assert_array_equal(run.membrane[name], expected.membrane[name], err_msg=name)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_packets_and_reloads_are_conserved(seed):
    """Both network models count the same; flits and reloaded bits follow from the program."""
    made = folded(seed, "random", noc__topology="mesh")
    if made is None:
        return
    program, _, x = made
    ideal = neurosim.simulate(program, x, noc="ideal", threads=1)
    cycle = neurosim.simulate(program, x, noc="cycle", threads=2)
    for name in ("core", "flow_packets", "bounds", "reload_bits", "reload_cycles"):
        one, other = (getattr(run.counters, name) for run in (ideal, cycle))
        np.testing.assert_array_equal(one, other, err_msg=name)
    np.testing.assert_array_equal(ideal.outputs, cycle.outputs)
    assert (cycle.counters.busy_cycles >= ideal.counters.busy_cycles).all()
    assert (ideal.counters.busy_cycles >= ideal.counters.reload_cycles).all()
    flits = np.array([program.chip.flits(kind) for kind in PACKET_KINDS])
    packets = link_packets(program, cycle.counters)[:, : N_DIRECTIONS * program.chip.n_cores]
    seen = cycle.network.link_flits[:, :N_DIRECTIONS].copy()
    seen[np.arange(program.chip.high) * program.chip.wide, 1] = 0  # leads to the host
    np.testing.assert_array_equal(seen.reshape(-1), flits @ packets)
    assert int(cycle.counters.reload_bits.sum()) == slow_reload_bits(program, cycle.counters)
    shares = reloads_of_cores(program, cycle.counters)
    assert int(shares.sum()) == int(cycle.counters.reload_bits.sum())
    report = cycle.report()
    bits = int(cycle.counters.reload_bits.sum())
    assert report.counts["reload_bits"] == bits
    (reload,) = (term for term in report.energy.terms if term.counter == "reload_bits")
    assert reload.energy_pj == pytest.approx(3.0 * bits)
    assert report.counts["reload_cycles"] == int(cycle.counters.reload_cycles.sum())
    assert "cycles spent reloading" in str(report)


def slow_reload_bits(program, counters):
    """Core by core and flow by flow, as the module of the folded clock defines it."""
    chip, cores = program.chip, program.cores
    places = list(zip(cores.x.tolist(), cores.y.tolist(), strict=True))
    total = 0
    memory = synapse_memory_bytes(program)
    for core, place in enumerate(places):
        if places.count(place) > 1:
            somas = sum(
                int(program.groups.neuron_stop[g] - program.groups.neuron_start[g])
                for g in range(program.groups.core.size)
                if program.groups.core[g] == core and program.groups.psum_target[g] < 0
            )
            total += 8 * int(memory[core]) + 2 * chip.core.membrane_bits * somas
    total *= counters.n_samples * counters.n_chip_ticks
    axon_bits = (chip.core.axons - 1).bit_length()
    kinds = {code: kind for kind, code in FLOW_KINDS.items()}
    for flow, packets in enumerate(counters.flow_packets.tolist()):
        kind = kinds[int(program.flows.kind[flow])]
        start, stop = program.flows.target_offset[flow : flow + 2]
        for target in program.flows.target[start:stop].tolist():
            source = int(program.flows.source[flow])
            if kind == "psum":
                if program.cores.phase[source] != program.cores.phase[target]:
                    total += 2 * packets * chip.payload_bits(kind)
            elif places.count(places[target]) > 1:
                total += 2 * packets * (axon_bits + chip.payload_bits(kind))
    return total


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_pieces_change_nothing_in_the_cycle_level_network(seed):
    """Its routers remember whose turn it is: packets of all pieces are played in one go."""
    made = folded(seed, "row-major")
    if made is None:
        return
    program, _, x = made
    pieces = np.split(x[0], np.arange(1, x.shape[1]))
    whole = neurosim.simulate(program, x[:1], noc="cycle", threads=1)
    run = neurosim.simulate_chunks(program, iter(pieces), x.shape[1], noc="cycle")
    np.testing.assert_array_equal(run.outputs, whole.outputs)
    for name, column in whole.counters.columns().items():
        np.testing.assert_array_equal(run.counters.columns()[name], column, err_msg=name)
    for field in fields(whole.network):
        found, expected = (getattr(r.network, field.name) for r in (run, whole))
        np.testing.assert_array_equal(found, expected, err_msg=field.name)


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_pieces_change_nothing(seed):
    """Played piece by piece: outputs, every counter and the report are those of the whole."""
    made = folded(seed, "row-major")
    if made is None:
        return
    program, network, x = made
    names = [layer.name for layer in network.layers]
    cuts = np.sort(np.random.default_rng(seed).integers(0, x.shape[1] + 1, 2))
    pieces = np.split(x[0], cuts)
    whole = neurosim.simulate(program, x[:1], probe=names, threads=1)
    run = neurosim.simulate_chunks(program, iter(pieces), x.shape[1], probe=names)
    np.testing.assert_array_equal(run.outputs, whole.outputs)
    for name in names:
        np.testing.assert_array_equal(run.membrane[name], whole.membrane[name], err_msg=name)
    for name, column in whole.counters.columns().items():
        np.testing.assert_array_equal(run.counters.columns()[name], column, err_msg=name)
    total, streamed = StreamTotal(program), []
    for run in neurosim.simulate_stream(program, pieces, x.shape[1]):
        total.add(run)
        streamed.append(run.counters)
    for name in ("bounds", "busy_cycles", "reload_bits", "reload_cycles"):
        found = np.concatenate([getattr(counters, name) for counters in streamed], axis=1)
        np.testing.assert_array_equal(found, getattr(whole.counters, name), err_msg=name)
    expected = whole.report().to_dict()
    del expected["chip"]["energy_by_layer"], expected["chip"]["floorline"]
    assert total.report() == expected


def test_a_convolutional_network_on_a_quarter_of_its_cores():
    """16c3s2-32c3s2-fc10, 33 k synapses a neuron apart: annealed phase by phase, exact."""
    chip = make_chip(core__axons=256, core__neurons=256, core__synapses=1 << 16,
                     core__synapse_memory_bytes=1 << 16, noc__multicast="tree",
                     grid={"wide": 3, "high": 3})  # fmt: skip
    network = quantize(cnn(), chip)
    program = map_network(network, chip, fold="auto", effort=20_000)
    assert program.n_phases == -(-program.n_cores // 9)
    assert program.mapping["phases"] == program.n_phases
    x = np.random.default_rng(0).integers(0, 2, (1, 2, 1, 28, 28))
    run = neurosim.simulate(program, x, threads=1)
    np.testing.assert_array_equal(run.outputs, trace_reference(network, x).outputs)
    cost = program.mapping["placement"]
    assert cost["lower_bound"] <= cost["distance"] <= cost["baselines"]["random"]
