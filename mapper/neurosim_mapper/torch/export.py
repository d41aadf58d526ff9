"""From a PyTorch model to a float `Network`, in one call.

The model is traced symbolically, so it may be any module whose forward joins supported layers by
calls, additions, concatenations and slices of features. What is exported means what the module
computes in evaluation mode: dropout disappears, BatchNorm keeps its running statistics.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy.typing as npt
from torch import Tensor, fx, nn

from neurosim.errors import UnsupportedError, UsageError
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Shape
from neurosim_mapper.readers import write_network
from neurosim_mapper.torch.graph import Builder, Value
from neurosim_mapper.torch.modules import HANDLERS, READOUTS
from neurosim_mapper.torch.neurons import Neurons
from neurosim_mapper.torch.norms import FrozenNorm
from neurosim_mapper.torch.operations import FUNCTIONS, METHODS
from neurosim_mapper.torch.qat import QuantizationAware
from neurosim_mapper.torch.recurrent import ConvRecurrent, States, TimeAxisError
from neurosim_mapper.torch.time import TimeDistributed, TimeReduce

_LEAVES = (Neurons, TimeDistributed, TimeReduce, FrozenNorm, ConvRecurrent)


class _Tracer(fx.Tracer):
    """Stops at layers that have a meaning of their own."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Our layers, and all of torch's."""
        return isinstance(m, _LEAVES) or super().is_leaf_module(m, module_qualified_name)


def export_network(
    module: nn.Module,
    sample_input: Tensor | None = None,
    *,
    input_shape: Shape | None = None,
    ticks: int | None = None,
    readout: str | None = None,
    provenance: Mapping[str, Any] | None = None,
    calibration: npt.NDArray[Any] | None = None,
) -> Network:
    """The network that `module` computes in evaluation mode.

    Parameters
    ----------
    module : takes (batch, ticks, *shape); returns (batch, ticks, n) or, reduced, (batch, n). With
        recurrent layers of PyTorch that are not ``batch_first``, (ticks, batch, ...) instead.
    sample_input : any input; only its shape is used.
    input_shape : shape of one tick, instead of a sample.
    ticks : ticks of a sample, needed only if the model averages over time in front of further
        layers and no sample is given.
    readout : ``sum``, ``mean`` or ``last``; by default what the module does at its end, or ``sum``.
    provenance : plain JSON data to store with the network.
    calibration : (samples, ticks, *shape) typical inputs to store with it, so that whoever maps it
        needs no data: some dozens of training samples.

    Returns
    -------
    Network
        `run_float` of it gives the module's outputs. A `QuantizationAware` model gives a network
        that `quantize` turns into exactly the module's integers.

    Raises
    ------
    UnsupportedError
        For a layer or an operation that has no form on a chip, by name.
    UsageError
        If neither sample nor shape is given.
    """
    if isinstance(module, QuantizationAware):
        found = module.network(readout=readout, provenance=provenance)
        return replace(found, calibration=calibration)
    if sample_input is not None:
        if sample_input.ndim < 3:
            raise UsageError(
                f"sample_input has shape {tuple(sample_input.shape)}; needed: (batch, ticks, ...)."
            )
        input_shape = tuple(sample_input.shape[2:])
    if input_shape is None:
        raise UsageError("export_network needs sample_input, or input_shape of one tick.")
    network = _traced(_as_root(module), tuple(input_shape), sample_input, ticks, readout)
    return replace(network, provenance=dict(provenance or {}), calibration=calibration)


def _traced(
    root: nn.Module, shape: Shape, sample: Tensor | None, ticks: int | None, readout: str | None
) -> Network:
    """The network, of a model that takes (batch, ticks, ...) or else (ticks, batch, ...)."""

    def attempt(time_axis: int) -> Network:
        n_ticks = ticks if sample is None else int(sample.shape[time_axis])
        builder = Builder(shape, n_ticks, time_axis)
        return builder.finish(_walk(root, builder), readout)

    try:
        return attempt(1)
    except TimeAxisError:
        network = attempt(0)
    note = "The model takes (ticks, batch, ...); the network takes (samples, ticks, ...), as ever."
    return replace(network, assumptions=(*network.assumptions, note))


def save_checkpoint(
    module: nn.Module,
    path: str | os.PathLike[str],
    sample_input: Tensor | None = None,
    **options: Any,
) -> Network:
    """Export and write a NIR file that `read_network` reads back exactly; returns the network.

    Parameters and errors are those of `export_network`, and UsageError if `path` cannot be written.
    """
    network = export_network(module, sample_input, **options)
    write_network(network, path)
    return network


def _as_root(module: nn.Module) -> nn.Module:
    """A module that can be traced: a copy in evaluation mode, a single layer in a Sequential."""
    root = copy.deepcopy(module).eval()
    single = isinstance(root, _LEAVES) or type(root).__module__.startswith("torch.nn")
    return nn.Sequential(root) if single and not isinstance(root, nn.Sequential) else root


def _walk(root: nn.Module, builder: Builder) -> Value:
    """Interpret the traced graph; the value that the module returns."""
    try:
        graph = _Tracer().trace(root)
    except Exception as error:  # anything that the user's forward can raise
        raise UnsupportedError(
            f"{type(root).__name__} cannot be exported, because its forward depends on the values "
            f"or sizes of its input ({error}). Write it as calls of layers."
        ) from error
    modules = dict(root.named_modules())
    values: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        arguments = fx.map_arg(node.args, lambda n: values[n])
        named = fx.map_arg(node.kwargs, lambda n: values[n])
        if node.op == "placeholder":
            if values:
                raise UnsupportedError(
                    "The model takes several inputs; a network has one. Join them along their "
                    "features and slice them in the model."
                )
            values[node] = builder.input()
        elif node.op == "output":
            return _single(arguments[0])
        elif node.op == "call_module":
            target = str(node.target)
            values[node] = _call(builder, target, modules[target], _single(arguments[0]))
        else:
            values[node] = _operate(builder, node, cast(tuple[Any, ...], arguments), named)
    raise AssertionError("a traced graph ends in an output")


def _single(value: Any) -> Value:
    if isinstance(value, tuple | States):
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], States):
            return _single(value[0])
        raise UnsupportedError(
            "The model uses the state that a recurrent layer returns beside its sequence. Take the "
            "last tick of the sequence instead (y[:, -1]); for h it is the same."
        )
    if not isinstance(value, Value):
        raise UnsupportedError(
            "The model returns or passes on several values at once; an exported network has one."
        )
    return value


def _call(builder: Builder, name: str, module: nn.Module, value: Value) -> Any:
    """A layer, also inside of TimeDistributed."""
    if isinstance(module, Neurons | ConvRecurrent | TimeReduce) and value.time_axis == 0:
        raise UnsupportedError(
            f"Layer {name!r}: a {type(module).__name__} takes (batch, ticks, ...), but gets "
            "(ticks, batch, ...). Give the recurrent layers batch_first=True; their weights stay "
            "the same."
        )
    if isinstance(module, TimeReduce):
        return READOUTS[module.how](builder, name, value)
    if isinstance(module, TimeDistributed):
        return _call(builder, name, module.module, value)
    if isinstance(module, nn.Sequential):
        for key, part in module.named_children():
            value = _call(builder, f"{name}.{key}", part, value)
        return value
    for kind, handler in HANDLERS.items():
        if isinstance(module, kind):
            return handler(builder, name, module, value)
    raise UnsupportedError(
        f"Layer {name!r}: a {type(module).__name__} has no form on a chip. Known: LIAF, LIF and "
        "DA-LIF layers, RNN, GRU and LSTM, Linear, Conv1d, Conv2d, pooling, BatchNorm, Flatten, "
        "Dropout and activations."
    )


def _operate(
    builder: Builder, node: fx.Node, arguments: tuple[Any, ...], named: Mapping[str, Any]
) -> Any:
    table: Mapping[Any, Any] = METHODS if node.op == "call_method" else FUNCTIONS
    handler = table.get(node.target)
    if handler is None:
        what = getattr(node.target, "__name__", str(node.target))
        raise UnsupportedError(
            f"The model's forward uses {what!r}, which has no form on a chip. Known: calls of "
            "layers, additions, torch.cat, slices of features, flatten and reductions over time."
        )
    return handler(builder, node.name, *arguments, **named)


__all__ = ["export_network", "save_checkpoint"]
