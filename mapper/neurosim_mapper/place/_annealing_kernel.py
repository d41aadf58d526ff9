"""Compiled: moves of simulated annealing on traffic between pairs of cores.

Enters: a graph, the grid, and a `Board` that says who sits where. Leaves: the board after
`n_moves` proposals at one temperature. Promised: the cost change is exact, and the random numbers
depend on the board's own state only.

A proposal takes a movable core to a router near itself or near one of its neighbours, and the core
that sits there, if any, to where the first came from. Accepted if the cost falls, or with
probability exp(-change / temperature): change < temperature * -log(u), logs from a table.

Steps along a row and along a column add up, so what a core would cost in each column and in each
row stands in two tables: a proposal looks up four numbers per core, whatever its neighbours. Only
an accepted one touches the tables of the neighbours. The numbers are whole and below 2**53, so
that sums of floats are exact in any order.

Arrays are taken out of their tuples once, before the loop: a tuple handed on costs a reference
count per array and call, more than a proposal does.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import allocating_kernel, kernel
from neurosim_mapper._random_kernel import below, next_random
from neurosim_mapper.place.problem import I64, Graph, Grid

I32 = npt.NDArray[np.int32]
F64 = npt.NDArray[np.float64]
N_LOGS: Final = 4096
LOGS: Final = -np.log((np.arange(N_LOGS) + 0.5) / N_LOGS)
_MASK_12: Final = np.uint64(0xFFF)
_MASK_24: Final = np.uint64(0xFFFFFF)
_MASK_32: Final = np.uint64(0xFFFFFFFF)
_16, _40 = np.uint64(16), np.uint64(40)


class Board(NamedTuple):
    """Who sits where; changed in place."""

    router: I64  # (n_cores,)
    core: I64  # (n_routers,) -1: empty
    is_open: npt.NDArray[np.bool_]  # (n_routers,) usable and without a pinned core
    movable: I64  # cores without a pin
    region: I32  # (n_cores, 4) x0, y0, x1, y1 that each core must keep to; (0, 4): anywhere
    random: npt.NDArray[np.uint64]  # (1,) state of the random numbers, not 0


@allocating_kernel
def anneal_pairs(
    graph: Graph,
    grid: Grid,
    board: Board,
    temperature: float,
    radius: int,
    near_share: int,
    n_moves: int,
    logs: F64,
) -> Any:
    """Propose `n_moves` moves; returns (cost change, mean cost change over time, accepted).

    Parameters
    ----------
    radius : how far from itself a core looks, in columns and rows.
    near_share : of 1024 proposals, how many look next to a neighbour instead.
    logs : (N_LOGS,) the table LOGS.
    """
    start, neighbour, weight, _ = graph
    column, row, _, _, _, size, steps_x, steps_y = grid
    router_of, core_of, is_open, movable, region, random = board
    wide, high, torus = size[0], size[1], size[4] > 0
    cost = np.zeros((router_of.size, wide + high))
    _fill_costs(graph, grid, router_of, cost)
    step = np.empty(wide + high)
    change, total, accepted = 0.0, 0.0, 0
    state = random[0]
    for _ in range(n_moves):
        state = next_random(state)
        core = movable[below(state, movable.size)]
        low = np.int64(state & _MASK_32)
        state = next_random(state)
        old = router_of[core]
        centre, reach = old, radius
        degree = start[core + 1] - start[core]
        if (low & 1023) < near_share and degree > 0:
            centre = router_of[neighbour[start[core] + (((low >> 10) * degree) >> 22)]]
            reach = 1
        span = 2 * reach + 1
        x = column[centre] - reach + ((np.int64(state >> _40) * span) >> 24)
        y = row[centre] - reach + ((np.int64((state >> _16) & _MASK_24) * span) >> 24)
        if torus:
            x, y = x % wide, y % high
        total += change
        if x < 0 or y < 0 or x >= wide or y >= high:
            continue
        new = y * wide + x
        if new == old or not is_open[new]:
            continue
        other = core_of[new]
        x0, y0 = column[old], row[old]
        if region.size and not may_trade(region, core, x, y, other, x0, y0):
            continue
        mine = cost[core]
        delta = mine[x] - mine[x0] + mine[wide + y] - mine[wide + y0]
        if other >= 0:
            its = cost[other]
            delta += its[x0] - its[x] + its[wide + y0] - its[wide + y]
        limit = temperature * logs[np.int64(state & _MASK_12)]
        if delta > 0.0 and delta >= limit:
            continue
        if other >= 0:
            # The two keep their distance; in both sums it counted as none.
            shared = _weight_between(start, neighbour, weight, core, other)
            delta += 2.0 * shared * (steps_x[x0, x] + steps_y[y0, y])
            if delta > 0.0 and delta >= limit:
                continue
            router_of[other] = old
        change += delta
        accepted += 1
        router_of[core], core_of[new], core_of[old] = new, core, other
        for i in range(wide):
            step[i] = steps_x[x, i] - steps_x[x0, i]
        for i in range(high):
            step[wide + i] = steps_y[y, i] - steps_y[y0, i]
        _shift(start, neighbour, weight, core, 1.0, step, cost)
        if other >= 0:
            _shift(start, neighbour, weight, other, -1.0, step, cost)
    random[0] = state
    return change, total / max(n_moves, 1), accepted


@kernel
def _fill_costs(graph: Graph, grid: Grid, router_of: I64, cost: F64) -> None:
    """What every core would cost in each column, then in each row, the others where they are."""
    wide = grid.size[0]
    for core in range(router_of.size):
        line = cost[core]
        for x in range(wide):  # the first row stands for all
            line[x] = graph.host[core] * grid.host_distance[x]
        for k in range(graph.start[core], graph.start[core + 1]):
            there, w = router_of[graph.neighbour[k]], graph.weight[k]
            for x in range(wide):
                line[x] += w * grid.steps_x[grid.column[there], x]
            for y in range(grid.size[1]):
                line[wide + y] += w * grid.steps_y[grid.row[there], y]


@kernel
def _shift(
    start: I64, neighbour: I32, weight: I64, core: Any, sign: float, step: F64, cost: F64
) -> None:
    """Add what the neighbours' costs change by, `sign` times `step`, after `core` has moved."""
    for k in range(start[core], start[core + 1]):
        line, w = cost[neighbour[k]], sign * weight[k]
        for i in range(step.size):
            line[i] += w * step[i]


@kernel
def _weight_between(start: I64, neighbour: I32, weight: I64, one: Any, two: Any) -> Any:
    """Traffic between two cores; the shorter list of neighbours is searched."""
    if start[one + 1] - start[one] > start[two + 1] - start[two]:
        one, two = two, one
    for k in range(start[one], start[one + 1]):
        if neighbour[k] == two:
            return weight[k]
    return np.int64(0)


@kernel
def may_trade(region: I32, core: Any, x: Any, y: Any, other: Any, old_x: Any, old_y: Any) -> Any:
    """Whether `core` may go to (x, y), and `other` (-1: nobody) to where it was."""
    box = region[core]
    good = box[0] <= x and x <= box[2] and box[1] <= y and y <= box[3]
    if good and other >= 0:
        box = region[other]
        good = box[0] <= old_x and old_x <= box[2] and box[1] <= old_y and old_y <= box[3]
    return good
