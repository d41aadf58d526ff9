"""Routes: tables around dead links, channel dependencies, multicast trees."""

from __future__ import annotations

import numpy as np

from neurosim.kernels._jit import allocating_kernel, kernel
from neurosim.kernels.noc_layout import (
    I32,
    I64,
    K_OUT_ROW,
    K_SOURCES,
    L_BASE,
    O_TARGET,
    PORTS,
    Q_LANE,
    SOURCE_ROW,
    T_CHILD,
    TREE_ROW,
)
from neurosim.kernels.noc_parts import port_to


@allocating_kernel
def levels_from(to: I32, root: int) -> I32:
    """Distance of every router from `root` over live links ``to`` (n, 4); -1 if cut off."""
    n = to.shape[0]
    level = np.full(n, -1, np.int32)
    queue = np.empty(n, np.int32)
    level[root] = 0
    queue[0] = root
    tail = 1
    for i in range(n):
        if i >= tail:
            break
        for port in range(4):
            there = to[queue[i], port]
            if there >= 0 and level[there] < 0:
                level[there] = level[queue[i]] + 1
                queue[tail] = there
                tail += 1
    return level


@kernel
def _spread(
    to: I32, last: I32, want: int, port_of: I32, cost: I32, queue: I32, head: int, tail: int
) -> int:
    """Extend the paths to one destination backwards over links with ``last == want``.

    `queue` holds routers in order of cost between `head` and `tail`; returns the new tail.
    """
    while head < tail:
        here = queue[head]
        head += 1
        for port in range(4):
            before = to[here, port]
            if before < 0 or cost[before] >= 0:
                continue
            back = port ^ 1
            if last[before, back] == want:
                cost[before] = cost[here] + 1
                port_of[before] = back
                queue[tail] = before
                tail += 1
    return tail


@kernel
def _prefer(to: I32, last: I32, want: int, port_of: I32, cost: I32, ports: I64) -> None:
    """Among equally short ways take the first port in the order of `ports`."""
    for here in range(to.shape[0]):
        chosen = port_of[here]
        if chosen < 0 or chosen > 3 or last[here, chosen] != want:
            continue
        for i in range(4):
            port = ports[i]
            there = to[here, port]
            if there >= 0 and last[here, port] == want and cost[there] == cost[here] - 1:
                port_of[here] = port
                break


@allocating_kernel
def two_phase_table(to: I32, last: I32, ports: I64) -> I32:
    """Next port by router and destination, ``(n, n)``: first links of phase 0, then of phase 1.

    A router from which links of phase 1 alone lead to the destination uses those, so that a path
    never goes back to phase 0. `last` (n, 4) is the phase of every link. -1: no way.
    """
    n = to.shape[0]
    table = np.full((n, n), -1, np.int32)
    cost = np.empty(n, np.int32)
    port_of = np.empty(n, np.int32)
    queue = np.empty(2 * n, np.int32)
    order = np.empty(n, np.int32)
    for d in range(n):
        cost[:] = -1
        port_of[:] = -1
        cost[d] = 0
        port_of[d] = 4
        queue[0] = d
        tail = _spread(to, last, 1, port_of, cost, queue, 0, 1)
        _prefer(to, last, 1, port_of, cost, ports)
        _extend(to, last, port_of, cost, queue, order, tail)
        _prefer(to, last, 0, port_of, cost, ports)
        table[:, d] = port_of
    return table


@kernel
def _extend(
    to: I32, last: I32, port_of: I32, cost: I32, queue: I32, order: I32, n_seeds: int
) -> None:
    """Phase 0: shortest ways to the routers in ``queue[:n_seeds]``, which keep their cost."""
    head_seed = 0
    head = 0
    tail = 0
    while head_seed < n_seeds or head < tail:
        seed_first = head_seed < n_seeds and (
            head >= tail or cost[queue[head_seed]] <= cost[order[head]]
        )
        if seed_first:
            here = queue[head_seed]
            head_seed += 1
        else:
            here = order[head]
            head += 1
        for port in range(4):
            before = to[here, port]
            if before >= 0 and cost[before] < 0 and last[before, port ^ 1] == 0:
                cost[before] = cost[here] + 1
                port_of[before] = port ^ 1
                order[tail] = before
                tail += 1


@kernel
def table_turns(to: I32, table: I32, turns: I32) -> None:
    """Set ``turns[router, in, out]``: some path enters over port `in` and leaves over `out`."""
    n = to.shape[0]
    for d in range(n):
        for here in range(n):
            port = table[here, d]
            if 0 <= port < 4:
                there = to[here, port]
                on = table[there, d]
                if 0 <= on < 4:
                    turns[there, port ^ 1, on] = 1


@allocating_kernel
def dependency_cycle(to: I32, turns: I32) -> I32:
    """Channels (router * 4 + out port) left after removing all that wait for nothing.

    Empty if and only if the channel dependency graph has no cycle.
    """
    n = to.shape[0]
    waits = np.zeros(n * 4, np.int32)
    for here in range(n):
        for port in range(4):
            there = to[here, port]
            if there >= 0:
                for on in range(4):
                    waits[here * 4 + port] += turns[there, port ^ 1, on]
    stack = np.empty(n * 4, np.int32)
    top = 0
    for channel in range(n * 4):
        if waits[channel] == 0:
            stack[top] = channel
            top += 1
    done = 0
    while top > 0:
        top -= 1
        channel = stack[top]
        done += 1
        here = channel // 4
        for in_port in range(4):
            before = to[here, in_port]
            if before >= 0 and turns[here, in_port, channel % 4]:
                up = before * 4 + (in_port ^ 1)
                waits[up] -= 1
                if waits[up] == 0:
                    stack[top] = up
                    top += 1
    return np.flatnonzero(waits > 0).astype(np.int32)


@kernel
def _walk(
    m: I32, k: I64, trees: I32, node: int, lane: int, address: int, n_cells: int
) -> tuple[int, int, int, int]:
    """Grow the tree from `node` (router of `lane`) to the router of `address`.

    Returns the node and a lane there, the sink's port, and the cells used so far (-1: full).
    """
    while True:
        port = port_to(m, k, lane, address)
        target = m[m[lane + L_BASE] + port * k[K_OUT_ROW] + O_TARGET]
        trees[node] |= 1 << port
        if target < 0:
            return node, lane, port, n_cells
        child = trees[node + T_CHILD + port]
        if child < 0:
            if n_cells + TREE_ROW > trees.shape[0]:
                return node, lane, port, -1
            child = n_cells
            n_cells += TREE_ROW
            trees[node + T_CHILD + port] = child
        node = child
        lane = target


@kernel
def grow_trees(
    m: I32,
    k: I64,
    trees: I32,
    source: I64,
    offset: I64,
    address: I64,
    relay: bool,
    root: I64,
) -> int:
    """Write the tree of every packet route into `trees` (all -1 and mask 0), roots into `root`.

    Route ``i`` goes from terminal ``source[i]`` to the sinks ``address[offset[i]:offset[i+1]]``;
    with `relay` from each to the next. Returns the cells used; -1 if `trees` is too short, and
    -2 - delivery if a destination occurs twice.
    """
    n_cells = 0
    for i in range(source.shape[0]):
        if n_cells + TREE_ROW > trees.shape[0]:
            return -1
        root[i] = n_cells
        n_cells += TREE_ROW
        start = m[k[K_SOURCES] + source[i] * SOURCE_ROW + Q_LANE]
        node = root[i]
        lane = start
        for j in range(offset[i], offset[i + 1]):
            if not relay:
                node = root[i]
                lane = start
            node, lane, port, n_cells = _walk(m, k, trees, node, lane, address[j], n_cells)
            if n_cells < 0:
                return -1
            if trees[node + T_CHILD + port] >= 0:
                return -2 - j
            trees[node + T_CHILD + port] = j - offset[i]
    return n_cells


@kernel
def chain_turns(m: I32, k: I64, source: I64, offset: I64, address: I64, turns: I32) -> None:
    """Set ``turns[router, in, out]`` for the relay chains (arguments as in `grow_trees`)."""
    per_router = PORTS * k[K_OUT_ROW]
    for i in range(source.shape[0]):
        lane = m[k[K_SOURCES] + source[i] * SOURCE_ROW + Q_LANE]
        in_port = 4
        for j in range(offset[i], offset[i + 1]):
            while True:
                port = port_to(m, k, lane, address[j])
                base = m[lane + L_BASE]
                target = m[base + port * k[K_OUT_ROW] + O_TARGET]
                if target < 0:
                    break
                if in_port < 4:
                    turns[base // per_router, in_port, port] = 1
                in_port = port ^ 1
                lane = target


@kernel
def measure_hops(
    m: I32, k: I64, source: I64, offset: I64, address: I64, relay: bool, hops: I64
) -> None:
    """Routers passed by every delivery, ``hops`` as `address` (arguments as in `grow_trees`)."""
    for i in range(source.shape[0]):
        start = m[k[K_SOURCES] + source[i] * SOURCE_ROW + Q_LANE]
        lane = start
        count = 1
        for j in range(offset[i], offset[i + 1]):
            if not relay:
                lane = start
                count = 1
            while True:
                port = port_to(m, k, lane, address[j])
                target = m[m[lane + L_BASE] + port * k[K_OUT_ROW] + O_TARGET]
                if target < 0:
                    break
                lane = target
                count += 1
            hops[j] = count
