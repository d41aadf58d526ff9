"""State dicts of other frameworks, with a description, give the framework's own outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.frameworks import FOLDER, NAMES, description, shared_samples, sidecar

from neurosim.errors import InputFileError, UnsupportedError
from neurosim.files.strict_yaml import dump_yaml
from neurosim_mapper.float_executor import trace_float
from neurosim_mapper.network import Network
from neurosim_mapper.readers import read_network
from neurosim_mapper.readers.state_dict import read_state_dict

# Frameworks record analog outputs in single precision, whose steps grow with the value.
SINGLE = float(np.finfo(np.float32).eps)


def read_described(name: str, folder: Path, suffix: str = ".pt") -> Network:
    """Write the description of a recorded network and read it with the state dict."""
    checkpoint = FOLDER / f"{name}{suffix}"
    data = description(name, str(checkpoint))
    path = folder / "network.yaml"
    path.write_text(dump_yaml(data))
    return read_network(path)


def recorded(name: str) -> Any:
    return np.load(FOLDER / f"{name}.npz")


@pytest.mark.parametrize("name", NAMES)
def test_every_spike_and_every_decision(name: str, tmp_path: Path) -> None:
    arrays = recorded(name)
    network = read_described(name, tmp_path)
    trace = trace_float(network, arrays["x"])
    hidden = [key for key in arrays if key.startswith("spikes_")]
    names = [key.removeprefix("spikes_") for key in hidden]
    factors = {layer["name"]: layer.get("output_factor", 1.0) for layer in sidecar(name)["layers"]}
    for layer, key in zip(names, hidden, strict=True):
        expected = arrays[key]
        given = (trace.Y[layer] * factors[layer]).reshape(expected.shape)
        if expected.dtype.kind == "u":
            np.testing.assert_array_equal(given, expected, key)
        else:
            np.testing.assert_allclose(given, expected, rtol=SINGLE, atol=1e-6)
    expected = arrays["spikes"]
    given = trace.outputs.reshape(expected.shape)
    if expected.dtype.kind == "u":
        np.testing.assert_array_equal(given, expected)
    else:
        np.testing.assert_allclose(given, expected, rtol=SINGLE, atol=1e-6)
    shared = shared_samples(name)
    scores = trace_float(network, shared["x"], nodes=[]).outputs.sum(axis=1)
    assert (scores.argmax(axis=1) == arrays["accuracy_decisions"]).all()


@pytest.mark.parametrize("variant", ["_wrapped.pt", "_optimizer.pt", ".safetensors"])
def test_every_way_to_save_holds_the_same_tensors(variant: str) -> None:
    found = sorted(FOLDER.glob(f"*/*{variant}"))
    assert found
    for path in found:
        plain = read_state_dict(Path(str(path).removesuffix(variant) + ".pt"))
        other = read_state_dict(path)
        assert other.tensors.keys() == plain.tensors.keys()
        for name, values in plain.tensors.items():
            np.testing.assert_array_equal(other.tensors[name], values, name)


def test_npz_and_the_description_beside_a_checkpoint(tmp_path: Path) -> None:
    name = "snntorch/rsynaptic_zero"
    tensors = read_state_dict(FOLDER / f"{name}.pt").tensors
    np.savez_compressed(tmp_path / "net.npz", **tensors)
    data = description(name, "net.npz")
    (tmp_path / "net.yaml").write_text(dump_yaml(data))
    a = read_network(tmp_path / "net.npz")
    b = read_described(name, tmp_path)
    for node in a.nodes:
        for key, value in vars(a.nodes[node]).items():
            np.testing.assert_array_equal(value, vars(b.nodes[node])[key])
    assert a.provenance["checkpoint_file"] == "net.npz"


@pytest.mark.parametrize("variant", ["_module.pt", "_legacy.pt"])
def test_what_could_run_code_is_refused_with_two_lines_that_save_it_anew(variant: str) -> None:
    for path in sorted(FOLDER.glob(f"*/*{variant}")):
        with pytest.raises(UnsupportedError) as caught:
            read_network(path)
        first, *lines = str(caught.value).split("\n")
        assert first.endswith("Save its numbers once with torch:")
        assert len(lines) == 2
        assert "safetensors.torch.save_file(" in lines[1]
        assert f'"{path.stem}.safetensors"' in lines[1]


def test_a_checkpoint_without_a_description_says_how_to_make_one() -> None:
    with pytest.raises(InputFileError) as caught:
        read_network(FOLDER / "snntorch" / "dense_zero.pt")
    assert "neurosim describe dense_zero.pt -o dense_zero.yaml" in str(caught.value)


def test_wrappers_and_stale_state_are_told() -> None:
    wrapped = read_state_dict(FOLDER / "sinabs" / "lif_vector_wrapped.pt")
    assert wrapped.notes == (
        "The state dict is the entry 'state_dict' of the file; not read: 'epoch', 'accuracy'.",
        "'module.' in front of every name was removed.",
    )
    assert wrapped.is_state("1.v_mem")
    assert not wrapped.is_state("1.tau_mem")
