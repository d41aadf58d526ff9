"""Recordings of other frameworks (tests/data/frameworks) and descriptions of their state dicts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

FOLDER = Path(__file__).parents[1] / "data" / "frameworks"
NAMES = sorted(str(p.relative_to(FOLDER).with_suffix("")) for p in FOLDER.glob("*/*.json"))


def sidecar(name: str) -> dict[str, Any]:
    """What was recorded about a network."""
    found: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return found


def shared_samples(name: str) -> Any:
    """The 200 samples that accuracies are measured on: x, y."""
    return np.load(FOLDER / sidecar(name)["accuracy_inputs"])


def description(name: str, checkpoint: str) -> dict[str, Any]:
    """The description of a network's state dict, from the equations in its sidecar."""
    about = sidecar(name)
    layers: list[dict[str, Any]] = []
    for layer in about["layers"]:
        layers += _layer(layer)
    return {
        "neurosim_network": 1,
        "checkpoint": checkpoint,
        "reading": name.partition("/")[0],
        "input": about["input"]["shape"],
        "layers": layers,
    }


_PLAIN = ("stride", "padding", "dilation", "groups", "kernel", "eps", "inputs")
_SAME = (
    "decay", "gain", "constant", "threshold", "compare", "reset", "reset_value", "subtract",
    "v_start", "v_min", "max_spikes", "output_factor", "syn_decay", "syn_update", "dt",
    "recurrent",
)  # fmt: skip


def _layer(layer: dict[str, Any]) -> list[dict[str, Any]]:
    if layer["kind"] != "neuron":
        kept = {key: layer[key] for key in _PLAIN if layer.get(key) is not None}
        return [{"name": layer["name"], "kind": layer["kind"], **layer.get("keys", {}), **kept}]
    found: dict[str, Any] = {"name": layer["name"], "kind": "neuron"}
    found |= {key: layer[key] for key in _SAME if key in layer}
    if layer.get("gain") == "1-decay":
        found["gain"] = "one_minus_decay"
    if layer.get("reset_timing") is not None:
        found["reset_timing"] = layer["reset_timing"]
    if "recurrent" in layer:
        found["recurrent"] = {k: v for k, v in layer["recurrent"].items() if k != "note"}
        if "note" in layer["recurrent"]:  # "nothing arrives in the first tick, not even the bias"
            found["recurrent"]["bias_from_second_tick"] = True
    if "note" in layer:  # sinabs adds the value to all neurons
        found["reset_add_all"], found["reset_value"] = layer["reset_value"], 0.0
    if layer.get("n_synapses", 1) > 1:
        found["synapses"] = layer["n_synapses"]
    elif isinstance(layer.get("syn_decay"), dict) and "value" in layer["syn_decay"]:
        values = np.asarray(layer["syn_decay"]["value"])
        found["syn_decay"] = layer["syn_decay"] | {"value": values.reshape(-1).tolist()}
    output = layer.get("output")
    if output == "membrane":
        found["output"] = "membrane"
    elif output is not None:
        found |= {"activation": output["activation"], "activation_of": output["of"]}
    before = []
    if "input" in layer:
        before = [{"name": f"{layer['name']}.in", "kind": "linear", **layer["input"]}]
    return [*before, found]
