"""Input files: ``.npz`` with samples, and the encoders that spread static samples over ticks.

Enters: a file with `x` (or `ids` and the `table` that they are looked up in; and labels `y`), or
arrays. Leaves: `Inputs`, samples in the shape that
`simulate` takes. Promised: nothing is unpickled, sizes are checked before memory is used, and a
wrong shape is named together with the right one.

Encoders turn a static sample (no tick axis) into ticks; values are first divided by `full_scale`:

======== =====================================================================================
repeat   the same values in every tick (`full_scale` is not used)
rate     a spike with the value as its chance, drawn for every tick from the seed
latency  one spike per value: 1 in the first tick, small values in the last, 0 never
======== =====================================================================================
"""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError, UsageError
from neurosim.files.needed import need_file

Array = npt.NDArray[Any]
Encoder = Callable[[npt.NDArray[np.float64], int, np.random.Generator], Array]

MAX_BYTES: Final = 1 << 33  # of one array, unpacked


@dataclass(frozen=True)
class Inputs:
    """Samples for `simulate`.

    Attributes
    ----------
    x : (n_samples, n_ticks, *input_shape). y : (n_samples,) int64, or None without labels.
    """

    x: Array
    y: npt.NDArray[np.int64] | None = None

    def first(self, n_samples: int | None) -> Inputs:
        """The first `n_samples` samples, all if None; raises UsageError below 1."""
        if n_samples is None:
            return self
        if n_samples < 1:
            raise UsageError(f"samples is {n_samples}; at least 1 is needed.")
        return Inputs(self.x[:n_samples], None if self.y is None else self.y[:n_samples])


def read_inputs(
    path: str | Path,
    input_shape: tuple[int, ...],
    *,
    ticks: int | None = None,
    encoder: str | Encoder | None = None,
    full_scale: float = 1.0,
    seed: int = 0,
) -> Inputs:
    """Read `x` and `y` of a ``.npz`` file for a network with `input_shape`.

    In place of `x` a file may hold `ids`, integers (samples, ticks, ...), and `table` (rows, ...):
    an embedding, looked up here, so that x is ``table[ids]``.

    Parameters
    ----------
    ticks, encoder, full_scale, seed : for static samples; see `spread_over_ticks`.

    Raises
    ------
    InputFileError : no such file, no ``.npz``, no `x`, or a shape that does not fit.
    UsageError : static samples without `ticks`, or samples with ticks and an encoder.
    """
    arrays = _read_npz(Path(path), ("x", "y"))
    x = arrays["x"] if "x" in arrays else _looked_up(Path(path))
    if x.dtype.kind not in "buif":
        raise InputFileError(f"{path}: x has dtype {x.dtype}; numbers are needed.")
    _check_shape(str(path), x, input_shape)
    labels = _labels(str(path), arrays.get("y"), x.shape[0])
    if x.ndim == len(input_shape) + 1:
        if ticks is None:
            raise UsageError(
                f"{path}: x has shape {x.shape}, without a tick axis; say for how many ticks each "
                "sample is shown (--ticks)."
            )
        spread = spread_over_ticks(
            x, ticks, encoder or "repeat", full_scale=full_scale, seed=seed, what=str(path)
        )
        return Inputs(spread, labels)
    if encoder is not None:
        raise UsageError(f"{path}: x has {x.shape[1]} ticks already; leave the encoder out.")
    if ticks is not None and ticks != x.shape[1]:
        raise UsageError(f"{path}: x has {x.shape[1]} ticks, --ticks says {ticks}. Leave it out.")
    return Inputs(x, labels)


def _looked_up(path: Path) -> Array:
    """Rows of the table, by the ids."""
    arrays = _read_npz(path, ("ids", "table"))
    if "ids" not in arrays or "table" not in arrays:
        raise InputFileError(f"{path}: holds no array named 'x' (nor 'ids' and their 'table').")
    ids, table = arrays["ids"], arrays["table"]
    if ids.dtype.kind not in "ui" or table.dtype.kind not in "buif" or table.ndim < 2:
        raise InputFileError(
            f"{path}: ids are {ids.dtype}, the table is {table.dtype} of shape {table.shape}; "
            "needed: integers, and numbers (rows, features)."
        )
    if ids.size and (ids.min() < 0 or ids.max() >= len(table)):
        raise InputFileError(
            f"{path}: ids go from {ids.min()} to {ids.max()}; the table has {len(table)} rows."
        )
    n_bytes = ids.size * int(np.prod(table.shape[1:])) * table.itemsize
    if n_bytes > MAX_BYTES:
        raise InputFileError(
            f"{path}: the looked up values take {n_bytes >> 20} MiB; at most {MAX_BYTES >> 30} GiB "
            "are read. Use fewer samples."
        )
    return np.asarray(table[ids])


def spread_over_ticks(
    x: Array,
    ticks: int,
    encoder: str | Encoder = "repeat",
    *,
    full_scale: float = 1.0,
    seed: int = 0,
    what: str = "x",
) -> Array:
    """Static samples (n_samples, ...) as (n_samples, ticks, ...).

    Raises
    ------
    UsageError : unknown encoder, ticks below 1. InputFileError : values outside 0..`full_scale`
        for an encoder to spikes.
    """
    if ticks < 1:
        raise UsageError(f"ticks is {ticks}; at least 1 is needed.")
    if ticks * x.nbytes > MAX_BYTES:
        raise UsageError(
            f"{what}: {ticks} ticks of {x.nbytes >> 20} MiB are more than {MAX_BYTES >> 30} GiB. "
            "Use fewer samples or ticks."
        )
    if encoder == "repeat":
        return np.repeat(x[:, None], ticks, axis=1)
    if not callable(encoder):
        if encoder not in ENCODERS:
            raise UsageError(f"encoder is {encoder!r}; known: {', '.join(('repeat', *ENCODERS))}.")
        encoder = ENCODERS[encoder]
    if not full_scale > 0 or not np.isfinite(full_scale):
        raise UsageError(f"full_scale is {full_scale}; a number above 0 is needed.")
    scaled = x.astype(np.float64) / full_scale
    if not np.isfinite(scaled).all():
        raise InputFileError(f"{what} holds NaN or infinite values; all must be finite.")
    if scaled.size and (scaled.min() < 0 or scaled.max() > 1):
        raise InputFileError(
            f"{what} holds values from {x.min():g} to {x.max():g}; spikes can code 0 to "
            f"{full_scale:g}. Set the largest value with --full-scale."
        )
    return encoder(scaled, ticks, np.random.default_rng(seed))


def rate_code(x: npt.NDArray[np.float64], ticks: int, rng: np.random.Generator) -> Array:
    """A spike in each tick with chance `x`; (n_samples, ticks, ...) uint8.

    Drawn sample after sample, so that the first samples do not depend on how many follow.
    """
    chance = np.repeat(x[:, None], ticks, axis=1)
    return (rng.random(chance.shape) < chance).astype(np.uint8)


def latency_code(x: npt.NDArray[np.float64], ticks: int, rng: np.random.Generator) -> Array:
    """One spike in tick ``round((1 - x) * (ticks - 1))``, none for 0; uint8."""
    when = np.rint((1.0 - x) * (ticks - 1)).astype(np.int64)
    tick = np.arange(ticks).reshape(1, ticks, *([1] * (x.ndim - 1)))
    spikes: Array = ((when[:, None] == tick) & (x[:, None] > 0)).astype(np.uint8)
    return spikes


ENCODERS: Final[dict[str, Encoder]] = {"rate": rate_code, "latency": latency_code}
"""Encoders to spikes by name; callers may pass a function with the same prototype."""


def _check_shape(what: str, x: Array, shape: tuple[int, ...]) -> None:
    fits = x.shape[x.ndim - len(shape) :] == shape and x.ndim - len(shape) in (1, 2)
    if not fits:
        inner = ", ".join(str(n) for n in shape)
        raise InputFileError(
            f"{what}: x has shape {x.shape}; needed: (samples, ticks, {inner}), or "
            f"(samples, {inner}) and a number of ticks."
        )
    if 0 in x.shape[: x.ndim - len(shape)]:
        raise InputFileError(f"{what}: x has shape {x.shape}; at least one sample and tick.")


def _labels(what: str, y: Array | None, n_samples: int) -> npt.NDArray[np.int64] | None:
    if y is None:
        return None
    if y.shape != (n_samples,) or y.dtype.kind not in "iu":
        raise InputFileError(
            f"{what}: y has shape {y.shape} and dtype {y.dtype}; needed: {n_samples} integers, "
            "one class per sample."
        )
    return y.astype(np.int64)


def _read_npz(path: Path, names: tuple[str, ...]) -> dict[str, Array]:
    """Arrays of a ``.npz`` by name; members that are not asked for stay unread."""
    need_file(path)
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            return {
                name: _read_member(path, archive, members[f"{name}.npy"], name)
                for name in names
                if f"{name}.npy" in members
            }
    except InputFileError:
        raise
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError):
        raise InputFileError(
            f"{path}: is not a .npz file (numpy.savez), or it is damaged."
        ) from None
    except (zlib.error, EOFError, ValueError, SyntaxError, tokenize.TokenError) as error:
        raise InputFileError(f"{path}: is damaged ({error}).") from None
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror or error}).") from None


def _read_member(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Array:
    """One array; its header is checked before its data is unpacked."""
    with archive.open(info) as stream:
        shape, _, dtype = read_header(path, stream, name)
        n_stored = info.file_size - stream.tell()
    n_bytes = dtype.itemsize
    for n in shape:
        n_bytes *= int(n)
    if n_bytes > MAX_BYTES:
        raise InputFileError(
            f"{path}: {name} has shape {shape}, {n_bytes >> 20} MiB; at most {MAX_BYTES >> 20} MiB "
            "are read. Split the file."
        )
    if n_bytes > n_stored:
        raise InputFileError(f"{path}: is damaged ({name} is cut off).")
    with archive.open(info) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def read_header(
    path: Path, stream: IO[bytes], name: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in the order of Fortran, and dtype of an array in .npy format."""
    version = np.lib.format.read_magic(stream)
    if version not in ((1, 0), (2, 0)):
        raise InputFileError(f"{path}: {name} has the unknown .npy version {version}.")
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        raise InputFileError(
            f"{path}: {name} holds Python objects; they are never unpickled. Save numbers."
        )
    return shape, fortran, dtype
