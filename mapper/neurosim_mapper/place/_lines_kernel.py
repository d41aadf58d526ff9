"""Compiled: lines of single-precision numbers, changed eight numbers at a time.

A loop over eight numbers is taken apart before the compiler looks for vectors, so this one is
written as such.
"""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from neurosim.kernels._jit import inlined
from neurosim.kernels.llvm import cgutils, data_of, ir, load_vector, splat, store_vector

_numba_config: Any = numba.config

F32 = npt.NDArray[np.float32]
I32 = npt.NDArray[np.int32]

LANES: Final = 8
"""Numbers of a line that `add_difference` adds to."""

if not _numba_config.DISABLE_JIT:
    _WORD = 32

    def _floats(builder: Any, data: Any, index: Any) -> Any:
        vector = load_vector(builder, data, index, _WORD, LANES)
        return builder.bitcast(vector, ir.VectorType(ir.FloatType(), LANES))

    def _make_add(
        typing: Any,
        lines: Any,
        which: Any,
        weight: Any,
        begin: Any,
        end: Any,
        length: Any,
        first: Any,
        table: Any,
        plus: Any,
        minus: Any,
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            number = ir.IntType(64)
            data = [data_of(context, builder, signature.args[k], args[k]) for k in (0, 1, 2, 7)]
            lines, which, weight, table = data
            step = builder.fsub(*(_floats(builder, table, args[k]) for k in (8, 9)))
            with cgutils.for_range_slice(builder, args[3], args[4], number(1)) as (at, _):
                line = builder.sext(builder.load(builder.gep(which, [at])), number)
                place = builder.add(builder.mul(line, args[5]), args[6])
                factor = splat(builder, builder.load(builder.gep(weight, [at])), step.type)
                total = builder.fadd(_floats(builder, lines, place), builder.fmul(factor, step))
                store_vector(builder, total, lines, place, _WORD)
            return context.get_dummy_value()

        number = types.int64
        given = (lines, which, weight, number, number, number, number, table, number, number)
        return types.void(*given), generate

    _add: Any = intrinsic(_make_add)

    @inlined
    def add_difference(
        lines: F32,
        which: I32,
        weight: F32,
        begin: Any,
        end: Any,
        first: Any,
        table: F32,
        plus: Any,
        minus: Any,
    ) -> None:
        """Add the difference of two rows of a table, times a weight each, to parts of some lines.

        ``lines[which[k]] += weight[k] * (table[plus] - table[minus])`` for k from `begin` to
        `end`, in the LANES numbers from `first` on.

        Parameters
        ----------
        lines : (n_lines, length), changed in place.
        which, weight : (n,)
        table : (n_rows, length)
        """
        length = lines.shape[1]
        row, other = plus * length + first, minus * length + first
        _add(lines, which, weight, begin, end, length, first, table, row, other)

else:

    def add_difference(
        lines: F32,
        which: I32,
        weight: F32,
        begin: Any,
        end: Any,
        first: Any,
        table: F32,
        plus: Any,
        minus: Any,
    ) -> None:
        """The same in NumPy, for runs without compilation."""
        part = slice(first, first + LANES)
        step = table[plus, part] - table[minus, part]
        for k in range(begin, end):
            lines[which[k], part] += weight[k] * step
