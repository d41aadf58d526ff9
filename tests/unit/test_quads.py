"""Rows added four by four, against the same sums weight by weight."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.kernels.quads import LANES, MOST, add_quads, add_signed_quads

pytestmark = pytest.mark.exactness


def _expected(dense, rows, values, begin, end):
    total = np.full(LANES + 20, 7)
    for k in range(4 * begin, 4 * end):
        total[9 : 9 + LANES] += values[k] * dense[rows[k] + 3 : rows[k] + 3 + LANES].astype(int)
    return total


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (0, 1), (1, 4)])
def test_sums_of_quads_of_rows(begin, end):
    """Values and weights reach both ends of their types; neighbours stay as they are."""
    rng = np.random.default_rng(end)
    dense = rng.integers(-128, 128, 1000).astype(np.int8)
    dense[:50], dense[100:150] = -128, 127
    rows = np.r_[0, 0, 0, 0, 100, 100, 100, 0, rng.integers(0, 900, 8)]
    small = np.r_[np.full(8, MOST), rng.integers(0, MOST + 1, 8)].astype(np.uint8)
    acc = np.full(LANES + 20, 7, np.int32)
    add_quads(dense, rows, small, begin, end, 3, acc, 9)
    np.testing.assert_array_equal(acc, _expected(dense, rows, small.astype(int), begin, end))


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (0, 1), (1, 4)])
def test_sums_of_quads_with_signs(begin, end):
    """The same with values of both signs and weights down to -127."""
    rng = np.random.default_rng(end)
    dense = rng.integers(-127, 128, 1000).astype(np.int8)
    dense[:50], dense[100:150] = -127, 127
    rows = np.r_[0, 100, 0, 100, 100, 100, 100, 0, rng.integers(0, 900, 8)]
    small = np.r_[np.full(8, MOST), rng.integers(0, MOST + 1, 8)].astype(np.uint8)
    signs = np.r_[1, -1, 1, -1, -1, -1, 1, 1, rng.choice([-1, 1], 8)].astype(np.int8)
    acc = np.full(LANES + 20, 7, np.int32)
    add_signed_quads(dense, rows, small, signs, begin, end, 3, acc, 9)
    values = small.astype(int) * signs
    np.testing.assert_array_equal(acc, _expected(dense, rows, values, begin, end))
