"""Links of a `Noc`: what lies behind every port, how wide and how far."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neurosim.kernels.noc_layout import I32, PORTS
from neurosim.noc.model import DIRECTIONS, STEP, Direction, Noc

OPPOSITE_PORT = (1, 0, 3, 2)


def neighbour_ports(noc: Noc) -> I32:
    """Router at the other end of every port; ``(n_routers, 4)``, -1 where no (live) link is."""
    n = noc.n_routers
    x = np.arange(n) % noc.width
    y = np.arange(n) // noc.width
    ring = noc.topology == "torus"
    to = np.full((n, 4), -1, np.int32)
    for port, (dx, dy) in enumerate(STEP.values()):
        nx, ny = x + dx, y + dy
        if ring:
            length = noc.width if dx else noc.height
            ok = np.full(n, length > 1)
            nx, ny = nx % noc.width, ny % noc.height
        else:
            ok = (nx >= 0) & (nx < noc.width) & (ny >= 0) & (ny < noc.height)
        to[ok, port] = (ny * noc.width + nx)[ok]
    for router, port in dead_ports(noc):
        to[router, port] = -1
    return to


def _both_ends(noc: Noc, x: int, y: int, direction: Direction) -> Iterator[tuple[int, int]]:
    """Router and port at both ends of the link of router ``(x, y)`` towards `direction`."""
    port = DIRECTIONS.index(direction)
    dx, dy = STEP[direction]
    yield y * noc.width + x, port
    yield ((y + dy) % noc.height) * noc.width + (x + dx) % noc.width, OPPOSITE_PORT[port]


def dead_ports(noc: Noc) -> Iterator[tuple[int, int]]:
    """Router and port of every end of a dead link."""
    for x, y, direction in noc.dead_links:
        yield from _both_ends(noc, x, y, direction)
    for x, y in noc.dead_routers:
        for direction in DIRECTIONS:
            if noc._has_link(x, y, direction):
                yield from _both_ends(noc, x, y, direction)


def link_figures(noc: Noc) -> tuple[I32, I32]:
    """Extra latency (cycles beyond a plain link) and width (bits) of every output.

    Returns two arrays ``(n_routers, 5)``.
    """
    plain = noc.link_cycles if noc.pipeline == "general" else 1
    extra = np.zeros((noc.n_routers, PORTS), np.int32)
    bits = np.full((noc.n_routers, PORTS), noc.link_bits, np.int32)
    if noc.chip_width:
        x = np.arange(noc.n_routers) % noc.width
        y = np.arange(noc.n_routers) // noc.width
        cut = np.zeros((noc.n_routers, PORTS), bool)
        cut[:, 0] = (x + 1) % noc.chip_width == 0
        cut[:, 1] = x % noc.chip_width == 0
        cut[:, 2] = (y + 1) % noc.chip_height == 0
        cut[:, 3] = y % noc.chip_height == 0
        cut[:, :4] &= neighbour_ports(noc) >= 0  # the host's ports are no links between chips
        if noc.chip_link_cycles is not None:
            extra[cut] = noc.chip_link_cycles - plain
        if noc.chip_link_bits is not None:
            bits[cut] = min(noc.chip_link_bits, noc.link_bits)
    for link in noc.links:
        for router, port in _both_ends(noc, link.x, link.y, link.direction):
            if link.cycles is not None:
                extra[router, port] = link.cycles - plain
            if link.bits is not None:
                bits[router, port] = min(link.bits, noc.link_bits)
    return extra, bits


def source_ports(noc: Noc) -> tuple[I32, I32]:
    """Router and input port that each source (terminal) feeds; the sink is on the same port."""
    routers = np.arange(noc.n_routers, dtype=np.int32)
    ports = np.full(noc.n_routers, 4, np.int32)
    if noc.host_io:
        edge = np.arange(noc.height, dtype=np.int32) * noc.width
        routers = np.concatenate([routers, edge])
        ports = np.concatenate([ports, np.full(noc.height, 1, np.int32)])
    return routers, ports
