"""Samples split over machines: the joined run is the run on one machine, bit for bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from support.chain import chain_program
from support.sweeps import write_study

import neurosim
from neurosim.cluster.samples import join_runs, simulate_on_cluster
from neurosim.errors import UsageError
from neurosim.results import run_files
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.readers import read_network

CUTS = (0, 1, 3, 6)


def samples():
    rng = np.random.default_rng(5)
    x = rng.integers(0, 3, size=(6, 4, 1)) * rng.integers(0, 100, size=(6, 1, 1))
    x[1:3] = 0  # a shard without traffic, so that the links with traffic differ
    return x


def same(one, other):
    """Every file of the run folder but the manifest, which holds the time."""
    mine, theirs = run_files(one), run_files(other)
    for name in ("report.json", "counters.npz", "trace.npz"):
        assert mine[name] == theirs[name], name


@pytest.mark.parametrize("noc", ["ideal", "cycle"])
def test_joined_runs_equal_one_run(noc):
    program, x = chain_program(), samples()
    whole = neurosim.simulate(program, x, noc=noc, probe=["relay1"])
    parts = [
        neurosim.simulate(program, x[a:b], noc=noc, probe=["relay1"], first_sample=a)
        for a, b in itertools.pairwise(CUTS)
    ]
    same(join_runs(parts), whole)


@pytest.mark.parametrize("noc", ["ideal", "cycle"])
def test_a_cluster_gives_the_same_run(noc, tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    write_study(tmp_path)
    program = map_network(read_network(tmp_path / "net.nir"), "tianjic", placer="row-major")
    rng = np.random.default_rng(1)
    x, y = rng.integers(0, 2, size=(11, 4, 8)), rng.integers(0, 3, size=11)
    whole = neurosim.simulate(program, x, noc=noc, labels=y, probe=program.layer_names)
    done = []
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        found = simulate_on_cluster(
            program, x, address, noc=noc, labels=y, probe=program.layer_names, progress=done.append
        )
        with pytest.raises(UsageError, match="probe names the layer 'nobody'"):
            simulate_on_cluster(program, x, address, probe=["nobody"])
    same(found, whole)
    assert sum(done) == 11
