"""kill -9 at random moments, a full disk, a target that cannot be written."""

from __future__ import annotations

import os
import resource
import shutil

import pytest
from support.kills import VICTIMS, kill_often, prepare, run_aside

KILLS = 5
SMALLEST_RESULT = 1000


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    prepare(folder)
    return folder


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "work")


@pytest.mark.parametrize("name", VICTIMS)
def test_killed_commands_leave_the_old_result_or_the_new_one(name, folder):
    found = kill_often(name, folder, KILLS, seed=1)
    assert sum(found.values()) == KILLS


@pytest.mark.parametrize("name", VICTIMS)
def test_a_full_disk_is_one_sentence_and_leaves_nothing(name, folder):
    """The system refuses to write more than some bytes into any file."""

    def full() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (SMALLEST_RESULT, SMALLEST_RESULT))

    before = {path for path in folder.rglob("*") if path.name != "stderr.txt"}
    child = run_aside(VICTIMS[name].words, folder, full)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    said = (folder / "stderr.txt").read_text().splitlines()
    assert len(said) == 1
    assert "cannot be written (" in said[0]
    left = {path for path in folder.rglob("*") if path.name != "stderr.txt"} - before
    assert all(path.suffix == ".json" or path.name in ("out", "points") for path in left), left


@pytest.mark.parametrize("name", VICTIMS)
def test_a_target_that_cannot_be_written_is_one_sentence(name, folder):
    words = [word.replace(VICTIMS[name].target, "/proc/nothing/x") for word in VICTIMS[name].words]
    child = run_aside(words, folder)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
    said = (folder / "stderr.txt").read_text().splitlines()
    assert len(said) == 1
    assert "/proc/nothing" in said[0]
    assert "cannot be written" in said[0]
