"""Compiled: annealing moves on the real objective: links of trees or chains, loads, dead links.

Enters: nets, a board, and the load of every link. Leaves: board and loads after `n_moves`
proposals at one temperature. Every net of the two cores that trade places is walked before and
after, so a proposal costs as much as their routes are long. What it changed stands in a log and
is taken back if the proposal is rejected.

    cost = sum over links of load * link cost + factor * (sum over links of load**4)**(1/4)
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim_mapper._random_kernel import below, next_random
from neurosim_mapper.place._annealing_kernel import Board, may_trade
from neurosim_mapper.place.problem import I64, Graph, Grid, Nets
from neurosim_mapper.route._chain_kernel import chain_router, is_chain, sort_chain

_MASK_10, _MASK_24, _MASK_32 = np.uint64(0x3FF), np.uint64(0xFFFFFF), np.uint64(0xFFFFFFFF)
_16, _40 = np.uint64(16), np.uint64(40)


class Traffic(NamedTuple):
    """Nets on their links. All but the first five are changed in place."""

    net_start: I64  # (n_cores + 1,) into `net`
    net: I64  # nets that each core belongs to
    link_cost: I64  # (n_links,) of one packet
    shape: I64  # (4,) wide, high, 1: torus, 1: y before x
    chained: bool  # nets of several targets are relay chains, not trees
    load: I64  # (n_links,)
    link_mark: I64  # (n_links,) number of the last walk over the link
    net_mark: I64  # (n_nets,) number of the last round that walked the net
    counter: I64  # (3,) walks, rounds, entries of the log
    log_link: npt.NDArray[np.int32]  # (longest log,)
    log_weight: I64
    chain: I64  # (3, most targets of a net) routers, keys and rows of the chain at hand


@kernel
def anneal_routes(
    graph: Graph,
    grid: Grid,
    board: Board,
    nets: Nets,
    traffic: Traffic,
    factor: float,
    temperature: float,
    near_share: int,
    n_moves: int,
    logs: npt.NDArray[np.float32],
) -> float:
    """Propose `n_moves` moves to neighbouring routers; returns the change of the cost.

    Parameters
    ----------
    factor : of the congestion term.
    near_share : of 1024 proposals, how many look next to a neighbour in the traffic graph.
    logs : table of -log(u), see `_annealing_kernel.LOGS`.
    """
    power = 0.0
    for i in range(traffic.load.size):
        power += float(traffic.load[i]) ** 4
    total = 0.0
    state = board.random[0]
    for _ in range(n_moves):
        state = next_random(state)
        core = board.movable[below(state, board.movable.size)]
        low = np.int64(state & _MASK_32)
        state = next_random(state)
        old = board.router[core]
        centre = old
        degree = graph.start[core + 1] - graph.start[core]
        if (low & 1023) < near_share and degree > 0:
            nearest = graph.start[core] + (((low >> 10) * degree) >> 22)
            centre = board.router[graph.neighbour[nearest]]
        target = _target(grid, board, centre, state)
        if target < 0 or target == old:
            continue
        other = board.core[target]
        if board.region.size and not may_trade(
            board.region,
            core,
            grid.column[target],
            grid.row[target],
            other,
            -1,
            grid.column[old],
            grid.row[old],
        ):
            continue
        traffic.counter[2] = 0
        change, fourth = _walk_round(board, nets, traffic, core, other, np.int64(-1))
        _swap(board, core, other, target)
        more, further = _walk_round(board, nets, traffic, core, other, np.int64(1))
        following = max(power + fourth + further, 0.0)
        delta = float(change + more) + factor * (following**0.25 - power**0.25)
        if delta <= 0.0 or delta < temperature * logs[np.int64(state & _MASK_10)]:
            total += delta
            power = following
        else:
            for i in range(traffic.counter[2]):
                traffic.load[traffic.log_link[i]] -= traffic.log_weight[i]
            _swap(board, core, other, old)
    board.random[0] = state
    return total


@kernel
def _target(grid: Grid, board: Board, centre: Any, state: Any) -> Any:
    """A router at most one column and row from `centre`, -1 if there is none to use."""
    x = grid.column[centre] - 1 + ((np.int64(state >> _40) * 3) >> 24)
    y = grid.row[centre] - 1 + ((np.int64((state >> _16) & _MASK_24) * 3) >> 24)
    wide, high = grid.size[0], grid.size[1]
    if grid.size[4]:
        x, y = x % wide, y % high
    if x < 0 or y < 0 or x >= wide or y >= high or not board.is_open[y * wide + x]:
        return np.int64(-1)
    return np.int64(y * wide + x)


@kernel
def _swap(board: Board, core: Any, other: Any, target: Any) -> None:
    """Move `core` to `target`, and `other` (-1: nobody) to where it was."""
    old = board.router[core]
    board.core[old] = other
    board.core[target] = core
    board.router[core] = target
    if other >= 0:
        board.router[other] = old


@kernel
def _walk_round(
    board: Board, nets: Nets, traffic: Traffic, core: Any, other: Any, sign: Any
) -> Any:
    """Add (sign 1) or take (-1) every net of the two cores, each once.

    Returns the change of the distance and of the sum of fourth powers.
    """
    source, offset, target, weights = nets
    net_start, nets_of, link_cost, shape, chained, load, mark = (
        traffic.net_start, traffic.net, traffic.link_cost, traffic.shape, traffic.chained,
        traffic.load, traffic.link_mark,
    )  # fmt: skip
    net_mark, counter, log, log_weight, chain = (
        traffic.net_mark, traffic.counter, traffic.log_link, traffic.log_weight, traffic.chain
    )  # fmt: skip
    router = board.router
    change, fourth = np.int64(0), 0.0
    walk, number, at = counter[0], counter[1] + 1, counter[2]
    for turn in range(2):
        who = core if turn == 0 else other
        if who < 0:
            continue
        for k in range(net_start[who], net_start[who + 1]):
            net = nets_of[k]
            if net_mark[net] == number:
                continue
            net_mark[net] = number
            walk += 1
            begin, end = offset[net], offset[net + 1]
            first = at
            start = router[source[net]] if source[net] >= 0 else np.int64(-1)
            if chained and end - begin > 1:
                for t in range(begin, end):
                    chain[0, t - begin] = router[target[t]]
                walk, at = _walk_chain(start, end - begin, chain, shape, mark, walk, log, at)
            else:
                at = _walk_tree(start, router, target, begin, end, shape, mark, walk, log, at)
            weight = sign * weights[net]
            for i in range(first, at):
                link = log[i]
                old, new = load[link], load[link] + weight
                log_weight[i] = weight
                load[link] = new
                change += weight * link_cost[link]
                fourth += float(new) ** 4 - float(old) ** 4
    counter[0], counter[1], counter[2] = walk, number, at
    return change, fourth


@kernel
def _walk_tree(
    start: Any,
    router: I64,
    target: I64,
    begin: Any,
    end: Any,
    shape: I64,
    mark: I64,
    walk: Any,
    log: npt.NDArray[np.int32],
    at: Any,
) -> Any:
    """Append the links of one net from `start` (-1: the host), each once."""
    n_inner = 4 * shape[0] * shape[1]
    if start < 0:
        y = router[target[begin]] // shape[0]
        start = y * shape[0]
        log[at] = n_inner + y
        at += 1
    for t in range(begin, end):
        at = _walk_path(start, router[target[t]], shape, mark, walk, log, at)
    if begin == end:
        y = start // shape[0]
        at = _walk_path(start, y * shape[0], shape, mark, walk, log, at)
        log[at] = n_inner + shape[1] + y
        at += 1
    return at


@kernel
def _walk_chain(
    start: Any,
    n: Any,
    chain: I64,
    shape: I64,
    mark: I64,
    walk: Any,
    log: npt.NDArray[np.int32],
    at: Any,
) -> tuple[Any, Any]:
    """Append the links of a chain through ``chain[0, :n]``, or of single packets if they are fewer.

    A link may stand there several times. Returns the number of the last walk, and `at`.
    """
    key = chain[1]
    sort_chain(start, chain[0], 0, n, shape, key, chain[2])
    together = is_chain(start, n, shape, key)
    here = start
    for t in range(n):
        there = chain_router(start, key[t], shape)
        if t == 0 or not together:
            here = start
            if start < 0:
                row = there // shape[0]
                here = row * shape[0]
                log[at] = 4 * shape[0] * shape[1] + row
                at += 1
        walk += 1
        at = _walk_path(here, there, shape, mark, walk, log, at)
        here = there
    return walk, at


@kernel
def _walk_path(
    start: Any,
    end: Any,
    shape: I64,
    mark: I64,
    walk: Any,
    log: npt.NDArray[np.int32],
    at: Any,
) -> Any:
    """Append the links of one path by dimension order that this walk has not had yet."""
    wide, high, torus, y_first = shape[0], shape[1], shape[2], shape[3]
    here = start
    for leg in range(2):
        vertical = leg != y_first
        if vertical:
            ahead, size, stride, direction = end // wide - here // wide, high, wide, 2
        else:
            ahead, size, stride, direction = end % wide - here % wide, wide, 1, 0
        if torus:
            ahead = ahead % size
            if ahead > size - ahead:
                ahead -= size
        place = here // wide if vertical else here % wide
        step = 1 if ahead >= 0 else -1
        direction += 0 if ahead >= 0 else 1
        for _ in range(abs(ahead)):
            link = 4 * here + direction
            if mark[link] != walk:
                mark[link] = walk
                log[at] = link
                at += 1
            following = place + step
            if following < 0:
                following = size - 1
            elif following == size:
                following = 0
            here += (following - place) * stride
            place = following
    return at
