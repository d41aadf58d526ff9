"""stream: a recording in pieces, its folder, and files that are none."""

from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from support.chain import chain_program

import neurosim
from neurosim.results import load_run_folder

N = 50


@pytest.fixture
def recording(tmp_path):
    """hour.npy and hour.npz of the chain of three relays; the values of the recording."""
    x = np.random.default_rng(0).integers(0, 200, (N, 1)).astype(np.uint8)
    chain_program().save(tmp_path / "chain.nsp")
    np.save(tmp_path / "hour.npy", x)
    np.savez_compressed(tmp_path / "hour.npz", x=x[None])
    return x


@pytest.mark.parametrize("name", ["hour.npy", "hour.npz"])
def test_the_folder_of_a_recording(neurosim_command, tmp_path, recording, name):
    words = ("stream", "chain.nsp", "--input", name, "--piece", 20, "-o", "out", "--json")
    found = neurosim_command(*words)
    assert found.code == 0, found.err
    whole = neurosim.simulate(chain_program(), recording[None])
    report = json.loads(found.out)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["counts"] == whole.report().to_dict()["counts"]
    said = json.loads((tmp_path / "out" / "stream.json").read_text())
    assert [piece["chip_ticks"] for piece in said["pieces"]] == [20, 20, 12]
    pieces = [load_run_folder(tmp_path / "out" / piece["folder"]) for piece in said["pieces"]]
    np.testing.assert_array_equal(np.concatenate([p.outputs for p in pieces], 1), whole.outputs)
    again = neurosim_command(*words)  # an older folder is replaced
    assert (again.code, again.out) == (0, found.out)
    assert neurosim_command("stream", "chain.nsp", "--input", name, "--json").out == found.out


def broken(tmp_path, name):
    path = tmp_path / name
    x = np.zeros((N, 1), np.uint8)
    if name == "cut.npy":
        np.save(path, x)
        path.write_bytes(path.read_bytes()[:-1])
    elif name == "crc.npz":
        np.savez(path, x=x)
        path.write_bytes(path.read_bytes().replace(b"\0" * N, b"\0" * (N - 1) + b"\1"))
    elif name == "empty.npz":
        with zipfile.ZipFile(path, "w"):
            pass
    elif name == "text.npy":
        path.write_text("hello")
    elif name == "objects.npy":
        np.save(path, np.array([[None]] * N), allow_pickle=True)
    elif name == "wide.npy":
        np.save(path, np.zeros((N, 3)))
    elif name == "words.npy":
        np.save(path, np.full((N, 1), "a"))


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("none.npy", "no such file"),
        ("cut.npy", "is damaged (x is cut off)"),
        ("crc.npz", "is damaged, or no .npy and no .npz file"),
        ("empty.npz", "holds no array named 'x'"),
        ("text.npy", "is no .npy and no .npz file"),
        ("objects.npy", "they are never unpickled"),
        ("wide.npy", "x has shape (50, 3); needed: (ticks, 1)"),
        ("words.npy", "numbers are needed"),
    ],
)
def test_files_that_are_no_recording(neurosim_command, tmp_path, recording, name, sentence):
    broken(tmp_path, name)
    found = neurosim_command("stream", "chain.nsp", "--input", name, "-o", "out")
    assert found.code == 3
    assert sentence in found.err
    assert "Traceback" not in found.err
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out*"))


def test_usage(neurosim_command, recording, tmp_path):
    found = neurosim_command("stream", "chain.nsp", "--input", "hour.npy", "--piece", 0)
    assert (found.code, "piece is 0" in found.err) == (2, True)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("x")
    found = neurosim_command("stream", "chain.nsp", "--input", "hour.npy", "-o", "out")
    assert (found.code, "thesis.tex" in found.err) == (2, True)
