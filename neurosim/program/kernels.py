"""Shared convolution kernels: a core keeps one kernel per tile and where it meets its neurons.

Enters: the kernel columns of a Program. Leaves: its synapses written out as blocks, an equal
Program without kernels, memory and figures. Promised: the same synapses, whatever the format.

A *tile* is what a core holds of one convolution: some source channels and output channels, the
kernel between them, and for every axon and neuron its place in the image. The source at (row,
column) reaches the neuron whose window begins at (row, column) by kernel position ``(row distance
/ dilation_high, column distance / dilation_wide)``, if both are whole and inside the kernel, and
if both belong to one group. Padding and stride are part of the places: rows and columns count in
the padded source image, and the window of output row y begins at ``y * stride``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from neurosim.program.columns import Program

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
Weights = npt.NDArray[Any]

KERNEL: Final = 3
"""Code of the format in ``CoreTable.synapse_format``."""
_DENSE, _SPARSE = 0, 1  # SYNAPSE_FORMATS of what kernels are written out as
_TARGET_BYTES: Final = 2  # of a sparse synapse beside its weight


class KernelTable(NamedTuple):
    """One row per tile of a kernel core; the tiles of a core add up."""

    core: I32
    neuron_start: I64  # first neuron (global); a tile has a run of neurons
    neuron_offset: I64  # (n_tiles + 1,) into the columns neuron_*
    axon_offset: I64  # (n_tiles + 1,) into axon and axon_*
    weight_offset: I64  # (n_tiles + 1,) into weight: (channels_in, high, wide, channels_out)
    channels_in: I32
    high: I32
    wide: I32
    channels_out: I32
    dilation_high: I32
    dilation_wide: I32
    axon: I32  # global, ascending in a tile
    axon_channel: I32  # place of the source among channels_in
    axon_group: I32  # of the convolution; a source reaches neurons of its group
    axon_row: I32  # in the padded source image
    axon_column: I32
    neuron_channel: I32  # place among channels_out
    neuron_group: I32
    neuron_row: I32  # first row of the neuron's window
    neuron_column: I32
    weight: Weights  # int8 | int16

    @classmethod
    def empty(cls) -> KernelTable:
        """No tiles."""
        columns: dict[str, Any] = {name: np.empty(0, np.int32) for name in cls._fields}
        offsets = ("neuron_offset", "axon_offset", "weight_offset")
        columns |= {name: np.zeros(1, np.int64) for name in offsets}
        columns |= {"neuron_start": np.empty(0, np.int64), "weight": np.empty(0, np.int8)}
        return cls(**columns)

    @property
    def n_tiles(self) -> int:
        """Rows."""
        return int(self.core.size)


def tile_block(kernels: KernelTable, tile: int) -> Weights:
    """Weights (axons of the tile, neurons of the tile); 0 where a window misses a source."""
    a = slice(*kernels.axon_offset[tile : tile + 2])
    n = slice(*kernels.neuron_offset[tile : tile + 2])
    shape = [int(k[tile]) for k in (kernels.channels_in, kernels.high, kernels.wide)]
    shape.append(int(kernels.channels_out[tile]))
    kernel = kernels.weight[slice(*kernels.weight_offset[tile : tile + 2])].reshape(shape)
    rows = _position(
        kernels.axon_row[a], kernels.neuron_row[n], int(kernels.dilation_high[tile]), shape[1]
    )
    columns = _position(
        kernels.axon_column[a], kernels.neuron_column[n], int(kernels.dilation_wide[tile]), shape[2]
    )
    meets = (rows >= 0) & (columns >= 0)
    meets &= kernels.axon_group[a][:, None] == kernels.neuron_group[n][None, :]
    axon, neuron = np.nonzero(meets)
    block = np.zeros(meets.shape, kernel.dtype)
    block[axon, neuron] = kernel[
        kernels.axon_channel[a][axon],
        rows[axon, neuron],
        columns[axon, neuron],
        kernels.neuron_channel[n][neuron],
    ]
    return block


def _position(source: I32, window: I32, dilation: int, size: int) -> npt.NDArray[np.int64]:
    """Kernel index by which each window meets each source; -1 where it does not."""
    index, rest = np.divmod(source.astype(np.int64)[:, None] - window[None, :], dilation)
    return np.where((rest == 0) & (index >= 0) & (index < size), index, -1)


def core_block(program: Program, core: int) -> I32:
    """Weights (axons, neurons) of a kernel core: its tiles added up."""
    kernels, cores = program.kernels, program.cores
    a0, a1 = (int(a) for a in cores.axon_offset[core : core + 2])
    n0, n1 = (int(n) for n in cores.neuron_offset[core : core + 2])
    block = np.zeros((a1 - a0, n1 - n0), np.int32)
    for tile in np.flatnonzero(kernels.core == core).tolist():
        rows = kernels.axon[slice(*kernels.axon_offset[tile : tile + 2])] - a0
        first = int(kernels.neuron_start[tile]) - n0
        part = tile_block(kernels, tile)
        block[rows, first : first + part.shape[1]] += part
    return block


def sparse_is_smaller(n_synapses: int, n_cells: int, itemsize: int) -> bool:
    """Whether rows of (target, weight) take less memory than a block of so many cells."""
    return n_synapses * (_TARGET_BYTES + itemsize) < n_cells * itemsize


def write_out(program: Program) -> Program:
    """The program with every kernel core in the smaller of the formats dense and sparse."""
    cores, synapses = program.cores, program.synapses
    written = np.flatnonzero(cores.synapse_format == KERNEL).tolist()
    if not written:
        return program
    blocks = {core: _narrow(core_block(program, core)) for core in written}
    formats, dense_offset = cores.synapse_format.copy(), cores.dense_offset.copy()
    dense: list[Weights] = [synapses.dense]
    n_dense = synapses.dense.size
    row_offset, sizes = program.axons.row_offset, np.diff(program.axons.row_offset)
    target, weight, done = [], [], 0
    for core, block in blocks.items():
        first, stop = cores.axon_offset[core : core + 2]
        target.append(synapses.target[done : row_offset[first]])
        weight.append(synapses.weight[done : row_offset[first]])
        done, sizes[first:stop] = int(row_offset[stop]), 0
        if sparse_is_smaller(int(np.count_nonzero(block)), block.size, block.itemsize):
            formats[core] = _SPARSE
            row, column = np.nonzero(block)
            target.append(column.astype(np.uint16))
            weight.append(block[row, column])
            sizes[first:stop] = np.count_nonzero(block, axis=1)
        else:
            formats[core] = _DENSE
            dense_offset[core] = n_dense
            n_dense += block.size
            dense.append(block.ravel())
    target.append(synapses.target[done:])
    weight.append(synapses.weight[done:])
    return replace(
        program,
        cores=cores._replace(synapse_format=formats, dense_offset=dense_offset),
        axons=program.axons._replace(row_offset=np.concatenate([[0], np.cumsum(sizes)])),
        synapses=synapses._replace(
            dense=np.concatenate(dense),
            target=np.concatenate(target),
            weight=np.concatenate(weight),
        ),
        kernels=KernelTable.empty(),
    )


def counted_synapses(program: Program) -> I32:
    """(n_axons,) connected synapses of every axon, those of kernel cores counted."""
    whole, count = program.unrolled, program.axons.synapses.copy()
    cores = whole.cores
    for core in np.flatnonzero(program.cores.synapse_format == KERNEL).tolist():
        a0, a1 = (int(a) for a in cores.axon_offset[core : core + 2])
        if cores.synapse_format[core] == _SPARSE:
            count[a0:a1] = np.diff(whole.axons.row_offset[a0 : a1 + 1])
            continue
        first, n = int(cores.dense_offset[core]), int(np.diff(cores.neuron_offset)[core])
        block = whole.synapses.dense[first : first + (a1 - a0) * n].reshape(a1 - a0, n)
        count[a0:a1] = np.count_nonzero(block, axis=1)
    return count


def _narrow(block: I32) -> Weights:
    small = block.size == 0 or (block.min() >= -128 and block.max() <= 127)
    return block.astype(np.int8 if small else np.int16)


def stored_weights(program: Program) -> I64:
    """(n_cores,) weights of all kernels of each core."""
    sizes = np.diff(program.kernels.weight_offset)
    return _per_core(program, sizes)


def kernel_memory_bytes(program: Program) -> I64:
    """(n_cores,) memory of the kernels of each core: weights, and places of the axons."""
    core = program.chip.core
    places = _per_core(program, np.diff(program.kernels.axon_offset)) * (
        core.kernel_axon_bytes or 0
    )
    memory: I64 = -(-stored_weights(program) * core.weight_bits // 8) + places
    return memory


def _per_core(program: Program, of_tile: I64) -> I64:
    total = np.zeros(program.n_cores, np.int64)
    np.add.at(total, program.kernels.core, of_tile)
    return total


def kernel_facts(program: Program) -> list[dict[str, Any]]:
    """Per layer with shared kernels: cores, bytes of kernels, and of all synapses one by one.

    The keys are layer, cores, kernel_bytes, unrolled_bytes; a core that several layers share
    counts for each of them.
    """
    kernels, core = program.kernels, program.chip.core
    layer = program.groups.layer[program.group_of(kernels.neuron_start)]
    bits = np.diff(kernels.weight_offset) * core.weight_bits
    places = np.diff(kernels.axon_offset) * (core.kernel_axon_bytes or 0)
    axons = np.diff(program.cores.axon_offset)
    place = np.unique(kernels.neuron_start, return_index=True)[1]
    cells = np.zeros(kernels.n_tiles, np.int64)  # several tiles of one run of neurons count once
    cells[place] = (axons[kernels.core] * np.diff(kernels.neuron_offset))[place]
    return [
        {
            "layer": program.layer_names[number],
            "cores": int(np.unique(kernels.core[layer == number]).size),
            "kernel_bytes": int((-(-bits // 8) + places)[layer == number].sum()),
            "unrolled_bytes": int(-(-cells[layer == number].sum() * core.weight_bits // 8)),
        }
        for number in np.unique(layer).tolist()
    ]


def kernel_sentences(program: Program) -> list[str]:
    """`kernel_facts` in words, a sentence per layer."""
    return [
        f"shared kernels: layer {row['layer']!r} on {row['cores']} cores, "
        f"{row['kernel_bytes']:,} bytes instead of {row['unrolled_bytes']:,}"
        for row in kernel_facts(program)
    ]
