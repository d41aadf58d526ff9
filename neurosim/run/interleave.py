"""Samples that share a chip tick by tick: C-slow interleaving.

A loop that passes through L layers takes L ticks, so the state of a sample comes round only in
every Lth tick. The ticks between belong to other samples: chip tick ``s * L + k`` is step s of
sample k of a *pass*, which carries L samples at once. That is exact only for neurons without
memory, whose state is nothing but the values in flight (Leiserson and Saxe, Retiming Synchronous
Circuitry, Algorithmica 1991, call such a circuit L-slow).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def n_passes(n_samples: int, interleave: int) -> int:
    """Passes that carry `n_samples`, `interleave` at a time."""
    return -(-n_samples // interleave)


def samples_of_passes(n_samples: int, interleave: int) -> npt.NDArray[np.int64]:
    """(n_passes,) samples that each pass carries: `interleave`, the last one perhaps fewer."""
    carried = np.full(n_passes(n_samples, interleave), interleave, np.int64)
    if carried.size:
        carried[-1] -= carried.sum() - n_samples
    return carried


def interleaved(values: npt.NDArray[np.int16], interleave: int) -> npt.NDArray[np.int16]:
    """(n_passes, n_ticks * interleave, n) from (n_samples, n_ticks, n).

    The last pass is filled up with samples of zeros; what they cost is counted with the others.
    """
    if interleave == 1:
        return values
    n_samples, n_ticks, n = values.shape
    rows = n_passes(n_samples, interleave)
    filled = np.zeros((rows * interleave, n_ticks, n), values.dtype)
    filled[:n_samples] = values
    by_pass = filled.reshape(rows, interleave, n_ticks, n).swapaxes(1, 2)
    return np.ascontiguousarray(by_pass.reshape(rows, n_ticks * interleave, n))


def apart(
    recorded: npt.NDArray[np.int32], interleave: int, n_samples: int
) -> npt.NDArray[np.int32]:
    """(n_samples, n_ticks, n) from (n_passes, n_ticks * interleave, n): `interleaved` undone."""
    if interleave == 1:
        return recorded
    rows, n_ticks, n = recorded.shape
    steps = n_ticks // interleave
    by_sample = recorded.reshape(rows, steps, interleave, n).swapaxes(1, 2)
    return by_sample.reshape(rows * interleave, steps, n)[:n_samples].copy()
