"""How many axons a box of neurons needs, from shapes alone.

A layer's neurons form an image (channels, rows, columns); a tile is a box of it. For dense layers,
convolutions (pooling included) and one-to-one wiring the number of sources that a box hears is a
product of three numbers, one per axis, so it is known for every box and every position without a
look at a weight. Weights of 0 can only lower it. Irregular wiring is looked up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import pairwise
from math import prod
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from neurosim_mapper.connections import (
    Connection,
    ConvConnection,
    DenseConnection,
    DiagonalConnection,
    Index,
)
from neurosim_mapper.linear_maps import ConvMap, DenseMap, DiagonalMap

if TYPE_CHECKING:
    from neurosim_mapper.quantized import QuantizedLayer

Box: TypeAlias = tuple[int, int, int]
Spans: TypeAlias = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
Edges: TypeAlias = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]

_DENSE_SHARE = 0.5  # below this share of weights other than 0 a connection is looked up


class Reach(ABC):
    """Sources that boxes of one layer hear through one projection."""

    @abstractmethod
    def axons(self, edges: Edges) -> tuple[int, int]:
        """(most axons of a tile, axons of all tiles) for the grid of tiles cut at `edges`."""

    def classes(self, edges: Edges) -> dict[int, int]:
        """How many tiles have how many axons, ``{axons: tiles}``; at worst all the most."""
        return {self.axons(edges)[0]: prod(len(cut) - 1 for cut in edges)}


@dataclass(frozen=True)
class ProductReach(Reach):
    """Sources = channels heard x rows heard x columns heard."""

    axes: tuple[Axis, Axis, Axis]
    kernel: tuple[int, int] | None = field(default=None, kw_only=True)
    """Of a convolution: source channels of a neuron, and weights for each."""

    def axons(self, edges: Edges) -> tuple[int, int]:
        """Products over the axes: of the largest, and of the sums."""
        heard = [axis.of_grid(cut) for axis, cut in zip(self.axes, edges, strict=True)]
        return prod(most for most, _ in heard), prod(total for _, total in heard)

    def classes(self, edges: Edges) -> dict[int, int]:
        """Products of the numbers that occur along the axes: tiles at borders hear less."""
        result = {1: 1}
        for axis, cut in zip(self.axes, edges, strict=True):
            joined: Counter[int] = Counter()
            for size, tiles in result.items():
                for heard, runs in axis.counts(cut).items():
                    joined[size * heard] += tiles * runs
            result = dict(joined)
        return result


@dataclass(frozen=True)
class ConvReach(ProductReach):
    """A convolution that needs no look at single synapses to tell the sources of a box."""

    conv: ConvConnection
    _unused: dict[tuple[int, int], bool] = field(default_factory=dict, compare=False)

    def sources(self, spans: Spans) -> Index | None:
        """Sorted sources of a box; None where weights of 0 would leave some of them out."""
        (c0, c1), (y0, y1), (x0, x1) = spans
        if (c0, c1) not in self._unused:
            # One group at a time: a channel of another group has weights for other sources.
            per_group = self.conv.weight.shape[0] // self.conv.groups
            cuts = [c0, *range((c0 // per_group + 1) * per_group, c1, per_group), c1]
            self._unused[c0, c1] = any(
                bool((self.conv.weight[a:b] == 0).all(axis=0).any()) for a, b in pairwise(cuts)
            )
        if self._unused[c0, c1]:
            return None
        channels, rows, columns = (
            axis.positions(a, b)
            for axis, (a, b) in zip(self.axes, ((c0, c1), (y0, y1), (x0, x1)), strict=True)
        )
        _, high, wide = self.conv.in_shape
        grid = (channels[:, None, None] * high + rows[:, None]) * wide + columns
        return grid.reshape(-1)


@dataclass(frozen=True)
class ExactReach(Reach):
    """Asks the connection about the tile in the middle."""

    connection: Connection
    shape: Box

    def axons(self, edges: Edges) -> tuple[int, int]:
        """The middle tile, times the number of tiles."""
        counts = [len(cut) - 1 for cut in edges]
        spans = [(cut[n // 2], cut[n // 2 + 1]) for cut, n in zip(edges, counts, strict=True)]
        corner = (spans[0][0], spans[1][0], spans[2][0])
        size = tuple(b - a for a, b in spans)
        found = self.connection.sources_of(box_neurons(self.shape, corner, size)).size
        return int(found), int(found) * counts[0] * counts[1] * counts[2]


@dataclass(frozen=True, eq=False)
class Axis:
    """One axis of a product: how many source positions the targets `a`..`b` - 1 hear.

    Axes that hear the same positions are equal.
    """

    hears: npt.NDArray[np.bool_] | None  # (n_targets, n_sources); None: `constant`, or one to one
    constant: int = 0
    per_position: int = 1
    _known: dict[tuple[int, int], int] = field(default_factory=dict, compare=False)
    _grids: dict[int, dict[int, int]] = field(default_factory=dict, compare=False)
    _sums: dict[int, tuple[int, int]] = field(default_factory=dict, compare=False)

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        heard = None if self.hears is None else (self.hears.shape, self.hears.tobytes())
        return heard, self.constant, self.per_position

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Axis) and self._key == other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def of_grid(self, cut: tuple[int, ...]) -> tuple[int, int]:
        """(most of one run, all runs) for runs of equal size, as `cut_edges` makes them."""
        found = self._sums.get(len(cut))
        if found is None:
            counts = self.counts(cut)
            found = max(counts), sum(heard * runs for heard, runs in counts.items())
            self._sums[len(cut)] = found
        return found

    def counts(self, cut: tuple[int, ...]) -> dict[int, int]:
        """``{sources: runs that hear so many}``."""
        found = self._grids.get(len(cut))
        if found is None:
            found = self._grids[len(cut)] = dict(
                sorted(Counter(self.heard(a, b) for a, b in pairwise(cut)).items())
            )
        return found

    def heard(self, a: int, b: int) -> int:
        """Distinct sources of a run of targets."""
        if self.hears is None:
            return self.constant or (b - a)
        if self._ends is not None:
            begun, ended = self._ends
            return (begun[b] - ended[a]) * self.per_position
        found = self._known.get((a, b))
        if found is None:
            found = int(self.hears[a:b].any(axis=0).sum()) * self.per_position
            self._known[a, b] = found
        return found

    @cached_property
    def _ends(self) -> tuple[list[int], list[int]] | None:
        """Sources that targets before `t` are the first, the last to hear; each (n_targets + 1,).

        None unless every source is heard by consecutive targets: then the difference says how many
        a run hears.
        """
        assert self.hears is not None
        n = self.hears.shape[0]
        heard = self.hears[:, self.hears.any(axis=0)]
        first = heard.argmax(axis=0)
        behind = n - heard[::-1].argmax(axis=0)
        if (behind - first != heard.sum(axis=0)).any():
            return None
        begun, ended = (np.bincount(at, minlength=n + 1) for at in (first, behind))
        return [0, *np.cumsum(begun)[:n].tolist()], np.cumsum(ended).tolist()

    def positions(self, a: int, b: int) -> Index:
        """Those sources, ascending."""
        assert self.hears is not None
        heard = np.flatnonzero(self.hears[a:b].any(axis=0)) * self.per_position
        return (heard[:, None] + np.arange(self.per_position)).reshape(-1)


def image_shape(layer: QuantizedLayer) -> Box:
    """The layer as (channels, rows, columns): that of its convolution if it has one."""
    for projection in layer.projections:
        shape = getattr(projection.connection, "out_shape", None)
        if shape is not None:
            return int(shape[0]), int(shape[1]), int(shape[2])
    return as_image(layer.shape)


def as_image(shape: tuple[int, ...]) -> Box:
    """A flat layer is a column of channels; axes between the first and the last are rows."""
    padded = (*shape, 1, 1)[: max(3, len(shape))]
    return padded[0], int(np.prod(padded[1:-1])), padded[-1]


def reach_of(connection: Any, shape: Box) -> Reach:
    """The reach of a `Connection`, or of a linear map with the same fields."""
    if isinstance(connection, Connection) and not _is_full(connection):
        return ExactReach(connection, shape)
    if isinstance(connection, ConvConnection | ConvMap) and connection.out_shape == shape:
        return _conv_reach(connection)
    if isinstance(connection, DiagonalConnection | DiagonalMap):
        return ProductReach((Axis(None), Axis(None), Axis(None)))
    if isinstance(connection, DenseConnection | DenseMap):
        return ProductReach((Axis(None, connection.weight.shape[1]), Axis(None, 1), Axis(None, 1)))
    return ExactReach(connection, shape)


def _is_full(connection: Connection) -> bool:
    """True where so few weights are 0 that shapes alone tell the axons of a tile."""
    weight = getattr(connection, "weight", None)
    if weight is None or not isinstance(
        connection, ConvConnection | DiagonalConnection | DenseConnection
    ):
        return False
    return bool(np.count_nonzero(weight) >= _DENSE_SHARE * np.size(weight))


def _conv_reach(conv: Any) -> ProductReach:
    c_out = conv.weight.shape[0]
    group = np.arange(c_out) // (c_out // conv.groups)
    channels = group[:, None] == np.arange(conv.groups)[None, :]
    axes = [Axis(channels, per_position=conv.weight.shape[1])]
    for axis in (0, 1):
        n_in, n_out = conv.in_shape[1 + axis], conv.out_shape[1 + axis]
        start = np.arange(n_out) * conv.stride[axis] - conv.padding[axis][0]
        at = start[:, None] + np.arange(conv.weight.shape[2 + axis]) * conv.dilation[axis]
        axes.append(Axis((at[:, :, None] == np.arange(n_in)).any(axis=1)))
    three = (axes[0], axes[1], axes[2])
    kernel = int(conv.weight.shape[1]), int(conv.weight.shape[2] * conv.weight.shape[3])
    if isinstance(conv, ConvConnection):
        return ConvReach(three, conv, kernel=kernel)
    return ProductReach(three, kernel=kernel)


@dataclass(frozen=True)
class Geometry:
    """Shape of a layer and the reach of each of its projections."""

    name: str
    shape: Box
    reaches: tuple[Reach, ...]

    @cached_property
    def n_neurons(self) -> int:
        """Neurons of the layer."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    def products(self) -> Geometry | None:
        """The same without name and weights, equal for equal layers; None with irregular wiring."""
        reaches = [r for r in self.reaches if isinstance(r, ProductReach)]
        if len(reaches) < len(self.reaches):
            return None
        bare = tuple(ProductReach(r.axes, kernel=r.kernel) for r in reaches)
        return Geometry("", self.shape, bare)

    def classes(self, edges: Edges) -> dict[int, int]:
        """``{axons: tiles}``; tiles are told apart by their border if there is one projection."""
        if len(self.reaches) == 1:
            return self.reaches[0].classes(edges)
        return {self.axons(edges)[0]: prod(len(cut) - 1 for cut in edges)}

    def kernel_weights(self, box: Box, fragments: int) -> int | None:
        """Weights of the kernels that a fragment of a box needs; None if not all is convolved."""
        total = 0
        for reach in self.reaches:
            if not isinstance(reach, ProductReach) or reach.kernel is None:
                return None
            channels, weights = reach.kernel
            if fragments > 1:
                heard = reach.axes[0].heard(0, box[0])
                channels = min(channels, -(-heard // fragments) + 1)
            total += channels * weights * box[0]
        return total

    def axons(self, edges: Edges) -> tuple[int, int]:
        """(most of a tile, all tiles), summed over the projections: an upper bound."""
        found = [reach.axons(edges) for reach in self.reaches]
        return sum(f[0] for f in found), sum(f[1] for f in found)

    @property
    def axons_per_neuron(self) -> int:
        """Most axons that a single neuron of the layer needs."""
        channels, rows, columns = (tuple(range(n + 1)) for n in self.shape)
        return self.axons((channels, rows, columns))[0]


def layer_geometry(layer: QuantizedLayer) -> Geometry:
    """Geometry of an integer layer."""
    shape = image_shape(layer)
    return Geometry(
        layer.name, shape, tuple(reach_of(p.connection, shape) for p in layer.projections)
    )


def cut_edges(n: int, size: int) -> tuple[int, ...]:
    """Cuts of 0..n into runs of at most `size`, equal to within one."""
    return _equal_cuts(n, -(-n // size))


@lru_cache(maxsize=4096)
def _equal_cuts(n: int, count: int) -> tuple[int, ...]:
    return tuple(n * i // count for i in range(count + 1))


def box_neurons(shape: Box, corner: tuple[int, ...], size: tuple[int, ...]) -> Index:
    """Numbers of the neurons in a box, ascending."""
    c, y, x = (np.arange(a, a + n) for a, n in zip(corner, size, strict=True))
    grid = (c[:, None, None] * shape[1] + y[None, :, None]) * shape[2] + x[None, None, :]
    return grid.reshape(-1).astype(np.int64)
