"""NIR files to networks: structure from the file, discretisation from a reading."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.errors import InputFileError, NeurosimError, UnsupportedError, UsageError
from neurosim_mapper.network import Edge, Network
from neurosim_mapper.nodes import Delay, Input, Node, Output, Scale, Shape
from neurosim_mapper.readers.discretise import (
    DYNAMIC_KINDS,
    LEAKY_KINDS,
    NEURON_KINDS,
    SPIKING_KINDS,
    discretise,
    time_step_of,
)
from neurosim_mapper.readers.fields import NodeEntry
from neurosim_mapper.readers.guess import guess_writer
from neurosim_mapper.readers.nir_graph import FlatGraph, flatten_graph, self_recurrent
from neurosim_mapper.readers.nir_layout import link_name, read_layout
from neurosim_mapper.readers.nir_nodes import LINEAR_READERS, delay_chain, delay_ticks
from neurosim_mapper.readers.own_nodes import OWN_KINDS, read_own
from neurosim_mapper.readers.plain_nir import SECTION, has_soma, soma_of
from neurosim_mapper.readers.readings import KNOWN, OWN, Reading, named_reading, override
from neurosim_mapper.readers.supplement import Supplement, supplement_of

GRAPH_FORMAT = 1  # of the neurosim section in the metadata of a graph


def read_nir(
    path: str | os.PathLike[str],
    reading: str | Reading | None = None,
    shapes_only: bool = False,
    **choices: Any,
) -> Network:
    """Read a NIR file.

    Parameters
    ----------
    path : the file.
    shapes_only : large weights are stood in for, see `read_layout`.
    reading : name of a reading or a `Reading`; not needed for files that neurosim wrote and for
        files without neurons that have a time constant.
    **choices : single choices of the reading that are replaced.

    Raises
    ------
    InputFileError : the file cannot be used.
    UnsupportedError : it holds a node that neurosim does not know.
    UsageError : there is no such reading, or one is needed; the message says which framework the
        file looks like.
    """
    path = Path(path)
    chosen = choose_reading(reading, choices)
    # Whatever a damaged number turns into is found by the checks for finite values.
    with np.errstate(all="ignore"):
        return _read(path, chosen, shapes_only)


def _read(path: Path, chosen: Reading | None, shapes_only: bool) -> Network:
    layout = read_layout(path, shapes_only)
    try:
        graph, said = _own_section(flatten_graph(layout.node))
        if chosen is None:
            _demand_reading(graph)
        if not said:
            said["provenance"] = {
                "file": path.name,
                "format": f"NIR {layout.version}".strip(),
                "reading": chosen.as_dict() if chosen else None,
            }
        return _Builder(graph, chosen, said).network()
    except NeurosimError as error:
        raise type(error)(f"{path}: {error}") from None


def choose_reading(reading: str | Reading | None, choices: Mapping[str, Any]) -> Reading | None:
    """The reading that the arguments ask for; None to go by what the file itself says."""
    if reading is None or reading == OWN:
        if choices:
            raise UsageError(
                f"{', '.join(choices)} changes a reading, but none is chosen; "
                f"known: {', '.join(KNOWN)}."
            )
        return None
    if isinstance(reading, str):
        reading = named_reading(reading)
    return override(reading, choices)


def _says_itself(entry: NodeEntry) -> bool:
    """Whether a node needs no reading."""
    if entry.kind in DYNAMIC_KINDS:
        return has_soma(entry)
    return entry.kind != "Delay" or "ticks" in entry.metadata(SECTION)


def _demand_reading(graph: FlatGraph) -> None:
    """UsageError if some node means nothing without a reading."""
    unclear = [entry for entry in graph.entries.values() if not _says_itself(entry)]
    if not unclear:
        return
    name, reason = guess_writer(graph)
    hint = f"It looks like a file of {name} ({reason})" if name else reason
    raise UsageError(
        f"{unclear[0].label} is a differential equation, and the file does not say how it was "
        f"stepped (time step, decay, input gain, reset). {hint}. Choose a reading: "
        f"{', '.join(k for k in KNOWN if k != OWN)}."
    )


@dataclass
class _Builder:
    """Nodes and edges under construction."""

    graph: FlatGraph
    reading: Reading | None
    said: dict[str, Any]
    nodes: dict[str, Node] = field(default_factory=dict)
    entrance: dict[str, list[str]] = field(default_factory=dict)
    exits: dict[str, list[str]] = field(default_factory=dict)
    inner_edges: list[Edge] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    recurrent: frozenset[str] = frozenset()  # neurons that lead back to themselves
    supplement: Supplement = field(default_factory=lambda: Supplement({}))

    def network(self) -> Network:
        """Convert every node, join them, settle the input's shape, check what was declared."""
        if self.reading is not None:
            strange = [name for name in self.reading.layers if name not in self.graph.entries]
            if strange:
                raise UsageError(f"the reading names the node {strange[0]!r}, which is missing.")
        self.add_missing_ends()
        self.recurrent = self_recurrent(self.graph, NEURON_KINDS)
        neurons = [name for name, e in self.graph.entries.items() if e.kind in SPIKING_KINDS]
        self.supplement = supplement_of(self.reading, neurons)
        self.notes += self.supplement.notes
        if self.supplement.lost is not None:
            self.said["provenance"]["lost"] = self.supplement.lost
        for name, entry in self.graph.entries.items():
            try:
                self.convert(name, entry)
            except InputFileError as error:
                if str(error).startswith(entry.label):
                    raise
                raise type(error)(f"{entry.label}: {error}") from None
        edges = [
            (start, end)
            for source, target in self.graph.edges
            for start in self.exits[source]
            for end in self.entrance[target]
        ]
        network = self.settle_input([*edges, *self.inner_edges])
        self.check_declared(network)
        return network

    def convert(self, name: str, entry: NodeEntry) -> None:
        """Add the node or nodes of one entry."""
        if entry.kind == "Input":
            self.add(name, Input(entry.shape("shape") or ()))
        elif entry.kind == "Output":
            self.add(name, Output())
        elif entry.kind in LINEAR_READERS:
            self.add(name, _exact(entry, LINEAR_READERS[entry.kind](entry)))
        elif entry.kind in OWN_KINDS:
            self.add(name, read_own(entry))
        elif entry.kind == "Delay":
            self.add_delay(name, entry)
        elif entry.kind in NEURON_KINDS:
            self.add_neuron(name, entry)
        else:
            raise UnsupportedError(
                f"{entry.label}: this node type is not known; known: "
                f"{', '.join(sorted([*LINEAR_READERS, *NEURON_KINDS, *OWN_KINDS, 'Delay']))}."
            )

    def add(self, name: str, *chain: Node) -> None:
        """One node, or a chain of nodes whose last one keeps the name."""
        names = [*(self.free_name(name, node) for node in chain[:-1]), name]
        self.nodes.update(zip(names, chain, strict=True))
        self.inner_edges.extend(pairwise(names))
        self.entrance.setdefault(name, []).append(names[0])
        self.exits.setdefault(name, []).append(names[-1])

    def free_name(self, name: str, node: Node, extra: str = "") -> str:
        """A name for a node that the file does not have."""
        wanted = f"{name}.{type(node).__name__.lower()}{extra}"
        while wanted in self.graph.entries or wanted in self.nodes:
            wanted += "_"
        return wanted

    def add_neuron(self, name: str, entry: NodeEntry) -> None:
        """A soma, with the gain of its input in front."""
        if self.reading is None:
            if has_soma(entry):
                self.add(name, soma_of(entry))
                return
            assert entry.kind not in DYNAMIC_KINDS  # a reading was demanded
        reading = (self.reading or named_reading("literal")).for_node(name)
        if reading.dt is None and entry.kind in LEAKY_KINDS:
            reading = replace(reading, dt=time_step_of(entry))
            self.notes.append(f"One tick of node {name!r} is {reading.dt:g}, as its r tells.")
        gain, neuron = discretise(entry, reading, name in self.recurrent)
        neuron, back = self.supplement.complete(name, neuron)
        before = [] if (gain == 1).all() else [Scale(gain)]
        self.add(name, *before, neuron)
        if back is not None:
            loop = self.free_name(name, back, "_back")
            self.nodes[loop] = back
            self.inner_edges += [(name, loop), (loop, self.entrance[name][0])]
        if reading.output_factor != 1 and neuron.output == "spike":
            factor = Scale(np.asarray(reading.output_factor))
            after = self.free_name(name, factor, "_out")
            self.nodes[after] = factor
            self.inner_edges.append((name, after))
            self.exits[name] = [after]

    def add_delay(self, name: str, entry: NodeEntry) -> None:
        """One delay, or one masked branch for each different delay."""
        if self.reading is None:
            section = NodeEntry(entry.name, entry.kind, entry.metadata(SECTION))
            self.add(name, Delay(section.integer("ticks")))
            return
        found = delay_ticks(entry, self.reading.for_node(name).tick)
        if len(found) == 1:
            self.add(name, Delay(next(iter(found))))
            return
        for ticks, mask in found.items():
            chain = delay_chain(ticks, mask)
            names = [self.free_name(name, node, str(ticks)) for node in chain]
            self.nodes.update(zip(names, chain, strict=True))
            self.inner_edges.extend(pairwise(names))
            self.entrance.setdefault(name, []).append(names[0])
            self.exits.setdefault(name, []).append(names[-1])

    def add_missing_ends(self) -> None:
        """Input and Output nodes for a graph that has none but one obvious place for each."""
        entries, edges = self.graph.entries, list(self.graph.edges)
        kinds = {entry.kind for entry in entries.values()}
        starts = [n for n in entries if all(b != n for _, b in edges)]
        ends = [n for n in entries if all(a != n for a, _ in edges)]
        added = dict(entries)
        if "Input" not in kinds and len(starts) == 1:
            shape = _own_input_shape(entries[starts[0]])
            if shape is not None:
                tree = {"type": "Input", "shape": np.asarray(shape)}
                added["input"] = NodeEntry("input", "Input", tree)
                edges.append(("input", starts[0]))
                self.notes.append(f"The file has no Input node; {starts[0]!r} is fed.")
        if "Output" not in kinds and len(ends) == 1:
            added["output"] = NodeEntry("output", "Output", {"type": "Output"})
            edges.append((ends[0], "output"))
            self.notes.append(f"The file has no Output node; {ends[0]!r} is read.")
        if len(added) - len(entries) == len(edges) - len(self.graph.edges):
            self.graph = FlatGraph(added, tuple(edges), self.graph.metadata)

    def settle_input(self, edges: list[Edge]) -> Network:
        """The network with the declared input shape, or without axes that the weights refuse.

        Exporters leave batch and time axes in front of the declared shape; the first shape
        without leading axes that fits the rest of the file is taken, and said.
        """
        inputs = [name for name, node in self.nodes.items() if isinstance(node, Input)]
        if len(inputs) != 1:
            return self.finish(edges, [])
        declared = self.graph.entries[inputs[0]].shape("shape") or ()
        first_error: InputFileError | None = None
        for n_dropped in range(len(declared)):
            shape = declared[n_dropped:]
            self.nodes[inputs[0]] = Input(shape)
            note = f"The input is declared as {declared}; its axes {shape} are taken."
            try:
                return self.finish(edges, [note] if n_dropped else [])
            except InputFileError as error:
                # Without a batch axis the message is about the network, not about that axis.
                if first_error is None or set(declared[:n_dropped]) == {1}:
                    first_error = error
        assert first_error is not None  # Input refuses an empty shape
        raise first_error

    def finish(self, edges: list[Edge], notes: list[str]) -> Network:
        """The network, with what the file and the reading say about it."""
        said = dict(self.said)
        order = [*said.pop("order", ()), *self.nodes]
        said["assumptions"] = (
            *said.get("assumptions", ()),
            *(self.reading.assumptions() if self.reading else ()),
            *self.notes,
            *notes,
        )
        return Network({name: self.nodes[name] for name in order}, tuple(edges), **said)

    def check_declared(self, network: Network) -> None:
        """Shapes that the file states must be those that its weights give."""
        for name, entry in self.graph.entries.items():
            if entry.kind == "Output":
                declared, actual = entry.shape("shape"), network.shapes[name]
            elif entry.kind in ("Conv1d", "Conv2d"):
                declared = entry.shape("input_shape")
                actual = network.shapes[network.sources(name)[0]][1:]
            elif entry.kind == "Flatten":
                declared = entry.shape("input_type")
                actual = network.shapes[network.sources(name)[0]]
            else:
                continue
            if declared is None or np.prod(declared) == np.prod(actual):
                continue
            # Some exporters declare the shape of the neurons' parameters, which spread over axes.
            spread = zip(reversed(declared), reversed(actual), strict=False)
            if not all(said in (1, size) for said, size in spread):
                raise entry.fail(f"the file states the shape {declared}; its data have {actual}.")


def _exact(entry: NodeEntry, node: Node) -> Node:
    """The node as neurosim had it, where plain NIR forced another form."""
    section = NodeEntry(entry.name, entry.kind, entry.metadata(SECTION))
    if isinstance(node, Scale) and section.has("scale"):
        return Scale(section.array("scale"))
    if "no_bias" in section.tree:
        return type(node)(**{**vars(node), "bias": None})
    return node


def _own_input_shape(entry: NodeEntry) -> Shape | None:
    """Shape that a node takes, if its own entries tell."""
    if entry.kind in ("Linear", "Affine"):
        return entry.array("weight").shape[-1:]
    if entry.kind in ("Conv1d", "Conv2d") and entry.has("input_shape"):
        channels = entry.array("weight").shape[1] * entry.integer("groups", 1)
        return (channels, *entry.integers("input_shape"))
    return entry.shape("input_type") if entry.kind == "Flatten" else None


def _own_section(graph: FlatGraph) -> tuple[FlatGraph, dict[str, Any]]:
    """Read-out, assumptions, provenance and node order of a file that neurosim wrote.

    Returns the graph with the nodes' true names, and arguments for `Network` (none for a file of
    another writer).
    """
    section = graph.metadata.get(SECTION)
    if not isinstance(section, dict):
        return graph, {}
    entry = NodeEntry("", "NIRGraph", section)
    version = entry.integer("format")
    if version != GRAPH_FORMAT:
        raise UnsupportedError(
            f"the file has neurosim's format {version}; this neurosim reads {GRAPH_FORMAT}. "
            "Install a newer one."
        )
    damaged = InputFileError("neurosim's section of the metadata is damaged.")
    try:
        said = json.loads(entry.text("network"))
        true_name = {link_name(name): name for name in said["order"]}
        found = {
            "readout": str(said["readout"]),
            "assumptions": tuple(str(sentence) for sentence in said["assumptions"]),
            "provenance": dict(said["provenance"]),
            "order": list(true_name.values()),
        }
        if "calibration" in section:
            found["calibration"] = np.asarray(section["calibration"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise damaged from None
    if set(true_name) != set(graph.entries):
        raise InputFileError("neurosim's section of the metadata lists other nodes.")
    entries = {name: replace(graph.entries[key], name=name) for key, name in true_name.items()}
    edges = tuple((true_name[a], true_name[b]) for a, b in graph.edges)
    return FlatGraph(entries, edges, graph.metadata), found
