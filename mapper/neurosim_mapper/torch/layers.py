"""Layers that integrate: Dense, Conv and Pooling, each as LIAF, LIF and DA-LIF.

A layer is an integration (`integrate`), an optional BatchNorm (`norm`) and `neurons`; all take and
return (batch, ticks, ...). Options of the neurons are given by name, see `NeuronOptions`.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor, nn

from neurosim.errors import UsageError
from neurosim_mapper.nodes import Shape
from neurosim_mapper.torch.neurons import DirectDALIF, DirectLIAF, DirectLIF, Neurons
from neurosim_mapper.torch.options import NeuronOptions
from neurosim_mapper.torch.time import TimeDistributed


class _Layer(nn.Module):
    """Integration, normalisation, neurons."""

    model: ClassVar[type[Neurons]]

    def __init__(
        self,
        integrate: nn.Module,
        norm: nn.Module | None,
        shape: int | Shape | None,
        options: NeuronOptions | None,
        changes: dict[str, Any],
    ) -> None:
        super().__init__()
        self.integrate = TimeDistributed(integrate)
        self.norm = nn.Identity() if norm is None else TimeDistributed(norm)
        self.neurons = self.model(shape, options, **changes)

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (batch, ticks, ...)."""
        result: Tensor = self.neurons(self.norm(self.integrate(x)))
        return result


def _check_image(
    model: type[Neurons],
    shape: int | Shape | None,
    options: NeuronOptions | None,
    changes: dict[str, Any],
) -> None:
    """Non-Sharing over images needs the whole shape, one number would mean channels."""
    sharing = (options or model.defaults).changed(changes).sharing
    if sharing == "non" and (not isinstance(shape, tuple) or len(shape) != 3):
        raise UsageError(
            "Non-Sharing over images needs shape=(channels, height, width) of the layer's "
            f"output; it is {shape}."
        )


class _Dense(_Layer):
    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        bias: bool = True,
        batch_norm: bool = False,
        options: NeuronOptions | None = None,
        **changes: Any,
    ) -> None:
        norm = nn.BatchNorm1d(units) if batch_norm else None
        super().__init__(nn.Linear(inputs, units, bias), norm, units, options, changes)


class _Conv(_Layer):
    def __init__(
        self,
        channels: int,
        filters: int,
        kernel: int | tuple[int, int] = 3,
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | Literal["same", "valid"] | None = None,
        groups: int = 1,
        bias: bool = True,
        batch_norm: bool = False,
        shape: Shape | None = None,
        options: NeuronOptions | None = None,
        **changes: Any,
    ) -> None:
        size = (kernel, kernel) if isinstance(kernel, int) else kernel
        border: Any = tuple(k // 2 for k in size) if padding is None else padding
        conv = nn.Conv2d(channels, filters, size, stride, border, groups=groups, bias=bias)
        norm = nn.BatchNorm2d(filters) if batch_norm else None
        _check_image(self.model, shape, options, changes)
        super().__init__(conv, norm, shape or filters, options, changes)


class _Pooling(_Layer):
    def __init__(
        self,
        kernel: int = 2,
        *,
        stride: int | None = None,
        pool: Literal["avg", "max"] = "avg",
        shape: int | Shape | None = None,
        options: NeuronOptions | None = None,
        **changes: Any,
    ) -> None:
        if pool not in ("avg", "max"):
            raise UsageError(f"pool is {pool!r}; known: avg, max.")
        layer = nn.AvgPool2d(kernel, stride) if pool == "avg" else nn.MaxPool2d(kernel, stride)
        _check_image(self.model, shape, options, changes)
        super().__init__(layer, None, shape, options, changes)


class DenseLIAF(_Dense):
    """``DenseLIAF(inputs, units, bias=True, batch_norm=False, ...)``."""

    model = DirectLIAF


class DenseLIF(_Dense):
    """``DenseLIF(inputs, units, bias=True, batch_norm=False, ...)``."""

    model = DirectLIF


class DenseDALIF(_Dense):
    """``DenseDALIF(inputs, units, bias=True, batch_norm=False, ...)``."""

    model = DirectDALIF


class ConvLIAF(_Conv):
    """``ConvLIAF(channels, filters, kernel=3, stride=1, padding=kernel // 2, ...)``.

    Non-Sharing needs `shape`, the (filters, height, width) of the result.
    """

    model = DirectLIAF


class ConvLIF(_Conv):
    """``ConvLIF(channels, filters, kernel=3, stride=1, padding=kernel // 2, ...)``."""

    model = DirectLIF


class ConvDALIF(_Conv):
    """``ConvDALIF(channels, filters, kernel=3, stride=1, padding=kernel // 2, ...)``."""

    model = DirectDALIF


class PoolingLIAF(_Pooling):
    """``PoolingLIAF(kernel=2, stride=kernel, pool="avg", shape=None, ...)``: pool, then neurons."""

    model = DirectLIAF


class PoolingLIF(_Pooling):
    """``PoolingLIF(kernel=2, stride=kernel, pool="avg", shape=None, ...)``."""

    model = DirectLIF


class PoolingDALIF(_Pooling):
    """``PoolingDALIF(kernel=2, stride=kernel, pool="avg", shape=None, ...)``."""

    model = DirectDALIF


MODELS: dict[str, dict[str, Any]] = {
    "LIAF": {
        "dense": DenseLIAF,
        "conv": ConvLIAF,
        "direct": DirectLIAF,
        "pooling": PoolingLIAF,
    },
    "LIF": {"dense": DenseLIF, "conv": ConvLIF, "direct": DirectLIF, "pooling": PoolingLIF},
    "DA-LIF": {
        "dense": DenseDALIF,
        "conv": ConvDALIF,
        "direct": DirectDALIF,
        "pooling": PoolingDALIF,
    },
}
