"""Irregular layers: blocks of neurons that hear the same sources, instead of boxes.

No off-the-shelf partitioner knows an axon limit, so blocks are grown neuron by neuron, the one with
the fewest new sources next, and refined by swaps on the number of sources that all blocks hear
together. The block size is swept (full blocks win where fan-in may be split, smaller ones where it
may not), and the result is used only if it needs fewer cores than boxes in the given order.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.offsets import offsets_of
from neurosim_mapper.connections import Index, SparseConnection
from neurosim_mapper.mapping import Schedule
from neurosim_mapper.partition._cluster_kernel import grow_blocks, swap_neurons
from neurosim_mapper.partition.choice import packed_cores
from neurosim_mapper.partition.limits import NOT_SHARED, CoreLimits
from neurosim_mapper.partition.tiles import Tile, cut_tile
from neurosim_mapper.quantized import QuantizedLayer

_SHARES: Final = (1.0, 0.75, 0.5)  # of the neurons of a core, tried as block size
_GOOD_ENOUGH: Final = 1.1  # times the neurons alone: boxes that need no more are kept
_MOST_COUNTS: Final = 1 << 26  # blocks x sources up to which blocks are refined
_TRIES_PER_NEURON: Final = 60


def better_tiles(
    layer: QuantizedLayer, boxes: list[Tile], limits: CoreLimits, schedule: Schedule
) -> list[Tile]:
    """Tiles of clustered blocks where they need fewer cores than `boxes`, else `boxes`."""
    irregular = any(isinstance(p.connection, SparseConnection) for p in layer.projections)
    best, cores = boxes, _cores(boxes, limits)
    if not irregular or cores <= _GOOD_ENOUGH * layer.n_neurons / limits.neurons + 1:
        return boxes
    offset, source = _sources(layer, schedule)
    for share in _SHARES:
        size = max(1, int(limits.neurons * share))
        most_axons = 1 << 40 if limits.splits else limits.axons
        tiles = [
            tile
            for block in cluster(offset, source, size, most_axons)
            for tile in cut_tile(layer, block, limits, schedule)
        ]
        found = _cores(tiles, limits)
        if found < cores:
            best, cores = tiles, found
    return best


def cluster(
    offset: Index, source: npt.NDArray[np.int32], size: int, most_axons: int
) -> list[Index]:
    """Blocks of at most `size` neurons with few sources each, every block ascending.

    Parameters
    ----------
    offset, source : (n_neurons + 1,) and flat: the distinct sources of each neuron.
    """
    n = offset.size - 1
    target = np.repeat(np.arange(n, dtype=np.int32), np.diff(offset))
    n_sources = int(source.max(initial=-1)) + 1
    order = np.argsort(source, kind="stable")
    back = target[order]
    back_offset = offsets_of(np.bincount(source, minlength=n_sources))
    block = np.full(n, -1, np.int32)
    n_blocks = grow_blocks(offset, source, back_offset, back, size, most_axons, block)
    member = np.argsort(block, kind="stable").astype(np.int32)
    member_offset = offsets_of(np.bincount(block, minlength=n_blocks))
    if n_blocks > 1 and n_blocks * n_sources <= _MOST_COUNTS and most_axons > n_sources:
        count = np.zeros((n_blocks, n_sources), np.int16)
        np.add.at(count, (block[target], source), np.int16(1))
        tries = _TRIES_PER_NEURON * n
        swap_neurons(
            offset, source, back_offset, back, block, member, member_offset, count, tries, 1
        )
        member = np.argsort(block, kind="stable").astype(np.int32)
    return [np.sort(part).astype(np.int64) for part in np.split(member, member_offset[1:-1])]


def _sources(layer: QuantizedLayer, schedule: Schedule) -> tuple[Index, npt.NDArray[np.int32]]:
    """Distinct sources of each neuron over all projections, numbered from 0."""
    bundles: dict[tuple[str, int, int], int] = {}
    targets, keys = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for number, p in enumerate(layer.projections):
        which = (p.source, schedule.chip_delay[layer.name, number], p.axon_type)
        base = bundles.setdefault(which, len(bundles)) << 40
        if isinstance(p.connection, SparseConnection):
            found, row = p.connection.source, p.connection.offset
        else:
            lists = [p.connection.sources_of(np.array([t])) for t in range(layer.n_neurons)]
            found = np.concatenate([np.empty(0, np.int64), *lists])
            row = offsets_of([part.size for part in lists])
        targets.append(np.repeat(np.arange(layer.n_neurons), np.diff(row)))
        keys.append(found + base)
    _, key = np.unique(np.concatenate(keys), return_inverse=True)
    n_keys = int(key.max(initial=-1)) + 1
    pair = np.unique(np.concatenate(targets) * max(n_keys, 1) + key)
    target, source = np.divmod(pair, max(n_keys, 1))
    offset = np.searchsorted(target, np.arange(layer.n_neurons + 1))
    return offset.astype(np.int64), source.astype(np.int32)


def _cores(tiles: list[Tile], limits: CoreLimits) -> int:
    pieces: dict[tuple[int, int], int] = {}
    for tile in tiles:
        for group in (tile.owner, *tile.fragments):
            size = (sum(s.size for _, s in group.inputs), group.neurons.size)
            pieces[size] = pieces.get(size, 0) + 1
    return packed_cores([(n, a, m, NOT_SHARED) for (a, m), n in pieces.items()], limits)
