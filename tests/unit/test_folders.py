"""Whole folders: all or nothing, and nothing of somebody else is lost."""

from __future__ import annotations

import os
import threading

import pytest

from neurosim.errors import UsageError
from neurosim.files import folders
from neurosim.files.folders import check_replaceable, write_folder

KNOWN = ("mark", "a", "inner")


def content(path):
    return {
        str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()
    }


def test_new_folder(tmp_path):
    write_folder(tmp_path / "deep" / "run", {"mark": b"1", "inner/a": b"2"})
    assert content(tmp_path / "deep" / "run") == {"mark": b"1", "inner/a": b"2"}


@pytest.mark.parametrize("exchange", [True, False])
def test_an_old_folder_is_replaced_as_a_whole(tmp_path, monkeypatch, exchange):
    if not exchange:
        monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    write_folder(tmp_path / "run", {"mark": b"1", "a": b"old"})
    write_folder(tmp_path / "run", {"mark": b"2"})
    assert content(tmp_path / "run") == {"mark": b"2"}
    assert os.listdir(tmp_path) == ["run"]


def test_a_failure_leaves_the_old_folder_and_nothing_else(tmp_path, monkeypatch):
    write_folder(tmp_path / "run", {"mark": b"1"})

    def full(folder, files):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folders, "write_files", full)
    with pytest.raises(UsageError, match="cannot be written"):
        write_folder(tmp_path / "run", {"mark": b"2"})
    assert content(tmp_path / "run") == {"mark": b"1"}
    assert os.listdir(tmp_path) == ["run"]


def test_a_failed_rename_puts_the_old_folder_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "run", {"mark": b"1"})
    monkeypatch.setattr(folders, "_exchange", lambda one, other: False)
    real, calls = type(tmp_path).rename, []

    def second_fails(self, target):
        calls.append(self)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(type(tmp_path), "rename", second_fails)
    with pytest.raises(UsageError, match="cannot be written"):
        write_folder(tmp_path / "run", {"mark": b"2"})
    assert content(tmp_path / "run") == {"mark": b"1"}
    assert os.listdir(tmp_path) == ["run"]


def test_a_link_stays_a_link(tmp_path):
    write_folder(tmp_path / "real", {"mark": b"1"})
    (tmp_path / "run").symlink_to(tmp_path / "real")
    write_folder(tmp_path / "run", {"mark": b"2"})
    assert (tmp_path / "run").is_symlink()
    assert content(tmp_path / "real") == {"mark": b"2"}


@pytest.mark.skipif(os.uname().sysname != "Linux", reason="only Linux exchanges folders")
def test_a_reader_never_sees_half_a_folder(tmp_path):
    """While one thread replaces the folder, both files are always there and of one writing."""
    path = tmp_path / "run"
    write_folder(path, {"mark": b"0", "a": b"0"})
    stop, seen = threading.Event(), []

    def write():
        for i in range(1, 60):
            write_folder(path, {"mark": str(i).encode(), "a": str(i).encode()})
        stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not stop.is_set():
        folder = os.open(path, os.O_RDONLY)  # one folder, whatever its name points to later
        try:
            pair = [_read(folder, name) for name in ("mark", "a")]
        except FileNotFoundError:
            pair = None  # opened before, removed after the exchange: the old one
        finally:
            os.close(folder)
        if pair is not None:
            seen.append(pair)
    writer.join()
    assert seen
    assert all(first == second for first, second in seen)


def _read(folder, name):
    handle = os.open(name, os.O_RDONLY, dir_fd=folder)
    with os.fdopen(handle, "rb") as stream:
        return stream.read()


def test_what_may_be_replaced(tmp_path):
    check_replaceable(tmp_path / "new", "mark", KNOWN)
    check_replaceable(tmp_path, "mark", KNOWN)
    (tmp_path / "mark").touch()
    (tmp_path / "a").touch()
    check_replaceable(tmp_path, "mark", KNOWN)


def test_files_of_somebody_else_are_kept(tmp_path):
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UsageError) as caught:
        check_replaceable(tmp_path, "mark", KNOWN)
    assert str(caught.value) == (
        f"{tmp_path}: is a folder with other files (thesis.tex) and without mark; it is not "
        "replaced. Choose another -o."
    )
    (tmp_path / "mark").touch()
    with pytest.raises(UsageError) as caught:
        check_replaceable(tmp_path, "mark", KNOWN)
    assert str(caught.value) == (
        f"{tmp_path}: holds thesis.tex, which neurosim did not write, so the folder is not "
        "replaced. Move that file away, or choose another -o."
    )
    with pytest.raises(UsageError, match="is a file"):
        check_replaceable(tmp_path / "mark", "mark", KNOWN)
