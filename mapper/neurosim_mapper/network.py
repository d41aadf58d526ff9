"""The float network: named nodes and edges, as a checkpoint describes them.

Enters: nodes from a reader or from `Network.sequential`. Promised after construction: every edge
joins known nodes, shapes agree, there is one input, every cycle passes through a `Neuron` (its
edge that closes the cycle carries one tick of delay), and `order` lists the nodes so that each
comes after the sources of its forward edges.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError
from neurosim_mapper.nodes import Input, Neuron, Node, Output, Product, Shape

Edge = tuple[str, str]


@dataclass(frozen=True)
class Network:
    """A directed graph of nodes; several edges into one node add up.

    Attributes
    ----------
    nodes : mapping of name to Node.
    edges : pairs of names, source first.
    readout : how a host turns the outputs of all ticks into class scores: ``sum``, ``mean``
        (the same arg max), or ``last`` tick.
    assumptions : sentences that a reader assumed and the file did not say.
    provenance : where the numbers come from (plain JSON data).
    feedback : edges that carry one tick of delay because they say so; those that close a cycle
        beyond these are found. They leave a neuron.
    calibration : (samples, ticks, *input shape) typical inputs that came with the checkpoint; the
        quantizer goes by them where it is given no others.
    """

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    readout: str = "sum"
    assumptions: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    calibration: npt.NDArray[Any] | None = field(default=None, compare=False)
    feedback: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        for source, target in self.edges:
            for name in (source, target):
                if name not in self.nodes:
                    raise InputFileError(f"An edge names the node {name!r}, which does not exist.")
            if isinstance(self.nodes[target], Input):
                raise InputFileError(f"An edge leads from {source!r} into the input {target!r}.")
        if len(set(self.edges)) != len(self.edges):
            twice = Counter(self.edges).most_common(1)[0][0]
            raise InputFileError(f"The edge {twice[0]} -> {twice[1]} is listed twice.")
        for source, target in self.feedback:
            known = (source, target) in self.edges and isinstance(self.nodes[source], Neuron)
            if not known:
                raise InputFileError(
                    f"The feedback {source} -> {target} must be an edge that leaves a neuron."
                )
        if self.readout not in ("sum", "mean", "last"):
            raise InputFileError(f"readout is {self.readout!r}; known: sum, mean, last.")
        _ = self.input_name, self.output_name, self.shapes
        if self.calibration is not None:
            self._check_calibration(self.calibration)

    def _check_calibration(self, x: npt.NDArray[Any]) -> None:
        shape = self.shapes[self.input_name]
        if x.ndim != 2 + len(shape) or x.shape[2:] != shape or not x.size:
            raise InputFileError(
                f"The calibration inputs have shape {x.shape}; needed: (samples, ticks, "
                f"{', '.join(map(str, shape))}), at least one of each."
            )
        if x.dtype.kind not in "biuf" or not np.isfinite(x).all():
            raise InputFileError("The calibration inputs are not all finite numbers.")

    @classmethod
    def sequential(cls, nodes: Sequence[Node], readout: str = "sum") -> Network:
        """A chain. The first node must be an `Input`; an `Output` is added when missing.

        Nodes are named after their kind and position: ``linear1``, ``neuron2``, ...
        """
        chain = list(nodes)
        if not chain or not isinstance(chain[0], Input):
            raise InputFileError("Network.sequential needs an Input(shape) as its first node.")
        if not isinstance(chain[-1], Output):
            chain.append(Output())
        names = [f"{type(n).__name__.lower()}{i}" for i, n in enumerate(chain)]
        names[0], names[-1] = "input", "output"
        return cls(
            dict(zip(names, chain, strict=True)),
            tuple(pairwise(names)),
            readout,
        )

    @cached_property
    def input_name(self) -> str:
        """The one input node."""
        return self._the_only(Input, "input")

    @cached_property
    def output_name(self) -> str:
        """The one output node."""
        return self._the_only(Output, "output")

    def _the_only(self, kind: type[Node], what: str) -> str:
        found = [name for name, node in self.nodes.items() if isinstance(node, kind)]
        if len(found) != 1:
            raise InputFileError(
                f"A network needs exactly one {what} node, this one has {len(found)}."
            )
        return found[0]

    def sources(self, name: str) -> tuple[str, ...]:
        """Nodes with an edge into `name`."""
        return self._neighbours[0][name]

    def targets(self, name: str) -> tuple[str, ...]:
        """Nodes that `name` has an edge to."""
        return self._neighbours[1][name]

    @cached_property
    def _neighbours(self) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
        """Sources and targets of every node, in the order of `edges`."""
        into: dict[str, list[str]] = {name: [] for name in self.nodes}
        out_of: dict[str, list[str]] = {name: [] for name in self.nodes}
        for source, target in self.edges:
            into[target].append(source)
            out_of[source].append(target)
        return (
            {name: tuple(found) for name, found in into.items()},
            {name: tuple(found) for name, found in out_of.items()},
        )

    @cached_property
    def recurrent_edges(self) -> frozenset[Edge]:
        """Edges out of a neuron that close a cycle; they carry exactly one tick of delay."""
        return frozenset(_back_edges(self))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """Node names, sources of forward edges first; ties in the order of `nodes`."""
        return tuple(_topological(self, self.recurrent_edges))

    @cached_property
    def shapes(self) -> dict[str, Shape]:
        """Output shape of every node."""
        return _infer_shapes(self)

    @property
    def input_shape(self) -> Shape:
        """Shape of one tick of one sample."""
        return self.shapes[self.input_name]

    @property
    def output_shape(self) -> Shape:
        """Shape of the result of one tick."""
        return self.shapes[self.output_name]


def _back_edges(network: Network) -> list[Edge]:
    """Edges that leave a Neuron and close a loop, seen from the input.

    What the network names as feedback is taken first. A loop is entered at its neuron nearest to
    the input (ties: order of `nodes`). The feedback is what comes back to it: going backwards from
    there, through nodes without a state, the first edges that leave a neuron. A loop without a
    neuron has no state to delay and is refused.
    """
    if len(_topological(network, frozenset())) == len(network.nodes):
        return []
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(network.nodes)
    graph.add_edges_from(network.edges)
    depth = nx.single_source_shortest_path_length(graph, network.input_name)
    graph.remove_edges_from(network.feedback)
    position = {name: i for i, name in enumerate(network.nodes)}
    back: list[Edge] = list(network.feedback)
    while True:
        cyclic = [
            c
            for c in nx.strongly_connected_components(graph)
            if len(c) > 1 or graph.has_edge(*(next(iter(c)),) * 2)
        ]
        if not cyclic:
            return back
        for component in cyclic:
            neurons = [n for n in component if isinstance(network.nodes[n], Neuron)]
            if not neurons:
                raise InputFileError(
                    f"The nodes {', '.join(sorted(component))} form a loop without a neuron; "
                    "such a loop has no state and no delay. Put a neuron into it."
                )
            entry = min(neurons, key=lambda n: (depth.get(n, len(depth)), position[n]))
            feedback = _feedback_into(network, graph.pred, component, entry)
            back.extend(feedback)
            graph.remove_edges_from(feedback)


def _feedback_into(
    network: Network, predecessors: Mapping[str, Any], component: set[str], entry: str
) -> list[Edge]:
    """Edges of a loop that leave a neuron and reach `entry` without passing another neuron."""
    found: list[Edge] = []
    seen = {entry}
    waiting = [entry]
    while waiting:
        name = waiting.pop()
        for source in predecessors[name]:
            if source not in component:
                continue
            if isinstance(network.nodes[source], Neuron):
                found.append((source, name))
            elif source not in seen:
                seen.add(source)
                waiting.append(source)
    return sorted(found)


def _topological(network: Network, skip: frozenset[Edge]) -> list[str]:
    position = {name: i for i, name in enumerate(network.nodes)}
    waiting = {
        name: sum((s, name) not in skip for s in network.sources(name)) for name in network.nodes
    }
    ready = sorted((n for n, k in waiting.items() if k == 0), key=position.__getitem__)
    order: list[str] = []
    while ready:
        name = ready.pop(0)
        order.append(name)
        for target in network.targets(name):
            if (name, target) in skip:
                continue
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
                ready.sort(key=position.__getitem__)
    return order


def _infer_shapes(network: Network) -> dict[str, Shape]:
    """Shapes by propagation from the input; loops are entered where their shape is known."""
    shapes: dict[str, Shape] = {}
    waiting = list(network.order)
    while waiting:
        rest = [name for name in waiting if not _try_shape(network, name, shapes)]
        if len(rest) == len(waiting):
            raise InputFileError(
                f"Node {rest[0]!r} cannot be reached from the input; connect it or remove it."
            )
        waiting = rest
    for name in network.nodes:
        _check_sources(network, name, shapes)
    return shapes


def _try_shape(network: Network, name: str, shapes: dict[str, Shape]) -> bool:
    node = network.nodes[name]
    known = [shapes[s] for s in network.sources(name) if s in shapes]
    if not known and not isinstance(node, Input):
        return False
    try:
        shapes[name] = node.out_shape(known[0] if known else ())
    except InputFileError as error:
        raise InputFileError(f"Node {name!r}: {error}") from None
    return True


def _check_sources(network: Network, name: str, shapes: dict[str, Shape]) -> None:
    incoming = {source: shapes[source] for source in network.sources(name)}
    if len(set(incoming.values())) > 1:
        listed = ", ".join(f"{source} {shape}" for source, shape in incoming.items())
        raise InputFileError(f"Node {name!r} adds inputs of different shapes: {listed}.")
    if isinstance(network.nodes[name], Product) and len(incoming) != 2:
        raise InputFileError(
            f"Node {name!r} is a product of {len(incoming)} sources; exactly two are needed."
        )
