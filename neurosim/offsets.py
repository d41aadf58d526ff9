"""Tables of offsets: ``offset[i] : offset[i + 1]`` are the entries of row i."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

I64 = npt.NDArray[np.int64]


def offsets_of(sizes: npt.ArrayLike) -> I64:
    """(n_rows + 1,) where rows of these sizes begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def entries_of(offset: I64, rows: npt.NDArray[np.integer]) -> tuple[I64, I64]:
    """All entries of `rows`, row after row; a row may stand there several times.

    Returns
    -------
    which, place : (n_entries,) the position in `rows` that an entry belongs to, and the entry.
    """
    start, sizes = offset[:-1][rows], np.diff(offset)[rows]
    which = np.repeat(np.arange(sizes.size), sizes)
    return which, np.arange(which.size) + (start - (np.cumsum(sizes) - sizes))[which]
