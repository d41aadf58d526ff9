"""Placement problems whose optimum or structure is known, for tests and benchmarks."""

from __future__ import annotations

from functools import cache
from itertools import permutations, product
from typing import Any

import numpy as np

from neurosim.chip.model import Chip
from neurosim_mapper.place import PlacementProblem, problem_of_pairs
from neurosim_mapper.place.cost import placement_cost
from neurosim_mapper.place.problem import HOST, Nets, no_pins
from support.chips import make_chip


def grid_chip(wide: int, high: int, **overrides: Any) -> Chip:
    """A chip with room in its address fields for any size used here."""
    fields = [{"name": n, "bits": 12} for n in ("dx", "dy", "axon")]
    return make_chip(grid={"wide": wide, "high": high}, packet__fields=fields, **overrides)


def shuffled_grid(side: int, seed: int) -> tuple[PlacementProblem, int]:
    """Neighbours of a full grid talk, cores renumbered at random; and the optimum.

    Every edge can have length 1, and none can have less: the optimum is the sum of the weights.
    """
    rng = np.random.default_rng(seed)
    core = rng.permutation(side * side).reshape(side, side)
    source = np.concatenate([core[:, :-1].ravel(), core[:-1].ravel()])
    target = np.concatenate([core[:, 1:].ravel(), core[1:].ravel()])
    weight = rng.integers(1, 98, source.size)
    problem = problem_of_pairs(grid_chip(side, side), side * side, source, target, weight)
    return problem, int(weight.sum())


def random_traffic(wide: int, high: int, n_cores: int, seed: int, **chip: Any) -> PlacementProblem:
    """Every ordered pair of cores sends 0 to 99 packets, half of them none."""
    rng = np.random.default_rng(seed)
    source, target = (a.ravel() for a in np.indices((n_cores, n_cores)))
    weight = rng.integers(0, 100, source.size) * (rng.random(source.size) < 0.5)
    return problem_of_pairs(grid_chip(wide, high, **chip), n_cores, source, target, weight)


def random_nets(rng: np.random.Generator, chip: Chip, n_cores: int) -> PlacementProblem:
    """Trees, host input and host output among `n_cores` cores."""
    sources, targets, weights = [], [], []
    for _ in range(int(rng.integers(1, 3 * n_cores + 2))):
        source = int(rng.integers(-1, n_cores))
        count = int(rng.integers(0 if source != HOST else 1, min(n_cores, 6) + 1))
        heard = np.sort(rng.choice(n_cores, size=count, replace=False))
        sources.append(source)
        targets.append(heard[heard != source] if source != HOST else heard)
        weights.append(int(rng.integers(1, 200)))
    offset = np.cumsum([0, *map(len, targets)], dtype=np.int64)
    nets = Nets(
        np.array(sources, np.int64),
        offset,
        np.concatenate([*targets, np.empty(0, np.int64)]).astype(np.int64),
        np.array(weights, np.int64),
    )
    return PlacementProblem(chip, n_cores, nets, no_pins(n_cores))


def vgg_like() -> PlacementProblem:
    """VGG-16 with a quarter of the channels on 32x32 images: 304 cores of 256 neurons, 18x18 chip.

    Tiles of 4x4 positions and as many channels as fit; a core sends each neuron once to each core
    that has it in a receptive field.
    """
    tiles, source, target, weight = [_tiles(16, 32)], [], [], []
    for kind, channels, side in _VGG_LAYERS:
        tiles.append(_tiles(channels, side))
        here, before = tiles[-1], tiles[-2]
        first, base = sum(map(len, tiles[:-1])), sum(map(len, tiles[:-2]))
        for j, tile in enumerate(here):
            field = _field(kind, tile)
            low = np.maximum(before[:, ::2], field[None, ::2])
            high = np.minimum(before[:, 1::2], field[None, 1::2])
            shared = np.maximum(high - low, 0).prod(axis=1)
            for i in np.flatnonzero(shared):
                source.append(base + i)
                target.append(first + j)
                weight.append(shared[i])
    return problem_of_pairs(grid_chip(18, 18), sum(map(len, tiles)), source, target, weight)


_VGG_LAYERS = [
    ("conv", 16, 32),
    ("pool", 16, 16),
    *[("conv", 32, 16)] * 2,
    ("pool", 32, 8),
    *[("conv", 64, 8)] * 3,
    ("pool", 64, 4),
    *[("conv", 128, 4)] * 3,
    ("pool", 128, 2),
    *[("conv", 128, 2)] * 3,
    ("pool", 128, 1),
    ("dense", 128, 1),
    ("dense", 128, 1),
    ("dense", 10, 1),
]
_ALL = 1 << 20


def _tiles(channels: int, side: int) -> np.ndarray:
    """(n_tiles, 6): first and stop row, first and stop column, first and stop channel."""
    edge = min(side, 4)
    depth = min(channels, 256 // edge**2)
    corners = product(range(0, side, edge), range(0, side, edge), range(0, channels, depth))
    return np.array(
        [(y, y + edge, x, x + edge, c, min(c + depth, channels)) for y, x, c in corners], np.int64
    )


def _field(kind: str, tile: np.ndarray) -> np.ndarray:
    """What a tile hears of the layer before, in the same six columns."""
    y0, y1, x0, x1, c0, c1 = tile
    if kind == "conv":
        return np.array([y0 - 1, y1 + 1, x0 - 1, x1 + 1, 0, _ALL])
    if kind == "pool":
        return np.array([2 * y0, 2 * y1, 2 * x0, 2 * x1, c0, c1])
    return np.array([0, _ALL, 0, _ALL, 0, _ALL])


def local_traffic(side: int, seed: int) -> PlacementProblem:
    """side**2 cores of 256 neurons on a sheet; each neuron reaches 32 others, 8 steps away or so.

    4,096 cores (side 64) stand for a million neurons. Cores are renumbered at random.
    """
    rng = np.random.default_rng(seed)
    n_cores, sample = side * side, 1024  # targets drawn per core, each for 256 * 32 / 1024 packets
    core = np.repeat(np.arange(n_cores), sample)
    y, x = (16 * place + rng.integers(0, 16, core.size) for place in divmod(core, side))
    reach = [np.clip(np.rint(a + rng.normal(0, 8, core.size)), 0, 16 * side - 1) for a in (y, x)]
    heard = (reach[0] // 16 * side + reach[1] // 16).astype(np.int64)
    number = rng.permutation(n_cores)
    packets = np.full(core.size, 256 * 32 // sample)
    return problem_of_pairs(grid_chip(side, side), n_cores, number[core], number[heard], packets)


def brute_force_distance(problem: PlacementProblem) -> float:
    """Least distance over every placement; only for a handful of cores."""
    return min(
        placement_cost(problem, np.array(routers, np.int64)).distance
        for routers in permutations(problem.usable.tolist(), problem.n_cores)
    )


def brute_force_square(problem: PlacementProblem) -> int:
    """Least packets x steps on a full 3x3 mesh, over every order.

    The square looks the same from its eight sides: core 0 need only be tried on a corner, an edge
    and the centre.
    """
    flow = np.zeros((9, 9), np.int64)
    flow[problem.nets.source, problem.nets.target] = problem.nets.weight
    one, two = np.triu_indices(9, 1)
    return int(((flow + flow.T)[one, two] @ _square_steps()).min())


@cache
def _square_steps() -> np.ndarray:
    """(36, n_orders) steps between every two cores, for every order that has to be tried."""
    place = np.arange(9)
    steps = np.abs(place[:, None] % 3 - place % 3) + np.abs(place[:, None] // 3 - place // 3)
    orders = np.array([o for o in permutations(range(9)) if o[0] in (0, 1, 4)])
    one, two = np.triu_indices(9, 1)
    return np.array([steps[orders[:, i], orders[:, j]] for i, j in zip(one, two, strict=True)])
