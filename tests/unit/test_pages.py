"""Large arrays in pages of their own, and offsets in half the memory."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.offsets import narrowed
from neurosim.pages import worst_case, zeros

MOST = np.iinfo(np.int32).max


@pytest.mark.parametrize("make", [zeros, worst_case])
@pytest.mark.parametrize("shape", [0, 5, (3, 0), (2, 1 << 19), 1 << 20, (1 << 20, 3)])
def test_an_array_is_zero_writable_and_its_own(make, shape):
    one, other = make(shape, np.int32), make(shape, np.int32)
    np.testing.assert_array_equal(one, np.zeros(shape, np.int32))
    one[...] = 7
    assert one.dtype == np.int32
    assert one.flags.c_contiguous
    assert not other.any()


@pytest.mark.parametrize(
    ("offset", "dtype"),
    [
        ([0, 3, MOST], np.int32),
        ([0, 3, MOST + 1], np.int64),
        ([0, 1 << 32, 4], np.int64),
        ([-1, 2], np.int64),
        ([0, 0, 0], np.int32),
        ([], np.int64),
    ],
)
def test_offsets_take_four_bytes_only_where_all_fit(offset, dtype):
    found = narrowed(np.array(offset, np.int64))
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, offset)


def test_offsets_of_another_type_are_left_to_the_checks():
    offset = np.array([0.0, 1.5])
    assert narrowed(offset) is offset
