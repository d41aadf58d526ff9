"""sweep: a study in, a table out; exit codes; the example."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from support.sweeps import N_POINTS, write_study

from neurosim_mapper.sweep import read_study

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "sweep_digits.yaml"


def test_sweep(neurosim_command, tmp_path):
    write_study(tmp_path)
    found = neurosim_command("sweep", "study.yaml", "-o", "out", "--workers", 1)
    assert found.code == 0, found.err
    assert "2 of 4 points done" in found.out
    assert "failed:" in found.err
    again = neurosim_command("sweep", "study.yaml", "-o", "out", "--workers", 1, "--json")
    assert len(json.loads(again.out)["rows"]) == N_POINTS
    assert "(4 of 4 points were kept)" in again.err


def test_nothing_that_works_is_an_error(neurosim_command, tmp_path):
    write_study(tmp_path, grid={"core.axons": [1]})
    found = neurosim_command("sweep", "study.yaml", "-o", "out", "--workers", 1)
    assert found.code == 3
    assert "no point gave a result" in found.err


def test_schema_and_usage(neurosim_command):
    assert json.loads(neurosim_command("sweep", "--schema").out)["title"] == "neurosim study file"
    assert neurosim_command("sweep").code == 2


def test_nobody_at_the_other_end(neurosim_command, tmp_path, monkeypatch):
    monkeypatch.setattr("neurosim.cluster.calls.CONNECT_SECONDS", 1)
    write_study(tmp_path)
    found = neurosim_command("sweep", "study.yaml", "-o", "out", "--dask", "tcp://127.0.0.1:9")
    assert found.code == 2
    assert "Dask" in found.err
    assert not (tmp_path / "out").exists()


def test_the_shipped_example_has_64_points():
    study = read_study(EXAMPLE)
    assert study.n_points == 64


def test_worker_processes_of_the_command(neurosim_command, tmp_path):
    """Forked from a process that has loaded everything; the same table as without workers."""
    write_study(tmp_path)
    neurosim_command("sweep", "study.yaml", "-o", "one", "--workers", 1)
    words = ("-m", "neurosim_cli", "sweep", "study.yaml", "-o", "two", "--workers", "2")
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, env=os.environ | path, capture_output=True
    )
    assert found.returncode == 0, found.stderr
    one, two = (tmp_path / name / "result" / "table.csv" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
