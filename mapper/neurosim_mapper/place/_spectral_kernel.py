"""Compiled: the smoothest vectors on a weighted graph, by filtering random ones.

Enters: a graph, weights that count for its Laplacian, and a block of vectors. Leaves: the block,
filtered or orthonormal. Promised: one order of additions, whatever the number of threads; that is
why no library routine is called (theirs differ in the last bit, and ranks would follow).

The filter is a Chebyshev polynomial of the Laplacian that is small on [low, high] and grows below
(Y. Zhou et al., J. Comput. Phys. 219, 2006).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import allocating_kernel, kernel

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]


@allocating_kernel
def filter_block(
    start: I64,
    neighbour: npt.NDArray[np.int32],
    weight: F64,
    block: F64,
    low: float,
    high: float,
    order: int,
) -> None:
    """Apply the polynomial of degree `order` >= 1 to every row of `block` (k, n), in place."""
    middle, half = (low + high) / 2.0, (high - low) / 2.0
    previous = np.empty(block.shape[1])
    current = np.empty(block.shape[1])
    image = np.empty(block.shape[1])
    for row in range(block.shape[0]):
        previous[:] = block[row]
        apply_laplacian(start, neighbour, weight, previous, image)
        for i in range(current.size):
            current[i] = (image[i] - middle * previous[i]) / half
        for _ in range(order - 1):
            apply_laplacian(start, neighbour, weight, current, image)
            for i in range(current.size):
                following = 2.0 * (image[i] - middle * current[i]) / half - previous[i]
                previous[i] = current[i]
                current[i] = following
        block[row] = current


@kernel
def apply_laplacian(
    start: I64, neighbour: npt.NDArray[np.int32], weight: F64, vector: F64, image: F64
) -> None:
    """Write the weighted differences to the neighbours into `image`."""
    for i in range(vector.size):
        total = 0.0
        for k in range(start[i], start[i + 1]):
            total += weight[k] * (vector[i] - vector[neighbour[k]])
        image[i] = total


@kernel
def orthonormalise(block: F64) -> None:
    """Make the rows orthogonal to the constant vector and to each other, of length 1, in place.

    A row that depends on those before becomes 0.
    """
    k, n = block.shape
    for row in range(k):
        for _ in range(2):  # once more, against cancellation
            mean = 0.0
            for i in range(n):
                mean += block[row, i]
            for i in range(n):
                block[row, i] -= mean / n
            for other in range(row):
                product = dot(block, row, block, other)
                for i in range(n):
                    block[row, i] -= product * block[other, i]
            length = np.sqrt(dot(block, row, block, row))
            for i in range(n):
                block[row, i] = block[row, i] / length if length > 1e-12 else 0.0


@kernel
def dot(a: F64, row: int, b: F64, other: int) -> float:
    """Inner product of a row of `a` with a row of `b`."""
    total = 0.0
    for i in range(a.shape[1]):
        total += a[row, i] * b[other, i]
    return total


@allocating_kernel
def project(
    start: I64, neighbour: npt.NDArray[np.int32], weight: F64, block: F64, small: F64
) -> None:
    """Fill `small` (k, k) with the Laplacian seen by the rows of `block` (k, n)."""
    image = np.empty((1, block.shape[1]))
    for row in range(block.shape[0]):
        apply_laplacian(start, neighbour, weight, block[row], image[0])
        for other in range(block.shape[0]):
            small[row, other] = dot(image, 0, block, other)
