"""Shared kernels of a Program: columns that are consistent, and a chip that can keep them.

Enters: the kernel columns of a Program. Leaves: violations. What `neurosim.program.kernels` relies
on when it writes kernels out is checked in `kernel_columns`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import SYNAPSE_FORMATS, Program
from neurosim.program.kernels import KernelTable, counted_synapses
from neurosim.program.violation import Violation

_WIDEST = np.iinfo(np.int16).max


def kernel_columns(program: Program) -> Iterator[Violation]:
    """Columns of the kernel table that do not fit each other or the cores; at most one."""
    kernels, n = program.kernels, program.kernels.n_tiles
    sizes = {
        "neuron_offset": kernels.neuron_channel.size,
        "axon_offset": kernels.axon.size,
        "weight_offset": kernels.weight.size,
    }
    for name, end in sizes.items():
        offset = getattr(kernels, name)
        good = offset.size == n + 1 and offset[0] == 0 and offset[-1] == end
        if not good or (np.diff(offset) < 0).any():
            wanted = f"{n + 1} ascending offsets from 0 to {end}"
            yield Violation("structure", f"kernels.{name}", "others", wanted)
            return
    for name in KernelTable._fields:
        column, part = getattr(kernels, name), name.partition("_")[0]
        rows = {"axon": kernels.axon.size, "neuron": kernels.neuron_channel.size}.get(part, n)
        rows = n if name == "neuron_start" else rows
        if not name.endswith("_offset") and name != "weight" and column.shape != (rows,):
            yield Violation("structure", f"kernels.{name}", f"{column.shape}", f"{rows} rows")
            return
    for name, bad in _broken(program):
        if bad.any():
            at = int(np.flatnonzero(bad)[0])
            yield Violation("structure", f"kernels.{name}", f"row {at} outside its core", "inside")
            return


def _broken(program: Program) -> Iterator[tuple[str, npt.NDArray[np.bool_]]]:
    """Column and the rows in which it is out of range; each is asked for when those before fit."""
    kernels, cores = program.kernels, program.cores
    yield "core", (kernels.core < 0) | (kernels.core >= program.n_cores)
    yield "core", cores.synapse_format[kernels.core] != SYNAPSE_FORMATS["kernel"]
    first, stop = cores.neuron_offset[kernels.core], cores.neuron_offset[kernels.core + 1]
    end = kernels.neuron_start + np.diff(kernels.neuron_offset)
    yield "neuron_start", (kernels.neuron_start < first) | (end > stop)
    n_axons, n_neurons = np.diff(kernels.axon_offset), np.diff(kernels.neuron_offset)
    core = np.repeat(kernels.core, n_axons)
    yield (
        "axon",
        (kernels.axon < cores.axon_offset[core]) | (kernels.axon >= cores.axon_offset[core + 1]),
    )
    tile = np.repeat(np.arange(kernels.n_tiles), n_axons)
    yield "axon", np.diff(tile * (program.n_axons + 1) + kernels.axon, prepend=-1) <= 0
    shape = [kernels.channels_in, kernels.high, kernels.wide, kernels.channels_out]
    for name, column in zip(("channels_in", "high", "wide", "channels_out"), shape, strict=True):
        yield name, (column < 1) | (column > 1 << 24)
    for name in ("dilation_high", "dilation_wide"):
        yield name, getattr(kernels, name) < 1
    sizes = np.prod([column.astype(np.float64) for column in shape], axis=0)
    yield "weight_offset", np.diff(kernels.weight_offset) != sizes
    for name, rows, n_channels in (
        ("axon_channel", n_axons, kernels.channels_in),
        ("neuron_channel", n_neurons, kernels.channels_out),
    ):
        channel = getattr(kernels, name)
        yield name, (channel < 0) | (channel >= np.repeat(n_channels, rows))


def check_kernels(program: Program) -> Iterator[Violation]:
    """A chip without shared kernels, sums of tiles beyond 16 bits, synapses counted otherwise."""
    kernels, cores = program.kernels, program.cores
    shared = np.flatnonzero(cores.synapse_format == SYNAPSE_FORMATS["kernel"])
    if shared.size == 0:
        return
    if not program.chip.core.shared_kernel:
        where = f"{shared.size} cores"
        yield Violation("core.shared_kernel", where, "shared kernels", "a weight per synapse")
    largest = np.zeros(program.n_cores, np.int64)
    for tile in range(kernels.n_tiles):
        weights = kernels.weight[slice(*kernels.weight_offset[tile : tile + 2])]
        largest[kernels.core[tile]] += np.abs(weights.astype(np.int64)).max(initial=0)
    for core in np.flatnonzero(largest > _WIDEST).tolist():
        yield Violation("core.weight_bits", f"core {core}", f"{largest[core]} in sum", "16 bits")
        return
    if (counted_synapses(program) != program.axons.synapses).any():
        yield Violation("structure", "axons.synapses", "another number", "those of the kernels")
