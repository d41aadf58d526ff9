"""A recording on the disk, read piece by piece: ``.npy``, or ``x`` of a ``.npz``.

Enters: a file. Leaves: a `Recording`, its ticks and a way to read them in order. Promised: memory
for one piece, however long the file is; nothing is unpickled.
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError
from neurosim.files.needed import need_file
from neurosim.run.inputs import read_header

_MEMBER: Final = "x.npy"


@dataclass(frozen=True)
class Recording:
    """A file with ``x`` of shape (ticks, *shape), or (1, ticks, *shape).

    Attributes
    ----------
    ticks : of input. shape, dtype : of one tick.
    """

    path: Path
    ticks: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def pieces(self, n_ticks: int) -> Iterator[npt.NDArray[Any]]:
        """Arrays (`n_ticks`, *shape), the last one shorter.

        Raises InputFileError if the file is damaged.
        """
        size = int(np.prod(self.shape)) * self.dtype.itemsize
        with _reading(self.path) as stream:
            read_header(self.path, stream, "x")
            for first in range(0, self.ticks, n_ticks):
                n = min(n_ticks, self.ticks - first)
                content = stream.read(n * size)
                if len(content) < n * size:
                    raise InputFileError(f"{self.path}: is damaged (x is cut off).")
                yield np.frombuffer(content, self.dtype).reshape(n, *self.shape)


def open_recording(path: str | Path, input_shape: tuple[int, ...]) -> Recording:
    """Look at a file, without reading its data.

    Raises
    ------
    InputFileError : no such file, another format, no numbers, or a shape that does not fit.
    """
    path = Path(path)
    need_file(path)
    with _reading(path) as stream:
        shape, fortran, dtype = read_header(path, stream, "x")
    if dtype.kind not in "buif":
        raise InputFileError(f"{path}: x has dtype {dtype}; numbers are needed.")
    found = shape[1:] if len(shape) == len(input_shape) + 2 and shape[:1] == (1,) else shape
    if found[1:] != input_shape or not found or found[0] < 1:
        inner = ", ".join(str(n) for n in input_shape)
        raise InputFileError(f"{path}: x has shape {shape}; needed: (ticks, {inner}).")
    if fortran and len([n for n in shape if n > 1]) > 1:
        raise InputFileError(
            f"{path}: x is stored in the order of Fortran, so its ticks lie scattered. Save "
            "numpy.ascontiguousarray(x)."
        )
    return Recording(path, int(found[0]), input_shape, dtype)


@contextmanager
def _reading(path: Path) -> Iterator[IO[bytes]]:
    """The stream of the array; what is wrong with the file becomes one sentence."""
    try:
        if not zipfile.is_zipfile(path):
            with path.open("rb") as stream:
                yield stream
            return
        with zipfile.ZipFile(path) as archive:
            if _MEMBER not in archive.namelist():
                raise InputFileError(f"{path}: holds no array named 'x'.")
            with archive.open(_MEMBER) as stream:
                yield stream
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError):
        raise InputFileError(f"{path}: is damaged, or no .npy and no .npz file.") from None
    except (zlib.error, EOFError, SyntaxError, tokenize.TokenError) as error:
        raise InputFileError(f"{path}: is damaged ({error}).") from None
    except InputFileError:
        raise
    except ValueError as error:
        raise InputFileError(f"{path}: is no .npy and no .npz file ({error}).") from None
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror or error}).") from None
