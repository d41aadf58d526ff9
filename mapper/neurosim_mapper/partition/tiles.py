"""Tiles: which neurons of a layer share a core, and how their fan-in is cut.

A tile is a box (channels x rows x columns) of neurons; neighbours share inputs, so a good shape
saves axons. For each layer every box shape that fits the neurons of a core is priced by the cores
that it needs: tiles x fragments, a fragment being at most `axons` of the tile's sources (any of
them, not whole channels, so no axon stays unused for the sake of a boundary). Equal prices are
decided by the axons in total (copies of the inputs that the network has to carry).

Enters: one layer. Leaves: its groups, tile after tile; see `packing` for what shares a core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from neurosim.chip import Chip
from neurosim.errors import DoesNotFitError
from neurosim_mapper.connections import Index
from neurosim_mapper.mapping import NeuronGroup, Schedule
from neurosim_mapper.quantized import QuantizedLayer

Box = tuple[int, int, int]
Inputs = list[tuple[int, Index]]


@dataclass(frozen=True)
class Tile:
    """A box of neurons as groups: the owner, then its fan-in fragments."""

    owner: NeuronGroup
    fragments: tuple[NeuronGroup, ...]


def tile_layer(layer: QuantizedLayer, chip: Chip, schedule: Schedule) -> list[Tile]:
    """All tiles of a layer, in the best shape.

    Raises DoesNotFitError with the limit that stands in the way when no shape fits.
    """
    shape = _image(layer.shape)
    box = _best_box(layer, chip, schedule, shape)
    return [
        _cut(layer, chip, schedule, _neurons(shape, corner, size))
        for corner, size in _boxes(shape, box)
    ]


def axon_keys(layer: QuantizedLayer, schedule: Schedule, neurons: Index) -> tuple[Index, Inputs]:
    """Distinct axons that `neurons` listen to, and per projection the rows of its sources.

    Two projections from one source with one delay share their axons. Keys are numbered per
    (source, delay) in the order of the projections, then by source neuron.
    """
    first: dict[tuple[str, int], int] = {}
    codes: list[Index] = []
    for number, projection in enumerate(layer.projections):
        bundle = (projection.source, schedule.chip_delay[layer.name, number])
        base = first.setdefault(bundle, len(first)) << 40
        codes.append(projection.connection.sources_of(neurons) + base)
    keys = np.unique(np.concatenate([np.empty(0, np.int64), *codes]))
    return keys, [(i, np.searchsorted(keys, code)) for i, code in enumerate(codes)]


def max_neurons(chip: Chip, n_axons: int) -> int:
    """Neurons that fit beside `n_axons` axons on one core."""
    core, n_axons = chip.core, max(n_axons, 1)
    by_memory = core.synapse_memory_bytes * 8 // (core.weight_bits * n_axons)
    return min(core.neurons, core.synapses // n_axons, by_memory)


def _image(shape: tuple[int, ...]) -> Box:
    """A layer's shape as (channels, rows, columns); a flat layer is a column of channels."""
    padded = (*shape, 1, 1)[: max(3, len(shape))]
    return padded[0], int(np.prod(padded[1:-1])), padded[-1]


def _boxes(shape: Box, box: Box) -> Iterator[tuple[Box, Box]]:
    """Corner and size of boxes of at most `box` that cover `shape`, equal to within one."""
    edges = [_edges(n, size) for n, size in zip(shape, box, strict=True)]
    for y0, y1 in pairwise(edges[1]):
        for x0, x1 in pairwise(edges[2]):
            for c0, c1 in pairwise(edges[0]):
                yield (c0, y0, x0), (c1 - c0, y1 - y0, x1 - x0)


def _edges(n: int, size: int) -> list[int]:
    count = -(-n // size)
    return [n * i // count for i in range(count + 1)]


def _neurons(shape: Box, corner: Box, size: Box) -> Index:
    """Numbers of the neurons in a box, ascending."""
    c, y, x = (np.arange(a, a + n) for a, n in zip(corner, size, strict=True))
    grid = (c[:, None, None] * shape[1] + y[None, :, None]) * shape[2] + x[None, None, :]
    return grid.reshape(-1).astype(np.int64)


# --- the search ---------------------------------------------------------------------------------


def _best_box(layer: QuantizedLayer, chip: Chip, schedule: Schedule, shape: Box) -> Box:
    best: tuple[tuple[int, int, int], Box] | None = None
    for box in _candidates(shape, chip.core.neurons):
        price = _price(layer, chip, schedule, shape, box)
        if price is not None and (best is None or price < best[0]):
            best = (price, box)
    if best is None:
        raise _no_tile(layer, chip, schedule)
    return best[1]


def _candidates(shape: Box, neurons: int) -> Iterator[Box]:
    """Box shapes that differ in the number of tiles they give, widest columns first."""
    channels, rows, columns = shape
    for co in _useful_sizes(channels, neurons):
        for th in _useful_sizes(rows, neurons // co):
            tw = min(columns, neurons // (co * th))
            for size in {tw, *(-(-columns // k) for k in range(1, 5))}:
                if 1 <= size <= tw:
                    yield co, th, size


def _useful_sizes(n: int, limit: int) -> list[int]:
    """Sizes ceil(n / k) up to `limit`, largest first: one for every number of parts."""
    sizes = {-(-n // k) for k in range(1, n + 1)}
    picked = sorted((s for s in sizes if s <= limit), reverse=True)
    return picked or ([1] if limit >= 1 else [])


def _price(
    layer: QuantizedLayer, chip: Chip, schedule: Schedule, shape: Box, box: Box
) -> tuple[int, int, int] | None:
    """(cores, axons, tiles) judged by the tile in the middle; None if it breaks a limit."""
    counts = [len(_edges(n, size)) - 1 for n, size in zip(shape, box, strict=True)]
    corner = tuple(_edges(n, size)[c // 2] for n, size, c in zip(shape, box, counts, strict=True))
    middle = _neurons(shape, (corner[0], corner[1], corner[2]), _clipped(shape, corner, box))
    n_axons = axon_keys(layer, schedule, middle)[0].size
    n_fragments = max(1, -(-n_axons // chip.core.axons))
    if n_fragments > 1 and chip.core.fan_in_extension != "psum_hw":
        return None
    if middle.size > max_neurons(chip, -(-n_axons // n_fragments)):
        return None
    n_tiles = int(np.prod(counts))
    return n_tiles * n_fragments, n_tiles * n_axons, n_tiles


def _clipped(shape: Box, corner: tuple[int, ...], box: Box) -> Box:
    c, y, x = (min(s, n - a) for s, n, a in zip(box, shape, corner, strict=True))
    return c, y, x


def _no_tile(layer: QuantizedLayer, chip: Chip, schedule: Schedule) -> DoesNotFitError:
    """Which limit a single neuron breaks."""
    core = chip.core
    needed = max(
        (axon_keys(layer, schedule, np.array([n]))[0].size for n in _sample(layer.n_neurons)),
        default=0,
    )
    if needed > core.axons and core.fan_in_extension != "psum_hw":
        return DoesNotFitError(
            f"layer {layer.name!r} needs {needed} axons per neuron, a core of {chip.name!r} has "
            f"{core.axons} and core.fan_in_extension is {core.fan_in_extension!r}. Choose a chip "
            "with fan_in_extension: psum_hw, or reduce the fan-in of the layer."
        )
    held = min(needed, core.axons)
    return DoesNotFitError(
        f"layer {layer.name!r}: one neuron with {held} axons needs {held} synapses and "
        f"{-(-held * core.weight_bits // 8)} bytes, a core of {chip.name!r} has "
        f"{core.synapses} synapses and {core.synapse_memory_bytes} bytes. Choose fewer weight "
        "bits or a larger core."
    )


def _sample(n: int) -> Index:
    """Up to 64 neurons spread over a layer."""
    return np.unique(np.linspace(0, n - 1, min(n, 64)).astype(np.int64))


# --- the cut ------------------------------------------------------------------------------------


def _cut(layer: QuantizedLayer, chip: Chip, schedule: Schedule, neurons: Index) -> Tile:
    """Groups of one tile; fragments hold runs of the axon keys, equal to within one."""
    keys, rows = axon_keys(layer, schedule, neurons)
    count = max(1, -(-keys.size // chip.core.axons))
    edges = [keys.size * i // count for i in range(count + 1)]
    groups = [
        NeuronGroup(layer.name, neurons, _sources(keys, rows, low, high))
        for low, high in pairwise(edges)
    ]
    return Tile(groups[0], tuple(groups[1:]))


def _sources(keys: Index, rows: Inputs, low: int, high: int) -> tuple[tuple[int, Index], ...]:
    """Per projection the source neurons whose axon key lies in rows `low`..`high` - 1."""
    chosen = []
    for number, row in rows:
        inside = row[(row >= low) & (row < high)]
        if inside.size:
            chosen.append((number, keys[inside] & ((1 << 40) - 1)))
    return tuple(chosen)
