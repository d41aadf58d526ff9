"""Placement files: out, edited, in again; and what is said about bad ones."""

from __future__ import annotations

import json

import numpy as np
import pytest
from support.chips import make_chip
from support.networks import random_network

from neurosim.errors import InputFileError
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.place.placement_file import (
    FilePlacer,
    pin_from_file,
    read_placement_file,
    write_placement_file,
)
from neurosim_mapper.place.problem import problem_of_pairs

CHIP = make_chip(core__axons=24, core__neurons=8)


def network():
    return random_network(np.random.default_rng(3), CHIP)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("placement") / "out.json"
    program = map_network(network(), CHIP, effort=1000)
    write_placement_file(program, path)
    return program, path


def coordinates(program):
    return list(zip(program.cores.x.tolist(), program.cores.y.tolist(), strict=True))


def test_out_and_in_again(written):
    program, path = written
    again = map_network(network(), CHIP, placer="random", placement=path)
    assert coordinates(again) == coordinates(program)
    assert again.mapping["placement"]["pinned"] == program.n_cores
    assert map_network(network(), CHIP, placer=FilePlacer(path)).n_cores == program.n_cores


def test_the_same_program_gives_the_same_file(written, tmp_path):
    program, path = written
    write_placement_file(program, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_cores_that_the_file_leaves_out_are_placed(written, tmp_path):
    _, path = written
    data = json.loads(path.read_text())
    kept = {"core": 1, "x": 7, "y": 7}  # without `holds`: an edited file
    (tmp_path / "part.json").write_text(json.dumps(data | {"cores": [kept]}))
    program = map_network(network(), CHIP, effort=1000, placement=tmp_path / "part.json")
    assert coordinates(program)[1] == (7, 7)
    assert program.mapping["placement"]["pinned"] == 1
    with pytest.raises(InputFileError, match="core 0 is missing; the mapping has"):
        map_network(network(), CHIP, placer=FilePlacer(tmp_path / "part.json"))


def row(**changes):
    return {"core": 0, "x": 1, "y": 1} | changes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "not a JSON file (Expecting property name"),
        ("[]", 'not a placement file, needs "schema": "neurosim-placement/1".'),
        ('{"schema": "other"}', "not a placement file,"),
        ([], None),
        ({"core": 0}, '"cores" must be a list of {"core", "x", "y"}.'),
        ([3], 'cores[0] must be an object with "core", "x", "y".'),
        ([row(z=1)], "cores[0] has the key 'z'; known: core, holds, x, y."),
        ([row(x=1.5)], "cores[0].x is 1.5; needs a whole number of 0 or more."),
        ([row(y=True)], "cores[0].y is True; needs a whole number of 0 or more."),
        ([row(core=-1)], "cores[0].core is -1; needs a whole number of 0 or more."),
        ([row(holds=3)], "cores[0].holds is 3; needs a text."),
        ([row(), row(x=2)], "core 0 appears twice."),
        ([row(core=4)], "core 4 does not exist, the mapping has 4 cores."),
        ([row(holds="b:1")], "core 0 holds 'b:1' in the file, 'a:8' in this mapping."),
        ([row(x=8)], "pin of core 0 at (8, 1): the chip 'test' reaches from (0, 0) to (7, 7)."),
        ([row(), row(core=1)], "pins of cores 0 and 1: both at (1, 1)."),
    ],
)
def test_bad_files(tmp_path, text, sentence):
    problem = problem_of_pairs(make_chip(), 4, [], [], [])
    object.__setattr__(problem, "labels", ("a:8", "a:8", "a:8", "a:8"))
    path = tmp_path / "bad.json"
    if not isinstance(text, str):
        text = json.dumps({"schema": "neurosim-placement/1", "chip": "test", "cores": text})
    path.write_text(text)
    if sentence is None:
        assert (pin_from_file(problem, path).pins == -1).all()
        return
    with pytest.raises(InputFileError) as error:
        pin_from_file(problem, path)
    assert str(error.value).startswith(f"{path}: {sentence}")


def test_no_such_file(tmp_path):
    with pytest.raises(InputFileError, match="cannot be read"):
        read_placement_file(tmp_path / "none.json")
