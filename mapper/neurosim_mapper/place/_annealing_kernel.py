"""Compiled: moves of simulated annealing on traffic between pairs of cores.

Enters: the traffic, the grid, and a `Board` that says who sits where. Leaves: the board after
`n_moves` proposals at one temperature. Promised: the cost change is exact, and the random numbers
depend on the board's own state only.

A proposal takes a movable core to a router near itself or near one of its neighbours, and the core
that sits there, if any, to where the first came from. Accepted if the cost falls, or with
probability exp(-change / temperature): change < temperature * -log(u), logs from a table.

Steps along a row and along a column add up, so what a core would cost in each column and in each
row stands in a table: a proposal looks up four numbers per core, whatever its neighbours. Only an
accepted one touches the lines of the neighbours, and only the half of a line along which the core
has moved. The numbers are whole and below 2**24, so that sums of single-precision floats, eight in
a register, are exact in any order.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim_mapper._random_kernel import below, next_random
from neurosim_mapper.place.problem import I64, Grid

I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
N_LOGS: Final = 1024
LOGS: Final[F32] = -np.log((np.arange(N_LOGS, dtype=np.float64) + 0.5) / N_LOGS).astype(np.float32)
N_LOOKS: Final = 32
LARGEST_LINE: Final = 1 << 21  # of a line of costs; a proposal adds up eight entries
# A random number: 32 bits for the core, 5 for whom it looks at, 9 and 8 for the place, 10 to judge.
_MASK_8, _MASK_9, _MASK_10 = np.uint64(0xFF), np.uint64(0x1FF), np.uint64(0x3FF)
_LOOK, _5, _14, _22 = np.uint64(N_LOOKS - 1), np.uint64(5), np.uint64(14), np.uint64(22)


class Pairs(NamedTuple):
    """Traffic between pairs of cores, as `Graph`, in floats that add up exactly."""

    start: I64  # (n_cores + 1,)
    neighbour: I32
    weight: F32
    host: F32  # (n_cores,)
    look: I32  # (n_movable, N_LOOKS) whom a core looks next to; itself: near where it is


class Scratch(NamedTuple):
    """Room to work in, for one run at a time."""

    cost: F32  # (n_cores + 1, wide + high); the last line stays 0 and stands for nobody
    step: F32  # (wide + high,)


class Board(NamedTuple):
    """Who sits where; changed in place."""

    router: I64  # (n_cores,)
    core: I64  # (n_routers,) -1: empty
    is_open: npt.NDArray[np.bool_]  # (n_routers,) usable and without a pinned core
    movable: I64  # cores without a pin
    region: I32  # (n_cores, 4) x0, y0, x1, y1 that each core must keep to; (0, 4): anywhere
    random: npt.NDArray[np.uint64]  # (1,) state of the random numbers, not 0


@kernel
def anneal_pairs(
    pairs: Pairs,
    grid: Grid,
    board: Board,
    scratch: Scratch,
    temperature: float,
    radius: int,
    n_moves: int,
    logs: F32,
) -> Any:
    """Propose `n_moves` moves; returns (cost change, mean cost change over time, accepted).

    Parameters
    ----------
    radius : how far from itself a core looks, in columns and rows; next to a neighbour it is 1.
    logs : (N_LOGS,) the table LOGS.
    """
    start, neighbour, weight, _, look = pairs
    column, row, _, _, _, size, steps_x, steps_y = grid
    router_of, core_of, is_open, movable, region, random = board
    cost = scratch.cost
    wide, high, torus = size[0], size[1], size[4] > 0
    _fill_costs(pairs, grid, router_of, cost)
    change, total, accepted = 0.0, 0.0, 0
    state = random[0]
    for _ in range(n_moves):
        total += change
        state = next_random(state)
        number = below(state, movable.size)
        core, seen = movable[number], look[number, np.int64(state & _LOOK)]
        old, centre = router_of[core], router_of[seen]
        reach = radius if seen == core else 1
        span = 2 * reach + 1
        x = column[centre] - reach + ((np.int64((state >> _5) & _MASK_9) * span) >> 9)
        y = row[centre] - reach + ((np.int64((state >> _14) & _MASK_8) * span) >> 8)
        if torus:
            x, y = x % wide, y % high
        if x < 0 or y < 0 or x >= wide or y >= high:
            continue
        new = y * wide + x
        if new == old or not is_open[new]:
            continue
        other = core_of[new]
        x0, y0 = column[old], row[old]
        if region.size and not may_trade(region, core, x, y, other, x0, y0):
            continue
        mine, its = cost[core], cost[other]
        delta = mine[x] - mine[x0] + mine[wide + y] - mine[wide + y0]
        delta += its[x0] - its[x] + its[wide + y0] - its[wide + y]
        limit = max(temperature * logs[np.int64((state >> _22) & _MASK_10)], 0.5)
        if delta >= limit:
            continue
        if other >= 0:
            # The two keep their distance; in both sums it counted as none.
            shared = _weight_between(start, neighbour, weight, core, other)
            delta += 2 * shared * np.float32(steps_x[x0, x] + steps_y[y0, y])
            if delta >= limit:
                continue
            router_of[other] = old
        change += delta
        accepted += 1
        router_of[core], core_of[new], core_of[old] = new, core, other
        first, stop = wide if x == x0 else 0, wide if y == y0 else wide + high
        step = scratch.step
        if x != x0:
            for i in range(wide):
                step[i] = steps_x[x, i] - steps_x[x0, i]
        if y != y0:
            for i in range(high):
                step[wide + i] = steps_y[y, i] - steps_y[y0, i]
        _shift(start, neighbour, weight, core, np.float32(1), step[first:stop], cost, first)
        if other >= 0:
            _shift(start, neighbour, weight, other, np.float32(-1), step[first:stop], cost, first)
    random[0] = state
    return change, total / max(n_moves, 1), accepted


@kernel
def _fill_costs(pairs: Pairs, grid: Grid, router_of: I64, cost: F32) -> None:
    """What every core would cost in each column, then in each row, the others where they are."""
    wide = grid.size[0]
    cost[:] = 0.0
    for core in range(router_of.size):
        line = cost[core]
        for x in range(wide):  # the first row stands for all
            line[x] = pairs.host[core] * grid.host_distance[x]
        for k in range(pairs.start[core], pairs.start[core + 1]):
            there, w = router_of[pairs.neighbour[k]], pairs.weight[k]
            for x in range(wide):
                line[x] += w * np.float32(grid.steps_x[grid.column[there], x])
            for y in range(grid.size[1]):
                line[wide + y] += w * np.float32(grid.steps_y[grid.row[there], y])


@kernel
def _shift(
    start: I64,
    neighbour: I32,
    weight: F32,
    core: Any,
    sign: Any,
    step: F32,
    cost: F32,
    first: Any,
) -> None:
    """Add `sign` times `step` to the neighbours' costs from entry `first` on: `core` has moved."""
    for k in range(start[core], start[core + 1]):
        line, w = cost[neighbour[k], first:], sign * weight[k]
        for i in range(step.size):
            line[i] += w * step[i]


@kernel
def _weight_between(start: I64, neighbour: I32, weight: F32, one: Any, two: Any) -> Any:
    """Traffic between two cores; the shorter list of neighbours is searched."""
    if start[one + 1] - start[one] > start[two + 1] - start[two]:
        one, two = two, one
    for k in range(start[one], start[one + 1]):
        if neighbour[k] == two:
            return weight[k]
    return np.float32(0)


@kernel
def may_trade(region: I32, core: Any, x: Any, y: Any, other: Any, old_x: Any, old_y: Any) -> Any:
    """Whether `core` may go to (x, y), and `other` (-1: nobody) to where it was."""
    box = region[core]
    good = box[0] <= x and x <= box[2] and box[1] <= y and y <= box[3]
    if good and other >= 0:
        box = region[other]
        good = box[0] <= old_x and old_x <= box[2] and box[1] <= old_y and old_y <= box[3]
    return good
