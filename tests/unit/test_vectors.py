"""Vectors over rows of bits, against the same sums bit by bit."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from neurosim.kernels.bits import AT_LEAST, list_bits
from neurosim.kernels.vectors import add_bits, nonzero_word, pack_flags, step_word, sum_word

pytestmark = pytest.mark.exactness


def _step(bits, rows, places, n, pool, columns, keep, sums, v, first, word):
    return step_word(bits, rows, places, n, pool, columns, keep, sums, v, first, word)


def _list(word, before, listed, n):
    return list_bits(word, before, listed, n)


# What is inlined into kernels cannot be called from Python.
step, list_of = numba.njit(_step), numba.njit(_list)


def bit_of(word, j):
    return int(word) >> (j % 64) & 1


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


def test_numbers_other_than_0_become_bits():
    values = np.zeros(128, np.int32)
    values[[64, 69, 127]] = 1, -(1 << 31), 256
    assert nonzero_word(values, 64) == 1 | 1 << 5 | 1 << 63
    assert nonzero_word(values, 0) == 0


@pytest.mark.parametrize("keep", [(0, 0), (0, -1), (-1, 0), (-1, -1)])
@pytest.mark.parametrize("n", [0, 4])
def test_a_step_of_64_narrow_neurons(n, keep):
    """``u = v + sums + weights + leak``, then over or under the limits, neuron by neuron."""
    rng = np.random.default_rng(n)
    bits = rng.integers(0, 2**64, 8, dtype=np.uint64)
    rows, places = np.array([0, 2, 4, 6]), np.array([0, 128, 128, 256])
    pool = rng.integers(-90, 90, 8 * 128).astype(np.int16)
    columns = np.arange(3, 8) * 128
    pool[512:640], pool[640:768] = rng.integers(1, 300, 128), -rng.integers(0, 300, 128)
    v, sums = (rng.integers(-400, 400, 300).astype(np.int16) for _ in range(2))
    before = v.copy()
    spikes, n_set, moved = step(
        bits, rows, places, n, pool, columns, np.array(keep, np.int16), sums, v, 100, 1
    )
    leak, high, low, back, fall = (pool[k : k + 128].astype(int) for k in columns)
    for j in range(64, 128):
        mine = range(n) if n else ()
        hit = [k for k in mine if int(bits[rows[k] + 1]) >> (j - 64) & 1]
        u = (
            int(before[100 + j])
            + int(sums[j])
            + leak[j]
            + sum(int(pool[places[k] + j]) for k in hit)
        )
        fires = u >= high[j]
        if fires:
            u = (u - high[j] if keep[0] else 0) + back[j]
        elif u < low[j]:
            u = (u - low[j] if keep[1] else 0) + fall[j]
        assert v[100 + j] == u
        assert bit_of(spikes, j) == fires
    assert n_set == sum(bits_of(bits[rows[k] + 1]).sum() for k in range(n))
    assert bool(moved) == (v != before).any()
    np.testing.assert_array_equal(np.delete(v, np.s_[164:228]), np.delete(before, np.s_[164:228]))


@pytest.mark.parametrize("word", [0, 1 << 63, 0x29, (1 << 64) - 1])
def test_bits_of_a_word_are_listed(word):
    listed = np.zeros(3 + 64 + AT_LEAST, np.int32)
    length = list_of(np.uint64(word), 128, listed, 3)
    places = [128 + j for j in range(64) if word >> j & 1]
    assert length == 3 + len(places)
    np.testing.assert_array_equal(listed[3:length], places)
