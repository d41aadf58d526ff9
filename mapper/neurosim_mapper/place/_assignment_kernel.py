"""Compiled: the cheapest assignment of rows to columns of a cost matrix.

Shortest augmenting paths with dual prices (R. Jonker and A. Volgenant, Computing 38, 1987).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import allocating_kernel

F64 = npt.NDArray[np.float64]


@allocating_kernel
def assign_rows(cost: F64, row_price: F64, column_price: F64) -> None:
    """Fill the prices of an optimal assignment of `cost` (n, m), n <= m.

    ``row_price[i] + column_price[j] <= cost[i, j]`` for all pairs and ``column_price <= 0``, up to
    rounding, so that the sum of all prices is a lower bound on the cost of every assignment; at
    the end it equals the cheapest one. Both price arrays are filled in place.
    """
    n, m = cost.shape
    row_of = np.full(m, -1, np.int64)
    came_from = np.empty(m, np.int64)
    best = np.empty(m)
    done = np.empty(m, np.bool_)
    row_price[:] = 0.0
    column_price[:] = 0.0
    for new_row in range(n):
        best[:] = np.inf
        done[:] = False
        came_from[:] = -1
        row, column = new_row, -1
        distance = 0.0
        while True:
            nearest, next_column = np.inf, -1
            for j in range(m):
                if not done[j]:
                    length = distance + cost[row, j] - row_price[row] - column_price[j]
                    if length < best[j]:
                        best[j] = length
                        came_from[j] = column
                    if best[j] < nearest:
                        nearest, next_column = best[j], j
            distance = nearest
            column = next_column
            done[column] = True
            if row_of[column] < 0:
                break
            row = row_of[column]
        # Prices of everything on the way move so that the path becomes tight.
        row_price[new_row] += distance
        for j in range(m):
            if done[j] and row_of[j] >= 0:
                row_price[row_of[j]] += distance - best[j]
                column_price[j] -= distance - best[j]
        while column >= 0:
            previous = came_from[column]
            row_of[column] = new_row if previous < 0 else row_of[previous]
            column = previous
