"""Estimate: cores, packets and memory of a network on a chip from its shapes alone.

Enters: a float network (any weights, trained or not). Leaves: plain JSON data. Promised: no weight
is quantized and no tile is cut, so it takes a second where mapping takes a minute; the core count
is that of the tile search and its packing, to which the mapper adds or from which it saves a few
cores (inputs shared between tiles, weights of 0, cores dissolved at the end).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError
from neurosim.run.encoding import InputCode
from neurosim.soma.liaf import LiafColumns
from neurosim_mapper.connections import (
    Connection,
    ConvConnection,
    DenseConnection,
    DiagonalConnection,
    IntArray,
)
from neurosim_mapper.fold import FoldedLayer, FoldedNetwork, fold
from neurosim_mapper.legalize.pooling import relay_pools
from neurosim_mapper.linear_maps import ConvMap, DenseMap, DiagonalMap, LinearMap
from neurosim_mapper.mapping_report import too_many_cores
from neurosim_mapper.maxima import expand_maxima
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import FloatArray
from neurosim_mapper.norms import freeze_layer_norms
from neurosim_mapper.partition.by_tiles import search_row, search_tiles
from neurosim_mapper.partition.candidates import Candidate
from neurosim_mapper.partition.choice import choose, packed_cores
from neurosim_mapper.partition.geometry import layer_geometry
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.partition.table_sizes import table_sizes
from neurosim_mapper.products import lower
from neurosim_mapper.quantized import Projection, QuantizedLayer, QuantizedNetwork, SomaModes

ESTIMATE_SCHEMA: Final = "neurosim-estimate/1"


def estimate(network: Network, chip: Chip) -> dict[str, Any]:
    """Cores, packets and memory that a mapping would need; see the module for what is promised.

    Returns plain data with the keys schema, chip, neurons, cores, cores_available, chips, fits,
    reason, simple_bound, synapse_bytes, packets_per_tick_at_most (every neuron active: copies to
    listening axons, and partial sums), routing_table (entries of the fullest tile, at most, and
    the limit), changes, notes and layers (one row each).

    Raises
    ------
    DoesNotFitError : a layer fits no core at all; `report` holds the rows up to that layer.
    UnsupportedError : a node that cannot be mapped.
    """
    network = expand_maxima(lower(freeze_layer_norms(network, None)))
    shapes, changes = relay_pools(_shapes_of(fold(network), network), chip)
    limits = CoreLimits.of(chip)
    found = search_tiles([layer_geometry(layer) for layer in shapes.layers], chip)
    picked = choose(found, limits)
    pieces = [item for candidate in picked for item in candidate.items]
    cores = packed_cores(pieces, limits)
    rows = [
        {**search_row(search, choice), **_costs(choice, search.shape, chip)}
        for search, choice in zip(found, picked, strict=True)
    ]
    tables = table_sizes(shapes, picked, chip.noc_section.multicast == "tree")
    rows = [row | {"routing_entries": n} for row, n in zip(rows, tables, strict=True)]
    neurons = sum(layer.n_neurons for layer in shapes.layers)
    available = len(chip.usable_cores)
    folds = chip.timing.reload_cycles_per_bit is not None
    phases = -(-cores // available) if folds else None
    return {
        "schema": ESTIMATE_SCHEMA,
        "chip": chip.name,
        "neurons": neurons,
        "cores": cores,
        "cores_available": available,
        "chips": -(-cores // (chip.grid.wide * chip.grid.high)),
        "fits": cores <= available,
        "reason": None if cores <= available else too_many_cores(cores, chip, phases),
        "phases": phases,
        "simple_bound": -(-neurons // chip.core.neurons),
        "synapse_bytes": sum(row["synapse_bytes"] for row in rows),
        "packets_per_tick_at_most": {
            "copies": sum(row["axons"] for row in rows),
            "partial_sums": sum(row["partial_sums"] for row in rows),
        },
        "routing_table": {"entries_max": max(tables), "limit": chip.core.routing_entries},
        "changes": list(changes),
        "notes": [*_notes(chip), *_table_notes(rows, chip)],
        "layers": rows,
    }


def _costs(choice: Candidate, shape: tuple[int, int, int], chip: Chip) -> dict[str, int]:
    """Axons, partial sums and memory of one layer."""
    cells = sum(count * min(a * neurons, shared) for count, a, neurons, shared in choice.items)
    return {
        "axons": choice.total_axons,
        "partial_sums": choice.total_neurons - shape[0] * shape[1] * shape[2],
        "synapse_bytes": int(-(-cells * round(chip.synapse_bytes * 8) // 8)),
    }


def _notes(chip: Chip) -> list[str]:
    notes = []
    if chip.core.weight_scheme == "axon_types":
        notes.append(
            "Axons are counted once per input; each further axon type that the weights need adds "
            "as many again."
        )
    if chip.core.destinations_per_neuron is not None:
        notes.append(
            "Copies and splitters for core.destinations_per_neuron = "
            f"{chip.core.destinations_per_neuron} are not counted."
        )
    if chip.core.fan_in_extension == "psum_tree":
        notes.append("Accumulator layers of psum_tree are not counted.")
    return notes


def _table_notes(rows: list[dict[str, Any]], chip: Chip) -> list[str]:
    """Layers whose tables may be too large; whether they are depends on what shares a core."""
    limit = chip.core.routing_entries
    notes = []
    if limit is not None:
        worst = max(rows, key=lambda row: int(row["routing_entries"]))
        if worst["routing_entries"] > limit:
            notes.append(
                f"layer {worst['layer']!r} needs up to {worst['routing_entries']} routing-table "
                f"entries per core, core.routing_entries is {limit}: map tries smaller tiles."
            )
    if chip.noc_section.router_entries is not None:
        notes.append("Entries of routers (noc.router_entries) depend on the placement: see map.")
    return notes


def _shapes_of(folded: FoldedNetwork, network: Network) -> QuantizedNetwork:
    """A network with the shapes of the folded one; its numbers mean nothing."""
    return QuantizedNetwork(
        tuple(_layer(layer) for layer in folded.layers),
        folded.output,
        network.input_shape,
        InputCode("spike"),
        membrane_bits=24,
    )


def _layer(layer: FoldedLayer) -> QuantizedLayer:
    n = layer.n_neurons
    one = np.ones(n, np.int32)
    return QuantizedLayer(
        layer.name,
        layer.shape,
        tuple(Projection(p.source, _same_shape(p.map), p.delay_ticks) for p in layer.projections),
        LiafColumns(*(one for _ in LiafColumns._fields)),
        SomaModes(output=layer.neuron.output, n_max=layer.neuron.n_max),
        np.ones(n),
    )


def _same_shape(linear: LinearMap) -> Connection:
    """A connection whose weights are equal where those of the map are, and 0 where they are."""
    if isinstance(linear, ConvMap):
        return ConvConnection(
            _pattern(linear.weight),
            linear.in_shape,
            linear.stride,
            linear.padding,
            linear.dilation,
            linear.groups,
        )
    if isinstance(linear, DenseMap):
        return DenseConnection(_pattern(linear.weight))
    if isinstance(linear, DiagonalMap):
        return DiagonalConnection(_pattern(linear.weight))
    raise DoesNotFitError(f"{type(linear).__name__} has no tiles.")


def _pattern(weight: FloatArray) -> IntArray:
    """The bits of each number: equal numbers give equal integers, 0 gives 0."""
    return np.ascontiguousarray(weight + 0.0, dtype=np.float64).view(np.int64)
