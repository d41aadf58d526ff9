"""Lower bounds: no placement, however clever, has less distance.

Three bounds on `PlacementCost.distance`, each blind to something else; the largest counts.

* degree: the heaviest neighbours of a core sit at distance 1 (4 places), the next at distance 2
  (8 places), ...; every pair is counted from both ends, hence halved. Host traffic: the heaviest
  talkers in the columns next to the host. A tree that reaches k cores has at least k links.
* Gilmore-Lawler: if core i sat on router p, its flows, sorted, would meet the distances from p,
  sorted the other way. The cheapest assignment of cores to routers under these costs (P. C.
  Gilmore, SIAM J. Appl. Math. 10, 1962; E. L. Lawler, Management Science 9, 1963).
* spectral cut: a distance on a mesh is the number of grid lines crossed, and a line that parts m
  of n cores from the others cuts at least lambda_2 * m * (n - m) / n (M. Fiedler, Czechoslovak
  Math. J. 23, 1973). The worst numbers of cores per column and per row are assumed.

A tree with k targets costs at least the mean of its k single distances, and a line that cuts it is
crossed at least once: bounds two and three hold with weights divided by k, and by the most pairs
that one line can part. A relay chain reaches all its targets, too, and so do the single packets
that may take its place: what is said of trees holds for both (but see `_tree_bound`). Dead links
only shrink the choice, so all bounds stay valid. So do pins and regions; Gilmore-Lawler uses them:
a flow to a pinned core has a known length from every router, and a core is assigned to the routers
that it may have only.

In a folded program cores of different phases may share a router. So the neighbours of a core are
ranked phase by phase, and the heaviest one in another phase may be at distance 0; the assignment is
solved for every phase by itself; a column holds as many cores per router as there are phases.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.offsets import offsets_of
from neurosim_mapper.place._assignment_kernel import assign_rows
from neurosim_mapper.place.problem import CROSSING_COST, HOST, I64, NO_RING, PlacementProblem

F64 = npt.NDArray[np.float64]
_MOST_CELLS: Final = 160_000  # of the assignment matrix; beyond, Gilmore-Lawler takes too long
_MOST_CELLS_OF_PHASES: Final = 1_600_000  # of the matrices of all phases
_MOST_ROUTERS: Final = 2_048
_MOST_CORES: Final = 1_024  # beyond, the exact eigenvalue takes too long
_MOST_PAIRS: Final = 4_000_000  # of targets of one net
_SAFETY: Final = 1 - 1e-9  # against rounding in floating-point sums


class _Flows(NamedTuple):
    """Traffic between pairs of cores with fractional weights, both directions added."""

    start: I64
    neighbour: I64
    weight: F64
    host: F64


class _Ranked(NamedTuple):
    """Pairs by core and phase of the neighbour, the heaviest on the nearest place of that phase."""

    core: I64
    phase: I64  # of the neighbour
    place: I64  # 0: the core's own router, 1..4 next to it, ...
    weight: F64


def lower_bounds(problem: PlacementProblem) -> dict[str, float]:
    """Bounds on the distance, by name; those that would take too long are left out."""
    if problem.n_cores == 0:
        return {"degree": 0.0}
    share = _flows(problem, _mean_of_branches(problem))
    bounds = {"degree": max(_degree_bound(problem, share), _tree_bound(problem))}
    largest = int(np.bincount(problem.phases).max()) * problem.usable.size
    together = problem.n_cores * problem.usable.size
    if problem.usable.size <= _MOST_ROUTERS and (
        largest <= _MOST_CELLS and together <= _MOST_CELLS_OF_PHASES
    ):
        bounds["gilmore-lawler"] = _gilmore_lawler(problem, share)
    if problem.n_cores <= _MOST_CORES and not problem.grid.size[4] and _few_pairs(problem):
        bounds["spectral cut"] = _spectral_cut(problem)
    # Distances are whole numbers of units, so a bound may be rounded up.
    return {
        name: float(np.ceil(value * _SAFETY - 1e-6)) * problem.unit
        for name, value in bounds.items()
    }


def best_bound(problem: PlacementProblem) -> tuple[str, float]:
    """Name and value of the largest bound."""
    return max(lower_bounds(problem).items(), key=lambda item: item[1])


def _mean_of_branches(problem: PlacementProblem) -> F64:
    """(n_nets,) weight of each branch of a net."""
    nets = problem.nets
    return nets.weight / np.maximum(np.diff(nets.offset), 1)


def _flows(problem: PlacementProblem, branch_weight: F64) -> _Flows:
    nets, n = problem.nets, problem.n_cores
    sizes = np.diff(nets.offset)
    source, weight = np.repeat(nets.source, sizes), np.repeat(branch_weight, sizes)
    outer = source == HOST
    out = sizes == 0
    host = np.zeros(n)
    np.add.at(host, nets.target[outer], weight[outer])
    np.add.at(host, nets.source[out], branch_weight[out])
    one, two = source[~outer], nets.target[~outer]
    return _pairs(n, one, two, weight[~outer], host)


def _pairs(n: int, one: I64, two: I64, weight: F64, host: F64) -> _Flows:
    key = np.concatenate([one * n + two, two * n + one])
    found, which = np.unique(key, return_inverse=True)
    total = np.zeros(found.size)
    np.add.at(total, which, np.concatenate([weight, weight]))
    start = offsets_of(np.bincount(found // n, minlength=n))
    return _Flows(start.astype(np.int64), found % n, total, host)


def _ranked(problem: PlacementProblem, flows: _Flows) -> _Ranked:
    core = np.repeat(np.arange(problem.n_cores), np.diff(flows.start))
    phase = problem.phases[flows.neighbour]
    order = np.lexsort((-flows.weight, phase, core))
    core, phase = core[order], phase[order]
    new = np.flatnonzero(np.diff(core * problem.n_phases + phase, prepend=-1))
    rank = np.arange(core.size) - np.repeat(new, np.diff(np.append(new, core.size)))
    # The own place is taken in the own phase: the first neighbour there is one place further out.
    return _Ranked(core, phase, rank + (phase == problem.phases[core]), flows.weight[order])


def _degree_bound(problem: PlacementProblem, flows: _Flows) -> float:
    ranked = _ranked(problem, flows)
    # 4 d places at distance d, so place p is at d if 2 d (d - 1) < p <= 2 d (d + 1).
    distance = np.ceil((np.sqrt(1.0 + 2.0 * ranked.place) - 1) / 2)
    total = float((ranked.weight * distance).sum()) / 2
    near = np.sort(problem.grid.host_distance[problem.usable])
    for phase in range(problem.n_phases):
        host = np.sort(flows.host[problem.phases == phase])[::-1]
        total += float((host * near[: host.size]).sum())
    return total


def _tree_bound(problem: PlacementProblem) -> float:
    """A net that reaches n routers has n - 1 links; cores of one phase are on different ones.

    Where single packets may take the place of a chain, those of the host enter in any row: then it
    is at least the way to the n routers that are next to the host.
    """
    nets = problem.nets
    owner = np.repeat(np.arange(nets.source.size), np.diff(nets.offset))
    inner = np.flatnonzero(nets.source != HOST)
    net, core = (
        np.concatenate(ends) for ends in ((owner, inner), (nets.target, nets.source[inner]))
    )
    found, counts = np.unique(net * problem.n_phases + problem.phases[core], return_counts=True)
    reached = np.ones(nets.source.size, np.int64)
    np.maximum.at(reached, found // problem.n_phases, counts)
    least = reached - 1
    if problem.is_chained:
        near = np.sort(problem.grid.host_distance[problem.usable])
        to_nearest = offsets_of(near)[np.minimum(reached, near.size)]
        least = np.where(nets.source == HOST, np.minimum(least, to_nearest), least)
    return float((least * nets.weight).sum())


def _gilmore_lawler(problem: PlacementProblem, flows: _Flows) -> float:
    distance = _distances(problem)
    ranked = _ranked(problem, _without_pinned(problem, flows))
    to_pinned = _to_pinned(problem, flows, distance)
    forbidden = _forbidden(problem)
    near = [_near(problem, distance, phase) for phase in range(problem.n_phases)]
    total = 0.0
    for phase in range(problem.n_phases):
        mine = np.flatnonzero(problem.phases == phase)
        local = np.full(problem.n_cores, -1, np.int64)
        local[mine] = np.arange(mine.size)
        heard = local[ranked.core] >= 0
        cost = np.zeros((mine.size, problem.usable.size))
        for other in np.unique(ranked.phase[heard]).tolist():
            pairs = np.flatnonzero(heard & (ranked.phase == other))
            table = np.zeros((mine.size, 1 + int(ranked.place[pairs].max())))
            table[local[ranked.core[pairs]], ranked.place[pairs]] = ranked.weight[pairs]
            for k in range(1, table.shape[1]):  # no library product: threads change its last bit
                cost += np.outer(table[:, k], near[other][:, k])
        cost /= 2
        cost += to_pinned[mine]
        cost += np.outer(flows.host[mine], problem.grid.host_distance[problem.usable])
        cost[forbidden[mine]] = 2.0 * cost.max(axis=1).sum() + 1.0  # more than all rows together
        row_price, column_price = np.empty(cost.shape[0]), np.empty(cost.shape[1])
        assign_rows(cost, row_price, column_price)
        total += float(row_price.sum() + column_price.sum())
    return total


def _without_pinned(problem: PlacementProblem, flows: _Flows) -> _Flows:
    """The flows between cores that are both free to move."""
    n = problem.n_cores
    core = np.repeat(np.arange(n), np.diff(flows.start))
    keep = (problem.pins[core] < 0) & (problem.pins[flows.neighbour] < 0)
    start = offsets_of(np.bincount(core[keep], minlength=n))
    return _Flows(start, flows.neighbour[keep], flows.weight[keep], flows.host)


def _to_pinned(problem: PlacementProblem, flows: _Flows, distance: F64) -> F64:
    """(n_cores, n_usable) what flows to pinned cores cost with the core on each router.

    Known exactly: all of it counts for the core that is free, half for each of two pinned ones.
    """
    cost = np.zeros((problem.n_cores, problem.usable.size))
    for core in np.flatnonzero(problem.pins >= 0).tolist():
        at = distance[np.searchsorted(problem.usable, problem.pins[core])]
        mine = slice(flows.start[core], flows.start[core + 1])
        others = flows.neighbour[mine]
        share = np.where(problem.pins[others] >= 0, 0.5, 1.0)
        cost[others] += np.outer(share * flows.weight[mine], at)
    return cost


def _near(problem: PlacementProblem, distance: F64, phase: int) -> F64:
    """(n_usable, n_usable) column k: how far the k-th place for free cores of `phase` is."""
    pins = problem.pins[(problem.phases == phase) & (problem.pins >= 0)]
    open_to = distance.copy()
    open_to[:, np.searchsorted(problem.usable, pins)] = np.inf
    open_to.sort(axis=1)
    return open_to


def _forbidden(problem: PlacementProblem) -> npt.NDArray[np.bool_]:
    """(n_cores, n_usable) whether a pin or a region keeps the core from the router."""
    usable = problem.usable
    pins = problem.pins[:, None]
    forbidden: npt.NDArray[np.bool_] = (pins >= 0) & (pins != usable)
    if problem.regions is not None:
        x, y = usable % problem.chip.wide, usable // problem.chip.wide
        x0, y0, x1, y1 = (column[:, None] for column in problem.regions.T)
        forbidden |= (x < x0) | (x > x1) | (y < y0) | (y > y1)
    return forbidden


def _distances(problem: PlacementProblem) -> F64:
    """(n_usable, n_usable) distance between usable routers, chip borders included."""
    total = np.zeros((problem.usable.size, problem.usable.size))
    for position, ring in (
        (problem.grid.px, problem.grid.size[2]),
        (problem.grid.py, problem.grid.size[3]),
    ):
        here = position[problem.usable].astype(np.int64)
        away = np.abs(here[:, None] - here[None, :])
        total += np.minimum(away, ring - away) if ring < NO_RING else away
    return total


def _spectral_cut(problem: PlacementProblem) -> float:
    nets, n = problem.nets, problem.n_cores
    inner = nets.source != HOST
    pins = np.diff(nets.offset) + 1
    share = np.where(inner, nets.weight / np.maximum(pins * pins // 4, 1), 0.0)
    sizes = np.diff(nets.offset)
    source, weight = np.repeat(nets.source, sizes), np.repeat(share, sizes)
    keep = source != HOST
    one, two, weight = source[keep], nets.target[keep], weight[keep]
    more = _sibling_pairs(problem, share, inner)
    laplacian = np.zeros((n, n))
    for a, b, w in ((one, two, weight), more):
        np.add.at(laplacian, (a, b), -w)
        np.add.at(laplacian, (b, a), -w)
    np.fill_diagonal(laplacian, 0.0)
    laplacian[np.arange(n), np.arange(n)] = -laplacian.sum(axis=1)
    if n < 2:
        return 0.0
    values = np.linalg.eigvalsh(laplacian)
    # Eight digits: the last ones may depend on the number of threads.
    connectivity = max(float(values[1]) - 1e-9 * float(values[-1]), 0.0)
    chip = problem.chip
    x, y = problem.usable % chip.wide, problem.usable // chip.wide
    columns, rows = (
        problem.n_phases * np.bincount(line, minlength=size)
        for line, size in ((x, chip.wide), (y, chip.high))
    )
    lines = _fewest_crossed(columns, n, chip.grid.wide)
    lines += _fewest_crossed(rows, n, chip.grid.high)
    return connectivity * lines


def _few_pairs(problem: PlacementProblem) -> bool:
    sizes = np.diff(problem.nets.offset)
    return int((sizes * sizes).sum()) <= _MOST_PAIRS


def _sibling_pairs(
    problem: PlacementProblem, share: F64, inner: npt.NDArray[np.bool_]
) -> tuple[I64, I64, F64]:
    """Pairs of targets of one net: a net is as hard to cut as all its pairs, scaled down."""
    nets = problem.nets
    sizes = np.diff(nets.offset)
    one, two, weight = [], [], []
    for count in np.unique(sizes[inner & (sizes > 1)]).tolist():
        rows = np.flatnonzero(inner & (sizes == count))
        cores = nets.target[nets.offset[rows][:, None] + np.arange(count)]
        a, b = np.triu_indices(count, 1)
        one.append(cores[:, a].ravel())
        two.append(cores[:, b].ravel())
        weight.append(np.repeat(share[rows], a.size))
    if not one:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    return np.concatenate(one), np.concatenate(two), np.concatenate(weight)


def _fewest_crossed(capacity: I64, n: int, chip_size: int) -> float:
    """Least sum of m * (n - m) / n over the lines between columns that hold at most `capacity`.

    A line between two chips counts 1 + CROSSING_COST times. Dynamic programme over the number of
    cores m to the left of each line.
    """
    m = np.arange(n + 1)
    cut = m * (n - m) / n
    least = np.full(n + 1, np.inf)
    least[0] = 0.0
    for column, room in enumerate(capacity.tolist()):
        best = np.full(n + 1, np.inf)
        for taken in range(min(room, n) + 1):
            best[taken:] = np.minimum(best[taken:], least[: n + 1 - taken])
        border = (column + 1) % chip_size == 0
        last = column == capacity.size - 1
        least = best if last else best + cut * (1 + CROSSING_COST * border)
    return float(least[n])
