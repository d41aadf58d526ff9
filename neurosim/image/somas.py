"""Parameters of LIAF and current-based neurons as kernels read them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import MODEL_CODES, Program
from neurosim.soma.cuba import Synaptic
from neurosim.soma.liaf import WEIGHT_SHIFT, LiafColumns

I32 = npt.NDArray[np.int32]


class SoftSomas(NamedTuple):
    """LIAF and current-based neurons; the latter's weight shift and bias go to their states."""

    modes: I32 | None  # (n_groups, 12) LiafModes, None without such neurons
    columns: LiafColumns
    synaptic: Synaptic


def soft_somas(program: Program) -> SoftSomas:
    """Modes, columns, and the synaptic states, which take weight shift and bias of their groups."""
    columns = LiafColumns(*(np.ascontiguousarray(c, np.int32) for c in program.neurons))
    table = np.ascontiguousarray(np.stack(program.modes, axis=1), np.int32)
    modes = table if columns.theta.size else None
    groups, alpha_syn = program.groups, np.ascontiguousarray(program.cuba.alpha_syn, np.int32)
    if modes is None or not alpha_syn.size:
        none = np.empty(0, np.int32)
        return SoftSomas(modes, columns, Synaptic(none, none, np.zeros(groups.core.size, np.int32)))
    has_current = groups.model == MODEL_CODES["cuba"]
    neurons = np.repeat(has_current, groups.neuron_stop - groups.neuron_start)
    synaptic = Synaptic(alpha_syn, columns.bias, modes[:, WEIGHT_SHIFT].copy())
    modes[has_current, WEIGHT_SHIFT] = 0
    bias = np.where(neurons, np.int32(0), columns.bias)
    return SoftSomas(modes, columns._replace(bias=bias), synaptic)
