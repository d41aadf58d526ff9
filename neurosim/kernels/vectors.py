"""Sums over rows of bits, written as vectors: what the compiler does not find by itself.

A row of a crossbar is a bit per neuron. Its bits become lanes that are all ones or all zeros, and
a lane masks the weight of its neuron, so 16 synapses cost a handful of instructions however many
of them are set. The vectors are LLVM's own, so they become whatever the machine has.
"""

from __future__ import annotations

import sys
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.llvm import (
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
I64 = npt.NDArray[np.int64]
U64 = npt.NDArray[np.uint64]

_LANES = 16  # weights of 16 bits at a time

if not _numba_config.DISABLE_JIT:

    def _lane(builder: Any, word: Any, part: int) -> Any:
        """Index of the first of 16 neurons."""
        number = ir.IntType(64)
        return builder.add(builder.mul(word, number(64)), number(_LANES * part))

    def _mask(builder: Any, bits: Any, place: Any, part: int) -> Any:
        """16 bits of ``bits[place]`` as 16 lanes of all ones or zeros."""
        vector = vector_type(16, _LANES)
        quarters = builder.bitcast(builder.gep(bits, [place]), ir.IntType(16).as_pointer())
        number = part if sys.byteorder == "little" else 3 - part
        mine = builder.load(builder.gep(quarters, [ir.IntType(64)(number)]))
        lanes = vector([1 << k for k in range(_LANES)])
        here = builder.and_(splat(builder, mine, vector), lanes)
        return builder.sext(builder.icmp_signed("==", here, lanes), vector)

    def _add_rows(
        builder: Any, bits: Any, rows: Any, at: Any, n: Any, pool: Any, word: Any, start: Any
    ) -> tuple[Any, Any]:
        """Masked weights of `n` rows onto the four vectors `start`; also how many bits are set."""
        number = ir.IntType(64)
        sums = [cgutils.alloca_once_value(builder, vector) for vector in start]
        total = cgutils.alloca_once_value(builder, number(0))
        first = builder.mul(word, number(64))
        with cgutils.for_range(builder, n) as loop:
            row = builder.load(builder.gep(rows, [loop.index]))
            place = builder.add(row, word)
            set_bits = builder.ctpop(builder.load(builder.gep(bits, [place])))
            builder.store(builder.add(builder.load(total), set_bits), total)
            base = builder.add(builder.load(builder.gep(at, [loop.index])), first)
            for part in range(4):
                index = builder.add(base, number(_LANES * part))
                weight = load_vector(builder, pool, index, 16, _LANES)
                masked = builder.and_(weight, _mask(builder, bits, place, part))
                builder.store(builder.add(builder.load(sums[part]), masked), sums[part])
        return [builder.load(vector) for vector in sums], builder.load(total)

    def _make_sum_word(
        typing: Any, bits: Any, rows: Any, at: Any, n: Any, weights: Any, drive: Any, word: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            bits, rows, at, n, weights, drive, word = (
                data_of(context, builder, signature.args[k], args[k])
                if k not in (3, 6)
                else args[k]
                for k in range(7)
            )
            none = vector_type(16, _LANES)(None)
            sums, total = _add_rows(builder, bits, rows, at, n, weights, word, [none] * 4)
            wide = vector_type(32, _LANES)
            for part in range(4):
                index = _lane(builder, word, part)
                store_vector(builder, builder.sext(sums[part], wide), drive, index, 32)
            return total

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

    def _soma(builder: Any, u: Any, before: Any, row: Any, keep: Any) -> tuple[Any, Any, Any]:
        """The new potential, who fires, and what changed; see `step_word`."""
        high, low, back, fall = row
        fires = builder.icmp_signed(">=", u, high)
        over = builder.add(builder.and_(builder.sub(u, high), keep[0]), back)
        under = builder.add(builder.and_(builder.sub(u, low), keep[1]), fall)
        stays = builder.select(builder.icmp_signed("<", u, low), under, u)
        after = builder.select(fires, over, stays)
        return after, fires, builder.xor(after, before)

    def _make_step_word(
        typing: Any, bits: Any, rows: Any, at: Any, n: Any, pool: Any, columns: Any, keep: Any,
        sums: Any, v: Any, first: Any, word: Any,
    ) -> Any:  # fmt: skip
        numbers = (3, 9, 10)

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            bits, rows, at, n, pool, columns, keep, sums, v, first, word = (
                args[k] if k in numbers else data_of(context, builder, signature.args[k], args[k])
                for k in range(11)
            )
            whole, vector = ir.IntType(64), vector_type(16, _LANES)
            lane = [_lane(builder, word, part) for part in range(4)]
            start = [load_vector(builder, sums, index, 16, _LANES) for index in lane]
            drive, total = _add_rows(builder, bits, rows, at, n, pool, word, start)
            place = [builder.load(builder.gep(columns, [whole(k)])) for k in range(5)]
            kept = [
                splat(builder, builder.load(builder.gep(keep, [whole(k)])), vector)
                for k in range(2)
            ]
            spikes, changed = whole(0), vector(None)
            for part in range(4):
                mine = builder.add(first, lane[part])
                before = load_vector(builder, v, mine, 16, _LANES)
                leak, *row = (
                    load_vector(builder, pool, builder.add(k, lane[part]), 16, _LANES)
                    for k in place
                )
                u = builder.add(builder.add(before, drive[part]), leak)
                after, fires, difference = _soma(builder, u, before, row, kept)
                store_vector(builder, after, v, mine, 16)
                changed = builder.or_(changed, difference)
                fired = builder.zext(builder.bitcast(fires, ir.IntType(_LANES)), whole)
                spikes = builder.or_(spikes, builder.shl(fired, whole(_LANES * part)))
            other = builder.icmp_unsigned("!=", changed, vector(None))
            moved = builder.zext(builder.bitcast(other, ir.IntType(_LANES)), whole)
            return context.make_tuple(builder, signature.return_type, [spikes, total, moved])

        given = (
            bits, rows, at, types.int64, pool, columns, keep, sums, v, types.int64, types.int64
        )  # fmt: skip
        result: Any = types.UniTuple(types.uint64, 3)  # type: ignore[no-untyped-call]
        return result(*given), generate

    _step_word: Any = intrinsic(_make_step_word)

    @inlined
    def step_word(
        bits: U64, rows: I64, places: I64, n: int, pool: I16, columns: I64, keep: I16, sums: I16,
        v: I16, first: int, word: int,
    ) -> tuple[int, int, int]:  # fmt: skip
        """Integrate, leak, fire and reset 64 neurons of 16 bits; see the twin below."""
        return _step_word(bits, rows, places, n, pool, columns, keep, sums, v, first, word)

    def _make_add_bits(typing: Any, counters: Any, first: Any, word: Any, step: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = data_of(context, builder, signature.args[0], args[0])
            lanes = vector_type(8, 64)
            mask = builder.bitcast(args[2], vector_type(1, 64))
            steps = builder.and_(builder.sext(mask, lanes), splat(builder, args[3], lanes))
            now = load_vector(builder, data, args[1], 8, 64)
            store_vector(builder, builder.add(now, steps), data, args[1], 8)
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
            data = data_of(context, builder, signature.args[0], args[0])
            now = load_vector(builder, data, args[1], 8, 64)
            bits = builder.icmp_unsigned("!=", now, now.type(None))
            return builder.bitcast(bits, ir.IntType(64))

        return types.uint64(flags, types.int64), generate

    _pack: Any = intrinsic(_make_pack)

    @kernel
    def pack_flags(flags: npt.NDArray[np.uint8], first: int) -> np.uint64:
        """A word whose bit j says whether ``flags[first + j]`` is set."""
        return _pack(flags, first)

    def _make_nonzero(typing: Any, values: Any, first: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = data_of(context, builder, signature.args[0], args[0])
            now = load_vector(builder, data, args[1], 32, 64)
            bits = builder.icmp_unsigned("!=", now, now.type(None))
            return builder.bitcast(bits, ir.IntType(64))

        return types.uint64(values, types.int64), generate

    _nonzero: Any = intrinsic(_make_nonzero)

    @kernel
    def nonzero_word(values: I32, first: int) -> np.uint64:
        """A word whose bit j says whether ``values[first + j]`` is other than 0."""
        return _nonzero(values, first)

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

    def step_word(
        bits: U64, rows: I64, places: I64, n: int, pool: I16, columns: I64, keep: I16, sums: I16,
        v: I16, first: int, word: int,
    ) -> tuple[int, int, int]:  # fmt: skip
        """Integrate, leak, fire and reset 64 neurons whose potentials provably fit in 16 bits.

        ``u = v + sums + rows + leak``; from ``high`` on a neuron fires and is set to
        ``((u - high) & keep[0]) + back``, below ``low`` it becomes
        ``((u - low) & keep[1]) + fall``.

        Parameters
        ----------
        bits, rows, places, n : as for `sum_word`; the weights are rows of `pool`.
        columns : (5,) where the rows of leak, high, low, back and fall begin in `pool`.
        keep : (2,) 0 or -1.
        sums : added to the drive, from ``sums[64 * word]`` on.
        v : potentials of the core from ``v[first]`` on, modified in place.

        Returns
        -------
        Spikes as bits, set bits of the rows, not 0 if any potential changed.
        """
        here = slice(64 * word, 64 * word + 64)
        lines = _unpacked(bits[rows[:n] + word])
        drive = (lines * pool[places[:n, None] + np.arange(64) + 64 * word].astype(int)).sum(axis=0)
        leak, high, low, back, fall = (pool[k:][here].astype(int) for k in columns)
        before = v[first:][here].astype(int)
        u = before + sums[here] + drive + leak
        over, under = ((u - high) & int(keep[0])) + back, ((u - low) & int(keep[1])) + fall
        after = np.where(u >= high, over, np.where(u < low, under, u))
        v[first:][here] = after
        fires = np.packbits(u >= high, bitorder="little").view("<u8")[0]
        return int(fires), int(lines.sum()), int((after != before).any())

    def add_bits(
        counters: npt.NDArray[np.uint8], first: int, word: np.uint64, step: np.uint8
    ) -> None:
        """``counters[first + j] += step`` for every set bit j of `word`."""
        counters[first : first + 64] += _unpacked(np.array([word], np.uint64))[0] * np.uint8(step)

    def pack_flags(flags: npt.NDArray[np.uint8], first: int) -> np.uint64:
        """A word whose bit j says whether ``flags[first + j]`` is set."""
        octets = np.packbits(flags[first : first + 64] != 0, bitorder="little")
        return np.uint64(octets.view("<u8")[0])

    def nonzero_word(values: I32, first: int) -> np.uint64:
        """A word whose bit j says whether ``values[first + j]`` is other than 0."""
        return pack_flags((values[first : first + 64] != 0).view(np.uint8), 0)

    def _unpacked(words: U64) -> npt.NDArray[np.uint8]:
        """(n, 64) bits of words."""
        octets = words.astype("<u8").view(np.uint8).reshape(-1, 8)
        return np.unpackbits(octets, axis=1, bitorder="little")


@kernel
def senders_of(y: I32, first: int, size: int) -> np.uint64:
    """A word whose bit j says whether neuron ``first + j`` of `size` (1..64) gives something."""
    if size == 64:
        return nonzero_word(y, first)
    word = np.uint64(0)
    for j in range(np.uint64(size)):
        word |= np.uint64(y[np.uint64(first) + np.uint64(j)] != 0) << np.uint64(j)
    return word
