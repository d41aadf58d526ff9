"""What the layers of a network cost by the formulas of LIAF-Net, and what data really cost.

The formulas (Tables I and II) count every synapse in every tick: an input that sends values
multiplies, one that sends spikes only adds. The chip works for what was sent alone: a packet costs
an operation per connected weight other than 0. Both are exact integers; on a chip that splits no
neuron over cores, the second sums up to the counters ``macs`` and ``synaptic_ops`` of a run.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from neurosim_mapper.complexity import Cost
from neurosim_mapper.connections import Connection, ConvConnection, DenseConnection
from neurosim_mapper.quantized import INPUT, Projection, QuantizedLayer, QuantizedNetwork
from neurosim_mapper.reference import ReferenceTrace, trace_reference

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class LayerCost:
    """A layer, per inference.

    Attributes
    ----------
    formula : multiplications and additions of all ticks, weights with one bias per neuron or
        channel.
    macs, synaptic_ops : mean number of values, and of spikes, times connected synapses; None
        without data.
    active_share : share of what its sources could send that they did send; None without data.
    """

    name: str
    neurons: int
    formula: Cost
    macs: float | None = None
    synaptic_ops: float | None = None
    active_share: float | None = None


def layer_costs(
    network: QuantizedNetwork, ticks: int, x: npt.ArrayLike | None = None
) -> tuple[LayerCost, ...]:
    """Costs of every layer over `ticks` ticks; with inputs `x`, also what they cost.

    Parameters
    ----------
    x : (samples, ticks, *input_shape).
    """
    formulas = {layer.name: _formula(network, layer, ticks) for layer in network.layers}
    trace = None if x is None else trace_reference(network, x)
    result = []
    for layer in network.layers:
        cost = LayerCost(layer.name, layer.n_neurons, formulas[layer.name])
        result.append(cost if trace is None else _measured(network, layer, cost, trace))
    return tuple(result)


def _formula(network: QuantizedNetwork, layer: QuantizedLayer, ticks: int) -> Cost:
    """Per neuron: its fan-in, one product for the leak, and two sums (leak and bias)."""
    n = layer.n_neurons
    muls, adds, weights = n, 2 * n, 0
    for projection in layer.projections:
        synapses = _synapses(projection.connection)
        adds += synapses
        muls += synapses if network.output_kind(projection.source) == "analog" else 0
        weights += projection.connection.n_weights
    shared = any(isinstance(p.connection, ConvConnection) for p in layer.projections)
    biases = layer.shape[0] if shared else n
    return Cost(muls, adds, weights + biases).over(ticks)


def _synapses(connection: Connection) -> int:
    """Synapses as the formulas count them: weights of 0 and the borders of an image included."""
    if isinstance(connection, DenseConnection):
        return connection.n_sources * connection.n_targets
    if isinstance(connection, ConvConnection):
        return connection.fan_in * connection.n_targets
    return connection.n_weights


def _measured(
    network: QuantizedNetwork, layer: QuantizedLayer, cost: LayerCost, trace: ReferenceTrace
) -> LayerCost:
    n_samples = max(1, len(trace.input_values))
    counts = {"analog": 0, "spike": 0}
    sent, possible = 0, 0
    for projection in layer.projections:
        active = _arrivals(projection, trace)
        sent += int(active.sum())
        possible += active.size
        counts[network.output_kind(projection.source)] += _operations(projection, active)
    return replace(
        cost,
        macs=counts["analog"] / n_samples,
        synaptic_ops=counts["spike"] / n_samples,
        active_share=sent / possible if possible else 0.0,
    )


def _arrivals(projection: Projection, trace: ReferenceTrace) -> I64:
    """(samples * ticks, n_sources) 1 where a packet arrives in time."""
    source = projection.source
    values = trace.input_values if source == INPUT else trace.values[source]
    in_time = values[:, : values.shape[1] - projection.delay_ticks]
    active: I64 = (in_time != 0).reshape(-1, values.shape[2]).astype(np.int64)
    return active


def _operations(projection: Projection, active: I64) -> int:
    """Weights other than 0 behind everything that arrives."""
    return int(projection.connection.with_ones().apply(active).sum())
