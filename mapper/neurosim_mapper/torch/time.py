"""The time axis: ordinary layers on every tick, and what becomes of the ticks in the end.

All modules of this package take and return (batch, ticks, ...).
"""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from neurosim.errors import UsageError


class TimeDistributed(nn.Module):
    """An ordinary layer applied to every tick: (batch, ticks, ...) in and out.

    For Linear, Conv1d, Conv2d, pooling, BatchNorm, LayerNorm, GroupNorm, Flatten, Dropout and
    Sequentials of them. BatchNorm then normalises over batch and ticks together.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        """The layer's outputs, tick by tick."""
        y = self.module(x.flatten(0, 1))
        result: Tensor = y.unflatten(0, x.shape[:2])
        return result


class TimeReduce(nn.Module):
    """The ticks become one result: their ``mean`` (the Sumlayer of LIAF-Net), ``sum`` or ``last``.

    As the last module it says how the host reads the network. In front of further layers, a mean
    or sum is exported as a layer of integrators and the network is read at its last tick.
    """

    def __init__(self, how: Literal["mean", "sum", "last"] = "mean") -> None:
        super().__init__()
        if how not in ("mean", "sum", "last"):
            raise UsageError(f"TimeReduce is told {how!r}; known: mean, sum, last.")
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        """(batch, ...) from (batch, ticks, ...)."""
        if self.how == "last":
            return x[:, -1]
        return x.mean(dim=1) if self.how == "mean" else x.sum(dim=1)

    def extra_repr(self) -> str:
        """Shown by ``print(model)``."""
        return self.how
