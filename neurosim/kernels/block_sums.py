"""Rows of a dense block added to the sums of a core, in the narrowest numbers that are exact.

Spikes: four rows at a time, in numbers twice as wide as a weight, half as wide as a sum. Values:
32 neurons at a time, whose sums stay in registers while rows are added, four by four
(`kernels.quads`) or, where a weight or a value needs more than 8 bits, two by two
(`kernels.pairs`). What is left over, and values beyond 16 bits: row by row.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.bits import prefetch
from neurosim.kernels.pairs import add_pairs
from neurosim.kernels.quads import LANES, MOST, add_quads, add_signed_quads
from neurosim.kernels.rows import add_block, add_four, add_one

I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

AHEAD: Final = 16
"""Rows whose cache lines are asked for before they are added."""
_FIT: Final = 256  # rows of 8-bit weights whose sum fits in 16 bits: 256 * -128 = -32768
_ROWS_KEPT: Final = 64  # rows that all neurons add before the next ones: 16 KB of 256 weights
_PER_LINE: Final = 64  # weights of 8 bits in a cache line
FEW: Final = 4
"""Rows that are added one by one sooner than they are prepared."""
_ONES, _QUADS, _SIGNED_QUADS, _PAIRS, _ROW_BY_ROW = range(5)  # how rows are added


@kernel
def add_rows(
    weights: npt.NDArray[Any],
    is_small: bool,
    small: U8,
    signs: I8,
    pairs: I32,
    total: npt.NDArray[Any],
    rows: I64,
    factors: I32,
    n: int,
    column: int,
    run_column: I32,
    run_sum: I32,
    run_size: I32,
    begin: int,
    end: int,
    acc: I32,
    first: int,
) -> None:
    """Add `n` rows times their values, in runs of neighbouring weights: a block has one.

    Parameters
    ----------
    is_small : all weights are in -127..127.
    small, signs, pairs, total : scratch, see `state.Inbox`.
    rows : where each row begins; with room for all of them twice, and for three more.
    column, run_column : of each row, run `r` begins at ``column + run_column[r]``.
    run_sum, run_size : it is added to ``acc[first + run_sum[r]:]``, so many weights.
    begin, end : runs to add.
    """
    widest = np.int64(0)
    for r in range(begin, end):
        widest = max(widest, np.int64(run_size[r]))
    kind, m = _prepare(is_small, small, signs, pairs, rows, factors, n, widest)
    for r in range(begin, end):
        skip, width = column + np.int64(run_column[r]), np.int64(run_size[r])
        to, stop = first + np.int64(run_sum[r]), width // LANES * LANES
        if kind == _ONES:
            for k in range(0, n, _FIT):
                more = min(k + _FIT, n)
                _add_spikes(weights, rows, k, more, skip, width, total, acc, to)
            continue
        if kind == _PAIRS:
            _add_pairs(weights, rows, pairs, m, skip, stop, acc, to)
        elif kind != _ROW_BY_ROW:
            signed = kind == _SIGNED_QUADS
            _add_quads(weights, rows, small, signs, m, signed, skip, stop, acc, to)
        else:
            stop = np.int64(0)
        if stop < width:
            for k in range(n):
                at = rows[k] + skip + stop
                add_block(weights, at, factors[k], acc, to + stop, width - stop)


@inlined
def _prepare(
    is_small: bool,
    small: U8,
    signs: I8,
    pairs: I32,
    rows: I64,
    factors: I32,
    n: int,
    width: int,
) -> tuple[int, int]:
    """Choose how `n` rows are added, of which a run has `width` weights, and list their values.

    Returns
    -------
    kind, prepared : how they are added; how many quads or pairs.
    """
    if n < FEW:
        return _ROW_BY_ROW, np.int64(0)
    widest, signed, all_ones = _extremes(factors, n)
    if all_ones:
        return _ONES, np.int64(0)
    if is_small and widest < 2 * MOST and width >= LANES:
        m = _make_quads(rows, factors, n, widest > MOST, small, signs)
        return _SIGNED_QUADS if signed else _QUADS, m
    if widest < 1 << 15 and width >= LANES:
        return _PAIRS, _make_pairs(rows, factors, n, pairs)
    return _ROW_BY_ROW, np.int64(0)


@kernel
def ask_for_four(dense: npt.NDArray[Any], rows: I64, at: int, column: int, width: int) -> None:
    """Ask for the cache lines of the four rows listed from `at` on, from `column` on."""
    k = np.uint64(at)
    a, b, c, d = rows[k], rows[k + np.uint64(1)], rows[k + np.uint64(2)], rows[k + np.uint64(3)]
    for j in range(column, column + width, _PER_LINE // dense.itemsize):
        prefetch(dense, a + j)
        prefetch(dense, b + j)
        prefetch(dense, c + j)
        prefetch(dense, d + j)


@kernel
def _extremes(factors: I32, n: int) -> tuple[int, bool, bool]:
    """A number with all bits of the magnitudes; is any negative; are all 1?"""
    bits, sign, other = np.int32(0), np.int32(0), np.int32(0)
    for k in range(np.uint64(n)):
        value = factors[k]
        bits |= -value if value < 0 else value
        sign |= value
        other |= value ^ np.int32(1)
    return np.int64(bits), sign < 0, other == 0


@kernel
def _add_spikes(
    dense: npt.NDArray[Any],
    rows: I64,
    begin: int,
    stop: int,
    column: int,
    width: int,
    total: npt.NDArray[Any],
    acc: I32,
    first: int,
) -> None:
    """Rows `begin`..`stop` - 1, at most `_FIT`, four by four; `total` is 0 before and after."""
    at, skip = np.uint64(begin), np.int64(column)
    while at + np.uint64(4) <= np.uint64(stop):
        a, b, c, d = (
            rows[at] + skip,
            rows[at + np.uint64(1)] + skip,
            rows[at + np.uint64(2)] + skip,
            rows[at + np.uint64(3)] + skip,
        )
        ahead = at + np.uint64(AHEAD)
        if ahead + np.uint64(4) <= np.uint64(stop):
            ask_for_four(dense, rows, ahead, skip, width)
        add_four(dense, a, b, c, d, total, width)
        at += np.uint64(4)
    while at < np.uint64(stop):
        add_one(dense, rows[at] + skip, total, width)
        at += np.uint64(1)
    for j in range(np.uint64(width)):
        acc[np.uint64(first) + np.uint64(j)] += np.int32(total[j])
        total[j] = 0


@kernel
def _piece(n: int, most: int) -> int:
    """Length of the pieces in which `n` are cut, about `most` and about equally long."""
    pieces = max((n + most // 2) // most, 1)
    return (n + pieces - 1) // pieces


@kernel
def _add_quads(
    dense: npt.NDArray[Any],
    rows: I64,
    small: U8,
    signs: I8,
    n: int,
    signed: bool,
    column: int,
    stop: int,
    acc: I32,
    first: int,
) -> None:
    """Quads of rows onto the first `stop` neurons, in pieces of about equal length."""
    size = _piece(n, _ROWS_KEPT // 4)
    for begin in range(0, n, size):
        end = min(begin + size, n)
        for j in range(0, stop, LANES):
            if signed:
                add_signed_quads(dense, rows, small, signs, begin, end, column + j, acc, first + j)
            else:
                add_quads(dense, rows, small, begin, end, column + j, acc, first + j)


@kernel
def _add_pairs(
    dense: npt.NDArray[Any],
    rows: I64,
    pairs: I32,
    n: int,
    column: int,
    stop: int,
    acc: I32,
    first: int,
) -> None:
    """Pairs of rows onto the first `stop` neurons, in pieces of about equal length."""
    size = _piece(n, _ROWS_KEPT // 2)
    for begin in range(0, n, size):
        end = min(begin + size, n)
        for j in range(0, stop, LANES):
            add_pairs(dense, rows, pairs, begin, end, column + j, acc, first + j)


@kernel
def _make_quads(rows: I64, factors: I32, n: int, wide: bool, small: U8, signs: I8) -> int:
    """Magnitudes and signs as bytes, whole quads of them; returns how many quads.

    A magnitude above `MOST`, which only `wide` values have, is a row twice: once with `MOST`, once
    with the rest.
    """
    for k in range(np.uint64(n)):
        value = factors[k]
        small[k] = np.uint8(-value if value < 0 else value)
        signs[k] = np.int8(-1 if value < 0 else 1)
    m = np.int64(n)
    if wide:
        for k in range(n):
            if small[k] > MOST:
                rows[m], signs[m] = rows[k], signs[k]
                small[m] = np.uint8(small[k] - MOST)
                small[k] = np.uint8(MOST)
                m += 1
    for k in range(m, (m + 3) // 4 * 4):
        rows[k], small[k], signs[k] = rows[0], np.uint8(0), np.int8(1)
    return (m + 3) // 4


@kernel
def _make_pairs(rows: I64, factors: I32, n: int, pairs: I32) -> int:
    """Two values of 16 bits in one number, the last one with a 0; returns how many."""
    rows[n], factors[n] = rows[0], 0
    for k in range((n + 1) // 2):
        low, high = np.uint32(factors[2 * k]), np.uint32(factors[2 * k + 1])
        pairs[k] = np.int32((low & np.uint32(0xFFFF)) | (high << np.uint32(16)))
    return (n + 1) // 2
