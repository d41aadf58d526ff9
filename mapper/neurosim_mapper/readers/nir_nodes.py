"""NIR nodes without a state of their own: linear maps, pooling, flattening, delays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np

from neurosim.errors import UnsupportedError
from neurosim_mapper.nodes import (
    Conv,
    Delay,
    Flatten,
    FloatArray,
    Linear,
    Node,
    Pool,
    Scale,
    Shape,
)
from neurosim_mapper.readers.fields import NodeEntry, without_leading_ones

MAX_DELAY_TICKS: Final = 1 << 20

Padding = tuple[tuple[int, int], ...]


def read_linear(entry: NodeEntry) -> Node:
    """Linear and Affine: a matrix, and a bias that is added every tick."""
    weight = without_leading_axes(entry, "weight", 2)
    bias = without_leading_axes(entry, "bias", 1) if entry.kind == "Affine" else None
    if bias is not None and bias.ndim == 0:
        bias = np.full(weight.shape[0], float(bias))
    return Linear(weight, bias)


def without_leading_axes(entry: NodeEntry, name: str, n_axes: int) -> FloatArray:
    """An array of at most `n_axes` axes once axes of size 1 in front are dropped."""
    array = entry.array(name)
    while array.ndim > n_axes and array.shape[0] == 1:
        array = array[0]
    if array.ndim > n_axes:
        raise UnsupportedError(
            f"{entry.label}: {name!r} has shape {array.shape}; only {n_axes} axes are supported."
        )
    return array


def read_scale(entry: NodeEntry) -> Node:
    """Scale: elementwise product."""
    return Scale(without_leading_ones(entry.array("scale")))


def read_convolution(entry: NodeEntry) -> Node:
    """Conv1d and Conv2d with every way to write stride, padding and dilation."""
    n_space = 1 if entry.kind == "Conv1d" else 2
    weight = entry.array("weight")
    if weight.ndim != n_space + 2:
        raise entry.fail(f"'weight' has shape {weight.shape}; needed: {n_space + 2} axes.")
    stride = entry.integers("stride", n_space) if entry.has("stride") else (1,) * n_space
    dilation = entry.integers("dilation", n_space) if entry.has("dilation") else (1,) * n_space
    bias = entry.array("bias") if entry.has("bias") else None
    if bias is not None and bias.ndim == 0:
        bias = np.full(weight.shape[0], float(bias))
    return Conv(
        weight,
        bias,
        stride,
        read_padding(entry, weight.shape[2:], stride, dilation),
        dilation,
        entry.integer("groups", 1),
    )


def read_padding(entry: NodeEntry, kernel: Shape, stride: Shape, dilation: Shape) -> Padding:
    """Zeros (before, after) per space axis from a number, a pair, "valid" or "same".

    "same" keeps the size, as in torch: the odd one of an uneven total goes behind.
    """
    value = entry.tree.get("padding")
    if isinstance(value, np.ndarray) and value.dtype == object and value.size == 1:
        value = value.ravel()[0]
    if value is None or (isinstance(value, str) and value == "valid"):
        return ((0, 0),) * len(kernel)
    if not isinstance(value, str):
        return tuple((n, n) for n in entry.integers("padding", len(kernel)))
    if value != "same":
        raise entry.fail(f"'padding' is {value!r}; known: 'same', 'valid' or whole numbers.")
    if set(stride) != {1}:
        raise entry.fail(f"'padding' is 'same' with stride {stride}; it needs stride 1.")
    totals = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return tuple((total // 2, total - total // 2) for total in totals)


def read_pool(entry: NodeEntry) -> Node:
    """SumPool2d and AvgPool2d; the average divides by the whole window."""
    kernel = entry.integers("kernel_size", 2)
    stride = entry.integers("stride", 2) if entry.has("stride") else kernel
    mode: Literal["sum", "avg"] = "sum" if entry.kind == "SumPool2d" else "avg"
    return Pool(mode, kernel, stride, read_padding(entry, kernel, stride, (1, 1)))


def read_flatten(entry: NodeEntry) -> Node:
    """Flatten; the axes of the file do not count the batch."""
    return Flatten(entry.integer("start_dim", 0), entry.integer("end_dim", -1))


LINEAR_READERS: Final[dict[str, Callable[[NodeEntry], Node]]] = {
    "Linear": read_linear,
    "Affine": read_linear,
    "Scale": read_scale,
    "Conv1d": read_convolution,
    "Conv2d": read_convolution,
    "SumPool2d": read_pool,
    "AvgPool2d": read_pool,
    "Flatten": read_flatten,
}


def delay_ticks(entry: NodeEntry, dt: float) -> dict[int, FloatArray | None]:
    """Delays in ticks of a Delay node, and for each the mask of the elements that have it.

    The mask is None where all elements share one delay. A delay is rounded to whole ticks, and
    must be within a thousandth of one.
    """
    delay = without_leading_ones(entry.array("delay")) / dt
    ticks = np.rint(delay)
    if (np.abs(delay - ticks) > 1e-3).any() or (ticks < 0).any() or (ticks > MAX_DELAY_TICKS).any():
        raise entry.fail(
            f"'delay' ranges from {float(delay.min()) * dt:g} to {float(delay.max()) * dt:g}; "
            f"whole multiples of the time step {dt:g}, 0 to {MAX_DELAY_TICKS}, are needed. "
            "Choose another dt."
        )
    different = np.unique(ticks)
    if len(different) == 1:
        return {int(different[0]): None}
    return {int(n): (ticks == n).astype(np.float64) for n in different}


def delay_chain(ticks: int, mask: FloatArray | None) -> list[Node]:
    """The nodes that delay the elements of `mask` and drop the others."""
    chain: list[Node] = [] if mask is None else [Scale(mask)]
    return [*chain, Delay(ticks)] if ticks or mask is None else chain
