"""Tiles: the groups of one layer for a chosen box shape, fan-in cut to the axons of a core.

A tile is a box (channels x rows x columns) of neurons; neighbours share inputs, so a good shape
saves axons. Its fan-in is cut into fragments of equal size, anywhere in the list of its sources
(not at whole channels), so that no axon stays unused for the sake of a boundary.

Enters: one layer and the shape that `choice` picked. Leaves: its groups, tile after tile; see
`packing` for what shares a core.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import NeuronGroup, Schedule
from neurosim_mapper.partition.candidates import edges_of
from neurosim_mapper.partition.geometry import Box, ConvReach, box_neurons, layer_geometry
from neurosim_mapper.partition.kernels import shared_cells
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.partition.refusals import too_large_neuron
from neurosim_mapper.quantized import QuantizedLayer

Inputs = list[tuple[int, Index]]


@dataclass(frozen=True)
class Tile:
    """A box of neurons as groups: the owner, then its fan-in fragments."""

    owner: NeuronGroup
    fragments: tuple[NeuronGroup, ...]


def cut_layer(
    layer: QuantizedLayer, shape: Box, box: Box, limits: CoreLimits, schedule: Schedule
) -> list[Tile]:
    """All tiles of a layer, row of boxes after row of boxes, channels innermost."""
    channels, rows, columns = edges_of(shape, box)
    reaches = layer_geometry(layer).reaches
    result: list[Tile] = []
    for y0, y1 in pairwise(rows):
        for x0, x1 in pairwise(columns):
            for c0, c1 in pairwise(channels):
                neurons = box_neurons(shape, (c0, y0, x0), (c1 - c0, y1 - y0, x1 - x0))
                heard = [
                    r.sources(((c0, c1), (y0, y1), (x0, x1))) if isinstance(r, ConvReach) else None
                    for r in reaches
                ]
                result.extend(cut_tile(layer, neurons, limits, schedule, heard))
    return result


def cut_tile(
    layer: QuantizedLayer,
    neurons: Index,
    limits: CoreLimits,
    schedule: Schedule,
    heard: list[Index | None] | None = None,
) -> list[Tile]:
    """Groups of one tile; fragments hold runs of the axon keys, equal to within one.

    `heard` are the sources per projection where they are known already. A tile that is too large
    after all (irregular wiring is judged by a sample) is halved.

    Raises DoesNotFitError for a single neuron that hears more than a core has.
    """
    keys, rows = axon_keys(layer, schedule, neurons, heard)

    def groups_of(count: int) -> list[NeuronGroup]:
        edges = [keys.size * i // count for i in range(count + 1)]
        return [
            NeuronGroup(layer.name, neurons, _sources(keys, rows, low, high))
            for low, high in pairwise(edges)
        ]

    def cells(count: int) -> int:
        return max(shared_cells(layer, group, limits) for group in groups_of(count))

    count = limits.fragments(int(keys.size), int(neurons.size), cells)
    if count == 0 and neurons.size == 1:
        raise too_large_neuron(layer.name, int(keys.size), limits)
    if count == 0:
        half = neurons.size // 2
        return [
            tile
            for part in (neurons[:half], neurons[half:])
            for tile in cut_tile(layer, part, limits, schedule)
        ]
    groups = groups_of(count)
    return [Tile(groups[0], tuple(groups[1:]))]


def axon_keys(
    layer: QuantizedLayer,
    schedule: Schedule,
    neurons: Index,
    heard: list[Index | None] | None = None,
) -> tuple[Index, Inputs]:
    """Distinct axons that `neurons` listen to, and per projection the rows of its sources.

    Two projections from one source with one delay and type share their axons. Keys are numbered
    per (source, delay, type) in the order of the projections, then by source neuron.
    """
    first: dict[tuple[str, int, int], int] = {}
    codes: list[Index] = []
    for number, projection in enumerate(layer.projections):
        delay = schedule.chip_delay[layer.name, number]
        bundle = (projection.source, delay, projection.axon_type)
        base = first.setdefault(bundle, len(first)) << 40
        known = heard[number] if heard else None
        codes.append((projection.connection.sources_of(neurons) if known is None else known) + base)
    if len(codes) == 1:
        return codes[0], [(0, np.arange(codes[0].size))]
    keys = np.unique(np.concatenate([np.empty(0, np.int64), *codes]))
    return keys, [(i, np.searchsorted(keys, code)) for i, code in enumerate(codes)]


def _sources(keys: Index, rows: Inputs, low: int, high: int) -> tuple[tuple[int, Index], ...]:
    """Per projection the source neurons whose axon key lies in rows `low`..`high` - 1."""
    chosen = []
    for number, row in rows:
        a, b = np.searchsorted(row, (low, high))
        if b > a:
            chosen.append((number, keys[row[a:b]] & ((1 << 40) - 1)))
    return tuple(chosen)
