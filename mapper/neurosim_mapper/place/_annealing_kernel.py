"""Compiled: moves of simulated annealing on traffic between pairs of cores.

Enters: the traffic, the grid, and a `Board` that says who sits where. Leaves: the board after
`n_moves` proposals at one temperature. Promised: the cost change is exact, and the random numbers
depend on the board's own state only.

A proposal takes a movable core to a router near itself or near one of its neighbours, and the core
that sits there, if any, to where the first came from. Accepted if the cost falls, or with
probability exp(-change / temperature): change < temperature * -log(u), logs from a table.

Steps along a row and along a column add up, so what a core would cost in each column and in each
row stands in a line of a table: a proposal looks up four numbers per core, whatever its neighbours.
BATCH proposals at a time are looked up, without a branch, as if none of them were accepted; those
that look good are then tried one by one, on the lines as they are by then. Only an accepted one
touches the lines of the neighbours. Since only differences along a line count, each place of a
neighbour may add a number of its own to a whole line; these numbers are such that a step of the
neighbour leaves the longer part of the line as it was. All numbers are whole and below 2**24, so
that sums of single-precision floats, eight in a register, are exact in any order.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim_mapper._random_kernel import next_random
from neurosim_mapper.place._lines_kernel import LANES, add_difference
from neurosim_mapper.place.problem import I64, Grid

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
N_LOGS: Final = 1024
LOGS: Final[F32] = -np.log((np.arange(N_LOGS, dtype=np.float64) + 0.5) / N_LOGS).astype(np.float32)
N_LOOKS: Final = 32
FARTHEST: Final = 3  # columns and rows from where a core looks
BATCH: Final = 16
LARGEST_LINE: Final = 1 << 21  # of a line of costs; a proposal adds up eight entries
# A random number: 32 bits for the core, 5 for whom it looks at, 9 and 8 for the place, 10 to judge.
_MASK_8, _MASK_9, _MASK_10 = np.uint64(0xFF), np.uint64(0x1FF), np.uint64(0x3FF)
_LOOK, _5, _14, _22, _32 = (np.uint64(n) for n in (N_LOOKS - 1, 5, 14, 22, 32))
_8, _9 = np.uint64(8), np.uint64(9)
_1, _2, _FARTHEST = np.uint64(1), np.uint64(2), np.uint64(FARTHEST)


class Pairs(NamedTuple):
    """Traffic between pairs of cores, as `Graph`, in floats that add up exactly."""

    start: I64  # (n_cores + 1,)
    neighbour: I32
    weight: F32
    host: F32  # (n_cores,)
    look: U32  # (n_movable, N_LOOKS) whom a core looks next to; itself: near where it is


class Lines(NamedTuple):
    """One axis of the grid: `n` columns, or rows.

    ``along[a, b]`` is the distance of a and b plus a number that depends on a only. Behind its end
    are so many zeros that LANES numbers from any b on can be read; the last row is 0. Of two rows a
    and b, only the entries in ``changed[a, b]`` differ: the first, and the one behind the last.
    """

    along: F32  # (n + 1, n + LANES)
    changed: I16  # (n, n, 2)
    place: U64  # (n + 2 * FARTHEST,) the column FARTHEST before; from beyond the edge, the nearest


class Scratch(NamedTuple):
    """Room to work in, for one run at a time.

    Behind the lines of the cores, that of nobody stays 0, as does that of a router in no use.
    """

    cost_x: F32  # (n_cores + 2, wide + LANES)
    cost_y: F32  # (n_cores + 2, high + LANES)
    x: U64  # (n_cores,)
    y: U64  # (n_cores,)
    occupant: U32  # (n_routers,) core, n_cores: nobody, n_cores + 1: no core may move here
    pending: U64  # (3, BATCH + 1) core, router and threshold of the proposals that look good
    limit: F32  # (N_LOGS,) largest changes that are accepted


class Board(NamedTuple):
    """Who sits where; changed in place."""

    router: I64  # (n_cores,)
    core: I64  # (n_routers,) -1: empty
    is_open: npt.NDArray[np.bool_]  # (n_routers,) usable and without a pinned core
    movable: I64  # cores without a pin
    region: I32  # (n_cores, 4) x0, y0, x1, y1 that each core must keep to; (0, 4): anywhere
    random: U64  # (1,) state of the random numbers, not 0


@kernel
def anneal_pairs(
    pairs: Pairs,
    grid: Grid,
    columns: Lines,
    rows: Lines,
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
    _begin(pairs, grid, columns, rows, board, scratch)
    for i in range(logs.size):
        scratch.limit[i] = max(temperature * logs[i], 0.5)
    change, total, accepted = 0.0, 0.0, 0
    for first in range(0, n_moves, BATCH):
        n_tried = min(BATCH, n_moves - first)
        n_pending = _look_up(pairs.look, columns, rows, board, scratch, radius, n_tried)
        for k in range(n_pending):
            step, moved = _try(pairs, grid, columns, rows, board, scratch, k)
            change += step
            accepted += moved
        total += change * n_tried
    _end(board, scratch, grid.size[0])
    return change, total / max(n_moves, 1), accepted


@inlined
def _look_up(
    look: U32, columns: Lines, rows: Lines, board: Board, scratch: Scratch, radius: Any, n: Any
) -> Any:
    """Draw `n` proposals and list those that would be accepted; returns how many."""
    cost_x, cost_y, x_of, y_of, occupant, pending, limits = scratch
    movable = board.movable
    n_movable, n_cores = np.uint64(movable.size), x_of.size
    wide = np.uint64(cost_x.shape[1] - LANES)
    far = np.uint64(radius)
    count = np.uint64(0)
    state = board.random[0]
    for _ in range(n):
        state = next_random(state)
        number = ((state >> _32) * n_movable) >> _32
        core, seen = np.uint64(movable[number]), np.uint64(look[number, state & _LOOK])
        reach = far if seen == core else _1
        span = reach * _2 + _1
        place = _FARTHEST - reach
        x = columns.place[x_of[seen] + place + ((((state >> _5) & _MASK_9) * span) >> _9)]
        y = rows.place[y_of[seen] + place + ((((state >> _14) & _MASK_8) * span) >> _8)]
        x0, y0 = x_of[core], y_of[core]
        router = y * wide + x
        other = np.uint64(occupant[router])
        judge = (state >> _22) & _MASK_10
        step = cost_x[core, x] - cost_x[core, x0] + cost_y[core, y] - cost_y[core, y0]
        step += cost_x[other, x0] - cost_x[other, x] + cost_y[other, y0] - cost_y[other, y]
        pending[0, count], pending[1, count], pending[2, count] = core, router, judge
        good = (step < limits[judge]) & (other <= n_cores) & (other != core)
        count += np.uint64(good)
    board.random[0] = state
    return np.int64(count)


@inlined
def _try(
    pairs: Pairs, grid: Grid, columns: Lines, rows: Lines, board: Board, scratch: Scratch, k: Any
) -> Any:
    """Look again at a proposal and carry it out if it is good; returns (cost change, moved)."""
    start, neighbour, weight, _, _ = pairs
    cost_x, cost_y, x_of, y_of, occupant, pending, limits = scratch
    core, router = np.int64(pending[0, k]), np.int64(pending[1, k])
    limit = limits[pending[2, k]]
    nobody = x_of.size
    other = np.int64(occupant[router])
    x, y = np.int64(grid.column[router]), np.int64(grid.row[router])
    x0, y0 = np.int64(x_of[core]), np.int64(y_of[core])
    step = cost_x[core, x] - cost_x[core, x0] + cost_y[core, y] - cost_y[core, y0]
    step += cost_x[other, x0] - cost_x[other, x] + cost_y[other, y0] - cost_y[other, y]
    if step >= limit or other == core:
        return 0.0, 0
    if board.region.size and not may_trade(board.region, core, x, y, other, nobody, x0, y0):
        return 0.0, 0
    if other < nobody:
        # The two keep their distance; in both sums it counted as none.
        shared = _weight_between(start, neighbour, weight, core, other)
        step += 2 * shared * np.float32(grid.steps_x[x0, x] + grid.steps_y[y0, y])
        if step >= limit:
            return 0.0, 0
        x_of[other], y_of[other] = x0, y0
    occupant[router], occupant[y0 * grid.size[0] + x0] = core, other
    x_of[core], y_of[core] = x, y
    if x != x0:
        _shift(pairs, columns, core, x, x0, cost_x)
        if other < nobody:
            _shift(pairs, columns, other, x0, x, cost_x)
    if y != y0:
        _shift(pairs, rows, core, y, y0, cost_y)
        if other < nobody:
            _shift(pairs, rows, other, y0, y, cost_y)
    return float(step), 1


@inlined
def _shift(pairs: Pairs, lines: Lines, core: Any, new: Any, old: Any, cost: F32) -> None:
    """The neighbours' costs along one axis once `core` has moved along it."""
    begin, end = pairs.start[core], pairs.start[core + 1]
    for first in range(lines.changed[old, new, 0], lines.changed[old, new, 1], LANES):
        add_difference(
            cost, pairs.neighbour, pairs.weight, begin, end, first, lines.along, new, old
        )


@kernel
def _begin(
    pairs: Pairs, grid: Grid, columns: Lines, rows: Lines, board: Board, scratch: Scratch
) -> None:
    """What every core would cost in each column and in each row, the others where they are."""
    cost_x, cost_y, x_of, y_of, occupant, _, _ = scratch
    wide = grid.size[0]
    cost_x[:], cost_y[:] = 0.0, 0.0
    n_cores = x_of.size
    for router in range(occupant.size):
        occupant[router] = n_cores if board.is_open[router] else n_cores + 1
    for core in range(n_cores):
        router = board.router[core]
        x_of[core], y_of[core] = grid.column[router], grid.row[router]
        if board.is_open[router] and board.core[router] == core:
            occupant[router] = core
        for x in range(wide):  # the first row stands for all
            cost_x[core, x] = pairs.host[core] * grid.host_distance[x]
    for core in range(n_cores):
        router, begin, end = board.router[core], pairs.start[core], pairs.start[core + 1]
        for lines, cost, place in (
            (columns, cost_x, grid.column[router]),
            (rows, cost_y, grid.row[router]),
        ):
            nowhere = lines.along.shape[0] - 1
            for first in range(0, nowhere, LANES):
                add_difference(
                    cost, pairs.neighbour, pairs.weight, begin, end, first, lines.along, place,
                    nowhere,
                )  # fmt: skip


@kernel
def _end(board: Board, scratch: Scratch, wide: Any) -> None:
    """The moved cores on the board."""
    for core in board.movable:
        board.core[board.router[core]] = -1
    for core in board.movable:
        router = np.int64(scratch.y[core]) * wide + np.int64(scratch.x[core])
        board.router[core], board.core[router] = router, core


@inlined
def _weight_between(start: I64, neighbour: I32, weight: F32, one: Any, two: Any) -> Any:
    """Traffic between two cores; the shorter list of neighbours is searched."""
    if start[one + 1] - start[one] > start[two + 1] - start[two]:
        one, two = two, one
    for k in range(start[one], start[one + 1]):
        if neighbour[k] == two:
            return weight[k]
    return np.float32(0)


@kernel
def may_trade(
    region: I32, core: Any, x: Any, y: Any, other: Any, nobody: Any, old_x: Any, old_y: Any
) -> Any:
    """Whether `core` may go to (x, y), and `other` (unless it is `nobody`) to where it was."""
    box = region[core]
    good = box[0] <= x and x <= box[2] and box[1] <= y and y <= box[3]
    if good and other != nobody:
        box = region[other]
        good = box[0] <= old_x and old_x <= box[2] and box[1] <= old_y and old_y <= box[3]
    return good
