"""Typed access to the entries of one node of a NIR tree, with errors that name node and entry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.errors import InputFileError
from neurosim_mapper.nodes import FloatArray, Shape
from neurosim_mapper.readers.nir_layout import Tree


@dataclass(frozen=True)
class NodeEntry:
    """A node as the file has it.

    Attributes
    ----------
    name : full name; nodes of nested graphs are called ``outer.inner``.
    kind : the text of its ``type``.
    tree : all entries.
    """

    name: str
    kind: str
    tree: Tree

    @property
    def label(self) -> str:
        """Name and type, for messages."""
        return f"node {self.name!r} ({self.kind})"

    def fail(self, problem: str) -> InputFileError:
        """The error for this node."""
        return InputFileError(f"{self.label}: {problem}")

    def has(self, name: str) -> bool:
        """Whether there is an entry; an empty one counts as none."""
        value = self.tree.get(name)
        return value is not None and not (isinstance(value, np.ndarray) and value.size == 0)

    def array(self, name: str, infinite: bool = False) -> FloatArray:
        """An entry as float64; must be finite, or may be infinite but never NaN."""
        value = self.tree.get(name)
        if value is None:
            raise self.fail(f"{name!r} is missing.")
        if not isinstance(value, np.ndarray) or value.dtype.kind not in "biuf":
            raise self.fail(f"{name!r} is not an array of numbers.")
        array: FloatArray = value.astype(np.float64)
        bad = np.isnan(array) if infinite else ~np.isfinite(array)
        if bad.any():
            raise self.fail(
                f"{name!r} holds {int(np.count_nonzero(bad))} values that are NaN"
                f"{'' if infinite else ' or infinite'}."
            )
        return array

    def array_or(self, name: str, default: float) -> FloatArray:
        """An entry as a finite array, or a scalar default where there is none."""
        return self.array(name) if self.has(name) else np.asarray(default)

    def text(self, name: str) -> str:
        """An entry that is text."""
        value = self.tree.get(name)
        if not isinstance(value, str):
            raise self.fail(f"{name!r} is missing or is not text.")
        return value

    def integers(self, name: str, n: int | None = None) -> Shape:
        """Whole numbers; with `n`, a single one is repeated and any other count is refused."""
        array = self.array(name)
        if (array != np.rint(array)).any() or (np.abs(array) > 2**31).any():
            raise self.fail(f"{name!r} is {_short(array)}; whole numbers are needed.")
        values = tuple(int(v) for v in array.ravel())
        if n is None or len(values) == n:
            return values
        if len(values) == 1:
            return values * n
        raise self.fail(f"{name!r} has {len(values)} entries; needed: {n}.")

    def integer(self, name: str, default: int | None = None) -> int:
        """One whole number."""
        if default is not None and not self.has(name):
            return default
        values = self.integers(name)
        if len(values) != 1:
            raise self.fail(f"{name!r} has {len(values)} entries; needed: 1.")
        return values[0]

    def shape(self, name: str) -> Shape | None:
        """A declared shape, or None where the file has none."""
        return self.integers(name) if self.has(name) else None

    def metadata(self, section: str) -> dict[str, Any]:
        """A group inside the node's metadata; empty if there is none."""
        metadata = self.tree.get("metadata")
        found = metadata.get(section) if isinstance(metadata, dict) else None
        return found if isinstance(found, dict) else {}


def without_leading_ones(array: FloatArray) -> FloatArray:
    """Drop axes of size 1 in front, which some exporters leave from the batch."""
    while array.ndim > 1 and array.shape[0] == 1:
        array = array[0]
    return array


def _short(array: FloatArray) -> str:
    return np.array2string(array.ravel(), threshold=6, edgeitems=2)
