"""Linear maps of the float network between neurons: what `fold` composes and `quantize` rounds.

The float twins of `connections`: a matrix, a convolution, a one-to-one product. Sources and
targets are numbered row-major. Composition is exact algebra; where the result of two
convolutions is no convolution (a border that the second one pads), it becomes a matrix if that
stays small.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim_mapper.connections import (
    Connection,
    ConvConnection,
    DenseConnection,
    DiagonalConnection,
)
from neurosim_mapper.nodes import FloatArray, window_out

MATRIX_LIMIT: Final = 1 << 24  # most elements of a matrix that a composition may create


class CompositionError(ValueError):
    """Two maps have no cheap common form; the text says why. Caught by `fold`."""


@dataclass(frozen=True)
class LinearMap(ABC):
    """``y = A x`` for flattened x."""

    @property
    @abstractmethod
    def n_in(self) -> int:
        """Size of x."""

    @property
    @abstractmethod
    def n_out(self) -> int:
        """Size of y."""

    @property
    @abstractmethod
    def values(self) -> FloatArray:
        """Every stored weight, in any order."""

    @abstractmethod
    def apply(self, x: FloatArray) -> FloatArray:
        """(n_samples, n_out) for x (n_samples, n_in)."""

    def absolute(self) -> LinearMap:
        """The same map with the magnitudes of its weights."""
        return replace(self, weight=np.abs(self.values))  # type: ignore[call-arg]

    @abstractmethod
    def row_abs_max(self) -> FloatArray:
        """Largest weight magnitude of each target, (n_out,)."""

    @abstractmethod
    def unit_groups(self) -> npt.NDArray[np.int64] | None:
        """(n_out,) equal where targets share weights; None when each has its own."""

    @abstractmethod
    def scale_rows(self, factor: FloatArray) -> LinearMap:
        """``diag(factor) A``; CompositionError if that is no map of this kind."""

    @abstractmethod
    def scale_columns(self, factor: FloatArray) -> LinearMap:
        """``A diag(factor)``; CompositionError if that is no map of this kind."""

    @abstractmethod
    def to_integers(self, unit: FloatArray) -> Connection:
        """Weights in steps of `unit` (n_out,), rounded to the nearest integer."""

    def matrix(self) -> FloatArray:
        """The map unrolled, (n_out, n_in); CompositionError if that is too large."""
        if self.n_in * self.n_out > MATRIX_LIMIT:
            raise CompositionError(
                f"unrolled they need a matrix of {self.n_out} x {self.n_in} weights"
            )
        return self.apply(np.eye(self.n_in)).T


def _rounded(weights: FloatArray, unit: FloatArray) -> npt.NDArray[np.int64]:
    return np.rint(weights / unit).astype(np.int64)


@dataclass(frozen=True)
class DenseMap(LinearMap):
    """A matrix; `weight` (n_out, n_in)."""

    weight: FloatArray

    @property
    def n_in(self) -> int:
        """Columns."""
        return int(self.weight.shape[1])

    @property
    def n_out(self) -> int:
        """Rows."""
        return int(self.weight.shape[0])

    @property
    def values(self) -> FloatArray:
        """The matrix."""
        return self.weight

    def apply(self, x: FloatArray) -> FloatArray:
        """Matrix product."""
        return np.asarray(x @ self.weight.T)

    def row_abs_max(self) -> FloatArray:
        """Per row."""
        return np.asarray(np.abs(self.weight).max(axis=1, initial=0.0))

    def unit_groups(self) -> None:
        """Rows are independent."""
        return None

    def scale_rows(self, factor: FloatArray) -> DenseMap:
        """Row by row."""
        return DenseMap(self.weight * factor[:, None])

    def scale_columns(self, factor: FloatArray) -> DenseMap:
        """Column by column."""
        return DenseMap(self.weight * factor[None, :])

    def to_integers(self, unit: FloatArray) -> DenseConnection:
        """Row by row."""
        return DenseConnection(_rounded(self.weight, unit[:, None]))

    def matrix(self) -> FloatArray:
        """The matrix itself, whatever its size."""
        return self.weight


@dataclass(frozen=True)
class DiagonalMap(LinearMap):
    """One to one; `weight` (n,)."""

    weight: FloatArray

    @property
    def n_in(self) -> int:
        """As many as weights."""
        return int(self.weight.shape[0])

    @property
    def n_out(self) -> int:
        """As many as weights."""
        return int(self.weight.shape[0])

    @property
    def values(self) -> FloatArray:
        """The diagonal."""
        return self.weight

    def apply(self, x: FloatArray) -> FloatArray:
        """Elementwise product."""
        return x * self.weight

    def row_abs_max(self) -> FloatArray:
        """Magnitudes."""
        return np.abs(self.weight)

    def unit_groups(self) -> None:
        """Targets are independent."""
        return None

    def scale_rows(self, factor: FloatArray) -> DiagonalMap:
        """Elementwise."""
        return DiagonalMap(self.weight * factor)

    def scale_columns(self, factor: FloatArray) -> DiagonalMap:
        """Elementwise."""
        return DiagonalMap(self.weight * factor)

    def to_integers(self, unit: FloatArray) -> DiagonalConnection:
        """Elementwise."""
        return DiagonalConnection(_rounded(self.weight, unit))


@dataclass(frozen=True)
class ConvMap(LinearMap):
    """A convolution; fields as in `ConvConnection`. Pooling is the depthwise case."""

    weight: FloatArray
    in_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[tuple[int, int], tuple[int, int]] = ((0, 0), (0, 0))
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    @cached_property
    def out_shape(self) -> tuple[int, int, int]:
        """(c_out, height, width)."""
        high, wide = window_out(
            self.in_shape[1:], self.weight.shape[2:], self.stride, self.padding, self.dilation
        )
        return (int(self.weight.shape[0]), high, wide)

    @property
    def n_in(self) -> int:
        """Elements of the input image."""
        return int(np.prod(self.in_shape))

    @property
    def n_out(self) -> int:
        """Elements of the result."""
        return int(np.prod(self.out_shape))

    @property
    def values(self) -> FloatArray:
        """The kernels."""
        return self.weight

    @property
    def keeps_channels(self) -> bool:
        """True if output channel c reads input channel c only."""
        return self.groups == self.in_shape[0] == int(self.weight.shape[0])

    def apply(self, x: FloatArray) -> FloatArray:
        """Sum over kernel positions."""
        image = np.pad(x.reshape(len(x), *self.in_shape), ((0, 0), (0, 0), *self.padding))
        c_out, high, wide = self.out_shape
        taps = np.ascontiguousarray(np.moveaxis(self.weight, (2, 3), (0, 1)))
        out = np.zeros((len(x), self.groups, c_out // self.groups, high * wide))
        for ky, kx in np.ndindex(*self.weight.shape[2:]):
            top, left = ky * self.dilation[0], kx * self.dilation[1]
            rows = slice(top, top + self.stride[0] * (high - 1) + 1, self.stride[0])
            columns = slice(left, left + self.stride[1] * (wide - 1) + 1, self.stride[1])
            part = image[:, :, rows, columns].reshape(len(x), self.groups, -1, high * wide)
            out += taps[ky, kx].reshape(self.groups, c_out // self.groups, -1) @ part
        return out.reshape(len(x), -1)

    def row_abs_max(self) -> FloatArray:
        """Per output channel, spread over the image."""
        per_channel = np.abs(self.weight).max(axis=(1, 2, 3), initial=0.0)
        return np.repeat(per_channel, self.out_shape[1] * self.out_shape[2])

    def unit_groups(self) -> npt.NDArray[np.int64]:
        """The output channel."""
        return np.repeat(np.arange(self.out_shape[0]), self.out_shape[1] * self.out_shape[2])

    def scale_rows(self, factor: FloatArray) -> ConvMap:
        """Per output channel."""
        per_channel = _per_channel(factor, self.out_shape)
        return replace(self, weight=self.weight * per_channel[:, None, None, None])

    def scale_columns(self, factor: FloatArray) -> ConvMap:
        """Per input channel."""
        per_channel = _per_channel(factor, self.in_shape)
        own = per_channel.reshape(self.groups, -1)
        group = np.arange(self.weight.shape[0]) // (self.weight.shape[0] // self.groups)
        return replace(self, weight=self.weight * own[group][:, :, None, None])

    def to_integers(self, unit: FloatArray) -> ConvConnection:
        """Channel by channel."""
        per_channel = _per_channel(unit, self.out_shape)
        return ConvConnection(
            _rounded(self.weight, per_channel[:, None, None, None]),
            self.in_shape,
            self.stride,
            self.padding,
            self.dilation,
            self.groups,
        )

    def ungrouped(self) -> FloatArray:
        """Kernels (c_out, c_in, height, width) with the zeros that groups leave out."""
        c_out, per_group = self.weight.shape[:2]
        full = np.zeros((c_out, self.in_shape[0], *self.weight.shape[2:]))
        for c in range(c_out):
            first = c // (c_out // self.groups) * per_group
            full[c, first : first + per_group] = self.weight[c]
        return full


def _per_channel(factor: FloatArray, shape: tuple[int, int, int]) -> FloatArray:
    image = factor.reshape(shape[0], -1)
    if (image != image[:, :1]).any():
        raise CompositionError("the factors differ inside a channel")
    return image[:, 0]


def compose(second: LinearMap, first: LinearMap) -> LinearMap:
    """The map that does `first`, then `second`. Raises CompositionError if it has no cheap form."""
    try:
        if isinstance(second, DiagonalMap):
            return first.scale_rows(second.weight)
        if isinstance(first, DiagonalMap):
            return second.scale_columns(first.weight)
        if isinstance(second, ConvMap) and isinstance(first, ConvMap):
            return _compose_convolutions(second, first)
    except CompositionError:
        if first.n_in * second.n_out > MATRIX_LIMIT:
            raise
    if second.n_out * first.n_in > MATRIX_LIMIT:
        raise CompositionError(
            f"together they need a matrix of {second.n_out} x {first.n_in} weights"
        )
    if isinstance(first, ConvMap) and isinstance(second, DenseMap):
        return DenseMap(_transposed(first, second.weight))
    return DenseMap(second.matrix() @ first.matrix())


def _transposed(conv: ConvMap, rows: FloatArray) -> FloatArray:
    """``rows @ A`` for the matrix A of `conv`: the convolution backwards, (n_rows, n_in)."""
    c_in, high, wide = conv.in_shape
    (top, bottom), (left, right) = conv.padding
    out_high, out_wide = conv.out_shape[1:]
    image = np.zeros((len(rows), c_in, top + high + bottom, left + wide + right))
    grouped = rows.reshape(len(rows), conv.groups, -1, out_high * out_wide)
    taps = np.ascontiguousarray(np.moveaxis(conv.weight, (2, 3), (0, 1)))
    for ky, kx in np.ndindex(*conv.weight.shape[2:]):
        y, x = ky * conv.dilation[0], kx * conv.dilation[1]
        kernel = taps[ky, kx].reshape(conv.groups, -1, conv.weight.shape[1])
        part = np.swapaxes(kernel, 1, 2) @ grouped
        image[
            :,
            :,
            y : y + conv.stride[0] * (out_high - 1) + 1 : conv.stride[0],
            x : x + conv.stride[1] * (out_wide - 1) + 1 : conv.stride[1],
        ] += part.reshape(len(rows), c_in, out_high, out_wide)
    return image[:, :, top : top + high, left : left + wide].reshape(len(rows), -1)


def _compose_convolutions(second: ConvMap, first: ConvMap) -> ConvMap:
    """Two convolutions as one, with a kernel that spans both windows."""
    padding = tuple(_common_padding(second, first, axis) for axis in (0, 1))
    size = [
        (second.weight.shape[2 + i] - 1) * second.dilation[i] * first.stride[i]
        + (first.weight.shape[2 + i] - 1) * first.dilation[i]
        + 1
        for i in (0, 1)
    ]
    if first.keeps_channels:
        groups, c_in = second.groups, second.weight.shape[1]
    elif second.keeps_channels:
        groups, c_in = first.groups, first.weight.shape[1]
    else:
        groups, c_in = 1, first.in_shape[0]
    kernel = np.zeros((second.weight.shape[0], c_in, *size))
    for tap in np.ndindex(*second.weight.shape[2:]):
        at = [tap[i] * second.dilation[i] * first.stride[i] for i in (0, 1)]
        for inner in np.ndindex(*first.weight.shape[2:]):
            y, x = (at[i] + inner[i] * first.dilation[i] for i in (0, 1))
            kernel[:, :, y, x] += _joined(second, first, tap, inner)
    joined = ConvMap(
        kernel,
        first.in_shape,
        (second.stride[0] * first.stride[0], second.stride[1] * first.stride[1]),
        (padding[0], padding[1]),
        groups=groups,
    )
    assert joined.out_shape == second.out_shape
    return joined


def _joined(
    second: ConvMap, first: ConvMap, tap: tuple[int, ...], inner: tuple[int, ...]
) -> FloatArray:
    """Channel products of one kernel position of each, (c_out, c_in of the joined group)."""
    a = second.weight[:, :, tap[0], tap[1]]
    b = first.weight[:, :, inner[0], inner[1]]
    if first.keeps_channels:
        own = b[:, 0].reshape(second.groups, -1)
        group = np.arange(len(a)) // (len(a) // second.groups)
        return np.asarray(a * own[group])
    if second.keeps_channels:
        return np.asarray(a * b)
    full_a = second.ungrouped()[:, :, tap[0], tap[1]]
    return np.asarray(full_a @ first.ungrouped()[:, :, inner[0], inner[1]])


def _common_padding(second: ConvMap, first: ConvMap, axis: int) -> tuple[int, int]:
    """Padding of the joined window along one axis.

    Where `second` pads the intermediate image with zeros, the joined window looks at positions of
    `first` outside of that image. They must see nothing but padding, too.
    """
    n_in, n_mid, n_out = (s[1 + axis] for s in (first.in_shape, first.out_shape, second.out_shape))
    before, after = second.padding[axis]
    stride, start = first.stride[axis], first.padding[axis][0]
    reach = (first.weight.shape[2 + axis] - 1) * first.dilation[axis]
    if (before and reach >= stride + start) or (after and n_mid * stride - start < n_in):
        raise CompositionError("the second one pads an image that the first one cuts or overlaps")
    span = (second.weight.shape[2 + axis] - 1) * second.dilation[axis] * stride + reach + 1
    top = before * stride + start
    last = (n_out - 1) * second.stride[axis] * stride + span
    return top, max(0, last - top - n_in)
