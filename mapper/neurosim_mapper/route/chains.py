"""Relay chains: the order in which a packet visits the cores that hear it, and its legs.

A leg is the way from one core to the next, by the chip's own routing. A packet for one core is a
chain of one leg. Where one packet per listener crosses fewer links than the chain (a source amid
its listeners), the source sends those: the legs then all start at the source.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.links.chains import find_circles
from neurosim.offsets import offsets_of
from neurosim_mapper.connections import Index
from neurosim_mapper.route._chain_kernel import order_chains
from neurosim_mapper.route.dimension_order import network_shape

Mask = npt.NDArray[np.bool_]


class Order(NamedTuple):
    """How the flows of a network visit their targets."""

    row: Index  # (n_targets,) row of the target tables, in order of the visits
    alone: Mask  # (n_flows,) a packet per target crosses fewer links


class Legs(NamedTuple):
    """Ways from router to router, flow after flow; columns as `flow_links` takes them."""

    offset: Index  # (n_flows + 1,) legs of every flow
    source_xy: Index  # (n_legs, 2), x = -1: the host
    to_host: Mask  # (n_legs,)
    target_offset: Index  # (n_legs + 1,)
    target_xy: Index


def visiting_order(chip: Chip, source_xy: Index, target_offset: Index, target_xy: Index) -> Order:
    """Order of the visits of every flow on a mesh; columns as in `flow_links`.

    Raises nothing: every set of targets has a chain that cannot deadlock on a mesh.
    """
    start = np.where(source_xy[:, 0] < 0, -1, source_xy[:, 1] * chip.wide + source_xy[:, 0])
    router = target_xy[:, 1] * chip.wide + target_xy[:, 0]
    shape = network_shape(chip)
    row, alone = np.empty(router.size, np.int64), np.empty(start.size, np.bool_)
    order_chains(start, target_offset, router, shape, row, alone)
    return Order(row, alone)


def chain_legs(
    source_xy: Index, to_host: Mask, target_offset: Index, target_xy: Index, alone: Mask
) -> Legs:
    """Legs of flows whose targets stand in order of the visits; `alone` from the source each.

    The host enters in the row of the first target of a leg.
    """
    sizes = np.diff(target_offset)
    offset = offsets_of(np.where(to_host, 1, sizes))
    flow = np.repeat(np.arange(sizes.size), np.diff(offset))
    outward = to_host[flow]
    start = source_xy[flow].copy()
    goal = np.full((flow.size, 2), -1, np.int64)
    goal[~outward] = target_xy
    onward = np.flatnonzero((flow[1:] == flow[:-1]) & ~alone[flow[1:]]) + 1
    start[onward] = goal[onward - 1]
    entry = np.flatnonzero(start[:, 0] < 0)
    start[entry, 1] = goal[entry, 1]
    return Legs(offset, start, outward, offsets_of(~outward), goal[~outward])


def circling_chains(
    chip: Chip, link_offset: Index, link: npt.NDArray[np.integer], alone: Mask
) -> Mask:
    """(n_flows,) chains to give up so that no circle of waiting can close.

    Only dead links call for any. In every round, a quarter of the chains that take part in a circle
    go, those with the most turns in it first.

    Parameters
    ----------
    link_offset, link : links of every flow in order of travel.
    alone : (n_flows,) flows that are no chains.
    """
    gone = alone.copy()
    flow = np.repeat(np.arange(alone.size), np.diff(link_offset))
    while True:
        sizes = np.where(gone, 0, np.diff(link_offset))
        found = find_circles(chip, offsets_of(sizes), link[~gone[flow]])
        if not found.links.size:
            result: Mask = gone & ~alone
            return result
        worst = np.argsort(-found.n_turns, kind="stable")
        n_concerned = int((found.n_turns > 0).sum())
        gone[worst[: -(-n_concerned // 4)]] = True
