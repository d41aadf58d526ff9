"""Candidate tiles of one layer: box shapes, how many cores they need, and what rejects the others.

A candidate is a grid of equal boxes; a box whose fan-in exceeds a core is cut into fragments
(`psum_hw`). Cost, in units of one core: the cores it fills, a share for every axon (a copy of an
input that the network has to carry), a share for every partial sum, a little for every piece.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Final, TypeAlias

import numpy as np

from neurosim_mapper.partition.geometry import Box, Edges, Geometry, cut_edges
from neurosim_mapper.partition.limits import NOT_SHARED, CoreLimits

AXON_WEIGHT: Final = 0.02  # cost of a core's worth of axons
PSUM_WEIGHT: Final = 0.02  # cost of a core's worth of partial sums
PIECE_WEIGHT: Final = 0.005  # cost of a further piece: one more place that its inputs travel to
_KEPT: Final = 64  # candidates per layer that the joint choice looks at
_STEPS: Final = 8  # kinds of pieces of a layer that packing tells apart, by axons
_SHARES: Final = np.linspace(0.0, 1.0, 9)

Pieces: TypeAlias = tuple[int, int, int, int]
"""How many equal pieces, axons and neurons of one, its memory with shared kernels in cells."""


@dataclass(frozen=True)
class Candidate:
    """Boxes of at most `box`, and the pieces of them that are to be packed.

    `items` are (how many, axons, neurons, memory with shared kernels).
    """

    box: Box
    n_tiles: int
    n_fragments: int
    items: tuple[Pieces, ...]
    total_axons: int
    total_neurons: int
    extra: float  # cost beside the cores

    @property
    def n_items(self) -> int:
        """Pieces: tiles times fragments."""
        return sum(piece[0] for piece in self.items)


@dataclass(frozen=True)
class Candidates:
    """What the search of one layer found: fitting shapes, best first, and rejections by limit."""

    name: str
    shape: Box
    kept: tuple[Candidate, ...]
    considered: int
    rejected: dict[str, int] = field(default_factory=dict)


def find_candidates(geometry: Geometry, limits: CoreLimits) -> Candidates:
    """All useful shapes of a layer; `kept` is empty if none fits."""
    products = geometry.products()
    if products is None:
        return _search(geometry, limits)
    found = _search_once(products, limits)
    return replace(found, name=geometry.name, rejected=dict(found.rejected))


@lru_cache(maxsize=128)
def _search_once(geometry: Geometry, limits: CoreLimits) -> Candidates:
    """`_search`, remembered: networks repeat their layers, and pools are priced in several ways."""
    return _search(geometry, limits)


def _search(geometry: Geometry, limits: CoreLimits) -> Candidates:
    fitting: dict[tuple[tuple[Pieces, ...], int], Candidate] = {}
    rejected: Counter[str] = Counter()
    considered = 0
    for box in _boxes(geometry.shape, limits.neurons):
        considered += 1
        for candidate in _candidates(geometry, limits, box, rejected):
            key = (candidate.items, candidate.total_axons)
            fitting.setdefault(key, candidate)
    kept = _best(list(fitting.values()), limits)
    return Candidates(
        geometry.name, geometry.shape, kept, considered, dict(sorted(rejected.items()))
    )


def edges_of(shape: Box, box: Box) -> Edges:
    """Where the boxes of a grid begin and end, per axis."""
    return (
        cut_edges(shape[0], box[0]),
        cut_edges(shape[1], box[1]),
        cut_edges(shape[2], box[2]),
    )


def _boxes(shape: Box, neurons: int) -> Iterator[Box]:
    """Box shapes that differ in the number of tiles they give, widest columns first."""
    channels, rows, columns = shape
    for co in useful_sizes(channels, neurons):
        for th in useful_sizes(rows, neurons // co):
            for tw in useful_sizes(columns, neurons // (co * th)):
                yield co, th, tw


def useful_sizes(n: int, limit: int) -> list[int]:
    """Sizes ceil(n / k) up to `limit`, largest first: one for every number of parts."""
    sizes = {-(-n // k) for k in range(max(1, -(-n // max(limit, 1))), n + 1)}
    return sorted((s for s in sizes if s <= limit), reverse=True)


def _candidates(
    geometry: Geometry, limits: CoreLimits, box: Box, rejected: Counter[str]
) -> Iterator[Candidate]:
    edges = edges_of(geometry.shape, box)
    counts = [len(cut) - 1 for cut in edges]
    n_tiles = counts[0] * counts[1] * counts[2]
    size = box[0] * box[1] * box[2]
    most, total = geometry.axons(edges)
    kernels = partial(_kernel_cells, geometry, limits, box)
    fragments = limits.fragments(most, size, partial(kernels, most))
    if not fragments:
        rejected[limits.broken(most, size)] += 1
        return
    items = _pieces(geometry.classes(edges), size, limits, kernels)
    n_pieces = sum(piece[0] for piece in items)
    psums = (n_pieces / n_tiles - 1) * geometry.n_neurons
    extra = AXON_WEIGHT * total / limits.axons + PSUM_WEIGHT * psums / limits.neurons
    extra += PIECE_WEIGHT * n_pieces
    yield Candidate(
        box,
        n_tiles,
        fragments,
        items,
        total,
        round(geometry.n_neurons * n_pieces / n_tiles),
        extra,
    )


def _kernel_cells(
    geometry: Geometry, limits: CoreLimits, box: Box, n_axons: int, fragments: int
) -> int:
    """Memory of a fragment of a box with shared kernels, in cells."""
    weights = geometry.kernel_weights(box, fragments) if limits.shares else None
    return NOT_SHARED if weights is None else weights + limits.axon_cells(-(-n_axons // fragments))


def _pieces(
    classes: dict[int, int], size: int, limits: CoreLimits, kernels: Callable[[int, int], int]
) -> tuple[Pieces, ...]:
    """Pieces of all tiles, the most frequent first; those of about equal size as one kind."""
    kinds: dict[int, list[int]] = {}  # size in steps -> [pieces, axons and kernels of the largest]
    step = max(1, limits.axons // _STEPS)
    for axons, tiles in sorted(classes.items()):
        fragments = max(1, limits.fragments(axons, size, partial(kernels, axons)))
        piece = -(-axons // fragments)
        kind = kinds.setdefault(-(-piece // step), [0, 0, 0])
        kind[0] += tiles * fragments
        kind[1] = max(kind[1], piece)
        kind[2] = max(kind[2], kernels(axons, fragments))
    rows = [(count, axons, size, shared) for count, axons, shared in kinds.values()]
    return tuple(sorted(rows, reverse=True))


def _best(found: list[Candidate], limits: CoreLimits) -> tuple[Candidate, ...]:
    """The shapes that are good alone, or good at some exchange rate of axons for neurons."""
    if not found:
        return ()
    axons = np.array([c.total_axons for c in found]) / limits.axons
    neurons = np.array([c.total_neurons for c in found]) / limits.neurons
    extra = np.array([c.extra for c in found])
    alone = np.array([c.n_items for c in found]) + extra
    tie = np.arange(len(found))
    order: dict[int, None] = {}
    ranks = [np.lexsort((tie, alone))]
    ranks += [np.lexsort((alone, s * axons + (1 - s) * neurons + extra)) for s in _SHARES]
    for place in range(len(found)):
        order.update(dict.fromkeys(int(rank[place]) for rank in ranks))
        if len(order) >= _KEPT:
            break
    first = int(ranks[0][0])
    rest = [i for i in order if i != first][: _KEPT - 1]
    return tuple(found[i] for i in (first, *rest))
