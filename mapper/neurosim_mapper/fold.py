"""Fold everything linear between two neurons into projections, still in float.

Enters: a `Network`. Leaves: a `FoldedNetwork`, neuron layers joined by linear maps with a bias per
neuron. Promised: the same function, up to the rounding of float additions: normalisation, scaling,
average pooling and flattening disappear into weights and biases, additions become several
projections, delays and recurrence become `delay_ticks`. What has no such form is refused with the
path of the node.

Maximum pools must be those of single spikes (`neurosim_mapper.maxima` sees to that). Two kinds of
layers are added: such a pool (an OR) is a layer of neurons without memory that fires at one spike,
and a network that ends in something linear gets a read-out layer
of neurons without memory that report their potential.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from neurosim.errors import UnsupportedError
from neurosim_mapper.linear_maps import (
    CompositionError,
    ConvMap,
    DenseMap,
    DiagonalMap,
    LinearMap,
    compose,
)
from neurosim_mapper.maxima import MaximumPart
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    BatchNorm,
    Conv,
    Delay,
    Flatten,
    FloatArray,
    Input,
    Linear,
    Neuron,
    Node,
    Output,
    Pool,
    Scale,
    Shape,
    spread,
)
from neurosim_mapper.quantized import INPUT

READOUT: Final = "readout"


@dataclass(frozen=True)
class FoldedProjection:
    """A linear map from a layer (or the input), `delay_ticks` ticks late."""

    source: str
    map: LinearMap
    delay_ticks: int = 0


@dataclass(frozen=True)
class FoldedLayer:
    """Neurons with all that leads to them; `bias` (n_neurons,) is added every tick.

    `spikes_in` marks layers that mean what they should only if all their sources spike at most
    once per tick (maximum pooling). `added` marks layers that no node of the network stands for.
    """

    name: str
    shape: Shape
    neuron: Neuron
    projections: tuple[FoldedProjection, ...]
    bias: FloatArray
    spikes_in: bool = False
    added: bool = False

    @property
    def n_neurons(self) -> int:
        """Size of the layer."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class FoldedNetwork:
    """Layers in forward order, `output` being read out; `assumptions` says what was added."""

    layers: tuple[FoldedLayer, ...]
    output: str
    assumptions: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Term:
    """One summand of a value: a map of what `source` sent `delay_ticks` ago; None: unchanged."""

    source: str
    delay_ticks: int = 0
    map: LinearMap | None = None

    def then(self, second: LinearMap) -> _Term:
        return _Term(
            self.source, self.delay_ticks, second if self.map is None else compose(second, self.map)
        )


@dataclass(frozen=True)
class _Value:
    """What a node puts out, as a sum over layers plus a constant."""

    shape: Shape
    terms: tuple[_Term, ...]
    bias: FloatArray  # (n,)

    @property
    def is_untouched(self) -> bool:
        """True if this is exactly what one layer sends in this tick."""
        return (
            len(self.terms) == 1
            and self.terms[0].map is None
            and self.terms[0].delay_ticks == 0
            and not self.bias.any()
        )


def fold(network: Network) -> FoldedNetwork:
    """Neuron layers and the linear maps between them.

    Raises
    ------
    UnsupportedError
        For a node that cannot be expressed, by name and with a remedy.
    """
    values: dict[str, _Value] = {}
    layers: list[FoldedLayer] = []
    notes: list[str] = []
    for name in network.order:
        node = network.nodes[name]
        if isinstance(node, Input):
            values[name] = _sent_by(INPUT, node.shape)
            continue
        incoming = _incoming(network, name, values)
        if isinstance(node, Neuron):
            layers.append(_layer(name, node, incoming))
            values[name] = _sent_by(name, incoming.shape)
        elif isinstance(node, Pool) and node.mode == "max":
            layers.append(_max_pool_layer(name, node, incoming, network))
            values[name] = _sent_by(name, layers[-1].shape)
            notes.append(f"{name!r}: the maximum of spikes is an OR, an added layer of neurons.")
        elif isinstance(node, Output):
            output = _read_out(incoming, layers, network, notes)
        else:
            values[name] = _through(name, node, incoming)
    return FoldedNetwork(tuple(layers), output, tuple(notes))


def _sent_by(source: str, shape: Shape, delay_ticks: int = 0) -> _Value:
    return _Value(shape, (_Term(source, delay_ticks),), np.zeros(int(np.prod(shape))))


def _incoming(network: Network, name: str, values: dict[str, _Value]) -> _Value:
    """Sum over the edges into a node."""
    terms: list[_Term] = []
    bias = np.zeros(())
    for source in network.sources(name):
        if (source, name) in network.recurrent_edges:
            value = _sent_by(source, network.shapes[source], delay_ticks=1)
        else:
            value = values[source]
        terms.extend(value.terms)
        bias = bias + value.bias
    return _Value(value.shape, tuple(terms), bias)


def _through(name: str, node: Node, incoming: _Value) -> _Value:
    """The value behind a node without a state."""
    shape = node.out_shape(incoming.shape)
    if isinstance(node, Flatten):
        return _Value(shape, incoming.terms, incoming.bias)
    if isinstance(node, Delay):
        return _delayed(name, node, incoming)
    if type(node) not in _LINEAR:
        raise UnsupportedError(
            f"{name!r}: a {type(node).__name__} cannot be mapped. Remove it or replace it by "
            "linear nodes and neurons."
        )
    linear, bias = _LINEAR[type(node)](node, incoming.shape)
    try:
        terms = tuple(term.then(linear) for term in incoming.terms)
    except CompositionError as error:
        raise UnsupportedError(
            f"{name!r}: this {type(node).__name__} cannot be joined with the linear nodes before "
            f"it: {error}. Put a neuron between them."
        ) from None
    carried = (
        linear.apply(incoming.bias[None])[0] if incoming.bias.any() else np.zeros(linear.n_out)
    )
    return _Value(shape, terms, carried + bias)


def _delayed(name: str, node: Delay, incoming: _Value) -> _Value:
    if node.ticks and incoming.bias.any():
        raise UnsupportedError(
            f"{name!r}: a delay behind a bias would need a bias that starts {node.ticks} ticks "
            "late. Put the delay in front of the node that adds the bias."
        )
    terms = tuple(
        _Term(term.source, term.delay_ticks + node.ticks, term.map) for term in incoming.terms
    )
    return _Value(incoming.shape, terms, incoming.bias)


def _linear(node: Node, shape: Shape) -> tuple[LinearMap, FloatArray]:
    assert isinstance(node, Linear)
    return DenseMap(node.weight), np.zeros(()) if node.bias is None else node.bias


def _conv(node: Node, shape: Shape) -> tuple[LinearMap, FloatArray]:
    assert isinstance(node, Conv)
    weight, stride, padding, dilation = node.weight, node.stride, node.padding, node.dilation
    if weight.ndim == 3:  # one space axis: an image of height 1
        weight, shape = weight[:, :, None, :], (shape[0], 1, shape[1])
        stride, padding, dilation = (1, *stride), ((0, 0), *padding), (1, *dilation)
    linear = ConvMap(
        weight,
        (shape[0], shape[1], shape[2]),
        (stride[0], stride[1]),
        (padding[0], padding[1]),
        (dilation[0], dilation[1]),
        node.groups,
    )
    if node.bias is None:
        return linear, np.zeros(())
    return linear, np.repeat(node.bias, linear.n_out // len(node.bias))


def _pool(node: Node, shape: Shape) -> tuple[LinearMap, FloatArray]:
    assert isinstance(node, Pool)
    share = 1.0 / float(np.prod(node.kernel)) if node.mode == "avg" else 1.0
    window = Conv(
        np.full((shape[0], 1, *node.kernel), share),
        None,
        node.stride,
        node.padding,
        (1,) * len(node.kernel),
        groups=shape[0],
    )
    return _conv(window, shape)


def _scale(node: Node, shape: Shape) -> tuple[LinearMap, FloatArray]:
    assert isinstance(node, Scale)
    return DiagonalMap(spread(node.scale, shape, "Scale.scale").reshape(-1)), np.zeros(())


def _batch_norm(node: Node, shape: Shape) -> tuple[LinearMap, FloatArray]:
    assert isinstance(node, BatchNorm)
    scale, shift = (np.repeat(v, int(np.prod(shape[1:]))) for v in node.scale_and_shift())
    return DiagonalMap(scale), shift


_LINEAR: Final[dict[type[Node], Callable[[Node, Shape], tuple[LinearMap, FloatArray]]]] = {
    Linear: _linear,
    Conv: _conv,
    Pool: _pool,
    Scale: _scale,
    BatchNorm: _batch_norm,
}


def _layer(name: str, neuron: Neuron, incoming: _Value, added: bool = False) -> FoldedLayer:
    n = int(np.prod(incoming.shape))
    projections = tuple(
        FoldedProjection(
            term.source,
            DiagonalMap(np.ones(n)) if term.map is None else term.map,
            term.delay_ticks,
        )
        for term in incoming.terms
    )
    bias = np.broadcast_to(incoming.bias, (n,)).copy()
    added = added or isinstance(neuron, MaximumPart)
    return FoldedLayer(name, incoming.shape, neuron, projections, bias, added=added)


def _max_pool_layer(name: str, node: Pool, incoming: _Value, network: Network) -> FoldedLayer:
    """Neurons that fire when anything in their window does; `expand_maxima` leaves no others."""
    one_source = len(incoming.terms) == 1 and not incoming.bias.any()
    term = incoming.terms[0]
    untouched = one_source and (
        term.map is None
        or (isinstance(term.map, DiagonalMap) and bool((term.map.weight == 1).all()))
    )
    source = None if term.source == INPUT else network.nodes[term.source]
    assert untouched
    assert not isinstance(source, Neuron) or (source.output == "spike" and source.n_max == 1)
    linear, _ = _pool(node, incoming.shape)
    neuron = Neuron(threshold=np.asarray(1.0), alpha=np.asarray(0.0))
    value = _Value(node.out_shape(incoming.shape), (term.then(linear),), np.zeros(()))
    layer = _layer(name, neuron, value, added=True)
    return FoldedLayer(
        layer.name, layer.shape, neuron, layer.projections, layer.bias, spikes_in=True, added=True
    )


def _read_out(
    incoming: _Value, layers: list[FoldedLayer], network: Network, notes: list[str]
) -> str:
    """Name of the layer that is read out; added to `layers` if the network ends without one."""
    if incoming.is_untouched and incoming.terms[0].source != INPUT:
        return incoming.terms[0].source
    name = READOUT
    while name in network.nodes:
        name += "_"
    neuron = Neuron(output="analog", alpha=np.asarray(0.0), reset="none", activation="identity")
    layers.append(_layer(name, neuron, incoming, added=True))
    notes.append(
        "The network ends in a linear node: a read-out layer of analog neurons without memory "
        f"was added as {name!r}."
    )
    return name
