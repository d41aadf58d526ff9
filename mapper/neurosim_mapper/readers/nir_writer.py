"""Networks to NIR files: plain NIR where it has the words, our own node types where not."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    BatchNorm,
    Conv,
    Delay,
    Flatten,
    Input,
    Linear,
    Neuron,
    Output,
    Pool,
    Scale,
    Shape,
    spread,
)
from neurosim_mapper.norms import LayerNorm
from neurosim_mapper.readers.fields import without_leading_ones
from neurosim_mapper.readers.nir import GRAPH_FORMAT
from neurosim_mapper.readers.nir_layout import Tree, link_name, write_layout
from neurosim_mapper.readers.own_nodes import own_tree
from neurosim_mapper.readers.plain_nir import DT, SECTION, plain_tree
from neurosim_mapper.recurrent import Recurrent


def write_network(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network as a NIR file that `read_network` reads back exactly.

    Nodes that plain NIR can express are written as such, so that a network of these opens in any
    NIR reader; others get the node types of `own_nodes`, which other readers refuse. The file
    appears under its name only when it is complete; the same network gives the same bytes.

    Raises UsageError if the place cannot be written, or if a name or the provenance cannot be
    stored.
    """
    write_layout(path, network_tree(network))


def network_tree(network: Network) -> Tree:
    """The contents of the file's ``/node``."""
    names = {name: link_name(name) for name in network.nodes}
    edges = np.empty((len(network.edges), 2), dtype=object)
    for i, (source, target) in enumerate(network.edges):
        edges[i] = names[source], names[target]
    said = {
        "order": list(network.nodes),
        "readout": network.readout,
        "assumptions": list(network.assumptions),
        "provenance": dict(network.provenance),
    }
    try:
        text = json.dumps(said, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"The network's provenance is not plain JSON data: {error}.") from None
    inputs = {} if network.calibration is None else {"calibration": _narrow(network.calibration)}
    return {
        "type": "NIRGraph",
        "nodes": {names[name]: node_tree(network, name) for name in network.nodes},
        "edges": edges,
        "metadata": {SECTION: {"format": np.int64(GRAPH_FORMAT), "network": text} | inputs},
    }


def _narrow(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The same numbers in the smallest type of a few."""
    for kind in (np.uint8, np.int16, np.float32):
        smaller = x.astype(kind)
        if np.array_equal(smaller, x):
            return smaller
    return x


def node_tree(network: Network, name: str) -> Tree:
    """Entries of one node."""
    node = network.nodes[name]
    sources = network.sources(name)
    in_shape = network.shapes[sources[0]] if sources else ()
    if isinstance(node, Input | Output):
        return {"type": type(node).__name__, "shape": np.asarray(network.shapes[name])}
    if isinstance(node, Neuron):
        return plain_tree(node, in_shape) or own_tree(node)
    if isinstance(node, Linear):
        if node.bias is None:
            return {"type": "Linear", "weight": node.weight}
        return {"type": "Affine", "weight": node.weight, "bias": node.bias}
    if isinstance(node, Scale):
        scale = np.array(spread(node.scale, in_shape, "Scale.scale"))
        read_back = without_leading_ones(scale)
        return _with_exact(
            {"type": "Scale", "scale": scale},
            {} if node.scale.shape == read_back.shape else {"scale": node.scale},
        )
    if isinstance(node, Conv):
        return _convolution_tree(node, in_shape)
    if isinstance(node, Pool):
        return _pool_tree(node)
    if isinstance(node, Flatten):
        return {
            "type": "Flatten",
            "input_type": np.asarray(in_shape),
            "start_dim": np.int64(node.start),
            "end_dim": np.int64(node.end),
        }
    if isinstance(node, Delay):
        delay = {"type": "Delay", "delay": np.full(in_shape, node.ticks * DT)}
        return _with_exact(delay, {"ticks": np.int64(node.ticks), "dt": np.float64(DT)})
    if isinstance(node, BatchNorm | LayerNorm | Recurrent):
        return own_tree(node)
    raise AssertionError(f"no rule for {type(node).__name__}")


def _with_exact(tree: Tree, exact: dict[str, Any]) -> Tree:
    return tree | ({"metadata": {SECTION: exact}} if exact else {})


def _convolution_tree(node: Conv, in_shape: Shape) -> Tree:
    if any(before != after for before, after in node.padding):
        return own_tree(node)
    padding = tuple(before for before, _ in node.padding)
    one = node.weight.ndim == 3

    def plain(values: Shape) -> Any:
        return np.int64(values[0]) if one else np.asarray(values)

    return _with_exact(
        {
            "type": "Conv1d" if one else "Conv2d",
            "input_shape": plain(in_shape[1:]),
            "weight": node.weight,
            "stride": plain(node.stride),
            "padding": plain(padding),
            "dilation": plain(node.dilation),
            "groups": np.int64(node.groups),
            "bias": np.zeros(node.weight.shape[0]) if node.bias is None else node.bias,
        },
        {"no_bias": np.int64(1)} if node.bias is None else {},
    )


def _pool_tree(node: Pool) -> Tree:
    uneven = any(before != after for before, after in node.padding)
    if node.mode == "max" or uneven or len(node.kernel) == 1:  # NIR pools over two axes only
        return own_tree(node)
    return {
        "type": "SumPool2d" if node.mode == "sum" else "AvgPool2d",
        "kernel_size": np.asarray(node.kernel),
        "stride": np.asarray(node.stride),
        "padding": np.asarray([before for before, _ in node.padding]),
    }
