"""Placement inside the mapping: what is counted, weighed, reported, and reproduced."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip, random_chip
from support.networks import random_input, random_network

import neurosim
from neurosim.cost.counters import link_packets, totals
from neurosim.errors import DoesNotFitError, UnsupportedError, UsageError
from neurosim_mapper import pipeline, tables
from neurosim_mapper.place import calibrated_rates, placement_sentence
from neurosim_mapper.place.placement_file import program_labels
from neurosim_mapper.reference import trace_reference

ROOT = Path(__file__).resolve().parents[2]


def mapped(seed, **options):
    """Program and the problem that its placer saw, None if the network does not fit."""
    rng = np.random.default_rng(seed)
    chip = random_chip(rng)
    network = random_network(rng, chip)
    seen = []

    def spy(problem, placing, generator):
        seen.append(problem)
        return place(problem, placing, generator)

    place = tables.place
    tables.place = spy
    try:
        program = pipeline.map_network(network, chip, seed=seed, **options)
    except (DoesNotFitError, UnsupportedError):
        return None
    finally:
        tables.place = place
    return program, seen[0]


def hops_of_flows(program):
    """Mesh links crossed if every neuron, input element and fragment neuron sends once."""
    flows, groups = program.flows, program.groups
    mesh = flows.link < 4 * program.chip.n_cores
    owner = np.repeat(np.arange(flows.kind.size), np.diff(flows.link_offset))
    length = np.bincount(owner[mesh], minlength=flows.kind.size)
    fragments = groups.psum_flow >= 0
    sizes = (groups.neuron_stop - groups.neuron_start)[fragments]
    return (
        length[program.packets.flow].sum()
        + length[program.input_packets.flow].sum()
        + (length[groups.psum_flow[fragments]] * sizes).sum()
    )


@given(st.integers(0, 2**32 - 1))
def test_the_problem_is_what_the_program_sends(seed):
    found = mapped(seed, effort=500)
    if found is None:
        return
    program, problem = found
    report = program.mapping["placement"]
    assert report["hops"] == hops_of_flows(program)
    assert program_labels(program) == problem.labels
    assert report["lower_bound"] <= report["distance"] <= report["baselines"]["row-major"]
    assert report["placer"] == "annealing"
    assert report["placer"] in placement_sentence(report)


def test_rates_weigh_the_traffic():
    """Cost with measured rates = packets per tick that the reference sends, times their hops."""
    rng = np.random.default_rng(8)
    chip = make_chip(noc__multicast="none")
    network = random_network(rng, chip)
    x = random_input(rng, network, 4, 6) * network.input_code.unit
    rates = calibrated_rates(network, chip, x)
    trace = trace_reference(network, x)
    for layer in network.layers:
        values = trace.values[layer.name]
        sent = values if layer.modes.output == "spike" else values != 0
        np.testing.assert_allclose(rates[layer.name], sent.mean(axis=(0, 1)))


@pytest.mark.parametrize("multicast", ["none", "tree", "relay"])
def test_the_cost_is_what_the_simulator_counts(multicast, monkeypatch):
    """With the rates of a run: its hops, chip crossings and packets on the busiest link."""
    rng = np.random.default_rng(11)
    chip = make_chip(
        grid={"wide": 3, "high": 4}, array={"wide": 2, "high": 1}, noc__multicast=multicast,
        core__neurons=8, core__axons=256,
    )  # fmt: skip
    network = random_network(rng, chip)
    x = random_input(rng, network, 3, 5)
    trace = trace_reference(network, x)
    values = {"input": trace.input_values, **trace.values}
    sent = {
        name: (v if network.output_kind(name) == "spike" else v != 0).sum(axis=(0, 1))
        for name, v in values.items()
    }
    problem_of = pipeline.placement_problem
    monkeypatch.setattr(
        pipeline,
        "placement_problem",
        lambda legal, partition, wiring, chip, _, phase: problem_of(
            legal, partition, wiring, chip, sent, phase
        ),
    )
    program = pipeline.map_network(network, chip, placer="random", seed=2)
    assert program.n_cores > 2
    assert program.mapping["fan_in_fragments"] == 0  # their rate is one per tick, not per run
    counters = neurosim.simulate(program, x, threads=1).counters
    counted, said = totals(program, counters), program.mapping["placement"]
    assert said["hops"] == counted["hops_x"] + counted["hops_y"] > 0
    assert said["crossings"] == counted["crossings"]
    assert said["busiest_link"] == link_packets(program, counters).sum(axis=0).max()
    objective = {"none": "hops", "tree": "tree links", "relay": "relay chains"}
    assert said["objective"] == objective[multicast]


def test_too_long_for_the_slow_executor():
    chip = make_chip()
    network = random_network(np.random.default_rng(8), chip)
    x = np.zeros((1, 1_000_000, *network.input_shape), np.int8)
    assert calibrated_rates(network, chip, x) is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"placer": "magic"}, "placer is 'magic'; known: annealing, "),
        ({"placer": "hilbert", "effort": 5}, "effort counts moves of the annealing placer;"),
        ({"effort": -1}, "effort is -1; needs a number of moves, 0 or more."),
    ],
)
def test_options_that_make_no_sense(options, sentence):
    with pytest.raises(UsageError) as error:
        mapped(1, **options)
    assert str(error.value).startswith(sentence)


_SCRIPT = """
import sys, numpy as np
from support.chips import make_chip
from support.networks import random_network
from support.reference_networks import mlp
from neurosim_mapper.pipeline import map_network
rng = np.random.default_rng(3)
chip = make_chip(core__axons=24, core__neurons=8, noc__multicast="tree")
program = map_network(random_network(rng, chip), chip, seed=5)
program.save(sys.argv[1])
small = make_chip(grid={"wide": 2, "high": 2})
calibration = np.random.default_rng(0).random((2, 2, 100))
map_network(mlp(100, 60, 10), small, calibration, seed=5, fold="auto").save(sys.argv[2])
"""


def test_same_bytes_whatever_hash_seed_and_thread_count(tmp_path):
    digests = set()
    for number, threads in enumerate(("1", "2")):
        files = [tmp_path / f"{number}.nsp", tmp_path / f"{number}.folded.nsp"]
        paths = os.pathsep.join(str(ROOT / p) for p in (".", "mapper", "cli", "tests"))
        threading = {f"{k}_NUM_THREADS": threads for k in ("NUMBA", "OMP", "OPENBLAS", "MKL")}
        env = os.environ | threading | {"PYTHONHASHSEED": str(number + 1), "PYTHONPATH": paths}
        subprocess.run([sys.executable, "-c", _SCRIPT, *map(str, files)], env=env, check=True)
        digests.add(tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))
    assert len(digests) == 1
