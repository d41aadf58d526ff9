"""``.safetensors`` files: a JSON header with types, shapes and offsets, then the bytes.

Promised: the header is checked against the size of the file before anything is read.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError

DTYPES: Final = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}


def looks_like_safetensors(head: bytes, n_bytes: int) -> bool:
    """Whether a file starts with the length of a header and a JSON object."""
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") <= n_bytes


def read_safetensors(path: Path) -> dict[str, npt.NDArray[Any]]:
    """All tensors by name. Raises InputFileError, naming file and reason, for a damaged file."""
    content = path.read_bytes()
    n_header = int.from_bytes(content[:8], "little")
    if len(content) < 8 or n_header > len(content) - 8:
        raise InputFileError(f"{path}: is cut off; its header has {n_header} bytes.")
    try:
        header = json.loads(content[8 : 8 + n_header], object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputFileError(f"{path}: its header is not valid JSON ({reason}).") from None
    if not isinstance(header, dict):
        raise InputFileError(f"{path}: its header is no JSON object.")
    body = memoryview(content)[8 + n_header :]
    try:
        return {
            name: _tensor(body, entry) for name, entry in header.items() if name != "__metadata__"
        }
    except _DamagedError as problem:
        raise InputFileError(f"{path}: is damaged: {problem}.") from None


class _DamagedError(Exception):
    """What is wrong, as the end of a sentence."""


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is there twice")
    return found


def _whole_numbers(what: Any) -> TypeGuard[list[int]]:
    return isinstance(what, list) and all(type(n) is int and n >= 0 for n in what)


def _tensor(body: memoryview, entry: Any) -> npt.NDArray[Any]:
    if not isinstance(entry, dict):
        raise _DamagedError("an entry of the header is no object")
    kind, shape, limits = entry.get("dtype"), entry.get("shape"), entry.get("data_offsets")
    if not isinstance(kind, str) or kind not in DTYPES:
        raise _DamagedError(f"the type {kind!r} is not known")
    if not _whole_numbers(shape) or not _whole_numbers(limits):
        raise _DamagedError("a shape or an offset is no list of whole numbers")
    dtype = np.dtype(DTYPES[kind])
    n_bytes = math.prod(shape) * dtype.itemsize
    if len(limits) != 2 or limits[1] - limits[0] != n_bytes or limits[1] > len(body):
        raise _DamagedError(f"a tensor of shape {tuple(shape)} needs {n_bytes} bytes, has {limits}")
    if len(shape) > 32:
        raise _DamagedError(f"a tensor has {len(shape)} axes")
    values = np.frombuffer(body[limits[0] : limits[1]], dtype).reshape(shape)
    if kind == "BF16":
        return (values.astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return values
