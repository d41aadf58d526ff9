"""Routing tables from shapes: how many flows the fullest tile of each layer sends, at most.

Enters: layers and the tiles that were chosen for them. Leaves: entries per layer. Every tile that
can hear one counts, on a core of its own; cores that hold tiles of several layers need the entries
of all of them, and tiles that share a core with others save some.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import numpy as np
import numpy.typing as npt

from neurosim_mapper.connections import DenseConnection
from neurosim_mapper.partition.candidates import Candidate, edges_of
from neurosim_mapper.partition.geometry import Axis, Box, ConvReach, ProductReach, layer_geometry
from neurosim_mapper.quantized import QuantizedNetwork


def table_sizes(network: QuantizedNetwork, picked: Sequence[Candidate], tree: bool) -> list[int]:
    """Entries of the fullest tile of each layer: cores that it sends to, or different trees."""
    choice = {layer.name: c for layer, c in zip(network.layers, picked, strict=True)}
    geometries = {layer.name: layer_geometry(layer) for layer in network.layers}
    shape = {name: geometry.shape for name, geometry in geometries.items()}
    entries = {layer.name: int(layer.name == network.output) for layer in network.layers}
    trees = dict.fromkeys(entries, 1)
    heard = dict.fromkeys(entries, False)
    for layer in network.layers:
        geometry, own = geometries[layer.name], choice[layer.name]
        fragments = -(-own.n_items // own.n_tiles)
        for reach, projection in zip(geometry.reaches, layer.projections, strict=True):
            source = projection.source
            if source not in entries:
                continue
            heard[source] = True
            if isinstance(reach, ConvReach) and reach.conv.in_shape == shape[source]:
                tiles = _conv_tiles(reach.axes, geometry.shape, own, shape[source], choice[source])
            else:
                dense = isinstance(projection.connection, DenseConnection)
                full = dense and isinstance(reach, ProductReach)
                tiles = own.n_tiles, 1 if full else prod(choice[source].box)
            entries[source] += tiles[0] * fragments
            trees[source] *= tiles[1] * fragments
    partial = {name: int(choice[name].n_fragments > 1) for name in entries}
    if tree:
        return [
            (min(trees[name], prod(choice[name].box)) if heard[name] else 0)
            + partial[name]
            + (name == network.output)
            for name in entries
        ]
    return [max(entries[name], partial[name]) for name in entries]


def _conv_tiles(
    axes: Sequence[Axis], shape: Box, own: Candidate, source_shape: Box, source: Candidate
) -> tuple[int, int]:
    """Tiles that hear the most heard tile of the source, and the different sets of them."""
    found = [
        _axis_tiles(axis, cut, n, runs)
        for axis, cut, n, runs in zip(
            axes,
            edges_of(shape, own.box),
            source_shape,
            edges_of(source_shape, source.box),
            strict=True,
        )
    ]
    return prod(tiles for tiles, _ in found), prod(sets for _, sets in found)


def _axis_tiles(axis: Axis, cut: Sequence[int], n: int, runs: Sequence[int]) -> tuple[int, int]:
    """The same along one axis of `n` sources: for the worst of the runs."""
    hears: npt.NDArray[np.bool_] = np.zeros((len(cut) - 1, n), dtype=bool)
    for number, (a, b) in enumerate(pairwise(cut)):
        hears[number, axis.positions(a, b)] = True
    parts = [hears[:, a:b] for a, b in pairwise(runs)]
    return (
        max(int(part.any(axis=1).sum()) for part in parts),
        max(len(np.unique(part, axis=1).T) for part in parts),
    )
