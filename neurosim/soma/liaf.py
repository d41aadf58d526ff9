"""The integer soma of LIF, LIAF, IF, LI, DA-LIF and ANN neurons (DESIGN.md section 3).

Enters: accumulated input and membrane potential of a run of neurons that share their modes.
Leaves: the new potential and the output value. Promised: exact integers, saturated once.

LIAF-Net eq. 2-8 (Wu et al. 2022) with the resets and clamps of the common frameworks.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

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
