"""State dicts in ``.npz`` files. Nothing is unpickled; sizes are checked before memory is used."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError
from neurosim.files.needed import ZIP_ERRORS, damaged_zip

MAX_EXPANSION: Final = 64  # unpacked over packed size, beyond SMALL bytes
SMALL: Final = 64 << 20


def read_npz(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All arrays by name. Raises InputFileError, naming file and reason, for a damaged file."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [info for info in archive.infolist() if info.filename.endswith(".npy")]
            unpacked = sum(info.file_size for info in members)
            limit = max(SMALL, MAX_EXPANSION * path.stat().st_size)
            if unpacked > limit:
                raise InputFileError(
                    f"{path}: unpacks to {unpacked} bytes; at most {limit} are read from a file "
                    "of this size. Save it with numpy.savez, uncompressed."
                )
            return {info.filename[:-4]: _member(path, archive, info) for info in members}
    except InputFileError:
        raise
    except ZIP_ERRORS as error:
        raise damaged_zip(path, error) from None
    except (zlib.error, EOFError, ValueError, SyntaxError, TypeError, OverflowError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputFileError(f"{path}: is damaged ({reason}).") from None
    except tokenize.TokenError:
        raise InputFileError(f"{path}: is damaged (a header cannot be read).") from None


def _member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    name = info.filename[:-4]
    with archive.open(info) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise InputFileError(f"{path}: {name!r} has the unknown .npy version {version}.")
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, _, dtype = np.lib.format.read_array_header_2_0(stream)
        n_stored = info.file_size - stream.tell()
    if dtype.hasobject:
        raise InputFileError(f"{path}: {name!r} holds Python objects; they are never unpickled.")
    if math.prod(shape) * dtype.itemsize != n_stored or min(shape, default=0) < 0:
        raise InputFileError(f"{path}: {name!r} has shape {shape}, which its data do not fill.")
    with archive.open(info) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)
