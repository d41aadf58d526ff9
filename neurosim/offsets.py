"""Tables of offsets: ``offset[i] : offset[i + 1]`` are the entries of row i."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurosim.pages import zeros

I64 = npt.NDArray[np.int64]
Offsets = npt.NDArray[np.int32] | npt.NDArray[np.int64]


def offsets_of(sizes: npt.ArrayLike) -> I64:
    """(n_rows + 1,) where rows of these sizes begin, and where the last one ends."""
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def narrowed(offset: Offsets) -> Offsets:
    """The same offsets in 4 bytes each, if all fit; nothing but zeros takes no memory."""
    if offset.dtype != np.int64 or not offset.size:
        return offset
    most = int(offset.max())
    if int(offset.min()) < 0 or most > np.iinfo(np.int32).max:
        return offset
    narrow = zeros(offset.size, np.int32)
    if most > 0:
        narrow[:] = offset
    return narrow


def entries_of(offset: Offsets, rows: npt.NDArray[np.integer]) -> tuple[I64, I64]:
    """All entries of `rows`, row after row; a row may stand there several times.

    Returns
    -------
    which, place : (n_entries,) the position in `rows` that an entry belongs to, and the entry.
    """
    start, sizes = offset[:-1][rows], np.diff(offset)[rows]
    which = np.repeat(np.arange(sizes.size), sizes)
    return which, np.arange(which.size) + (start - (np.cumsum(sizes) - sizes))[which]
