"""Parts of values: nodes that take some features or channels out, or place them among others.

A concatenation is a sum of placed parts; each node here is a matrix, or a convolution of size 1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurosim_mapper.nodes import Conv, Linear, Shape


def selection(shape: Shape, start: int, stop: int) -> Linear | Conv:
    """The node that keeps features (or channels) `start` to `stop`."""
    return _matrix(shape, np.eye(shape[0])[start:stop])


def placement(shape: Shape, total: int, start: int) -> Linear | Conv:
    """The node that places features (or channels) at `start` among `total`."""
    matrix = np.zeros((total, shape[0]))
    matrix[start : start + shape[0]] = np.eye(shape[0])
    return _matrix(shape, matrix)


def _matrix(shape: Shape, matrix: npt.NDArray[np.float64]) -> Linear | Conv:
    if len(shape) == 1:
        return Linear(matrix)
    ones = (1,) * (len(shape) - 1)
    none = ((0, 0),) * (len(shape) - 1)
    return Conv(matrix.reshape(*matrix.shape, *ones), None, ones, none, ones)
