"""Integer connections between layers: connectivity as a function of indices.

Neurons of a layer are numbered row-major over its shape. A connection never stores more than
its own weights: `block` builds the weights between chosen sources and targets when a core needs
them, `apply` computes the sums for a whole layer (for the reference executor).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Index: TypeAlias = npt.NDArray[np.int64]
IntArray: TypeAlias = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Connection(ABC):
    """Weights from the neurons of one layer (or the input) to those of another."""

    @property
    @abstractmethod
    def n_sources(self) -> int:
        """Size of the source layer."""

    @property
    @abstractmethod
    def n_targets(self) -> int:
        """Size of the target layer."""

    @property
    @abstractmethod
    def weight_abs_max(self) -> int:
        """Largest weight magnitude."""

    @abstractmethod
    def apply(self, values: IntArray) -> IntArray:
        """Summed input of every target, (n_samples, n_targets), for values (n_samples, n_sources)."""

    @abstractmethod
    def sources_of(self, targets: Index) -> Index:
        """Sorted distinct sources that reach any of `targets`."""

    @abstractmethod
    def block(self, sources: Index, targets: Index) -> IntArray:
        """Weights (len(sources), len(targets)); 0 where nothing is connected."""

    @abstractmethod
    def positive_negative_sums(self) -> tuple[IntArray, IntArray]:
        """Per target, the sum of positive and of negative weights: what bounds its input."""


def _frozen(array: npt.ArrayLike) -> IntArray:
    result = np.array(array, dtype=np.int64)
    result.setflags(write=False)
    return result


@dataclass(frozen=True)
class DenseConnection(Connection):
    """All to all; `weight` (n_targets, n_sources)."""

    weight: IntArray

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", _frozen(self.weight))

    @property
    def n_sources(self) -> int:
        """Columns of the weight matrix."""
        return int(self.weight.shape[1])

    @property
    def n_targets(self) -> int:
        """Rows of the weight matrix."""
        return int(self.weight.shape[0])

    @property
    def weight_abs_max(self) -> int:
        """Largest weight magnitude."""
        return int(np.abs(self.weight).max(initial=0))

    def apply(self, values: IntArray) -> IntArray:
        """One exact matrix product."""
        return values @ self.weight.T

    def sources_of(self, targets: Index) -> Index:
        """Every source with a weight other than 0."""
        return np.flatnonzero((self.weight[targets] != 0).any(axis=0))

    def block(self, sources: Index, targets: Index) -> IntArray:
        """The transposed sub-matrix."""
        return self.weight[np.ix_(targets, sources)].T

    def positive_negative_sums(self) -> tuple[IntArray, IntArray]:
        """Row sums of the positive and of the negative weights."""
        return np.maximum(self.weight, 0).sum(axis=1), np.minimum(self.weight, 0).sum(axis=1)
