"""``neurosim quantize``: the printed accuracies are those of the executors."""

from __future__ import annotations

import json

import pytest
from support.frameworks import FOLDER, shared_samples

from neurosim_cli.main import run
from neurosim_mapper import read_network, run_float

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
    assert facts["calibrated_on"] == "the inputs"


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
    assert run(words) == 3
    assert "needs the soma model 'cuba'; tianjic offers liaf" in capsys.readouterr().err
