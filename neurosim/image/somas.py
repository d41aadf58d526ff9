"""Parameters of LIAF and current-based neurons as kernels read them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import MODEL_CODES, Program
from neurosim.soma.cuba import Synaptic
from neurosim.soma.liaf import WEIGHT_SHIFT, LiafColumns

I32 = npt.NDArray[np.int32]


def soft_somas(program: Program) -> tuple[I32 | None, LiafColumns, Synaptic]:
    """Modes, columns, and the synaptic states, which take weight shift and bias of their groups."""
    columns = LiafColumns(*(np.ascontiguousarray(c, np.int32) for c in program.neurons))
    table = np.ascontiguousarray(np.stack(program.modes, axis=1), np.int32)
    modes = table if columns.theta.size else None
    groups, alpha_syn = program.groups, np.ascontiguousarray(program.cuba.alpha_syn, np.int32)
    if modes is None or not alpha_syn.size:
        none = np.empty(0, np.int32)
        return modes, columns, Synaptic(none, none, np.zeros(groups.core.size, np.int32))
    has_current = groups.model == MODEL_CODES["cuba"]
    neurons = np.repeat(has_current, groups.neuron_stop - groups.neuron_start)
    synaptic = Synaptic(alpha_syn, columns.bias, modes[:, WEIGHT_SHIFT].copy())
    modes[has_current, WEIGHT_SHIFT] = 0
    return modes, columns._replace(bias=np.where(neurons, np.int32(0), columns.bias)), synaptic
