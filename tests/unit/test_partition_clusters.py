"""Clustering of irregular layers: every neuron once, limits kept, communities found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurosim_mapper.partition.clusters import cluster

pytestmark = pytest.mark.exactness


def random_lists(rng, n, n_sources, most):
    lists = [
        np.unique(rng.integers(0, n_sources, size=int(rng.integers(0, most + 1)))) for _ in range(n)
    ]
    offset = np.cumsum([0, *(part.size for part in lists)], dtype=np.int64)
    return lists, offset, np.concatenate([np.empty(0, np.int64), *lists]).astype(np.int32)


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_blocks_partition_the_neurons_and_keep_their_limits(seed, splits):
    rng = np.random.default_rng(seed)
    lists, offset, source = random_lists(rng, int(rng.integers(1, 40)), 20, 6)
    most_axons = 1 << 40 if splits else 10
    blocks = cluster(offset, source, 7, most_axons)
    np.testing.assert_array_equal(np.sort(np.concatenate(blocks)), np.arange(len(lists)))
    for block in blocks:
        assert 0 < block.size <= 7
        assert (np.diff(block) > 0).all()
        heard = np.unique(np.concatenate([lists[i] for i in block]))
        assert heard.size <= most_axons


def test_hidden_communities_are_found():
    """Eight groups of 16 neurons, each hearing its own 16 sources, in shuffled order."""
    rng = np.random.default_rng(1)
    group = rng.permutation(np.repeat(np.arange(8), 16))
    lists = [np.sort(rng.choice(16, 6, replace=False)) + 16 * g for g in group]
    offset = np.arange(129, dtype=np.int64) * 6
    blocks = cluster(offset, np.concatenate(lists).astype(np.int32), 16, 1 << 40)
    assert len(blocks) == 8
    for block in blocks:
        assert np.unique(group[block]).size == 1
