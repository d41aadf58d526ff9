"""Flipped bits of shared kernels: one cell serves many synapses, all of them go wrong."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from neurosim.faults.draw import drawn
from neurosim.faults.spec import Fault
from neurosim.program.columns import Program
from neurosim.program.kernels import counted_synapses

I64 = npt.NDArray[np.int64]


def kernel_cells(program: Program, fault: Fault) -> I64:
    """Kernel weights that a fault may hit: by core; none where it names an axon or a neuron."""
    cells = np.arange(program.kernels.weight.size, dtype=np.int64)
    if "axon" in fault.where or "neuron" in fault.where:
        return cells[:0]
    core = _core_of(program, cells)
    return cells[core == fault.where["core"]] if "core" in fault.where else cells


def flip_kernels(
    program: Program, cells: I64, bits: I64, fault: Fault, rng: np.random.Generator
) -> tuple[Program, list[str]]:
    """The program with flipped bits among those of some kernel weights, and each in words."""
    hit = drawn(cells.size * bits.size, fault, rng)
    cell, bit = cells[hit // bits.size], bits[hit % bits.size]
    n_bits = program.chip.core.weight_bits
    sign, weight = 1 << (n_bits - 1), program.kernels.weight.copy()
    flipped = weight.astype(np.int64) & ((1 << n_bits) - 1)
    np.bitwise_xor.at(flipped, cell, 1 << bit)
    weight[cell] = ((flipped[cell] ^ sign) - sign).astype(weight.dtype)
    changed = replace(program, kernels=program.kernels._replace(weight=weight))
    counted = replace(changed, axons=changed.axons._replace(synapses=counted_synapses(changed)))
    core = _core_of(program, cell)
    words = [
        f"weights: core {c} (x {program.cores.x[c]}, y {program.cores.y[c]}), kernel weight {w}, "
        f"bit {b}"
        for c, w, b in zip(core.tolist(), cell.tolist(), bit.tolist(), strict=True)
    ]
    return counted, words


def _core_of(program: Program, cells: I64) -> npt.NDArray[np.int32]:
    tile = np.searchsorted(program.kernels.weight_offset, cells, side="right") - 1
    found: npt.NDArray[np.int32] = program.kernels.core[tile]
    return found
