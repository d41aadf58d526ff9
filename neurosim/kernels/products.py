"""Products of a block of weights with what four cores hear, written as vectors.

Every weight is read once for four cores, and nothing is asked of a value before it is multiplied:
where much of a layer sends, that is faster than listing what is not 0. Processors multiply
neighbours of 16 bits and add the products in one instruction, so the rows of two axons are stored
interleaved (`image.products`) and multiplied with the two values next to each other.
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
    ir,
    load_vector,
    splat,
    store_vector,
    vector_type,
)

_numba_config: Any = numba.config

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]

CORES: Final = 4
"""Cores that `multiply_four` works for."""
COLUMNS: Final = 16
"""Neurons of each of them: 8 vectors of sums, 2 of weights and 4 of values fit the registers."""

if not _numba_config.DISABLE_JIT:
    _SUMS = 8  # sums of 32 bits in a vector

    def _dot(builder: Any, weights: Any, values: Any) -> Any:
        """Sums of neighbouring products: 8 of 32 bits."""
        wide = vector_type(32, 2 * _SUMS)
        return add_neighbours(
            builder, builder.mul(builder.sext(weights, wide), builder.sext(values, wide))
        )

    def _add_one_pair(builder: Any, weights: Any, places: list[Any], at: Any, sums: Any) -> None:
        """Add the products of two rows of weights with the two values of every core."""
        number = ir.IntType(64)
        vectors = [
            load_vector(
                builder, weights, builder.add(builder.mul(at, number(2 * COLUMNS)), number(k)),
                16, 2 * _SUMS,
            )
            for k in range(0, 2 * COLUMNS, 2 * _SUMS)
        ]  # fmt: skip
        for place, mine in zip(places, sums, strict=True):
            pair = builder.load(builder.gep(place, [at]), align=2)
            values = builder.bitcast(
                splat(builder, pair, vector_type(32, _SUMS)), vector_type(16, 2 * _SUMS)
            )
            for vector, total in zip(vectors, mine, strict=True):
                product = _dot(builder, vector, values)
                builder.store(builder.add(builder.load(total), product), total)

    def _make_multiply(
        typing: Any,
        paired: Any,
        first: Any,
        n_pairs: Any,
        heard: Any,
        stride: Any,
        row: Any,
        sums: Any,
        width: Any,
        column: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            paired, heard, sums = (
                data_of(context, builder, signature.args[k], args[k]) for k in (0, 3, 6)
            )
            number = ir.IntType(64)
            weights = builder.gep(paired, [args[1]])
            rows = [builder.add(args[5], number(k)) for k in range(CORES)]
            pairs = ir.IntType(32).as_pointer()
            places = [
                builder.bitcast(builder.gep(heard, [builder.mul(row, args[4])]), pairs)
                for row in rows
            ]
            empty = vector_type(32, _SUMS)(None)
            totals = [
                [cgutils.alloca_once_value(builder, empty) for _ in range(COLUMNS // _SUMS)]
                for _ in range(CORES)
            ]
            with cgutils.for_range_slice(builder, number(0), args[2], number(1)) as (at, _):
                _add_one_pair(builder, weights, places, at, totals)
            for row, mine in zip(rows, totals, strict=True):
                start = builder.add(builder.mul(row, args[7]), args[8])
                for k, total in enumerate(mine):
                    place = builder.add(start, number(_SUMS * k))
                    store_vector(builder, builder.load(total), sums, place, 32)
            return context.get_dummy_value()

        number = types.int64
        given = (paired, number, number, heard, number, number, sums, number, number)
        return types.void(*given), generate

    _multiply: Any = intrinsic(_make_multiply)

    @kernel
    def multiply_four(
        paired: I16, first: int, n_pairs: int, heard: I16, row: int, sums: I32, column: int
    ) -> None:
        """Multiply pairs of rows of 16 weights with the values of four cores.

        Parameters
        ----------
        paired : ``paired[first:]`` begins with (n_pairs, 16, 2) weights.
        heard : (n_cores, at least 2 * n_pairs) values, read from `row` to ``row + 3``.
        sums : (n_cores, n_neurons); those of these cores from `column` to ``column + 15`` are set.
        """
        _multiply(
            paired, first, n_pairs, heard, heard.shape[1], row, sums, sums.shape[1], column
        )  # fmt: skip

else:

    def multiply_four(
        paired: I16, first: int, n_pairs: int, heard: I16, row: int, sums: I32, column: int
    ) -> None:
        """The same in NumPy, for runs without compilation."""
        block = paired[first : first + 2 * COLUMNS * n_pairs].reshape(n_pairs, COLUMNS, 2)
        rows = block.transpose(0, 2, 1).reshape(2 * n_pairs, COLUMNS).astype(np.int64)
        values = heard[row : row + CORES, : 2 * n_pairs].astype(np.int64)
        sums[row : row + CORES, column : column + COLUMNS] = values @ rows
