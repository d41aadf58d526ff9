"""Memory by pages: what is never written costs nothing, what is freed goes back to the system.

The C library keeps memory that large arrays leave, for arrays to come: after a full TrueNorth chip
is loaded and rearranged that is 30 MB, after each run of it as much again.
"""

from __future__ import annotations

import ctypes
import math
import mmap
from typing import Any, Final

import numpy as np
import numpy.typing as npt

_OWN_PAGES_BYTES: Final = 1 << 20
_LARGE_PAGES_BYTES: Final = 1 << 22


def zeros(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Like `numpy.zeros`; a large array has pages of its own, freed as soon as it is.

    All of it will be used: the system may take large pages (of 2 MB) for it.
    """
    room = _pages(shape, dtype)
    if room is None:
        return np.zeros(shape, dtype)
    if len(room) >= _LARGE_PAGES_BYTES and hasattr(mmap, "MADV_HUGEPAGE"):
        room.madvise(mmap.MADV_HUGEPAGE)
    return np.ndarray(shape, dtype, room)


def worst_case(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """The same for lists that are long in the worst case only: nothing but what is written counts.

    Large pages would cost 2 MB for the first number of each.
    """
    room = _pages(shape, dtype)
    return np.zeros(shape, dtype) if room is None else np.ndarray(shape, dtype, room)


def _pages(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> mmap.mmap | None:
    """Room for such an array; None for small ones, and where the system has no private pages."""
    n = np.dtype(dtype).itemsize * math.prod(shape if isinstance(shape, tuple) else (shape,))
    if n < _OWN_PAGES_BYTES or not hasattr(mmap, "MAP_PRIVATE"):
        return None
    return mmap.mmap(-1, n, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def give_back_freed() -> None:
    """Hand the free pages of the heap back, where the C library can (glibc); a few ms."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):
        return
    trim(ctypes.c_size_t(0))
