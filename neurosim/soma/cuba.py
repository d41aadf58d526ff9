"""The synaptic state of current-based neurons: what comes in decays by itself.

Enters: accumulated input and synaptic state of a run of neurons that share their modes. Leaves:
the new state, and the same number as the input of the soma (`neurosim.soma.liaf`), which adds it to
the potential without weight shift and bias. Promised: exact integers, saturated once.

    I = saturate(round(alpha_syn * I / 2**alpha_shift) + (acc << weight_shift) + bias)

The state starts at 0, is as wide as the potential and shares its unit, fractional bits and
rounding. A silent step keeps it from the potential, not from itself. (Loihi's u, Davies et al.
2018; CubaLIF of NIR, discretised.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.arith import saturate, shift_right
from neurosim.soma.liaf import ALPHA_SHIFT, ROUNDING

I32 = npt.NDArray[np.int32]


class CubaColumns(NamedTuple):
    """Per-neuron parameters; no rows in a Program without current-based neurons."""

    alpha_syn: I32  # (n_neurons,) decay of the state, with the group's alpha_shift; signed

    @classmethod
    def empty(cls) -> CubaColumns:
        """No rows."""
        return cls(np.empty(0, np.int32))


class Synaptic(NamedTuple):
    """As kernels read it; the soma of such a group gets no weight shift and no bias."""

    alpha_syn: I32  # (n_neurons,) or no rows
    bias: I32  # (n_neurons,) or no rows; added to the state every tick
    weight_shift: I32  # (n_groups,)


@kernel
def update_currents(
    modes: I32,
    weight_shift: int,
    start: int,
    stop: int,
    v_low: int,
    v_high: int,
    alpha_syn: I32,
    bias: I32,
    acc: I32,
    current: I32,
) -> bool:
    """One tick of the states `start`..`stop` - 1; did any of them change?

    `current` is modified in place; `acc` holds it afterwards.
    """
    changed = False
    for i in range(np.uint64(start), np.uint64(stop)):
        drive = (np.int64(acc[i]) << np.int64(weight_shift)) + np.int64(bias[i])
        kept = shift_right(
            np.int64(alpha_syn[i]) * np.int64(current[i]), modes[ALPHA_SHIFT], modes[ROUNDING]
        )
        now = saturate(kept + drive, v_low, v_high)
        changed = changed or now != current[i]
        current[i] = now
        acc[i] = now
    return changed
