"""The HDF5 layout of NIR files, as nested dictionaries: read with suspicion, written atomically.

A file holds ``/version`` and the group ``/node``; groups become dictionaries, datasets become
arrays, text becomes `str` (an array of texts becomes an object array of `str`). Nothing here knows
what a node means. Promised for any file whatsoever: either a plain tree or an `InputFileError`
that names the file and the object; memory stays within a fixed multiple of the file's size.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import h5py
import numpy as np

from neurosim.errors import InputFileError, NeurosimError, UsageError
from neurosim.files.needed import need_file
from neurosim_mapper.readers.hdf5_texts import TextStorage, has_usual_sizes

Tree: TypeAlias = dict[str, Any]  # str, ndarray or Tree

LAYOUT_VERSION: Final = "1.0.8"  # the version of the nir package whose layout is written
MAX_DEPTH: Final = 32
# Deflate cannot expand by more than about 1032 to 1; the rest is room for small files.
MAX_EXPANSION: Final = 1100
FREE_BYTES: Final = 1 << 20
STAND_IN_SIZE: Final = 4096
SMALL_BYTES: Final = 2048  # below, the book-keeping of compressed chunks costs more than it saves
HDF5_SIGNATURE: Final = b"\x89HDF\r\n\x1a\n"
FILTERS: Final = {
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
    h5py.h5z.FILTER_SZIP,
    h5py.h5z.FILTER_NBIT,
    h5py.h5z.FILTER_SCALEOFFSET,
    32000,  # lzf, built into h5py
}


@dataclass(frozen=True)
class Layout:
    """Contents of a file: the version of its writer ("" if it has none) and its root node."""

    version: str
    node: Tree


def is_hdf5(path: Path) -> bool:
    """Whether the file starts with the HDF5 signature (also after a user block)."""
    size = path.stat().st_size
    with path.open("rb") as file:
        offset = 0
        while offset < size:
            file.seek(offset)
            if file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
                return True
            offset = 2 * offset or 512
    return False


def read_layout(path: str | os.PathLike[str], shapes_only: bool = False) -> Layout:
    """Read a NIR file.

    Parameters
    ----------
    shapes_only : weights of more than STAND_IN_SIZE numbers are not read; numbers that stand in
        for them have their shape, and no two that one output hears are equal.

    Raises
    ------
    InputFileError : the file is missing, is not HDF5, is damaged, has no ``/node``, or contains
        something a NIR file has no use for (links out of the file, loops of links, datasets that
        claim more than the file can hold, compound types, deep nesting).
    """
    path = Path(path)
    need_file(path)
    with _explained(path, "the file"):
        if not is_hdf5(path):
            raise InputFileError(f"{path} is not an HDF5 file, so it cannot be a NIR network.")
        if not has_usual_sizes(path):
            raise InputFileError(f"{path} uses HDF5 offsets of other than 8 bytes; rewrite it.")
        with h5py.File(path, "r") as file, TextStorage(path, file.userblock_size) as texts:
            walker = _Walker(path, path.stat().st_size, texts, shapes_only)
            names = walker.names(file, "/")
            if "node" not in names:
                raise InputFileError(
                    f"{path} is an HDF5 file without a group '/node', so it is no NIR network."
                )
            version = walker.entry(file, "version", "", 1) if "version" in names else ""
            node = walker.entry(file, "node", "", 1)
    if not isinstance(node, dict):
        raise InputFileError(f"{path}: '/node' is not a group, so this is no NIR network.")
    return Layout(version if isinstance(version, str) else "", node)


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    """Turn whatever h5py raises into an InputFileError for `what` in `path`."""
    try:
        yield
    except NeurosimError:
        raise
    except RecursionError:
        raise InputFileError(f"{path}: {what} is nested too deeply.") from None
    except Exception as error:  # h5py raises nearly every built-in exception for damaged files
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputFileError(f"{path}: {what} cannot be read: {reason}.") from None


class _Walker:
    """One walk through a file: where it has been and how much it may still read."""

    def __init__(
        self, path: Path, file_bytes: int, storage: TextStorage, shapes_only: bool
    ) -> None:
        self.path = path
        self.shapes_only = shapes_only
        self.storage = storage
        self.file_bytes = file_bytes
        self.budget_bytes = MAX_EXPANSION * file_bytes + FREE_BYTES
        self.seen: set[int] = set()

    def fail(self, where: str, problem: str) -> InputFileError:
        """The error for an object."""
        return InputFileError(f"{self.path}: {where!r} {problem}.")

    def names(self, group: h5py.Group, where: str) -> list[str]:
        """Sorted names in a group."""
        with _explained(self.path, f"the group {where!r}"):
            return sorted(group.keys())

    def entry(self, group: h5py.Group, name: str, where: str, depth: int) -> Any:
        """The object behind one link."""
        where = f"{where}/{name}"
        with _explained(self.path, f"{where!r}"):
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise self.fail(where, "is a soft or external link, which a network does not need")
            item = group[name]
            address = int(h5py.h5o.get_info(item.id).addr)
            if address in self.seen:
                raise self.fail(where, "is linked a second time, which a network does not need")
            self.seen.add(address)
            if isinstance(item, h5py.Dataset):
                return self.dataset(item, where)
            if not isinstance(item, h5py.Group):
                raise self.fail(where, "is neither a group nor a dataset")
            if depth > MAX_DEPTH:
                raise self.fail(where, f"is nested more than {MAX_DEPTH} groups deep")
            return {
                child: self.entry(item, child, where, depth + 1)
                for child in self.names(item, where)
            }

    def dataset(self, data: h5py.Dataset, where: str) -> Any:
        """The value of a dataset: str, array of numbers, or object array of str."""
        if data.is_virtual or data.external:
            raise self.fail(where, "keeps its values in another file")
        if data.shape is None:
            return np.zeros(0)
        self.check_size(data, where)
        text = h5py.check_string_dtype(data.dtype)
        if text is not None:
            return self.texts(data, where, text.length is None)
        if data.dtype.kind not in "biuf":
            raise self.fail(where, f"has the type {data.dtype}; numbers or texts are needed")
        if self.shapes_only and where.endswith("/weight") and data.size > STAND_IN_SIZE:
            return stand_in(data.shape)
        value = np.asarray(data[()])
        return (
            value.astype(value.dtype.newbyteorder("="))
            if value.dtype.itemsize <= 8
            else (value.astype(np.float64))
        )

    def check_size(self, data: h5py.Dataset, where: str) -> None:
        """Refuse what cannot fit into the file, before anything is allocated."""
        properties = data.id.get_create_plist()
        filters = {properties.get_filter(i)[0] for i in range(properties.get_nfilters())}
        if not filters <= FILTERS:
            raise self.fail(where, "is compressed with a filter that is not part of HDF5")
        needed = int(data.size) * data.dtype.itemsize
        stored = min(int(data.id.get_storage_size()), self.file_bytes)
        largest = stored * (MAX_EXPANSION if filters else 1) + 4096
        chunk = int(np.prod(data.chunks, dtype=object)) * data.dtype.itemsize if data.chunks else 0
        if needed > largest or chunk > max(largest, FREE_BYTES) or needed > self.budget_bytes:
            raise self.fail(
                where,
                f"claims {needed} bytes (shape {data.shape}), more than this file of "
                f"{self.file_bytes} bytes can hold",
            )
        self.budget_bytes -= needed

    def texts(self, data: h5py.Dataset, where: str, variable: bool) -> Any:
        """One text, or an object array of texts."""
        if not variable:
            found = np.asarray(data[()]).ravel().tolist()
        elif data.size == 0:
            found = []
        else:
            offset = data.id.get_offset()
            if offset is None or data.chunks:
                raise self.fail(where, "holds texts in chunks; only plain storage is read")
            try:
                found = self.storage.texts(offset, int(data.size), self.budget_bytes)
            except InputFileError as error:
                raise self.fail(where, str(error)) from None
        self.budget_bytes -= sum(map(len, found))
        texts = [self.decoded(value, where) for value in found]
        if data.shape == ():
            return texts[0]
        result = np.empty(len(texts), dtype=object)
        result[:] = texts
        return result.reshape(data.shape)

    def decoded(self, value: Any, where: str) -> str:
        """UTF-8 text of one element."""
        try:
            return value.decode("utf-8") if isinstance(value, bytes) else str(value)
        except UnicodeDecodeError:
            raise self.fail(where, "holds text that is not UTF-8") from None


def stand_in(shape: tuple[int, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Read-only array of 1, 2, 3, ... in each row of the first axis, without memory for all rows.

    Distinct numbers, as trained weights are: equal ones would look like a pool inside a kernel.
    """
    row = np.arange(1, 1 + int(np.prod(shape[1:])), dtype=np.float64)
    return np.broadcast_to(row.reshape(shape[1:]), shape)


def write_layout(path: str | os.PathLike[str], node: Mapping[str, Any]) -> None:
    """Write a tree as a NIR file; a file of that name is replaced only when all is written.

    The same tree gives the same bytes. Raises UsageError if the place cannot be written.
    """
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=("v108", "v108")) as file:
        file.create_dataset("version", data=LAYOUT_VERSION, dtype=h5py.string_dtype())
        _write_group(file.create_group("node"), node)
    replace_file(Path(path), buffer.getvalue())


def _write_group(group: h5py.Group, tree: Mapping[str, Any]) -> None:
    for name, value in tree.items():
        if isinstance(value, Mapping):
            _write_group(group.create_group(name), value)
        elif isinstance(value, str):
            group.create_dataset(name, data=value, dtype=h5py.string_dtype())
        else:
            array = np.asarray(value)
            kind = h5py.string_dtype() if array.dtype.kind in "UO" else array.dtype
            packed = array.nbytes > SMALL_BYTES and array.dtype.kind not in "UO"
            options = {"compression": "gzip", "shuffle": True} if packed else {}
            group.create_dataset(name, data=array, dtype=kind, **options)


def link_name(name: str) -> str:
    """A node name as it stands in the file; what HDF5 cannot hold becomes %XX.

    Raises UsageError for a name that is not Unicode text.
    """
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError(f"The node name {name!r} is not valid text; rename the node.") from None
    if name in ("", ".", ".."):
        return "%" + "".join(f"{ord(c):02X}" for c in name)
    return "".join(f"%{ord(c):02X}" if c in "/%" or ord(c) < 32 else c for c in name)


def replace_file(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename: readers see the old file or the whole new one."""
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from None
