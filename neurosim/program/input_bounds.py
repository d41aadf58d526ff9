"""Largest and smallest sums that synapses can bring, and a core's synapses as plain arrays.

Enters: the columns of a Program. Leaves: bounds per neuron, and the connected synapses of a core.
Promised: exact; `neurosim.program.check` holds the accumulator against them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import FLOW_KINDS, SYNAPSE_FORMATS, PacketTable, Program
from neurosim.program.kernel_places import core_cells
from neurosim.soma.liaf import OUTPUT_CODES


def input_bounds(program: Program) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Per neuron, the smallest and largest sum that its own axons can bring in one tick.

    Those of crossbar cores, which no accumulator has to hold, stay 0.
    """
    low = np.zeros(program.n_neurons, dtype=np.int64)
    high = np.zeros(program.n_neurons, dtype=np.int64)
    value_low, value_high = _axon_value_bounds(program)
    axons, neurons = program.cores.axon_offset, program.cores.neuron_offset
    alike = program.alike_kernels.core
    for core in range(program.n_cores):
        (a0, a1), (n0, n1) = axons[core : core + 2], neurons[core : core + 2]
        model = int(alike[core])
        if 0 <= model < core:
            same = slice(axons[model], axons[model + 1])
            if all(np.array_equal(v[a0:a1], v[same]) for v in (value_low, value_high)):
                known = slice(neurons[model], neurons[model + 1])
                low[n0:n1], high[n0:n1] = low[known], high[known]
                continue
        if program.cores.synapse_format[core] == SYNAPSE_FORMATS["dense"]:
            low[n0:n1], high[n0:n1] = _dense_bounds(
                _dense_block(program, core), value_low[a0:a1], value_high[a0:a1]
            )
            continue
        rows, targets, weights = core_synapses(program, core)
        first, second = weights * value_low[a0:a1][rows], weights * value_high[a0:a1][rows]
        size = int(n1 - n0)
        low[n0:n1] = np.bincount(targets, np.minimum(first, second), size).astype(np.int64)
        high[n0:n1] = np.bincount(targets, np.maximum(first, second), size).astype(np.int64)
    return low, high


def _dense_bounds(
    block: npt.NDArray[Any], value_low: npt.NDArray[np.int64], value_high: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Bounds of a dense core; float64 holds these integers exactly."""
    positive = np.maximum(block, 0).astype(np.float64)
    negative = np.minimum(block, 0).astype(np.float64)
    least, most = value_low.astype(np.float64), value_high.astype(np.float64)
    low = least @ positive + most @ negative
    high = most @ positive + least @ negative
    return low.astype(np.int64), high.astype(np.int64)


def _dense_block(program: Program, core: int) -> npt.NDArray[Any]:
    """Weights (axons, neurons) of a dense core, a view."""
    n_axons = int(np.diff(program.cores.axon_offset[core : core + 2])[0])
    n_neurons = int(np.diff(program.cores.neuron_offset[core : core + 2])[0])
    start = int(program.cores.dense_offset[core])
    stored = program.synapses.dense[start : start + n_axons * n_neurons]
    return stored.reshape(n_axons, n_neurons)


def core_synapses(
    program: Program, core: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Synapses of a core, at times some of weight 0: axon and neuron from its first, weight."""
    a0, a1 = (int(a) for a in program.cores.axon_offset[core : core + 2])
    if program.cores.synapse_format[core] == SYNAPSE_FORMATS["dense"]:
        block = _dense_block(program, core)
        rows, targets = np.nonzero(block)
        return rows, targets, block[rows, targets].astype(np.int64)
    if program.cores.synapse_format[core] == SYNAPSE_FORMATS["kernel"]:
        cells = core_cells(program, core)
        return cells.axon, cells.neuron, cells.weight
    offset = program.axons.row_offset
    rows = np.repeat(np.arange(a1 - a0), np.diff(offset[a0 : a1 + 1]))
    span = slice(offset[a0], offset[a1])
    return (
        rows,
        program.synapses.target[span].astype(np.int64),
        program.synapses.weight[span].astype(np.int64),
    )


def crossbar_words(program: Program, core: int) -> npt.NDArray[np.uint64]:
    """(axons, words) connections of a crossbar core, a view: bit j of word k is neuron 64 k + j."""
    n_axons = int(np.diff(program.cores.axon_offset[core : core + 2])[0])
    words = -(-int(np.diff(program.cores.neuron_offset[core : core + 2])[0]) // 64)
    start = int(program.cores.dense_offset[core])
    return program.synapses.crossbar[start : start + n_axons * words].reshape(n_axons, words)


def _axon_value_bounds(program: Program) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Per axon, the smallest and largest value that can arrive in one tick."""
    low = np.zeros(program.n_axons, dtype=np.int64)
    high = np.zeros(program.n_axons, dtype=np.int64)
    merged = program.chip.core.axon_collision == "or"
    for packets, lows, highs in _senders(program):
        owner = np.repeat(np.arange(lows.size), np.diff(packets.owner_offset))
        packet = np.repeat(np.arange(owner.size), np.diff(packets.delivery_offset))
        sender = owner[packet]
        np.add.at(low, packets.axon, np.minimum(lows[sender], 0))
        np.add.at(high, packets.axon, np.maximum(highs[sender], 0))
    if merged:
        spikes = program.axons.kind == FLOW_KINDS["spike"]
        high = np.where(spikes, np.minimum(high, 1), high)
    return low, high


def _senders(
    program: Program,
) -> Iterator[tuple[PacketTable, npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Packet tables with the value range of each owner: neurons, then input elements."""
    group = _group_of_neuron(program)
    modes = program.modes
    spikes = modes.output == OUTPUT_CODES["spike"]
    low = np.where(spikes, 0, modes.act_low).astype(np.int64)
    high = np.where(spikes, modes.n_max, modes.act_high).astype(np.int64)
    yield program.packets, low[group], high[group]
    code = program.input_code
    n_inputs = int(np.prod(program.input_shape))
    yield program.input_packets, np.full(n_inputs, code.low), np.full(n_inputs, code.high)


def _group_of_neuron(program: Program) -> npt.NDArray[np.int64]:
    sizes = program.groups.neuron_stop - program.groups.neuron_start
    return np.repeat(np.arange(sizes.size), sizes)
