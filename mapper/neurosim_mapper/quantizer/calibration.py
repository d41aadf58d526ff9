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

SAMPLE_LIMIT: Final = 1 << 18  # values kept per layer for percentiles and error searches


@dataclass
class LayerStatistics:
    """Figures of one layer over all samples and ticks, in the float network's units.

    Attributes
    ----------
    u_abs_max : (n_neurons,) largest magnitude of U of each neuron.
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

    def add(self, U: FloatArray, pre: FloatArray, Y: FloatArray, stride: int) -> None:
        """Take in values (n_samples, n_neurons)."""
        if not U.size:
            return
        self.u_abs_max = np.maximum(self.u_abs_max, np.abs(U).max(axis=0))
        self.u_low = min(self.u_low, float(pre.min()))
        self.u_high = max(self.u_high, float(pre.max()))
        self.y_low = min(self.y_low, float(Y.min()))
        self.y_high = max(self.y_high, float(Y.max()))
        self.pre = np.concatenate([self.pre, pre.reshape(-1)[::stride]])
        self.out = np.concatenate([self.out, Y.reshape(-1)[::stride]])


def collect(
    network: Network, folded: FoldedNetwork, x: npt.ArrayLike
) -> dict[str, LayerStatistics]:
    """Statistics of every analog and spiking layer that the float network has a value for.

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
        U, pre, Y = (a.reshape(len(a), -1) for a in (seen.U, pre, seen.Y))
        statistics[name].add(U, pre, Y, strides[name])

    outputs = trace_float(network, x, observe=look).outputs
    last = folded.output
    if last not in network.nodes:  # the added read-out layer
        for tick in range(outputs.shape[1]):
            values = outputs[:, tick]
            statistics[last].add(values, values, values, strides[last])
    return {name: found for name, found in statistics.items() if np.isfinite(found.u_low)}
