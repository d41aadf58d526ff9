"""``neurosim quantize``: the printed accuracies are those of the executors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.frameworks import FOLDER, shared_samples

from neurosim_cli.main import run
from neurosim_cli.options import calibration_data
from neurosim_mapper import Input, Linear, Network, lif, read_network, run_float

NAME = "snntorch/dense_zero"
READING = "snntorch,reset=hard,reset_timing=same_step"
WORDS = [
    "quantize", str(FOLDER / f"{NAME}.nir"), "--reading", READING, "--chip", "loihi",
    "--input", str(FOLDER / "inputs/repeat_8_ticks_64.npz"), "--samples", "50",
]  # fmt: skip


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    code = run([*WORDS, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    facts = json.loads(captured.out)
    shared = shared_samples(NAME)
    network = read_network(FOLDER / f"{NAME}.nir", READING)
    scores = run_float(network, shared["x"][:50]).sum(axis=1)
    assert facts["accuracy_float"] == (scores.argmax(1) == shared["y"][:50]).mean()
    assert abs(facts["accuracy_float"] - facts["accuracy_integers"]) <= 0.04
    assert [row["neurons"] for row in facts["layers"]] == [32, 10]
    assert facts["calibrated_on"] == "the first 50 inputs"


def test_ranges_come_from_the_same_inputs_as_in_map(tmp_path: Path) -> None:
    """--calibration, else the checkpoint's own, else the first of the command's samples."""
    x = np.random.default_rng(1).random((70, 3, 4))
    network = Network.sequential([Input((4,)), Linear(np.ones((2, 4))), lif(1.0, 0.5)])
    np.savez(tmp_path / "x.npz", x=x)
    options: dict[str, Any] = {"calibration": None, "input_path": tmp_path / "x.npz"}
    options |= {"samples": None, "ticks": None, "encoder": None, "full_scale": 1.0, "seed": 0}
    found, whose = calibration_data(network, options)
    np.testing.assert_array_equal(found, x[:64])
    assert whose == "the first 64 inputs"
    found, whose = calibration_data(replace(network, calibration=x[:5]), options)
    np.testing.assert_array_equal(found, x[:5])
    assert whose == "the checkpoint's own inputs"
    said = options | {"calibration": tmp_path / "x.npz"}
    found, whose = calibration_data(replace(network, calibration=x[:5]), said)
    np.testing.assert_array_equal(found, x)
    assert whose == "calibration data"
    assert calibration_data(network, options | {"input_path": None}) == (None, "nothing")


def test_text_and_few_bits(capsys: pytest.CaptureFixture[str]) -> None:
    """Two bits per weight cannot keep what eight keep."""
    assert run([*WORDS, "--weight-bits", "2"]) == 0
    out = capsys.readouterr().out
    assert "Accuracy on 50 samples: float " in out
    assert "Same decision on " in out


def test_a_chip_without_the_neuron(capsys: pytest.CaptureFixture[str]) -> None:
    words = list(WORDS)
    words[1] = str(FOLDER / "norse/lif_single.nir")
    words[3:6] = ["norse", "--chip", "tianjic"]
    words[words.index("--input") + 1] = str(FOLDER / "inputs/rate_12_ticks_64.npz")
    assert run(words) == 4
    assert "needs the soma model 'cuba'; tianjic offers liaf" in capsys.readouterr().err
