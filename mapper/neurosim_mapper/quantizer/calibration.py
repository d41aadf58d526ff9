"""What the float network does on calibration data: ranges and a sample of values per layer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim_mapper.float_executor import NeuronTick, trace_float
from neurosim_mapper.fold import FoldedNetwork
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import FloatArray, Neuron
from neurosim_mapper.quantized import INPUT

SAMPLE_LIMIT: Final = 1 << 18  # values kept per layer for percentiles and error searches
_STAND_IN_TICKS: Final = 12
_STAND_IN_VALUES: Final = 1 << 22  # of all neurons, samples and ticks


@dataclass
class LayerStatistics:
    """Figures of one layer over all samples and ticks, in the float network's units.

    Attributes
    ----------
    u_abs_max : (n_neurons,) largest magnitude of U, or of the synaptic state, of each neuron.
    u_low, u_high : range of what the activation sees (U, or U - threshold in TR mode).
    y_low, y_high : range of the output.
    pre, out : samples of what the activation sees and of the output, evenly strided.
    stands_in : the inputs were drawn at random, for want of others.
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
    stands_in: bool = False

    def doubled(self, bound: tuple[float, float], neuron: Neuron) -> LayerStatistics | None:
        """Twice the range that was seen, within a proven bound.

        None if nothing moved, or if nothing bounds it: such a range depends on the true inputs.
        """
        if not np.isfinite(bound).all():
            return None
        low, high = max(2 * self.u_low, bound[0]), min(2 * self.u_high, bound[1])
        if not low < high:
            return None
        pre = np.clip(2 * self.pre, low, high)
        ends = neuron.activated(np.array([low, high]))
        return replace(
            self,
            u_low=low,
            u_high=high,
            y_low=float(ends.min()),
            y_high=float(ends.max()),
            pre=pre,
            out=neuron.activated(pre),
        )

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


def stand_in(network: Network, folded: FoldedNetwork) -> dict[str, LayerStatistics]:
    """Statistics for random inputs of 0 and 1, from nearly silent to nearly full.

    Empty if all neurons spike: their ranges do not depend on the input.
    """
    if all(layer.neuron.output == "spike" for layer in folded.layers):
        return {}
    n_values = sum(layer.n_neurons for layer in folded.layers) * _STAND_IN_TICKS
    shape = network.shapes[network.input_name]
    n_samples = int(np.clip(_STAND_IN_VALUES // n_values, 2, 16))
    share = np.linspace(0.05, 0.95, n_samples).reshape(-1, *(1,) * (1 + len(shape)))
    draws = np.random.default_rng(0).random((n_samples, _STAND_IN_TICKS, *shape))
    found = collect(network, folded, (draws < share).astype(np.float64))
    return {name: replace(seen, stands_in=True) for name, seen in found.items()}


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
