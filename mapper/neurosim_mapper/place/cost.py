"""What a placement costs: links crossed by packets, chip borders, the busiest link.

Enters: a problem and a router per core. Leaves: a `PlacementCost`. Promised: routes are those of
the router (`walk_flows`), so that `hops` is what a simulation counts when every source sends at
its rate. ``total`` is what the annealing placer minimises::

    total = distance + congestion_share * congestion + DEAD_LINK_COST * dead_link_packets
    distance   = hops + CROSSING_COST * crossings            # packets per tick
    congestion = L**(3/4) * (sum over links of load**4)**(1/4)

`L` is the number of links of the used cores, four each. The scale makes congestion comparable
with hops: it equals them when all L links carry the same load, and grows when few carry all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.program.columns import N_DIRECTIONS
from neurosim_mapper.place.problem import (
    CROSSING_COST,
    HOST,
    I64,
    PlacementProblem,
    dead_links,
)
from neurosim_mapper.route.chains import chain_legs, visiting_order
from neurosim_mapper.route.dimension_order import dimension_order_links

DEAD_LINK_COST: Final = 1000  # hops that a packet over a dead link counts for


@dataclass(frozen=True)
class PlacementCost:
    """Costs in packets per tick; links between the host and the west edge count no hop.

    Attributes
    ----------
    hops : links crossed by packets; a tree counts each of its links once, a relay chain those of
        its legs, or of single packets where they are fewer.
    crossings : those that lead from one chip to the next.
    distance : hops with CROSSING_COST more for each crossing: what the lower bounds are about.
    busiest_link : largest load of one link, those of the host included.
    congestion : fourth-power mean of the loads, see above.
    dead_link_packets : packets per tick whose way needs a dead link.
    total : what is minimised.
    """

    hops: float
    crossings: float
    distance: float
    busiest_link: float
    congestion: float
    dead_link_packets: float
    total: float

    def rows(self) -> dict[str, float]:
        """Plain data for reports, ten digits."""
        return {name: float(f"{value:.10g}") for name, value in asdict(self).items()}


def placement_cost(problem: PlacementProblem, router: I64) -> PlacementCost:
    """Cost of the cores at `router` (n_cores,)."""
    loads = link_loads(problem, router)
    chip, unit = problem.chip, problem.unit
    inner = loads[: N_DIRECTIONS * chip.n_cores]
    hops = int(inner.sum())
    crossings = int(inner[_borders(chip)].sum())
    dead = int(loads[dead_links(chip)].sum())
    distance = hops + CROSSING_COST * crossings
    power = float((loads.astype(np.float64) ** 4).sum()) ** 0.25
    congestion = congestion_scale(problem) * power
    total = distance + problem.congestion_share * congestion + DEAD_LINK_COST * dead
    return PlacementCost(
        hops=hops * unit,
        crossings=crossings * unit,
        distance=distance * unit,
        busiest_link=int(loads.max(initial=0)) * unit,
        congestion=congestion * unit,
        dead_link_packets=dead * unit,
        total=total * unit,
    )


def congestion_scale(problem: PlacementProblem) -> float:
    """Factor that turns the fourth root of the sum of fourth powers into hops."""
    return float(np.sqrt(np.sqrt(float(N_DIRECTIONS * max(problem.n_cores, 1)) ** 3)))


def link_loads(problem: PlacementProblem, router: I64) -> I64:
    """(n_links,) packets per tick on every link, in units of the problem; the host's links last."""
    chip = problem.chip
    offset, link = net_links(problem, router)
    loads = np.zeros(N_DIRECTIONS * chip.n_cores + 2 * chip.high, np.int64)
    np.add.at(loads, link, np.repeat(problem.nets.weight, np.diff(offset)))
    return loads


def net_links(problem: PlacementProblem, router: I64) -> tuple[I64, npt.NDArray[np.int32]]:
    """Links of every net: offsets (n_nets + 1,) and links in order of travel."""
    nets, chip = problem.nets, problem.chip
    target = router[nets.target]
    to_host = np.diff(nets.offset) == 0
    from_host = nets.source == HOST
    # The host enters in the row of the first target.
    start = np.where(from_host, 0, router[nets.source]) if router.size else nets.source
    start[from_host] = target[nets.offset[:-1][from_host]]
    begin = np.stack([np.where(from_host, -1, start % chip.wide), start // chip.wide], 1)
    goal = np.stack([target % chip.wide, target // chip.wide], 1)
    if not problem.is_chained:
        return dimension_order_links(chip, begin, to_host, nets.offset, goal)
    order = visiting_order(chip, begin, nets.offset, goal)
    legs = chain_legs(begin, to_host, nets.offset, goal[order.row], order.alone)
    offset, link = dimension_order_links(chip, *legs[1:])
    return offset[legs.offset], link


def link_costs(chip: Chip) -> I64:
    """(n_links,) what a packet on each link adds to the distance, dead links included."""
    n_inner = N_DIRECTIONS * chip.n_cores
    cost = np.zeros(n_inner + 2 * chip.high, np.int64)
    cost[:n_inner] = 1 + CROSSING_COST * _borders(chip)
    cost[dead_links(chip)] += DEAD_LINK_COST
    return cost


def pair_distance(problem: PlacementProblem, router: I64) -> int:
    """Distance if every branch were a packet of its own: what the first annealing phase lowers."""
    graph, grid = problem.graph, problem.grid
    degree = np.diff(graph.start)
    here = np.repeat(router, degree)
    there = router[graph.neighbour]
    away = np.zeros(here.size, np.int64)
    for position, ring in ((grid.px, grid.size[2]), (grid.py, grid.size[3])):
        d = np.abs(position[here].astype(np.int64) - position[there])
        away += np.minimum(d, ring - d)
    pairs = int((graph.weight * away).sum())
    return pairs // 2 + int((graph.host * grid.host_distance[router]).sum())


@lru_cache(maxsize=8)
def _borders(chip: Chip) -> npt.NDArray[np.bool_]:
    """(4 * n_routers,) links that leave a chip of the array."""
    router = np.arange(chip.n_cores)
    x, y = router % chip.wide, router // chip.wide
    wide, high = chip.grid.wide, chip.grid.high
    several_x, several_y = chip.array.wide > 1, chip.array.high > 1
    result = np.zeros((chip.n_cores, N_DIRECTIONS), dtype=bool)
    result[:, 0] = several_x & (x % wide == wide - 1)
    result[:, 1] = several_x & (x % wide == 0)
    result[:, 2] = several_y & (y % high == high - 1)
    result[:, 3] = several_y & (y % high == 0)
    return result.ravel()
