"""Event lists in numpy files: ``.npy`` tables and ``.npz`` columns.

Read are

- ``.npy`` with named fields: x, y, one of t / ts / timestamp / t_us, one of p / pol / polarity
  / on;
- ``.npy`` with shape (n, 4): the order of the columns is an option (``columns="xypt"``);
- ``.npz`` with one array per column, under the names above; the sensor size that `write_npz`
  puts beside them is used (the conventions there only say where the events came from).

Polarities may be 0 and 1, -1 and 1, or booleans. Times are in ``time_unit`` (default us).
Nothing is unpickled; a header is compared with the bytes that are there before anything is
allocated. Without a declared sensor the size is the smallest that holds all addresses.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.data.events import (
    MAX_SIDE,
    Conventions,
    Events,
    ReadOptions,
    build_events,
    file_columns,
)
from neurosim_mapper.data.files import read_bytes, write_aside

DEFAULT_NPY = Conventions(source="npy")
DEFAULT_NPZ = Conventions(source="npz")
UNIT_US = {"ns": 1e-3, "us": 1.0, "ms": 1e3, "s": 1e6}
MAX_INFLATION = 1100
_NAMES = {
    "x": ("x",),
    "y": ("y",),
    "p": ("p", "pol", "polarity", "on"),
    "t": ("t_us", "t", "ts", "timestamp"),
}
_MAX_TIME_US = float(1 << 62)


def read_npy(path: str | Path, options: ReadOptions | None = None) -> Events:
    """Read a ``.npy`` event list.

    Raises
    ------
    InputFileError
        If the array is no event list, is cut off, or holds objects.
    """
    options = options or ReadOptions()
    name = Path(path).name
    data = read_bytes(path).tobytes()
    table = load_array(io.BytesIO(data), len(data), name)
    if table.dtype.names:
        columns = {k: table[_pick(name, k, table.dtype.names)] for k in _NAMES}
        if table.ndim != 1:
            raise InputFileError(f"{name}: the table has shape {table.shape}, (n,) is needed.")
    else:
        if table.ndim != 2 or table.shape[1] != 4:
            raise InputFileError(
                f"{name}: the array has shape {table.shape}; (n, 4), or named fields x, y, p, t, "
                "are needed."
            )
        if sorted(options.columns) != sorted("xypt"):
            raise UsageError(f"columns: {options.columns!r} is no permutation of 'xypt'.")
        columns = {key: table[:, i] for i, key in enumerate(options.columns)}
    return _events(name, columns, options, options.resolve(DEFAULT_NPY), None, "t")


def read_npz(path: str | Path, options: ReadOptions | None = None) -> Events:
    """Read a ``.npz`` event list.

    Raises
    ------
    InputFileError
        If a column is missing, damaged, or the archive is no npz.
    """
    options = options or ReadOptions()
    name = Path(path).name
    data = read_bytes(path).tobytes()
    arrays = load_archive(data, name, {n for names in _NAMES.values() for n in names} | {"meta"})
    meta = arrays.pop("meta", None)
    keys = {k: _pick(name, k, tuple(arrays)) for k in _NAMES}
    sensor, stored = _stored(name, meta)
    columns = {k: arrays[key] for k, key in keys.items()}
    return _events(name, columns, options, options.resolve(stored), sensor, keys["t"])


def _pick(name: str, key: str, names: tuple[str, ...]) -> str:
    for candidate in _NAMES[key]:
        if candidate in names:
            return candidate
    found = f"only {', '.join(names)[:80]}" if names else "nor any other of an event list"
    raise InputFileError(f"{name}: there is no column {' / '.join(_NAMES[key])}, {found}.")


def _stored(name: str, meta: NDArray[Any] | None) -> tuple[tuple[int, int] | None, Conventions]:
    if meta is None:
        return None, DEFAULT_NPZ
    try:
        values = json.loads(str(meta[()])) if meta.dtype.kind == "U" and meta.ndim == 0 else {}
        width, height = int(values["width"]), int(values["height"])
        if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError) as error:
        raise InputFileError(
            f"{name}: 'meta' must be JSON text with width and height from 1 to {MAX_SIDE}."
        ) from error
    return (width, height), DEFAULT_NPZ


def _events(
    name: str,
    columns: dict[str, NDArray[Any]],
    options: ReadOptions,
    conventions: Conventions,
    sensor: tuple[int, int] | None,
    time_name: str,
) -> Events:
    shape = columns["t"].shape
    for key, column in columns.items():
        if column.ndim != 1 or column.shape != shape:
            raise InputFileError(
                f"{name}: column {key} has shape {column.shape}, the times have {shape}: "
                "one entry per event is needed."
            )
    unit = options.time_unit or "us"
    if unit not in UNIT_US:
        raise UsageError(f"time unit: {unit!r} is unknown. Known are {', '.join(UNIT_US)}.")
    scale = 1.0 if time_name == "t_us" else UNIT_US[unit]
    x, y = (_whole(name, key, columns[key], MAX_SIDE) for key in "xy")
    t_us = _times(name, columns["t"], scale)
    p = _polarity(name, columns["p"])
    sensor = options.sensor or sensor or _smallest_sensor(x, y, conventions)
    return build_events(
        name, (x, y, p, t_us), sensor, conventions, lambda i: f"event {i} (row {i})"
    )


def _whole(name: str, key: str, column: NDArray[Any], limit: int) -> NDArray[np.int64]:
    if column.dtype.kind not in "iuf":
        raise InputFileError(f"{name}: column {key} is {column.dtype}, numbers are needed.")
    wrong = ~((column >= 0) & (column < limit))
    if column.dtype.kind == "f":
        wrong |= np.floor(column) != column
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise InputFileError(
            f"{name}: event {i} has {key} = {column[i]}, whole numbers from 0 to {limit - 1} "
            "are needed. Check the order of the columns."
        )
    return column.astype(np.int64)


def _times(name: str, column: NDArray[Any], scale: float) -> NDArray[np.int64]:
    if column.dtype.kind not in "iuf":
        raise InputFileError(f"{name}: the times are {column.dtype}, numbers are needed.")
    wrong = ~((column.astype(np.float64) * scale < _MAX_TIME_US) & (column >= 0))
    if wrong.any():
        i = int(np.flatnonzero(wrong)[0])
        raise InputFileError(
            f"{name}: event {i} has time {column[i]}, times from 0 to 2**62 us are needed."
        )
    if column.dtype.kind in "iu" and scale == 1.0:
        return column.astype(np.int64)
    return np.rint(column.astype(np.float64) * scale).astype(np.int64)


def _polarity(name: str, column: NDArray[Any]) -> NDArray[np.uint8]:
    if column.dtype.kind not in "biuf":
        raise InputFileError(f"{name}: the polarities are {column.dtype}, numbers are needed.")
    values = np.unique(column)
    signed = values.size > 0 and values[0] == -1
    allowed = (-1, 1) if signed else (0, 1)
    if not np.isin(values, allowed).all():
        raise InputFileError(
            f"{name}: the polarities take the values {values[:5].tolist()}; "
            "0 and 1, or -1 and 1, are needed. Check the order of the columns."
        )
    return (column > 0).astype(np.uint8)


def _smallest_sensor(
    x: NDArray[np.int64], y: NDArray[np.int64], conventions: Conventions
) -> tuple[int, int]:
    width, height = (int(v.max()) + 1 if v.size else 1 for v in (x, y))
    return (height, width) if conventions.swap_xy else (width, height)


def load_array(stream: IO[bytes], n_bytes: int, name: str) -> NDArray[Any]:
    """Read one npy array of at most `n_bytes` bytes, header included, without pickles.

    Raises
    ------
    InputFileError
        If the header is damaged, holds objects, or announces other than the bytes there are.
    """
    try:
        version = npy.read_magic(stream)
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, fortran, dtype = header(stream)
        offset = stream.tell()
    except Exception as error:  # the parser of a damaged header raises almost anything
        raise InputFileError(f"{name}: this is no npy array, or its header is damaged.") from error
    if dtype.hasobject:
        raise InputFileError(f"{name}: the array holds Python objects, which are never loaded.")
    count = 1
    for side in shape:
        count *= max(int(side), 0)
    need = count * dtype.itemsize
    if need != n_bytes - offset or min(shape, default=0) < 0 or dtype.itemsize == 0:
        raise InputFileError(
            f"{name}: the header announces {need} bytes ({dtype}, shape {shape}), "
            f"the file holds {n_bytes - offset}: it is cut off or damaged."
        )
    data = stream.read(need)
    if len(data) != need:
        raise InputFileError(f"{name}: {need} bytes were announced, {len(data)} are there.")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")


def load_archive(data: bytes, name: str, wanted: set[str]) -> dict[str, NDArray[Any]]:
    """Read those arrays of an npz whose names are in `wanted`.

    A member may be at most 1100 times larger than its compressed bytes, more than deflate can do.

    Raises
    ------
    InputFileError
        If the archive or one of these members is damaged.
    """
    arrays: dict[str, NDArray[Any]] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for info in archive.infolist():
                key = info.filename.removesuffix(".npy")
                if key not in wanted or key in arrays:
                    continue
                if info.file_size > MAX_INFLATION * min(info.compress_size, len(data)) + 1024:
                    raise InputFileError(
                        f"{name}: member {key!r} claims {info.file_size} bytes from "
                        f"{info.compress_size} compressed ones: the archive is damaged."
                    )
                with archive.open(info) as member:
                    arrays[key] = load_array(member, info.file_size, f"{name}: {key}")
    except InputFileError:
        raise
    except (
        zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError,
        RuntimeError, IndexError, KeyError, OverflowError, MemoryError, UnicodeError,
    ) as error:  # fmt: skip
        raise InputFileError(f"{name}: this is no npz archive, or it is damaged.") from error
    return arrays


def write_npy(path: str | Path, events: Events, *, conventions: Conventions = DEFAULT_NPY) -> None:
    """Write a ``.npy`` table with the fields x, y, p, t (us)."""
    x, y, p = file_columns(events, conventions)
    fields = [("x", "<u2"), ("y", "<u2"), ("p", "u1"), ("t", "<i8")]
    table = np.empty(len(events), dtype=np.dtype(fields))
    table["x"], table["y"], table["p"], table["t"] = x, y, p, events.t_us
    with write_aside(path) as stream:
        np.save(stream, table, allow_pickle=False)


def write_npz(path: str | Path, events: Events, *, conventions: Conventions = DEFAULT_NPZ) -> None:
    """Write a ``.npz`` with x, y, p, t_us and ``meta`` (JSON: width, height, conventions)."""
    x, y, p = file_columns(events, conventions)
    meta = {
        "width": events.width,
        "height": events.height,
        "conventions": events.conventions.as_dict(),
    }
    with write_aside(path) as stream:
        np.savez_compressed(
            stream,
            x=x.astype(np.uint16),
            y=y.astype(np.uint16),
            p=p.astype(np.uint8),
            t_us=events.t_us,
            meta=np.array(json.dumps(meta, sort_keys=True)),
        )
