"""``neurosim check`` and ``neurosim map --against``: recorded spikes decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from support.frameworks import FOLDER, NAMES, sidecar

from neurosim.errors import InputFileError, UsageError
from neurosim_cli.main import cli, run
from neurosim_mapper.readers import read_network
from neurosim_mapper.readers.readings import parse_reading
from neurosim_mapper.readers.recording import compare_with_recording

# Parameters that the exporter drops are not in the file: the sidecars' notes name them.
INCOMPLETE = ("rockpool/lif_default", "rockpool/lif_recurrent")
EXPORTED = [n for n in NAMES if (FOLDER / f"{n}.nir").exists()]


def words_of(reading: dict[str, Any]) -> str:
    """A sidecar's reading as typed on the command line."""
    parts = []
    for key, value in reading.items():
        if key == "layers":
            parts += [f"layers.{n}.{k}={v}" for n, more in value.items() for k, v in more.items()]
        elif key != "constant" and not (key == "reset_timing" and value is None):
            shown = ":".join(map(str, value)) if isinstance(value, list) else value
            parts.append(f"{key}={'none' if shown is None else shown}")
    return ",".join(parts)


def check(name: str, *more: str, reading: str | None = None) -> Result:
    said = reading or f"{name.partition('/')[0]},{words_of(sidecar(name)['reading'])}"
    words = ["check", str(FOLDER / f"{name}.nir"), "--against", str(FOLDER / f"{name}.npz")]
    return CliRunner().invoke(cli, [*words, "--reading", said, *more])


@pytest.mark.parametrize("name", EXPORTED)
def test_every_export_is_judged(name: str) -> None:
    result = check(name, "--json")
    data = json.loads(result.stdout)
    assert data["agrees"] == (name not in INCOMPLETE)
    assert result.exit_code == (0 if data["agrees"] else 3)
    assert (data["n_wrong"] == 0) == data["agrees"]


def test_the_first_difference_is_named_in_the_layer_where_it_begins() -> None:
    """Found again by looking at the recorded arrays."""
    name = "rockpool/lif_default"
    data = json.loads(check(name, "--json").stdout)
    first = data["first_hidden"] or data["first"]
    arrays = np.load(FOLDER / f"{name}.npz")
    hidden = data["first_hidden"] is not None
    recorded = arrays[f"spikes_{first['layer']}" if hidden else "spikes"]
    assert recorded[first["sample"], first["tick"], first["neuron"]] == first["recorded"]
    assert first["recorded"] != first["computed"]
    sentence = str(check(name).exception)
    assert "name its state dict: --reading rockpool,missing=net.pt, with net.pt from" in sentence
    assert f"{data['n_wrong']} of {data['n_values']} output values differ from" in sentence
    assert f"tick {first['tick']}, sample {first['sample']}, neuron {first['neuron']}" in sentence


def test_what_a_file_lacks_is_taken_from_a_state_dict() -> None:
    name = "rockpool/lif_recurrent"
    given = f"rockpool,missing={FOLDER / name}.pt"
    assert check(name, reading=given).exit_code == 0


def test_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    name = FOLDER / "snntorch" / "dense_zero"
    words = ["check", f"{name}.nir", "--against", f"{name}.npz"]
    assert run([*words, "--reading", "snntorch,reset=hard"]) == 0
    assert "all 2880 output values of 24 samples are as recorded" in capsys.readouterr().out
    assert run([*words, "--reading", "snntorch"]) == 3
    assert "output values differ from" in capsys.readouterr().err
    assert run(words) == 2
    assert run([*words, "--reading", "snntorch,reset"]) == 2
    assert "is not of the form choice=value" in capsys.readouterr().err


def test_map_against_refuses_and_remembers(tmp_path: Path) -> None:
    from neurosim.program.columns import load_program

    name = FOLDER / "snntorch" / "dense_zero"
    output = tmp_path / "net.nsp"
    words = ["map", f"{name}.nir", "--chip", "tianjic", "-o", str(output)]
    words += ["--against", f"{name}.npz", "--reading"]
    assert run([*words, "snntorch"]) == 3
    assert not output.exists()
    assert run([*words, "snntorch,reset=hard,reset_timing=same_step"]) == 0
    assert any(said.startswith("Verified: all 2880") for said in load_program(output).assumptions)


def test_the_inputs_of_the_recording_set_the_ranges(tmp_path: Path) -> None:
    """Grey levels, not spikes; without them the input would be taken as spikes."""
    from neurosim.program.columns import load_program

    name = FOLDER / "snntorch" / "dense_subtract"
    output = tmp_path / "net.nsp"
    words = ["map", f"{name}.nir", "--chip", "loihi", "-o", str(output), "--placer", "row-major"]
    words += ["--reading", "snntorch", "--against", f"{name}.npz"]
    assert run(words) == 0
    code = load_program(output).input_code
    assert (code.kind, code.unit) == ("analog", 1 / 16)  # the grey levels of these inputs


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((2, 3, 64))}, "needs the arrays x (inputs) and spikes or outputs"),
        ({"x": np.zeros((2, 64)), "spikes": np.zeros((2, 3, 10))}, "x has shape (2, 64); needed"),
        ({"x": np.zeros((2, 3, 64)), "spikes": np.zeros((2, 3, 9))}, "has shape (2, 3, 9) and"),
        ({"x": np.zeros((2, 3, 64)), "spikes": np.zeros((3, 2, 10))}, "has shape (3, 2, 10) and"),
    ],
)
def test_recordings_that_cannot_be_used(
    arrays: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "recorded.npz"
    np.savez(path, **arrays)
    network = read_network(FOLDER / "snntorch" / "dense_zero.nir", "snntorch")
    with pytest.raises(InputFileError) as caught:
        compare_with_recording(network, path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)


def test_readings_as_typed() -> None:
    assert parse_reading("norse,dt=0.001,max_spikes=none,reset=none,layers.1.lif.reset=hard") == (
        "norse",
        {"dt": 0.001, "max_spikes": None, "reset": "none", "layers": {"1.lif": {"reset": "hard"}}},
    )
    assert parse_reading("snntorch,decay_clamp=0:1") == ("snntorch", {"decay_clamp": (0, 1)})
    with pytest.raises(UsageError, match="A reading has no choice 'rest'"):
        read_network(FOLDER / "snntorch" / "dense_zero.nir", "snntorch,rest=hard")
