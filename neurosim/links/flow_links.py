"""Links as runs: which links the flows of a program cross, without a list for each.

Enters: a chip, or a program. Leaves: positions, runs and link lists. Links (numbered as in
`neurosim.program.columns`) get a *position* in which a straight way is a run of neighbours: all +x
links row by row, all -x links row by row, all +y links column by column, all -y links likewise,
then the host links. A way of any length is then two runs.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import PACKET_KINDS, Chip
from neurosim.program.columns import N_DIRECTIONS, Program

I64 = npt.NDArray[np.int64]


class Runs(NamedTuple):
    """Two runs of positions per way, each (n, 2): along x, along y; some of length 0."""

    first: I64
    length: I64


def link_positions(chip: Chip) -> I64:
    """(n_links,) position of every link."""
    n, wide, high = chip.n_cores, chip.wide, chip.high
    router = np.arange(n)
    x, y = router % wide, router // wide
    by_row, by_column = y * wide + x, x * high + y
    position = np.empty(N_DIRECTIONS * n + 2 * high, np.int64)
    for direction, order in enumerate((by_row, by_row, by_column, by_column)):
        position[N_DIRECTIONS * router + direction] = direction * n + order
    position[N_DIRECTIONS * n :] = np.arange(N_DIRECTIONS * n, position.size)
    return position


def way_runs(chip: Chip, x: I64, y: I64, u: I64, v: I64) -> Runs:
    """Runs from routers (x, y) to routers (u, v) by the chip's dimension order on a mesh."""
    n, wide, high = chip.n_cores, chip.wide, chip.high
    x_first = chip.noc_section.routing == "xy"
    row, column = (y, u) if x_first else (v, x)
    along_x = row * wide + np.minimum(x, u) + np.where(u < x, n + 1, 0)
    along_y = 2 * n + column * high + np.minimum(y, v) + np.where(v < y, n + 1, 0)
    return Runs(np.stack([along_x, along_y], 1), np.stack([np.abs(u - x), np.abs(v - y)], 1))


def way_links(chip: Chip, x: I64, y: I64, u: I64, v: I64) -> tuple[I64, I64]:
    """Offsets and links, in order of travel, from routers (x, y) to (u, v), mesh or torus."""
    torus = chip.noc_section.topology == "torus"
    ahead = [_steps(u - x, chip.wide if torus else 0), _steps(v - y, chip.high if torus else 0)]
    order = (0, 1) if chip.noc_section.routing == "xy" else (1, 0)
    counts = np.stack([np.abs(ahead[axis]) for axis in order], 1)
    offset = np.concatenate([[0], np.cumsum(counts.sum(axis=1))]).astype(np.int64)
    way = np.repeat(np.arange(x.size), counts.sum(axis=1))
    step = np.arange(offset[-1]) - offset[way]
    second = step >= counts[way, 0]
    along = np.where(second, step - counts[way, 0], step)
    axis = np.where(second, order[1], order[0])
    moves = np.stack(ahead, 1)[way, axis]
    here = [np.where(second & (order[0] == a), t[way], s[way]) for a, (s, t) in _ends(x, y, u, v)]
    sign = np.sign(moves)
    here_x = (here[0] + np.where(axis == 0, sign * along, 0)) % chip.wide
    here_y = (here[1] + np.where(axis == 1, sign * along, 0)) % chip.high
    direction = 2 * axis + (sign < 0)
    return offset, N_DIRECTIONS * (here_y * chip.wide + here_x) + direction


def _ends(x: I64, y: I64, u: I64, v: I64) -> list[tuple[int, tuple[I64, I64]]]:
    return [(0, (x, u)), (1, (y, v))]


def _steps(ahead: I64, size: int) -> I64:
    """Signed steps; on a ring of `size` the shorter way, the positive one of equals."""
    if size == 0:
        return ahead
    ahead = ahead % size
    return np.where(ahead > size - ahead, ahead - size, ahead)


def implied_flows(program: Program) -> npt.NDArray[np.bool_]:
    """(n_flows,) flows between two cores that list no links: they take the chip's own way."""
    flows = program.flows
    bare = (np.diff(flows.link_offset) == 0) & (np.diff(flows.target_offset) == 1)
    bare &= flows.source >= 0
    there = np.zeros(bare.size, np.int64)
    there[bare] = flows.target[flows.target_offset[:-1][bare]]
    terminal = program.terminal_of_core
    result: npt.NDArray[np.bool_] = bare & (terminal[flows.source] != terminal[there])
    return result


def implied_runs(program: Program, flow: I64) -> Runs:
    """Runs of implied flows."""
    x, y = program.cores.x.astype(np.int64), program.cores.y.astype(np.int64)
    source, target = program.flows.source[flow], program.flows.target
    there = target[program.flows.target_offset[flow]]
    return way_runs(program.chip, x[source], y[source], x[there], y[there])


def link_packets(program: Program, flow_packets: I64) -> I64:
    """(3, n_links) packets of each kind over each link, given those of each flow."""
    flows, position = program.flows, link_positions(program.chip)
    flow = np.repeat(np.arange(flows.kind.size), np.diff(flows.link_offset))
    result = np.zeros((len(PACKET_KINDS), program.n_links), dtype=np.int64)
    np.add.at(result, (flows.kind[flow], flows.link), flow_packets[flow])
    bare = np.flatnonzero(implied_flows(program))
    runs = implied_runs(program, bare)
    change = np.zeros((len(PACKET_KINDS), program.n_links + 1), dtype=np.int64)
    kind = np.repeat(flows.kind[bare], 2)
    packets = np.repeat(flow_packets[bare], 2)
    np.add.at(change, (kind, runs.first.ravel()), packets)
    np.add.at(change, (kind, (runs.first + runs.length).ravel()), -packets)
    total: I64 = result + change.cumsum(axis=1)[:, position]
    return total


def crossing_links(chip: Chip) -> I64:
    """Numbers of the links that leave one chip of the array for another."""
    router = np.arange(chip.n_cores)
    x, y = router % chip.wide, router // chip.wide
    east = (x % chip.grid.wide == chip.grid.wide - 1) & (x < chip.wide - 1)
    west = (x % chip.grid.wide == 0) & (x > 0)
    south = (y % chip.grid.high == chip.grid.high - 1) & (y < chip.high - 1)
    north = (y % chip.grid.high == 0) & (y > 0)
    picked = [N_DIRECTIONS * router[m] + d for d, m in enumerate((east, west, south, north))]
    return np.sort(np.concatenate(picked)).astype(np.int64)


def receive_cycles(chip: Chip) -> int:
    """Whole cycles that a core needs to take in a packet, 0 if it never keeps its port waiting."""
    given = chip.timing.packet_receive_cycles
    return 0 if given is None else math.ceil(given.value)


def link_cycles_per_packet(chip: Chip) -> I64:
    """(3, n_links) cycles that a packet of each kind occupies each link.

    Links between chips of an array have their own width; host links have that of the chip.
    """
    n_links = N_DIRECTIONS * chip.n_cores + 2 * chip.high
    bits = np.full(n_links, chip.noc_section.link_bits_per_cycle, np.int64)
    bits[crossing_links(chip)] = chip.inter_chip.link_bits_per_cycle
    need = np.array([chip.packet_bits(kind) for kind in PACKET_KINDS], np.int64)
    return -(-need[:, None] // bits)
