"""Files of every past schema version load, or are refused by the name of their schema."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support.chain import DEPTH, chain_chip, chain_network

import neurosim
from neurosim.chip.files import load_chip
from neurosim.errors import InputFileError
from neurosim.files.archive import write_archive
from neurosim.program.columns import PROGRAM_SCHEMA, load_program
from neurosim.results import RUN_SCHEMA, load_run_folder
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.sweep import read_study

PAST = Path(__file__).parent / "past"


def test_every_version_has_a_file():
    """A new schema needs a new file here, and its old one stays."""
    for name, schema in (("program", PROGRAM_SCHEMA), ("run", RUN_SCHEMA)):
        for version in range(1, int(schema.rpartition("/")[2]) + 1):
            assert list(PAST.glob(f"{name}_{version}*")), f"{name} {version}"


@pytest.mark.parametrize("name", [f"program_{n}.nsp" for n in range(1, 5)])
def test_program(name):
    """Relays hand every value on, one tick later each."""
    program = load_program(PAST / name)
    values = np.array([[[3], [9]]])
    np.testing.assert_array_equal(neurosim.simulate(program, values).outputs, values)
    assert program.depth_ticks == DEPTH - 1


def test_program_with_a_shared_kernel():
    """Four neurons hand four values on; the core keeps one weight for all of them."""
    program = load_program(PAST / "program_4_kernel.nsp")
    values = np.array([[[[[3, 0], [9, 255]]]]])
    np.testing.assert_array_equal(neurosim.simulate(program, values).outputs, [[[3, 0, 9, 255]]])
    assert program.kernels.weight.tolist() == [1]


def test_program_without_a_digest_of_the_file():
    path = PAST / "program_1_without_seal.nsp"
    with pytest.raises(InputFileError) as caught:
        load_program(path)
    assert str(caught.value) == (
        f"{path}: does not end with the digest of the file: it was changed, or written by an early "
        "version of neurosim. Write it again."
    )


def test_run_folder():
    found = load_run_folder(PAST / "run_1")
    np.testing.assert_array_equal(found.outputs, [[[5], [5]]])
    assert found.network is not None


def test_chip_study_and_placement():
    assert load_chip(PAST / "chip_1.yaml") == load_chip("tiny_2x2")
    assert read_study(PAST / "study_1.yaml").n_points == 4
    chip = chain_chip()
    map_network(chain_network(chip), chip, placement=PAST / "placement_1.json")


def test_versions_to_come_are_refused_by_name(tmp_path):
    path = tmp_path / "new.nsp"
    write_archive(path, "neurosim-program/99", {}, {})
    with pytest.raises(
        InputFileError, match=r"schema 'neurosim-program/99'; this version .* reads"
    ):
        load_program(path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text(json.dumps({"schema": "neurosim-run/99"}))
    with pytest.raises(InputFileError, match=r"schema 'neurosim-run/99'; this version"):
        load_run_folder(tmp_path / "run")
