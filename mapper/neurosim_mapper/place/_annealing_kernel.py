"""Compiled: moves of simulated annealing on traffic between pairs of cores.

Enters: a graph, the grid, and a `Board` that says who sits where. Leaves: the board after
`n_moves` proposals at one temperature. Promised: the cost change is exact (integers), a proposal
costs O(neighbours of the two cores), and the random numbers depend on the board's own state only.

A proposal takes a movable core to a router near itself or near one of its neighbours, and the core
that sits there, if any, to where the first came from. Accepted if the cost falls, or with
probability exp(-change / temperature): change < temperature * -log(u), logs from a table.

Arrays are taken out of their tuples once, before the loop: a tuple handed on costs a reference
count per array and call, three times the work of a proposal.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import allocating_kernel, kernel
from neurosim_mapper._random_kernel import below, next_random
from neurosim_mapper.place.problem import I64, Graph, Grid

I32 = npt.NDArray[np.int32]
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
    px: I32  # (n_cores,) position of its router
    py: I32
    movable: I64  # cores without a pin
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
    logs: npt.NDArray[np.float64],
) -> Any:
    """Propose `n_moves` moves; returns (cost change, mean cost change over time, accepted).

    Parameters
    ----------
    radius : how far from itself a core looks, in columns and rows.
    near_share : of 1024 proposals, how many look next to a neighbour instead.
    logs : (N_LOGS,) the table LOGS.
    """
    start, neighbour, weight, host = graph
    column, row, at_x, at_y, host_distance, size = grid
    router_of, core_of, is_open, px, py, movable, random = board
    wide, high, torus = size[0], size[1], size[4] > 0
    now = np.empty(px.size, np.int64)
    for core in range(now.size):
        now[core], _ = _pull(start, neighbour, weight, px, py, core, -1, px[core], py[core], size)
    change, total, accepted = 0, 0.0, 0
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
        x0, y0, x1, y1 = at_x[old], at_y[old], at_x[new], at_y[new]
        further = host_distance[new] - host_distance[old]
        there, shared = _pull(start, neighbour, weight, px, py, core, other, x1, y1, size)
        delta = host[core] * further + there - now[core]
        if other >= 0:
            here, _ = _pull(start, neighbour, weight, px, py, other, core, x0, y0, size)
            # The two keep their distance; in both sums it counted as none.
            delta += here - now[other] - host[other] * further
            delta += 2 * shared * _steps(x0, y0, x1, y1, size)
        if delta <= 0 or delta < temperature * logs[np.int64(state & _MASK_12)]:
            change += delta
            accepted += 1
            router_of[core], core_of[new], core_of[old] = new, core, other
            px[core], py[core] = x1, y1
            now[core] += _shift(start, neighbour, weight, px, py, core, other, x0, y0, size, now)
            if other >= 0:
                router_of[other] = old
                px[other], py[other] = x0, y0
                now[other] += _shift(
                    start, neighbour, weight, px, py, other, core, x1, y1, size, now
                )
    random[0] = state
    return change, total / max(n_moves, 1), accepted


@kernel
def _steps(x0: Any, y0: Any, x1: Any, y1: Any, size: I64) -> Any:
    """Distance between two positions."""
    dx, dy = abs(x1 - x0), abs(y1 - y0)
    return min(dx, size[2] - dx) + min(dy, size[3] - dy)


@kernel
def _pull(
    start: I64,
    neighbour: I32,
    weight: I64,
    px: I32,
    py: I32,
    core: Any,
    partner: Any,
    x: Any,
    y: Any,
    size: I64,
) -> Any:
    """Cost of the pairs of `core` if it sat at (x, y), and its weight with `partner`."""
    ring_x, ring_y = size[2], size[3]
    total, shared = np.int64(0), np.int64(0)
    for k in range(start[core], start[core + 1]):
        j = neighbour[k]
        dx, dy = abs(x - px[j]), abs(y - py[j])
        total += weight[k] * (min(dx, ring_x - dx) + min(dy, ring_y - dy))
        if j == partner:
            shared = weight[k]
    return total, shared


@kernel
def _shift(
    start: I64,
    neighbour: I32,
    weight: I64,
    px: I32,
    py: I32,
    core: Any,
    partner: Any,
    x0: Any,
    y0: Any,
    size: I64,
    now: I64,
) -> Any:
    """Bring the costs of the neighbours up to date after `core` left (x0, y0); its own change."""
    x1, y1 = px[core], py[core]
    change = np.int64(0)
    for k in range(start[core], start[core + 1]):
        j = neighbour[k]
        if j != partner:
            more = weight[k] * (
                _steps(x1, y1, px[j], py[j], size) - _steps(x0, y0, px[j], py[j], size)
            )
            now[j] += more
            change += more
    return change
