"""What is wrong with a path that should be a file, and with a zip container, in one wording."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

from neurosim.errors import InputFileError

ZIP_ERRORS: Final = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    NotImplementedError,  # a way of packing that is not known
    RuntimeError,  # a password
    OSError,  # a member that begins outside the file
)
"""What opening and unpacking a damaged zip container raises; its members may raise more."""


def need_file(path: Path) -> None:
    """Raise InputFileError unless `path` is a regular file."""
    if path.is_file():
        return
    if path.is_dir():
        what = "is a folder; a file is needed"
    else:
        what = "is not a regular file" if path.exists() else "no such file"
    raise InputFileError(f"{path}: {what}.")


def damaged_zip(path: Path, error: Exception) -> InputFileError:
    """The error to raise for `error`, one of `ZIP_ERRORS`."""
    return InputFileError(
        f"{path}: is a damaged zip file ({error}). Copy it again, or save it again."
    )
