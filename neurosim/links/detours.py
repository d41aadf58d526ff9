"""Links of flows on a mesh with dead links: the ways of the network model, found once for all.

Enters: sources and targets of flows. Leaves: the links that every flow crosses. The ways are those
of `neurosim.noc.routes.next_ports` (near dimension order, free of circular waits), so that the
ideal and the cycle-level network count the same links.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.noc.model import MAX_TABLE_ROUTERS
from neurosim.program.columns import N_DIRECTIONS

I64 = npt.NDArray[np.int64]


def needs_detours(chip: Chip) -> bool:
    """Whether the ways of `chip` come from a table; else they are dimension order."""
    mesh = chip.noc_section.topology == "mesh"
    return bool(chip.dead_links) and mesh and chip.n_cores <= MAX_TABLE_ROUTERS


def detour_links(
    chip: Chip,
    source_xy: I64,
    to_host: npt.NDArray[np.bool_],
    target_offset: I64,
    target_xy: I64,
) -> tuple[I64, npt.NDArray[np.int32]]:
    """Links of every flow: offsets (n_flows + 1,) and links in order of travel.

    A link that all targets share counts once. Branches that part around a dead link never join
    again: where they meet, both copies of the packet go on, and the link counts twice.

    Parameters
    ----------
    source_xy : (n_flows, 2) router of the source; x = -1: the host, which enters in row y.
    to_host : (n_flows,) flows to the host, out at the west edge of their row; no targets.
    target_offset, target_xy : (n_flows + 1,) and (n_targets, 2) routers of the targets.

    Raises
    ------
    DoesNotFitError : the dead links cut the mesh into parts.
    """
    n_flows = len(source_xy)
    outward = np.flatnonzero(to_host)
    rows, inward = source_xy[:, 1], np.flatnonzero(source_xy[:, 0] < 0)
    flow = np.concatenate([np.repeat(np.arange(n_flows), np.diff(target_offset)), outward])
    start = rows * chip.wide + np.maximum(source_xy[:, 0], 0)
    goal = np.concatenate(
        [target_xy[:, 1] * chip.wide + target_xy[:, 0], rows[outward] * chip.wide]
    )
    crossed_by, link = _follow(chip, flow, start[flow], goal)
    host = N_DIRECTIONS * chip.n_cores + rows
    crossed_by = np.concatenate([inward, crossed_by, outward])
    link = np.concatenate([host[inward], link, host[outward] + chip.high])
    order = np.argsort(crossed_by, kind="stable")
    counts = np.bincount(crossed_by, minlength=n_flows)
    offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return offset, link[order].astype(np.int32)


def _follow(chip: Chip, flow: I64, here: I64, goal: I64) -> tuple[I64, I64]:
    """Flow and link of every link crossed, step by step for all ways together.

    Ways of one flow are at the same node of its tree as long as they took the same ports.
    """
    from neurosim.noc.links import neighbour_ports
    from neurosim.noc.routes import next_ports

    noc = chip.noc
    to = neighbour_ports(noc)
    table = next_ports(noc, to)
    node, n_nodes = flow.copy(), int(flow.max(initial=0)) + 1
    flows, links = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    while True:
        on = here != goal
        flow, here, goal, node = flow[on], here[on], goal[on], node[on]
        if not flow.size:
            return np.concatenate(flows), np.concatenate(links)
        port = table[here, goal].astype(np.int64)
        _, first, child = np.unique(
            node * N_DIRECTIONS + port, return_index=True, return_inverse=True
        )
        flows.append(flow[first])
        links.append(N_DIRECTIONS * here[first] + port[first])
        node, n_nodes = n_nodes + child.reshape(-1), n_nodes + len(first)
        here = to[here, port].astype(np.int64)
