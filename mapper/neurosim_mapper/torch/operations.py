"""Operations inside a forward that are not layers: additions, slices, joins, reductions."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import torch
from torch import nn

from neurosim.errors import UnsupportedError
from neurosim_mapper.joining import placement, selection
from neurosim_mapper.nodes import Activation
from neurosim_mapper.torch.graph import Builder, Value
from neurosim_mapper.torch.modules import flatten, memoryless
from neurosim_mapper.torch.recurrent import States


def _add(builder: Builder, name: str, a: Any, b: Any) -> Value:
    if not isinstance(a, Value) or not isinstance(b, Value):
        raise UnsupportedError(
            f"{name!r} adds a constant; only values of layers can be added. Use a bias."
        )
    return builder.sum(name, builder.settled(name, a), builder.settled(name, b))


def _axis(value: Value, dim: int) -> int:
    """A torch axis as an axis of one tick's shape; -1 for the time axis, -2 for the batch."""
    n_before = 2 if value.readout is None else 1
    n_axes = n_before + len(value.shape)
    axis = dim + n_axes if dim < 0 else dim
    if value.readout is None and axis < 2:
        return -1 if axis == value.time_axis else -2
    return axis - n_before if axis >= n_before else -2


def _cat(builder: Builder, name: str, tensors: Sequence[Value], dim: int = 0) -> Value:
    """Concatenation along features or channels: each part is placed, the places add up."""
    parts = [builder.settled(name, value) for value in tensors]
    first = parts[0]
    if _axis(first, dim) != 0 or any(
        p.shape[1:] != first.shape[1:] or p.readout != first.readout for p in parts
    ):
        raise UnsupportedError(
            f"{name!r} joins values of shapes {', '.join(str(p.shape) for p in parts)} along axis "
            f"{dim}; only features, or channels of equal images, can be joined."
        )
    total, start = sum(p.shape[0] for p in parts), 0
    placed = []
    for i, part in enumerate(parts):
        placed.append(builder.add(f"{name}.{i}", placement(part.shape, total, start), part))
        start += part.shape[0]
    return replace(placed[0], sources=tuple(p.sources[0] for p in placed))


def _slice(builder: Builder, name: str, value: Any, index: Any) -> Any:
    """The last tick (``x[:, -1]``), slices of the first feature axis, parts of a pair."""
    if isinstance(value, tuple):  # sequence and states of a recurrent layer
        return value[index]
    if isinstance(value, States):
        return value.part(builder, name, index)
    items = list(index) if isinstance(index, tuple) else [index]
    whole = slice(None)
    n_before = 2 if value.readout is None else 1
    last = [whole, -1] if value.time_axis else [-1]
    if value.readout is None and items == last:
        return builder.reduce(name, value, "last")
    if Ellipsis in items:
        at = items.index(Ellipsis)
        missing = n_before + len(value.shape) - len(items) + 1
        items = [*items[:at], *[whole] * missing, *items[at + 1 :]]
    features = items[n_before : n_before + 1]
    others = items[:n_before] + items[n_before + 1 :]
    plain = features and isinstance(features[0], slice) and features[0].step in (None, 1)
    if not plain or any(item != whole for item in others):
        raise UnsupportedError(
            f"{name!r} takes a part of a value; only the last tick (x[:, -1]) and slices of "
            "features or channels are known."
        )
    value = builder.settled(name, value)
    start, stop, _ = features[0].indices(value.shape[0])
    return builder.add(name, selection(value.shape, start, stop), value)


def _reduction(how: str) -> Callable[..., Value]:
    def handler(builder: Builder, name: str, value: Value, dim: int = 1) -> Value:
        if value.readout is not None or _axis(value, dim) != -1:
            raise UnsupportedError(
                f"{name!r} reduces axis {dim}; only the time axis ({value.time_axis}) can be."
            )
        return builder.reduce(name, value, how)

    return handler


def _flatten(
    builder: Builder, name: str, value: Value, start_dim: int = 0, end_dim: int = -1
) -> Value:
    first = 2 if value.readout is None else 1
    if start_dim != first or end_dim not in (-1, first + len(value.shape) - 1):
        raise UnsupportedError(
            f"{name!r} flattens from axis {start_dim}; batch and time must stay (start at {first})."
        )
    return flatten(builder, name, value, start_dim, -1)


def _permute(builder: Builder, name: str, value: Value, *dims: Any) -> Value:
    """Batch and time change places; nothing else may move."""
    order = list(dims[0]) if len(dims) == 1 else list(dims)
    if value.readout is not None or order != [1, 0, *range(2, 2 + len(value.shape))]:
        raise UnsupportedError(
            f"{name!r} permutes axes to {order}; only batch and time may change places."
        )
    return replace(value, time_axis=1 - value.time_axis)


def _transpose(builder: Builder, name: str, value: Value, dim0: int, dim1: int) -> Value:
    order = list(range(2 + len(value.shape)))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return _permute(builder, name, value, order)


def _squeeze(builder: Builder, name: str, states: Any, dim: int = 0) -> Any:
    """The state of the only layer of a stack."""
    if not isinstance(states, States) or states.layers != 1 or dim != 0:
        raise UnsupportedError(f"{name!r} squeezes an axis; only the state of one layer can be.")
    return states.part(builder, name, 0 if states.paired else -1)


def _activation(kind: Activation) -> Callable[..., Value]:
    def handler(builder: Builder, name: str, value: Value, inplace: bool = False) -> Value:
        return memoryless(builder, name, value, kind)

    return handler


def _dropout(builder: Builder, name: str, value: Value, *_: Any, **__: Any) -> Value:
    return value


def _softmax(builder: Builder, name: str, value: Value, *_: Any, **__: Any) -> Value:
    return builder.left_to_host(name, value)


FUNCTIONS: Final[dict[Any, Callable[..., Any]]] = {
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    torch.cat: _cat,
    operator.getitem: _slice,
    torch.flatten: _flatten,
    torch.mean: _reduction("mean"),
    torch.sum: _reduction("sum"),
    torch.permute: _permute,
    torch.transpose: _transpose,
    torch.swapaxes: _transpose,
    torch.relu: _activation("relu"),
    torch.selu: _activation("selu"),
    torch.sigmoid: _activation("sigmoid"),
    torch.tanh: _activation("tanh"),
    torch.softmax: _softmax,
    torch.log_softmax: _softmax,
    nn.functional.softmax: _softmax,
    nn.functional.log_softmax: _softmax,
    nn.functional.relu: _activation("relu"),
    nn.functional.selu: _activation("selu"),
    nn.functional.dropout: _dropout,
}
METHODS: Final[dict[str, Callable[..., Any]]] = {
    "add": _add,
    "mean": _reduction("mean"),
    "sum": _reduction("sum"),
    "flatten": _flatten,
    "permute": _permute,
    "transpose": _transpose,
    "swapaxes": _transpose,
    "contiguous": _dropout,
    "squeeze": _squeeze,
    "relu": _activation("relu"),
    "sigmoid": _activation("sigmoid"),
    "tanh": _activation("tanh"),
    "softmax": _softmax,
    "log_softmax": _softmax,
}
