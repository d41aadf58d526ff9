"""Where sources meet the windows of shared kernels, without a weight per synapse.

Enters: tiles of a `KernelTable`. Leaves: which neurons hear each place of the image and by which
position of the kernel, the synapses of a core as plain columns, and which cores are alike.
Promised: `neurosim.program.kernels` says what meets; here it is looked up from the windows, in time
that grows with neurons x kernel positions, not with axons x neurons.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.offsets import entries_of, offsets_of

if TYPE_CHECKING:
    from neurosim.program.columns import Program
    from neurosim.program.kernels import KernelTable

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


class Meetings(NamedTuple):
    """Distinct places (group, row, column) of a tile's axons, and a row per window that has one."""

    position: I64  # (n_axons,) place of each axon, counted from 0
    n_positions: int
    place: I64  # (n_meetings,)
    neuron: I64  # of the tile
    row: I64  # of the kernel
    column: I64


class Cells(NamedTuple):
    """Synapses as plain columns."""

    axon: I64  # of the tile or the core, counted from 0
    neuron: I64
    weight: I64


def meetings(kernels: KernelTable, tile: int) -> Meetings:
    """Which neurons of a tile hear which places."""
    a = slice(*kernels.axon_offset[tile : tile + 2])
    n = slice(*kernels.neuron_offset[tile : tile + 2])
    groups, group = np.unique(kernels.axon_group[a], return_inverse=True)
    rows, row = np.unique(kernels.axon_row[a], return_inverse=True)
    columns, column = np.unique(kernels.axon_column[a], return_inverse=True)
    size = (max(rows.size, 1), max(columns.size, 1))
    codes, position = np.unique((group * size[0] + row) * size[1] + column, return_inverse=True)
    steps = [
        np.arange(int(count[tile]), dtype=np.int64) * int(dilation[tile])
        for count, dilation in (
            (kernels.high, kernels.dilation_high),
            (kernels.wide, kernels.dilation_wide),
        )
    ]
    heard_group = _index(groups, kernels.neuron_group[n].astype(np.int64))[:, None, None]
    heard_row = _index(rows, kernels.neuron_row[n][:, None] + steps[0])[:, :, None]
    heard_column = _index(columns, kernels.neuron_column[n][:, None] + steps[1])[:, None, :]
    code = (heard_group * size[0] + heard_row) * size[1] + heard_column
    meets = (heard_group >= 0) & (heard_row >= 0) & (heard_column >= 0)
    place = _index(codes, code[meets])
    heard = place >= 0
    neuron, at_row, at_column = (index[heard] for index in np.nonzero(meets))
    return Meetings(position.astype(np.int64), codes.size, place[heard], neuron, at_row, at_column)


def _index(values: npt.NDArray[np.integer], wanted: I64) -> I64:
    """Places of `wanted` in ascending `values`; -1 for what is not there."""
    if not values.size:
        return np.full(wanted.shape, -1, np.int64)
    at = np.minimum(np.searchsorted(values, wanted), values.size - 1)
    return np.where(values[at] == wanted, at, -1)


def tile_cells(kernels: KernelTable, tile: int) -> Cells:
    """The synapses of a tile, those with a weight of 0 included."""
    found = meetings(kernels, tile)
    offset = offsets_of(np.bincount(found.position, minlength=found.n_positions))
    which, place = entries_of(offset, found.place)
    axon = np.argsort(found.position, kind="stable")[place]
    wide, n_out = int(kernels.wide[tile]), int(kernels.channels_out[tile])
    out = kernels.neuron_channel[kernels.neuron_offset[tile] :][found.neuron]
    cell = (found.row * wide + found.column) * n_out + out
    channel = kernels.axon_channel[slice(*kernels.axon_offset[tile : tile + 2])].astype(np.int64)
    channel = channel * (int(kernels.high[tile]) * wide * n_out) + kernels.weight_offset[tile]
    weight = kernels.weight[channel[axon] + cell[which]]
    return Cells(axon, found.neuron[which], weight.astype(np.int64))


def core_cells(program: Program, core: int) -> Cells:
    """The synapses of a kernel core: its tiles added up, those with a weight of 0 included."""
    kernels, cores = program.kernels, program.cores
    n_neurons = int(np.diff(cores.neuron_offset[core : core + 2])[0])
    tiles = np.flatnonzero(kernels.core == core).tolist()
    parts = []
    for tile in tiles:
        cells = tile_cells(kernels, tile)
        local = kernels.axon[kernels.axon_offset[tile] :][cells.axon] - cores.axon_offset[core]
        first = int(kernels.neuron_start[tile] - cores.neuron_offset[core])
        parts.append(Cells(local, cells.neuron + first, cells.weight))
    none = Cells(*np.empty((3, 0), np.int64))
    axon, neuron, weight = map(np.concatenate, zip(none, *parts, strict=True))
    if len(tiles) > 1:
        key, which = np.unique(axon * n_neurons + neuron, return_inverse=True)
        axon, neuron = key // n_neurons, key % n_neurons
        weight = np.bincount(which, weight, key.size).astype(np.int64)
    return Cells(axon, neuron, weight)


class Alike(NamedTuple):
    """Kernel cores that differ only in where they are in the image."""

    places: I64  # (n_cores,) first core with the same axons and neurons, -1 without kernels
    weights: I64  # (n_tiles,) first tile with the same kernel
    core: I64  # (n_cores,) first core with the same of both, -1 without kernels


def alike_kernels(program: Program) -> Alike:
    """Compare all kernel cores; each is read once."""
    kernels, cores = program.kernels, program.cores
    first_tile, weights = dict[bytes, int](), np.zeros(kernels.n_tiles, np.int64)
    for tile in range(kernels.n_tiles):
        size = [int(c[tile]) for c in (kernels.high, kernels.wide, kernels.channels_out)]
        weight = kernels.weight[slice(*kernels.weight_offset[tile : tile + 2])]
        weights[tile] = first_tile.setdefault(_digest(np.array(size), weight), tile)
    first, both = dict[bytes, int](), dict[bytes, int]()
    places, alike = np.full((2, program.n_cores), -1, np.int64)
    order = np.argsort(kernels.core, kind="stable")
    edges = np.searchsorted(kernels.core[order], np.arange(program.n_cores + 1))
    for core in np.flatnonzero(np.diff(edges)).tolist():
        tiles = order[edges[core] : edges[core + 1]]
        sizes = [int(np.diff(o)[core]) for o in (cores.axon_offset, cores.neuron_offset)]
        key = _digest(np.array(sizes), *(c for tile in tiles for c in _relative(program, tile)))
        places[core] = first.setdefault(key, core)
        alike[core] = both.setdefault(_digest(places[core], weights[tiles]), core)
    return Alike(places, weights, alike)


def _relative(program: Program, tile: int) -> list[npt.NDArray[np.integer]]:
    """Columns of a tile, counted from its core's first axon and neuron and its first place."""
    kernels, cores, core = program.kernels, program.cores, int(program.kernels.core[tile])
    a = slice(*kernels.axon_offset[tile : tile + 2])
    n = slice(*kernels.neuron_offset[tile : tile + 2])
    head = [kernels.channels_in, kernels.high, kernels.wide, kernels.channels_out]
    head += [kernels.dilation_high, kernels.dilation_wide]
    start = kernels.neuron_start[tile] - cores.neuron_offset[core]
    columns = [np.array([*(column[tile] for column in head), start, a.stop - a.start])]
    columns += [kernels.axon[a] - cores.axon_offset[core], kernels.axon_channel[a]]
    columns += [kernels.neuron_channel[n]]
    for of_axon, of_neuron in (
        (kernels.axon_group[a], kernels.neuron_group[n]),
        (kernels.axon_row[a], kernels.neuron_row[n]),
        (kernels.axon_column[a], kernels.neuron_column[n]),
    ):
        origin = int(of_axon.min(initial=np.iinfo(np.int32).max))
        columns += [of_axon.astype(np.int64) - origin, of_neuron.astype(np.int64) - origin]
    return columns


def _digest(*arrays: npt.NDArray[np.generic] | np.generic) -> bytes:
    digest = hashlib.blake2b(digest_size=32)
    for array in arrays:
        digest.update(str(array.dtype).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
