"""Sweeps: points, keys, the Pareto front, the table; what is kept and what is computed again."""

from __future__ import annotations

import csv
import itertools
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.sweeps import N_POINTS, write_study

from neurosim.chip.files import chip_with, load_chip
from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.sweep import read_study, run_study
from neurosim_mapper.sweep.metrics import pareto_front
from neurosim_mapper.sweep.study import points_of
from neurosim_mapper.sweep.task import Materials

FIGURES = st.lists(
    st.fixed_dictionaries({"a": st.integers(0, 4), "b": st.integers(0, 4)}), max_size=12
)


@given(FIGURES)
def test_the_front_is_what_nobody_beats(rows):
    """Against the definition, pair by pair: `a` shall be large, `b` small."""

    def beats(one, other):
        as_good = one["a"] >= other["a"] and one["b"] <= other["b"]
        return as_good and (one["a"], one["b"]) != (other["a"], other["b"])

    expected = [i for i, row in enumerate(rows) if not any(beats(o, row) for o in rows)]
    assert pareto_front(rows, {"a": "max", "b": "min"}) == expected


def test_points_are_every_entry_with_every_combination(tmp_path):
    study = read_study(
        write_study(
            tmp_path,
            grid={"weight_bits": [4, 8], "core.axons": [64, 128]},
            points=[{"seed": 1}, {"seed": 2}],
        )
    )
    points = list(points_of(study, tmp_path))
    found = [(p.axes["seed"], p.axes["weight_bits"], p.chip_changes["core.axons"]) for p in points]
    assert found == list(itertools.product((1, 2), (4, 8), (64, 128)))
    assert [p.settings.weight_bits for p in points] == [4, 4, 8, 8] * 2
    assert study.n_points == len(points)
    assert study.axes == ["seed", "weight_bits", "core.axons"]


def test_a_changed_chip_says_so():
    chip = chip_with(load_chip("tianjic"), {"core.axons": 128, "energy.mac_pj": 1.5}, "set by me")
    assert chip.core.axons == 128
    assert chip.core.neurons == load_chip("tianjic").core.neurons
    assert chip.energy.mac_pj.value == 1.5
    assert (chip.energy.mac_pj.source, chip.energy.mac_pj.kind) == ("set by me", "assumption")
    said = [entry for entry in chip.sources if "core.axons" in entry.of]
    assert [(entry.source, entry.kind) for entry in said] == [("set by me", "assumption")]


def test_a_change_that_is_no_chip_is_refused():
    with pytest.raises(InputFileError, match=r"^chip: core\.axons needs a whole number"):
        chip_with(load_chip("tianjic"), {"core.axons": 0}, "set by me")


def test_a_sweep_and_what_it_keeps(tmp_path):
    """Every point is there; a second run computes nothing; a changed option only its points."""
    study, out = write_study(tmp_path), tmp_path / "out"
    first = run_study(study, out, workers=1)
    assert len(first.rows) == N_POINTS
    assert [row["status"] for row in first.rows] == ["done", "done", "failed", "failed"]
    assert "axons" in first.rows[2]["reason"]
    with (out / "result" / "table.csv").open(newline="") as stream:
        table = list(csv.DictReader(stream))
    assert [float(row["accuracy"]) for row in table[:2]] == [
        row["accuracy"] for row in first.rows[:2]
    ]
    before = {path: path.stat().st_mtime_ns for path in (out / "points").iterdir()}
    again = run_study(study, out, workers=1)
    assert (again.n_kept, again.rows) == (N_POINTS, first.rows)
    assert {path: path.stat().st_mtime_ns for path in (out / "points").iterdir()} == before
    changed = write_study(tmp_path, grid={"weight_bits": [8, 5], "core.axons": [64, 1]})
    third = run_study(changed, out, workers=1)
    assert third.n_kept == N_POINTS // 2
    assert third.rows[0] == first.rows[1] | {"point": 0, "pareto": third.rows[0]["pareto"]}


def test_a_damaged_point_is_computed_again(tmp_path):
    study, out = write_study(tmp_path), tmp_path / "out"
    first = run_study(study, out, workers=1)
    path = next(p for p in sorted((out / "points").iterdir()) if b'"done"' in p.read_bytes())
    path.write_bytes(path.read_bytes().replace(b'"cores": ', b'"cores": 1'))
    again = run_study(study, out, workers=1)
    assert (again.n_kept, again.rows) == (N_POINTS - 1, first.rows)


def test_the_key_follows_the_bytes_of_the_files(tmp_path):
    path = write_study(tmp_path)
    point = next(points_of(read_study(path), tmp_path))
    before = Materials().key(point)
    assert Materials().key(point) == before
    (tmp_path / "x.npz").write_bytes((tmp_path / "x.npz").read_bytes() + b"\0")
    assert Materials().key(point) != before


def test_files_of_somebody_else_stay(tmp_path):
    study, out = write_study(tmp_path), tmp_path / "out"
    out.mkdir()
    (out / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match=r"holds thesis\.tex, which no sweep wrote"):
        run_study(study, out, workers=1)


def test_names_in_the_page_are_escaped(tmp_path):
    name = "<script>alert(1)</script>"
    study = write_study(tmp_path, name=name, grid={"network": ["<b>.nir", "net.nir"]})
    run_study(study, tmp_path / "out", workers=1)
    page = (tmp_path / "out" / "result" / "sweep.html").read_text()
    assert name not in page
    assert "<b>" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=.?(http|//)", page)


def test_equal_studies_give_equal_bytes_with_any_number_of_workers(tmp_path):
    study = write_study(tmp_path)
    folders = [tmp_path / f"out{n}" for n in (1, 2)]
    for n, folder in zip((1, 2), folders, strict=True):
        run_study(study, folder, workers=n)
    for name in ("table.csv", "sweep.json", "sweep.html"):
        one, two = ((folder / "result" / name).read_bytes() for folder in folders)
        assert one == two, name


def test_a_dask_cluster_gives_the_same_table(tmp_path):
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    study = write_study(tmp_path)
    run_study(study, tmp_path / "here", workers=1)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:
        run_study(study, tmp_path / "there", dask=cluster.scheduler_address)
    here, there = (tmp_path / name / "result" / "table.csv" for name in ("here", "there"))
    assert here.read_bytes() == there.read_bytes()


def test_the_data_of_a_sweep_is_plain(tmp_path):
    done = run_study(write_study(tmp_path), tmp_path / "out", workers=1)
    text = (tmp_path / "out" / "result" / "sweep.json").read_text()
    assert json.loads(text) == done.to_dict()
    assert Path(tmp_path / "out" / "result").is_dir()
    assert np.isfinite([row["energy_pj"] for row in done.rows[:2]]).all()
