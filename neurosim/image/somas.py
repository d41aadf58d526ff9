"""Parameters of LIAF and current-based neurons as kernels read them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import MODEL_CODES, Program
from neurosim.soma.cuba import Synaptic
from neurosim.soma.liaf import WEIGHT_SHIFT, LiafColumns, fits_32_bits

I32 = npt.NDArray[np.int32]


def soft_somas(program: Program) -> tuple[I32 | None, LiafColumns, Synaptic]:
    """Modes, columns, and the synaptic states, which take weight shift and bias of their groups."""
    columns = LiafColumns(*(np.ascontiguousarray(c, np.int32) for c in program.neurons))
    modes = _mode_table(program, columns) if columns.theta.size else None
    groups, alpha_syn = program.groups, np.ascontiguousarray(program.cuba.alpha_syn, np.int32)
    if modes is None or not alpha_syn.size:
        none = np.empty(0, np.int32)
        return modes, columns, Synaptic(none, none, np.zeros(groups.core.size, np.int32))
    has_current = groups.model == MODEL_CODES["cuba"]
    neurons = np.repeat(has_current, groups.neuron_stop - groups.neuron_start)
    synaptic = Synaptic(alpha_syn, columns.bias, modes[:, WEIGHT_SHIFT].copy())
    modes[has_current, WEIGHT_SHIFT] = 0
    return modes, columns._replace(bias=np.where(neurons, np.int32(0), columns.bias)), synaptic


def _mode_table(program: Program, columns: LiafColumns) -> I32:
    """(n_groups, 13) the modes of every group, and whether its soma computes in 32 bits."""
    groups = program.groups
    alpha = np.append(np.abs(columns.alpha_num.astype(np.int64)), 0)
    ends = np.stack([groups.neuron_start, groups.neuron_stop], axis=1).ravel()
    most = np.maximum.reduceat(alpha, ends)[::2]
    fits = fits_32_bits(program.modes, program.chip.core.membrane_bits, most)
    return np.ascontiguousarray(np.stack([*program.modes, fits], axis=1), np.int32)
