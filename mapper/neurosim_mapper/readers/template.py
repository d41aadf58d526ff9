"""A description with blanks, guessed from the names and shapes of a checkpoint's tensors.

Layers are named as in the state dict. Where numbers are missing in a chain ("0", "2", ...) a neuron
is put, because nothing else between two weights has no tensors in most networks; what cannot be
known is left as ``?``, and nothing is filled in silently that would change results.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from neurosim.files.strict_yaml import dump_yaml
from neurosim_mapper.readers.description_fields import BLANK
from neurosim_mapper.readers.gated import guess_gated
from neurosim_mapper.readers.liafnet import HEAD, describe_liafnet, layers_of_liafnet
from neurosim_mapper.readers.state_dict import StateDict
from neurosim_mapper.recurrent import GATES

Layer = dict[str, Any]

_SNNTORCH: Final = frozenset({"beta", "reset_mechanism_val", "graded_spikes_factor"})
_SINABS: Final = frozenset({"spike_threshold", "tau_mem", "alpha_mem", "min_v_mem"})
_ROCKPOOL: Final = frozenset({"tau_mem", "tau_syn", "threshold", "alpha", "beta"})


_WITH_TENSORS: Final = ("snntorch", "sinabs", "rockpool")  # in every neuron
_NEURON_STATES: Final = frozenset({"vmem", "isyn", "v_mem", "i_syn"})


def groups_of(state: StateDict) -> dict[str, dict[str, tuple[int, ...]]]:
    """Shapes of the tensors of each layer, by the last part of their names; no stale state."""
    found: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, values in state.tensors.items():
        layer, _, last = name.rpartition(".")
        if state.is_state(name) and last in _NEURON_STATES:
            found.setdefault(layer, {})  # a neuron whose parameters are constants
        for nested in (".recurrent", ".rec_connect", ".rc"):
            if layer.endswith(nested):
                layer, last = layer.removesuffix(nested), f"{nested[1:]}.{last}"
        if not state.is_state(name):
            found.setdefault(layer, {})[last] = values.shape
    return found


def guess_framework(state: StateDict) -> str | None:
    """The framework whose neurons have these tensors; None if nothing tells."""
    if layers_of_liafnet(state):
        return "liafnet"
    groups = groups_of(state).values()
    for names in map(set, groups):
        if names & _SNNTORCH and "threshold" in names:
            return "snntorch"
        if "spike_threshold" in names:
            return "sinabs"
        if names & {"tau_mem", "tau_syn"}:
            return "rockpool"
        if names == {"w"}:
            return "spikingjelly"
        if "input_weights" in names:
            return "norse"
    return "rockpool" if any(name.endswith(".isyn") for name in state.tensors) else None


def describe_state(state: StateDict) -> list[dict[str, Any]]:
    """One row per tensor: name, shape, dtype, range, and whether it is left-over state."""
    rows = []
    for name, values in state.tensors.items():
        numbers = values.astype(np.float64) if values.size and values.dtype.kind in "biuf" else None
        rows.append(
            {
                "tensor": name,
                "shape": list(values.shape),
                "dtype": str(values.dtype),
                "min": None if numbers is None else _finite(numbers.min()),
                "max": None if numbers is None else _finite(numbers.max()),
                "state": state.is_state(name),
            }
        )
    return rows


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def template(state: StateDict, checkpoint: str) -> str:
    """YAML text of a description with ``?`` where something has to be filled in."""
    framework = guess_framework(state)
    if framework == "liafnet":
        shape, layers = describe_liafnet(state)
        return HEAD + _text(checkpoint, framework, shape, layers)
    layers = []
    previous: int | None = None
    for name, shapes in groups_of(state).items():
        number = int(name) if name.isdigit() else None
        found = _layer(name, shapes, framework)
        if number is not None and previous is not None:
            gap = _missing(range(previous + 1, number), framework)
            if len(gap) == 1 and gap[0]["kind"] == BLANK and _flattens(layers, found):
                gap[0]["kind"] = "flatten"
            layers += gap
        previous = number
        if _flattens(layers, found):
            layers.append({"kind": "flatten"})
        layers += found
        if framework == "snntorch" and "reset_mechanism_val" in shapes:
            layers[-1] |= _snntorch_reset(name, state)
    gated = any(layer["kind"] in GATES for layer in layers)  # such networks end in a linear layer
    if layers and layers[-1]["kind"] != "neuron" and not gated:
        last = str(previous + 1) if previous is not None else "last"
        layers.append(_neuron(last, {}, framework))
    return _HEAD + _text(checkpoint, framework or BLANK, _input_shape(layers, state), layers)


def _text(checkpoint: str, reading: str, shape: Any, layers: list[Layer]) -> str:
    return dump_yaml(
        {
            "neurosim_network": 1,
            "checkpoint": checkpoint,
            "reading": reading,
            "input": shape,
            "readout": "sum",
            "layers": layers,
        }
    )


def _flattens(before: list[Layer], found: list[Layer]) -> bool:
    """Whether a linear layer follows a convolution, with no unknown layer between them."""
    kinds = [layer["kind"] for layer in before]
    while kinds and kinds[-1] in ("neuron", "batch_norm"):
        kinds.pop()
    return found[0]["kind"] == "linear" and bool(kinds) and kinds[-1] in ("conv1d", "conv2d")


def _missing(numbers: range, framework: str | None) -> list[Layer]:
    """Layers without tensors between two that have some: a neuron, or the user knows."""
    if len(numbers) == 1 and framework not in _WITH_TENSORS:
        return [_neuron(str(numbers[0]), {}, framework)]
    return [{"name": str(n), "kind": BLANK} for n in numbers]


def _snntorch_reset(name: str, state: StateDict) -> Layer:
    """Reset and value of a spike of a snnTorch neuron; `reset_delay` is not in the file."""
    value = int(state.tensors[f"{name}.reset_mechanism_val"].reshape(-1)[0])
    found: Layer = {}
    if value == 1:
        found = {"reset": "hard"}
    elif value == 2:
        found = {"reset": "none"}
    factor = state.tensors.get(f"{name}.graded_spikes_factor")
    if factor is not None and factor.size == 1 and factor.reshape(-1)[0] != 1:
        found["output_factor"] = {"key": f"{name}.graded_spikes_factor", "form": "x"}
    return found


_HEAD: Final = """\
# What the tensors of a checkpoint mean. Fill in every ?, remove layers that are not there, add
# what has no tensors (flatten, avg_pool, sum_pool, max_pool, add). A neuron steps
#   U = decay V + gain x + constant,
# fires at U > or >= threshold and resets; what it does not say comes from the reading. Numbers are
# written out, listed, or taken from a tensor: {key: 1.beta, form: clamp(x,0,1)}.
# All keys: README of neurosim_mapper/readers. Check the result against recorded spikes:
#   neurosim check THIS_FILE --against recorded.npz
"""


def _layer(name: str, shapes: dict[str, tuple[int, ...]], framework: str | None) -> list[Layer]:
    """The layers that a group of tensors stands for."""

    def key(last: str) -> str:
        return f"{name}.{last}" if name else last

    if gated := guess_gated(name, shapes):
        return gated
    if "running_mean" in shapes:
        keys = {"mean": "running_mean", "variance": "running_var", "weight": "weight"}
        keys |= {"bias": "bias"}
        found = {k: key(v) for k, v in keys.items() if v in shapes}
        return [{"name": name, "kind": "batch_norm", **found}]
    if "input_weights" in shapes:
        first = {"name": f"{name}.in", "kind": "linear", "weight": key("input_weights")}
        return [first, _neuron(name, shapes, framework)]
    n_axes = len(shapes.get("weight", ()))
    if n_axes < 2:
        return [_neuron(name, shapes, framework)]
    kind = {2: "linear", 3: "conv1d", 4: "conv2d"}.get(n_axes, BLANK)
    weight = "weight_in_out" if framework == "rockpool" and n_axes == 2 else "weight"
    layer: Layer = {"name": name, "kind": kind, weight: key("weight")}
    if "bias" in shapes:
        layer["bias"] = key("bias")
    if n_axes > 2:
        layer |= {"stride": BLANK, "padding": BLANK}
    return [layer]


def _neuron(name: str, shapes: dict[str, tuple[int, ...]], framework: str | None) -> Layer:
    """A neuron with what its tensors say; the rest is blank or comes from the reading."""

    def form(last: str, how: str = "x") -> dict[str, str]:
        return {"key": f"{name}.{last}", "form": how}

    layer: Layer = {"name": name, "kind": "neuron", "decay": BLANK, "threshold": BLANK}
    if framework in (None, "spikingjelly"):
        layer["gain"] = BLANK
    if framework == "norse":
        layer |= {"gain": "one_minus_decay"}
    for threshold in ("threshold", "spike_threshold"):
        if threshold in shapes:
            layer["threshold"] = form(threshold)
    if framework == "snntorch" and "beta" in shapes:
        layer["decay"] = form("beta", "clamp(x,0,1)")
        if "alpha" in shapes:
            layer["syn_decay"] = form("alpha", "clamp(x,0,1)")
    elif framework == "sinabs":
        _time_constants(layer, shapes, form, "-1/x")
    elif framework == "rockpool":
        _time_constants(layer, shapes, form, "-dt/x")
        if "bias" in shapes:
            layer["constant"] = form("bias")
        layer.setdefault("syn_decay", BLANK)
    elif "w" in shapes:
        layer["decay"] = form("w", "1-sigmoid(x)")
    return layer | _recurrence(name, shapes)


def _time_constants(layer: Layer, shapes: dict[str, Any], form: Any, exponent: str) -> None:
    for entry, tau in (("decay", "tau_mem"), ("syn_decay", "tau_syn")):
        if tau in shapes:
            layer[entry] = form(tau, f"exp({exponent})")
        elif tau.replace("tau", "alpha") in shapes:
            layer[entry] = form(tau.replace("tau", "alpha"))
    if "alpha" in shapes:
        layer["decay"] = form("alpha")
    if "beta" in shapes:
        layer["syn_decay"] = form("beta")


def _recurrence(name: str, shapes: dict[str, Any]) -> Layer:
    for prefix in ("recurrent", "rec_connect"):
        if f"{prefix}.weight" in shapes:
            found = {"weight": f"{name}.{prefix}.weight"}
            if f"{prefix}.bias" in shapes:
                found["bias"] = f"{name}.{prefix}.bias"
            return {"recurrent": found}
    if "recurrent.V" in shapes:
        return {"recurrent": {"diagonal": f"{name}.recurrent.V"}}
    if "recurrent_weights" in shapes:
        return {"recurrent": {"weight": f"{name}.recurrent_weights"}}
    if "w_rec" in shapes:
        return {"recurrent": {"weight_in_out": f"{name}.w_rec"}}
    return {}


def _input_shape(layers: list[Layer], state: StateDict) -> Any:
    """Shape that the first layer takes, where its weights tell."""
    first = layers[0] if layers else {}
    if first.get("kind") in GATES:
        weight = state.tensors[first["weight_ih"]]
        return [int(weight.shape[1])] if weight.ndim == 2 else BLANK
    if first.get("kind") == "linear":
        if "weight_in_out" in first:
            return [int(state.tensors[first["weight_in_out"]].shape[0])]
        return [int(state.tensors[first["weight"]].shape[1])]
    return BLANK
