"""PyTorch modules in memory to networks: the module is run once and watched.

Enters: a module (a chain, or anything with a forward of its own, also with a loop over ticks) and
an input for it. Leaves: a `Network`. Layers are recognised when they are called; which value goes
where is followed by the tensors' identity. The first call of a layer counts, so a loop over ticks
is seen once. Whatever happens to a value outside of known layers is either known (flatten, view,
add, joining of channels, indexing of axes in front) or named in an error.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from neurosim.errors import NeurosimError, UnsupportedError, UsageError
from neurosim_mapper.joining import placement
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Delay, Flatten, Linear, Neuron, Node, Pool, Scale, Shape
from neurosim_mapper.readers.equation import several_synapses, without_first_bias
from neurosim_mapper.readers.torch_cells import cell_node, check_start, check_state, is_cell
from neurosim_mapper.readers.torch_neurons import equation_of, framework_of
from neurosim_mapper.readers.torch_operations import DIFFERENCES, factor_of, layer_of
from neurosim_mapper.readers.torch_tables import Tables

_JOIN: Final = frozenset(["cat", "concat", "concatenate"])
_PASS: Final = frozenset(
    {"__getitem__", "select", "unbind", "unsqueeze", "squeeze", "contiguous", "clone", "detach"}
    | {"to", "float", "double", "cpu", "stack", "__get__", "dropout", "reshape", "view", "flatten"}
    | {"unflatten", "permute", "transpose", "movedim", "split", "chunk", *_JOIN}
)
_ADD: Final = frozenset(["add", "__add__", "__radd__", "__iadd__", "add_"])
_TOTAL: Final = {"sum": "sum", "mean": "mean"}


def from_torch(
    module: Any,
    sample_input: Any,
    *,
    input_shape: Shape | None = None,
    readout: str | None = None,
    activations: Mapping[str, Any] | None = None,
) -> Network:
    """The network that a module in memory computes in evaluation mode.

    Parameters
    ----------
    module : a torch module with neurons of snnTorch, SpikingJelly, Norse, Sinabs, Rockpool or of
        `neurosim_mapper.torch`, or with PyTorch's RNN, GRU and LSTM, or their cells in a loop.
    sample_input : what the module takes: one tick, (batch, ...), or all, with ticks in front of or
        behind the batch.
    input_shape : shape of one tick of one sample. Found out from the first layer with weights if
        not given: (features,) in front of a Linear, (channels, ...) in front of a convolution.
    readout : ``sum``, ``mean`` or ``last``; by default what the module does at its end, or ``sum``.
    activations : by path of a LIAF layer or an activation layer, what it applies instead of its own
        function: a callable on arrays, or (256 values, step) with value k + 128 for a potential of
        k steps. A callable that has no name on a chip becomes such a table, which reaches twice
        as far as the sample went; what the network then assumes says so.

    Raises
    ------
    UnsupportedError : for a layer or an operation that has no form, by name.
    UsageError : if `activations` names no such layer, or the sample does not fit the module.
    """
    import torch

    from neurosim_mapper.torch.neurons import Neurons
    from neurosim_mapper.torch.recurrent import ConvRecurrent

    own = (Neurons, ConvRecurrent, torch.nn.RNNBase)
    if any(isinstance(part, own) for part in _modules(module)):
        from neurosim_mapper.torch.export import export_network

        return export_network(module, sample_input, input_shape=input_shape, readout=readout)
    shape = _input_shape(module, input_shape, tuple(sample_input.shape))
    watcher = _Watcher(module, shape, dict(activations or {}))
    was_training = module.training
    module.eval()
    try:
        with torch.no_grad(), watcher:
            result = module(watcher.start(sample_input))
    except NeurosimError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"{type(module).__name__} cannot be run with a sample of shape "
            f"{tuple(sample_input.shape)} ({type(error).__name__}: {reason})."
        ) from error
    finally:
        module.train(was_training)
    return watcher.network(result, readout)


def _modules(module: Any) -> list[Any]:
    """A module and all inside of it; Rockpool's own `modules` is something else."""
    from torch import nn

    return list(nn.Module.modules(module))


def _input_shape(module: Any, given: Shape | None, sample: Shape) -> Shape:
    """Shape of one tick, from the first layer that tells how many axes it takes.

    Behind an embedding that is the shape of what is looked up.
    """
    from torch import nn

    layers = [
        part
        for part in _modules(module)
        if getattr(part, "weight", None) is not None or is_cell(part)
    ]
    if layers and isinstance(layers[0], nn.Embedding):
        return (*(given or ()), int(layers[0].embedding_dim))
    if given:
        return tuple(given)
    for part in layers:
        n_axes = 1 if is_cell(part) else part.weight.ndim - 1
        if n_axes >= 1 and n_axes < len(sample):
            return sample[-n_axes:]
    raise UsageError("The shape of one tick cannot be found out; give input_shape.")


class _Watcher:
    """Follows values through one run of a module."""

    def __init__(self, module: Any, shape: Shape, activations: dict[str, Any]) -> None:
        from neurosim_mapper.torch.graph import Builder

        self.builder = Builder(shape, None)
        self.values: dict[int, Any] = {}  # id of a tensor: a Value, or the name of what made it
        self.kept: list[Any] = []  # tensors, so that no id is used twice
        self.done: dict[Any, Any] = {}  # layer, or operation and sources: Value
        self.inside = 0
        self.layers = dict(_layers(module, ""))
        self.latest: dict[str, Any] = {}  # output of the last call of a layer or a function
        self.loops = False  # whether a recurrent cell was called once per tick
        self.tables = Tables(activations)
        self.notes: list[str] = []
        self.hooks: list[Any] = []
        self.mode: Any = None

    def start(self, sample: Any) -> Any:
        """The sample, known from now on as the input."""
        self.know(sample, self.builder.input())
        return sample

    def know(self, tensor: Any, value: Any) -> None:
        """Remember what a tensor is."""
        self.values[id(tensor)] = value
        self.kept.append(tensor)

    def __enter__(self) -> None:
        self.tables.watch(self.layers)
        for name, layer in self.layers.items():
            self.hooks.append(layer.register_forward_pre_hook(self._before))
            self.hooks.append(layer.register_forward_hook(self._after(name), with_kwargs=True))
        self.mode = _mode(self)
        self.mode.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.mode.__exit__(*error)
        for hook in self.hooks:
            hook.remove()
        self.tables.stop()

    def _before(self, module: Any, arguments: Any) -> None:
        self.inside += 1

    def _after(self, name: str) -> Any:
        def hook(module: Any, arguments: Any, named: Any, output: Any) -> None:
            self.inside -= 1
            if self.inside:
                return
            if is_activation(module):
                self.tables.met(name, arguments)
            if is_cell(module):
                self.follow_state(name, _tensors((*arguments[1:], *named.values())))
            if name not in self.done:
                incoming = self.value_of(next(iter(arguments), None), name)
                if type(module).__name__ == "Merge" and len(arguments) == 2:  # of Sinabs: a sum
                    other = self.value_of(arguments[1], name)
                    self.done[name] = self.builder.sum(name, incoming, other)
                else:
                    self.done[name] = self.convert(name, module, incoming)
            first, *others = _tensors(output)
            self.latest[name] = first
            self.know(first, self.done[name])
            for other in others:
                if other is not first:  # a leaky integrator puts its potential out
                    self.know(other, _state_of(name))

        return hook

    def follow_state(self, name: str, states: list[Any]) -> None:
        """Refuse a recurrent cell that does not keep its own state."""
        known = [self.values.get(id(state)) for state in states]
        if name in self.done:
            self.loops = True
            check_state(name, known, (self.done[name], _state_of(name)))
        else:
            check_start(name, states, known)

    def value_of(self, tensor: Any, who: str) -> Any:
        """The value of a tensor; an error naming where it came from if there is none."""
        found = self.values.get(id(tensor))
        if found is None or isinstance(found, str):
            raise UnsupportedError(
                f"{who!r} uses {found or 'a value not made from the input'}, which has no "
                "form on a chip. Use layers, flatten and additions."
            )
        return found

    def convert(self, name: str, module: Any, value: Any) -> Any:
        """Nodes for one layer."""
        try:
            if framework_of(module) is not None:
                return self.neuron(name, module, value)
            if type(module).__name__ == "LinearRecurrentContainer":
                return self.recurrent_container(name, module, value)
            return self.plain(name, module, value)
        except NeurosimError as error:
            if repr(name) in str(error):
                raise
            raise type(error)(f"Layer {name!r}: {error}") from None

    def plain(self, name: str, module: Any, value: Any) -> Any:
        """A layer of torch, also in the subclasses that frameworks make of them."""
        from neurosim_mapper.torch.modules import HANDLERS

        if type(module).__name__ == "LinearTorch":  # of Rockpool: (inputs, outputs)
            bias = None if module.bias is None else _array(module.bias)
            return self.builder.add(name, Linear(_array(module.weight).T, bias), value)
        if is_cell(module):
            return self.builder.add(name, cell_node(module), value)
        kind = type(module).__name__
        if kind in ("SumPool2d", "LPPool2d") and getattr(module, "norm_type", 1) == 1:
            kernel = np.broadcast_to(module.kernel_size, 2)
            stride = kernel if module.stride is None else np.broadcast_to(module.stride, 2)
            sizes = (tuple(int(n) for n in kernel), tuple(int(n) for n in stride))
            return self.builder.add(name, Pool("sum", *sizes), value)
        if kind == "VotingLayer":  # of SpikingJelly: the mean of neighbours
            size = int(module.voting_size)
            weight = np.kron(np.eye(value.shape[0] // size), np.full((1, size), 1 / size))
            return self.builder.add(name, Linear(weight), value)
        if kind == "Embedding":
            return self.looked_up(name, module, value)
        if kind.startswith("Dropout"):
            return value
        if kind.endswith("Flatten"):
            return self.builder.add(name, Flatten(), value)
        if is_activation(module) and (name in self.tables.given or not _handled(module)):
            node = self.builder.unique(name)
            plain = Neuron(output="analog", alpha=np.asarray(0.0), reset="none")
            return self.builder.add(name, self.tables.settle(name, node, plain, module), value)
        for known, handler in HANDLERS.items():
            if isinstance(module, known):
                return handler(self.builder, name, module, value)
        raise UnsupportedError(f"a {kind} has no form on a chip.")

    def looked_up(self, name: str, module: Any, value: Any) -> Any:
        """An embedding in front of everything else: the host looks its rows up."""
        size = int(module.embedding_dim)
        if value.sources != self.builder.input().sources or value.shape[-1] != size:
            raise UnsupportedError("an Embedding has a form only directly at the input.")
        self.notes.append(
            f"The embedding {name!r} ({module.num_embeddings} rows of {size}) is looked up on the "
            "host: the network takes its rows (an input file holds ids and table, or x)."
        )
        return value

    def neuron(self, name: str, module: Any, value: Any, back: Node | None = None) -> Any:
        """Gain, soma, factor and recurrent connection of a neuron module."""
        equation, own_back = equation_of(module)
        weights = getattr(module, "input_weights", None)
        if weights is not None:
            value = self.builder.add(f"{name}.in", Linear(_array(weights)), value)
        before, soma, after = equation.chain()
        first = None
        bias = getattr(own_back, "bias", None)
        late = None
        if bias is not None and framework_of(module) == "sinabs":  # acts from the second tick on
            if soma.alpha_syn is None or bias.ndim != 1 or not isinstance(own_back, Linear):
                soma = without_first_bias(before, soma, bias)
            else:
                late, own_back = self.late_bias(name, value, bias), Linear(own_back.weight)
        front: list[Node] = [] if before is None else [before]
        if soma.alpha_syn is not None and soma.alpha_syn.ndim == 2 and len(value.shape) == 1:
            front, soma = several_synapses(before, soma)
        for node in front:
            value = self.builder.add(f"{name}.gain", node, value)
            first = first or value.sources[0]
        if hasattr(module, "act") and soma.output == "analog":
            soma = self.tables.settle(name, self.builder.unique(name), soma, module.act)
        value = self.builder.add(name, soma, value)
        first = first or value.sources[0]
        back = own_back or back
        if back is not None:
            loop = self.builder.add(f"{name}.recurrent", back, value)
            self.builder.edges.append((loop.sources[0], first))
        if late is not None:
            self.builder.edges.append((late, first))
        return value if after is None else self.builder.add(f"{name}.factor", after, value)

    def late_bias(self, name: str, value: Any, bias: Any) -> str:
        """A neuron that fires in every tick, one tick late, with the bias as its weights."""
        on = Linear(np.zeros((1, int(np.prod(value.shape)))), np.ones(1))
        always = Neuron(threshold=np.asarray(0.5), alpha=np.asarray(0.0))
        for part, node in (("on", on), ("always", always), ("late", Delay(1))):
            value = self.builder.add(f"{name}.{part}", node, value)
        return str(self.builder.add(f"{name}.bias", Linear(bias[:, None]), value).sources[0])

    def recurrent_container(self, name: str, module: Any, value: Any) -> Any:
        """SpikingJelly's LinearRecurrentContainer: a matrix over the input and the last spikes."""
        weight = _array(module.rc.weight)
        bias = None if module.rc.bias is None else _array(module.rc.bias)
        n_in = value.shape[0]
        value = self.builder.add(f"{name}.in", Linear(weight[:, :n_in], bias), value)
        return self.neuron(f"{name}.neuron", module.sub_module, value, Linear(weight[:, n_in:]))

    def operate(
        self, name: str, arguments: tuple[Any, ...], named: Mapping[str, Any], result: Any
    ) -> None:
        """What an operation outside of layers makes of known values."""
        tensors = _tensors((*arguments, *named.values()))
        known = [self.values[id(t)] for t in tensors if id(t) in self.values]
        results = [t for t in _tensors(result) if id(t) not in self.values]
        if not known or not results:
            return
        layer = layer_of(name, arguments, named) if len(known) == 1 else None
        bad = next((value for value in known if isinstance(value, str)), None)
        if bad is not None:
            outcome = bad
        elif layer is not None:
            outcome = self.functional(name, layer, known[0], arguments)
            self.latest[name] = results[0]
        else:
            outcome = self.outcome(name, known, results[0], arguments)
        for tensor in results:
            self.know(tensor, outcome)

    def functional(self, name: str, layer: Any, value: Any, arguments: tuple[Any, ...]) -> Any:
        """A layer that was called as a function: made once for each value that it gets."""
        key = (name, repr(layer), value.sources)
        if key not in self.done:
            path = self.builder.unique(name)
            self.done[key] = (path, self.convert(path, layer, value))
        path, found = self.done[key]
        if is_activation(layer):
            self.tables.met(path, arguments)
        return found

    def outcome(self, name: str, known: list[Any], result: Any, arguments: tuple[Any, ...]) -> Any:
        """The value of an operation's result, or a text that says what it was."""
        value, shape = known[0], tuple(result.shape)
        same = all(other.sources == value.sources for other in known)
        tail = shape[-len(value.shape) :] if value.shape else ()
        factor = factor_of(name, arguments)
        if factor is not None and len(known) == 1 and tail == value.shape:
            return self.scaled(name, value, factor)
        if name in DIFFERENCES and len(known) == 2 and len(arguments) == 2:
            known[1], name = self.scaled(name, known[1], -1.0), "add"
        if name in _ADD and len(known) == 2:
            key = ("add", value.sources, known[1].sources)
            if key not in self.done:
                self.done[key] = self.builder.sum("add", value, known[1])
            return self.done[key]
        if name in _JOIN and not (same and tail == value.shape):
            return self.joined(name, known, tail)
        if name in _TOTAL and tail == value.shape and same:
            return self.builder.reduce(name, value, _TOTAL[name])
        if name not in _PASS or not same:
            return f"the result of {name!r}"
        if tail == value.shape:
            return value
        if shape and shape[-1] == int(np.prod(value.shape)):
            flat = ("flatten", value.sources)
            if flat not in self.done:
                self.done[flat] = self.builder.add("flatten", Flatten(), value)
            return self.done[flat]
        return f"the result of {name!r}"

    def scaled(self, name: str, value: Any, factor: float) -> Any:
        """A value times a number."""
        key = ("times", factor, value.sources)
        if key not in self.done:
            self.done[key] = self.builder.add(name, Scale(np.asarray(factor)), value)
        return self.done[key]

    def joined(self, name: str, parts: list[Any], shape: Shape) -> Any:
        """Features, or channels of equal images, one behind the other: placed, then added."""
        total, rest = sum(part.shape[0] for part in parts), parts[0].shape[1:]
        if shape != (total, *rest) or any(part.shape[1:] != rest for part in parts):
            return f"the result of {name!r} along this axis"
        key = ("cat", *(part.sources for part in parts))
        if key not in self.done:
            start, value = 0, None
            for part in parts:
                placed = self.builder.add("cat", placement(part.shape, total, start), part)
                value = placed if value is None else self.builder.sum("cat", value, placed)
                start += part.shape[0]
            self.done[key] = value
        return self.done[key]

    def network(self, result: Any, readout: str | None) -> Network:
        """What the module returned, as the output."""
        first = next(iter(_tensors(result)), None)
        value = self.value_of(first, "the output")
        at_end = self.loops and any(first is tensor for tensor in self.latest.values())
        if at_end and readout is None and value.readout is None:
            readout = "last"  # a loop over ticks, and what was left behind it
        notes = self.tables.finish(self.builder.nodes)
        network = self.builder.finish(value, readout)
        return replace(network, assumptions=(*network.assumptions, *self.notes, *notes))


def is_activation(module: Any) -> bool:
    """Whether a module is one of torch's elementwise activations."""
    from torch import nn

    kinds = (nn.Softmax, nn.Softmax2d, nn.LogSoftmax, nn.Softmin, nn.MultiheadAttention, nn.GLU)
    inside = any(kind.__module__ == "torch.nn.modules.activation" for kind in type(module).__mro__)
    return inside and not isinstance(module, kinds)


def _handled(module: Any) -> bool:
    """Whether an activation has a form of its own."""
    from neurosim_mapper.torch.modules import HANDLERS

    return any(isinstance(module, kind) for kind in HANDLERS)


def _state_of(name: str) -> str:
    return f"the state of {name!r}"


def _array(tensor: Any) -> Any:
    return np.asarray(tensor.detach().cpu().numpy(), dtype=np.float64)


def _layers(module: Any, name: str) -> list[tuple[str, Any]]:
    """Modules that mean something as a whole, by path."""
    children = list(module.named_children())
    whole = (
        framework_of(module) is not None
        or type(module).__name__.endswith("RecurrentContainer")
        or any(key == "surrogate_function" for key, _ in children)  # a neuron of SpikingJelly
        or is_activation(module)
    )
    if whole or (not children and name):
        return [(name or "layer", module)]
    if not children:
        return [("layer", module)]
    return [
        found for key, part in children for found in _layers(part, f"{name}.{key}" if name else key)
    ]


def _tensors(value: Any) -> list[Any]:
    """Tensors in a value, in order, also inside of lists and tuples."""
    import torch

    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [tensor for item in value for tensor in _tensors(item)]
    return []


def _mode(watcher: _Watcher) -> Any:
    """A torch function mode that shows every operation to the watcher."""
    from torch.overrides import TorchFunctionMode

    class Mode(TorchFunctionMode):
        """Calls, then tells."""

        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            result = func(*args, **(kwargs or {}))
            if not watcher.inside:
                name = getattr(func, "__name__", str(func))
                if func is operator.getitem:
                    name = "__getitem__"
                watcher.operate(name, args, kwargs or {}, result)
            return result

    return Mode()
