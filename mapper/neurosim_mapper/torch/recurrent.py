"""RNN, GRU and LSTM over (batch, ticks, ...) as modules, and what they become in a `Network`.

`Recurrent` is PyTorch's own layer with one bias per gate; `ConvRecurrent` the same with
convolutions that keep the size of the image. PyTorch's `nn.RNN`, `nn.GRU` and `nn.LSTM` are
understood as they are; without `batch_first` they take (ticks, batch, features).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from neurosim.errors import UnsupportedError, UsageError
from neurosim_mapper.nodes import Activation, FloatArray
from neurosim_mapper.recurrent import Kind
from neurosim_mapper.recurrent import Recurrent as RecurrentNode
from neurosim_mapper.torch.graph import Builder, Value
from neurosim_mapper.torch.values import numbers

GATED: Final = {"RNN": nn.RNN, "GRU": nn.GRU, "LSTM": nn.LSTM}
N_GATES: Final = {"RNN": 1, "GRU": 3, "LSTM": 4}


class Recurrent(nn.Module):
    """RNN, GRU or LSTM over (batch, ticks, features), one bias per gate."""

    def __init__(self, kind: str, inputs: int, cells: int) -> None:
        super().__init__()
        self.cells = GATED[kind](inputs, cells, batch_first=True)
        bias = self.cells.bias_hh_l0
        nn.init.zeros_(bias)
        bias.requires_grad_(False)

    def forward(self, x: Tensor) -> Tensor:
        """Hidden states of every tick."""
        return cast(Tensor, self.cells(x)[0])


class ConvRecurrent(nn.Module):
    """Convolutional RNN, GRU or LSTM over (batch, ticks, channels, height, width).

    Same padding, no peepholes, one bias per gate; gates in the order of PyTorch's layers.
    """

    def __init__(self, kind: str, channels: int, filters: int, kernel: int = 3) -> None:
        super().__init__()
        if kind not in N_GATES or kernel % 2 == 0:
            raise UsageError(
                f"kind is {kind!r} and kernel {kernel}; known: {', '.join(N_GATES)}, odd kernels."
            )
        self.kind, self.filters = kind, filters
        rows, border = N_GATES[kind] * filters, kernel // 2
        self.input = nn.Conv2d(channels, rows, kernel, padding=border)
        self.hidden = nn.Conv2d(filters, rows, kernel, padding=border, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Hidden states of every tick."""
        h = c = x.new_zeros(x.shape[0], self.filters, *x.shape[3:])
        outputs = []
        for tick in x.unbind(1):
            u = self.input(tick).chunk(N_GATES[self.kind], dim=1)
            v = self.hidden(h).chunk(N_GATES[self.kind], dim=1)
            h, c = _step(self.kind, u, v, h, c)
            outputs.append(h)
        return torch.stack(outputs, dim=1)


def _step(
    kind: str, u: tuple[Tensor, ...], v: tuple[Tensor, ...], h: Tensor, c: Tensor
) -> tuple[Tensor, Tensor]:
    """h and c of the next tick, from the shares of the input and of the state in every gate."""
    if kind == "RNN":
        return torch.tanh(u[0] + v[0]), c
    if kind == "GRU":
        r, z = torch.sigmoid(u[0] + v[0]), torch.sigmoid(u[1] + v[1])
        return (1 - z) * torch.tanh(u[2] + r * v[2]) + z * h, c
    i, f, o = (torch.sigmoid(u[gate] + v[gate]) for gate in (0, 1, 3))
    c = f * c + i * torch.tanh(u[2] + v[2])
    return o * torch.tanh(c), c


class TimeAxisError(UnsupportedError):
    """A layer takes the time axis in another place than where it is."""


@dataclass(frozen=True)
class States:
    """What a layer of torch returns beside its sequence: the states after the last tick.

    Attributes
    ----------
    value : the sequence of the last layer of the stack.
    layers : of the stack.
    paired : of an LSTM: h and c.
    """

    value: Value
    layers: int
    paired: bool

    def part(self, builder: Builder, name: str, index: Any) -> Value | States:
        """h of a pair, or h of the last layer: the last tick of its sequence."""
        if self.paired and index == 0:
            return replace(self, paired=False)
        if not self.paired and index in (-1, self.layers - 1):
            return builder.reduce(name, self.value, "last")
        raise UnsupportedError(
            f"{name!r} takes a state of a recurrent layer that is not its output: only h of the "
            "last layer has a form, after the last tick."
        )


def cells(builder: Builder, name: str, module: nn.RNNBase, value: Value) -> tuple[Value, States]:
    """A layer of torch, its stack one node after the other."""
    _check_layer(name, module, value)
    kinds: dict[str, tuple[Kind, Activation]] = {
        "RNN_TANH": ("rnn", "tanh"),
        "RNN_RELU": ("rnn", "relu"),
        "GRU": ("gru", "tanh"),
        "LSTM": ("lstm", "tanh"),
    }
    kind, activation = kinds[module.mode]
    for number in range(module.num_layers):

        def array(what: str, number: int = number) -> FloatArray:
            return numbers(getattr(module, f"{what}_l{number}"))

        node = RecurrentNode(
            kind,
            array("weight_ih"),
            array("weight_hh"),
            array("bias_ih") if module.bias else None,
            array("bias_hh") if module.bias else None,
            activation,
        )
        part = name if module.num_layers == 1 else f"{name}.{number}"
        value = builder.add(part, node, value)
    return value, States(value, module.num_layers, module.mode == "LSTM")


def _check_time(name: str, value: Value) -> None:
    if value.readout is not None:
        raise UnsupportedError(
            f"Layer {name!r} has a state, but comes behind a reduction over time. Put the "
            "reduction behind it."
        )


def _check_layer(name: str, module: nn.RNNBase, value: Value) -> None:
    _check_time(name, value)
    if module.bidirectional or module.proj_size:
        what = "reads backwards in time, too" if module.bidirectional else "projects its state"
        raise UnsupportedError(
            f"Layer {name!r}: a {type(module).__name__} that {what} has no form on a chip. Train "
            "it with bidirectional=False and proj_size=0."
        )
    if value.time_axis != int(module.batch_first):
        orders = ("(ticks, batch, features)", "(batch, ticks, features)")
        raise TimeAxisError(
            f"Layer {name!r}: a {type(module).__name__} with batch_first={module.batch_first} "
            f"takes {orders[module.batch_first]}, but gets {orders[value.time_axis]}. Give all "
            "layers the same batch_first; their weights stay the same."
        )


def convolutional_cells(builder: Builder, name: str, module: ConvRecurrent, value: Value) -> Value:
    """A `ConvRecurrent`."""
    _check_time(name, value)
    assert module.input.bias is not None
    kind = cast(Kind, module.kind.lower())
    weights = numbers(module.input.weight), numbers(module.hidden.weight)
    return builder.add(name, RecurrentNode(kind, *weights, numbers(module.input.bias)), value)
