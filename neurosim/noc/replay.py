"""Packet traces as CSV: read with every problem named by its row, played, compared, written."""

from __future__ import annotations

import csv
import gzip
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import InputFileError
from neurosim.files.archive import write_atomically
from neurosim.kernels.noc_layout import I64
from neurosim.noc.model import Noc
from neurosim.noc.simulate import NocResult, simulate_noc

NEEDED = ("src", "dst", "ctime")
KNOWN = ("pid", *NEEDED, "itime", "atime", "hops", "flits")


@dataclass(frozen=True)
class Trace:
    """Packets of a trace; `itime`, `atime`, `hops`, `flits` are None where the file has none."""

    src: I64
    dst: I64
    ctime: I64
    itime: I64 | None = None
    atime: I64 | None = None
    hops: I64 | None = None
    flits: I64 | None = None


@dataclass(frozen=True)
class Replay:
    """A played trace.

    Attributes
    ----------
    result : NocResult
    differing : (n,) int64 or None
        Rows in which a cycle or hop count differs from the file, None if the file has none.
    """

    result: NocResult
    differing: NDArray[np.int64] | None


def _open_text(path: Path) -> io.TextIOBase:
    if path.suffix == ".gz":
        return io.TextIOWrapper(gzip.open(path), encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def read_trace(path: str | Path) -> Trace:
    """Read a CSV (``.csv`` or ``.csv.gz``) with a header that names at least src, dst, ctime.

    Raises
    ------
    InputFileError
        The file cannot be read, a column is missing, or a field is no integer; with the line.
    """
    path = Path(path)
    try:
        with _open_text(path) as text:
            rows = list(csv.reader(text))
    except (OSError, EOFError, UnicodeDecodeError, csv.Error) as error:
        raise InputFileError(f"{path}: cannot be read as CSV: {error}.") from error
    if not rows:
        raise InputFileError(f"{path}: is empty; a header with {', '.join(NEEDED)} is needed.")
    header = [name.strip() for name in rows[0]]
    missing = [name for name in NEEDED if name not in header]
    if missing:
        raise InputFileError(
            f"{path}: has no column {', '.join(missing)}; its header is {', '.join(header)}."
        )
    try:
        table = np.array(rows[1:], dtype=np.int64).reshape(-1, len(header))
    except (ValueError, OverflowError):
        raise InputFileError(_first_bad_field(path, header, rows[1:])) from None
    columns = {name: table[:, header.index(name)].copy() for name in KNOWN if name in header}
    columns.pop("pid", None)
    return Trace(**columns)


def _first_bad_field(path: Path, header: list[str], rows: list[list[str]]) -> str:
    for line, row in enumerate(rows, start=2):
        if len(row) != len(header):
            return f"{path}: line {line} has {len(row)} fields, the header has {len(header)}."
        for name, field in zip(header, row, strict=True):
            try:
                np.int64(int(field))
            except (ValueError, OverflowError):
                return f"{path}: line {line}, column {name}: {field!r} is not a 64-bit integer."
    return f"{path}: some field is not an integer."


def replay(
    noc: Noc, trace: Trace, n_flits: int = 1, max_cycles: int = 1 << 40, n_windows: int = 0
) -> Replay:
    """Play `trace` and compare with the cycles that it holds.

    Parameters
    ----------
    n_flits : int
        Flits per packet where the trace has no column `flits`.
    n_windows : int
        Stretches of time in which flits per link are counted, see `simulate_noc`.
    """
    flits = n_flits if trace.flits is None else trace.flits
    result = simulate_noc(
        noc, trace.src, trace.dst, trace.ctime, flits, max_cycles=max_cycles, n_windows=n_windows
    )
    pairs = (
        (trace.itime, result.inject_cycle),
        (trace.atime, result.arrive_cycle),
        (trace.hops, result.hops),
    )
    given = [file != ours for file, ours in pairs if file is not None]
    if not given:
        return Replay(result, None)
    return Replay(result, np.flatnonzero(np.any(given, axis=0)))


def write_trace(path: str | Path, trace: Trace, result: NocResult) -> None:
    """Write the packets with their cycles in the columns of a trace."""
    columns = [
        np.arange(len(trace.src)), trace.src, trace.dst, trace.ctime,
        result.inject_cycle, result.arrive_cycle, result.hops,
    ]  # fmt: skip
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["pid", "src", "dst", "ctime", "itime", "atime", "hops"])
    writer.writerows(np.stack(columns, axis=1).tolist())
    write_atomically(Path(path), text.getvalue().encode())
