"""One door for all formats: guess what a file is, and read it.

`READERS` is the list of formats; `guess_format` looks at the first bytes and says why it thinks
so. Writers stand beside the readers in the file of each format.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from neurosim.errors import InputFileError, UsageError
from neurosim.files.needed import need_file
from neurosim_mapper.data.aedat2 import read_aedat2
from neurosim_mapper.data.aedat4 import read_aedat4
from neurosim_mapper.data.aedat31 import read_aedat31
from neurosim_mapper.data.event_lists import read_npy, read_npz
from neurosim_mapper.data.events import Events, ReadOptions
from neurosim_mapper.data.nmnist import read_nmnist

Reader = Callable[[str | Path, ReadOptions | None], Events]

READERS: dict[str, Reader] = {
    "aedat2": read_aedat2,
    "aedat31": read_aedat31,
    "aedat4": read_aedat4,
    "nmnist": read_nmnist,
    "npy": read_npy,
    "npz": read_npz,
}

_MAGIC = (
    (b"#!AER-DAT1", "aedat2", "its first line says AEDAT 1"),
    (b"#!AER-DAT2", "aedat2", "its first line says AEDAT 2"),
    (b"#!AER-DAT3.1", "aedat31", "its first line says AEDAT 3.1"),
    (b"#!AER-DAT4", "aedat4", "its first line says AEDAT 4"),
    (b"\x93NUMPY", "npy", "it begins like an npy array"),
    (b"PK\x03\x04", "npz", "it begins like a zip archive"),
)


def guess_format(path: str | Path) -> tuple[str, str]:
    """Name a format by the first bytes of a file, and say why.

    Returns
    -------
    format : str
        A key of `READERS`.
    reason : str
        For people, e.g. ``"its first line says AEDAT 2"``.

    Raises
    ------
    InputFileError
        If nothing fits; the message names the formats to choose from.
    """
    path = Path(path)
    need_file(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
        size = path.stat().st_size
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}).") from error
    for magic, name, reason in _MAGIC:
        if head.startswith(magic):
            return name, reason
    if path.suffix.lower() == ".bin" and size % 5 == 0:
        return "nmnist", "it is called .bin and has a multiple of five bytes"
    if path.suffix.lower() in (".aedat", ".dat") and not head.startswith(b"#!"):
        return "aedat2", "it is called .aedat or .dat and has no version line: AEDAT 1.0"
    raise InputFileError(
        f"{path.name}: its first bytes fit no known format. "
        f"Name the format: {', '.join(sorted(READERS))}."
    )


def read_events(
    path: str | Path, format: str = "auto", options: ReadOptions | None = None
) -> Events:
    """Read a recording in any known format.

    Parameters
    ----------
    format : str
        A key of `READERS`, or ``auto`` to go by `guess_format`.

    Raises
    ------
    UsageError
        If the format is unknown.
    InputFileError
        If the file cannot be used; see the readers.
    """
    if format == "auto":
        format = guess_format(path)[0]
    if format not in READERS:
        raise UsageError(
            f"format: {format!r} is unknown. Known are auto, {', '.join(sorted(READERS))}."
        )
    return READERS[format](path, options)
