"""Assemble: gather everything that the mapping decided into one Program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.fixed_point import ROUNDING_CODES
from neurosim.program.columns import (
    FLOW_KINDS,
    MODEL_CODES,
    SYNAPSE_FORMATS,
    AxonTable,
    CoreTable,
    GroupTable,
    Program,
    SynapseTable,
)
from neurosim.program.kernels import KernelTable, sparse_is_smaller
from neurosim.soma.cuba import CubaColumns
from neurosim.soma.liaf import (
    ACTIVATION_CODES,
    OUTPUT_CODES,
    RESET_CODES,
    LiafColumns,
    LiafModes,
)
from neurosim_mapper.connections import Connection, ConvConnection, Index, IntArray
from neurosim_mapper.kernel_tiles import KernelTiles
from neurosim_mapper.mapping import (
    NeuronGroup,
    Partition,
    Placement,
    Routes,
    Schedule,
    Wiring,
)
from neurosim_mapper.partition.kernels import keeps_kernels
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.quantized import INPUT, QuantizedNetwork, SomaModes
from neurosim_mapper.wiring import axon_codes


def assemble(
    network: QuantizedNetwork,
    partition: Partition,
    schedule: Schedule,
    wiring: Wiring,
    placement: Placement,
    routes: Routes,
    chip: Chip,
    seed: int,
    mapping: Mapping[str, Any],
) -> Program:
    """The loadable image; the arrays are new, nothing is shared with the inputs."""
    luts = _lut_rows(network)
    limits = CoreLimits.of(chip)
    stored = _synapses(network, partition, wiring, schedule, limits)
    return Program(
        chip=chip,
        cores=_core_table(partition, wiring, placement, stored),
        groups=_group_table(network, partition, wiring, schedule, routes),
        modes=_modes(network, partition, luts),
        neurons=_columns(network, partition),
        cuba=_synaptic_decays(network, partition),
        axons=stored.axons,
        synapses=stored.synapses,
        kernels=stored.kernels,
        flows=routes.flows,
        packets=routes.packets,
        input_packets=routes.input_packets,
        layers=wiring.layers,
        luts=np.array(list(luts), dtype=np.int32).reshape(-1, 256),
        layer_names=tuple(layer.name for layer in network.layers),
        layer_shapes=tuple(layer.shape for layer in network.layers),
        output_layer=[layer.name for layer in network.layers].index(network.output),
        input_shape=network.input_shape,
        input_code=network.input_code,
        readout=network.readout,
        output_unit=float(network.by_name[network.output].output_unit),
        seed=seed,
        interleave=schedule.interleave,
        assumptions=network.assumptions,
        provenance=dict(network.provenance),
        mapping=dict(mapping),
    )


def _core_table(
    partition: Partition,
    wiring: Wiring,
    placement: Placement,
    stored: _Stored,
) -> CoreTable:
    return CoreTable(
        x=placement.x,
        y=placement.y,
        axon_offset=wiring.axon_offset,
        neuron_offset=wiring.neuron_offset,
        group_offset=np.cumsum([0, *map(len, partition.cores)], dtype=np.int64),
        synapse_format=stored.formats,
        dense_offset=stored.dense_offset,
        phase=placement.phase if placement.phase.any() else np.empty(0, np.int32),
    )


def _group_table(
    network: QuantizedNetwork,
    partition: Partition,
    wiring: Wiring,
    schedule: Schedule,
    routes: Routes,
) -> GroupTable:
    groups = partition.groups
    index = {layer.name: i for i, layer in enumerate(network.layers)}
    start = wiring.group_neuron_start
    core = np.repeat(np.arange(len(partition.cores)), [len(c) for c in partition.cores])
    return GroupTable(
        core=core.astype(np.int32),
        layer=np.array([index[g.layer] for g in groups], np.int32),
        model=np.array([MODEL_CODES[_model_of(network, g)] for g in groups], np.int32),
        neuron_start=start,
        neuron_stop=start + np.array([g.neurons.size for g in groups], np.int64),
        first_tick=np.array([schedule.first_tick[g.layer] for g in groups], np.int32),
        psum_target=np.array([-1 if g.owner is None else start[g.owner] for g in groups], np.int64),
        psum_flow=routes.psum_flow,
    )


def _model_of(network: QuantizedNetwork, group: NeuronGroup) -> str:
    if group.owner is not None:
        return "psum"
    return "liaf" if network.by_name[group.layer].alpha_syn is None else "cuba"


def _lut_rows(network: QuantizedNetwork) -> dict[tuple[int, ...], int]:
    """Distinct look-up tables, numbered in order of first use."""
    rows: dict[tuple[int, ...], int] = {}
    for layer in network.layers:
        if layer.modes.lut is not None:
            rows.setdefault(layer.modes.lut, len(rows))
    return rows


def _modes(
    network: QuantizedNetwork, partition: Partition, luts: Mapping[tuple[int, ...], int]
) -> LiafModes:
    def coded(modes: SomaModes) -> tuple[int, ...]:
        return (
            modes.weight_shift,
            modes.alpha_shift,
            ROUNDING_CODES[modes.rounding],
            RESET_CODES[modes.reset],
            modes.n_max,
            int(modes.silent_step),
            OUTPUT_CODES[modes.output],
            ACTIVATION_CODES[modes.activation],
            modes.act_shift,
            modes.act_low,
            modes.act_high,
            -1 if modes.lut is None else luts[modes.lut],
        )

    rows = [coded(network.by_name[g.layer].modes) for g in partition.groups]
    table = np.array(rows, dtype=np.int32).reshape(-1, len(LiafModes._fields))
    return LiafModes(*np.ascontiguousarray(table.T))


def _columns(network: QuantizedNetwork, partition: Partition) -> LiafColumns:
    """Per-neuron parameters in core order; neurons of partial sums have none (zeros)."""

    def gather(name: str) -> npt.NDArray[np.int32]:
        parts = [
            getattr(network.by_name[g.layer].columns, name)[g.neurons]
            if g.owner is None
            else np.zeros(g.neurons.size, np.int32)
            for g in partition.groups
        ]
        return np.concatenate([np.empty(0, np.int32), *parts]).astype(np.int32)

    return LiafColumns(*(gather(name) for name in LiafColumns._fields))


def _synaptic_decays(network: QuantizedNetwork, partition: Partition) -> CubaColumns:
    """Decays of synaptic states in core order, 0 for neurons without one; no rows without any."""
    if all(layer.alpha_syn is None for layer in network.layers):
        return CubaColumns.empty()
    parts = []
    for group in partition.groups:
        decay = network.by_name[group.layer].alpha_syn
        if decay is None or group.owner is not None:
            parts.append(np.zeros(group.neurons.size, np.int32))
        else:
            parts.append(decay[group.neurons])
    return CubaColumns(np.concatenate(parts).astype(np.int32))


class _Stored(NamedTuple):
    """Synapses of all cores, and how each core stores them."""

    axons: AxonTable
    synapses: SynapseTable
    kernels: KernelTable
    formats: npt.NDArray[np.int32]
    dense_offset: npt.NDArray[np.int64]


def _synapses(
    network: QuantizedNetwork,
    partition: Partition,
    wiring: Wiring,
    schedule: Schedule,
    limits: CoreLimits,
) -> _Stored:
    """Weights of every core: as kernels where these are allowed and smaller, dense or sparse."""
    index = {layer.name: i for i, layer in enumerate(network.layers)} | {INPUT: -1}
    dtype = _weight_dtype(network)
    dense, target, weight = [np.empty(0, dtype)], [np.empty(0, np.uint16)], [np.empty(0, dtype)]
    row_sizes, synapses, formats, dense_offset = [], [], [], [0]
    first_tick, tiles = [np.empty(0, np.int64)], KernelTiles(dtype)
    for number, core in enumerate(partition.cores):
        heard = list(_heard(network, core, wiring, schedule, number, index))
        block, ticks = _core_block(core, wiring, schedule, number, heard)
        first_tick.append(ticks)
        narrow = _narrow(block, dtype)
        per_axon = np.count_nonzero(narrow, axis=1)
        sparse = sparse_is_smaller(int(per_axon.sum()), block.size, dtype.itemsize)
        stored = "sparse" if sparse else "dense"
        layers = [network.by_name[group.layer] for group in core]
        if keeps_kernels(layers, core, len(block), limits):
            stored = "kernel"
            _add_tiles(tiles, number, heard, wiring)
        formats.append(SYNAPSE_FORMATS[stored])
        synapses.append(per_axon)
        row_sizes.append(per_axon if stored == "sparse" else np.zeros(len(block), np.int64))
        if stored == "sparse":
            row, column = np.nonzero(narrow)
            target.append(column.astype(np.uint16))
            weight.append(narrow[row, column])
        elif stored == "dense":
            dense.append(narrow.ravel())
        dense_offset.append(dense_offset[-1] + (block.size if stored == "dense" else 0))
    axons = AxonTable(
        kind=_axon_kinds(network, wiring),
        first_tick=np.concatenate(first_tick).astype(np.int32),
        synapses=np.concatenate([np.empty(0, np.int64), *synapses]).astype(np.int32),
        row_offset=np.cumsum(np.concatenate([[0], *row_sizes])).astype(np.int64),
    )
    table = SynapseTable(np.concatenate(dense), np.concatenate(target), np.concatenate(weight))
    return _Stored(
        axons,
        table,
        tiles.table(),
        np.array(formats, np.int32),
        np.array(dense_offset[:-1], np.int64),
    )


def _weight_dtype(network: QuantizedNetwork) -> np.dtype[Any]:
    biggest = max(
        (p.connection.weight_abs_max for layer in network.layers for p in layer.projections),
        default=0,
    )
    return np.dtype(np.int8) if biggest <= 127 else np.dtype(np.int16)


def _narrow(values: IntArray, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    limits = np.iinfo(dtype)
    if values.size and (values.min() < limits.min or values.max() > limits.max):
        dtype = np.dtype(np.int16)
    return values.astype(dtype)


class _Heard(NamedTuple):
    """What one group of a core hears through one projection; places count from the core's first."""

    group: NeuronGroup
    connection: Connection
    sources: Index
    axons: Index
    first_neuron: int


def _heard(
    network: QuantizedNetwork,
    core: tuple[NeuronGroup, ...],
    wiring: Wiring,
    schedule: Schedule,
    number: int,
    index: Mapping[str, int],
) -> Iterator[_Heard]:
    """Group after group, projection after projection."""
    own = slice(int(wiring.axon_offset[number]), int(wiring.axon_offset[number + 1]))
    codes = axon_codes(
        wiring.axon_source_layer[own],
        wiring.axon_source[own],
        wiring.axon_delay[own],
        wiring.axon_type[own],
    )
    column = 0
    for group in core:
        for p, sources in group.inputs:
            projection = network.by_name[group.layer].projections[p]
            delay = schedule.chip_delay[group.layer, p]
            layer = index[projection.source]
            axons = np.searchsorted(codes, axon_codes(layer, sources, delay, projection.axon_type))
            yield _Heard(group, projection.connection, sources, axons, column)
        column += group.neurons.size


def _core_block(
    core: tuple[NeuronGroup, ...],
    wiring: Wiring,
    schedule: Schedule,
    number: int,
    heard: list[_Heard],
) -> tuple[IntArray, Index]:
    """Weights (axons, neurons) of one core, and the pipeline offset that each axon serves."""
    n_axons = int(wiring.axon_offset[number + 1] - wiring.axon_offset[number])
    block = np.zeros((n_axons, sum(g.neurons.size for g in core)), dtype=np.int64)
    first_tick = np.zeros(n_axons, dtype=np.int64)
    for group, connection, sources, axons, first in heard:
        columns = slice(first, first + group.neurons.size)
        rows = slice(int(axons[0]), int(axons[-1]) + 1)
        if axons.size == rows.stop - rows.start:
            block[rows, columns] += connection.block(sources, group.neurons)
        else:
            block[axons, columns] += connection.block(sources, group.neurons)
        first_tick[axons] = np.maximum(first_tick[axons], schedule.first_tick[group.layer])
    return block, first_tick


def _add_tiles(tiles: KernelTiles, number: int, heard: list[_Heard], wiring: Wiring) -> None:
    """One tile per group and projection of a core; all of these are convolutions."""
    first_axon, first_neuron = wiring.axon_offset[number], wiring.neuron_offset[number]
    for group, connection, sources, axons, first in heard:
        assert isinstance(connection, ConvConnection)
        start = int(first_neuron) + first
        tiles.add(number, start, connection, sources, axons + first_axon, group.neurons)


def _axon_kinds(network: QuantizedNetwork, wiring: Wiring) -> npt.NDArray[np.int32]:
    kinds = [FLOW_KINDS[layer.modes.output] for layer in network.layers]
    kinds.append(FLOW_KINDS[network.output_kind(INPUT)])  # index -1: the input
    return np.array(kinds, np.int32)[wiring.axon_source_layer]
