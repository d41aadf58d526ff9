"""Rows added four by four and one by one, against sums of integers."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.kernels.rows import add_four, add_one

pytestmark = pytest.mark.exactness


@pytest.mark.parametrize("size", [1, 15, 64, 67])
def test_sums_reach_both_ends_of_their_type(size):
    """256 rows of 8 bits are the most that fit in 16; neighbours stay as they are."""
    rng = np.random.default_rng(size)
    dense = rng.integers(-128, 128, 1000).astype(np.int8)
    dense[:200] = -128
    total = np.zeros(size + 9, np.int16)
    for _ in range(63):
        add_four(dense, 0, 100, 3, 90, total, size)
    for row in (0, 50, 100):
        add_one(dense, row, total, size)
    assert (total[:size] == 255 * -128).all()
    add_one(dense, 60, total, size)
    np.testing.assert_array_equal(total[:size], -32768)
    rows = [200, 700, 401, 302]
    add_four(dense, *rows, total := np.zeros(size + 9, np.int16), size)
    expected = sum(dense[row : row + size].astype(int) for row in rows)
    np.testing.assert_array_equal(total[:size], expected)
    assert (total[size:] == 0).all()
