"""Nested NIR graphs, flattened: plain node entries and edges between them.

A node ``lif`` inside a graph node ``rnn`` becomes ``rnn.lif``. The Input and Output nodes of inner
graphs are the plugs of their graph and disappear.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from neurosim.errors import InputFileError, UnsupportedError
from neurosim_mapper.network import Edge
from neurosim_mapper.readers.fields import NodeEntry
from neurosim_mapper.readers.nir_layout import Tree

MAX_NODES: Final = 100_000


@dataclass(frozen=True)
class FlatGraph:
    """Entries by name in natural order (2 before 10), edges in the file's order, metadata."""

    entries: dict[str, NodeEntry]
    edges: tuple[Edge, ...]
    metadata: dict[str, Any]


def flatten_graph(node: Tree) -> FlatGraph:
    """Entries and edges of a graph and of all graphs inside it.

    Raises InputFileError for a graph without nodes or edges, edges to unknown nodes, names that
    occur twice after flattening, and inner graphs with more than one input or output.
    """
    if node.get("type") != "NIRGraph":
        raise InputFileError(f"the root node is of type {node.get('type')!r}; needed: 'NIRGraph'.")
    entries: dict[str, NodeEntry] = {}
    edges: list[Edge] = []
    plugs: set[str] = set()
    _collect(node, "", entries, edges, plugs)
    if len(entries) > MAX_NODES:
        raise InputFileError(f"the graph has {len(entries)} nodes; at most {MAX_NODES} are read.")
    for plug in sorted(plugs):
        edges = _without(plug, edges)
        del entries[plug]
    twice = [edge for edge, n in Counter(edges).items() if n > 1]
    if twice:
        raise InputFileError(f"the edge {twice[0][0]!r} -> {twice[0][1]!r} is listed twice.")
    metadata = node.get("metadata")
    return FlatGraph(
        {name: entries[name] for name in sorted(entries, key=_natural)},
        tuple(edges),
        metadata if isinstance(metadata, dict) else {},
    )


def self_recurrent(graph: FlatGraph, kinds: Collection[str]) -> frozenset[str]:
    """Nodes that lie on a loop with no other node of these kinds: layers that feed themselves."""
    import networkx as nx

    found = set()
    joined = nx.DiGraph(graph.edges)
    for loop in nx.strongly_connected_components(joined):
        members = [name for name in loop if graph.entries[name].kind in kinds]
        if len(members) == 1 and (len(loop) > 1 or joined.has_edge(members[0], members[0])):
            found.add(members[0])
    return frozenset(found)


def _collect(
    graph: Tree, prefix: str, entries: dict[str, NodeEntry], edges: list[Edge], plugs: set[str]
) -> tuple[str, str]:
    """Add the nodes of a graph; names of its input and output plug (root: unused)."""
    where = f"graph {prefix[:-1]!r}" if prefix else "the graph"
    nodes = graph.get("nodes")
    if not isinstance(nodes, dict) or not nodes:
        raise InputFileError(f"{where} has no nodes.")
    inner: dict[str, tuple[str, str]] = {}
    kinds: dict[str, list[str]] = {"Input": [], "Output": []}
    for name, tree in nodes.items():
        full = prefix + name
        kind = tree.get("type") if isinstance(tree, dict) else None
        if not isinstance(kind, str):
            raise InputFileError(f"node {full!r} has no 'type'.")
        if kind == "NIRGraph":
            inner[name] = _collect(tree, f"{full}.", entries, edges, plugs)
            continue
        if full in entries:
            raise InputFileError(f"the name {full!r} occurs twice once inner graphs are flattened.")
        entries[full] = NodeEntry(full, kind, tree)
        if kind in kinds:
            kinds[kind].append(full)
    for source, target in _edge_pairs(graph, where):
        for name in (source, target):
            if name not in nodes:
                raise InputFileError(
                    f"an edge of {where} names the node {name!r}, which is missing."
                )
        start = inner[source][1] if source in inner else prefix + source
        end = inner[target][0] if target in inner else prefix + target
        edges.append((start, end))
    if not prefix:
        return "", ""
    for kind, found in kinds.items():
        if len(found) != 1:
            raise UnsupportedError(
                f"{where} has {len(found)} {kind} nodes; an inner graph needs exactly one."
            )
    plugs.update((kinds["Input"][0], kinds["Output"][0]))
    return kinds["Input"][0], kinds["Output"][0]


def _edge_pairs(graph: Tree, where: str) -> list[Edge]:
    value = graph.get("edges")
    if isinstance(value, np.ndarray) and value.size == 0:
        return []
    if not isinstance(value, np.ndarray) or value.dtype != object or value.shape[1:] != (2,):
        raise InputFileError(f"'edges' of {where} is missing or is not a list of pairs of names.")
    return [(str(a), str(b)) for a, b in value]


def _without(plug: str, edges: list[Edge]) -> list[Edge]:
    """Edges with one node taken out: what led into it leads to where it led."""
    sources = [a for a, b in edges if b == plug]
    targets = [b for a, b in edges if a == plug]
    kept = [edge for edge in edges if plug not in edge]
    return kept + [(a, b) for a in sources for b in targets]


def _natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sort key in which numbers inside a name count as numbers."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return tuple((0, int(p), p) if p.isdecimal() else (1, 0, p) for p in parts)
