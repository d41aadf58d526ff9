"""Maximum pools of values, where no soma compares: by differences, on neurons of their own.

    max(a, b) = b + relu(a - b)

Enters: a network with maximum pools anywhere. Leaves: the same function with maximum pools of
single spikes only, which are an OR (`neurosim_mapper.fold`). What a pool looks at is rounded once,
by neurons without memory that put out 8-bit values; every difference of two such values is again
one, in the same steps. So the maximum is that of the rounded values, exactly. A window is gone
through axis by axis and pair by pair: k values take k - 1 neurons for their differences.

Two things cost nothing. Per channel, what arrives without any spike or value (the bias) is taken
away before the maximum and added behind it, so that a silent image sends no packets. And spiking
neurons without memory behind a pool fire if one value of the window reaches the threshold: they
move in front of the pool, which then is an OR.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import UnsupportedError
from neurosim_mapper.float_executor import apply_node
from neurosim_mapper.network import Edge, Network
from neurosim_mapper.nodes import (
    BatchNorm,
    Conv,
    Delay,
    Flatten,
    FloatArray,
    Input,
    Neuron,
    Node,
    Output,
    Pool,
    Scale,
    Shape,
)

BoolArray = npt.NDArray[np.bool_]
_AXES: Final = {1: ("across",), 2: ("down", "across")}


@dataclass(frozen=True)
class MaximumPart(Neuron):
    """Neurons without memory that belong to a maximum pool.

    Attributes
    ----------
    pool : name of the pool.
    steps_of : layer in whose steps they count, exactly; None where the values are rounded.
    outside : (shape of the layer) where the window reaches beyond the image and nothing is left to
        compare: these put out 0.
    """

    pool: str = ""
    steps_of: str | None = None
    outside: BoolArray | None = None

    def activated(self, values: FloatArray) -> FloatArray:
        """As other neurons, and 0 where they are outside."""
        found = super().activated(values)
        return found if self.outside is None else np.where(self.outside, 0.0, found)


def expand_maxima(network: Network, calibration: npt.ArrayLike | None = None) -> Network:
    """The same function, with maximum pools of single spikes only.

    Parameters
    ----------
    calibration : inputs, which show whether the input is spikes; without any it is taken for them.

    Raises
    ------
    UnsupportedError
        For windows that see nothing but padding.
    """
    x = np.zeros(0) if calibration is None else np.asarray(calibration)
    for name in value_pools(network, input_values=bool(((x != 0) & (x != 1)).any())):
        neuron = _threshold_behind(network, name)
        if neuron is not None:
            network = _neurons_before_pool(network, name, neuron)
        else:
            network = _expanded_by_differences(network, name)
    return network


def value_pools(network: Network, input_values: bool = False) -> list[str]:
    """Maximum pools that see other things than single spikes of one layer, in forward order."""
    return [
        name
        for name in network.order
        if _is_maximum(network.nodes[name])
        and not _is_spikes(network, network.sources(name), input_values)
    ]


def _is_maximum(node: Node) -> bool:
    return isinstance(node, Pool) and node.mode == "max"


def _is_spikes(network: Network, sources: tuple[str, ...], input_values: bool) -> bool:
    """Whether no more than one spike per tick comes along this edge."""
    if len(sources) != 1:
        return False
    node = network.nodes[sources[0]]
    if isinstance(node, Input):
        return not input_values
    if isinstance(node, Neuron):
        return node.output == "spike" and node.n_max == 1
    passes = isinstance(node, Delay) or _is_maximum(node)
    passes = passes or (isinstance(node, Scale) and bool((node.scale == 1).all()))
    return passes and _is_spikes(network, network.sources(sources[0]), input_values)


# --- neurons without memory behind a pool -------------------------------------------------------


def _threshold_behind(network: Network, pool: str) -> str | None:
    """The neurons behind a pool, if they may as well stand in front of it."""
    targets = network.targets(pool)
    if len(targets) != 1 or network.sources(targets[0]) != (pool,):
        return None
    neuron = network.nodes[targets[0]]
    if not isinstance(neuron, Neuron) or neuron.output != "spike" or neuron.n_max != 1:
        return None
    zero = (neuron.alpha, neuron.beta, neuron.rho_post, neuron.v_start)
    keeps = any(values.any() for values in zero) or neuron.floor is not None
    keeps = keeps or neuron.alpha_syn is not None or neuron.silent_step
    alike = all(getattr(neuron, n).ndim <= 1 for n in ("threshold", "v_reset", "rho"))
    if keeps or neuron.reset == "soft_raised" or not alike:
        return None
    return targets[0]


def _neurons_before_pool(network: Network, pool: str, neuron: str) -> Network:
    """Neurons, then the OR; the OR has the name of the neurons, whose spikes it puts out."""
    each = f"{neuron}.each"

    def turned(edge: Edge) -> Edge:
        return (edge[0], each if edge[1] == pool else edge[1])

    nodes = {name: node for name, node in network.nodes.items() if name != pool}
    nodes |= {each: nodes[neuron], neuron: network.nodes[pool]}
    edges = [turned(edge) for edge in network.edges if edge != (pool, neuron)]
    late = tuple(turned(edge) for edge in network.recurrent_edges)
    return replace(network, nodes=nodes, edges=(*edges, (each, neuron)), feedback=late)


# --- the maximum by differences -----------------------------------------------------------------


def _expanded_by_differences(network: Network, name: str) -> Network:
    """The same network with neurons in place of one pool; what comes out keeps its name."""
    pool = network.nodes[name]
    assert isinstance(pool, Pool)
    expansion = _PoolExpansion(network, name, pool)
    silent = _response_to_silence(network, name)
    value = expansion.entry(silent)
    shape = network.shapes[network.sources(name)[0]]
    for axis in range(len(pool.kernel)):
        value, shape = expansion.maximum_along(axis, value, shape)
    expansion.exit(value, silent, as_neurons=not _goes_straight(network, name))
    nodes = {n: node for n, node in network.nodes.items() if n != name} | expansion.nodes
    note = (
        f"Pool {name!r} takes the maximum of values, not of spikes: {expansion.n_added} more "
        f"neurons compute it, by differences of values rounded to a packet's bits, "
        f"{expansion.depth_ticks} ticks later. An average pool, or a maximum pool behind spiking "
        "neurons, needs less."
    )
    return replace(
        network,
        nodes=nodes,
        edges=tuple(expansion.edges),
        feedback=tuple(sorted(expansion.feedback)),
        assumptions=(*network.assumptions, note),
    )


def _response_to_silence(network: Network, name: str) -> FloatArray:
    """What arrives at a node where no neuron and no input sends anything, one number per channel.

    Any numbers do; these are the bias wherever it is the same inside a channel.
    """
    known: dict[str, FloatArray] = {}

    def at(node: str) -> FloatArray:
        if node not in known:
            kind = network.nodes[node]
            if isinstance(kind, Input | Neuron):
                known[node] = np.zeros(network.shapes[node])
            elif isinstance(kind, Delay):
                known[node] = arriving(node)
            else:
                known[node] = apply_node(kind, arriving(node)[None])[0]
        return known[node]

    def arriving(node: str) -> FloatArray:
        return np.asarray(sum(at(source) for source in network.sources(node)))

    values = arriving(name)
    return values.reshape(len(values), -1)[:, values[0].size // 2]


def _goes_straight(network: Network, name: str) -> bool:
    """Whether whatever is behind a pool hears one value of it, and no weighted sum of several."""
    for target in network.targets(name):
        node = network.nodes[target]
        if isinstance(node, Scale | BatchNorm | Delay | Flatten):
            if not _goes_straight(network, target):
                return False
        elif not (isinstance(node, Neuron | Output) or _is_maximum(node)):
            return False
    return True


def _channel_offset(silent: FloatArray) -> BatchNorm:
    """``x + silent`` per channel."""
    zero, one = np.zeros(len(silent)), np.ones(len(silent))
    return BatchNorm(zero, one, one, silent, eps=0.0)


def _channel_wise_scale(shape: Shape, weight: float) -> Conv:
    """``weight * x``, as a convolution: so that whoever hears it may have shared kernels."""
    return Conv(np.full((shape[0], 1, *[1] * (len(shape) - 1)), weight), groups=shape[0])


class _PoolExpansion:
    """Nodes and edges, added step by step, of the neurons that stand in place of one pool."""

    def __init__(self, network: Network, name: str, pool: Pool) -> None:
        self.network, self.name, self.pool = network, name, pool
        self.nodes: dict[str, Node] = {}
        self.edges = list(network.edges)
        self.feedback = set(network.recurrent_edges)
        self.steps_of = ""
        self.n_added = 0
        self.depth_ticks = 0

    def add(self, suffix: str, node: Node, *sources: str) -> str:
        name = f"{self.name}.{suffix}" if suffix else self.name
        self.nodes[name] = node
        self.edges += [(source, name) for source in sources]
        return name

    def neurons(self, suffix: str, shape: Shape, relu: bool, *sources: str, **more: Any) -> str:
        self.n_added += int(np.prod(shape))
        part = MaximumPart(
            output="analog",
            alpha=np.asarray(0.0),
            reset="none",
            activation="relu" if relu else "identity",
            pool=self.name,
            **more,
        )
        return self.add(suffix, part, *sources)

    def entry(self, silent: FloatArray) -> str:
        """The layer whose values are compared: the one in front, if it sends values already."""
        sources = self.network.sources(self.name)
        into = [(source, self.name) for source in sources]
        first = self.network.nodes[sources[0]]
        on_time = not self.feedback.intersection(into)
        if len(sources) == 1 and isinstance(first, Neuron) and first.output == "analog" and on_time:
            self.edges = [edge for edge in self.edges if edge not in into]
            self.steps_of = sources[0]
            return sources[0]
        offset_node = f"{self.name}.rest"
        self.add("rest", _channel_offset(-silent))
        self.edges = [(a, offset_node if (a, b) in into else b) for a, b in self.edges]
        self.feedback = {(a, offset_node if (a, b) in into else b) for a, b in self.feedback}
        self.depth_ticks += 1
        self.steps_of = self.neurons("values", self.network.shapes[sources[0]], False, offset_node)
        return self.steps_of

    def maximum_along(self, axis: int, value: str, shape: Shape) -> tuple[str, Shape]:
        """The maximum over one axis of the window: its node and shape."""
        window = _Window.of(self.pool, axis, shape, self.name)
        if window.is_trivial:
            return value, shape
        label = _AXES[len(shape) - 1][axis]
        out = (*shape[: axis + 1], window.n_out, *shape[axis + 2 :])
        numbered = iter(range(1, window.size))

        def best(low: int, high: int) -> tuple[int, list[str], int]:
            """Maximum over taps low..high - 1: the tap it starts from, differences, depth."""
            if high - low == 1:
                return low, [], 0
            middle = (low + high) // 2
            halves = (low, middle), (middle, high)
            near, far = halves if window.before < middle else halves[::-1]
            (tap, added, depth), (other, others, further) = best(*near), best(*far)
            suffix = f"{label}{next(numbered)}"
            difference = self.add(
                f"{suffix}.difference", window.taps({other: 1.0, tap: -1.0}, shape), value
            )
            heard = [difference, *others]
            if added:
                heard.append(self.add(f"{suffix}.minus", _channel_wise_scale(out, -1.0), *added))
            outside = window.outside(*far, out)
            found = self.neurons(suffix, out, True, *heard, steps_of=self.steps_of, outside=outside)
            return tap, [*added, found], 1 + max(depth, further)

        tap, differences, depth = best(0, window.size)
        self.depth_ticks += depth
        start = self.add(f"{label}.start", window.taps({tap: 1.0}, shape), value)
        return self.add(label, _channel_wise_scale(out, 1.0), start, *differences), out

    def exit(self, value: str, silent: FloatArray, as_neurons: bool) -> None:
        """The node with the pool's name: the maximum, or neurons that put it out (`as_neurons`)."""
        shape = self.network.shapes[self.name]
        if as_neurons:
            self.depth_ticks += 1
            suffix = "maximum" if silent.any() else ""
            value = self.neurons(suffix, shape, False, value, steps_of=self.steps_of)
        if silent.any() or not as_neurons:
            self.add("", _channel_offset(silent), value)


@dataclass(frozen=True)
class _Window:
    """A window along one axis: output i sees positions ``i * stride - before + tap``."""

    size: int
    stride: int
    before: int
    n_in: int
    n_out: int
    axis: int

    @classmethod
    def of(cls, pool: Pool, axis: int, shape: Shape, name: str) -> _Window:
        n_in = shape[1 + axis]
        before, after = pool.padding[axis]
        size, stride = pool.kernel[axis], pool.stride[axis]
        n_out = (n_in + before + after - size) // stride + 1
        if before >= size or (n_out - 1) * stride >= n_in:
            raise UnsupportedError(
                f"{name!r}: a maximum pool of values with a window of {size} and padding {before} "
                f"and {after} has windows without a middle inside the image. Pad at most "
                f"{(size - 1) // 2}."
            )
        return cls(size, stride, before, n_in, n_out, axis)

    @property
    def is_trivial(self) -> bool:
        return self.size == self.stride == 1

    def taps(self, weights: dict[int, float], shape: Shape) -> Conv:
        """A convolution, channel by channel, of some taps; what lies outside counts as 0."""
        first, last = min(weights), max(weights)
        skip = min(first, self.before)
        before = self.before - skip
        size = last - skip + 1
        reach = (self.n_out - 1) * self.stride + size
        after = max(0, reach - before - self.n_in)
        if (self.n_in + before + after - size) // self.stride + 1 > self.n_out:
            size = self.n_in + before - self.n_out * self.stride + 1  # zeros, for the right size
        kernel = np.zeros(size)
        for tap, weight in weights.items():
            kernel[tap - skip] = weight
        n_space = len(shape) - 1
        spread = [1] * n_space
        spread[self.axis] = size
        is_axis = [self.axis == i for i in range(n_space)]
        return Conv(
            np.broadcast_to(kernel.reshape(1, 1, *spread), (shape[0], 1, *spread)),
            stride=tuple(self.stride if own else 1 for own in is_axis),
            padding=tuple((before, after) if own else (0, 0) for own in is_axis),
            groups=shape[0],
        )

    def outside(self, low: int, high: int, shape: Shape) -> BoolArray | None:
        """Where taps low..high - 1 all lie outside the image, (shape); None if nowhere."""
        start = np.arange(self.n_out) * self.stride - self.before
        out = (start + high <= 0) | (start + low >= self.n_in)
        if not out.any():
            return None
        spread = [1] * len(shape)
        spread[1 + self.axis] = self.n_out
        return np.broadcast_to(out.reshape(spread), shape)
