"""Where a result comes from: versions of what computed it, digests of what went in.

Digests are SHA-256 in hexadecimal. That of a Program or Chip follows from its content alone, so
it is the same before saving and after loading.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any, Final

from neurosim import __version__
from neurosim.chip.model import Chip
from neurosim.errors import InputFileError
from neurosim.program.columns import Program

_PACKAGES: Final = ("numpy", "numba", "pydantic")
_BLOCK_BYTES: Final = 1 << 20


def versions() -> dict[str, str]:
    """Versions of neurosim, Python and the packages that compute results."""
    found = {"neurosim": __version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "unknown"
    return found


@cache
def code_digest(*packages: str) -> str:
    """Digest of every Python file of some packages: another digest may mean other results."""
    digest = hashlib.sha256()
    for package in packages:
        spec = importlib.util.find_spec(package)
        for folder in spec.submodule_search_locations or () if spec is not None else ():
            for path in sorted(Path(folder).rglob("*.py")):
                digest.update(path.relative_to(folder).as_posix().encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def bytes_digest(data: bytes) -> str:
    """Digest of some bytes."""
    return hashlib.sha256(data).hexdigest()


def file_digest(path: str | Path) -> str:
    """Digest of a file's content; raises InputFileError if it cannot be read."""
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}).") from None
    return digest.hexdigest()


def json_digest(data: Any) -> str:
    """Digest of plain JSON data, whatever the order of its keys."""
    return bytes_digest(json.dumps(data, sort_keys=True, separators=(",", ":")).encode())


def chip_digest(chip: Chip) -> str:
    """Digest of the resolved chip."""
    return json_digest(chip.to_dict())


def program_digest(program: Program) -> str:
    """Digest of every column and every plain field of a Program."""
    columns = {
        name: [str(array.dtype), list(array.shape), bytes_digest(array.tobytes())]
        for name, array in program.stored_columns().items()
    }
    tables = {name.partition(".")[0] for name in columns}
    rest: dict[str, Any] = {}
    for field in fields(program):
        value = getattr(program, field.name)
        if field.name == "chip":
            rest["chip"] = program.chip.to_dict()
        elif field.name == "input_code":
            rest["input_code"] = asdict(program.input_code)
        elif field.name not in tables:
            rest[field.name] = dict(value) if isinstance(value, Mapping) else value
    return json_digest({"columns": columns, "fields": rest})


def program_name(program: Program) -> str:
    """What to call a program in a report: its checkpoint's name, else its layers."""
    said = program.provenance
    checkpoint = said.get("checkpoint")
    if isinstance(checkpoint, Mapping) and checkpoint.get("file"):
        return Path(str(checkpoint["file"])).stem
    for key in ("name", "file"):
        if said.get(key):
            return Path(str(said[key])).stem
    return " > ".join(program.layer_names)
