"""Integer connections between layers: connectivity as a function of indices.

Neurons of a layer are numbered row-major over its shape. A connection never stores more than
its own weights: `block` builds the weights between chosen sources and targets when a core needs
them, `apply` computes the sums for a whole layer (for the reference executor).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError
from neurosim_mapper._block_kernel import fill_conv_block
from neurosim_mapper.nodes import window_out

Index: TypeAlias = npt.NDArray[np.int64]
IntArray: TypeAlias = npt.NDArray[np.int64]

_EXACT_FLOAT: Final = 1 << 53  # every integer up to here has its own float64


@dataclass(frozen=True)
class Connection(ABC):
    """Weights from the neurons of one layer (or the input) to those of another."""

    @property
    @abstractmethod
    def n_sources(self) -> int:
        """Size of the source layer."""

    @property
    @abstractmethod
    def n_targets(self) -> int:
        """Size of the target layer."""

    @property
    def weight_abs_max(self) -> int:
        """Largest weight magnitude."""
        mine: Any = self
        return int(np.abs(mine.weight).max(initial=0))

    @abstractmethod
    def apply(self, values: IntArray) -> IntArray:
        """Summed inputs (n_samples, n_targets) for values (n_samples, n_sources)."""

    @abstractmethod
    def sources_of(self, targets: Index) -> Index:
        """Sorted distinct sources that reach any of `targets`."""

    @abstractmethod
    def block(self, sources: Index, targets: Index) -> IntArray:
        """Weights (len(sources), len(targets)); 0 where nothing is connected."""

    @abstractmethod
    def positive_negative_sums(self) -> tuple[IntArray, IntArray]:
        """Per target, the sum of positive and of negative weights: what bounds its input."""

    def with_ones(self) -> Connection:
        """The same wiring, every weight other than 0 a 1: it counts synapses."""
        mine: Any = self
        counting: Connection = replace(mine, weight=(mine.weight != 0).astype(np.int64))
        return counting

    @property
    def n_weights(self) -> int:
        """Weights that are stored; those of a kernel count once."""
        mine: Any = self
        return int(mine.weight.size)


def _frozen(array: npt.ArrayLike) -> IntArray:
    result = np.array(array, dtype=np.int64)
    result.setflags(write=False)
    return result


def _carrier(values: IntArray, terms: int, weight_abs_max: int) -> type[np.float64 | np.int64]:
    """The number type for a sum of `terms` products: float64 where that is exact (it is faster).

    No partial sum leaves the integers that float64 represents, so the order of the additions
    inside a matrix library does not matter.
    """
    bound = int(np.abs(values).max(initial=0)) * weight_abs_max * terms
    return np.float64 if bound < _EXACT_FLOAT else np.int64


@dataclass(frozen=True)
class DenseConnection(Connection):
    """All to all; `weight` (n_targets, n_sources)."""

    weight: IntArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _frozen(self.weight))
        if self.weight.ndim != 2:
            raise InputFileError(
                f"DenseConnection.weight has shape {self.weight.shape}; 2 axes are needed."
            )

    @property
    def n_sources(self) -> int:
        """Columns of the weight matrix."""
        return int(self.weight.shape[1])

    @property
    def n_targets(self) -> int:
        """Rows of the weight matrix."""
        return int(self.weight.shape[0])

    def apply(self, values: IntArray) -> IntArray:
        """One exact matrix product."""
        kind = _carrier(values, self.n_sources, self.weight_abs_max)
        return (values.astype(kind) @ self.weight.T.astype(kind)).astype(np.int64)

    def sources_of(self, targets: Index) -> Index:
        """Every source with a weight other than 0."""
        return np.flatnonzero((self.weight[targets] != 0).any(axis=0))

    def block(self, sources: Index, targets: Index) -> IntArray:
        """The transposed sub-matrix."""
        return self.weight[np.ix_(targets, sources)].T

    def positive_negative_sums(self) -> tuple[IntArray, IntArray]:
        """Row sums of the positive and of the negative weights."""
        return np.maximum(self.weight, 0).sum(axis=1), np.minimum(self.weight, 0).sum(axis=1)


@dataclass(frozen=True)
class DiagonalConnection(Connection):
    """One to one; `weight` (n_neurons,)."""

    weight: IntArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _frozen(self.weight))
        if self.weight.ndim != 1:
            raise InputFileError(
                f"DiagonalConnection.weight has shape {self.weight.shape}; 1 axis is needed."
            )

    @property
    def n_sources(self) -> int:
        """As many as weights."""
        return int(self.weight.shape[0])

    @property
    def n_targets(self) -> int:
        """As many as weights."""
        return int(self.weight.shape[0])

    def apply(self, values: IntArray) -> IntArray:
        """Elementwise product."""
        return values * self.weight

    def sources_of(self, targets: Index) -> Index:
        """The same indices, without those of weight 0."""
        distinct = np.unique(targets)
        sources: Index = distinct[self.weight[distinct] != 0]
        return sources

    def block(self, sources: Index, targets: Index) -> IntArray:
        """The weight where source and target are the same index."""
        same = np.asarray(sources)[:, None] == np.asarray(targets)[None, :]
        block: IntArray = np.where(same, self.weight[targets][None, :], 0)
        return block

    def positive_negative_sums(self) -> tuple[IntArray, IntArray]:
        """The weights themselves, parted by sign."""
        return np.maximum(self.weight, 0), np.minimum(self.weight, 0)


@dataclass(frozen=True)
class SparseConnection(Connection):
    """Any wiring, as compressed rows: the synapses of one target lie side by side.

    Attributes
    ----------
    offset : (n_targets + 1,) first synapse of each target.
    source : (n_synapses,) source index of each synapse; several of one pair add up.
    weight : (n_synapses,).
    source_count : size of the source layer.
    """

    offset: Index
    source: Index
    weight: IntArray
    source_count: int

    def __post_init__(self) -> None:
        for name in ("offset", "source", "weight"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        n_synapses = len(self.weight)
        if (
            self.offset.ndim != 1
            or len(self.offset) < 1
            or self.offset[0] != 0
            or self.offset[-1] != n_synapses
            or (np.diff(self.offset) < 0).any()
            or self.source.shape != (n_synapses,)
        ):
            raise InputFileError(
                f"SparseConnection has {n_synapses} weights, {len(self.source)} sources and "
                "offsets that do not rise from 0 to the number of weights."
            )
        if n_synapses and not (0 <= self.source.min() <= self.source.max() < self.source_count):
            raise InputFileError(
                f"SparseConnection names sources {self.source.min()}..{self.source.max()}; "
                f"the source layer has {self.source_count} neurons."
            )

    @property
    def n_sources(self) -> int:
        """Size of the source layer."""
        return self.source_count

    @property
    def n_targets(self) -> int:
        """Number of rows."""
        return len(self.offset) - 1

    @property
    def weight_abs_max(self) -> int:
        """Largest magnitude of a synapse; the sum, where several synapses join one pair."""
        merged = _merged(self._row_of_synapse * self.source_count + self.source, self.weight)
        return int(np.abs(merged).max(initial=0))

    def apply(self, values: IntArray) -> IntArray:
        """Differences of a running sum over the synapses, one row of values at a time."""
        out = np.empty((len(values), self.n_targets), np.int64)
        for row, result in zip(values, out, strict=True):
            result[:] = self._row_sums(row[self.source] * self.weight)
        return out

    def sources_of(self, targets: Index) -> Index:
        """Sources of synapses that do not cancel out."""
        sources, columns, weights = self._synapses_of(np.unique(targets))
        pairs, first = np.unique(columns * self.source_count + sources, return_index=True)
        del pairs
        merged = _merged(columns * self.source_count + sources, weights)
        return np.unique(sources[first[merged != 0]])

    def block(self, sources: Index, targets: Index) -> IntArray:
        """Weights scattered into a dense block."""
        out = np.zeros((len(sources), len(targets)), np.int64)
        if not len(sources):
            return out
        source, column, weight = self._synapses_of(np.asarray(targets))
        order = np.argsort(sources)
        place = np.minimum(np.searchsorted(sources, source, sorter=order), len(sources) - 1)
        row = order[place]
        wanted = np.asarray(sources)[row] == source
        np.add.at(out, (row[wanted], column[wanted]), weight[wanted])
        return out

    def positive_negative_sums(self) -> tuple[IntArray, IntArray]:
        """Row sums by sign."""
        return (
            self._row_sums(np.maximum(self.weight, 0)),
            self._row_sums(np.minimum(self.weight, 0)),
        )

    @property
    def _row_of_synapse(self) -> Index:
        return np.repeat(np.arange(self.n_targets), np.diff(self.offset))

    def _row_sums(self, per_synapse: IntArray) -> IntArray:
        running = np.concatenate([[0], np.cumsum(per_synapse)])
        sums: IntArray = running[self.offset[1:]] - running[self.offset[:-1]]
        return sums

    def _synapses_of(self, targets: Index) -> tuple[Index, Index, IntArray]:
        """Source, position in `targets` and weight of every synapse of these targets."""
        length = self.offset[targets + 1] - self.offset[targets]
        column = np.repeat(np.arange(len(targets)), length)
        first = np.repeat(self.offset[targets] - (np.cumsum(length) - length), length)
        synapse = first + np.arange(len(column))
        return self.source[synapse], column, self.weight[synapse]


def _merged(key: Index, weight: IntArray) -> IntArray:
    """Sums of the weights that share a key, in the order of the sorted keys."""
    _, place = np.unique(key, return_inverse=True)
    total = np.zeros(int(place.max(initial=-1)) + 1, np.int64)
    np.add.at(total, place, weight)
    return total


@dataclass(frozen=True)
class ConvConnection(Connection):
    """Cross-correlation of an image, as a function of indices; nothing is unrolled.

    Layers with one space axis are images of height 1. Sum pooling is the depthwise case, see
    `pool_connection`.

    Attributes
    ----------
    weight : (c_out, c_in / groups, kernel height, kernel width).
    in_shape : (c_in, height, width) of the source layer.
    stride, dilation : (vertical, horizontal).
    padding : ((top, bottom), (left, right)), zeros.
    groups : output channel c sees the input channels of its group only.
    """

    weight: IntArray
    in_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _frozen(self.weight))
        if (
            self.weight.ndim != 4
            or self.groups < 1
            or self.weight.shape[0] % self.groups
            or self.weight.shape[1] * self.groups != self.in_shape[0]
        ):
            raise InputFileError(
                f"ConvConnection.weight of shape {self.weight.shape} with {self.groups} groups "
                f"does not fit an image of shape {self.in_shape}."
            )
        _ = self.out_shape

    @cached_property
    def out_shape(self) -> tuple[int, int, int]:
        """(c_out, height, width) of the target layer."""
        high, wide = window_out(
            self.in_shape[1:], self.weight.shape[2:], self.stride, self.padding, self.dilation
        )
        return (int(self.weight.shape[0]), high, wide)

    @property
    def n_sources(self) -> int:
        """Elements of the source image."""
        return int(np.prod(self.in_shape))

    @property
    def n_targets(self) -> int:
        """Elements of the result."""
        return int(np.prod(self.out_shape))

    @property
    def fan_in(self) -> int:
        """Most sources of one target."""
        return int(np.prod(self.weight.shape[1:]))

    def apply(self, values: IntArray) -> IntArray:
        """One exact matrix product per kernel position."""
        kind = _carrier(values, self.fan_in, self.weight_abs_max)
        image = values.reshape(len(values), *self.in_shape).astype(kind)
        image = np.pad(image, ((0, 0), (0, 0), *self.padding))
        c_out, high, wide = self.out_shape
        taps = np.moveaxis(self.weight, (2, 3), (0, 1)).astype(kind, order="C")
        out: npt.NDArray[Any] = np.zeros(
            (len(values), self.groups, c_out // self.groups, high * wide), kind
        )
        for ky in range(self.weight.shape[2]):
            rows = _tap(ky, high, self.stride[0], self.dilation[0])
            for kx in range(self.weight.shape[3]):
                columns = _tap(kx, wide, self.stride[1], self.dilation[1])
                part = image[:, :, rows, columns].reshape(len(values), self.groups, -1, high * wide)
                out += taps[ky, kx].reshape(self.groups, c_out // self.groups, -1) @ part
        return out.reshape(len(values), -1).astype(np.int64)

    def sources_of(self, targets: Index) -> Index:
        """Sources inside the windows, without those that meet only weights of 0."""
        channel, y, x = np.unravel_index(np.unique(targets), self.out_shape)
        marked = np.zeros(self.in_shape, dtype=bool)
        per_group = self.weight.shape[1]
        for channels, places in _equal_places(channel, y * self.out_shape[2] + x):
            used = self._used_taps(channels)
            for group in np.unique(channels // (self.out_shape[0] // self.groups)):
                part = marked[group * per_group : (group + 1) * per_group]
                self._mark(part, used[group], *np.divmod(places, self.out_shape[2]))
        return np.flatnonzero(marked)

    def block(self, sources: Index, targets: Index) -> IntArray:
        """Looked up in the kernel; 0 for pairs that do not meet."""
        block = np.zeros((len(sources), len(targets)), np.int64)
        fill_conv_block(
            self._taps,
            np.array(np.unravel_index(sources, self.in_shape), np.int64),
            np.array(np.unravel_index(targets, self.out_shape), np.int64),
            self._kernel_rows,
            self._kernel_columns,
            np.array([self.weight.shape[1], self.out_shape[0] // self.groups], np.int64),
            block,
        )
        return block

    def positive_negative_sums(self) -> tuple[IntArray, IntArray]:
        """Sums over the part of the window that lies inside the image."""
        rows = _inside(self._kernel_rows, self.weight.shape[2])
        columns = _inside(self._kernel_columns, self.weight.shape[3])
        positive = np.maximum(self.weight, 0).sum(axis=1)
        negative = np.minimum(self.weight, 0).sum(axis=1)
        return (
            np.einsum("ckl,yk,xl->cyx", positive, rows, columns, optimize=True).reshape(-1),
            np.einsum("ckl,yk,xl->cyx", negative, rows, columns, optimize=True).reshape(-1),
        )

    @cached_property
    def _taps(self) -> npt.NDArray[np.int16] | IntArray:
        """(kernel height, kernel width, c_in / groups, c_out), as narrow as the weights allow."""
        kind = np.int16 if self.weight_abs_max < 1 << 15 else np.int64
        return np.ascontiguousarray(self.weight.transpose(2, 3, 1, 0).astype(kind))

    @cached_property
    def _kernel_rows(self) -> Index:
        """(in, out) kernel row that joins input row i with output row j, else the kernel size."""
        return _kernel_index(self, 0)

    @cached_property
    def _kernel_columns(self) -> Index:
        """The same for columns."""
        return _kernel_index(self, 1)

    def _used_taps(self, channels: Index) -> dict[int, npt.NDArray[np.bool_]]:
        """Per group, which (input channel, ky, kx) any of these output channels uses."""
        group = channels // (self.out_shape[0] // self.groups)
        return {
            int(g): (self.weight[channels[group == g]] != 0).any(axis=0) for g in np.unique(group)
        }

    def _mark(
        self, part: npt.NDArray[np.bool_], used: npt.NDArray[np.bool_], y: Index, x: Index
    ) -> None:
        """Set the sources of the windows at (y, x) in `part`, (channels of the group, h, w)."""
        for ky, kx in np.argwhere(used.any(axis=0)):
            row = y * self.stride[0] + ky * self.dilation[0] - self.padding[0][0]
            column = x * self.stride[1] + kx * self.dilation[1] - self.padding[1][0]
            inside = (row >= 0) & (row < part.shape[1]) & (column >= 0) & (column < part.shape[2])
            channels = np.flatnonzero(used[:, ky, kx])
            part[channels[:, None], row[inside][None, :], column[inside][None, :]] = True


def pool_connection(
    in_shape: tuple[int, int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0)),
    weight: npt.ArrayLike = 1,
) -> ConvConnection:
    """Sum pooling times `weight` (a number, or one per channel): a depthwise convolution.

    Stores one kernel per channel. Followed by a spiking neuron with threshold 1 and no memory it
    is the maximum (OR) of spikes.
    """
    per_channel = np.broadcast_to(np.asarray(weight, np.int64), (in_shape[0],))
    kernels = np.broadcast_to(per_channel[:, None, None, None], (in_shape[0], 1, *kernel))
    return ConvConnection(kernels, in_shape, stride, padding, groups=in_shape[0])


def _tap(k: int, n_out: int, stride: int, dilation: int) -> slice:
    """Positions in the padded axis that kernel index `k` visits."""
    first = k * dilation
    return slice(first, first + stride * (n_out - 1) + 1, stride)


def _kernel_index(conv: ConvConnection, axis: int) -> Index:
    n_in, n_out = conv.in_shape[1 + axis], conv.out_shape[1 + axis]
    start = np.arange(n_out) * conv.stride[axis] - conv.padding[axis][0]
    distance = np.arange(n_in)[:, None] - start[None, :]
    index, rest = np.divmod(distance, conv.dilation[axis])
    meets = (rest == 0) & (index >= 0) & (index < conv.weight.shape[2 + axis])
    kernel_index: Index = np.where(meets, index, conv.weight.shape[2 + axis])
    return kernel_index


def _inside(kernel_index: Index, n_kernel: int) -> IntArray:
    """1 where kernel index k of output j meets the image, (n_out, n_kernel)."""
    meets = (kernel_index[:, :, None] == np.arange(n_kernel)).any(axis=0)
    return np.asarray(meets, dtype=np.int64)


def _equal_places(channel: Index, place: Index) -> list[tuple[Index, Index]]:
    """Channels with the same set of places, together with these places.

    A tile is nearly always a product of channels and places: then this is one entry.
    """
    found: dict[bytes, tuple[list[int], Index]] = {}
    if not len(channel):
        return []
    first = np.flatnonzero(np.diff(channel, prepend=-1))
    for part, c in zip(np.split(place, first[1:]), channel[first], strict=True):
        found.setdefault(part.tobytes(), ([], part))[0].append(int(c))
    return [(np.asarray(channels), places) for channels, places in found.values()]
