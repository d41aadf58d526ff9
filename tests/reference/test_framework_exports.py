"""Networks trained and exported by other frameworks give the framework's own outputs.

`tests/data/frameworks/README.md` says what is recorded: files as the frameworks wrote them, and
the outputs of every neuron layer as the frameworks computed them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from neurosim.errors import UsageError
from neurosim_mapper.float_executor import run_float, trace_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Neuron
from neurosim_mapper.readers import READINGS, Reading, read_network

FOLDER = Path(__file__).parents[1] / "data" / "frameworks"

# Parameters that the exporter drops, as the sidecars' notes name them, are in the state dict.
INCOMPLETE = {"rockpool/lif_default", "rockpool/lif_recurrent"}

# Frameworks record analog outputs in single precision, whose steps grow with the value.
SINGLE = float(np.finfo(np.float32).eps)

EXPORTS = sorted(str(p.relative_to(FOLDER).with_suffix("")) for p in FOLDER.glob("*/*.nir"))
OTHER_DT = {"spikingjelly/lif_no_decay_input_dt_1ms": {"dt": 1e-3}}
OTHER_TAU = {"norse/lifbox_vector_seconds": {"tau_factor": 1.0}}


def recording(name: str) -> tuple[dict[str, Any], Any]:
    """Sidecar and arrays of an export; variants share those of the network they vary."""
    path = FOLDER / name
    while not path.with_suffix(".json").exists():
        path = path.with_name(path.name.rpartition("_")[0])
    return json.loads(path.with_suffix(".json").read_text()), np.load(path.with_suffix(".npz"))


def choices(name: str) -> dict[str, Any]:
    """The sidecar's reading as choices that replace those of the framework's named reading."""
    found = {
        key: value
        for key, value in recording(name)[0]["reading"].items()
        if not (key == "reset_timing" and value is None) and key != "constant"
    }
    missing = {"missing": str(FOLDER / f"{name}.pt")} if name in INCOMPLETE else {}
    return found | OTHER_DT.get(name, {}) | OTHER_TAU.get(name, {}) | missing


def load(name: str) -> Network:
    return read_network(FOLDER / f"{name}.nir", name.partition("/")[0], **choices(name))


@pytest.mark.parametrize("name", EXPORTS)
def test_every_spike_of_every_layer(name: str) -> None:
    _, arrays = recording(name)
    network = load(name)
    trace = trace_float(network, arrays["x"])
    layers = [n for n in network.order if isinstance(network.nodes[n], Neuron)]
    keys = [key for key in arrays if key.startswith("spikes_")] + ["spikes"]
    assert len(layers) == len(keys)
    for layer, key in zip(layers, keys, strict=True):
        expected = arrays[key]
        given = trace.Y[layer].reshape(expected.shape)
        if name.startswith("snntorch/dense_graded") and key != "spikes":
            given = given * 0.75  # snnTorch records the spike times its factor
        if expected.dtype.kind == "u":
            assert int((given != expected).sum()) == 0, key
        else:
            np.testing.assert_allclose(given, expected, rtol=SINGLE, atol=1e-6)
    np.testing.assert_array_equal(
        trace.outputs.reshape(arrays["spikes"].shape),
        trace.Y[layers[-1]].reshape(arrays["spikes"].shape),
    )


@pytest.mark.parametrize("name", EXPORTS)
def test_every_decision_on_the_shared_samples(name: str) -> None:
    sidecar, arrays = recording(name)
    about = sidecar["input"]
    shape = "x".join(str(n) for n in about["shape"])
    shared = np.load(FOLDER / "inputs" / f"{about['code']}_{about['ticks']}_ticks_{shape}.npz")
    scores = run_float(load(name), shared["x"]).sum(axis=1)
    # Sums of single-precision analog outputs may differ in the last digits, decisions must not.
    assert (scores.argmax(axis=1) == arrays["accuracy_decisions"]).all()
    assert (scores.argmax(axis=1) == shared["y"]).mean() == pytest.approx(float(arrays["accuracy"]))


@pytest.mark.parametrize("name", sorted(READINGS.keys() - {"literal"}))
def test_the_named_reading_is_that_of_the_frameworks_defaults(name: str) -> None:
    """What most exports of a framework share is the named reading itself."""
    own = READINGS[name].as_dict()
    for export in (e for e in EXPORTS if e.startswith(f"{name}/")):
        differing = {k: v for k, v in choices(export).items() if own[k] != v}
        assert set(differing) <= {
            "reset",
            "reset_timing",
            "gain",
            "max_spikes",
            "decay",
            "layers",
            "dt",
            "tau_factor",
            "reset_value",
            "subtract",
            "v_min",
            "tau_syn",
            "reset_add_all",
            "missing",
        }, export


@pytest.mark.parametrize("name", EXPORTS)
def test_the_writer_is_guessed_as_a_hint(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_network(FOLDER / f"{name}.nir")
    assert f"It looks like a file of {name.partition('/')[0]} (" in str(caught.value)


@pytest.mark.parametrize("name", sorted(INCOMPLETE))
def test_parameters_that_an_exporter_drops_are_said_and_can_be_given(name: str) -> None:
    """Without them spikes differ; the names in the state dict are those of the nodes."""
    arrays = recording(name)[1]
    alone = read_network(FOLDER / f"{name}.nir", "rockpool")
    assert (run_float(alone, arrays["x"]).reshape(arrays["spikes"].shape) != arrays["spikes"]).any()
    said = [s for s in alone.assumptions if s.startswith("Rockpool does not write the bias and")]
    assert said == [alone.provenance["lost"]]
    keys = ["1_LIFTorch.bias", "3_LIFTorch.bias"] if "default" in name else ["1_LIFTorch.w_rec"]
    assert f"Taken from {name[9:]}.pt: {', '.join(keys)}." in load(name).assumptions


def without_timings(name: str) -> dict[str, Any]:
    """The sidecar's choices but for when a reset acts, which snnTorch decides by kind of neuron."""
    found = choices(name)
    if found.get("reset_timing") != "snntorch_no_delay":
        found.pop("reset_timing", None)
    layers = found.pop("layers", {}).items()
    kept = {k: {c: v for c, v in layer.items() if c != "reset_timing"} for k, layer in layers}
    return found | {"layers": {k: layer for k, layer in kept.items() if layer}}


@pytest.mark.parametrize("name", [name for name in EXPORTS if name.startswith("snntorch/")])
def test_the_timing_of_resets_is_that_of_the_kind_of_neuron(name: str) -> None:
    """Leaky, and Synaptic, RLeaky and RSynaptic, reset to zero differently, in one file, too."""
    given = read_network(FOLDER / f"{name}.nir", "snntorch", **without_timings(name))
    expected = load(name)
    for node in expected.nodes:
        for key, value in vars(expected.nodes[node]).items():
            np.testing.assert_array_equal(vars(given.nodes[node])[key], value)


def test_single_layers_may_differ() -> None:
    reading = Reading("mine", reset="soft", layers={"1.lif": {"reset": "none"}})
    network = read_network(FOLDER / "snntorch" / "rleaky_subtract.nir", reading)
    resets = [node.reset for node in network.nodes.values() if isinstance(node, Neuron)]
    assert sorted(resets) == ["none", "soft"]
    with pytest.raises(UsageError, match="names the node 'nine', which is missing"):
        read_network(FOLDER / "snntorch" / "dense_zero.nir", "snntorch", layers={"nine": {}})
