"""LayerNorm: what a checkpoint contains, and the frozen form that a chip without divisions has.

A LayerNorm divides by the spread of the current tick. Frozen, it has the mean and the variance
that calibration data show on average, and is an affine map that folds into weights and biases.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError, UnsupportedError
from neurosim_mapper.network import Edge, Network
from neurosim_mapper.nodes import BatchNorm, FloatArray, Node, Shape
from neurosim_mapper.recurrent import memoryless

SAMPLES: Final = 256  # of the calibration data, for the statistics


@dataclass(frozen=True)
class LayerNorm(Node):
    """``(x - mean) / sqrt(variance + eps) * gain + shift``, as in torch.

    Mean and variance are those of the current tick: over all features of a sample, or over those
    of each of `groups` groups of channels. gain, shift (channels,), one per feature or channel.
    """

    gain: FloatArray
    shift: FloatArray
    eps: float = 1e-5
    groups: int = 1

    def __post_init__(self) -> None:
        self._freeze(gain=(1,), shift=(1,))
        if self.gain.size != self.shift.size:
            raise InputFileError(
                f"LayerNorm has {self.gain.size} gains and {self.shift.size} shifts; one of each "
                "per channel is needed."
            )
        if self.groups < 1 or self.gain.size % self.groups:
            raise InputFileError(
                f"LayerNorm has {self.gain.size} channels, not divisible into {self.groups} groups."
            )
        if not 0 <= self.eps < np.inf:
            raise InputFileError(f"LayerNorm.eps is {self.eps}; it must not be negative.")

    def out_shape(self, in_shape: Shape) -> Shape:
        """Unchanged; checks the number of channels."""
        if not in_shape or in_shape[0] != self.gain.size:
            raise InputFileError(
                f"LayerNorm has {self.gain.size} channels, but gets shape {in_shape}."
            )
        return in_shape

    def statistics(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean and variance (samples, groups) of x (samples, *shape)."""
        parts = x.reshape(len(x), self.groups, -1)
        return parts.mean(axis=2), parts.var(axis=2)

    def apply(self, x: FloatArray) -> FloatArray:
        """Normalised values; x (samples, *shape)."""
        mean, variance = (part[:, :, None] for part in self.statistics(x))
        parts = x.reshape(len(x), self.groups, -1)
        with np.errstate(invalid="ignore", divide="ignore"):
            normal = (parts - mean) / np.sqrt(variance + self.eps)
        across = (-1, *([1] * (x.ndim - 2)))
        normal = np.where(np.isfinite(normal), normal, 0.0).reshape(x.shape)
        return np.asarray(normal * self.gain.reshape(across) + self.shift.reshape(across))

    def frozen(self, mean: FloatArray, variance: FloatArray) -> BatchNorm:
        """With statistics (groups,) that do not change any more."""
        each = self.gain.size // self.groups
        return BatchNorm(
            np.repeat(mean, each), np.repeat(variance, each), self.gain, self.shift, self.eps
        )


def layer_norms(network: Network) -> list[str]:
    """Names of the LayerNorms, in forward order."""
    return [name for name in network.order if isinstance(network.nodes[name], LayerNorm)]


def freeze_layer_norms(network: Network, calibration: npt.ArrayLike | None) -> Network:
    """The network with a BatchNorm in place of every LayerNorm.

    They are frozen one after the other, each by what arrives behind the frozen ones. How many
    decisions on the calibration data stay the same is added to the assumptions. Without calibration
    data the statistics are 0 and 1: right for shapes only.

    Raises InputFileError if the calibration data do not fit the network.
    """
    from neurosim_mapper.float_executor import run_float

    names = layer_norms(network)
    if not names:
        return network
    frozen = network
    x = None if calibration is None else np.asarray(calibration)[:SAMPLES]
    for name in names:
        norm = network.nodes[name]
        assert isinstance(norm, LayerNorm)
        mean, variance = np.zeros(norm.groups), np.ones(norm.groups)
        if x is not None and len(x):
            mean, variance = _seen(frozen, name, norm, x)
        nodes = dict(frozen.nodes) | {name: norm.frozen(mean, variance)}
        frozen = replace(frozen, nodes=nodes)
    if x is None or not len(x):
        return frozen
    decided = [scores(run_float(n, x), n.readout).argmax(axis=1) for n in (network, frozen)]
    same = 100 * float((decided[0] == decided[1]).mean())
    note = (
        f"LayerNorm {', '.join(repr(name) for name in names)}: frozen, with the mean and variance "
        f"of {len(x)} calibration samples; the float network decides {same:.1f} % of these as "
        "before."
    )
    return replace(frozen, assumptions=(*frozen.assumptions, note))


def scores(outputs: FloatArray, readout: str) -> FloatArray:
    """What decides, (samples, outputs), of outputs (samples, ticks, outputs)."""
    return np.asarray(outputs[:, -1] if readout == "last" else outputs.sum(axis=1))


def _seen(
    network: Network, name: str, norm: LayerNorm, x: npt.NDArray[np.generic]
) -> tuple[FloatArray, FloatArray]:
    """Mean and variance (groups,) of what arrives at a node, averaged over samples and ticks."""
    from neurosim_mapper.float_executor import NeuronTick, trace_float

    probe = f"{name}.seen"

    def turned(edge: Edge) -> Edge:
        return (edge[0], probe) if edge[1] == name else edge

    watched = replace(
        network,
        nodes={**network.nodes, probe: memoryless("identity")},
        edges=(*map(turned, network.edges), (probe, name)),
        feedback=tuple(sorted(map(turned, network.recurrent_edges))),
    )
    sums = [np.zeros(norm.groups), np.zeros(norm.groups)]
    count = 0

    def look(node: str, tick: int, seen: NeuronTick) -> None:
        nonlocal count
        if node == probe:
            count += len(seen.U)
            for total, part in zip(sums, norm.statistics(seen.U), strict=True):
                total += part.sum(axis=0)

    trace_float(watched, x, nodes=[], observe=look)
    return sums[0] / count, sums[1] / count


def refuse_layer_norms(network: Network) -> None:
    """UnsupportedError if there is a LayerNorm and nothing to freeze it by."""
    names = layer_norms(network)
    if names:
        raise UnsupportedError(
            f"{names[0]!r}: a LayerNorm needs mean and variance of the current tick, which no chip "
            "computes. Give calibration data, by which it is frozen, or train with BatchNorm."
        )
