"""Vectors over rows of bits, against the same sums bit by bit."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.kernels.vectors import add_bits, pack_flags, sum_word

pytestmark = pytest.mark.exactness


def bits_of(word):
    return np.array([int(word) >> j & 1 for j in range(64)])


@pytest.mark.parametrize("n", [0, 1, 5])
def test_masked_sums_of_rows(n):
    """Weights of the row's type where the row has a bit; sums reach both ends of 16 bits."""
    rng = np.random.default_rng(n)
    bits = rng.integers(0, 2**64, 24, dtype=np.uint64)
    bits[3] = bits[5] = np.uint64(2**64 - 1)
    rows = np.array([2, 4, 10, 12, 14])[:n].astype(np.int64)
    weights = rng.integers(-3000, 3000, 4 * 128).astype(np.int16)
    weights[:128], weights[128:256] = 32767, -32768
    places = np.array([0, 128, 256, 256, 384])[:n].astype(np.int64)
    drive = np.full(128, 7, np.int32)
    n_set = sum_word(bits, rows, places, n, weights, drive, 1)
    expected = np.zeros(64, int)
    for row, place in zip(rows, places, strict=True):
        expected += bits_of(bits[row + 1]) * weights[place + 64 : place + 128].astype(int)
    np.testing.assert_array_equal(drive[64:], expected)
    assert (drive[:64] == 7).all()
    assert n_set == sum(bits_of(bits[row + 1]).sum() for row in rows)


def test_bits_are_counted_in_bytes():
    counters = np.arange(128, dtype=np.uint8)
    word = np.uint64(0x8000_0000_F000_0005)
    add_bits(counters, 64, word, np.uint8(4))
    np.testing.assert_array_equal(counters, np.arange(128) + 4 * np.r_[[0] * 64, bits_of(word)])


def test_flags_become_bits():
    flags = np.zeros(128, np.uint8)
    flags[[64, 69, 127]] = 1, 255, 2
    assert pack_flags(flags, 64) == 1 | 1 << 5 | 1 << 63
