"""Energy and counts by core and by layer: shared out exactly, to the owner by hand."""

from __future__ import annotations

import json
from decimal import Decimal

import numpy as np
import pytest
from support.chain import chain_chip, chain_run
from support.chips import random_chip
from support.networks import random_input, random_network

import neurosim
from neurosim.cost.core_facts import (
    HOST,
    IDLE,
    core_facts,
    energy_by_layer,
    flow_hops,
    priced_shares,
)
from neurosim.cost.energy import PARTS, energy, priced_counts
from neurosim.errors import DoesNotFitError, InputFileError
from neurosim_mapper.pipeline import map_network


def _random_run(seed, **chip):
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, **chip)
    try:
        network = random_network(rng, chip)
        program = map_network(network, chip, placer="row-major", seed=seed)
    except (DoesNotFitError, InputFileError):
        return None
    return neurosim.simulate(program, random_input(rng, network, n_samples=2, n_ticks=3))


def _check(run):
    shares = priced_shares(run.program, run.counters)
    counts = priced_counts(run.program, run.counters)
    for name in set(shares) - {"io_bits", "chip_seconds"}:
        assert shares[name].sum() == counts[name], name
    bill = energy(run.program, run.counters)
    rows = energy_by_layer(core_facts(run.program, run.counters), run.program.layer_names)
    for part in (*PARTS, "total"):
        printed = [Decimal(json.dumps(row[part])) for row in rows]
        assert sum(printed) == Decimal(json.dumps(bill.parts()[part])), part
    for row in rows:
        parts = [Decimal(json.dumps(row[part])) for part in PARTS]
        assert sum(parts) == Decimal(json.dumps(row["total"]))


def test_shares_of_random_networks_add_up_exactly():
    """Counts to the run's totals; energies to the report's parts, as printed."""
    runs = [run for seed in range(12) if (run := _random_run(seed)) is not None]
    assert len(runs) > 4
    for run in runs:
        _check(run)


def test_shares_on_an_array_of_chips():
    run = _random_run(1, grid={"wide": 2, "high": 3}, array={"wide": 5, "high": 4}, core__axons=24)
    assert run is not None
    assert priced_shares(run.program, run.counters)["crossing_bits"].sum() > 0
    _check(run)


def test_the_chain_by_hand():
    """Each relay: one event, update, packet per value; the last sends over two links, to the host.

    Prices of the test chip as in test_energy: 2 + 3 pJ synapse, 0.5 + 5 + 7 pJ soma, 11 pJ sent,
    13 pJ received, 1.5 pJ per hop and packet.
    """
    run = chain_run(np.full((2, 3), 5))
    facts, n = core_facts(run.program, run.counters), 6
    assert facts.x.tolist() == [0, 1, 2]
    assert [facts.layers(core) for core in range(3)] == [[0], [1], [2]]
    router = facts.energy_pj[:, PARTS.index("router")]
    assert router == pytest.approx(
        [n * (11 + 13 + 1.5), n * (11 + 13 + 1.5), n * (11 + 13 + 3), 0, 0]
    )
    assert facts.energy_pj[:3, PARTS.index("synapse")] == pytest.approx([n * 5.0] * 3)
    bill = energy(run.program, run.counters)
    assert facts.energy_pj[HOST, PARTS.index("io")] == pytest.approx(bill.io)
    assert facts.energy_pj[IDLE, PARTS.index("static")] == pytest.approx(bill.static)
    rows = energy_by_layer(facts, run.program.layer_names)
    assert [row["layers"] for row in rows] == [["relay0"], ["relay1"], ["relay2"], [], []]
    assert [row["what"] for row in rows][3:] == ["host", "static"]


def test_hops_of_flows_by_hand():
    """(0,0) -> (1,0) -> (2,0) -> west edge: no, one, one and two links along x."""
    program = chain_run(np.full((1, 1), 5), chain_chip()).program
    flows = program.flows
    by_source = dict(zip(flows.source.tolist(), flow_hops(program).T.tolist(), strict=True))
    assert by_source == {-1: [0, 0, 0], 0: [1, 0, 0], 1: [1, 0, 0], 2: [2, 0, 0]}
