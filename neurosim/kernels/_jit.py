"""The one decorator of compiled code: ``@kernel``.

Numba notices a change in the file of a kernel, but not in the files of the functions that it
calls, so a plain disk cache can serve stale machine code after an edit. Here the cache folder is
named after a digest of every source file that holds kernels: an edit anywhere gives a fresh
folder, equal sources share one across processes and checkouts. A kernel outside of the two kernel
folders may call those and the ``*_kernel.py`` files beside it; its digest covers both.

``NEUROSIM_CACHE_DIR`` moves the cache, ``NUMBA_DISABLE_JIT=1`` runs every kernel as plain Python
and ``NUMBA_BOUNDSCHECK=1`` compiles index checks in; tests use both.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba

_numba_config: Any = numba.config
_PACKAGE_DIR = Path(__file__).resolve().parent.parent
_KERNEL_DIRS = (_PACKAGE_DIR / "kernels", _PACKAGE_DIR / "soma")
_F = TypeVar("_F", bound=Callable[..., Any])


@lru_cache(maxsize=32)
def source_digest(folder: Path | None = None) -> str:
    """Hexadecimal digest of every kernel source file (names and contents).

    With `folder`, also of its ``*_kernel.py`` files.
    """
    digest = hashlib.sha256()
    paths = [path for kernels in _KERNEL_DIRS for path in sorted(kernels.glob("*.py"))]
    if folder is not None and folder not in _KERNEL_DIRS:
        paths += sorted(folder.glob("*_kernel.py"))
    for path in paths:
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    digest.update(os.environ.get("NUMBA_BOUNDSCHECK", "0").encode())
    return digest.hexdigest()[:16]


def _cache_dir() -> Path:
    root = os.environ.get("NEUROSIM_CACHE_DIR")
    if root:
        return Path(root)
    home = os.environ.get("XDG_CACHE_HOME")
    base = Path(home) if home else Path.home() / ".cache"
    try:
        base.mkdir(parents=True, exist_ok=True)
        if os.access(base, os.W_OK):
            return base / "neurosim"
    except (OSError, RuntimeError):
        pass
    return Path(tempfile.gettempdir()) / f"neurosim-{os.getuid() if hasattr(os, 'getuid') else 0}"


def _cached_njit(function: _F, *, parallel: bool) -> _F:
    # Numba reads its cache folder when a function is decorated. Set for just that moment, so
    # that kernels of other libraries in the same process keep their own folder.
    previous = _numba_config.CACHE_DIR
    folder = Path(function.__code__.co_filename).resolve().parent
    _numba_config.CACHE_DIR = str(_CACHE_ROOT / source_digest(folder))
    try:
        compiled = numba.njit(cache=True, nogil=True, parallel=parallel)(function)
    finally:
        _numba_config.CACHE_DIR = previous
    return cast(_F, compiled)


_CACHE_ROOT = _cache_dir()


def compiled_before(folder: Path) -> bool:
    """Whether a process before this one compiled the kernels of `folder` as they are now."""
    return (_CACHE_ROOT / source_digest(folder)).is_dir()


def kernel(function: _F) -> _F:
    """Compile `function` without the interpreter lock, cached on disk.

    Defined at module level only: a kernel built inside a function misses the disk cache.
    """
    return _cached_njit(function, parallel=False)


def parallel_kernel(function: _F) -> _F:
    """Like `kernel`, with ``prange`` loops spread over threads."""
    return _cached_njit(function, parallel=True)
