"""Estimates from shapes alone: weights that are not read, and axons counted without a search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip

from neurosim.chip.files import load_chip
from neurosim.program.routing_check import routing_entries
from neurosim_mapper.estimate import estimate
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Conv, Flatten, Input, Linear, Pool, lif
from neurosim_mapper.partition.geometry import Axis
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.readers import read_network, write_network
from neurosim_mapper.readers.nir_layout import STAND_IN_SIZE


@pytest.fixture
def checkpoint(tmp_path):
    """Convolution, pool, convolution of stride 2 with a window as even as a pool's, dense."""
    rng = np.random.default_rng(0)
    nodes = [
        Input((3, 16, 16)),
        Conv(rng.normal(size=(24, 3, 4, 4)), None, (2, 2), ((1, 1), (1, 1))),
        lif(1.0, 1.0),
        Pool("sum", (2, 2), (2, 2)),
        Conv(rng.normal(size=(32, 24, 3, 3)), None, (1, 1), ((1, 1), (1, 1))),
        lif(1.0, 1.0),
        Flatten(),
        Linear(rng.normal(size=(10, 512))),
        lif(1.0, 1.0),
    ]
    path = tmp_path / "net.nir"
    write_network(Network.sequential(nodes), path)
    return path


def test_weights_that_are_not_read_change_no_estimate(checkpoint):
    chip = load_chip("tianjic")
    whole, shapes = (read_network(checkpoint, shapes_only=only) for only in (False, True))
    large = [n for n, node in whole.nodes.items() if np.size(getattr(node, "weight", 0)) > 4096]
    assert len(large) == 2
    for name in large:
        one, other = whole.nodes[name].weight, shapes.nodes[name].weight
        assert one.shape == other.shape
        assert (one != other).all()
        assert all(np.unique(row).size == row.size for row in other)
    small = next(n for n, node in whole.nodes.items() if isinstance(node, Conv) and n not in large)
    assert whole.nodes[small].weight.size <= STAND_IN_SIZE
    np.testing.assert_array_equal(whole.nodes[small].weight, shapes.nodes[small].weight)
    assert estimate(shapes, chip) == estimate(whole, chip)


@given(st.integers(0, 2**32 - 1))
def test_sources_of_a_run_against_a_count(seed):
    """Windows of any stride and dilation: with gaps, no source of the runs is missed or doubled."""
    rng = np.random.default_rng(seed)
    n_targets, n_sources = int(rng.integers(1, 12)), int(rng.integers(1, 20))
    kernel, stride, dilation = (int(v) for v in rng.integers(1, (6, 4, 3)))
    at = np.arange(n_targets)[:, None] * stride - rng.integers(3) + np.arange(kernel) * dilation
    hears = (at[:, :, None] == np.arange(n_sources)).any(axis=1)
    axis = Axis(hears, per_position=3)
    for a in range(n_targets):
        for b in range(a + 1, n_targets + 1):
            assert axis.heard(a, b) == 3 * np.count_nonzero(hears[a:b].any(axis=0))


@pytest.mark.parametrize("multicast", ["none", "tree"])
@pytest.mark.parametrize("axons", [60, 120, 400])
def test_routing_entries_are_those_of_the_fullest_core(axons, multicast):
    """Tiles on cores of their own: the estimate is never less than what the mapping counts."""
    chip = make_chip(
        grid={"wide": 20, "high": 20}, core__axons=axons, core__neurons=48, core__synapses=1 << 16,
        core__synapse_memory_bytes=1 << 16, core__fan_in_extension="none", noc__multicast=multicast,
        packet__fields=[{"name": "axon", "bits": 9}],
    )  # fmt: skip
    rng = np.random.default_rng(1)
    network = Network.sequential(
        [
            Input((2, 12, 12)),
            Conv(rng.integers(1, 5, size=(4, 2, 3, 3)) * 1.0, None, (1, 1), ((1, 1), (1, 1))),
            lif(6.0, 0.5),
            Conv(rng.integers(1, 5, size=(6, 4, 3, 3)) * 1.0, None, (4, 4), ((0, 0), (0, 0))),
            lif(6.0, 0.5),
            Flatten(),
            Linear(rng.integers(1, 5, size=(20, 54)) * 1.0),
            lif(6.0, 0.5),
        ]
    )
    facts = estimate(network, chip)
    rows = {row["layer"]: row["routing_entries"] for row in facts["layers"]}
    program = map_network(network, chip, placer="row-major")
    entries, groups = routing_entries(program), program.groups
    for core in range(program.n_cores):
        held = [program.layer_names[n] for n in groups.layer[groups.core == core]]
        assert entries[core] <= sum(rows[name] for name in held)
    assert facts["routing_table"] == {"entries_max": max(rows.values()), "limit": None}
    # Dense: every tile of the last layer hears all of the second; the host hears the last.
    last = facts["layers"][-1]
    assert last["routing_entries"] == 1
    assert facts["layers"][-2]["routing_entries"] == (1 if multicast == "tree" else last["tiles"])


def test_routing_entries_against_the_limit(checkpoint):
    chip = load_chip("tianjic")
    few = chip.model_copy(update={"core": chip.core.model_copy(update={"routing_entries": 1})})
    facts = estimate(read_network(checkpoint, shapes_only=True), few)
    worst = max(facts["layers"], key=lambda row: row["routing_entries"])
    assert facts["routing_table"] == {"entries_max": worst["routing_entries"], "limit": 1}
    assert (
        f"layer {worst['layer']!r} needs up to {worst['routing_entries']} routing-table entries "
        "per core, core.routing_entries is 1: map tries smaller tiles."
    ) in facts["notes"]
