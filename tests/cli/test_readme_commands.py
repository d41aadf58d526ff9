"""The commands and the lines of Python that the README shows, on the shipped files."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

import neurosim

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "neurosim" / "demo_data"
README = (ROOT / "README.md").read_text()


def block(language, start):
    """Lines of the code block that begins with `start`."""
    found = re.search(rf"```{language}\n({re.escape(start)}.*?)```", README, re.DOTALL)
    return found.group(1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ("digits_liaf.nir", "digits_lif.nir", "digits_test.npz"):
        (tmp_path / name).symlink_to(DATA / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_three_commands_keep_the_accuracy_of_the_checkpoints(neurosim_command, folder):
    """No calibration data are given: the checkpoints bring what they need."""
    for line in block("sh", "neurosim map").strip().splitlines():
        program, *words = shlex.split(line)
        assert program == "neurosim"
        found = neurosim_command(*words)
        assert found.code == 0, found.err
    report = json.loads((folder / "run" / "report.json").read_text())
    trained = {
        kind: json.loads(neurosim_command("info", f"digits_{kind}.nir", "--json").out)
        for kind in ("liaf", "lif")
    }
    accuracy = {kind: facts["provenance"]["test_accuracy"] for kind, facts in trained.items()}
    assert report["accuracy"] >= accuracy["liaf"] - 0.01
    compared = json.loads((folder / "cmp" / "comparison.json").read_text())["variants"]
    by_name = {variant["name"]: variant["accuracy"] for variant in compared}
    assert by_name["digits_liaf"] >= accuracy["liaf"] - 0.01
    assert by_name["digits_lif"] >= accuracy["lif"] - 0.01


def test_the_python_lines_run(folder, capsys):
    with np.load("digits_test.npz") as data, np.load(DATA / "digits_calibration.npz") as typical:
        names = {"x_train": typical["x"], "x_test": data["x"][:20], "y_test": data["y"][:20]}
    exec(block("python", "import neurosim"), names)
    accuracy, energy_pj = map(float, capsys.readouterr().out.split())
    run = names["run"]
    assert isinstance(run, neurosim.Run)
    assert (accuracy, energy_pj) == (run.accuracy, run.report().energy.total)
