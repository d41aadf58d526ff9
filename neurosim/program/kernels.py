"""Shared convolution kernels: a core keeps one kernel per tile and where it meets its neurons.

Enters: the kernel columns of a Program. Leaves: an equal Program with kernels written out as
synapses, memory and figures. Promised: the same synapses, whatever the format.

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

from neurosim.offsets import entries_of, offsets_of
from neurosim.program.kernel_places import Cells, core_cells

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


def sparse_is_smaller(n_synapses: int, n_cells: int, itemsize: int) -> bool:
    """Whether rows of (target, weight) take less memory than a block of so many cells."""
    return n_synapses * (_TARGET_BYTES + itemsize) < n_cells * itemsize


def write_out(program: Program, written: npt.NDArray[np.integer] | None = None) -> Program:
    """The program with these kernel cores (all of them if None) as dense blocks or sparse rows.

    Of the two formats, each core gets the smaller one.
    """
    cores, synapses = program.cores, program.synapses
    if written is None:
        written = np.flatnonzero(cores.synapse_format == KERNEL)
    if not written.size:
        return program
    formats, dense_offset = cores.synapse_format.copy(), cores.dense_offset.copy()
    dense: list[Weights] = [synapses.dense]
    n_dense = synapses.dense.size
    row_offset, sizes = program.axons.row_offset, np.diff(program.axons.row_offset)
    target, weight, done = [], [], 0
    for core in written.tolist():
        first, stop = cores.axon_offset[core : core + 2]
        shape = (int(stop - first), int(np.diff(cores.neuron_offset[core : core + 2])[0]))
        cells = core_cells(program, core)
        dtype = _narrowest(cells.weight)
        target.append(synapses.target[done : row_offset[first]])
        weight.append(synapses.weight[done : row_offset[first]])
        done, sizes[first:stop] = int(row_offset[stop]), 0
        some = cells.weight != 0
        if sparse_is_smaller(int(np.count_nonzero(some)), shape[0] * shape[1], dtype.itemsize):
            formats[core] = _SPARSE
            cells = Cells(*(column[some] for column in cells))
            order = np.argsort(cells.axon * shape[1] + cells.neuron)
            target.append(cells.neuron[order].astype(np.uint16))
            weight.append(cells.weight[order].astype(dtype))
            sizes[first:stop] = np.bincount(cells.axon, minlength=shape[0])
        else:
            formats[core] = _DENSE
            dense_offset[core] = n_dense
            block = np.zeros(shape, dtype)
            block[cells.axon, cells.neuron] = cells.weight
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
        kernels=_without(program.kernels, written),
    )


def _without(kernels: KernelTable, cores: npt.NDArray[np.integer]) -> KernelTable:
    """The tiles of all other cores."""
    tiles = np.flatnonzero(~np.isin(kernels.core, cores))
    columns: dict[str, Any] = {}
    for rows_of in ("neuron", "axon", "weight"):
        offset = getattr(kernels, f"{rows_of}_offset")
        rows = entries_of(offset, tiles)[1]
        columns[f"{rows_of}_offset"] = offsets_of(np.diff(offset)[tiles])
        for name in KernelTable._fields:
            if name.startswith(rows_of) and name not in (*columns, "neuron_start"):
                columns[name] = getattr(kernels, name)[rows]
    per_tile = [name for name in KernelTable._fields if name not in columns]
    return KernelTable(**columns, **{name: getattr(kernels, name)[tiles] for name in per_tile})


def counted_synapses(program: Program) -> I32:
    """(n_axons,) connected synapses of every axon, those of kernel cores counted."""
    count, offset = program.axons.synapses.copy(), program.cores.axon_offset
    alike = program.alike_kernels.core
    for core in np.flatnonzero(program.cores.synapse_format == KERNEL).tolist():
        a0, a1 = (int(a) for a in offset[core : core + 2])
        if alike[core] in (-1, core):
            cells = core_cells(program, core)
            count[a0:a1] = np.bincount(cells.axon[cells.weight != 0], minlength=a1 - a0)
        else:
            first = int(offset[alike[core]])
            count[a0:a1] = count[first : first + a1 - a0]
    return count


def _narrowest(weights: I64) -> np.dtype[Any]:
    small = weights.size == 0 or (weights.min() >= -128 and weights.max() <= 127)
    return np.dtype(np.int8 if small else np.int16)


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
