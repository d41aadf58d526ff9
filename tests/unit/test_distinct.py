"""Distinct rows, against NumPy's own sorting of rows."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.distinct import distinct_rows


@pytest.mark.parametrize("span", [1, 3, 2**20, 2**31])
@pytest.mark.parametrize("n", [0, 1, 500])
def test_rows_are_numbered_in_ascending_order(n, span):
    """With wide spans the number of a row has to be shortened on the way."""
    rng = np.random.default_rng(n)
    pool = rng.integers(-span, span, (40, 9))
    rows = pool[rng.integers(0, 40, n)]
    first, number = distinct_rows(rows.T, n)
    expected, inverse = np.unique(rows, axis=0, return_inverse=True)
    np.testing.assert_array_equal(rows[first], expected)
    np.testing.assert_array_equal(number, inverse.reshape(-1))


def test_rows_of_no_columns_are_all_the_same():
    first, number = distinct_rows([], 3)
    assert first.tolist() == [0]
    assert number.tolist() == [0, 0, 0]
