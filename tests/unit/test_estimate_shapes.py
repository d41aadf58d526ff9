"""Estimates from shapes alone: weights that are not read, and axons counted without a search."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim.chip.files import load_chip
from neurosim_mapper.estimate import estimate
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Conv, Flatten, Input, Linear, Pool, lif
from neurosim_mapper.partition.geometry import Axis
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
