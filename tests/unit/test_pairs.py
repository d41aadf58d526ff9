"""Rows added two by two, against the same sums weight by weight."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.kernels.pairs import LANES, add_pairs

pytestmark = pytest.mark.exactness


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (0, 1), (1, 6)])
@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_sums_of_pairs_of_rows(dtype, begin, end):
    """Values and weights reach both ends of their types; neighbours stay as they are."""
    rng = np.random.default_rng(end)
    low, high = np.iinfo(dtype).min, np.iinfo(dtype).max
    dense = rng.integers(low, high + 1, 1000).astype(dtype)
    dense[:50], dense[100:150] = low, high
    rows = np.r_[0, 0, 100, 100, 0, 100, rng.integers(0, 900, 6)]
    values = np.r_[-255, 255, -255, 255, 255, -255, rng.integers(-255, 256, 6)]
    pairs = values.astype("<i2").view("<i4").astype(np.int32)
    acc = np.full(LANES + 20, 7, np.int32)
    add_pairs(dense, rows, pairs, begin, end, 3, acc, 9)
    expected = np.full(LANES + 20, 7)
    for k in range(2 * begin, 2 * end):
        expected[9 : 9 + LANES] += values[k] * dense[rows[k] + 3 : rows[k] + 3 + LANES].astype(int)
    np.testing.assert_array_equal(acc, expected)
