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
from neurosim.kernels.arith import saturate, shift_right

RESET_CODES: Final[dict[str, int]] = {"hard": 0, "soft": 1, "none": 2}
OUTPUT_CODES: Final[dict[str, int]] = {"spike": 0, "analog": 1}
ACTIVATION_CODES: Final[dict[str, int]] = {"identity": 0, "relu": 1, "lut": 2}


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
    """What a neuron keeps and gives, each (n_neurons,)."""

    acc: npt.NDArray[np.int32]  # summed input of this tick; cleared by the update
    v: npt.NDArray[np.int32]  # membrane potential
    y: npt.NDArray[np.int32]  # output of this tick: spike count or value
    fired: npt.NDArray[np.int8]  # 1 if it spiked in its last tick


@kernel
def update_liaf(
    columns: LiafColumns,
    modes: LiafModes,
    luts: npt.NDArray[np.int32],
    group: int,
    start: int,
    stop: int,
    v_low: int,
    v_high: int,
    state: SomaState,
) -> None:
    """One tick of the neurons `start`..`stop` - 1 of a group; `state` is modified in place."""
    weight_shift = modes.weight_shift[group]
    alpha_shift, rounding = modes.alpha_shift[group], modes.rounding[group]
    reset, n_max = modes.reset[group], modes.n_max[group]
    silent_step, analog = modes.silent_step[group], modes.output[group] == 1
    for i in range(start, stop):
        drive = (np.int64(state.acc[i]) << weight_shift) + columns.bias[i]
        state.acc[i] = 0
        if silent_step and state.fired[i]:
            drive = np.int64(0)
        u = saturate(state.v[i] + drive, v_low, v_high)
        n = np.int64(0)
        if u >= columns.theta[i]:
            n = np.int64(1) if n_max == 1 else min(u // columns.theta[i], np.int64(n_max))
        r = u
        if reset == 0:
            if n > 0:
                r = np.int64(columns.v_reset[i])
        elif reset == 1:
            r = u - n * columns.rho[i]
        v = shift_right(np.int64(columns.alpha_num[i]) * r, alpha_shift, rounding)
        v = saturate(v + columns.beta[i] - n * columns.rho_post[i], v_low, v_high)
        state.v[i] = max(v, np.int64(columns.floor[i]))
        state.fired[i] = 1 if n > 0 else 0
        if analog:
            state.y[i] = _activate(u, columns, modes, luts, group, i)
        else:
            state.y[i] = n


@kernel
def _activate(
    u: int, columns: LiafColumns, modes: LiafModes, luts: npt.NDArray[np.int32], group: int, i: int
) -> int:
    """The 8-bit value of an analog neuron: requantise, then identity, ReLU or table (eq. 8)."""
    scaled = (u - columns.act_subtract[i]) * np.int64(columns.act_mult[i])
    z = shift_right(scaled, modes.act_shift[group], 0)
    kind = modes.activation[group]
    if kind == 2:
        return np.int64(luts[modes.lut[group], saturate(z, -128, 127) + 128])
    if kind == 1 and z < 0:
        z = np.int64(0)
    return saturate(z, modes.act_low[group], modes.act_high[group])
