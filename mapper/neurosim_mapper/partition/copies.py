"""Partition for chips whose neurons reach few axons (TrueNorth: one): neurons get copies.

Copies of a neuron sit side by side, hear the same axons and send the same spikes, each to axons of
its own. How many a layer needs follows from the tiles of the layers that hear it, so tiles are
made from the output backwards, and once more until nothing changes (loops).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import Partition, Schedule
from neurosim_mapper.partition.by_tiles import search_row, search_tiles
from neurosim_mapper.partition.candidates import edges_of
from neurosim_mapper.partition.geometry import Box, box_neurons, layer_geometry
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.partition.packing import as_partition, make_items, pack
from neurosim_mapper.partition.tiles import Tile, cut_tile
from neurosim_mapper.quantized import INPUT, QuantizedLayer, QuantizedNetwork

_ROUNDS = 12


@dataclass(frozen=True)
class CopyPlan:
    """Tiles of every layer and how many axons hear each neuron (the host counted)."""

    tiles: dict[str, list[Tile]]
    heard: dict[str, Index]
    boxes: dict[str, Box]

    def copies(self, layer: str, destinations: int) -> int:
        """Neurons of a layer beyond the first of each."""
        return int((np.maximum(-(-self.heard[layer] // destinations), 1) - 1).sum())


def partition_copies(network: QuantizedNetwork, chip: Chip, schedule: Schedule) -> Partition:
    """Tiles with as many copies of each neuron as its listeners need, packed.

    Raises DoesNotFitError where copies would need copies without end.
    """
    destinations = chip.core.destinations_per_neuron or 1
    plan = plan_copies(network, chip, schedule)
    tiles = [tile for layer in network.layers for tile in plan.tiles[layer.name]]
    limits = CoreLimits.of(chip)
    bins = pack(make_items(network, schedule, tiles, limits), limits)
    rows: list[dict[str, Any]] = []
    found = search_tiles([layer_geometry(layer) for layer in network.layers], chip)
    for search in found:
        own = plan.tiles[search.name]
        rows.append(
            {
                **search_row(search, None),
                "tile": list(plan.boxes[search.name]),
                "tiles": len(own),
                "fragments_per_tile": 1 + max((len(t.fragments) for t in own), default=0),
                "copies": plan.copies(search.name, destinations),
                "axons": sum(s.size for t in own for _, s in t.owner.inputs),
            }
        )
    return as_partition(bins, rows)


def plan_copies(network: QuantizedNetwork, chip: Chip, schedule: Schedule) -> CopyPlan:
    """The smallest set of copies that serves all listeners."""
    limits = CoreLimits.of(chip)
    destinations = chip.core.destinations_per_neuron or 1
    heard = {layer.name: np.zeros(layer.n_neurons, np.int64) for layer in network.layers}
    heard[network.output] += 1
    tiles: dict[str, list[Tile]] = {}
    boxes: dict[str, Box] = {}
    for _ in range(_ROUNDS):
        before = {name: counts.copy() for name, counts in heard.items()}
        for layer in reversed(network.layers):
            copies = np.maximum(-(-heard[layer.name] // destinations), 1)
            boxes[layer.name], tiles[layer.name] = _tiles(layer, copies, chip, limits, schedule)
            heard = _listeners(network, tiles)
        if all((before[name] == heard[name]).all() for name in heard):
            return CopyPlan(tiles, heard, boxes)
    grown = max(heard, key=lambda name: int(heard[name].sum()))
    raise DoesNotFitError(
        f"layer {grown!r}: every copy of its neurons needs further copies of the neurons that it "
        f"hears (core.destinations_per_neuron = {destinations}), without end. A chip whose neurons "
        "reach more axons, or fewer and smaller recurrent layers, would fit."
    )


def _listeners(network: QuantizedNetwork, tiles: dict[str, list[Tile]]) -> dict[str, Index]:
    """Per neuron, the axons that hear it in all tiles, and the host."""
    heard = {layer.name: np.zeros(layer.n_neurons, np.int64) for layer in network.layers}
    heard[network.output] += 1
    for name, own in tiles.items():
        projections = network.by_name[name].projections
        for tile in own:
            for group in (tile.owner, *tile.fragments):
                for number, sources in group.inputs:
                    source = projections[number].source
                    if source != INPUT:
                        heard[source][sources] += 1
    return heard


def _tiles(
    layer: QuantizedLayer, copies: Index, chip: Chip, limits: CoreLimits, schedule: Schedule
) -> tuple[Box, list[Tile]]:
    """Tiles of a layer whose neuron i stands there `copies[i]` times."""
    mean = float(copies.mean()) if copies.size else 1.0
    room = max(1, int(limits.neurons / mean))
    geometry = layer_geometry(layer)
    fewer = chip.model_copy(update={"core": chip.core.model_copy(update={"neurons": room})})
    search = search_tiles([geometry], fewer)[0]
    box = search.kept[0].box
    channels, rows, columns = edges_of(search.shape, box)
    tiles: list[Tile] = []
    for y0, y1 in pairwise(rows):
        for x0, x1 in pairwise(columns):
            for c0, c1 in pairwise(channels):
                inside = box_neurons(search.shape, (c0, y0, x0), (c1 - c0, y1 - y0, x1 - x0))
                for part in _runs(inside, copies[inside], limits.neurons):
                    repeated = np.repeat(part, copies[part])
                    tiles.extend(cut_tile(layer, repeated, limits, schedule))
    return box, tiles


def _runs(neurons: Index, copies: Index, most: int) -> list[Index]:
    """Neurons in runs whose copies fit a core; a neuron with more copies is alone in its run."""
    runs: list[Index] = []
    start, filled = 0, 0
    for i, count in enumerate(copies.tolist()):
        if filled and filled + count > most:
            runs.append(neurons[start:i])
            start, filled = i, 0
        filled += count
    return [*runs, neurons[start:]]
