"""RNN, GRU and LSTM layers, dense or convolutional, as one node; and what they consist of.

`Recurrent` is what a checkpoint contains. `expand_recurrent` writes such a layer out as linear
nodes, neurons without memory and products; both mean the same numbers, and everything behind the
readers works on the expanded network. The equations are those of PyTorch (Cho et al. 2014 for the
GRU, Hochreiter and Schmidhuber 1997 with forget gates for the LSTM, Shi et al. 2015 without
peepholes for the convolutional LSTM), with W* a matrix or a convolution that keeps the size::

    RNN    h = act(Wi x + bi + Wh h + bh)
    GRU    r, z = sigmoid(Wi x + bi + Wh h + bh);  n = tanh(Wi x + bi + r (Wh h + bh))
           h = (1 - z) n + z h
    LSTM   i, f, o = sigmoid(...);  g = tanh(...);  c = f c + i g;  h = o tanh(c)

A gate is carried as ``2 sigmoid(u) - 1 = tanh(u / 2)``: a product with a value around 0 loses less
when it is made of squares, see `neurosim_mapper.products`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

import numpy as np

from neurosim.errors import InputFileError
from neurosim_mapper.network import Edge, Network
from neurosim_mapper.nodes import (
    Activation,
    Conv,
    FloatArray,
    Linear,
    Neuron,
    Node,
    Product,
    Scale,
    Shape,
)

GATES: Final = {"rnn": 1, "gru": 3, "lstm": 4}
Kind = Literal["rnn", "gru", "lstm"]


@dataclass(frozen=True)
class Recurrent(Node):
    """A layer of n cells; state 0 before the first tick, the output is h.

    weight_ih (gates * n, inputs) or (gates * n, channels, height, width); weight_hh the same with
    n inputs; bias_ih, bias_hh (gates * n,) or None. Gates in the order of PyTorch: r, z, n of a
    GRU, i, f, g, o of an LSTM. Convolutions have stride 1 and keep the size of the image.
    """

    kind: Kind
    weight_ih: FloatArray
    weight_hh: FloatArray
    bias_ih: FloatArray | None = None
    bias_hh: FloatArray | None = None
    activation: Activation = "tanh"

    def __post_init__(self) -> None:
        if self.kind not in GATES:
            raise InputFileError(f"Recurrent.kind is {self.kind!r}; known: {', '.join(GATES)}.")
        self._freeze(weight_ih=(2, 4), weight_hh=(2, 4), bias_ih=(1,), bias_hh=(1,))
        rows, gates = self.weight_ih.shape[0], GATES[self.kind]
        n = rows // gates
        fits = rows == gates * n > 0 and self.weight_hh.shape[:2] == (rows, n)
        if not fits or self.weight_hh.ndim != self.weight_ih.ndim:
            raise InputFileError(
                f"A layer of kind {self.kind} has weight_ih {self.weight_ih.shape} and weight_hh "
                f"{self.weight_hh.shape}; needed: ({gates} n, inputs, ...) and ({gates} n, n, ...)."
            )
        for name in ("bias_ih", "bias_hh"):
            bias = getattr(self, name)
            if bias is not None and bias.size != rows:
                raise InputFileError(f"Recurrent.{name} has {bias.size} entries, needs {rows}.")
        if self.activation not in ("tanh", "relu") or (
            self.kind != "rnn" and self.activation != "tanh"
        ):
            raise InputFileError(
                f"A layer of kind {self.kind} has the activation {self.activation!r}; known: tanh, "
                "and relu for an rnn."
            )

    @property
    def cells(self) -> int:
        """n: features, or channels of the state."""
        return int(self.weight_ih.shape[0]) // GATES[self.kind]

    def out_shape(self, in_shape: Shape) -> Shape:
        """(n,) or (n, height, width)."""
        if len(in_shape) != self.weight_ih.ndim - 1 or in_shape[0] != self.weight_ih.shape[1]:
            what = "channels and two space axes" if self.weight_ih.ndim == 4 else "inputs"
            raise InputFileError(
                f"Recurrent expects {self.weight_ih.shape[1]} {what}, but gets shape {in_shape}."
            )
        return (self.cells, *in_shape[1:])

    def part(self, gate: int, hidden: bool, gain: float, bias: bool = True) -> Node:
        """The linear node of one gate, from the input or from the state, times `gain`."""
        rows = slice(gate * self.cells, (gate + 1) * self.cells)
        weight = (self.weight_hh if hidden else self.weight_ih)[rows] * gain
        added = self.bias_hh if hidden else self.bias_ih
        shift = None if added is None or not bias else added[rows] * gain
        if weight.ndim == 2:
            return Linear(weight, shift)
        return Conv(weight, shift, padding=tuple((k // 2, (k - 1) // 2) for k in weight.shape[2:]))


def expand_recurrent(network: Network) -> Network:
    """The same network without `Recurrent` nodes; `network` itself if it has none.

    The neurons that put out h keep the name of the layer; what belongs to it is called
    ``name.gate``, ``name.c`` and so on.
    """
    cells = {name: node for name, node in network.nodes.items() if isinstance(node, Recurrent)}
    if not cells:
        return network
    parts = {name: _Parts(name, node) for name, node in cells.items()}
    for part in parts.values():
        _BUILDERS[part.node.kind](part)
    nodes: dict[str, Node] = {}
    for name, node in network.nodes.items():
        nodes |= parts[name].nodes if name in parts else {name: node}
    edges: list[Edge] = []
    for source, target in network.edges:
        entries = parts[target].entries if target in parts else [target]
        edges += [(source, entry) for entry in entries]
    late = [edge for part in parts.values() for edge in part.feedback]
    edges += [edge for part in parts.values() for edge in part.edges] + late
    feedback = (*network.feedback, *late)
    return replace(network, nodes=nodes, edges=tuple(edges), feedback=feedback)


@dataclass
class _Parts:
    """The nodes of one layer, on their way. `entries` take the layer's input."""

    name: str
    node: Recurrent
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    feedback: list[Edge] = field(default_factory=list)
    entries: list[str] = field(default_factory=list)

    def add(self, suffix: str, node: Node, *sources: str, late: Sequence[str] = ()) -> str:
        """A node behind `sources` of this tick and `late` ones of the tick before; its name."""
        name = f"{self.name}.{suffix}" if suffix else self.name
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        self.feedback += [(source, name) for source in late]
        return name

    def from_input(self, suffix: str, gate: int, gain: float = 1.0) -> str:
        """The input's share in a gate."""
        name = self.add(suffix, self.node.part(gate, False, gain))
        self.entries.append(name)
        return name

    def from_state(self, suffix: str, gate: int, gain: float = 1.0) -> str:
        """The share of the state of the tick before."""
        return self.add(suffix, self.node.part(gate, True, gain), late=[self.name])

    def gate(self, letter: str, gate: int, gain: float = 0.5) -> str:
        """Neurons that put out ``2 sigmoid(u) - 1 = tanh(u / 2)``; with gain 1 ``tanh(u)``."""
        shown = self.from_input(f"x{letter}", gate, gain)
        kept = self.from_state(f"h{letter}", gate, gain)
        return self.add(letter, memoryless("tanh"), shown, kept)

    def half(self, suffix: str, *sources: str, late: Sequence[str] = ()) -> str:
        """Half of a sum."""
        return self.add(suffix, Scale(np.asarray(0.5)), *sources, late=late)


def memoryless(activation: Activation, clamp: tuple[float, float] | None = None) -> Neuron:
    """Neurons that put out what arrives in the same tick."""
    return Neuron(
        output="analog",
        alpha=np.asarray(0.0),
        reset="none",
        activation=activation,
        clamp=clamp,
    )


def _rnn(p: _Parts) -> None:
    sources = p.from_input("x", 0), p.from_state("h", 0)
    p.add("", memoryless(p.node.activation), *sources)


def _gru(p: _Parts) -> None:
    """``n = tanh(x + (q + r' q) / 2)`` and ``h = (n + h + z' (h - n)) / 2``, r' = 2 r - 1."""
    r, z = p.gate("r", 0), p.gate("z", 1)
    q = p.add("q", memoryless("identity"), p.from_state("hn", 2))
    candidate = p.half("hq", q, p.add("rq", Product(), r, q))
    n = p.add("n", memoryless("tanh"), p.from_input("xn", 2), candidate)
    away = p.add("hn_less", Scale(np.asarray(-1.0)), n)
    step = p.add("step", Scale(np.asarray(1.0)), away, late=[p.name])
    moved = p.add("zs", Product(), z, step)
    mean = p.half("mean", n, moved, late=[p.name])
    p.add("", memoryless("identity", (-1.0, 1.0)), mean)


def _lstm(p: _Parts) -> None:
    """``c = (c + f' c + g + i' g) / 2`` and ``h = (t + o' t) / 2``, t = tanh(c), f' = 2 f - 1."""
    i, f, o = p.gate("i", 0), p.gate("f", 1), p.gate("o", 3)
    g = p.gate("g", 2, gain=1.0)
    cell = f"{p.name}.c"
    kept = p.add("fc", Product(), f, late=[cell])
    new = p.add("ig", Product(), i, g)
    state = p.half("state", g, kept, new, late=[cell])
    p.add("c", memoryless("identity"), state)
    t = p.add("t", memoryless("tanh"), state)
    shown = p.half("shown", t, p.add("ot", Product(), o, t))
    p.add("", memoryless("identity", (-1.0, 1.0)), shown)


_BUILDERS: Final = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}
