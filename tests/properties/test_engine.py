"""The engine: workers, chunks, ways of delivery and limits change no bit of a result."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.built import random_built
from support.chips import random_chip
from support.networks import random_input, random_network

import neurosim
from neurosim.cost.counters import link_bits, totals
from neurosim.errors import DoesNotFitError, InputFileError, UnsupportedError, UsageError
from neurosim.report.total import StreamTotal
from neurosim.results import run_files
from neurosim.run import simulator
from neurosim.run.memory import estimate_memory
from neurosim_mapper.pipeline import map_network

pytestmark = pytest.mark.exactness


def assert_same(run, expected):
    np.testing.assert_array_equal(run.outputs, expected.outputs)
    for name in expected.values:
        np.testing.assert_array_equal(run.values[name], expected.values[name], err_msg=name)
        np.testing.assert_array_equal(run.membrane[name], expected.membrane[name], err_msg=name)
    for name, column in expected.counters.columns().items():
        np.testing.assert_array_equal(run.counters.columns()[name], column, err_msg=name)


def mapped(seed, n_samples=1, **options):
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, **options)
    network = random_network(rng, chip)
    program = map_network(network, chip, placer="random", seed=seed)
    x = random_input(rng, network, n_samples, n_ticks=int(rng.integers(2, 12)))
    return program, x, [layer.name for layer in network.layers]


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 3, 7]))
def test_workers_together_change_nothing(seed, threads):
    try:
        program, x, probe = mapped(seed)
    except (DoesNotFitError, UnsupportedError):
        return
    one = neurosim.simulate(program, x, probe=probe, threads=1)
    least, simulator.TOGETHER_NEURONS = simulator.TOGETHER_NEURONS, 1
    try:
        together = neurosim.simulate(program, x, probe=probe, threads=threads)
    finally:
        simulator.TOGETHER_NEURONS = least
    assert_same(together, one)


@pytest.mark.parametrize("n_samples", [1, 5])
def test_files_are_the_same_for_any_number_of_threads(n_samples, monkeypatch):
    """Byte by byte, whether threads share a sample or the samples."""
    program, x, probe = mapped(5, n_samples)
    monkeypatch.setattr(simulator, "TOGETHER_NEURONS", 1)
    files = [
        run_files(neurosim.simulate(program, x, probe=probe, threads=threads))
        for threads in (1, 2, 7)
    ]
    for name in ("counters.npz", "trace.npz"):
        assert files[0][name] == files[1][name] == files[2][name]


@given(st.integers(0, 2**32 - 1))
def test_chunks_change_nothing(seed):
    try:
        program, x, probe = mapped(seed)
    except (DoesNotFitError, UnsupportedError):
        return
    whole = neurosim.simulate(program, x, probe=probe)
    cuts = np.sort(np.random.default_rng(seed).integers(0, x.shape[1] + 1, 2))
    chunks = np.split(x[0], cuts)
    assert_same(neurosim.simulate_chunks(program, iter(chunks), x.shape[1], probe=probe), whole)


BY_TICK = ("bounds", "busy_cycles", "peak_bits", "peak_link", "binding")


@given(st.integers(0, 2**32 - 1))
def test_pieces_of_a_stream_add_up_to_the_whole(seed):
    """Outputs and columns by tick one after the other, sums, and the report of all pieces."""
    try:
        program, x, probe = mapped(seed)
    except (DoesNotFitError, UnsupportedError):
        return
    whole = neurosim.simulate(program, x, probe=probe)
    cuts = np.sort(np.random.default_rng(seed).integers(0, x.shape[1] + 1, 2))
    stream = neurosim.simulate_stream(program, np.split(x[0], cuts), x.shape[1], probe=probe)
    total, runs = StreamTotal(program), []
    for run in stream:
        total.add(run)
        runs.append(run)
    np.testing.assert_array_equal(np.concatenate([r.outputs for r in runs], 1), whole.outputs)
    for name in probe:
        found = np.concatenate([run.membrane[name] for run in runs], 1)
        np.testing.assert_array_equal(found, whole.membrane[name], err_msg=name)
    for name in BY_TICK:
        found = np.concatenate([getattr(run.counters, name) for run in runs], 1)
        np.testing.assert_array_equal(found, getattr(whole.counters, name), err_msg=name)
    for run in runs:  # windows begin anew with every piece, and add up to its packets
        windows = run.counters.window_bits.sum(axis=0)
        bits = link_bits(program, run.counters)
        np.testing.assert_array_equal(windows, bits[run.counters.window_link])
        assert windows.sum() == bits.sum()
    expected = whole.report().to_dict()
    del expected["chip"]["energy_by_layer"], expected["chip"]["floorline"]
    assert total.report() == expected


def test_chunks_of_another_length_are_refused():
    program, x, _ = mapped(5)
    n = x.shape[1]
    with pytest.raises(InputFileError, match=rf"hold {n - 1} ticks; n_ticks is {n}\."):
        neurosim.simulate_chunks(program, [x[0, 1:]], n)
    with pytest.raises(InputFileError, match=rf"hold {n} ticks or more; n_ticks is {n - 1}\."):
        neurosim.simulate_chunks(program, [x[0]], n - 1)


def test_probes_cost_nothing_elsewhere():
    program, x, probe = mapped(5, n_samples=3)
    with_probe = neurosim.simulate(program, x, probe=probe)
    without = neurosim.simulate(program, x)
    np.testing.assert_array_equal(with_probe.outputs, without.outputs)
    for name, column in without.counters.columns().items():
        np.testing.assert_array_equal(with_probe.counters.columns()[name], column)


def test_too_much_memory_is_refused_before_it_is_taken():
    program, x, probe = mapped(5)
    total = estimate_memory(program, 1, x.shape[1], probe).total
    assert neurosim.simulate(program, x, probe=probe, threads=1, memory_limit=total)
    with pytest.raises(UsageError, match=r"memory: the run needs up to .* the limit is ") as seen:
        neurosim.simulate(program, x, probe=probe, threads=1, memory_limit=total - 1)
    assert re.search(r"program .*, image .*, state .*, recorded ", str(seen.value))


@given(st.integers(0, 2**32 - 1), st.sampled_from(["add", "or"]))
def test_counters_equal_a_brute_force_count(seed, collision):
    """Every packet of a recurrent net, followed one by one, from the spikes of the run."""
    program, x = random_built(seed, core__axon_collision=collision)
    run = neurosim.simulate(program, x, threads=1)
    arrived: dict[tuple[int, int], int] = {}
    sent = np.zeros(program.flows.kind.size, int)
    for table, values in ((program.packets, run.outputs[0]), (program.input_packets, x[0])):
        for tick, owner in np.argwhere(values):
            for p in range(*table.owner_offset[owner : owner + 2]):
                sent[table.flow[p]] += 1
                for d in range(*table.delivery_offset[p : p + 2]):
                    when = tick + table.delay[d]
                    if when < x.shape[1]:
                        arrived[int(when), int(table.axon[d])] = 1
    np.testing.assert_array_equal(run.counters.flow_packets, sent)
    counted = totals(program, run.counters)
    assert counted["axon_events"] == counted["row_reads"] == len(arrived)
    assert counted["synaptic_ops"] == sum(int(program.axons.synapses[a]) for _, a in arrived)
    assert counted["fired"] == np.count_nonzero(run.outputs)
    assert counted["neuron_updates"] == run.outputs.size


@given(st.integers(0, 2**32 - 1), st.sampled_from([2, 5]))
def test_axons_with_several_senders_and_workers(seed, threads):
    program, x = random_built(seed)
    one = neurosim.simulate(program, x, probe=["all"], threads=1)
    least, simulator.TOGETHER_NEURONS = simulator.TOGETHER_NEURONS, 1
    try:
        together = neurosim.simulate(program, x, probe=["all"], threads=threads)
    finally:
        simulator.TOGETHER_NEURONS = least
    assert_same(together, one)
