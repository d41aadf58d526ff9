"""The integer soma of LIF, LIAF, IF, LI, DA-LIF and ANN neurons (DESIGN.md section 3).

Enters: accumulated input and membrane potential of a run of neurons that share their modes.
Leaves: the new potential and the output value. Promised: exact integers, saturated once.

LIAF-Net eq. 2-8 (Wu et al. 2022) with the resets and clamps of the common frameworks.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.arith import saturate, shift_right

I32 = npt.NDArray[np.int32]

RESET_CODES: Final[dict[str, int]] = {"hard": 0, "soft": 1, "none": 2, "soft_raised": 3}
"""``soft_raised``: while the potential left by a soft reset still reaches the threshold, the
threshold of the next tick is higher by rho (snnTorch with ``reset_delay=False``)."""

OUTPUT_CODES: Final[dict[str, int]] = {"spike": 0, "analog": 1}
ACTIVATION_CODES: Final[dict[str, int]] = {"identity": 0, "relu": 1, "lut": 2, "lut_unsigned": 3}
"""``lut`` looks values -128..127 up in a table of 256 entries, ``lut_unsigned`` 0..255."""


class LiafColumns(NamedTuple):
    """Per-neuron parameters, each (n_neurons,) int32, in membrane units unless noted.

    The membrane unit of a neuron is one weight step divided by ``2**weight_shift``.
    """

    bias: npt.NDArray[np.int32]  # added every active tick
    theta: npt.NDArray[np.int32]  # fires when U >= theta
    v_reset: npt.NDArray[np.int32]  # potential after a hard reset
    alpha_num: npt.NDArray[np.int32]  # decay = alpha_num / 2**alpha_shift, signed
    beta: npt.NDArray[np.int32]  # added after the decay
    rho: npt.NDArray[np.int32]  # subtracted per spike before the decay (soft reset)
    rho_post: npt.NDArray[np.int32]  # subtracted per spike after the decay
    floor: npt.NDArray[np.int32]  # lower clamp of the potential
    v_start: npt.NDArray[np.int32]  # potential before the first tick
    act_subtract: npt.NDArray[np.int32]  # threshold of TR mode, 0 in NTR mode
    act_mult: npt.NDArray[np.int32]  # requantisation: value = (U * act_mult) / 2**act_shift


class LiafModes(NamedTuple):
    """Per-group settings, each (n_groups,); the neurons of one group share them."""

    weight_shift: npt.NDArray[np.int32]  # fractional bits of the potential below a weight step
    alpha_shift: npt.NDArray[np.int32]  # fractional bits of alpha_num
    rounding: npt.NDArray[np.int32]  # ROUNDING_CODES, of the decay
    reset: npt.NDArray[np.int32]  # RESET_CODES
    n_max: npt.NDArray[np.int32]  # most spikes per tick
    silent_step: npt.NDArray[np.int32]  # 1: the input of the tick after a spike is lost
    output: npt.NDArray[np.int32]  # OUTPUT_CODES
    activation: npt.NDArray[np.int32]  # ACTIVATION_CODES
    act_shift: npt.NDArray[np.int32]  # right shift of the requantisation, rounds halves up
    act_low: npt.NDArray[np.int32]  # saturation of the value, lower end
    act_high: npt.NDArray[np.int32]  # saturation of the value, upper end
    lut: npt.NDArray[np.int32]  # row of the table of look-up tables, -1 without one


class SomaState(NamedTuple):
    """What neurons keep and give; without LIAF neurons `y` and `fired` have no rows."""

    v: npt.NDArray[np.int32]  # (n_neurons,) membrane potential; no rows if all are narrow
    narrow: npt.NDArray[np.int16]  # potentials of TrueNorth cores that need 16 bits only
    y: npt.NDArray[np.int32]  # (n_neurons,) output of this tick: spike count or value
    fired: npt.NDArray[np.int8]  # (n_neurons,) bits: 1 it spiked in its last tick; 2 raised now
    spikes: npt.NDArray[np.uint64]  # (n_words,) TrueNorth: a bit per neuron, core by core
    current: npt.NDArray[np.int32]  # (n_neurons,) synaptic state; no rows where nobody has one


# Columns of the matrix of modes that kernels read: LiafModes, field by field.
(
    WEIGHT_SHIFT,
    ALPHA_SHIFT,
    ROUNDING,
    RESET,
    N_MAX,
    SILENT_STEP,
    OUTPUT,
    ACTIVATION,
    ACT_SHIFT,
    ACT_LOW,
    ACT_HIGH,
    LUT,
    FITS_32,  # 1: what `_charge` and `_step` compute fits in 32 bits, see `fits_32_bits`
) = range(13)

_MOST_32: Final = 1 << 30


def fits_32_bits(
    modes: LiafModes, membrane_bits: int, most_alpha: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """(n_groups,) whether the soma of a group with at most one spike is exact in 32 bits.

    Every parameter of a checked program is at most ``m = 2**(membrane_bits - 1)`` in size, and so
    is a potential; `most_alpha` is the largest ``abs(alpha_num)`` of each group. An input is cut at
    ``2**30`` less what the shift rounds off: that drives any potential to its end, if potential,
    opposite end and bias together are no more.
    """
    m = np.int64(1) << (membrane_bits - 1)
    charges = 3 * m + (np.int64(1) << modes.weight_shift.astype(np.int64)) <= _MOST_32
    after = np.where(modes.reset == RESET_CODES["soft"], 2 * m, m)
    product = most_alpha * after + (np.int64(1) << modes.alpha_shift.astype(np.int64))
    return np.asarray(charges & (product + 2 * m < 1 << 31))


@inlined
def update_liaf(
    wide: npt.NDArray[np.int64],
    modes: I32,
    start: int,
    stop: int,
    v_low: int,
    v_high: int,
    bias: I32,
    theta: I32,
    v_reset: I32,
    alpha_num: I32,
    beta: I32,
    rho: I32,
    rho_post: I32,
    floor: I32,
    act_subtract: I32,
    act_mult: I32,
    luts: I32,
    acc: I32,
    v: I32,
    y: I32,
    fired: npt.NDArray[np.int8],
) -> tuple[bool, bool]:
    """One tick of the neurons `start`..`stop` - 1 of a group.

    Parameters
    ----------
    wide : int64, whatever is in it.
    modes : (13,) of the group, in the order of `LiafModes`, then `FITS_32`.
    acc : (n_neurons,) summed input of this tick; cleared.
    v, y, fired : modified in place.

    Returns
    -------
    changed, sending : whether any potential or spike flag is other than before; whether any
        output is other than 0. Without both, the same input gives the same result again.

    Notes
    -----
    At most one spike, no silent step and no threshold that moves: passes over few arrays each,
    without branches. What touches more than about ten arrays at once is not vectorised, unsigned
    indices are never checked for counting from the end, and taking arrays out of a tuple would
    cost more per small group than its neurons.
    """
    reset, analog = modes[RESET], modes[OUTPUT] == 1
    if modes[N_MAX] == 1 and modes[SILENT_STEP] == 0 and reset != 3:
        shift, jump = np.int64(modes[WEIGHT_SHIFT]), v_reset if reset == 0 else rho
        if modes[FITS_32]:
            most = _MOST_32 >> shift
            _charge(acc, v, acc, bias, y, start, stop, shift, most, v_low, v_high)
            changed = _step(
                acc, y, theta, jump, alpha_num, beta, rho_post, floor, v, start, stop, reset,
                modes[ROUNDING], modes[ALPHA_SHIFT], v_low, v_high,
            )  # fmt: skip
        else:
            _charge(wide, v, acc, bias, y, start, stop, shift, 1 << 31, v_low, v_high)
            changed = _step(
                wide, y, theta, jump, alpha_num, beta, rho_post, floor, v, start, stop, reset,
                modes[ROUNDING], modes[ALPHA_SHIFT], v_low, v_high,
            )  # fmt: skip
        turned, sending = _flag(y, theta, fired, start, stop)
        changed = changed or turned
        if not analog:
            for i in range(np.uint64(start), np.uint64(stop)):
                y[i] = fired[i]
            return changed, sending
    else:
        changed, sending = _update_counting(
            modes, start, stop, v_low, v_high, bias, theta, v_reset, alpha_num, beta, rho,
            rho_post, floor, acc, v, y, fired,
        )  # fmt: skip
        if not analog:
            return changed, sending
    kind, low, high = modes[ACTIVATION], modes[ACT_LOW], modes[ACT_HIGH]
    if kind == 2:
        low, high = np.int32(-128), np.int32(127)
    elif kind == 3:
        low, high = np.int32(0), np.int32(255)
    least = np.int64(0) if kind == 1 else np.int64(-1) << np.int64(62)
    sending = _requantise(
        y, act_subtract, act_mult, start, stop, modes[ACT_SHIFT], least, low, high
    )
    if kind >= 2:
        sending = _look_up(y, luts, modes[LUT], start, stop, low)
    return changed, sending


@kernel
def _update_counting(
    modes: I32,
    start: int,
    stop: int,
    v_low: int,
    v_high: int,
    bias: I32,
    theta: I32,
    v_reset: I32,
    alpha_num: I32,
    beta: I32,
    rho: I32,
    rho_post: I32,
    floor: I32,
    acc: I32,
    v: I32,
    y: I32,
    fired: npt.NDArray[np.int8],
) -> tuple[bool, bool]:
    """What remembers or counts spikes; `y` is the potential for analog neurons."""
    n_max, reset, analog = modes[N_MAX], modes[RESET], modes[OUTPUT] == 1
    raises = reset == 3
    changed, sending = False, False
    for i in range(np.uint64(start), np.uint64(stop)):
        drive = (np.int64(acc[i]) << np.int64(modes[WEIGHT_SHIFT])) + np.int64(bias[i])
        acc[i] = 0
        if modes[SILENT_STEP] and fired[i] & 1:
            drive = np.int64(0)
        u = saturate(np.int64(v[i]) + drive, v_low, v_high)
        level, n = np.int64(theta[i]), np.int64(0)
        if raises and fired[i] & 2:
            level += np.int64(rho[i])
        if u >= level:
            n = np.int64(1) if n_max == 1 else min(u // level, np.int64(n_max))
        r = u
        if reset == 0:
            if n > 0:
                r = np.int64(v_reset[i])
        elif reset != 2:
            r = u - n * np.int64(rho[i])
        flag = np.int8(1) if n > 0 else np.int8(0)
        if raises and r >= theta[i]:
            flag |= np.int8(2)
        r = shift_right(np.int64(alpha_num[i]) * r, modes[ALPHA_SHIFT], modes[ROUNDING])
        r = saturate(r + np.int64(beta[i]) - n * np.int64(rho_post[i]), v_low, v_high)
        r = max(r, np.int64(floor[i]))
        changed = changed or r != v[i] or flag != fired[i]
        sending = sending or n != 0
        v[i] = r
        fired[i] = flag
        y[i] = u if analog else n
    return changed, sending


@kernel
def _look_up(y: I32, luts: I32, row: int, start: int, stop: int, low: int) -> bool:
    """Replace values `low`..`low` + 255 by those of a table; is any of them not 0?"""
    table, some = luts[row], np.int32(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        value = table[y[i] - low]
        some |= value
        y[i] = value
    return some != 0


@kernel
def _charge(
    wide: npt.NDArray[Any],
    v: I32,
    acc: I32,
    bias: I32,
    y: I32,
    start: int,
    stop: int,
    shift: int,
    most: int,
    low: int,
    high: int,
) -> None:
    """``y = U``, the potential with this tick's input; `acc` is cleared.

    Computes in numbers of the type of `wide`. An input beyond `most` counts as `most`.
    """
    number = wide.dtype.type
    most, low, high, shift = number(most), number(low), number(high), shift & 31
    least = number(-most)
    for i in range(np.uint64(start), np.uint64(stop)):
        drive = number(min(max(number(acc[i]), least), most))
        u = number(number(v[i]) + number(drive << shift))
        u = number(u + number(bias[i]))
        acc[i] = 0
        y[i] = min(max(u, low), high)


@kernel
def _step(
    wide: npt.NDArray[Any],
    u_of: I32,
    theta: I32,
    jump: I32,
    alpha: I32,
    beta: I32,
    rho_post: I32,
    floor: I32,
    v: I32,
    start: int,
    stop: int,
    reset: int,
    rounding: int,
    shift: int,
    low: int,
    high: int,
) -> bool:
    """Reset, decay and clamp into `v`; did any potential change?

    The reset becomes numbers: after a spike ``(u & keep) + (jump ^ sign) - sign``, which is
    `jump`, ``u - jump`` or ``u``. Rounding adds `half` or, towards zero, what makes a negative
    number round up. Computes in numbers of the type of `wide`.
    """
    number = wide.dtype.type
    keep, sign = number(0 if reset == 0 else -1), number(-1 if reset == 1 else 0)
    used, low, high, shift = number(0 if reset == 2 else -1), number(low), number(high), shift & 31
    one = 1 << shift
    half = number(one >> 1 if rounding == 0 else 0)
    up = number(one - 1 if rounding == 2 else 0)
    changed, none = number(0), number(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        u = number(u_of[i])
        fires = u_of[i] >= theta[i]
        step = number(number(number(number(jump[i]) & used) ^ sign) - sign)
        after = number(number(u & keep) + step) if fires else u
        r = number(number(alpha[i]) * number(np.int32(after)))  # at most 2**31 - 1 in size
        r = number(number(r + half) + (up if r < none else none))
        r = number(number(r >> shift) + number(beta[i]))
        r = number(r - (number(rho_post[i]) if fires else none))
        r = max(min(max(r, low), high), number(floor[i]))
        changed = number(changed | number(r ^ number(v[i])))
        v[i] = r
    return changed != none


@kernel
def _flag(
    u_of: I32, theta: I32, fired: npt.NDArray[np.int8], start: int, stop: int
) -> tuple[bool, bool]:
    """Spike flags; did any change, and is one set?"""
    changed, spiked = np.int8(0), np.int8(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        flag = np.int8(1) if u_of[i] >= theta[i] else np.int8(0)
        changed = np.int8(changed | np.int8(flag ^ fired[i]))
        spiked = np.int8(spiked | flag)
        fired[i] = flag
    return changed != 0, spiked != 0


@kernel
def _requantise(
    y: I32,
    subtract: I32,
    mult: I32,
    start: int,
    stop: int,
    shift: int,
    least: int,
    low: int,
    high: int,
) -> bool:
    """Potentials in `y` become 8-bit values, halves rounded up; is any of them not 0?"""
    shift = np.int64(shift)
    half, some = (np.int64(1) << shift) >> np.int64(1), np.int64(0)
    for i in range(np.uint64(start), np.uint64(stop)):
        z = (np.int64(y[i]) - np.int64(subtract[i])) * np.int64(mult[i])
        z = max((z + half) >> shift, least)
        z = min(max(z, np.int64(low)), np.int64(high))
        some |= z
        y[i] = z
    return some != 0
