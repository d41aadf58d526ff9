"""What the float network does on calibration data: ranges and a sample of values per layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim_mapper.float_executor import NeuronTick, trace_float
from neurosim_mapper.fold import FoldedNetwork
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import FloatArray, Neuron
from neurosim_mapper.quantized import INPUT

SAMPLE_LIMIT: Final = 1 << 18  # values kept per layer for percentiles and error searches


@dataclass
class LayerStatistics:
    """Figures of one layer over all samples and ticks, in the float network's units.

    Attributes
    ----------
    u_abs_max : (n_neurons,) largest magnitude of U, or of the synaptic state, of each neuron.
    u_low, u_high : range of what the activation sees (U, or U - threshold in TR mode).
    y_low, y_high : range of the output.
    pre, out : samples of what the activation sees and of the output, evenly strided.
    """

    u_abs_max: FloatArray
    u_low: float = np.inf
    u_high: float = -np.inf
    y_low: float = np.inf
    y_high: float = -np.inf
    pre: FloatArray = field(default_factory=lambda: np.zeros(0))
    out: FloatArray = field(default_factory=lambda: np.zeros(0))
    y_sum: FloatArray | None = None
    n_seen: int = 0

    @property
    def y_mean(self) -> FloatArray | None:
        """(n_neurons,) mean output of each neuron; None if nothing was seen."""
        return None if self.y_sum is None else self.y_sum / self.n_seen

    def add_mean(self, Y: FloatArray) -> None:
        """Take in outputs (n_samples, n_neurons) for the mean."""
        total = Y.sum(axis=0)
        self.y_sum = total if self.y_sum is None else self.y_sum + total
        self.n_seen += len(Y)

    def add(
        self, U: FloatArray, current: FloatArray, pre: FloatArray, Y: FloatArray, stride: int
    ) -> None:
        """Take in values (n_samples, n_neurons)."""
        if not U.size:
            return
        for values in (U, current):
            self.u_abs_max = np.maximum(self.u_abs_max, np.abs(values).max(axis=0))
        self.u_low = min(self.u_low, float(pre.min()))
        self.u_high = max(self.u_high, float(pre.max()))
        self.y_low = min(self.y_low, float(Y.min()))
        self.y_high = max(self.y_high, float(Y.max()))
        self.add_mean(Y)
        self.pre = np.concatenate([self.pre, pre.reshape(-1)[::stride]])
        self.out = np.concatenate([self.out, Y.reshape(-1)[::stride]])


def collect(
    network: Network, folded: FoldedNetwork, x: npt.ArrayLike
) -> dict[str, LayerStatistics]:
    """Statistics of every layer that the float network has a value for, and means of the input.

    Raises InputFileError if `x` does not fit the network.
    """
    n_values = int(np.prod(np.shape(x)[:2]))
    statistics = {layer.name: LayerStatistics(np.zeros(layer.n_neurons)) for layer in folded.layers}
    strides = {
        layer.name: max(1, n_values * layer.n_neurons // SAMPLE_LIMIT) for layer in folded.layers
    }

    def look(name: str, tick: int, seen: NeuronTick) -> None:
        node = network.nodes[name]
        assert isinstance(node, Neuron)
        shape = seen.U.shape[1:]
        pre = seen.U - node.parameter("threshold", shape) if node.threshold_related else seen.U
        current = np.zeros_like(seen.U) if node.alpha_syn is None else seen.current
        U, current, pre, Y = (a.reshape(len(a), -1) for a in (seen.U, current, pre, seen.Y))
        statistics[name].add(U, current, pre, Y, strides[name])

    outputs = trace_float(network, x, observe=look).outputs
    last = folded.output
    if last not in network.nodes:  # the added read-out layer
        for tick in range(outputs.shape[1]):
            values = outputs[:, tick]
            statistics[last].add(values, np.zeros_like(values), values, values, strides[last])
    found = {name: seen for name, seen in statistics.items() if np.isfinite(seen.u_low)}
    values = np.asarray(x, dtype=np.float64).reshape(n_values, -1)
    if n_values:
        found[INPUT] = LayerStatistics(np.zeros(values.shape[1]))
        found[INPUT].add_mean(values)
    return found
