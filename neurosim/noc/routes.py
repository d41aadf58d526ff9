"""Routes of a `Noc`: tables around dead links, multicast trees, the proof of no deadlock."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.errors import DoesNotFitError, UnsupportedError, UsageError
from neurosim.kernels import noc_routes
from neurosim.kernels.noc_layout import EJECT_SHIFT, I32, I64, TREE_ROW, Y_SHIFT, Shape
from neurosim.noc.links import neighbour_ports
from neurosim.noc.model import DIRECTIONS, MAX_TABLE_ROUTERS, Direction, Noc


def _phases(to: I32, late: Direction) -> I32:
    """Phase of every link where `late` is the direction that comes last."""
    phase = np.zeros(to.shape, np.int32)
    phase[:, DIRECTIONS.index(late)] = 1
    return phase


def _up_down_phases(noc: Noc, to: I32) -> I32:
    """Up*/down*: phase 0 towards the root (the live router nearest to the middle), then away."""
    n = noc.n_routers
    alive = np.ones(n, bool)
    for x, y in noc.dead_routers:
        alive[y * noc.width + x] = False
    columns, rows = np.arange(n) % noc.width, np.arange(n) // noc.width
    middle = np.abs(2 * columns - noc.width + 1) + np.abs(2 * rows - noc.height + 1)
    root = int(np.argmin(np.where(alive, middle, 1 << 30)))
    level = noc_routes.levels_from(to, root).astype(np.int64)
    rank = np.where(level < 0, 1 << 30, level) * n + np.arange(n)
    return np.where(rank[np.maximum(to, 0)] > rank[:, None], 1, 0).astype(np.int32)


def dependency_cycle(to: I32, turns: I32) -> list[tuple[int, int]]:
    """Channels (router, port) of which each waits for another; empty if no deadlock can form.

    Parameters
    ----------
    to : (n_routers, 4) router behind every port, -1 where there is no link
    turns : (n_routers, 4, 4) int32, 1 where some path enters over one port and leaves over another
    """
    left = noc_routes.dependency_cycle(to, turns)
    return [(int(channel) // 4, int(channel) % 4) for channel in left]


def table_turns(to: I32, table: I32) -> I32:
    """Turns that the paths of a table of next ports make, ``(n_routers, 4, 4)``."""
    turns = np.zeros((len(to), 4, 4), np.int32)
    noc_routes.table_turns(to, np.ascontiguousarray(table), turns)
    return turns


def next_ports(noc: Noc, to: I32) -> I32:
    """Next port by router and destination router, ``(n, n)``: a table that cannot deadlock.

    The first that connects everybody of: the second dimension's one direction last (dimension
    order for most pairs, detours into the other direction), its other direction last, and
    up*/down* routing. Each candidate's channel dependency graph is checked for cycles.

    Raises
    ------
    DoesNotFitError
        The dead links cut some routers off.
    """
    if noc.n_routers > MAX_TABLE_ROUTERS:
        raise DoesNotFitError(
            f"noc with dead links: {noc.n_routers} routers, tables of routes are made for up to "
            f"{MAX_TABLE_ROUTERS}. Use a smaller mesh."
        )
    alive = np.ones(noc.n_routers, bool)
    for x, y in noc.dead_routers:
        alive[y * noc.width + x] = False
    pairs = alive[:, None] & alive[None, :]
    ports = np.array([0, 1, 2, 3] if noc.routing == "xy" else [2, 3, 0, 1])
    late: tuple[Direction, Direction] = ("-y", "+y") if noc.routing == "xy" else ("-x", "+x")
    candidates = [_phases(to, direction) for direction in late]
    candidates.append(_up_down_phases(noc, to))
    table = np.zeros((0, 0), np.int32)
    for phases in candidates:
        table = noc_routes.two_phase_table(to, phases, ports)
        connected = not (table[pairs] < 0).any()
        if connected and not dependency_cycle(to, table_turns(to, table)):
            return table
    cut = np.argwhere(pairs & (table < 0))
    a, b = (f"({i % noc.width}, {i // noc.width})" for i in cut[0])
    raise DoesNotFitError(
        f"noc: dead links and routers cut the {noc.width} x {noc.height} mesh: {len(cut)} pairs of "
        f"routers cannot reach each other, the first is {a} to {b}. Repair a link between the "
        "parts, or declare the routers of the smaller one dead, and the links among them."
    )


def route_table(noc: Noc, to: I32) -> I32:
    """`next_ports` by router and terminal, as the kernels read it: one row per router."""
    table = next_ports(noc, to)
    if noc.host_io:
        edge = np.arange(noc.height) * noc.width
        host = table[:, edge]
        host[edge, np.arange(noc.height)] = 1
        table = np.hstack([table, host])
    return table.reshape(-1)


def addresses(noc: Noc, tables: bool) -> I64:
    """Address bits of every terminal, ``(n_terminals,)``."""
    terminal = np.arange(noc.n_terminals, dtype=np.int64)
    if tables:
        return terminal
    host = terminal >= noc.n_routers
    x = np.where(host, 0, terminal % noc.width)
    y = np.where(host, terminal - noc.n_routers, terminal // noc.width)
    address: I64 = x | y << Y_SHIFT | np.where(host, 1, 4) << EJECT_SHIFT
    return address


@dataclass(frozen=True)
class Routes:
    """Multicast routes of a network, built once and used by many packets.

    Attributes
    ----------
    offset : (n_routes + 1,) int64
        Deliveries of route ``i`` are ``offset[i]`` to ``offset[i + 1]``.
    hops : (n_deliveries,) int64
        Routers passed by each delivery.
    links : (n_routes,) int64
        Links between routers that a packet of the route crosses.
    cells, root : arrays of the kernels
    """

    source: I64
    offset: I64
    hops: I64
    links: I64
    cells: I32
    root: I64

    def __len__(self) -> int:
        """Number of routes."""
        return len(self.root)


def build_routes(
    noc: Noc, m: I32, shape: Shape, src: ArrayLike, dst_offset: ArrayLike, dst: ArrayLike
) -> Routes:
    """Multicast routes from terminals `src` to ``dst[dst_offset[i]:dst_offset[i + 1]]``.

    Raises
    ------
    UsageError
        A terminal does not exist, or a destination occurs twice in one route.
    UnsupportedError
        The network has no multicast, or a relay chain could deadlock.
    """
    if noc.multicast == "none":
        raise UnsupportedError(
            "noc has multicast 'none', but packets have several destinations. "
            "Use multicast='tree' or 'relay', or send one packet per destination."
        )
    source, offset, target = (np.asarray(a, np.int64).ravel() for a in (src, dst_offset, dst))
    _check_routes(noc, source, offset, target)
    address = addresses(noc, bool(noc.dead_links or noc.dead_routers))[target]
    relay = noc.multicast == "relay"
    k = np.array(shape, np.int64)
    if relay:
        _check_chains(noc, m, k, source, offset, address)
    hops = np.zeros(len(target), np.int64)
    noc_routes.measure_hops(m, k, source, offset, address, relay, hops)
    bound = int(hops.sum() + len(source)) if not relay else int(hops.sum() + len(target) + 1)
    cells, root = np.full((bound + 1) * TREE_ROW, -1, np.int32), np.zeros(len(source), np.int64)
    cells[::TREE_ROW] = 0
    used = noc_routes.grow_trees(m, k, cells, source, offset, address, relay, root)
    if used < -1:
        row = -2 - used
        route = int(np.searchsorted(offset, row, "right")) - 1
        raise UsageError(
            f"route {route}: terminal {target[row]} occurs twice among its destinations. "
            "Name each destination once."
        )
    starts = np.append(root, max(used, 0))
    links = np.diff(starts) // TREE_ROW - 1
    return Routes(source, offset, hops, links, cells[: max(used, TREE_ROW)], root)


def _check_routes(noc: Noc, source: I64, offset: I64, target: I64) -> None:
    if len(offset) != len(source) + 1 or offset[0] != 0 or offset[-1] != len(target):
        raise UsageError(
            f"routes: {len(source)} sources need {len(source) + 1} offsets from 0 to the number of "
            f"destinations ({len(target)}); {len(offset)} were given."
        )
    empty = np.flatnonzero(np.diff(offset) < 1)
    if len(empty):
        raise UsageError(f"route {empty[0]} has no destination. Leave it out.")
    for what, values in (("source", source), ("destination", target)):
        check_terminals(noc, f"route {what}", values)


def check_terminals(noc: Noc, what: str, values: NDArray[np.int64]) -> None:
    """Refuse terminals that do not exist or are dead, with the first row.

    Raises
    ------
    UsageError
        Naming the row, the value and what would be allowed.
    """
    bad = np.flatnonzero((values < 0) | (values >= noc.n_terminals))
    if len(bad):
        raise UsageError(
            f"{what} in row {bad[0]} is {values[bad[0]]}, the network has terminals 0 to "
            f"{noc.n_terminals - 1}."
        )
    if noc.dead_routers:
        dead = np.array([y * noc.width + x for x, y in noc.dead_routers])
        edge = dead[dead % noc.width == 0] // noc.width + noc.n_routers
        bad = np.flatnonzero(np.isin(values, np.concatenate([dead, edge])))
        if len(bad):
            raise UsageError(
                f"{what} in row {bad[0]} is {values[bad[0]]}, which sits at a dead router. "
                "Move the core, or take the router off dead_routers."
            )


def dimension_order_turns(noc: Noc) -> I32:
    """Turns of dimension-order routing on a mesh, ``(n_routers, 4, 4)``: straight on, or over."""
    turns = np.zeros((noc.n_routers, 4, 4), np.int32)
    first, second = ((0, 1), (2, 3)) if noc.routing == "xy" else ((2, 3), (0, 1))
    for port in range(4):
        turns[:, port, port ^ 1] = 1
    for port in first:
        for on in second:
            turns[:, port, on] = 1
    return turns


def routing_turns(noc: Noc, to: I32) -> I32:
    """Turns that packets for one terminal make on a mesh, ``(n_routers, 4, 4)``."""
    if noc.dead_links or noc.dead_routers:
        return table_turns(to, next_ports(noc, to))
    return dimension_order_turns(noc)


def _check_chains(noc: Noc, m: I32, k: I64, source: I64, offset: I64, address: I64) -> None:
    """Refuse relay chains whose turns, with those of the routing, could close a cycle."""
    to = neighbour_ports(noc)
    turns = routing_turns(noc, to)
    noc_routes.chain_turns(m, k, source, offset, address, turns)
    cycle = dependency_cycle(to, turns)
    if cycle:
        where = ", ".join(
            f"({r % noc.width}, {r // noc.width}) {DIRECTIONS[port]}" for r, port in cycle[:8]
        )
        raise UnsupportedError(
            f"relay chains turn so that {len(cycle)} links can wait for each other in a circle "
            f"(among them {where}). Order the destinations along "
            f"{'x, then y' if noc.routing == 'xy' else 'y, then x'}, or use multicast='tree'."
        )
