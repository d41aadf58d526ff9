"""The integer soma of LIF, LIAF, IF, LI, DA-LIF and ANN neurons (DESIGN.md section 3).

Enters: accumulated input and membrane potential of a run of neurons that share their modes.
Leaves: the new potential and the output value. Promised: exact integers, saturated once.

LIAF-Net eq. 2-8 (Wu et al. 2022) with the resets and clamps of the common frameworks.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.arith import NEAREST, saturate, shift_right

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
    y: npt.NDArray[np.int32]  # (n_neurons,) output of this tick: spike count or value; if `kept`
    kept: npt.NDArray[np.int8]  # (n_groups,) 1: somebody reads `y` after the tick
    given: npt.NDArray[np.int32]  # (n_workers, most neurons of a group) outputs of one not kept
    fired: npt.NDArray[np.int8]  # (n_neurons,) 1 spiked in its last tick, 2 raised: `update_liaf`
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
) = range(12)


@kernel
def update_liaf(
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
    into: int,
    fired: npt.NDArray[np.int8],
) -> tuple[bool, bool]:
    """One tick of the neurons `start`..`stop` - 1 of a group, whatever its modes.

    `neurosim.soma.liaf_pieces` does most groups; what counts or remembers spikes, and what may
    leave its numbers, is done here.

    Parameters
    ----------
    modes : (12,) of the group, in the order of `LiafModes`.
    acc : (n_neurons,) summed input of this tick; cleared.
    v, fired : modified in place.
    y : set, from ``y[into]`` on.

    Returns
    -------
    changed, sending : whether any potential or spike flag is other than before; whether any
        output is other than 0. Without both, the same input gives the same result again.
    """
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
        v[i] = r
        fired[i] = flag
        if analog:
            n = _activate(modes, (u - np.int64(act_subtract[i])) * np.int64(act_mult[i]), luts)
        sending = sending or n != 0
        y[np.uint64(into) + i - np.uint64(start)] = n
    return changed, sending


@kernel
def _activate(modes: I32, scaled: int, luts: I32) -> int:
    """The value of a potential times the multiplier: rounded, activated, saturated."""
    z = shift_right(scaled, modes[ACT_SHIFT], NEAREST)
    if modes[ACTIVATION] >= 2:
        low = -128 if modes[ACTIVATION] == 2 else 0
        return np.int64(luts[modes[LUT], saturate(z, low, low + 255) - low])
    if modes[ACTIVATION] == 1:
        z = max(z, np.int64(0))
    return saturate(z, np.int64(modes[ACT_LOW]), np.int64(modes[ACT_HIGH]))
