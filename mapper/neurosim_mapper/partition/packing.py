"""Packing: groups that leave a core half empty share it with others.

First fit, largest first, over all limits at once (axons, neurons, synapses, synapse memory, the
crossbar counted as axons x neurons). Sources that two groups share are counted once. A fragment is
never packed with its owner: the partial sums would travel from a core to itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from neurosim.chip import Chip
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import NeuronGroup, Partition, Schedule
from neurosim_mapper.partition.tiles import Tile, max_neurons, tile_layer
from neurosim_mapper.quantized import QuantizedNetwork


@dataclass(frozen=True)
class _Item:
    """A group with its axon keys and the tile that it belongs to."""

    group: NeuronGroup
    keys: Index
    tile: int
    is_owner: bool


@dataclass
class _Bin:
    """A core being filled."""

    keys: Index
    n_neurons: int
    items: list[_Item] = field(default_factory=list)


def partition_tiles(network: QuantizedNetwork, chip: Chip, schedule: Schedule) -> Partition:
    """Tiles of every layer, packed; cores in the order of the layers."""
    tiles = [tile for layer in network.layers for tile in tile_layer(layer, chip, schedule)]
    items = list(_items(network, schedule, tiles))
    bins = _pack(items, chip)
    return _as_partition(bins)


def _items(network: QuantizedNetwork, schedule: Schedule, tiles: list[Tile]) -> list[_Item]:
    bundle: dict[tuple[str, int], int] = {}
    result = []
    for number, tile in enumerate(tiles):
        for group in (tile.owner, *tile.fragments):
            keys = _global_keys(network, schedule, group, bundle)
            result.append(_Item(group, keys, number, group is tile.owner))
    return result


def _global_keys(
    network: QuantizedNetwork,
    schedule: Schedule,
    group: NeuronGroup,
    bundle: dict[tuple[str, int], int],
) -> Index:
    """Axon keys that compare between groups of different layers."""
    parts = [np.empty(0, np.int64)]
    for number, sources in group.inputs:
        source = network.by_name[group.layer].projections[number].source
        which = (source, schedule.chip_delay[group.layer, number])
        parts.append(sources + (bundle.setdefault(which, len(bundle)) << 40))
    return np.unique(np.concatenate(parts))


def _pack(items: list[_Item], chip: Chip) -> list[_Bin]:
    """First fit decreasing by the fuller of axons and neurons."""
    core = chip.core
    fill = [
        max(item.keys.size / core.axons, item.group.neurons.size / core.neurons) for item in items
    ]
    order = sorted(range(len(items)), key=lambda i: (-fill[i], i))
    bins: list[_Bin] = []
    free_axons = np.zeros(len(items), dtype=np.int64)
    free_neurons = np.zeros(len(items), dtype=np.int64)
    for i in order:
        item = items[i]
        # A shared source may make room that this quick test does not see; exactness is not needed.
        possible = np.flatnonzero(
            (free_axons[: len(bins)] >= item.keys.size)
            & (free_neurons[: len(bins)] >= item.group.neurons.size)
        )
        number = next((b for b in possible.tolist() if _joins(bins[b], item, chip)), len(bins))
        if number == len(bins):
            bins.append(_Bin(np.empty(0, np.int64), 0))
        chosen = bins[number]
        chosen.keys = np.union1d(chosen.keys, item.keys)
        chosen.n_neurons += item.group.neurons.size
        chosen.items.append(item)
        free_axons[number] = core.axons - chosen.keys.size
        free_neurons[number] = core.neurons - chosen.n_neurons
    return bins


def _joins(chosen: _Bin, item: _Item, chip: Chip) -> bool:
    if any(other.tile == item.tile for other in chosen.items):
        return False
    n_axons = np.union1d(chosen.keys, item.keys).size
    return chosen.n_neurons + item.group.neurons.size <= max_neurons(chip, int(n_axons))


def _as_partition(bins: list[_Bin]) -> Partition:
    """Cores in the order of their first tile; owners numbered over all cores."""
    for chosen in bins:
        chosen.items.sort(key=lambda item: (item.tile, not item.is_owner))
    bins = sorted(bins, key=lambda b: (b.items[0].tile, not b.items[0].is_owner))
    flat = [item for chosen in bins for item in chosen.items]
    owner_of = {item.tile: i for i, item in enumerate(flat) if item.is_owner}
    return Partition(
        tuple(
            tuple(
                item.group if item.is_owner else replace(item.group, owner=owner_of[item.tile])
                for item in chosen.items
            )
            for chosen in bins
        )
    )
