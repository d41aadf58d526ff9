"""Quantisation-aware training: the network of a chip, integer for integer, as a PyTorch module.

Enters: a trained module or a `Network`, a chip, calibration data. The module that leaves computes
what the chip computes - weights, 8-bit activations, potentials, decays with the chip's widths and
rounding - and trains through it with straight-through gradients. Promised: in evaluation mode its
outputs are bit for bit those of `run_reference` on its own export, also after a round trip through
a file; its export carries the units, see `neurosim_mapper.quantizer.given`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurosim.chip.files import load_chip
from neurosim.chip.model import Chip
from neurosim.errors import UnsupportedError
from neurosim.run.encoding import encode_input
from neurosim_mapper.fold import FoldedLayer, fold
from neurosim_mapper.maxima import value_pools
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Neuron, Pool, Scale
from neurosim_mapper.norms import freeze_layer_norms
from neurosim_mapper.quantized import INPUT
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.recurrent import Recurrent
from neurosim_mapper.torch.qat_layers import QatLayer, QatProjection
from neurosim_mapper.torch.surrogates import Surrogate

MARK = ".sums"  # behind the name of a pooling node: the layer that stands for its sums


class QuantizationAware(nn.Module):
    """A network in the integers of a chip, trainable.

    Parameters
    ----------
    network : the float network to start from.
    chip : gives the widths.
    calibration : (samples, ticks, *input shape); fixes the units, once.
    surrogate : gradient of spikes.
    **options : of `quantize`.

    Raises
    ------
    UnsupportedError
        For recurrent networks and for neurons that the trainable soma does not know.
    """

    def __init__(
        self,
        network: Network,
        chip: Chip,
        calibration: npt.ArrayLike,
        surrogate: Surrogate | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        _check_layers(network)
        network = freeze_layer_norms(network, calibration)
        self.chip, self.readout = chip, network.readout
        self.provenance = dict(network.provenance)
        self.weight_bits = int(options.get("weight_bits") or chip.core.weight_bits)
        target = quantize(network, chip, calibration, **options)
        self.input_shape, self.input_code = target.input_shape, target.input_code
        folded = fold(_with_marked_pools(network))
        self.output = folded.output
        self.pools: dict[str, tuple[str, Pool]] = {}
        units = {INPUT: target.input_code.unit} | {
            layer.name: layer.output_unit for layer in target.layers
        }
        layers: list[QatLayer | _Sums] = []
        for layer in folded.layers:
            _check_order(layer, {INPUT, *(earlier.name for earlier in layers)})
            if layer.name not in target.by_name:  # sums of a pooling window
                source = layer.projections[0].source
                node = network.nodes[layer.name.removesuffix(MARK)]
                units[layer.name] = units[source]
                self.pools[layer.name] = (source, cast(Pool, node))
                layers.append(_Sums(layer))
                continue
            layers.append(
                QatLayer(
                    layer,
                    target.by_name[layer.name],
                    units,
                    self.weight_bits,
                    chip.core.membrane_bits,
                    surrogate or Surrogate(),
                )
            )
        self.layers = nn.ModuleList(layers)

    def integers(self, x: Tensor | npt.ArrayLike) -> dict[str, Tensor]:
        """Packet values of every layer by name, whole numbers (batch, ticks, n_neurons)."""
        array = x.detach().cpu().numpy() if isinstance(x, Tensor) else np.asarray(x)
        codes = encode_input(array, self.input_shape, self.input_code)
        dtype = torch.float32 if self.training else torch.float64
        values = {INPUT: torch.from_numpy(codes.astype(np.int32)).to(dtype)}
        for layer in self.layers:
            assert isinstance(layer, QatLayer | _Sums)
            values[layer.name] = layer([values[source] for source in layer.sources])
        return values

    def forward(self, x: Tensor | npt.ArrayLike) -> Tensor:
        """Outputs of every tick (batch, ticks, n_outputs) in the units of the float network."""
        return self.integers(x)[self.output] * self._output_layer().output_unit

    def scores(self, x: Tensor | npt.ArrayLike) -> Tensor:
        """Class scores (batch, n_outputs): the outputs, read as the network says."""
        y = self(x)
        if self.readout == "last":
            result: Tensor = y[:, -1]
            return result
        return cast(Tensor, y.mean(dim=1) if self.readout == "mean" else y.sum(dim=1))

    def _output_layer(self) -> QatLayer:
        found = [layer for layer in self.layers if getattr(layer, "name", "") == self.output]
        assert isinstance(found[0], QatLayer)
        return found[0]

    def network(
        self, readout: str | None = None, provenance: Mapping[str, Any] | None = None
    ) -> Network:
        """The float network whose quantisation for this chip is what this module computes."""
        from neurosim_mapper.torch.qat_export import network_of

        return network_of(self, readout, provenance)


class _Sums(nn.Module):
    """Sums over pooling windows: whole numbers, nothing to train."""

    def __init__(self, layer: FoldedLayer) -> None:
        super().__init__()
        projection = layer.projections[0]
        self.name, self.shape, self.sources = layer.name, layer.shape, [projection.source]
        self.sum = QatProjection(projection.map, 0, np.ones(layer.n_neurons), 8)
        self.sum.requires_grad_(False)

    def forward(self, sources: list[Tensor]) -> Tensor:
        """(batch, ticks, n) sums."""
        result: Tensor = self.sum(sources[0])
        return result


def _check_order(layer: FoldedLayer, known: set[str]) -> None:
    for projection in layer.projections:
        if projection.source not in known:
            raise UnsupportedError(
                f"Layer {layer.name!r} takes input from {projection.source!r}, which is not in "
                "front of it; quantisation-aware training knows feed-forward networks only."
            )


def _check_layers(network: Network) -> None:
    gated = next((n for n, node in network.nodes.items() if isinstance(node, Recurrent)), None)
    if gated is not None:
        raise UnsupportedError(
            f"Layer {gated!r}: RNN, GRU and LSTM layers cannot be trained in integers. Train them "
            "in float; mapping rounds their gates to 8 bits."
        )
    pools = value_pools(network)
    if pools:
        raise UnsupportedError(
            f"{pools[0]!r}: a maximum pool of values cannot be trained in integers. Train it in "
            "float (mapping rounds the values to 8 bits), put it directly behind spiking neurons, "
            "or use average pooling."
        )


def _with_marked_pools(network: Network) -> Network:
    """The network with a pseudo layer behind every pooling of whole values.

    A pool of spikes or packet values sums integers, exactly; kept apart, the weights behind it
    keep their number when they are trained. Windows that overlap are left alone.
    """
    nodes, edges = dict(network.nodes), list(network.edges)
    for name, node in network.nodes.items():
        if not isinstance(node, Pool) or not _sums_packets(network, name, node):
            continue
        share = 1.0 / float(np.prod(node.kernel)) if node.mode == "avg" else 1.0
        nodes[name] = Pool("sum", node.kernel, node.stride)
        nodes[name + MARK] = Neuron(output="analog", alpha=np.asarray(0.0), reset="none")
        nodes[name + MARK + ".share"] = Scale(np.asarray(share))
        edges = [(name + MARK + ".share", t) if s == name else (s, t) for s, t in edges]
        edges += [(name, name + MARK), (name + MARK, name + MARK + ".share")]
    return Network(nodes, tuple(edges), network.readout)


def _sums_packets(network: Network, name: str, node: Pool) -> bool:
    sources = network.sources(name)
    apart = all(k <= s for k, s in zip(node.kernel, node.stride, strict=True))
    plain = node.mode != "max" and not any(map(any, node.padding)) and apart
    source = network.nodes[sources[0]]
    packets = isinstance(source, Neuron) or sources[0] == network.input_name
    return plain and packets and len(sources) == 1


def quantization_aware(
    source: nn.Module | Network,
    chip: Chip | str,
    calibration: npt.ArrayLike | Tensor,
    *,
    surrogate: Surrogate | None = None,
    **options: Any,
) -> QuantizationAware:
    """A trained module (or network) as the trainable integer network of a chip.

    BatchNorm is frozen and folded, scales and pooling as well; what is left are weights, biases,
    thresholds, resets and decays, in the chip's steps. A few epochs at a small learning rate
    usually win back what rounding cost.

    Parameters
    ----------
    chip : a Chip, or the name of a built-in one.
    calibration : (samples, ticks, *input shape).
    **options : of `neurosim_mapper.quantizer.quantize`.
    """
    from neurosim_mapper.torch.export import export_network

    x = calibration.detach().cpu().numpy() if isinstance(calibration, Tensor) else calibration
    array = np.asarray(x)
    if isinstance(source, Network):
        network = source
    else:
        network = export_network(
            source, input_shape=tuple(array.shape[2:]), ticks=int(array.shape[1])
        )
    return QuantizationAware(network, load_chip(chip), array, surrogate, **options)
