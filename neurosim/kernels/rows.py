"""Rows of synapses added to accumulators: dense blocks and sparse rows.

Loops run from 0 over slices, and targets are unsigned: an index that might be negative would cost
a comparison per synapse, and the vector unit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel


@kernel
def add_dense(row: npt.NDArray[Any], value: int, acc: npt.NDArray[np.int32]) -> None:
    """``acc += value * row``; plain loops that the compiler vectorises."""
    if value == 1:
        for j in range(row.size):
            acc[j] += np.int32(row[j])
    else:
        factor = np.int32(value)
        for j in range(row.size):
            acc[j] += np.int32(factor * np.int32(row[j]))


@kernel
def add_sparse(
    target: npt.NDArray[Any],
    weight: npt.NDArray[Any],
    value: int,
    acc: npt.NDArray[np.int32],
) -> None:
    """``acc[target] += value * weight`` for the synapses of one row."""
    if value == 1:
        for e in range(target.size):
            acc[target[e]] += np.int32(weight[e])
    else:
        factor = np.int32(value)
        for e in range(target.size):
            acc[target[e]] += np.int32(factor * np.int32(weight[e]))
