"""Words of 64 bits: lowest bit, number of bits, bytes of bits as bytes of numbers; prefetching."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.llvm import cgutils, ir

_numba_config: Any = numba.config

AHEAD = 12
"""Places ahead in a list for which a pass asks for cache lines."""
AT_LEAST = 4
"""Places that `list_bits` writes for every word: room to leave behind a list."""

if not _numba_config.DISABLE_JIT:

    def _make_count_trailing(typing: Any, word: Any) -> Any:
        """The machine's own instruction."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.cttz(args[0], args[0].type.__class__(1)(0))

        return types.uint64(types.uint64), generate

    _count_trailing: Any = intrinsic(_make_count_trailing)

    def _make_count_ones(typing: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.ctpop(args[0])

        return types.uint64(types.uint64), generate

    _count_ones: Any = intrinsic(_make_count_ones)

    def _emit_prefetch(builder: Any, pointer: Any) -> None:
        """LLVM's prefetch for reading, to be kept in all caches."""
        pointer = builder.bitcast(pointer, ir.IntType(8).as_pointer())
        number = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, number, number, number])
        name = "llvm.prefetch.p0i8" if "i8*" in str(pointer.type) else "llvm.prefetch.p0"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(function, [pointer, number(0), number(3), number(1)])

    def _make_fetch(typing: Any, array: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            view = context.make_array(signature.args[0])(context, builder, args[0])
            _emit_prefetch(builder, builder.gep(view.data, [args[1]]))
            return context.get_dummy_value()

        return types.void(array, types.int64), generate

    _fetch: Any = intrinsic(_make_fetch)

    @kernel
    def prefetch(array: Any, index: int) -> None:
        """Ask for the cache line of ``array[index]``; changes nothing."""
        _fetch(array, index)

    def _make_fetch_row(typing: Any, array: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            view = context.make_array(signature.args[0])(context, builder, args[0])
            width = builder.extract_value(view.shape, 1)
            pointer = builder.gep(view.data, [builder.mul(args[1], width)])
            _emit_prefetch(builder, pointer)
            return context.get_dummy_value()

        return types.void(array, types.int64), generate

    _fetch_row: Any = intrinsic(_make_fetch_row)

    @kernel
    def prefetch_row(table: Any, row: int) -> None:
        """Ask for the first cache line of ``table[row]``; changes nothing."""
        _fetch_row(table, row)

    @kernel
    def count_bits(word: np.uint64) -> int:
        """How many bits are set."""
        return np.int64(_count_ones(word))

    @kernel
    def lowest_bit(word: np.uint64) -> int:
        """Position of the lowest bit set, 64 for 0."""
        return np.int64(_count_trailing(word))

    @kernel
    def without_lowest(word: np.uint64) -> np.uint64:
        """The word without its lowest bit set."""
        return word & (word - np.uint64(1))

else:

    def prefetch(array: Any, index: int) -> None:
        """Ask for the cache line of ``array[index]``; changes nothing."""

    def prefetch_row(table: Any, row: int) -> None:
        """Ask for the first cache line of ``table[row]``; changes nothing."""

    def count_bits(word: np.uint64) -> int:
        """How many bits are set."""
        return int(word).bit_count()

    def lowest_bit(word: np.uint64) -> int:
        """Position of the lowest bit set, 64 for 0."""
        return (int(word) & -int(word)).bit_length() - 1 if word else 64

    def without_lowest(word: np.uint64) -> np.uint64:
        """The word without its lowest bit set."""
        return np.uint64(int(word) & (int(word) - 1)) if word else word


@inlined
def list_bits(word: np.uint64, before: int, listed: npt.NDArray[np.int32], n: int) -> int:
    """Append ``before + j`` for every set bit j; returns the new length.

    Most words have few bits: the first `AT_LEAST` places are written whatever the word is, so that
    nothing has to be guessed, and what lies behind the new length means nothing.
    """
    length = n + count_bits(word)
    at = np.uint64(n)
    for _ in range(AT_LEAST):
        listed[at] = before + lowest_bit(word)
        word = without_lowest(word)
        at += np.uint64(1)
    while word:
        listed[at] = before + lowest_bit(word)
        word = without_lowest(word)
        at += np.uint64(1)
    return np.int64(length)
