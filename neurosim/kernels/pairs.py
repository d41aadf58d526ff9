"""Products of two rows at a time, written as vectors.

Processors multiply neighbours of 16 bits and add the products in one instruction. So two rows are
interleaved, neuron by neuron, and multiplied with their two values next to each other.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from neurosim.kernels._jit import kernel
from neurosim.kernels.llvm import (
    add_neighbours,
    cgutils,
    data_of,
    ir,
    load_vector,
    pick,
    splat,
    store_vector,
    vector_type,
)

_numba_config: Any = numba.config

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

LANES = 32
"""Neurons that `add_pairs` adds to."""

if not _numba_config.DISABLE_JIT:
    _HALF = 16  # weights of a vector
    # Of 16 neurons: which are interleaved first and last (halves of 128 bits stay apart, as the
    # instructions have it), and where their sums are then.
    _LOW = [k + half for half in (0, 8) for k in range(4)]
    _HIGH = [k + 4 for k in _LOW]
    _ORDER = [[k % 4 + 8 * (k % 8 // 4) + 4 * first for k in range(8)] for first in (0, 1)]

    def _interleaved(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
        return pick(builder, a, b, [k + of for k in lanes for of in (0, _HALF)])

    def _dot(builder: Any, a: Any, b: Any) -> Any:
        """Sums of neighbouring products, 8 of 32 bits."""
        wide = vector_type(32, _HALF)
        return add_neighbours(builder, builder.mul(builder.sext(a, wide), builder.sext(b, wide)))

    def _add_one_pair(
        builder: Any, dense: Any, rows: Any, pair: Any, index: Any, column: Any, sums: Any
    ) -> None:
        """Add a pair of rows to the four vectors in `sums`."""
        number, bits = ir.IntType(64), dense.type.pointee.width
        second = builder.add(builder.add(index, index), number(1))
        places = [
            builder.add(builder.load(builder.gep(rows, [at])), column)
            for at in (builder.sub(second, number(1)), second)
        ]
        values = builder.bitcast(splat(builder, pair, vector_type(32, 8)), vector_type(16, _HALF))
        for part in range(LANES // _HALF):
            a, b = (
                load_vector(builder, dense, builder.add(place, number(_HALF * part)), bits, _HALF)
                for place in places
            )
            if bits < 16:
                a, b = (builder.sext(row, vector_type(16, _HALF)) for row in (a, b))
            for half, lanes in enumerate((_LOW, _HIGH)):
                total = sums[2 * part + half]
                product = _dot(builder, _interleaved(builder, a, b, lanes), values)
                builder.store(builder.add(builder.load(total), product), total)

    def _make_add_pairs(
        typing: Any,
        dense: Any,
        rows: Any,
        pairs: Any,
        begin: Any,
        end: Any,
        column: Any,
        acc: Any,
        first: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = [data_of(context, builder, signature.args[k], args[k]) for k in (0, 1, 2, 6)]
            dense, rows, pairs, acc = data
            empty = vector_type(32, 8)(None)
            sums = [cgutils.alloca_once_value(builder, empty) for _ in range(LANES // 8)]
            with cgutils.for_range_slice(builder, args[3], args[4], ir.IntType(64)(1)) as (at, _):
                pair = builder.load(builder.gep(pairs, [at]))
                _add_one_pair(builder, dense, rows, pair, at, args[5], sums)
            for k in range(LANES // 8):
                place = builder.add(args[7], ir.IntType(64)(8 * k))
                low, high = (builder.load(sums[k // 2 * 2 + half]) for half in (0, 1))
                total = builder.add(
                    load_vector(builder, acc, place, 32, 8), pick(builder, low, high, _ORDER[k % 2])
                )
                store_vector(builder, total, acc, place, 32)
            return context.get_dummy_value()

        number = types.int64
        given = (dense, rows, pairs, number, number, number, acc, number)
        return types.void(*given), generate

    _add_pairs: Any = intrinsic(_make_add_pairs)

    @kernel
    def add_pairs(
        dense: npt.NDArray[Any],
        rows: I64,
        pairs: I32,
        begin: int,
        end: int,
        column: int,
        acc: I32,
        first: int,
    ) -> None:
        """Add pairs of rows times their values to 32 accumulators.

        Parameters
        ----------
        dense : int8 or int16 weights.
        rows : (2 * n_pairs,) where each row begins in `dense`.
        pairs : (n_pairs,) two values of 16 bits each, that of the first row in the lower half.
        begin, end : pairs to add.
        column : of each row, the first of 32 weights.
        acc : ``acc[first : first + 32]`` is added to.
        """
        _add_pairs(dense, rows, pairs, begin, end, column, acc, first)

else:

    def add_pairs(
        dense: npt.NDArray[Any],
        rows: I64,
        pairs: I32,
        begin: int,
        end: int,
        column: int,
        acc: I32,
        first: int,
    ) -> None:
        """The same in NumPy, for runs without compilation."""
        values = pairs[begin:end].astype("<i4").view("<i2").astype(np.int64)
        lanes = rows[2 * begin : 2 * end, None] + column + np.arange(LANES)
        acc[first : first + LANES] += (values[:, None] * dense[lanes]).sum(axis=0).astype(np.int32)
