"""Texts of variable length in an HDF5 file, read without the HDF5 library.

Such texts lie in *global heap collections*; a dataset only holds (length, address, index) triples.
The library (up to 2.0) believes what is written there: a length of 4 GB is allocated, a size of 0
makes it loop for ever. Damaged files must not do that to a process, so this module follows the
triples itself and checks each step. Source of the layout: HDF5 File Format Specification 3.0,
sections II (superblock), III.E (global heap).
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from types import TracebackType
from typing import Final

from neurosim.errors import InputFileError

COLLECTION_HEADER: Final = 16  # signature, version, 3 reserved, size
OBJECT_HEADER: Final = 16  # index, reference count, reserved, size
REFERENCE: Final = struct.Struct("<IQI")  # length, address of the collection, index
OBJECT: Final = struct.Struct("<HH4xQ")
WORD: Final = 8


class TextStorage:
    """The global heaps of one file; a context manager.

    Parameters
    ----------
    path : the file.
    base : bytes in front of the superblock (user block), to which addresses are relative.
    """

    def __init__(self, path: Path, base: int) -> None:
        self.base = base
        self.file = path.open("rb")
        self.data = mmap.mmap(self.file.fileno(), 0, access=mmap.ACCESS_READ)
        self.collections: dict[int, dict[int, tuple[int, int]]] = {}

    def __enter__(self) -> TextStorage:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.data.close()
        self.file.close()

    def texts(self, offset: int, n: int, most_bytes: int) -> list[bytes]:
        """`n` texts whose references lie at a byte offset of the file.

        Raises InputFileError for references that lead nowhere and for more than `most_bytes` of
        text.
        """
        end = offset + n * REFERENCE.size
        if end > len(self.data):
            raise InputFileError("its texts lie beyond the end of the file")
        found = []
        for length, address, index in REFERENCE.iter_unpack(self.data[offset:end]):
            most_bytes -= length
            if most_bytes < 0:
                raise InputFileError("holds more text than the file can")
            found.append(self.text(length, address, index) if length else b"")
        return found

    def text(self, length: int, address: int, index: int) -> bytes:
        """One text."""
        start = self.base + address
        if start not in self.collections:
            self.collections[start] = self.objects(start)
        at, size = self.collections[start].get(index, (0, -1))
        if length > size:
            raise InputFileError("refers to a text that does not exist")
        return self.data[at : at + length]

    def objects(self, start: int) -> dict[int, tuple[int, int]]:
        """Place and size of every object of a collection, by index."""
        if self.data[start : start + 5] != b"GCOL\x01":
            raise InputFileError("refers to a text that does not exist")
        (size,) = struct.unpack_from("<Q", self.data, start + 8)
        end = start + size
        if end > len(self.data):
            raise InputFileError("has damaged text storage")
        found: dict[int, tuple[int, int]] = {}
        at = start + COLLECTION_HEADER
        while end - at >= OBJECT_HEADER:
            index, _, length = OBJECT.unpack_from(self.data, at)
            if index == 0:  # free space, always last
                break
            if at + OBJECT_HEADER + length > end:
                raise InputFileError("has damaged text storage")
            found[index] = (at + OBJECT_HEADER, length)
            at += OBJECT_HEADER + -(-length // WORD) * WORD
        return found


def has_usual_sizes(path: Path) -> bool:
    """Whether the superblock declares offsets and lengths of 8 bytes, as h5py always writes."""
    base = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        while base < size:
            file.seek(base)
            head = file.read(16)
            if head[:8] == b"\x89HDF\r\n\x1a\n" and len(head) == 16:
                at = 13 if head[8] < 2 else 9
                return head[at : at + 2] == bytes((WORD, WORD))
            base = 2 * base or 512
    return True  # no superblock: the library will say so
