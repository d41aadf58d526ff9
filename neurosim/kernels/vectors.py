"""Sums over rows of bits, written as vectors: what the compiler does not find by itself.

A row of a crossbar is a bit per neuron. Its bits become lanes that are all ones or all zeros, and
a lane masks the weight of its neuron, so 16 synapses cost a handful of instructions however many
of them are set. The vectors are LLVM's own, so they become whatever the machine has.
"""

from __future__ import annotations

import importlib
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from neurosim.kernels._jit import kernel

_numba_config: Any = numba.config
# Neither has type stubs.
ir: Any = importlib.import_module("llvmlite.ir")
cgutils: Any = importlib.import_module("numba.core.cgutils")

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_LANES = 16  # weights of 16 bits at a time

if not _numba_config.DISABLE_JIT:

    def _data(context: Any, builder: Any, kind: Any, array: Any) -> Any:
        return context.make_array(kind)(context, builder, array).data

    def _load(builder: Any, data: Any, index: Any, lane: int, n: int) -> Any:
        """`n` neighbours of `lane` bits each, from ``data[index]`` on."""
        vector = ir.VectorType(ir.IntType(lane), n)
        place = builder.bitcast(builder.gep(data, [index]), vector.as_pointer())
        return builder.load(place, align=lane // 8)

    def _store(builder: Any, value: Any, data: Any, index: Any, lane: int) -> None:
        place = builder.bitcast(builder.gep(data, [index]), value.type.as_pointer())
        builder.store(value, place, align=lane // 8)

    def _splat(builder: Any, value: Any, vector: Any) -> Any:
        """`value` in every lane."""
        none = vector(ir.Undefined)
        first = builder.insert_element(none, value, ir.IntType(32)(0))
        return builder.shuffle_vector(
            first, none, ir.VectorType(ir.IntType(32), vector.count)(None)
        )

    def _mask(builder: Any, word: Any, part: int) -> Any:
        """16 bits of a word of 64 as 16 lanes of all ones or zeros."""
        vector = ir.VectorType(ir.IntType(16), _LANES)
        bits = builder.trunc(builder.lshr(word, word.type(_LANES * part)), ir.IntType(16))
        place = vector([1 << k for k in range(_LANES)])
        here = builder.and_(_splat(builder, bits, vector), place)
        return builder.sext(builder.icmp_signed("==", here, place), vector)

    def _make_sum_word(
        typing: Any, bits: Any, rows: Any, at: Any, n: Any, weights: Any, drive: Any, word: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            array = [
                _data(context, builder, signature.args[k], args[k]) if k not in (3, 6) else args[k]
                for k in range(7)
            ]
            bits, rows, at, n, weights, drive, word = array
            number = ir.IntType(64)
            vector = ir.VectorType(ir.IntType(16), _LANES)
            sums = [cgutils.alloca_once_value(builder, vector(None)) for _ in range(4)]
            total = cgutils.alloca_once_value(builder, number(0))
            first = builder.mul(word, number(64))
            with cgutils.for_range(builder, n) as loop:
                row = builder.load(builder.gep(rows, [loop.index]))
                line = builder.load(builder.gep(bits, [builder.add(row, word)]))
                total_now = builder.add(builder.load(total), builder.ctpop(line))
                builder.store(total_now, total)
                base = builder.add(builder.load(builder.gep(at, [loop.index])), first)
                for part in range(4):
                    index = builder.add(base, number(_LANES * part))
                    weight = _load(builder, weights, index, 16, _LANES)
                    masked = builder.and_(weight, _mask(builder, line, part))
                    builder.store(builder.add(builder.load(sums[part]), masked), sums[part])
            wide = ir.VectorType(ir.IntType(32), _LANES)
            for part in range(4):
                index = builder.add(first, number(_LANES * part))
                _store(builder, builder.sext(builder.load(sums[part]), wide), drive, index, 32)
            return builder.load(total)

        given = (bits, rows, at, types.int64, weights, drive, types.int64)
        return types.int64(*given), generate

    _sum_word: Any = intrinsic(_make_sum_word)

    @kernel
    def sum_word(
        bits: U64,
        rows: I64,
        places: I64,
        n: int,
        weights: npt.NDArray[np.int16],
        drive: I32,
        word: int,
    ) -> int:
        """Sum word number `word` of `n` rows into 64 neurons of the drive; returns its set bits.

        Parameters
        ----------
        rows : (n,) first word of each row in `bits`.
        places : (n,) where the weights of each row begin; the sums must fit in 16 bits.
        drive : ``drive[64 * word : 64 * word + 64]`` is written.
        """
        return _sum_word(bits, rows, places, n, weights, drive, word)

    def _make_add_bits(typing: Any, counters: Any, first: Any, word: Any, step: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = _data(context, builder, signature.args[0], args[0])
            lanes = ir.VectorType(ir.IntType(8), 64)
            mask = builder.bitcast(args[2], ir.VectorType(ir.IntType(1), 64))
            steps = builder.and_(builder.sext(mask, lanes), _splat(builder, args[3], lanes))
            now = _load(builder, data, args[1], 8, 64)
            _store(builder, builder.add(now, steps), data, args[1], 8)
            return context.get_dummy_value()

        return types.void(counters, types.int64, types.uint64, types.uint8), generate

    _add_bits: Any = intrinsic(_make_add_bits)

    @kernel
    def add_bits(
        counters: npt.NDArray[np.uint8], first: int, word: np.uint64, step: np.uint8
    ) -> None:
        """``counters[first + j] += step`` for every set bit j of `word`."""
        _add_bits(counters, first, word, step)

    def _make_pack(typing: Any, flags: Any, first: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = _data(context, builder, signature.args[0], args[0])
            now = _load(builder, data, args[1], 8, 64)
            bits = builder.icmp_unsigned("!=", now, now.type(None))
            return builder.bitcast(bits, ir.IntType(64))

        return types.uint64(flags, types.int64), generate

    _pack: Any = intrinsic(_make_pack)

    @kernel
    def pack_flags(flags: npt.NDArray[np.uint8], first: int) -> np.uint64:
        """A word whose bit j says whether ``flags[first + j]`` is set."""
        return _pack(flags, first)

else:

    def sum_word(
        bits: U64,
        rows: I64,
        places: I64,
        n: int,
        weights: npt.NDArray[np.int16],
        drive: I32,
        word: int,
    ) -> int:
        """Sum word number `word` of `n` rows into 64 neurons of the drive; returns its set bits.

        Parameters
        ----------
        rows : (n,) first word of each row in `bits`.
        places : (n,) where the weights of each row begin; the sums must fit in 16 bits.
        drive : ``drive[64 * word : 64 * word + 64]`` is written.
        """
        lines = _unpacked(bits[rows[:n] + word])
        lanes = places[:n, None] + 64 * word + np.arange(64)
        drive[64 * word : 64 * word + 64] = (lines * weights[lanes]).sum(axis=0, dtype=np.int32)
        return int(lines.sum())

    def add_bits(
        counters: npt.NDArray[np.uint8], first: int, word: np.uint64, step: np.uint8
    ) -> None:
        """``counters[first + j] += step`` for every set bit j of `word`."""
        counters[first : first + 64] += _unpacked(np.array([word], np.uint64))[0] * np.uint8(step)

    def pack_flags(flags: npt.NDArray[np.uint8], first: int) -> np.uint64:
        """A word whose bit j says whether ``flags[first + j]`` is set."""
        octets = np.packbits(flags[first : first + 64] != 0, bitorder="little")
        return np.uint64(octets.view("<u8")[0])

    def _unpacked(words: U64) -> npt.NDArray[np.uint8]:
        """(n, 64) bits of words."""
        octets = words.astype("<u8").view(np.uint8).reshape(-1, 8)
        return np.unpackbits(octets, axis=1, bitorder="little")
