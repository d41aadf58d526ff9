"""The soma of `neurosim.soma.liaf`, several neurons at a time, where its numbers provably fit.

Enters: accumulated input and potentials of a group whose neurons spike at most once per tick and
forget it, as pieces of up to 128 neurons. Leaves: the new potentials and the outputs. Promised: the
same integers as `update_liaf`, bit for bit.

Integers below 2**53 are exact in float64, and processors have products, rounding, least and most of
four such numbers in one instruction each, which they lack for 64-bit integers.
`neurosim.image.soma_pieces` proves the bounds, and turns parameters and modes into numbers that
need no branch: a reset is ``keep * U + jump``, a rounded shift is a product with a power of two in
it, plus a half, rounded down.

Most groups fit 32-bit integers, of which there are twice as many in a vector. A product that is
shifted need not fit: the upper and the lower bits of one factor are multiplied by themselves,
``(a * 2**s + b) * c >> s = a * c + (b * c >> s)``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.soma.liaf import ACTIVATION, ALPHA_SHIFT, LUT, OUTPUT, RESET, ROUNDING, WEIGHT_SHIFT

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

PIECE: Final = 128
"""Neurons of one piece; its parameters, nine rows of so many, stay in the first cache."""

# Rows of a block of parameters. What lies at fixed distances is one array to the compiler, which
# else had to check a dozen of them for overlaps with what is written.
ROWS: Final = 9
BIAS, THETA, JUMP, DECAY, BETA, BETA_FIRED, FLOOR, SCALE, ZERO = range(0, ROWS * PIECE, PIECE)
# Columns of `Pieces.numbers`.
GAIN, KEEP, HALF, HALF_BELOW, LEAST, MOST, IN_32, LOWER, UPPER, LOWEST = range(10)

MOST_DRIVE: Final = 1 << 30
"""In 32 bits an input, shifted, is cut here."""


class Pieces(NamedTuple):
    """Groups that `update_pieces` can do; pieces with equal parameters share one block."""

    first: I64  # (n_groups,) first piece of a group, -1: its numbers may not fit
    block: I64  # (n_pieces,) where its parameters begin in `table`
    table: F64  # (n_blocks * 9 * 128,)
    table_32: I32  # (n_blocks_32 * 9 * 128,) of groups computed in 32 bits: decays not divided, the
    # multiplier of a value as its scale, what is subtracted before as its zero
    numbers: F64  # (n_groups, 10) weight step; share of U that a reset leaves; what rounds a
    # decayed potential, at and below 0; range of the value; 1: computed in 32 bits. For these: the
    # two shifts after which a value is rounded, and its least place in a table


@kernel
def update_pieces(
    modes: I32,
    numbers: F64,
    block: I64,
    table: F64,
    table_32: I32,
    first: int,
    start: int,
    stop: int,
    v_low: int,
    v_high: int,
    luts: I32,
    acc: I32,
    v: I32,
    y: I32,
    into: int,
) -> tuple[bool, bool]:
    """One tick of the neurons `start`..`stop` - 1 of a group.

    Parameters
    ----------
    modes : (12,) of the group, in the order of `LiafModes`.
    numbers : (10,) of the group, see `Pieces`.
    acc : (n_neurons,) summed input of this tick; cleared.
    v : modified in place.
    y : set, from ``y[into]`` on.

    Returns
    -------
    changed, sending : whether any potential is other than before; whether any output is other than
        0. Without both, the same input gives the same result again.
    """
    changed, sending = np.int32(0), np.int32(0)
    analog, in_32 = modes[OUTPUT] == 1, numbers[IN_32] != 0.0
    looks_up = analog and modes[ACTIVATION] >= 2
    piece = first
    for begin in range(start, stop, PIECE):
        end = min(begin + PIECE, stop)
        at, to = block[piece], into + begin - start
        if analog and in_32:
            moved, some = _values_32(
                modes, numbers, table_32, at, begin, end, v_low, v_high, acc, v, y, to
            )
        elif analog:
            moved, some = _values(numbers, table, at, begin, end, v_low, v_high, acc, v, y, to)
        elif in_32:
            moved, some = _spikes_32(modes, table_32, at, begin, end, v_low, v_high, acc, v, y, to)
        else:
            moved, some = _spikes(numbers, table, at, begin, end, v_low, v_high, acc, v, y, to)
        if looks_up:
            some = _look_up(luts[modes[LUT]], to, to + end - begin, y)
        changed, sending = np.int32(changed | moved), np.int32(sending | some)
        piece += 1
    return changed != 0, sending != 0


@kernel
def _values(
    numbers: F64,
    table: F64,
    block: int,
    start: int,
    stop: int,
    v_low: int,
    v_high: int,
    acc: I32,
    v: I32,
    y: I32,
    into: int,
) -> tuple[np.int32, np.int32]:
    """Analog neurons; bits that changed in any potential, bits that are set in any value."""
    gain, keep, half, below = numbers[GAIN], numbers[KEEP], numbers[HALF], numbers[HALF_BELOW]
    low, high, least, most = np.float64(v_low), np.float64(v_high), numbers[LEAST], numbers[MOST]
    changed, some = np.int32(0), np.int32(0)
    for k in range(np.uint64(stop - start)):
        i, j = np.uint64(start) + k, np.uint64(block) + k
        u, _, left = _tick(table, j, v[i], acc[i], gain, keep, half, below, low, high)
        acc[i] = 0
        changed = np.int32(changed | (left ^ v[i]))
        v[i] = left
        z = np.floor(u * table[j + np.uint64(SCALE)] + table[j + np.uint64(ZERO)])
        value = np.int32(min(max(z, least), most))
        some = np.int32(some | value)
        y[np.uint64(into) + k] = value
    return changed, some


@kernel
def _spikes(
    numbers: F64,
    table: F64,
    block: int,
    start: int,
    stop: int,
    v_low: int,
    v_high: int,
    acc: I32,
    v: I32,
    y: I32,
    into: int,
) -> tuple[np.int32, np.int32]:
    """Spiking neurons; bits that changed in any potential, 1 if any neuron fires."""
    gain, keep, half, below = numbers[GAIN], numbers[KEEP], numbers[HALF], numbers[HALF_BELOW]
    low, high = np.float64(v_low), np.float64(v_high)
    changed, some = np.int32(0), np.int32(0)
    for k in range(np.uint64(stop - start)):
        i, j = np.uint64(start) + k, np.uint64(block) + k
        _, fires, left = _tick(table, j, v[i], acc[i], gain, keep, half, below, low, high)
        acc[i] = 0
        changed = np.int32(changed | (left ^ v[i]))
        v[i] = left
        spike = np.int32(fires)
        some = np.int32(some | spike)
        y[np.uint64(into) + k] = spike
    return changed, some


@kernel
def _tick(
    table: F64,
    j: np.uint64,
    v: np.int32,
    acc: np.int32,
    gain: float,
    keep: float,
    half: float,
    below: float,
    low: float,
    high: float,
) -> tuple[float, bool, np.int32]:
    """U, whether it reaches the threshold, and the potential that is left.

    All parameters are read before the first choice, so that each is one load of four.
    """
    theta, jump = table[j + np.uint64(THETA)], table[j + np.uint64(JUMP)]
    beta, beta_fired = table[j + np.uint64(BETA)], table[j + np.uint64(BETA_FIRED)]
    u = np.float64(v) + np.float64(acc) * gain + table[j + np.uint64(BIAS)]
    u = min(max(u, low), high)
    fires = u >= theta
    after = u * keep + jump
    r = (after if fires else u) * table[j + np.uint64(DECAY)]
    r = np.floor(r + (below if r < 0.0 else half)) + (beta_fired if fires else beta)
    return u, fires, np.int32(max(min(r, high), table[j + np.uint64(FLOOR)]))


@kernel
def _values_32(
    modes: I32,
    numbers: F64,
    table: I32,
    block: int,
    start: int,
    stop: int,
    v_low: int,
    v_high: int,
    acc: I32,
    v: I32,
    y: I32,
    into: int,
) -> tuple[np.int32, np.int32]:
    """`_values` in 32-bit integers."""
    low, high, shift = np.int32(v_low), np.int32(v_high), modes[WEIGHT_SHIFT] & 31
    down, keep, half, below = _decay_32(modes)
    lower, upper = np.int32(numbers[LOWER]) & 31, np.int32(numbers[UPPER]) & 31
    mask, zero = np.int32((1 << lower) - 1), np.int32((1 << upper) >> 1)
    lowest = np.int32(numbers[LOWEST])
    least, most = np.int32(numbers[LEAST]), np.int32(numbers[MOST])
    changed, some = np.int32(0), np.int32(0)
    for k in range(np.uint64(stop - start)):
        i, j = np.uint64(start) + k, np.uint64(block) + k
        u, _, left = _tick_32(table, j, v[i], acc[i], shift, down, keep, half, below, low, high)
        acc[i] = 0
        changed = np.int32(changed | np.int32(left ^ v[i]))
        v[i] = left
        scale, w = table[j + np.uint64(SCALE)], np.int32(u - table[j + np.uint64(ZERO)])
        z = np.int32(np.int32(np.int32(w & mask) * scale) >> lower)
        z = np.int32(np.int32(np.int32(w >> lower) * scale) + z)
        z = np.int32(np.int32(np.int32(z + zero) >> upper) - lowest)
        value = min(max(z, least), most)
        some = np.int32(some | value)
        y[np.uint64(into) + k] = value
    return changed, some


@kernel
def _spikes_32(
    modes: I32,
    table: I32,
    block: int,
    start: int,
    stop: int,
    v_low: int,
    v_high: int,
    acc: I32,
    v: I32,
    y: I32,
    into: int,
) -> tuple[np.int32, np.int32]:
    """`_spikes` in 32-bit integers."""
    low, high, shift = np.int32(v_low), np.int32(v_high), modes[WEIGHT_SHIFT] & 31
    down, keep, half, below = _decay_32(modes)
    changed, some = np.int32(0), np.int32(0)
    for k in range(np.uint64(stop - start)):
        i, j = np.uint64(start) + k, np.uint64(block) + k
        _, fires, left = _tick_32(table, j, v[i], acc[i], shift, down, keep, half, below, low, high)
        acc[i] = 0
        changed = np.int32(changed | np.int32(left ^ v[i]))
        v[i] = left
        spike = np.int32(fires)
        some = np.int32(some | spike)
        y[np.uint64(into) + k] = spike
    return changed, some


@kernel
def _decay_32(modes: I32) -> tuple[int, np.int32, np.int32, np.int32]:
    """Shift of a decayed potential, bits that a reset leaves, what rounds at and below 0."""
    down, rounding = modes[ALPHA_SHIFT] & 31, modes[ROUNDING]
    keep = np.int32(0 if modes[RESET] == 0 else -1)
    half = np.int32((1 << down) >> 1 if rounding == 0 else 0)
    below = np.int32((1 << down) - 1) if rounding == 2 else half
    return down, keep, half, below


@kernel
def _tick_32(
    table: I32,
    j: np.uint64,
    v: np.int32,
    acc: np.int32,
    shift: int,
    down: int,
    keep: np.int32,
    half: np.int32,
    below: np.int32,
    low: np.int32,
    high: np.int32,
) -> tuple[np.int32, bool, np.int32]:
    """`_tick` in 32-bit integers.

    Every sum is cast back: the interpreter's types grow, vectors of 64 bits take twice as long.
    """
    theta, jump = table[j + np.uint64(THETA)], table[j + np.uint64(JUMP)]
    beta, beta_fired = table[j + np.uint64(BETA)], table[j + np.uint64(BETA_FIRED)]
    decay, most = table[j + np.uint64(DECAY)], np.int32(MOST_DRIVE >> shift)
    drive = np.int32(min(max(acc, np.int32(-most)), most) << shift)
    u = np.int32(np.int32(v + drive) + table[j + np.uint64(BIAS)])
    u = min(max(u, low), high)
    fires = u >= theta
    after = np.int32(np.int32(u & keep) + jump)
    left = after if fires else u
    rest = np.int32(np.int32(left & np.int32((1 << down) - 1)) * decay)
    rest = np.int32(rest + (below if np.int32(left ^ decay) < np.int32(0) else half))
    r = np.int32(np.int32(np.int32(left >> down) * decay) + np.int32(rest >> down))
    r = np.int32(r + (beta_fired if fires else beta))
    return u, fires, max(min(r, high), table[j + np.uint64(FLOOR)])


@kernel
def _look_up(table: I32, start: int, stop: int, y: I32) -> np.int32:
    """Replace places in a table by what stands there; bits that are set in any value."""
    some = np.int32(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        value = table[np.uint64(y[i])]
        some = np.int32(some | value)
        y[i] = value
    return some
