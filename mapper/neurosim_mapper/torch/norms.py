"""LayerNorm with frozen statistics: what a chip without divisions can do.

A LayerNorm divides by the spread of the current tick. Frozen, it uses the mean and variance that
calibration data showed on average, and is an affine map that folds into weights and biases.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from neurosim.errors import UnsupportedError, UsageError


class FrozenNorm(nn.Module):
    """``(x - mean) / sqrt(variance + eps) * gain + shift``; all (channels,), channels at axis 1."""

    mean: Tensor
    variance: Tensor
    gain: Tensor
    shift: Tensor

    def __init__(
        self, mean: Tensor, variance: Tensor, gain: Tensor, shift: Tensor, eps: float
    ) -> None:
        super().__init__()
        self.eps = eps
        for name, value in (("mean", mean), ("variance", variance)):
            self.register_buffer(name, value.detach().clone())
        self.gain = nn.Parameter(gain.detach().clone())
        self.shift = nn.Parameter(shift.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """Normalised values; x (samples, channels, ...), as inside of TimeDistributed."""

        def over(value: Tensor) -> Tensor:
            return value.reshape(-1, *([1] * (x.ndim - 2)))

        scale = over(self.gain / torch.sqrt(self.variance + self.eps))
        return (x - over(self.mean)) * scale + over(self.shift)


def freeze_norms(model: nn.Module, inputs: Tensor) -> nn.Module:
    """A copy of `model` whose LayerNorms and GroupNorms use averages over `inputs`.

    Compare the accuracy of the copy with that of the model: that is what frozen statistics cost.
    Training the copy for a few epochs wins part of it back.

    Parameters
    ----------
    model : holds the norms inside of `TimeDistributed`.
    inputs : (batch, ticks, ...) calibration data.

    Raises
    ------
    UnsupportedError
        For a norm whose gains differ inside a channel, or a LayerNorm that is not over ticks.
    UsageError
        If the calibration data never reach a norm.
    """
    frozen = copy.deepcopy(model)
    norms = {n: m for n, m in frozen.named_modules() if isinstance(m, nn.LayerNorm | nn.GroupNorm)}
    seen: dict[str, list[tuple[Tensor, Tensor]]] = {name: [] for name in norms}
    hooks = [m.register_forward_pre_hook(_recorder(n, seen[n], m)) for n, m in norms.items()]
    training = frozen.training
    with torch.no_grad():
        frozen.eval()(inputs)
    frozen.train(training)
    for hook in hooks:
        hook.remove()
    for name, norm in norms.items():
        if not seen[name]:
            raise UsageError(f"Layer {name!r} saw no calibration data; its statistics are unknown.")
        parent, _, key = name.rpartition(".")
        setattr(frozen.get_submodule(parent), key, _freeze(name, norm, seen[name]))
    return frozen


def _recorder(name: str, seen: list[tuple[Tensor, Tensor]], norm: nn.Module) -> Callable[..., None]:
    def record(_: nn.Module, arguments: tuple[Any, ...]) -> None:
        if isinstance(norm, nn.LayerNorm) and arguments[0].ndim != 1 + len(norm.normalized_shape):
            raise UnsupportedError(
                f"Layer {name!r} is a LayerNorm that does not see single ticks with all their "
                "features. Put it into TimeDistributed and normalise over the whole tick."
            )
        seen.append(_statistics(norm, arguments[0].detach()))

    return record


def _statistics(norm: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance per group, averaged over samples: each (groups,)."""
    groups = norm.num_groups if isinstance(norm, nn.GroupNorm) else 1
    flat = x.reshape(len(x), groups, -1)
    return flat.mean(dim=2).mean(dim=0), flat.var(dim=2, unbiased=False).mean(dim=0)


def _freeze(
    name: str, norm: nn.LayerNorm | nn.GroupNorm, seen: list[tuple[Tensor, Tensor]]
) -> FrozenNorm:
    mean = torch.stack([m for m, _ in seen]).mean(dim=0)
    variance = torch.stack([v for _, v in seen]).mean(dim=0)
    if isinstance(norm, nn.GroupNorm):
        channels = norm.num_channels
    else:
        channels = int(norm.normalized_shape[0])
    affine = {"gain": norm.weight, "shift": norm.bias}
    per_channel = {}
    for what, value in affine.items():
        if value is None:
            value = torch.full((channels,), 1.0 if what == "gain" else 0.0).to(mean)
        grid = value.detach().reshape(channels, -1)
        if (grid != grid[:, :1]).any():
            raise UnsupportedError(
                f"Layer {name!r} has a {what} that differs inside a channel. Use GroupNorm(1, "
                "channels), which has one per channel."
            )
        per_channel[what] = grid[:, 0]
    repeat = channels // len(mean)
    return FrozenNorm(
        mean.repeat_interleave(repeat),
        variance.repeat_interleave(repeat),
        per_channel["gain"],
        per_channel["shift"],
        norm.eps,
    )
