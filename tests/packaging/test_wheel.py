"""The wheel: what it installs, and that it works away from the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built by way of the source distribution, as an upload would be."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (path,) = out.glob("*.whl")
    return path


def test_top_level_names(wheel):
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {n for n in names if not n.endswith(".dist-info")} == {
        "neurosim",
        "neurosim_mapper",
        "neurosim_cli",
    }


def test_chips_and_demo_data_are_inside(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    chips = {p.name for p in (ROOT / "chip_configs").glob("*.yaml")}
    assert chips
    assert {f"neurosim/chip_configs/{name}" for name in chips} <= names
    assert "neurosim/demo_data/digits_liaf.nir" in names
    assert "neurosim/demo_data/digits_lif.nir" in names


def test_no_tests_or_machine_files_inside(wheel):
    for name in zipfile.ZipFile(wheel).namelist():
        assert not name.startswith(("tests", "examples", "chip_configs", "."))
        assert "__pycache__" not in name


def test_it_runs_away_from_the_checkout(wheel, tmp_path):
    """Unpacked on its own path, in a process that cannot see this checkout."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]);"
        "import neurosim, neurosim_mapper, neurosim_cli.main;"
        "chip = neurosim.load_chip('tianjic'); print(chip.name, neurosim.__file__)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "site")],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("tianjic")
    assert str(tmp_path) in done.stdout
