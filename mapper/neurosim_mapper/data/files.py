"""Files in and out: a recording as bytes, and writing aside with a rename at the end."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import InputFileError, UsageError
from neurosim.files.needed import need_file

HEADER_LIMIT_BYTES = 1 << 20


def read_bytes(path: str | Path) -> NDArray[np.uint8]:
    """The bytes of a regular file, shape (n_bytes,).

    Raises
    ------
    InputFileError
        If there is no such file, or it is a folder, a device or a pipe.
    """
    path = Path(path)
    need_file(path)
    try:
        return np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}).") from error


def read_text(path: str | Path) -> str:
    """The text of a regular UTF-8 file.

    Raises
    ------
    InputFileError
        If there is no such file or it is no UTF-8 text.
    """
    data = read_bytes(path).tobytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputFileError(
            f"{path}: byte {error.start} is no UTF-8 text. A text file is needed here."
        ) from error
    if "\0" in text:
        raise InputFileError(f"{path}: byte {text.index(chr(0))} is zero, a text file is needed.")
    return text


@contextmanager
def write_aside(path: str | Path) -> Iterator[IO[bytes]]:
    """Open a file beside `path` for writing; rename it to `path` when all went well.

    Raises
    ------
    UsageError
        If the folder does not exist or cannot be written.
    """
    path = Path(path)
    try:
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written there ({error.strerror}).") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
        os.chmod(aside, 0o666 & ~_umask())
        os.replace(aside, path)
    except OSError as error:
        _remove(aside)
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from error
    except BaseException:
        _remove(aside)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _remove(path: str) -> None:
    Path(path).unlink(missing_ok=True)


def header_lines(data: NDArray[np.uint8], name: str) -> tuple[list[str], int]:
    """The leading ``#`` lines of an AEDAT file.

    A line belongs to the header if it starts with ``#`` and holds no control characters, so an
    event whose first byte happens to be ``#`` is not mistaken for one.

    Returns
    -------
    lines : list of str
        Without line ends.
    offset : int
        Byte at which the events begin.

    Raises
    ------
    InputFileError
        If the header is longer than 1 MiB.
    """
    head = data[: HEADER_LIMIT_BYTES + 1].tobytes()
    lines: list[str] = []
    offset = 0
    while head[offset : offset + 1] == b"#":
        stop = head.find(b"\n", offset)
        line = head[offset : stop if stop >= 0 else None]
        if _has_control_bytes(line.rstrip(b"\r")):
            break
        if stop < 0:
            if len(head) > HEADER_LIMIT_BYTES:
                raise InputFileError(
                    f"{name}: the text header is longer than {HEADER_LIMIT_BYTES} bytes."
                )
            lines.append(line.decode("latin-1").rstrip("\r"))
            return lines, len(head)
        lines.append(line.decode("latin-1").rstrip("\r"))
        offset = stop + 1
        if lines[-1] == "#!END-HEADER":
            break
    return lines, offset


def _has_control_bytes(line: bytes) -> bool:
    values = np.frombuffer(line, np.uint8)
    return bool(np.any((values < 32) & (values != 9)) or np.any(values == 127))
