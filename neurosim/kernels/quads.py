"""Products of four rows of 8-bit weights at a time, written as vectors.

Processors multiply neighbouring bytes, one of them unsigned, and add two products in one
instruction, then two such sums in another. So four rows are interleaved, neuron by neuron, and
multiplied with their four values next to each other. A value has a magnitude of at most `MOST`:
two products of it with 8-bit weights just fit 16 bits. Its sign goes to the weights.
"""

from __future__ import annotations

from typing import Any, Final

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
    has_feature,
    ir,
    load_vector,
    pick,
    splat,
    store_vector,
    vector_type,
)

_numba_config: Any = numba.config

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

LANES: Final = 32
"""Neurons that `add_quads` adds to."""
MOST: Final = 128
"""Largest magnitude of a value: 2 * 128 * -128 is the lowest number of 16 bits."""

if not _numba_config.DISABLE_JIT:
    _HAS_AVX2 = has_feature("avx2")
    _SUMS = 4  # vectors of 8 sums

    def _unpacked(builder: Any, a: Any, b: Any, high: int) -> Any:
        """Lanes of both in turn: of each half of 128 bits the lower or the higher quarter."""
        n = a.type.count
        half = n // 2
        first = [part * half + high * (half // 2) + k for part in (0, 1) for k in range(half // 2)]
        return pick(builder, a, b, [k + of for k in first for of in (0, n)])

    def _dot(builder: Any, values: Any, rows: Any) -> Any:
        """8 sums of four products each: 32 unsigned bytes times 32 signed ones."""
        if not _HAS_AVX2:
            wide = vector_type(32, 32)
            products = builder.mul(builder.zext(values, wide), builder.sext(rows, wide))
            return add_neighbours(builder, add_neighbours(builder, products))
        kind = ir.FunctionType(vector_type(16, 16), [values.type, rows.type])
        name = "llvm.x86.avx2.pmadd.ub.sw"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        products = builder.call(function, [values, rows])
        return add_neighbours(builder, builder.sext(products, vector_type(32, 16)))

    def _signed(builder: Any, rows: Any, signs: Any) -> Any:
        """Bytes of `rows` with the signs of `signs`."""
        if not _HAS_AVX2:
            return builder.mul(rows, signs)
        kind = ir.FunctionType(rows.type, [rows.type, signs.type])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx2.psign.b")
        return builder.call(function, [rows, signs])

    def _four_bytes(builder: Any, data: Any, at: Any) -> Any:
        """Bytes 4 at .. 4 at + 3, eight times."""
        four = builder.bitcast(data, ir.IntType(32).as_pointer())
        packed = builder.load(builder.gep(four, [at]), align=1)
        return builder.bitcast(splat(builder, packed, vector_type(32, 8)), vector_type(8, LANES))

    def _add_one_quad(
        builder: Any, dense: Any, rows: Any, small: Any, signs: Any, at: Any, column: Any, sums: Any
    ) -> None:
        """Add four rows to the four vectors in `sums`."""
        number = ir.IntType(64)
        place = builder.gep(rows, [builder.mul(at, number(4))])
        a, b, c, d = (
            load_vector(builder, dense, builder.add(builder.load(row), column), 8, LANES)
            for row in (builder.gep(place, [number(k)]) for k in range(4))
        )
        values = _four_bytes(builder, small, at)
        for k in range(_SUMS):
            half, part = divmod(k, 2)
            ab, cd = (
                builder.bitcast(_unpacked(builder, *pair, half), vector_type(16, LANES // 2))
                for pair in ((a, b), (c, d))
            )
            quads = builder.bitcast(_unpacked(builder, ab, cd, part), vector_type(8, LANES))
            if signs is not None:
                quads = _signed(builder, quads, _four_bytes(builder, signs, at))
            product = _dot(builder, values, quads)
            builder.store(builder.add(builder.load(sums[k]), product), sums[k])

    def _add_sums(builder: Any, sums: list[Any], acc: Any, first: Any) -> None:
        """Neurons 8 k .. 8 k + 7 are the same half of two neighbouring vectors."""
        for k in range(_SUMS):
            part, pair = divmod(k, 2)
            lanes = [4 * part + lane + 8 * of for of in (0, 1) for lane in range(4)]
            total = pick(builder, sums[2 * pair], sums[2 * pair + 1], lanes)
            place = builder.add(first, ir.IntType(64)(8 * k))
            total = builder.add(load_vector(builder, acc, place, 32, 8), total)
            store_vector(builder, total, acc, place, 32)

    def _make_add_quads(
        typing: Any,
        dense: Any,
        rows: Any,
        small: Any,
        signs: Any,
        begin: Any,
        end: Any,
        column: Any,
        acc: Any,
        first: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kinds = signature.args
            if kinds[0].dtype.bitwidth != 8:
                return context.get_dummy_value()
            dense, rows, small, signs, acc = (
                data_of(context, builder, kinds[k], args[k])
                if isinstance(kinds[k], types.Array)
                else None
                for k in (0, 1, 2, 3, 7)
            )
            empty = vector_type(32, 8)(None)
            sums = [cgutils.alloca_once_value(builder, empty) for _ in range(_SUMS)]
            with cgutils.for_range_slice(builder, args[4], args[5], ir.IntType(64)(1)) as (at, _):
                _add_one_quad(builder, dense, rows, small, signs, at, args[6], sums)
            _add_sums(builder, [builder.load(place) for place in sums], acc, args[8])
            return context.get_dummy_value()

        number = types.int64
        given = (dense, rows, small, signs, number, number, number, acc, number)
        return types.void(*given), generate

    _add_quads: Any = intrinsic(_make_add_quads)

    @kernel
    def add_quads(
        dense: npt.NDArray[Any],
        rows: I64,
        small: U8,
        begin: int,
        end: int,
        column: int,
        acc: I32,
        first: int,
    ) -> None:
        """Add four rows times their values at a time to 32 accumulators.

        Parameters
        ----------
        dense : 8-bit weights; with wider ones nothing is added.
        rows : (4 * n_quads,) where each row begins in `dense`.
        small : (4 * n_quads,) what each is multiplied with, at most `MOST`.
        begin, end : quads to add.
        column : of each row, the first of 32 weights.
        acc : ``acc[first : first + 32]`` is added to.
        """
        _add_quads(dense, rows, small, None, begin, end, column, acc, first)

    @kernel
    def add_signed_quads(
        dense: npt.NDArray[Any],
        rows: I64,
        small: U8,
        signs: I8,
        begin: int,
        end: int,
        column: int,
        acc: I32,
        first: int,
    ) -> None:
        """The same with a sign, 1 or -1, per value; no weight may be -128."""
        _add_quads(dense, rows, small, signs, begin, end, column, acc, first)

else:

    def add_quads(
        dense: npt.NDArray[Any],
        rows: I64,
        small: U8,
        begin: int,
        end: int,
        column: int,
        acc: I32,
        first: int,
    ) -> None:
        """The same in NumPy, for runs without compilation."""
        add_signed_quads(
            dense, rows, small, np.ones(4 * end, np.int8), begin, end, column, acc, first
        )

    def add_signed_quads(
        dense: npt.NDArray[Any],
        rows: I64,
        small: U8,
        signs: I8,
        begin: int,
        end: int,
        column: int,
        acc: I32,
        first: int,
    ) -> None:
        """The same in NumPy, for runs without compilation."""
        which = slice(4 * begin, 4 * end)
        values = small[which].astype(np.int64) * signs[which]
        lanes = dense[rows[which, None] + column + np.arange(LANES)].astype(np.int64)
        acc[first : first + LANES] += (values[:, None] * lanes).sum(axis=0).astype(np.int32)
