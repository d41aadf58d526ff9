"""Packing: groups that leave a core half empty share it with others.

First fit, largest first, over all limits at once. Sources that two groups share are counted once.
A fragment is never packed with its owner: the partial sums would travel from a core to itself.
At the end, where fan-in may be split, cores with little on them are dissolved: their groups are
cut by axons and the pieces fill the axons that other cores have left.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import NeuronGroup, Partition, Schedule
from neurosim_mapper.partition.kernels import shared_cells
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.partition.tiles import Tile
from neurosim_mapper.quantized import QuantizedNetwork

_SOURCE_BITS = 40  # of an axon key: (bundle << _SOURCE_BITS) + source neuron


@dataclass(frozen=True)
class Item:
    """A group with its axon keys (sorted) and the tile that it belongs to.

    `bases` holds, per heard projection, what turns its source neurons into axon keys; `shared` is
    the memory that it takes with shared kernels, in cells (of a cut item: at most).
    """

    group: NeuronGroup
    keys: Index
    bases: tuple[int, ...]
    tile: int
    is_owner: bool
    shared: int


@dataclass
class Bin:
    """A core being filled."""

    keys: Index
    n_neurons: int
    shared: int = 0
    items: list[Item] = field(default_factory=list)


class Packer:
    """Cores being filled, with their loads as columns so that a fit is found without a loop."""

    def __init__(self, limits: CoreLimits, capacity: int) -> None:
        self.limits = limits
        self.bins: list[Bin] = []
        self._axons = np.zeros(capacity, dtype=np.int64)
        self._neurons = np.zeros(capacity, dtype=np.int64)
        self._shared = np.zeros(capacity, dtype=np.int64)

    def place(self, item: Item) -> None:
        """Put the item into the first core that has room, or into a new one."""
        n = len(self.bins)
        # A shared source may make room that this quick test does not see; exactness is not needed.
        possible = np.flatnonzero(
            self.limits.fits(
                self._axons[:n] + item.keys.size,
                self._neurons[:n] + item.group.neurons.size,
                self._shared[:n] + item.shared,
            )
        )
        for number in possible.tolist():
            if all(other.tile != item.tile for other in self.bins[number].items):
                self.add(number, item)
                return
        self.bins.append(Bin(np.empty(0, np.int64), 0))
        self.add(n, item)

    def add(self, number: int, item: Item) -> None:
        """Put the item into core `number`."""
        chosen = self.bins[number]
        chosen.keys = np.union1d(chosen.keys, item.keys) if chosen.items else item.keys
        chosen.n_neurons += item.group.neurons.size
        chosen.shared += item.shared
        chosen.items.append(item)
        self._axons[number] = chosen.keys.size
        self._neurons[number] = chosen.n_neurons
        self._shared[number] = chosen.shared


def make_items(
    network: QuantizedNetwork, schedule: Schedule, tiles: list[Tile], limits: CoreLimits
) -> list[Item]:
    """Owners and fragments of all tiles, with keys that compare between layers."""
    bundle: dict[tuple[str, int, int], int] = {}
    result = []
    for number, tile in enumerate(tiles):
        for group in (tile.owner, *tile.fragments):
            bases = _bases(network, schedule, group, bundle)
            shared = shared_cells(network.by_name[group.layer], group, limits)
            keys = _keys(group, bases)
            result.append(Item(group, keys, bases, number, group is tile.owner, shared))
    return result


def pack(items: list[Item], limits: CoreLimits) -> list[Bin]:
    """First fit decreasing by the fuller of axons and neurons, then dissolve."""
    fill = [
        max(item.keys.size / limits.axons, item.group.neurons.size / limits.neurons)
        for item in items
    ]
    order = sorted(range(len(items)), key=lambda i: (-fill[i], i))
    packer = Packer(limits, len(items))
    for i in order:
        packer.place(items[i])
    return _dissolve(packer.bins, limits) if limits.splits else packer.bins


def as_partition(bins: list[Bin], search: list[dict[str, Any]]) -> Partition:
    """Cores in the order of their first tile; owners numbered over all cores."""
    for chosen in bins:
        chosen.items.sort(key=_item_order)
    bins = sorted(bins, key=lambda b: _item_order(b.items[0]))
    flat = [item for chosen in bins for item in chosen.items]
    owner_of = {item.tile: i for i, item in enumerate(flat) if item.is_owner}
    return Partition(
        tuple(
            tuple(
                item.group if item.is_owner else replace(item.group, owner=owner_of[item.tile])
                for item in chosen.items
            )
            for chosen in bins
        ),
        search=tuple(search),
    )


def _item_order(item: Item) -> tuple[int, bool, int]:
    return item.tile, not item.is_owner, int(item.keys[0]) if item.keys.size else 0


def _bases(
    network: QuantizedNetwork,
    schedule: Schedule,
    group: NeuronGroup,
    bundle: dict[tuple[str, int, int], int],
) -> tuple[int, ...]:
    """Per heard projection the offset of its keys; equal sources and delays have equal offsets."""
    projections = network.by_name[group.layer].projections
    bases = []
    for number, _ in group.inputs:
        p = projections[number]
        which = (p.source, schedule.chip_delay[group.layer, number], p.axon_type)
        bases.append(bundle.setdefault(which, len(bundle)) << _SOURCE_BITS)
    return tuple(bases)


def _keys(group: NeuronGroup, bases: tuple[int, ...]) -> Index:
    """Axon keys that compare between groups of different layers."""
    parts = [sources + base for (_, sources), base in zip(group.inputs, bases, strict=True)]
    if len(parts) == 1:
        return parts[0]
    return np.unique(np.concatenate([np.empty(0, np.int64), *parts]))


# --- dissolving -----------------------------------------------------------------------------------


def _dissolve(bins: list[Bin], limits: CoreLimits) -> list[Bin]:
    """Empty cores, the one with the fewest synapse cells first, as long as that succeeds.

    An owner moves whole or leaves its first axons with its neurons; the rest of a cut group
    becomes further fragments. Stops at the first core whose groups find no room.
    """
    order = sorted(range(len(bins)), key=lambda b: (bins[b].keys.size * bins[b].n_neurons, b))
    gone: set[int] = set()
    for number in order:
        others = [b for b in range(len(bins)) if b != number and b not in gone]
        moves = _moves(bins, number, others, limits)
        if moves is None:
            break
        for target, item in moves:
            chosen = bins[target]
            chosen.keys = np.union1d(chosen.keys, item.keys)
            chosen.n_neurons += item.group.neurons.size
            chosen.shared += item.shared
            chosen.items.append(item)
        gone.add(number)
    return [chosen for b, chosen in enumerate(bins) if b not in gone]


def _moves(
    bins: list[Bin], number: int, others: list[int], limits: CoreLimits
) -> list[tuple[int, Item]] | None:
    """Where every group of core `number` could go, in pieces; None if one finds no room."""
    axons = np.array([bins[b].keys.size for b in others], dtype=np.int64)
    neurons = np.array([bins[b].n_neurons for b in others], dtype=np.int64)
    shared = np.array([bins[b].shared for b in others], dtype=np.int64)
    moves: list[tuple[int, Item]] = []
    for item in sorted(bins[number].items, key=lambda i: (-i.group.neurons.size, i.tile)):
        size, done = item.group.neurons.size, 0
        beside = limits.cells // np.maximum(neurons + size, 1) - axons
        beside[shared + item.shared <= limits.cells] = limits.axons
        room = np.minimum(limits.axons - axons, beside)
        room[neurons + size > limits.neurons] = 0
        for place in np.lexsort((np.arange(len(others)), -room)).tolist():
            if done == item.keys.size and done > 0:
                break
            if room[place] <= 0 or any(o.tile == item.tile for o in bins[others[place]].items):
                continue
            stop = min(item.keys.size, done + int(room[place]))
            moves.append((others[place], _piece(item, done, stop)))
            axons[place] += stop - done
            neurons[place] += size
            shared[place] += item.shared
            done = stop
            if item.keys.size == 0:
                break
        if done < item.keys.size or not any(m.tile == item.tile for _, m in moves):
            return None
    return moves


def _piece(item: Item, start: int, stop: int) -> Item:
    """The part of an item that hears axon keys `start`..`stop` - 1; the first part may own."""
    if start == 0 and stop == item.keys.size:
        return item
    keys = item.keys[start:stop]
    inputs, bases = [], []
    for (number, sources), base in zip(item.group.inputs, item.bases, strict=True):
        inside = sources[np.isin(sources + base, keys)]
        if inside.size:
            inputs.append((number, inside))
            bases.append(base)
    return Item(
        replace(item.group, inputs=tuple(inputs)),
        keys,
        tuple(bases),
        item.tile,
        item.is_owner and start == 0,
        item.shared,
    )
