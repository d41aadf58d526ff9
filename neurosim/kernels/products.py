"""Products of a block of weights with what four cores hear, written as vectors.

Every weight is read once for four cores, and nothing is asked of a value before it is multiplied:
where much of a layer sends, that is faster than listing what is not 0. Processors multiply
neighbours of 16 bits and add the products in one instruction, so the rows of two axons are stored
interleaved (`image.products`) and multiplied with the two values next to each other.

Neurons come in parts of 32, those with even and those with odd numbers by themselves: in a
convolution of which a core has two rows, or two columns, these are two windows, and each half is
multiplied with the rows of its own window only.
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
    pick,
    splat,
    store_vector,
    vector_type,
)

_numba_config: Any = numba.config

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

CORES: Final = 4
"""Cores that `multiply_four` works for."""
COLUMNS: Final = 32
"""Neurons of a part of a block."""
HALF: Final = COLUMNS // 2
"""Its even or odd ones: 8 vectors of sums, 2 of weights and 4 of values fit the registers."""
START, PAIR, PAIRS = range(3)
"""Columns of `Products.half`."""

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
                builder, weights, builder.add(builder.mul(at, number(2 * HALF)), number(k)),
                16, 2 * _SUMS,
            )
            for k in range(0, 2 * HALF, 2 * _SUMS)
        ]  # fmt: skip
        for place, mine in zip(places, sums, strict=True):
            pair = builder.load(builder.gep(place, [at]), align=2)
            values = builder.bitcast(
                splat(builder, pair, vector_type(32, _SUMS)), vector_type(16, 2 * _SUMS)
            )
            for vector, total in zip(vectors, mine, strict=True):
                product = _dot(builder, vector, values)
                builder.store(builder.add(builder.load(total), product), total)

    def _sums_of_half(builder: Any, weights: Any, places: list[Any], half: Any) -> Any:
        """For every core the vectors of sums of 16 neurons; `half` is a row of `Products.half`."""
        number = ir.IntType(64)
        start, pair, n_pairs = (
            builder.load(builder.gep(half, [number(k)])) for k in (START, PAIR, PAIRS)
        )
        weights = builder.gep(weights, [start])
        places = [builder.gep(place, [pair]) for place in places]
        empty = vector_type(32, _SUMS)(None)
        totals = [
            [cgutils.alloca_once_value(builder, empty) for _ in range(HALF // _SUMS)]
            for _ in places
        ]
        with cgutils.for_range_slice(builder, number(0), n_pairs, number(1)) as (at, _):
            _add_one_pair(builder, weights, places, at, totals)
        return [[builder.load(total) for total in mine] for mine in totals]

    def _make_multiply(
        typing: Any,
        paired: Any,
        half: Any,
        part: Any,
        heard: Any,
        stride: Any,
        row: Any,
        sums: Any,
        width: Any,
        column: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            paired, half, heard, sums = (
                data_of(context, builder, signature.args[k], args[k]) for k in (0, 1, 3, 6)
            )
            number = ir.IntType(64)
            rows = [builder.add(args[5], number(k)) for k in range(CORES)]
            pairs = ir.IntType(32).as_pointer()
            places = [
                builder.bitcast(builder.gep(heard, [builder.mul(row, args[4])]), pairs)
                for row in rows
            ]
            even = builder.gep(half, [builder.mul(args[2], number(6))])
            odd = builder.gep(even, [number(3)])
            halves = [_sums_of_half(builder, paired, places, mine) for mine in (even, odd)]
            for row, a, b in zip(rows, *halves, strict=True):
                start = builder.add(builder.mul(row, args[7]), args[8])
                for k in range(HALF // _SUMS):
                    for behind, total in zip((0, _SUMS), _mixed(builder, a[k], b[k]), strict=True):
                        place = builder.add(start, number(2 * _SUMS * k + behind))
                        store_vector(builder, total, sums, place, 32)
            return context.get_dummy_value()

        number = types.int64
        given = (paired, half, number, heard, number, number, sums, number, number)
        return types.void(*given), generate

    def _mixed(builder: Any, even: Any, odd: Any) -> tuple[Any, Any]:
        """Lanes of two vectors in turn."""
        lanes = [lane for k in range(_SUMS) for lane in (k, _SUMS + k)]
        return pick(builder, even, odd, lanes[:_SUMS]), pick(builder, even, odd, lanes[_SUMS:])

    _multiply: Any = intrinsic(_make_multiply)

    @kernel
    def multiply_four(
        paired: I16, half: I64, part: int, heard: I16, row: int, sums: I32, column: int
    ) -> None:
        """Multiply a part of a block, 32 neurons, with the values of four cores.

        Parameters
        ----------
        paired, half : of `image.products.Products`.
        part : the halves are rows ``2 * part`` and ``2 * part + 1`` of `half`.
        heard : (n_cores, n_axons) values, read from `row` to ``row + 3``.
        sums : (n_cores, n_neurons); those of these cores from `column` to ``column + 31`` are set.
        """
        _multiply(
            paired, half, part, heard, heard.shape[1], row, sums, sums.shape[1], column
        )  # fmt: skip

else:

    def multiply_four(
        paired: I16, half: I64, part: int, heard: I16, row: int, sums: I32, column: int
    ) -> None:
        """The same in NumPy, for runs without compilation."""
        for odd in (0, 1):
            start, pair, n_pairs = half[2 * part + odd]
            block = paired[start : start + 2 * HALF * n_pairs].reshape(n_pairs, HALF, 2)
            rows = block.transpose(0, 2, 1).reshape(2 * n_pairs, HALF).astype(np.int64)
            values = heard[row : row + CORES, 2 * pair : 2 * (pair + n_pairs)].astype(np.int64)
            sums[row : row + CORES, column + odd : column + COLUMNS : 2] = values @ rows
