"""One file of named columns and a JSON description: ``.nsp`` programs and run columns.

The file is a zip of ``.npy`` members (so `numpy.load` opens it) and one ``meta.json`` with the
schema, the caller's description and a SHA-256 digest of every column. Its comment, at the very
end, is the *seal*: the digest of all bytes before it, so that no flipped bit goes unnoticed. Equal
content gives equal bytes: members are sorted and carry no time stamp. Nothing is ever pickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError, UsageError
from neurosim.files.needed import need_file
from neurosim.pages import zeros

Columns = Mapping[str, npt.NDArray[Any]]
_META = "meta.json"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_SEAL = b"sha256:"
_SEAL_BYTES = len(_SEAL) + 64
_BLOCK_BYTES = 1 << 20
_LINE_BYTES = 64  # of a cache
_HEADER_BYTES = 10 + (1 << 16)  # most that a header of version 1.0 takes


def write_archive(path: Path, schema: str, meta: Mapping[str, Any], columns: Columns) -> None:
    """Write `columns` and `meta` to `path`, aside first, then renamed: all or nothing."""
    payload = {f"{name}.npy": _npy_bytes(array) for name, array in sorted(columns.items())}
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in payload.items()}
    body = {"schema": schema, "meta": dict(meta), "columns": digests}
    body["digest"] = _body_digest(body)
    text = json.dumps(body, sort_keys=True, indent=1, allow_nan=False).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in [(_META, text), *payload.items()]:
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data, compresslevel=4)
        archive.comment = bytes(_SEAL_BYTES)
    unsealed = buffer.getvalue()[:-_SEAL_BYTES]
    write_atomically(path, unsealed + _seal(hashlib.sha256(unsealed).hexdigest()))


def read_archive(
    path: Path, schema: str, older: tuple[str, ...] = ()
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Read and verify a file of `write_archive`; raises InputFileError naming what is wrong.

    Files of the schemas `older` are read, too; what they lack is up to the caller.
    """
    need_file(path)
    try:
        is_sealed = _check_seal(path)
        with zipfile.ZipFile(path) as archive:
            return _read_members(path, archive, (schema, *older), is_sealed)
    except zipfile.BadZipFile as error:
        raise InputFileError(
            f"{path}: not a readable neurosim file: {_why_no_archive(path, error)}. Copy it again, "
            "or write it again with the command that made it."
        ) from None
    except (
        zipfile.LargeZipFile,
        EOFError,
        OSError,
        KeyError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        UnicodeDecodeError,
        MemoryError,
    ) as error:
        if isinstance(error, InputFileError):
            raise
        raise InputFileError(
            f"{path}: not a readable neurosim file ({type(error).__name__}: {error})."
        ) from None
    except Exception as error:  # zlib.error has no public base class
        if type(error).__module__ != "zlib":
            raise
        raise InputFileError(f"{path}: damaged ({error}).") from None


def _why_no_archive(path: Path, error: zipfile.BadZipFile) -> str:
    n_bytes = path.stat().st_size
    if n_bytes == 0:
        return "it is empty"
    if not zipfile.is_zipfile(path):
        return f"its {n_bytes} bytes are cut short or of another kind"
    return f"it is damaged ({error})"


def _seal(hexdigest: str) -> bytes:
    return _SEAL + hexdigest.encode()


def _check_seal(path: Path) -> bool:
    """Whether the file has a seal; raises InputFileError if it is broken."""
    n_covered = path.stat().st_size - _SEAL_BYTES
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while n_covered > 0 and (block := stream.read(min(n_covered, _BLOCK_BYTES))):
            digest.update(block)
            n_covered -= len(block)
        found = stream.read()
    if found == _seal(digest.hexdigest()):
        return True
    if found.startswith(_SEAL):
        raise InputFileError(f"{path}: was changed after it was written (digest of the file).")
    return False


def _read_members(
    path: Path, archive: zipfile.ZipFile, schemas: tuple[str, ...], is_sealed: bool
) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    if _META not in archive.namelist():
        raise InputFileError(
            f"{path}: neurosim did not write this zip file; it holds no {_META}. Arrays (.npz) are "
            "inputs, not programs."
        )
    body = json.loads(archive.read(_META))
    if not isinstance(body, dict) or body.get("schema") not in schemas:
        found = body.get("schema") if isinstance(body, dict) else None
        raise InputFileError(
            f"{path}: holds the schema {found!r}; this version of neurosim reads "
            f"{', '.join(map(repr, schemas))}."
        )
    if not is_sealed:
        raise InputFileError(
            f"{path}: does not end with the digest of the file: it was changed, or written by an "
            "early version of neurosim. Write it again."
        )
    if body.get("digest") != _body_digest(body):
        raise InputFileError(f"{path}: meta.json was changed after it was written (digest).")
    columns = {}
    for member, digest in body["columns"].items():
        data = _read_member(archive, member)
        if hashlib.sha256(data.data).hexdigest() != digest:
            raise InputFileError(
                f"{path}: column {member} was changed after it was written (digest)."
            )
        columns[member.removesuffix(".npy")] = _column(data)
    meta: dict[str, Any] = body["meta"]
    return meta, columns


def _read_member(archive: zipfile.ZipFile, member: str) -> npt.NDArray[np.uint8]:
    """All bytes of a member, written to where they stay: at the beginning of a cache line.

    Zeros are not written: they need no memory until somebody writes there.
    """
    size, n_read = archive.getinfo(member).file_size, 0
    room = zeros(size + _LINE_BYTES, np.uint8)
    first = -room.ctypes.data % _LINE_BYTES
    data = room[first : first + size]
    with archive.open(member) as stream:
        while block := stream.read(_BLOCK_BYTES):
            values = np.frombuffer(block, np.uint8)
            if values.any():
                data[n_read : n_read + len(block)] = values
            n_read += len(block)
    return data


def _column(data: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
    """The array of a ``.npy`` member, without a copy of its bytes."""
    stream = io.BytesIO(data.data[:_HEADER_BYTES])
    if np.lib.format.read_magic(stream) != (1, 0):
        raise ValueError("not a column of version 1.0")
    shape, by_column, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.hasobject or by_column:
        raise ValueError("not a column of plain numbers")
    n = int(np.prod(shape))
    if stream.tell() + n * dtype.itemsize != data.size:
        raise ValueError("not as long as its header says")
    return data[stream.tell() :].view(dtype).reshape(shape)


def _npy_bytes(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(
        buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False
    )
    return buffer.getvalue()


def _body_digest(body: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in body.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` beside `path`, flush it to the disk, then rename: old or new, never half."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(aside, 0o644)
        os.replace(aside, path)
    except OSError as error:
        Path(aside).unlink(missing_ok=True)
        raise UsageError(f"{path}: cannot be written ({error.strerror}).") from None
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
