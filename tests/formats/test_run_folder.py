"""Run folders: complete, verified, equal byte for byte where nothing differs."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from support.chain import chain_run

from neurosim.chip.files import load_chip
from neurosim.cost.core_facts import core_facts
from neurosim.errors import InputFileError, UsageError
from neurosim.results import (
    CORES,
    MANIFEST,
    PAGE,
    PERFETTO,
    REQUIRED,
    load_run_folder,
    write_run_folder,
)


@pytest.fixture(scope="module")
def run():
    return chain_run(np.full((2, 3), 5), probe=["relay1"], labels=[0, 0])


@pytest.fixture
def folder(run, tmp_path):
    write_run_folder(run, tmp_path / "run", command=["neurosim", "simulate"], inputs={"x": "0"})
    return tmp_path / "run"


def test_files(folder):
    assert sorted(p.name for p in folder.iterdir()) == sorted((MANIFEST, *REQUIRED, CORES, PAGE))


def test_everything_comes_back(run, folder):
    found = load_run_folder(folder)
    np.testing.assert_array_equal(found.outputs, run.outputs)
    np.testing.assert_array_equal(found.labels, run.labels)
    np.testing.assert_array_equal(found.values["relay1"], run.values["relay1"])
    np.testing.assert_array_equal(found.membrane["relay1"], run.membrane["relay1"])
    for name, column in run.counters.columns().items():
        np.testing.assert_array_equal(found.counters.columns()[name], column)
    assert found.chip == run.program.chip
    assert found.report == json.loads(run.report().to_json())
    assert found.network is None


def test_the_network_of_a_cycle_run_comes_back(tmp_path):
    run = chain_run(np.full((2, 3), 5), noc="cycle")
    write_run_folder(run, tmp_path / "run")
    found = load_run_folder(tmp_path / "run").network
    assert found is not None
    assert run.network is not None
    for item in dataclasses.fields(run.network):
        seen, expected = (getattr(stats, item.name) for stats in (found, run.network))
        assert type(seen) is type(expected)
        np.testing.assert_array_equal(seen, expected, err_msg=item.name)


def test_numpy_opens_the_columns(run, folder):
    with np.load(folder / "trace.npz", allow_pickle=False) as trace:
        np.testing.assert_array_equal(trace["outputs"], run.outputs)
    with np.load(folder / "counters.npz", allow_pickle=False) as counters:
        np.testing.assert_array_equal(counters["busy_cycles"], run.counters.busy_cycles)


def test_the_chip_of_a_shipped_name_is_a_chip_file(tmp_path):
    chip = load_chip("tianjic")
    write_run_folder(chain_run(np.full((1, 1), 5), chip), tmp_path / "run")
    assert load_chip(tmp_path / "run" / "chip.yaml") == chip
    assert load_run_folder(tmp_path / "run").chip == chip


def test_the_manifest_says_where_it_comes_from(run, folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    assert manifest["schema"] == "neurosim-run/1"
    assert manifest["command"] == ["neurosim", "simulate"]
    assert manifest["inputs"] == {"x": "0"}
    assert manifest["seed"] == run.program.seed
    assert {"neurosim", "python", "numpy", "numba"} <= set(manifest["versions"])


@pytest.mark.parametrize("threads", [1, 2])
def test_equal_runs_give_equal_bytes(tmp_path, threads):
    for name, workers in (("one", 1), ("two", threads)):
        run = chain_run(np.full((4, 3), 5), threads=workers, noc="cycle")
        write_run_folder(run, tmp_path / name)
    for name in REQUIRED:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_an_older_run_is_replaced(run, folder):
    other = chain_run(np.full((1, 1), 7))
    write_run_folder(other, folder)
    found = load_run_folder(folder)
    assert found.outputs.shape == (1, 1, 1)
    assert found.values == {}


def test_folders_of_somebody_else_are_left_alone(run, folder):
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds notes.txt"):
        write_run_folder(run, folder)
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", REQUIRED)
def test_a_changed_file_is_noticed(folder, name):
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(InputFileError) as caught:
        load_run_folder(folder)
    assert str(caught.value) == f"{folder / name}: was changed after it was written (digest)."


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_file_is_noticed(folder, name):
    (folder / name).unlink()
    with pytest.raises(InputFileError) as caught:
        load_run_folder(folder)
    assert str(caught.value) == f"{folder / name}: is missing from this run folder."


def test_a_changed_manifest_is_noticed(folder):
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["seed"] = 99
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(InputFileError, match="was changed after it was written"):
        load_run_folder(folder)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not JSON"),
        ("[]", "holds no mapping."),
        ('{"schema": "other/7"}', "holds the schema 'other/7'; this version of neurosim reads"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_manifests_of_somebody_else(folder, text, sentence):
    (folder / MANIFEST).write_text(text)
    with pytest.raises(InputFileError) as caught:
        load_run_folder(folder)
    assert f"{folder / MANIFEST}: {sentence}" in str(caught.value)


def test_what_is_no_run_folder(tmp_path):
    with pytest.raises(InputFileError, match=r"no such run folder\."):
        load_run_folder(tmp_path / "gone")
    with pytest.raises(InputFileError, match=r"is not a run folder; it holds no manifest.json\."):
        load_run_folder(tmp_path)


def test_facts_of_cores_come_back(run, folder):
    found = load_run_folder(folder).cores
    assert found is not None
    for name, column in core_facts(run.program, run.counters)._asdict().items():
        np.testing.assert_array_equal(getattr(found, name), column, err_msg=name)


def test_a_time_line_is_part_of_the_folder(run, tmp_path):
    write_run_folder(run, tmp_path / "run", more={PERFETTO: "{}\n"})
    assert (tmp_path / "run" / PERFETTO).read_text() == "{}\n"
    assert PERFETTO in load_run_folder(tmp_path / "run").manifest["files"]
