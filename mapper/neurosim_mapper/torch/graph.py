"""A network under construction: what the exporter knows about the values inside a model."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from neurosim.errors import UnsupportedError, UsageError
from neurosim_mapper.network import Edge, Network
from neurosim_mapper.nodes import Input, Neuron, Node, Output, Scale, Shape

INPUT, OUTPUT = "input", "output"


@dataclass(frozen=True)
class Value:
    """A tensor of the model: the sum of what some nodes put out.

    Attributes
    ----------
    sources : names of the nodes, all different.
    shape : of one tick.
    readout : None while the value has a time axis; else how the host gets it from the ticks.
    left : name of a softmax that the host applies to it; nothing may follow on the chip then.
    time_axis : 1 for tensors (batch, ticks, ...), 0 for (ticks, batch, ...).
    """

    sources: tuple[str, ...]
    shape: Shape
    readout: str | None = None
    left: str | None = None
    time_axis: int = 1


class Builder:
    """Collects nodes and edges; names are unique. `time_axis` is that of the model's input."""

    def __init__(self, input_shape: Shape, ticks: int | None, time_axis: int = 1) -> None:
        self.nodes: dict[str, Node] = {INPUT: Input(input_shape)}
        self.edges: list[Edge] = []
        self.ticks, self.time_axis = ticks, time_axis

    def input(self) -> Value:
        """The input of the model."""
        return Value((INPUT,), self.nodes[INPUT].out_shape(()), time_axis=self.time_axis)

    def add(self, name: str, node: Node, value: Value) -> Value:
        """Append a node behind `value`; its output."""
        self.refuse_left(name, value)
        name = self.unique(name)
        shape = node.out_shape(value.shape)
        self.nodes[name] = node
        self.edges += [(source, name) for source in value.sources]
        return replace(value, sources=(name,), shape=shape)

    def unique(self, name: str) -> str:
        """`name`, lengthened until nothing is called so yet."""
        while name in self.nodes or name in (INPUT, OUTPUT, "readout"):
            name += "_"
        return name

    def left_to_host(self, name: str, value: Value) -> Value:
        """`value` with a softmax that the host may apply: it changes no decision."""
        self.refuse_left(name, value)
        return replace(value, left=name)

    def refuse_left(self, name: str, value: Value) -> None:
        """UnsupportedError if there is a softmax in front of a node."""
        if value.left is not None:
            raise UnsupportedError(
                f"{name!r} follows the softmax {value.left!r}, which no chip computes; a softmax "
                "can only be the end of a model."
            )

    def sum(self, name: str, a: Value, b: Value) -> Value:
        """The sum of two values; several edges into a node add up."""
        for value in (a, b):
            self.refuse_left(name, value)
        if (a.shape, a.readout, a.time_axis) != (b.shape, b.readout, b.time_axis):
            raise UnsupportedError(
                f"{name!r} adds values of shapes {a.shape} and {b.shape}; they must agree, and "
                "both or none must have a time axis, in the same place."
            )
        if set(a.sources) & set(b.sources):  # x + x: an edge exists once
            b = self.add(f"{name}.copy", Scale(np.asarray(1.0)), b)
        return replace(a, sources=a.sources + b.sources)

    def reduce(self, name: str, value: Value, how: str) -> Value:
        """The ticks become one result, read by the host."""
        self.refuse_left(name, value)
        if value.readout is not None:
            raise UnsupportedError(f"{name!r} reduces over time, but that was done before.")
        return replace(value, readout=how)

    def settled(self, name: str, value: Value) -> Value:
        """`value` as something that further layers may use after a reduction over time.

        A sum or mean becomes a layer of integrators that hold the sum so far, so that the last
        tick has the result.
        """
        if value.readout not in ("sum", "mean"):
            return value
        if value.readout == "mean":
            if self.ticks is None:
                raise UsageError(
                    f"{name!r} follows a mean over time; its number of ticks is needed. Give "
                    "sample_input or ticks."
                )
            value = self.add(f"{name}.share", Scale(np.asarray(1.0 / self.ticks)), value)
        integrator = Neuron(output="analog", alpha=np.asarray(1.0), reset="none")
        return replace(self.add(f"{name}.integrator", integrator, value), readout="last")

    def finish(self, value: Value, readout: str | None) -> Network:
        """The network that puts `value` out."""
        if readout is not None and value.readout not in (None, readout):
            raise UsageError(
                f"readout is {readout!r}, but the model itself reads {value.readout!r}."
            )
        self.add_output(value)
        notes = (
            f"The softmax {value.left!r} is left to the host: the network puts out what it sees, "
            "and ticks are added up or averaged in front of it.",
        )
        return Network(
            self.nodes,
            tuple(self.edges),
            readout or value.readout or "sum",
            notes if value.left is not None else (),
        )

    def add_output(self, value: Value) -> None:
        """The output node."""
        self.nodes[OUTPUT] = Output()
        self.edges += [(source, OUTPUT) for source in value.sources]
