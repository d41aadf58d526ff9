"""What each kind of layer becomes: one function per kind, listed in `HANDLERS`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np
from torch import nn

from neurosim.errors import UnsupportedError
from neurosim_mapper.nodes import (
    Activation,
    BatchNorm,
    Conv,
    Flatten,
    FloatArray,
    Linear,
    Neuron,
    Pool,
    Scale,
    Shape,
    spread,
)
from neurosim_mapper.norms import LayerNorm
from neurosim_mapper.torch.graph import Builder, Value
from neurosim_mapper.torch.neurons import Neurons
from neurosim_mapper.torch.norms import FrozenNorm
from neurosim_mapper.torch.recurrent import ConvRecurrent, cells, convolutional_cells
from neurosim_mapper.torch.values import numbers

Handler = Callable[[Builder, str, Any, Value], Any]


def neurons(builder: Builder, name: str, module: Neurons, value: Value) -> Value:
    """A layer of neurons; the gain of DA-LIF becomes a `Scale` that folds into the weights.

    A gain per neuron of an image would unroll the convolution in front of it. If all are positive,
    the potential is measured in steps of the gain instead: same spikes, shared kernels.
    """
    if value.readout is not None:
        raise UnsupportedError(
            f"Layer {name!r} has a potential, but comes behind a reduction over time. Put the "
            "reduction behind it."
        )
    options, p = module.options, {k: numbers(v) for k, v in module.effective().items()}
    if module.dual:
        gain = np.array(spread(p["gain"], value.shape, f"{name}.alpha"))
        if p["gain"].ndim > 1 and (gain > 0).all():
            p["threshold"], p["v_reset"] = p["threshold"] / gain, p["v_reset"] / gain
        else:
            value = builder.add(f"{name}.gain", Scale(_compact(p["gain"], gain)), value)
    soft = options.reset == "soft"
    node = Neuron(
        output="analog" if module.analog else "spike",
        threshold=p["threshold"],
        v_reset=p["v_reset"],
        alpha=p["alpha"],
        beta=p["beta"],
        rho=p["threshold"] if soft else np.asarray(0.0),
        reset=options.reset,
        activation=options.activation if module.analog else "identity",
        threshold_related=module.analog and options.mode == "TR",
        clamp=options.clamp if module.analog else None,
    )
    return builder.add(name, node, value)


def _compact(value: FloatArray, full: FloatArray) -> FloatArray:
    """A scalar stays a scalar; anything else is written out."""
    return value if value.ndim == 0 else full


def _linear(builder: Builder, name: str, module: nn.Linear, value: Value) -> Value:
    value = builder.settled(name, value)
    bias = None if module.bias is None else numbers(module.bias)
    return builder.add(name, Linear(numbers(module.weight), bias), value)


def _convolution(builder: Builder, name: str, module: nn.Conv1d | nn.Conv2d, value: Value) -> Value:
    if module.padding_mode != "zeros":
        raise UnsupportedError(
            f"Layer {name!r} pads with {module.padding_mode!r}; only zeros are known."
        )
    value = builder.settled(name, value)
    node = Conv(
        numbers(module.weight),
        None if module.bias is None else numbers(module.bias),
        tuple(module.stride),
        _padding(module),
        tuple(module.dilation),
        module.groups,
    )
    return builder.add(name, node, value)


def _padding(module: nn.Conv1d | nn.Conv2d) -> tuple[tuple[int, int], ...]:
    """(before, after) per axis, as torch pads: the odd zero of "same" goes behind."""
    if isinstance(module.padding, str):
        if module.padding == "valid":
            return ((0, 0),) * len(module.kernel_size)
        whole = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        return tuple((n // 2, n - n // 2) for n in whole)
    return tuple((int(p), int(p)) for p in module.padding)


def _sizes(value: Any, n_space: int) -> Shape:
    """A size per space axis; a number counts for all."""
    return (int(value),) * n_space if isinstance(value, int) else tuple(int(v) for v in value)


def _average_pool(
    builder: Builder, name: str, module: nn.AvgPool1d | nn.AvgPool2d, value: Value
) -> Value:
    n_space = 1 if isinstance(module, nn.AvgPool1d) else 2
    padding = _sizes(module.padding, n_space)
    if (
        module.ceil_mode
        or getattr(module, "divisor_override", None)
        or (any(padding) and not module.count_include_pad)
    ):
        raise UnsupportedError(
            f"Layer {name!r}: average pooling with ceil_mode, divisor_override or without "
            "counting the padding is not known."
        )
    kernel, stride = (_sizes(v, n_space) for v in (module.kernel_size, module.stride))
    return _pool(builder, name, "avg", kernel, stride, padding, value)


def _maximum_pool(
    builder: Builder, name: str, module: nn.MaxPool1d | nn.MaxPool2d, value: Value
) -> Value:
    n_space = 1 if isinstance(module, nn.MaxPool1d) else 2
    if module.ceil_mode or set(_sizes(module.dilation, n_space)) != {1}:
        raise UnsupportedError(
            f"Layer {name!r}: maximum pooling with ceil_mode or dilation is not known."
        )
    kernel, stride, padding = (
        _sizes(v, n_space) for v in (module.kernel_size, module.stride, module.padding)
    )
    return _pool(builder, name, "max", kernel, stride, padding, value)


def _adaptive_pool(builder: Builder, name: str, module: Any, value: Value) -> Value:
    """Windows of one size each, where the size of the image allows it."""
    space = value.shape[1:]
    given = module.output_size
    given = given if isinstance(given, tuple) else (given,) * len(space)
    wanted = tuple(n if size is None else int(size) for size, n in zip(given, space, strict=True))
    if any(n % size for n, size in zip(space, wanted, strict=True)):
        raise UnsupportedError(
            f"Layer {name!r}: adaptive pooling from {space} to {wanted} needs windows of different "
            "sizes; only whole multiples are known."
        )
    kernel = tuple(n // size for n, size in zip(space, wanted, strict=True))
    mode: Literal["avg", "max"] = "avg" if "Avg" in type(module).__name__ else "max"
    return _pool(builder, name, mode, kernel, kernel, (0,) * len(kernel), value)


def _pool(
    builder: Builder,
    name: str,
    mode: Literal["avg", "max"],
    kernel: Shape,
    stride: Shape,
    padding: Shape,
    value: Value,
) -> Value:
    value = builder.settled(name, value)
    return builder.add(name, Pool(mode, kernel, stride, tuple((p, p) for p in padding)), value)


def _batch_norm(
    builder: Builder, name: str, module: nn.modules.batchnorm._BatchNorm, value: Value
) -> Value:
    if module.running_mean is None or module.running_var is None:
        raise UnsupportedError(
            f"Layer {name!r} is a BatchNorm without running statistics; it needs the whole batch. "
            "Train with track_running_stats=True."
        )
    value = builder.settled(name, value)
    mean = numbers(module.running_mean)
    node = BatchNorm(
        mean,
        numbers(module.running_var),
        np.ones_like(mean) if module.weight is None else numbers(module.weight),
        np.zeros_like(mean) if module.bias is None else numbers(module.bias),
        float(module.eps),
    )
    return builder.add(name, node, value)


def _frozen_norm(builder: Builder, name: str, module: FrozenNorm, value: Value) -> Value:
    value = builder.settled(name, value)
    mean, variance, gain, shift = (
        numbers(t) for t in (module.mean, module.variance, module.gain, module.shift)
    )
    return builder.add(name, BatchNorm(mean, variance, gain, shift, module.eps), value)


def _layer_norm(builder: Builder, name: str, module: nn.LayerNorm, value: Value) -> Value:
    value = builder.settled(name, value)
    if tuple(module.normalized_shape) != value.shape:
        raise UnsupportedError(
            f"Layer {name!r} normalises over {tuple(module.normalized_shape)} of a tick of shape "
            f"{value.shape}; only a LayerNorm over a whole tick can be frozen."
        )
    affine = []
    for what, given, plain in (("gain", module.weight, 1.0), ("shift", module.bias, 0.0)):
        grid = np.full(value.shape, plain) if given is None else numbers(given)
        grid = grid.reshape(value.shape[0], -1)
        if (grid != grid[:, :1]).any():
            raise UnsupportedError(
                f"Layer {name!r} has a {what} that differs inside a channel. Use GroupNorm(1, "
                "channels), which has one per channel."
            )
        affine.append(grid[:, 0])
    return builder.add(name, LayerNorm(affine[0], affine[1], float(module.eps)), value)


def _group_norm(
    builder: Builder, name: str, module: nn.GroupNorm | nn.InstanceNorm2d, value: Value
) -> Value:
    value = builder.settled(name, value)
    if getattr(module, "track_running_stats", False):
        raise UnsupportedError(f"Layer {name!r}: running statistics of an InstanceNorm.")
    channels = value.shape[0]
    gain = np.ones(channels) if module.weight is None else numbers(module.weight)
    shift = np.zeros(channels) if module.bias is None else numbers(module.bias)
    groups = module.num_groups if isinstance(module, nn.GroupNorm) else channels
    return builder.add(name, LayerNorm(gain, shift, float(module.eps), groups), value)


def _softmax(builder: Builder, name: str, module: nn.Module, value: Value) -> Value:
    """Left to the host, at the end of a network; it does not change which output is largest."""
    if module.dim not in (-1, 1, 2) or len(value.shape) != 1:
        raise UnsupportedError(f"Layer {name!r} is a softmax over something else than classes.")
    return builder.left_to_host(name, value)


def _flatten(builder: Builder, name: str, module: nn.Flatten, value: Value) -> Value:
    # Inside of TimeDistributed one axis comes before the features, without it there are two.
    return flatten(builder, name, value, module.start_dim, module.end_dim)


def flatten(builder: Builder, name: str, value: Value, start: int, end: int) -> Value:
    """Merge all feature axes; other flattenings have no use on a chip."""
    if end not in (-1, len(value.shape), len(value.shape) + 1) or start not in (1, 2):
        raise UnsupportedError(
            f"{name!r} flattens axes {start} to {end}; only all features can be."
        )
    value = builder.settled(name, value)
    return builder.add(name, Flatten(), value) if len(value.shape) > 1 else value


def _nothing(builder: Builder, name: str, module: nn.Module, value: Value) -> Value:
    return value


def _activation(kind: Activation) -> Handler:
    def handler(builder: Builder, name: str, module: nn.Module, value: Value) -> Value:
        return memoryless(builder, name, value, kind)

    return handler


def memoryless(
    builder: Builder,
    name: str,
    value: Value,
    activation: Activation,
    clamp: tuple[float, float] | None = None,
) -> Value:
    """An activation between layers: analog neurons without memory (alpha = beta = 0)."""
    value = builder.settled(name, value)
    node = Neuron(
        output="analog",
        alpha=np.asarray(0.0),
        reset="none",
        activation=activation,
        clamp=clamp,
    )
    return builder.add(name, node, value)


def _hard_tanh(builder: Builder, name: str, module: nn.Hardtanh, value: Value) -> Value:
    limits = (float(module.min_val), float(module.max_val))
    return memoryless(builder, name, value, "identity", limits)


def _reader(how: str) -> Callable[[Builder, str, Value], Value]:
    return lambda builder, name, value: builder.reduce(name, value, how)


READOUTS: Final = {how: _reader(how) for how in ("mean", "sum", "last")}

HANDLERS: Final[dict[type[nn.Module], Handler]] = {
    Neurons: neurons,
    FrozenNorm: _frozen_norm,
    nn.Linear: _linear,
    nn.Conv1d: _convolution,
    nn.Conv2d: _convolution,
    nn.AvgPool1d: _average_pool,
    nn.AvgPool2d: _average_pool,
    nn.MaxPool1d: _maximum_pool,
    nn.MaxPool2d: _maximum_pool,
    nn.AdaptiveAvgPool1d: _adaptive_pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.AdaptiveMaxPool1d: _adaptive_pool,
    nn.AdaptiveMaxPool2d: _adaptive_pool,
    nn.modules.batchnorm._BatchNorm: _batch_norm,
    nn.LayerNorm: _layer_norm,
    nn.GroupNorm: _group_norm,
    nn.InstanceNorm1d: _group_norm,
    nn.InstanceNorm2d: _group_norm,
    nn.Softmax: _softmax,
    nn.LogSoftmax: _softmax,
    nn.RNNBase: cells,
    ConvRecurrent: convolutional_cells,
    nn.Flatten: _flatten,
    nn.Identity: _nothing,
    nn.Dropout: _nothing,
    nn.Dropout1d: _nothing,
    nn.Dropout2d: _nothing,
    nn.ReLU: _activation("relu"),
    nn.SELU: _activation("selu"),
    nn.Sigmoid: _activation("sigmoid"),
    nn.Tanh: _activation("tanh"),
    nn.Hardtanh: _hard_tanh,
}
