"""Values sent as spike trains: outputs of the rounded network, counts of the engine and by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip, random_chip
from support.networks import random_input, random_network

import neurosim
from neurosim.clock.offered import make_clock
from neurosim.cost.counters import link_bits
from neurosim.errors import DoesNotFitError, UnsupportedError, UsageError
from neurosim.program.columns import FLOW_KINDS
from neurosim.recoding import SpikeCode, simulate_recoded
from neurosim.recoding import run as recoded_run
from neurosim.recoding.plan import plan_recoding
from neurosim.run.simulator import play_samples
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.reference import run_reference

CODES = ["phase:8", "phase:3", "rate:15", "rate:4", "ttfs:15", "ttfs:3"]


def mapped(rng, seed):
    """A random program in which cores send values to cores, with its network; or None.

    One of three is folded, if it has more than four cores.
    """
    chip = random_chip(rng, **({} if seed % 3 else {"grid": {"wide": 2, "high": 2}}))
    network = random_network(rng, chip)
    try:
        program = map_network(network, chip, placer="row-major", seed=seed, fold="auto")
        plan_recoding(program, SpikeCode.parse("phase:8"))
    except (DoesNotFitError, UnsupportedError, UsageError):
        return None
    return network, program


def heard_values(network):
    """Names of the layers whose values other layers hear."""
    projections = [p for layer in network.layers for p in layer.projections]
    # A kernel may have no weight that ever meets a value: a stride can step over it.
    heard = {p.source for p in projections if np.any(p.connection.positive_negative_sums())}
    return [la.name for la in network.layers if la.name in heard and la.modes.output == "analog"]


def rounded(network, codes):
    """The network with a table for every layer that has a code, written out entry by entry."""
    layers = []
    for layer in network.layers:
        modes = layer.modes
        if layer.name in codes:
            code = codes[layer.name]
            signed = modes.activation == "lut" or modes.act_low < 0
            index = range(-128, 128) if signed else range(256)
            values = [value_of(modes, z) for z in index]
            low, high = min(0, *possible(modes)), max(1, *possible(modes))
            book = code.book(low, high)
            table = tuple(int(book.carried[v - low]) for v in values)
            name = "lut" if signed else "lut_unsigned"
            modes = dataclasses.replace(modes, activation=name, lut=table)
        layers.append(dataclasses.replace(layer, modes=modes))
    return dataclasses.replace(network, layers=tuple(layers))


def value_of(modes, z):
    if modes.activation == "lut":
        return modes.lut[z + 128]
    z = max(z, 0) if modes.activation == "relu" else z
    return min(max(z, modes.act_low), modes.act_high)


def possible(modes):
    if modes.activation == "lut":
        return modes.lut
    low = 0 if modes.activation == "relu" else modes.act_low
    return (low, modes.act_high)


@given(st.integers(0, 2**32 - 1), st.sampled_from(CODES), st.sampled_from(["ideal", "cycle"]))
def test_outputs_are_those_of_the_rounded_network(seed, code, noc):
    rng = np.random.default_rng(seed)
    found = mapped(rng, seed)
    if found is None:
        return
    network, program = found
    x = random_input(rng, network, n_samples=2, n_ticks=int(rng.integers(1, 6)))
    run = simulate_recoded(program, x, code, noc=noc, threads=int(rng.integers(1, 3)))
    codes = dict.fromkeys(heard_values(network), SpikeCode.parse(code))
    np.testing.assert_array_equal(run.outputs, run_reference(rounded(network, codes), x))


@given(st.integers(0, 2**32 - 1))
def test_each_layer_may_have_its_own_code(seed):
    rng = np.random.default_rng(seed)
    found = mapped(rng, seed)
    if found is None:
        return
    network, program = found
    choices = [None, *map(SpikeCode.parse, CODES)]
    drawn = {name: choices[int(rng.integers(len(choices)))] for name in heard_values(network)}
    codes = {name: code for name, code in drawn.items() if code is not None}
    if not codes:
        return
    x = random_input(rng, network, n_samples=2, n_ticks=int(rng.integers(1, 6)))
    run = simulate_recoded(program, x, codes)
    np.testing.assert_array_equal(run.outputs, run_reference(rounded(network, codes), x))
    sends = {layer["name"]: layer["sends"] for layer in run.report().program["layers"]}
    assert all(sends[name] == str(code) for name, code in codes.items())


@given(st.integers(0, 2**32 - 1), st.sampled_from(["ideal", "cycle"]))
def test_a_train_of_one_packet_costs_what_the_engine_counts(seed, noc):
    """With one sub-tick per tick and values as they are, the count is that of the engine."""
    rng = np.random.default_rng(seed)
    found = mapped(rng, seed)
    if found is None:
        return
    network, program = found
    x = random_input(rng, network, n_samples=2, n_ticks=int(rng.integers(1, 6)))
    plain = dataclasses.replace(
        plan_recoding(program, SpikeCode.parse("phase:8")),
        program=program,
        priced=program,
        spike_flow=np.arange(program.flows.kind.size),
        trains=np.ones((512, 1), np.bool_),
        train_base=np.full(program.n_neurons, 256),
    )
    clock = recoded_run._RecodedClock(program, plain, make_clock(program, noc))
    counted, players = play_samples(program, x, clock, noc, threads=2)
    mine = recoded_run._counters(counted, players)
    engine = neurosim.simulate(program, x, noc=noc).counters
    names = ("core", "flow_packets", "bounds", "busy_cycles", "peak_bits", "peak_link")
    names += ("reload_bits", "reload_cycles")
    for name in (*names, "window_start", "window_link", "window_bits", "window_core_time"):
        np.testing.assert_array_equal(getattr(mine, name), getattr(engine, name), err_msg=name)


@pytest.mark.parametrize("code", CODES)
def test_packets_are_the_spikes_of_the_values(code):
    """Every value that the reference sends, looked up in the book and counted one by one."""
    from neurosim_mapper.reference import trace_reference

    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = mapped(rng, seed)
        if found is not None and not (found[1].flows.kind == FLOW_KINDS["psum"]).any():
            break
    network, program = found
    parsed = SpikeCode.parse(code)
    x = random_input(rng, network, n_samples=2, n_ticks=5)
    run = simulate_recoded(program, x, code)
    codes = dict.fromkeys(heard_values(network), parsed)
    trace = trace_reference(rounded(network, codes), x)
    sent, packets, n_ticks = 0, program.packets, x.shape[1]
    for index, name in enumerate(program.layer_names):
        modes = network.by_name[name].modes
        book = None
        if modes.output == "analog":
            book = parsed.book(min(0, *possible(modes)), max(1, *possible(modes)))
        for column, neuron in enumerate(program.layer_neurons(index).tolist()):
            mine = range(packets.owner_offset[neuron], packets.owner_offset[neuron + 1])
            for packet in mine:
                flow = packets.flow[packet]
                to_cores = np.diff(program.flows.target_offset)[flow] > 0
                for value in trace.values[name][:, :n_ticks, column].ravel().tolist():
                    if modes.output == "analog" and to_cores:
                        row = int(np.flatnonzero(book.carried == value)[0]) if value else None
                        sent += 0 if row is None else int(book.spikes[row].sum())
                    else:
                        sent += value if modes.output == "spike" else value != 0
    assert run.report().counts["packets"] == sent
    counters = run.counters
    by_link = np.zeros(program.n_links, np.int64)
    by_link[counters.window_link] = counters.window_bits.sum(axis=0)
    np.testing.assert_array_equal(by_link, link_bits(run.program, counters))
    assert len(counters.window_start) == counters.n_chip_ticks > n_ticks + program.depth_ticks


def test_a_program_without_values_is_refused():
    rng = np.random.default_rng(0)
    chip = make_chip()
    while True:
        network = random_network(rng, chip)
        if all(layer.modes.output == "spike" for layer in network.layers):
            break
    program = map_network(network, chip, placer="row-major")
    x = random_input(rng, network, n_samples=1, n_ticks=2)
    with pytest.raises(UsageError, match="no layer sends values to another"):
        simulate_recoded(program, x, "phase:8")
