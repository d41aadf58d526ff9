"""The float network, executed tick by tick: what a checkpoint means before any integer.

Enters: a `Network` and inputs (samples, ticks, *input shape). Leaves: the outputs of every tick
and, when asked, the potentials of every neuron node. Promised: synchronous execution - a value
travels through all forward edges within its tick, through a recurrent edge in exactly one tick,
through a `Delay` node in its number of ticks. All samples are advanced together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError, UsageError
from neurosim.run.encoding import checked_input
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
    Product,
    Scale,
    Shape,
    spread,
)
from neurosim_mapper.norms import LayerNorm
from neurosim_mapper.recurrent import expand_recurrent

BATCH_ELEMENTS: Final = 1 << 23  # values of the widest node that are held at once


class NeuronTick(NamedTuple):
    """What a neuron node did in one tick, each (samples, *shape)."""

    x: FloatArray  # summed input
    U: FloatArray  # potential that is compared with the threshold
    V: FloatArray  # potential kept for the next tick
    Y: FloatArray  # output
    current: FloatArray  # what is added to the potential: x, or the synaptic state


Observer = Callable[[str, int, NeuronTick], None]


@dataclass(frozen=True)
class FloatTrace:
    """Outputs (samples, ticks, n_outputs), and per neuron node U, V, Y (samples, ticks, *shape)."""

    outputs: FloatArray
    U: dict[str, FloatArray]
    V: dict[str, FloatArray]
    Y: dict[str, FloatArray]


def run_float(network: Network, x: npt.ArrayLike) -> FloatArray:
    """Outputs of the float network, (samples, ticks, n_outputs) float64, flattened row-major.

    Parameters
    ----------
    network : Network
    x : (samples, ticks, *input shape) numbers.

    Raises
    ------
    InputFileError : `x` has another shape, is not numeric, or is not finite; or a potential grows
        beyond what a float can hold.
    """
    network = expand_recurrent(network)
    values = checked_input(x, network.input_shape)
    parts = [_run_batch(network, part, None) for part in _batches(network, values)]
    return np.concatenate(parts)


def trace_float(
    network: Network,
    x: npt.ArrayLike,
    nodes: Collection[str] | None = None,
    observe: Observer | None = None,
) -> FloatTrace:
    """As `run_float`, and look into the neurons.

    Parameters
    ----------
    nodes : names of the neuron nodes whose U, V and Y are returned; None means all, or none when
        there is an observer.
    observe : called as ``observe(name, tick, NeuronTick)`` for every neuron node, tick and batch
        of samples; the arrays must be used at once, so that nothing large is kept.

    Raises
    ------
    UsageError : `nodes` names something that is not a neuron node.
    InputFileError : as in `run_float`.
    """
    network = expand_recurrent(network)
    values = checked_input(x, network.input_shape)
    neurons = [name for name in network.order if isinstance(network.nodes[name], Neuron)]
    if nodes is None:
        nodes = [] if observe else neurons
    for name in nodes:
        if name not in neurons:
            raise UsageError(f"{name!r} is not a neuron; known: {', '.join(neurons) or 'none'}.")
    kept = {name: _room(values, network.shapes[name]) for name in nodes}
    outputs = []
    start = 0
    for part in _batches(network, values):
        rows = slice(start, start + len(part))
        start = rows.stop

        def look(name: str, tick: int, seen: NeuronTick, rows: slice = rows) -> None:
            if name in kept:
                for store, value in zip(kept[name], (seen.U, seen.V, seen.Y), strict=True):
                    store[rows, tick] = value
            if observe:
                observe(name, tick, seen)

        outputs.append(_run_batch(network, part, look))
    U, V, Y = ({name: store[i] for name, store in kept.items()} for i in range(3))
    return FloatTrace(np.concatenate(outputs), U, V, Y)


def _room(values: npt.NDArray[np.generic], shape: Shape) -> tuple[FloatArray, ...]:
    return tuple(np.zeros((*values.shape[:2], *shape)) for _ in range(3))


def _batches(
    network: Network, values: npt.NDArray[np.generic]
) -> Iterator[npt.NDArray[np.generic]]:
    """Runs of samples whose widest node stays below `BATCH_ELEMENTS` values; at least one run."""
    widest = max(int(np.prod(shape)) for shape in network.shapes.values())
    step = max(1, BATCH_ELEMENTS // widest)
    for start in range(0, max(len(values), 1), step):
        yield values[start : start + step]


def _run_batch(
    network: Network, values: npt.NDArray[np.generic], observe: Observer | None
) -> FloatArray:
    n_samples, n_ticks = values.shape[:2]
    outputs = np.zeros((n_samples, n_ticks, int(np.prod(network.output_shape))))
    state = _State(network, n_samples)
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for tick in range(n_ticks):
            result = _step(network, state, values[:, tick].astype(np.float64), tick, observe)
            outputs[:, tick] = result.reshape(n_samples, outputs.shape[2])
    return outputs


@dataclass
class _State:
    """What a batch of samples remembers between ticks."""

    network: Network
    n_samples: int
    potential: dict[str, FloatArray] = field(default_factory=dict)
    current: dict[str, FloatArray] = field(default_factory=dict)
    fired: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    raised: dict[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    delayed: dict[str, deque[FloatArray]] = field(default_factory=dict)
    previous: dict[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, node in self.network.nodes.items():
            shape = self.network.shapes[name]
            zeros = np.zeros((self.n_samples, *shape))
            if isinstance(node, Neuron):
                self.potential[name] = zeros + node.parameter("v_start", shape)
                self.current[name] = zeros
                self.fired[name] = np.zeros(zeros.shape, dtype=np.bool_)
                self.raised[name] = self.fired[name]
                self.previous[name] = zeros
            elif isinstance(node, Delay):
                self.delayed[name] = deque([zeros] * node.ticks)


def _step(
    network: Network, state: _State, x: FloatArray, tick: int, observe: Observer | None
) -> FloatArray:
    """One tick: every node once, in forward order; the output of the output node."""
    now: dict[str, FloatArray] = {}
    for name in network.order:
        node = network.nodes[name]
        if isinstance(node, Input):
            now[name] = x
            continue
        total = _incoming(network, name, state, now)
        if isinstance(node, Neuron):
            seen = _neuron_tick(node, name, state, total)
            now[name] = seen.Y
            if observe:
                observe(name, tick, seen)
        elif isinstance(node, Delay):
            state.delayed[name].append(total)
            now[name] = state.delayed[name].popleft()
        else:
            now[name] = apply_node(node, total)
    state.previous = {name: now[name] for name in state.potential}
    return now[network.output_name]


def _incoming(network: Network, name: str, state: _State, now: dict[str, FloatArray]) -> FloatArray:
    """What arrives at a node: the sum of its sources, of a `Product` their product."""
    total: FloatArray | None = None
    for source in network.sources(name):
        late = (source, name) in network.recurrent_edges
        value = state.previous[source] if late else now[source]
        if total is None:
            total = value
        else:
            total = total * value if isinstance(network.nodes[name], Product) else total + value
    assert total is not None  # a network checks that every node has a source
    return total


def _neuron_tick(node: Neuron, name: str, state: _State, x: FloatArray) -> NeuronTick:
    """The equations in the docstring of `Neuron`; updates `state`."""
    shape = x.shape[1:]

    def get(parameter: str) -> FloatArray:
        return node.parameter(parameter, shape)

    incoming = current = x
    if node.alpha_syn is not None:
        incoming = get("alpha_syn") * state.current[name] + x
        state.current[name] = current = incoming
    if node.silent_step:
        incoming = np.where(state.fired[name], 0.0, incoming)
    U = state.potential[name] + incoming
    threshold = get("threshold")
    raised = threshold + np.where(state.raised[name], get("rho"), 0.0)
    n = _count_spikes(node, U, raised)
    if node.reset == "hard":
        R = np.where(n > 0, get("v_reset"), U)
    else:
        R = U if node.reset == "none" else U - n * get("rho")
    if node.reset == "soft_raised":
        state.raised[name] = _reaches(node, R, threshold)
    V = get("alpha") * R + get("beta") - n * get("rho_post")
    if node.floor is not None:
        V = np.maximum(V, get("floor"))
    if not np.isfinite(V).all():
        raise InputFileError(
            f"The potential of {name!r} grows beyond what a float can hold; "
            "a decay above 1 or weights that are far too large would do that."
        )
    Y = n
    if node.output == "analog":
        related = U - threshold if node.threshold_related else U
        Y = node.activated(related)
    state.potential[name] = V
    state.fired[name] = n > 0
    return NeuronTick(x, U, V, Y, current)


def _count_spikes(node: Neuron, U: FloatArray, threshold: FloatArray) -> FloatArray:
    """Spikes of one tick, as floats 0, 1, .. n_max."""
    fires = _reaches(node, U, threshold)
    if node.n_max == 1:
        return fires.astype(np.float64)
    fitting = np.ceil(U / threshold) - 1 if node.strict else np.floor(U / threshold)
    return np.where(fires, np.clip(fitting, 1, node.n_max), 0.0)


def _reaches(node: Neuron, U: FloatArray, threshold: FloatArray) -> npt.NDArray[np.bool_]:
    return np.asarray(threshold < U if node.strict else threshold <= U)


def apply_node(node: Node, x: FloatArray) -> FloatArray:
    """Output of a node without a state for `x` (samples, *in_shape)."""
    if isinstance(node, Linear):
        result: FloatArray = x @ node.weight.T
        return result if node.bias is None else result + node.bias
    if isinstance(node, Conv):
        return _convolve(node, x)
    if isinstance(node, Pool):
        return _pool(node, x)
    if isinstance(node, Flatten):
        return x.reshape(x.shape[0], *node.out_shape(x.shape[1:]))
    if isinstance(node, Scale):
        return x * spread(node.scale, x.shape[1:], "Scale.scale")
    if isinstance(node, LayerNorm):
        return node.apply(x)
    if isinstance(node, BatchNorm):
        a, b = (_per_channel(value, x.ndim) for value in node.scale_and_shift())
        return x * a + b
    if isinstance(node, Output | Product):
        return x
    raise AssertionError(f"no rule for {type(node).__name__}")


def _per_channel(values: FloatArray, n_axes: int) -> FloatArray:
    return values.reshape(-1, *([1] * (n_axes - 2)))


def _pad(x: FloatArray, padding: tuple[tuple[int, int], ...], value: float = 0.0) -> FloatArray:
    if not any(map(any, padding)):
        return x
    return np.pad(x, ((0, 0), (0, 0), *padding), constant_values=value)


def _windows(x: FloatArray, kernel: Shape, stride: Shape, dilation: Shape) -> Iterator[FloatArray]:
    """Per kernel position, row-major: the input values that it meets, (samples, c, space...)."""
    out = [
        (n - d * (k - 1) - 1) // s + 1
        for n, k, s, d in zip(x.shape[2:], kernel, stride, dilation, strict=True)
    ]
    for tap in np.ndindex(*kernel):
        cut = tuple(
            slice(t * d, t * d + s * (m - 1) + 1, s)
            for t, d, s, m in zip(tap, dilation, stride, out, strict=True)
        )
        yield x[(slice(None), slice(None), *cut)]


def _convolve(node: Conv, x: FloatArray) -> FloatArray:
    """Cross-correlation as a sum over kernel positions, group by group."""
    kernel = node.weight.shape[2:]
    n_in, n_out = node.weight.shape[1], node.weight.shape[0] // node.groups
    total: FloatArray | None = None
    windows = _windows(_pad(x, node.padding), kernel, node.stride, node.dilation)
    for position, values in enumerate(windows):
        weight = node.weight.reshape(*node.weight.shape[:2], -1)[..., position]
        parts = [
            np.tensordot(
                weight[g * n_out : (g + 1) * n_out],
                values[:, g * n_in : (g + 1) * n_in],
                axes=(1, 1),
            )
            for g in range(node.groups)
        ]
        part = np.concatenate(parts)  # (c_out, samples, space...)
        total = part if total is None else total + part
    assert total is not None  # a kernel has at least one position
    result = np.moveaxis(total, 0, 1)
    return result if node.bias is None else result + _per_channel(node.bias, x.ndim)


def _pool(node: Pool, x: FloatArray) -> FloatArray:
    """Sum, mean (over the whole window, padding included) or maximum."""
    empty = -np.inf if node.mode == "max" else 0.0
    dilation = (1,) * len(node.kernel)
    windows = _windows(_pad(x, node.padding, empty), node.kernel, node.stride, dilation)
    stack = np.stack(list(windows))
    if node.mode == "max":
        highest = stack.max(axis=0)
        return np.where(highest == -np.inf, 0.0, highest)  # a window of nothing but padding
    total = stack.sum(axis=0)
    return np.asarray(total / np.prod(node.kernel) if node.mode == "avg" else total)
