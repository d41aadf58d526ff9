"""The node kinds of a float `Network`: what a checkpoint can contain, with its numbers.

Nodes are frozen and check themselves. Arrays are float64 and read-only. Shapes never include the
batch or the time axis; images are (channels, height, width).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError
from neurosim_mapper.activations import activate

FloatArray: TypeAlias = npt.NDArray[np.float64]
Shape: TypeAlias = tuple[int, ...]

ACTIVATIONS: Final = ("identity", "relu", "selu", "sigmoid", "tanh", "clamp", "square")
Activation = Literal["identity", "relu", "selu", "sigmoid", "tanh", "clamp", "square", "table"]
TABLE_SIZE: Final = 256
Reset: TypeAlias = Literal["hard", "soft", "soft_raised", "none"]
RESETS: Final[tuple[Reset, ...]] = get_args(Reset)
_ONE_EACH: Final[Any] = 1  # on every space axis
_NONE_EACH: Final[Any] = 0


def _float_array(value: npt.ArrayLike, what: str) -> FloatArray:
    array = np.array(value, dtype=np.float64, order="C")
    if not np.isfinite(array).all():
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        raise InputFileError(
            f"{what} holds {bad} values that are NaN or infinite; all must be finite."
        )
    array.setflags(write=False)
    return array


def spread(value: npt.ArrayLike, shape: Shape, what: str) -> FloatArray:
    """A parameter spread over a layer of `shape`: scalar, per channel (axis 0) or per neuron.

    Raises InputFileError, naming `what`, if it does not fit.
    """
    array = np.asarray(value, dtype=np.float64)
    if array.size == 1:
        return np.broadcast_to(array.reshape(()), shape)
    if array.ndim == 1 and shape and array.size == shape[0]:
        array = array.reshape(-1, *([1] * (len(shape) - 1)))
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        raise InputFileError(
            f"{what} has shape {array.shape}; a layer of shape {shape} needs a scalar, "
            f"{shape[0] if shape else 1} values (one per channel) or the full shape."
        ) from None


def _per_axis(value: Any, n_space: int) -> Any:
    """A number stands for itself on every space axis, as in torch."""
    return (value,) * n_space if isinstance(value, int) else tuple(value)


def _sides(padding: Any, n_space: int) -> Any:
    """(before, after) per space axis; a number stands for both."""
    return tuple(_per_axis(axis, 2) for axis in _per_axis(padding, n_space))


def _check_not_empty(array: FloatArray, what: str) -> None:
    if array.size == 0:
        raise InputFileError(f"{what} has shape {array.shape}; it must not be empty.")


@dataclass(frozen=True)
class Node:
    """Base of all nodes."""

    def out_shape(self, in_shape: Shape) -> Shape:
        """Shape of the output for an input of `in_shape`; raises InputFileError if it can't be."""
        return in_shape

    def _freeze(self, **dims: tuple[int, ...]) -> None:
        """Turn the named fields into read-only float arrays with an allowed number of axes."""
        for name, allowed in dims.items():
            value = getattr(self, name)
            if value is None:
                continue
            array = _float_array(value, f"{type(self).__name__}.{name}")
            if allowed and array.ndim not in allowed:
                raise InputFileError(
                    f"{type(self).__name__}.{name} has shape {array.shape}; "
                    f"needed: {' or '.join(str(n) for n in allowed)} axes."
                )
            object.__setattr__(self, name, array)


@dataclass(frozen=True)
class Input(Node):
    """Where samples enter; `shape` of one tick of one sample."""

    shape: Shape

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise InputFileError(f"Input has shape {self.shape}; sizes of at least 1 are needed.")

    def out_shape(self, in_shape: Shape) -> Shape:
        """The input's own shape."""
        return self.shape


@dataclass(frozen=True)
class Output(Node):
    """Where results leave."""


@dataclass(frozen=True)
class Linear(Node):
    """``y = W x + b``; weight (n_out, n_in), bias (n_out,) or None; added every tick."""

    weight: FloatArray
    bias: FloatArray | None = None

    def __post_init__(self) -> None:
        self._freeze(weight=(2,), bias=(1,))
        _check_not_empty(self.weight, "Linear.weight")
        if self.bias is not None and self.bias.shape[0] != self.weight.shape[0]:
            raise InputFileError(
                f"Linear.bias has {self.bias.shape[0]} entries, the weight has "
                f"{self.weight.shape[0]} rows; they must agree."
            )

    def out_shape(self, in_shape: Shape) -> Shape:
        """(n_out,)."""
        if in_shape != (self.weight.shape[1],):
            raise InputFileError(
                f"Linear expects {self.weight.shape[1]} inputs, but gets shape {in_shape}."
            )
        return (self.weight.shape[0],)


@dataclass(frozen=True)
class Conv(Node):
    """Convolution (cross-correlation, as in torch) over one or two space axes.

    weight (c_out, c_in / groups, k...) ; stride, dilation one number per space axis; padding
    (before, after) per space axis, zeros. A single number counts for every axis.
    """

    weight: FloatArray
    bias: FloatArray | None = None
    stride: Shape = _ONE_EACH
    padding: tuple[tuple[int, int], ...] = _NONE_EACH
    dilation: Shape = _ONE_EACH
    groups: int = 1

    def __post_init__(self) -> None:
        self._freeze(weight=(3, 4), bias=(1,))
        _check_not_empty(self.weight, "Conv.weight")
        n_space = self.weight.ndim - 2
        object.__setattr__(self, "stride", _per_axis(self.stride, n_space))
        object.__setattr__(self, "padding", _sides(self.padding, n_space))
        object.__setattr__(self, "dilation", _per_axis(self.dilation, n_space))
        lengths = {len(self.stride), len(self.padding), len(self.dilation)}
        if lengths != {n_space}:
            raise InputFileError(
                f"Conv has {n_space} space axes, but stride {self.stride}, padding "
                f"{self.padding}, dilation {self.dilation}; one entry per axis is needed."
            )
        if min(self.stride) < 1 or min(self.dilation) < 1 or min(min(p) for p in self.padding) < 0:
            raise InputFileError(
                f"Conv needs stride and dilation >= 1 and padding >= 0, has {self.stride}, "
                f"{self.dilation}, {self.padding}."
            )
        if self.groups < 1 or self.weight.shape[0] % self.groups:
            raise InputFileError(
                f"Conv has {self.weight.shape[0]} output channels, not divisible into "
                f"{self.groups} groups."
            )
        if self.bias is not None and self.bias.shape[0] != self.weight.shape[0]:
            raise InputFileError(
                f"Conv.bias has {self.bias.shape[0]} entries for {self.weight.shape[0]} channels."
            )

    def out_shape(self, in_shape: Shape) -> Shape:
        """(c_out, space...)."""
        c_in = self.weight.shape[1] * self.groups
        if len(in_shape) != self.weight.ndim - 1 or in_shape[0] != c_in:
            raise InputFileError(
                f"Conv expects {c_in} channels and {self.weight.ndim - 2} space axes, "
                f"but gets shape {in_shape}."
            )
        return (
            self.weight.shape[0],
            *window_out(
                in_shape[1:], self.weight.shape[2:], self.stride, self.padding, self.dilation
            ),
        )


def window_out(
    space: Shape, kernel: Shape, stride: Shape, padding: Sequence[tuple[int, int]], dilation: Shape
) -> Shape:
    """Size of the result of a sliding window, per space axis."""
    out = []
    for n, k, s, (before, after), d in zip(space, kernel, stride, padding, dilation, strict=True):
        size = (n + before + after - d * (k - 1) - 1) // s + 1
        if size < 1:
            raise InputFileError(
                f"A window of {k} (dilation {d}) does not fit into an axis of {n} "
                f"with padding {before}+{after}."
            )
        out.append(size)
    return tuple(out)


@dataclass(frozen=True)
class Pool(Node):
    """Sum, average or maximum over windows of each channel, over one or two space axes.

    The kernel has one entry per space axis; a single number counts for two. Padding counts as
    zeros; a maximum ignores it, as in torch (the same for spikes and ReLU).
    """

    mode: Literal["sum", "avg", "max"]
    kernel: Shape
    stride: Shape
    padding: tuple[tuple[int, int], ...] = _NONE_EACH

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", _per_axis(self.kernel, 2))
        n_space = len(self.kernel)
        object.__setattr__(self, "stride", _per_axis(self.stride, n_space))
        object.__setattr__(self, "padding", _sides(self.padding, n_space))
        lengths = {len(self.stride), len(self.padding)}
        if n_space not in (1, 2) or lengths != {n_space}:
            raise InputFileError(
                f"Pool needs one or two entries each, has kernel {self.kernel}, stride "
                f"{self.stride}, padding {self.padding}."
            )
        if min(self.kernel) < 1 or min(self.stride) < 1 or min(min(p) for p in self.padding) < 0:
            raise InputFileError(
                f"Pool needs kernel and stride >= 1 and padding >= 0, has {self.kernel}, "
                f"{self.stride}, {self.padding}."
            )

    def out_shape(self, in_shape: Shape) -> Shape:
        """(channels, space...)."""
        n_space = len(self.kernel)
        if len(in_shape) != n_space + 1:
            raise InputFileError(
                f"Pool expects channels and {n_space} space axes, but gets shape {in_shape}."
            )
        none = (1,) * n_space
        return (
            in_shape[0],
            *window_out(in_shape[1:], self.kernel, self.stride, self.padding, none),
        )


@dataclass(frozen=True)
class Flatten(Node):
    """Row-major flattening of axes `start`..`end` (inclusive, batch and time not counted)."""

    start: int = 0
    end: int = -1

    def out_shape(self, in_shape: Shape) -> Shape:
        """The shape with the named axes merged."""
        n = len(in_shape)
        start, end = (i + n if i < 0 else i for i in (self.start, self.end))
        if not 0 <= start <= end < n:
            raise InputFileError(
                f"Flatten of axes {self.start} to {self.end} does not fit the shape {in_shape}."
            )
        return (*in_shape[:start], int(np.prod(in_shape[start : end + 1])), *in_shape[end + 1 :])


@dataclass(frozen=True)
class Scale(Node):
    """Elementwise product with `scale` (scalar, per channel or full shape)."""

    scale: FloatArray

    def __post_init__(self) -> None:
        self._freeze(scale=())

    def out_shape(self, in_shape: Shape) -> Shape:
        """Unchanged; checks that the factors fit."""
        spread(self.scale, in_shape, "Scale.scale")
        return in_shape


@dataclass(frozen=True)
class Product(Node):
    """Elementwise product of two sources (all other nodes add theirs up)."""


@dataclass(frozen=True)
class BatchNorm(Node):
    """``(x - mean) / sqrt(variance + eps) * gain + shift`` per channel (axis 0), frozen."""

    mean: FloatArray
    variance: FloatArray
    gain: FloatArray
    shift: FloatArray
    eps: float = 1e-5

    def __post_init__(self) -> None:
        self._freeze(mean=(1,), variance=(1,), gain=(1,), shift=(1,))
        sizes = {getattr(self, name).size for name in ("mean", "variance", "gain", "shift")}
        if len(sizes) != 1:
            raise InputFileError(
                f"BatchNorm has arrays of {', '.join(str(n) for n in sorted(sizes))} entries; "
                "all four need one entry per channel."
            )
        if (self.variance < 0).any() or not self.eps >= 0 or (self.variance + self.eps == 0).any():
            raise InputFileError("BatchNorm.variance must be above 0 and eps must not be negative.")

    def out_shape(self, in_shape: Shape) -> Shape:
        """Unchanged; checks the number of channels."""
        if not in_shape or in_shape[0] != self.mean.size:
            raise InputFileError(
                f"BatchNorm has {self.mean.size} channels, but gets shape {in_shape}."
            )
        return in_shape

    def scale_and_shift(self) -> tuple[FloatArray, FloatArray]:
        """The equivalent ``a x + b``, per channel."""
        a = self.gain / np.sqrt(self.variance + self.eps)
        return a, self.shift - self.mean * a


@dataclass(frozen=True)
class Delay(Node):
    """``y(t) = x(t - ticks)``; zeros before."""

    ticks: int

    def __post_init__(self) -> None:
        if self.ticks < 0:
            raise InputFileError(f"Delay of {self.ticks} ticks; it cannot be negative.")


@dataclass(frozen=True)
class Neuron(Node):
    """The soma of DESIGN.md section 3 in float: LIF, LIAF, IF, LI, DA-LIF and ANN layers.

    Per tick, with x the summed input (LIAF-Net eq. 2-8)::

        I = alpha_syn * I + x                (current-based neurons; I = x without `alpha_syn`)
        U = V + I                            (U = V in the tick after a spike, if `silent_step`)
        F = U >= threshold            (">" if strict)
        n = F; with n_max > 1 the number of thresholds that fit into U, at most n_max
        R = v_reset if F else U       (hard);  U - n * rho (soft, soft_raised);  U (none)
        V = max(alpha * R + beta - n * rho_post, floor)
        Y = n                         (output "spike")
        Y = activation(U - threshold if threshold_related else U)      (output "analog")

    With the reset "soft_raised" the threshold is higher by `rho` in the tick after one whose R
    still reaches it (snnTorch with ``reset_delay=False``); such neurons give one spike per tick.

    V starts at `v_start`, I at 0. `clamp` limits an analog Y after the activation; the activation
    "clamp" alone limits to 0..1. Parameters are scalars, one per channel (axis 0) or one per
    neuron. The activation "table" is ``table[k + 128]`` with k = U / table_step rounded and limited
    to -128..127: any function, in 256 entries. Input gains belong into a `Scale` before the neuron.
    """

    output: Literal["spike", "analog"] = "spike"
    threshold: FloatArray = field(default_factory=lambda: np.asarray(1.0))
    v_reset: FloatArray = field(default_factory=lambda: np.asarray(0.0))
    alpha: FloatArray = field(default_factory=lambda: np.asarray(1.0))
    beta: FloatArray = field(default_factory=lambda: np.asarray(0.0))
    rho: FloatArray = field(default_factory=lambda: np.asarray(0.0))
    rho_post: FloatArray = field(default_factory=lambda: np.asarray(0.0))
    v_start: FloatArray = field(default_factory=lambda: np.asarray(0.0))
    floor: FloatArray | None = None
    reset: Reset = "hard"
    strict: bool = False
    n_max: int = 1
    silent_step: bool = False
    activation: Activation = "identity"
    threshold_related: bool = False
    clamp: tuple[float, float] | None = None
    alpha_syn: FloatArray | None = None
    table: FloatArray | None = None
    table_step: float = 1.0

    def __post_init__(self) -> None:
        self._freeze(**dict.fromkeys(self.array_names(), ()))
        for name, known in (("output", ("spike", "analog")), ("reset", RESETS)):
            if getattr(self, name) not in known:
                raise InputFileError(
                    f"Neuron.{name} is {getattr(self, name)!r}; known: {', '.join(known)}."
                )
        if self.clamp is not None and not -np.inf < self.clamp[0] < self.clamp[1] < np.inf:
            raise InputFileError(
                f"Neuron.clamp is {self.clamp}; needed: two finite numbers, low < high."
            )
        if self.n_max < 1:
            raise InputFileError(f"Neuron.n_max is {self.n_max}; at least 1 spike per tick.")
        if self.n_max > 1 and (self.threshold <= 0).any():
            raise InputFileError("Neuron with several spikes per tick needs thresholds above 0.")
        if self.reset == "soft_raised" and (self.n_max > 1 or (self.threshold < 0).any()):
            raise InputFileError(
                "Neuron with the reset 'soft_raised' needs n_max 1 and thresholds of at least 0."
            )
        self._check_table()
        if self.activation not in (*ACTIVATIONS, "table"):
            raise InputFileError(
                f"Neuron.activation is {self.activation!r}; known: {', '.join(ACTIVATIONS)}."
            )

    def _check_table(self) -> None:
        if (self.activation == "table") != (self.table is not None):
            raise InputFileError(
                "Neuron.table and the activation 'table' go together; here is only one of them."
            )
        self._freeze(table=(1,))
        if self.table is not None and self.table.shape != (TABLE_SIZE,):
            raise InputFileError(
                f"Neuron.table has {self.table.size} entries; needed: {TABLE_SIZE}, for U from "
                "-128 to 127 steps."
            )
        if not 0 < self.table_step < np.inf:
            raise InputFileError(f"Neuron.table_step is {self.table_step}; needed: above 0.")

    def activated(self, values: FloatArray) -> FloatArray:
        """The activation of potentials (or of U - threshold), clamped."""
        if self.table is None:
            return activate(values, self.activation, self.clamp)
        index = np.clip(np.floor(values / self.table_step + 0.5), -128, 127).astype(np.int64)
        found = self.table[index + 128]
        return found if self.clamp is None else np.clip(found, *self.clamp)

    def table_values(self) -> FloatArray:
        """All values that the activation "table" can give, clamped."""
        assert self.table is not None
        return self.table if self.clamp is None else np.clip(self.table, *self.clamp)

    @classmethod
    def array_names(cls) -> tuple[str, ...]:
        """Names of the fields that are arrays over channels or neurons."""
        dynamics = ("threshold", "v_reset", "alpha", "beta", "rho", "rho_post", "v_start")
        return (*dynamics, "floor", "alpha_syn")

    def parameter(self, name: str, shape: Shape) -> FloatArray:
        """A parameter spread over a layer of `shape`; see `spread`."""
        return spread(getattr(self, name), shape, f"Neuron.{name}")

    def out_shape(self, in_shape: Shape) -> Shape:
        """Unchanged; checks that every parameter fits."""
        for name in self.array_names():
            if getattr(self, name) is not None:
                self.parameter(name, in_shape)
        return in_shape


def lif(threshold: npt.ArrayLike, alpha: npt.ArrayLike, **more: Any) -> Neuron:
    """A spiking neuron: hard reset to `v_reset` (0 unless given), decay `alpha` per tick."""
    return Neuron(output="spike", threshold=_as(threshold), alpha=_as(alpha), **_arrays(more))


def liaf(
    threshold: npt.ArrayLike, alpha: npt.ArrayLike, activation: Activation = "relu", **more: Any
) -> Neuron:
    """An analog-fire neuron (LIAF-Net eq. 2-8): the spike only resets, the output is a value."""
    return Neuron(
        output="analog",
        threshold=_as(threshold),
        alpha=_as(alpha),
        activation=activation,
        **_arrays(more),
    )


def _as(value: npt.ArrayLike) -> FloatArray:
    return np.asarray(value, dtype=np.float64)


def _arrays(values: dict[str, Any]) -> dict[str, Any]:
    known = {f.name for f in fields(Neuron)}
    for name in values:
        if name not in known:
            raise InputFileError(
                f"Neuron has no parameter {name!r}; known: {', '.join(sorted(known))}."
            )
    return {
        k: _as(v) if k in Neuron.array_names() and v is not None else v for k, v in values.items()
    }
