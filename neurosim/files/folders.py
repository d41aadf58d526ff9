"""Whole folders, all or nothing: built aside, then put in place with one rename.

Where the system can exchange two folders in one step (Linux), a reader sees the old folder or the
new one at every moment; elsewhere an old folder is moved away first.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from neurosim.errors import UsageError

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def check_replaceable(path: Path, marker: str, known: Collection[str]) -> None:
    """Raise UsageError if a folder must not, or cannot, be written at `path`.

    Allowed are: nothing there, an empty folder, or a folder with the file `marker` in which
    everything is named in `known`, so that no file of somebody else can be lost.
    """
    if not path.exists():
        check_writable(path)
        return
    if not path.is_dir():
        raise UsageError(f"{path}: is a file; a folder is to be written there. Choose another -o.")
    found = sorted(entry.name for entry in path.iterdir())
    if found and marker not in found:
        raise UsageError(
            f"{path}: is a folder with other files ({found[0]}) and without {marker}; it is not "
            "replaced. Choose another -o."
        )
    foreign = [name for name in found if name not in known]
    if foreign:
        raise UsageError(
            f"{path}: holds {foreign[0]}, which neurosim did not write, so the folder is not "
            "replaced. Move that file away, or choose another -o."
        )


def check_writable(path: Path) -> None:
    """Raise UsageError if nothing can be made at `path`; better before a long run than after."""
    above = next(folder for folder in path.resolve().parents if folder.exists())
    if not above.is_dir():
        raise UsageError(f"{path}: cannot be written: {above} is no folder.")
    if not os.access(above, os.W_OK | os.X_OK):
        raise UsageError(f"{path}: cannot be written: {above} is read-only.")


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` (relative name to content) as the folder `path`, replacing an old one.

    Raises UsageError if it cannot be written; then the old folder is as it was.
    """
    with folder_aside(path) as aside:
        write_files(aside, files)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write `files` (relative name to content) into a folder of `folder_aside`, to the disk."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())


@contextmanager
def folder_aside(path: Path) -> Iterator[Path]:
    """A new folder, put in place as `path` when all went well, else removed.

    Raises UsageError if it cannot be written; then the old folder is as it was.
    """
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from None
    try:
        yield aside
        aside.chmod(0o755)
        _put_in_place(aside, path)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _put_in_place(aside: Path, path: Path) -> None:
    """Rename; whatever was at `path` is at `aside` afterwards, or gone."""
    if not path.exists():
        aside.rename(path)
        return
    if _exchange(aside, path):
        return
    old = Path(tempfile.mkdtemp(prefix=f".{path.name}.old.", dir=path.parent))
    path.rename(old)
    try:
        aside.rename(path)
    except OSError:
        old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two folders in one step; False where the system cannot."""
    if sys.platform != "linux":
        return False
    try:
        swap = ctypes.CDLL(None, use_errno=True).renameat2
    except (AttributeError, OSError):
        return False
    ends = (_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other))
    return bool(swap(*ends, ctypes.c_uint(_RENAME_EXCHANGE)) == 0)
