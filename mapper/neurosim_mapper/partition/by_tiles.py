"""The partitioner for layered networks: candidates, joint choice, cut, pack."""

from __future__ import annotations

from typing import Any, Final

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError
from neurosim_mapper.mapping import Partition, Schedule
from neurosim_mapper.partition.candidates import Candidate, Candidates, find_candidates
from neurosim_mapper.partition.choice import choose, packed_cores
from neurosim_mapper.partition.clusters import better_tiles
from neurosim_mapper.partition.geometry import Geometry, layer_geometry
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.partition.packing import as_partition, make_items, pack
from neurosim_mapper.partition.refusals import no_tile
from neurosim_mapper.partition.tiles import Tile, cut_layer
from neurosim_mapper.quantized import QuantizedNetwork

MOST_CORES: Final = 100_000


def partition_tiles(network: QuantizedNetwork, chip: Chip, schedule: Schedule) -> Partition:
    """Tiles of every layer, packed; cores in the order of the layers.

    On chips that limit the destinations of a neuron, see `copies`.

    Raises DoesNotFitError with the limit that stands in the way when no shape fits.
    """
    if chip.core.destinations_per_neuron is not None:
        from neurosim_mapper.partition.copies import partition_copies

        return partition_copies(network, chip, schedule)
    limits = CoreLimits.of(chip)
    found = search_tiles([layer_geometry(layer) for layer in network.layers], chip)
    picked = choose(found, limits)
    _check_size(picked, limits)
    tiles: list[Tile] = []
    for layer, search, choice in zip(network.layers, found, picked, strict=True):
        boxes = cut_layer(layer, search.shape, choice.box, limits, schedule)
        tiles += better_tiles(layer, boxes, limits, schedule)
    bins = pack(make_items(network, schedule, tiles, limits), limits)
    return as_partition(bins, [search_row(s, c) for s, c in zip(found, picked, strict=True)])


def search_tiles(geometries: list[Geometry], chip: Chip) -> list[Candidates]:
    """Candidates of every layer; raises DoesNotFitError if there are layers without any."""
    limits = CoreLimits.of(chip)
    found = [find_candidates(geometry, limits) for geometry in geometries]
    without = [(g, search) for g, search in zip(geometries, found, strict=True) if not search.kept]
    if without:
        error = no_tile(without, limits)
        error.report = {"layers": [search_row(search, None) for search in found]}
        raise error
    return found


def search_row(search: Candidates, choice: Candidate | None) -> dict[str, Any]:
    """What the report says about the tiles of one layer."""
    row: dict[str, Any] = {
        "layer": search.name,
        "neurons": search.shape[0] * search.shape[1] * search.shape[2],
        "tile_shapes_tried": search.considered,
        "tile_shapes_rejected": search.rejected,
    }
    if choice is not None:
        row |= {
            "tile": list(choice.box),
            "tiles": choice.n_tiles,
            "fragments_per_tile": choice.n_fragments,
        }
    return row


def _check_size(picked: list[Candidate], limits: CoreLimits) -> None:
    """Refuse, before any tile is cut, what would keep a machine busy for hours."""
    cores = packed_cores([item for candidate in picked for item in candidate.items], limits)
    if cores > MOST_CORES:
        raise DoesNotFitError(
            f"the network needs about {cores} cores of {limits.chip!r}, each with core.axons = "
            f"{limits.axons}, core.neurons = {limits.neurons}, core.synapses = {limits.synapses} "
            f"and core.synapse_memory_bytes = {limits.memory_bytes}; up to {MOST_CORES} are "
            "mapped. Larger cores would fit."
        )
