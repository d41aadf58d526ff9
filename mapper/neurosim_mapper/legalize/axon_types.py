"""Few-bit weights on a 1-bit crossbar: an input takes one axon for each type that hears it.

With ``weight_scheme: axon_types`` a synapse is a bit; its weight belongs to the neuron and the
type of the axon. So a neuron has as many different weights as there are types, and the sum over
several axons of one input gives more (TrueNorth: 4 types, a signed 9-bit weight for each):

- *levels*: no more different weights than types, one type per weight. Ternary weights take two
  axons per input, +w and -w.
- *bits*: weights are two's complement numbers times a factor of the neuron, one type per bit, the
  highest negative. Four types reach -8..7 times the factor.

Each layer uses whichever needs fewer types, and levels when both need as many (one synapse per
weight). Every projection becomes one projection per type; the sums stay the same integers.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim_mapper.connections import (
    Connection,
    ConvConnection,
    DenseConnection,
    DiagonalConnection,
    IntArray,
    SparseConnection,
)
from neurosim_mapper.legalize.parallel import with_own_axons
from neurosim_mapper.quantized import Projection, QuantizedLayer, QuantizedNetwork


def slice_weights(
    network: QuantizedNetwork, chip: Chip
) -> tuple[QuantizedNetwork, tuple[str, ...]]:
    """One projection per axon type, on chips whose synapses are bits."""
    n_types = chip.core.axon_types
    if chip.core.weight_scheme != "axon_types" or n_types is None:
        return network, ()
    notes: list[str] = []
    layers: list[QuantizedLayer] = []
    for layer in network.layers:
        sliced, used = _slice_layer(layer, n_types)
        if used > n_types:
            raise _too_few_types(network, chip, n_types)
        layers.append(sliced)
        if used > 1:
            notes.append(
                f"layer {layer.name!r}: its weights take {used} axon types, so an input takes up "
                f"to {used} axons per core."
            )
    return replace(network, layers=tuple(layers)), tuple(notes)


def _too_few_types(network: QuantizedNetwork, chip: Chip, n_types: int) -> DoesNotFitError:
    """Names the layer that needs most types: with these all layers fit."""
    worst = max(network.layers, key=lambda layer: _slice_layer(layer, 0)[1])
    needed = _slice_layer(worst, 0)[1]
    bits = f", or weights of {n_types} bits (weight_bits={n_types})" if n_types > 1 else ""
    return DoesNotFitError(
        f"layer {worst.name!r} needs {needed} axon types for the different weights of its neurons, "
        f"{chip.name!r} has core.axon_types = {n_types}, which give {n_types} weights, or "
        f"{1 << n_types} in even steps. A chip with core.axon_types of {needed} would fit{bits}."
    )


def _slice_layer(layer: QuantizedLayer, n_types: int) -> tuple[QuantizedLayer, int]:
    """The layer with a projection per type, and its types; the same layer if these are too many."""
    unit, n_units = _units(layer)
    parts = [_weights(p.connection, unit) for p in layer.projections]
    levels = _levels(parts, n_units)
    bits = _bits(parts, n_units)
    if min(levels.shape[1], bits.shape[1]) > n_types:
        return layer, min(levels.shape[1], bits.shape[1])
    use_levels = levels.shape[1] <= min(bits.shape[1], n_types)
    table = levels if use_levels else bits
    projections = []
    for projection, (weight, unit_of) in zip(layer.projections, parts, strict=True):
        for number in range(table.shape[1]):
            step = table[unit_of, number]
            if use_levels:
                part = np.where(weight == step, weight, 0)
            else:
                factor = np.abs(table[unit_of, 0])
                part = np.where(weight // np.maximum(factor, 1) >> number & 1, step, 0)
            if part.any():
                projections.append(
                    Projection(
                        projection.source,
                        _with_weights(projection.connection, part),
                        projection.delay_ticks,
                        number,
                    )
                )
    used = len({p.axon_type for p in projections})
    return replace(layer, projections=_on_bits(projections, n_types)), used


def _on_bits(projections: list[Projection], n_types: int) -> tuple[Projection, ...]:
    """An axon more of the same type where parallel projections meet in a synapse: it is one bit."""
    bits = [replace(p, connection=p.connection.with_ones()) for p in projections]
    parted = with_own_axons(bits, 0, 1, n_types)
    return tuple(
        replace(p, axon_type=own.axon_type) for p, own in zip(projections, parted, strict=True)
    )


def _units(layer: QuantizedLayer) -> tuple[npt.NDArray[np.int64], int]:
    """Which neurons share their type weights: those of a channel if a kernel is shared."""
    n = layer.n_neurons
    if any(isinstance(p.connection, ConvConnection) for p in layer.projections):
        channels = next(
            p.connection.out_shape[0]
            for p in layer.projections
            if isinstance(p.connection, ConvConnection)
        )
        return np.arange(n) // (n // channels), channels
    return np.arange(n), n


def _weights(
    connection: Connection, unit: npt.NDArray[np.int64]
) -> tuple[IntArray, npt.NDArray[np.int64]]:
    """Weights as they are stored, and the unit of each (of a shape that broadcasts)."""
    if isinstance(connection, ConvConnection):
        c_out, high, wide = connection.out_shape
        first = unit.reshape(c_out, high * wide)[:, 0]
        return connection.weight, first[:, None, None, None]
    if isinstance(connection, DenseConnection):
        return connection.weight, unit[:, None]
    if isinstance(connection, DiagonalConnection):
        return connection.weight, unit
    if isinstance(connection, SparseConnection):
        row = np.repeat(np.arange(connection.n_targets), np.diff(connection.offset))
        return connection.weight, unit[row]
    raise UnsupportedError(f"{type(connection).__name__} cannot be sliced into axon types.")


def _with_weights(connection: Any, weight: IntArray) -> Connection:
    changed: Connection = replace(connection, weight=weight)
    return changed


def _pairs(
    parts: list[tuple[IntArray, npt.NDArray[np.int64]]],
) -> tuple[npt.NDArray[np.int64], IntArray]:
    """Distinct (unit, weight other than 0), sorted."""
    rows = [np.empty((0, 2), np.int64)]
    for weight, unit in parts:
        units = np.broadcast_to(unit, weight.shape)
        used = weight != 0
        rows.append(np.unique(np.column_stack([units[used], weight[used]]), axis=0))
    table = np.unique(np.concatenate(rows), axis=0)
    return table[:, 0], table[:, 1]


def _levels(parts: list[tuple[IntArray, npt.NDArray[np.int64]]], n_units: int) -> IntArray:
    """(n_units, n_types) distinct weights of each unit, positive ones first, then negative."""
    unit, weight = _pairs(parts)
    positive = weight > 0
    n_positive = np.bincount(unit[positive], minlength=n_units).max(initial=0)
    n_negative = np.bincount(unit[~positive], minlength=n_units).max(initial=0)
    table = np.zeros((n_units, int(n_positive + n_negative)), np.int64)
    for chosen, first in ((positive, 0), (~positive, int(n_positive))):
        u, w = unit[chosen], weight[chosen]
        rank = np.arange(u.size) - np.searchsorted(u, u, side="left")
        table[u, first + rank] = w
    return table


def _bits(parts: list[tuple[IntArray, npt.NDArray[np.int64]]], n_units: int) -> IntArray:
    """(n_units, n_bits) two's complement steps of each unit: factor times 1, 2, ..., -2**k."""
    unit, weight = _pairs(parts)
    factor = np.zeros(n_units, np.int64)
    np.gcd.at(factor, unit, weight)
    factor = np.maximum(factor, 1)
    digits = weight // factor[unit]
    low, high = int(digits.min(initial=0)), int(digits.max(initial=0))
    n_bits = max((-low - 1).bit_length() if low < 0 else 0, high.bit_length()) + (low < 0)
    steps = 1 << np.arange(max(n_bits, 1))
    if low < 0:
        steps[-1] = -steps[-1]
    table: IntArray = factor[:, None] * steps
    return table
