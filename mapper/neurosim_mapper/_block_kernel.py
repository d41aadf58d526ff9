"""Compiled: the weights of a convolution between chosen sources and targets."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel

_I64 = npt.NDArray[np.int64]


@kernel
def fill_conv_block(
    taps: npt.NDArray[Any],
    source: _I64,
    target: _I64,
    kernel_rows: _I64,
    kernel_columns: _I64,
    per_group: _I64,
    block: _I64,
) -> None:
    """Write the weight of every pair that meets into `block`, which holds zeros.

    Parameters
    ----------
    taps : (kernel height, kernel width, c_in / groups, c_out).
    source, target : (3, n) channel, row and column of each.
    kernel_rows, kernel_columns : (n_in, n_out) kernel index that joins two positions of an axis,
        or the size of the kernel where they do not meet.
    per_group : (2,) input and output channels of a group.
    block : (n_sources, n_targets), filled in place.
    """
    high, wide = taps.shape[0], taps.shape[1]
    for i in range(source.shape[1]):
        channel, y, x = source[0, i], source[1, i], source[2, i]
        group, inner = channel // per_group[0], channel % per_group[0]
        for j in range(target.shape[1]):
            ky = kernel_rows[y, target[1, j]]
            kx = kernel_columns[x, target[2, j]]
            if ky < high and kx < wide and target[0, j] // per_group[1] == group:
                block[i, j] = taps[ky, kx, inner, target[0, j]]
