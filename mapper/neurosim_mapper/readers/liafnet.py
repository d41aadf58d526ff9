"""Checkpoints of the LIAF-Net group's training code: recognised by their keys, described in full.

Every layer holds ``decay`` (one number, the decay is its sigmoid), ``kernel`` (a linear layer or a
convolution) and, mostly, ``NormLayer`` (BatchNorm). A tick is kernel, BatchNorm, pool, neuron:

    U = sigmoid(decay) V + x,  F = U > threshold,  V = 0 if F else U,  Y = min(max(SELU(U), 0), 1)

Threshold, padding and pooling are not in the file; what is written for them is the group's habit
and said so in the description's comments.
"""

from __future__ import annotations

import math
from typing import Any, Final

from neurosim_mapper.readers.description_fields import BLANK
from neurosim_mapper.readers.state_dict import StateDict

Layer = dict[str, Any]

THRESHOLD: Final = 0.5
POOL: Final = 2
HEAD: Final = f"""\
# A checkpoint of LIAF-Net training code: kernel, BatchNorm, pool, neuron; a decay is the sigmoid of
# its number, a neuron fires at U > threshold, resets to 0 and puts out SELU(U) within 0..1.
# Not in the file, so check them against the script that trained it: threshold {THRESHOLD}, stride 1
# with "same" padding, an average pool of {POOL} after every convolution, the size of the input
# (square, from the first dense layer; ? if there is none), and time sums of the last layer.
"""


def layers_of_liafnet(state: StateDict) -> list[str]:
    """Names of the LIAF layers, in order; empty for any other checkpoint."""
    names = [name.removesuffix(".decay") for name in state.tensors if name.endswith(".decay")]
    good = [name for name in names if f"{name}.kernel.weight" in state.tensors]
    scalar = all(state.tensors[f"{name}.decay"].size == 1 for name in good)
    return good if good and len(good) == len(names) and scalar else []


def describe_liafnet(state: StateDict) -> tuple[Any, list[Layer]]:
    """Shape of the input (`?` where nothing tells) and the layers, complete."""
    names = layers_of_liafnet(state)
    layers: list[Layer] = []
    flat = False
    for name in names:
        weight = state.tensors[f"{name}.kernel.weight"]
        if weight.ndim == 2 and layers and not flat:
            layers.append({"name": f"{name}.flatten", "kind": "flatten"})
        flat = flat or weight.ndim == 2
        layers += _layer(name, state, weight.shape)
    last = [
        key for key in state.tensors if key.endswith(".weight") and _is_plain(key, names, state)
    ]
    for key in last:
        name = key.removesuffix(".weight")
        if not flat:
            layers.append({"name": f"{name}.flatten", "kind": "flatten"})
            flat = True
        layers.append(_weights(name, f"{name}.sum", state, "linear"))
        layers.append({"name": name, "kind": "neuron", "output": "membrane", "decay": 0.0})
    return _input_shape(state, [f"{name}.kernel.weight" for name in names] + last), layers


def _is_plain(key: str, names: list[str], state: StateDict) -> bool:
    inside = any(key.startswith(f"{name}.") for name in names)
    return not inside and key.endswith(".weight") and state.tensors[key].ndim == 2


def _layer(name: str, state: StateDict, shape: tuple[int, ...]) -> list[Layer]:
    kind = {2: "linear", 3: "conv1d", 4: "conv2d"}.get(len(shape), BLANK)
    kernel = _weights(f"{name}.kernel", f"{name}.kernel", state, kind)
    found = [kernel]
    if len(shape) > 2:
        kernel |= {"stride": 1, "padding": [n // 2 for n in shape[2:]]}
    norm = f"{name}.NormLayer"
    keys = {"mean": "running_mean", "variance": "running_var", "weight": "weight", "bias": "bias"}
    if f"{norm}.running_mean" in state.tensors:
        there = {k: f"{norm}.{v}" for k, v in keys.items() if f"{norm}.{v}" in state.tensors}
        found.append({"name": norm, "kind": "batch_norm", **there})
    if len(shape) == 4:
        found.append({"name": f"{name}.pool", "kind": "avg_pool", "kernel": POOL})
    neuron = {
        "name": name,
        "kind": "neuron",
        "decay": {"key": f"{name}.decay", "form": "sigmoid(x)"},
        "threshold": THRESHOLD,
        "activation": "selu",
        "activation_of": "U",
        "clamp": [0.0, 1.0],
    }
    return [*found, neuron]


def _weights(name: str, layer: str, state: StateDict, kind: str) -> Layer:
    found: Layer = {"name": layer, "kind": kind, "weight": f"{name}.weight"}
    if f"{name}.bias" in state.tensors:
        found["bias"] = f"{name}.bias"
    return found


def _input_shape(state: StateDict, weights: list[str]) -> Any:
    """Of a dense network its inputs; of a convolutional one, from the first dense layer."""
    shapes = [state.tensors[key].shape for key in weights]
    first = shapes[0]
    if len(first) == 2:
        return [first[1]]
    images = [shape for shape in shapes if len(shape) == 4]
    dense = next((shape for shape in shapes if len(shape) == 2), None)
    if dense is None or len(first) != 4 or dense[1] % images[-1][0]:
        return BLANK
    side = math.isqrt(dense[1] // images[-1][0])
    if side * side * images[-1][0] != dense[1]:
        return BLANK
    return [first[1], *[side * POOL ** len(images)] * 2]
