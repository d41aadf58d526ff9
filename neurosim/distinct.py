"""Distinct rows of a table that is given column by column."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]

_MOST: Final = np.iinfo(np.int64).max


def distinct_rows(columns: Iterable[npt.NDArray[Any]], n: int) -> tuple[I64, I64]:
    """Distinct rows in ascending order, the first column counting most.

    All columns become one number per row, so that a million rows are sorted as numbers and not as
    rows, which takes a hundredth of the time.

    Parameters
    ----------
    columns : each (n,) integers.
    n : rows.

    Returns
    -------
    first, number : (n_distinct,) a row of each kind; (n,) the kind of every row.
    """
    key, size = np.zeros(n, np.int64), 1  # numbers 0..size - 1
    for column in columns:
        low, high = int(column.min(initial=0)), int(column.max(initial=0))
        if size > _MOST // (high - low + 1):
            kinds, key = np.unique(key, return_inverse=True)
            size = kinds.size
        key = key * (high - low + 1) + (column.astype(np.int64) - low)
        size *= high - low + 1
    _, first, number = np.unique(key, return_index=True, return_inverse=True)
    return first.astype(np.int64), number.astype(np.int64)
