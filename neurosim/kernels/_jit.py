"""The one decorator of compiled code: ``@kernel``.

Numba notices a change in the file of a kernel, but not in the files of the functions that it
calls, so a plain disk cache can serve stale machine code after an edit. Here the cache folder is
named after a digest of the kernel's file and of every file of kernels that it imports, directly
or through others: an edit compiles again what depends on it and nothing else. Files of kernels
are those in ``kernels/`` and ``soma/``, and ``*_kernel.py`` anywhere.

``NEUROSIM_CACHE_DIR`` moves the cache, ``NUMBA_DISABLE_JIT=1`` runs every kernel as plain Python
and ``NUMBA_BOUNDSCHECK=1`` compiles index checks in; tests use both.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import codegen
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile

from neurosim.kernels.first_use import tell

_numba_config: Any = numba.config
_llvm: Any = cast(Any, codegen).ll
_PACKAGE_DIR = Path(__file__).resolve().parent.parent
_KERNEL_DIRS = (_PACKAGE_DIR / "kernels", _PACKAGE_DIR / "soma")
_IMPORT = re.compile(r"^(?:from|import)\s+(neurosim\w*(?:\.\w+)+)", re.MULTILINE)
_F = TypeVar("_F", bound=Callable[..., Any])
_ONLY_INLINED: Any = {
    "_nrt": False,
    "nogil": True,
    "forceinline": True,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}


@lru_cache(maxsize=256)
def source_digest(path: Path) -> str:
    """Hexadecimal digest of a file of kernels and of those it depends on (names and contents)."""
    digest = hashlib.sha256()
    for source in sorted(_with_imports(path.resolve())):
        digest.update(source.name.encode())
        digest.update(_source(source))
    digest.update(os.environ.get("NUMBA_BOUNDSCHECK", "0").encode())
    return digest.hexdigest()[:16]


def _with_imports(path: Path) -> set[Path]:
    found = {path}
    waiting = [path]
    while waiting:
        for source in _imported_kernels(waiting.pop()) - found:
            found.add(source)
            waiting.append(source)
    return found


@lru_cache(maxsize=256)
def _imported_kernels(path: Path) -> set[Path]:
    """The files of kernels that `path` imports (of this package, or of the one `path` is in)."""
    found = set()
    for name in _IMPORT.findall(_source(path).decode()):
        package, *parts = name.split(".")
        roots = [folder for folder in (_PACKAGE_DIR, *path.parents) if folder.name == package]
        if roots:
            source = roots[0].joinpath(*parts).with_suffix(".py")
            named = source.parent in _KERNEL_DIRS or source.name.endswith("_kernel.py")
            if named and source.is_file():
                found.add(source)
    return found


@lru_cache(maxsize=256)
def _source(path: Path) -> bytes:
    return path.read_bytes()


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


class _ForgivingCacheFile(IndexDataCacheFile):
    """An entry that cannot be loaded counts as none: it is compiled again and written over.

    Stored kernels name the classes of their arguments by module, so entries of a version with
    other modules, like damaged ones, fail while they are read, with almost any exception.
    """

    def _load_index(self) -> dict[Any, str]:
        try:
            return cast(Any, super())._load_index()
        except Exception:
            return {}

    def _load_data(self, name: str) -> Any:
        try:
            return cast(Any, super())._load_data(name)
        except Exception as problem:
            raise OSError(f"{name} cannot be loaded") from problem


class _StoredLibrary(codegen.JITCodeLibrary):
    """Machine code that was loaded; `bitcode` is the same for the compiler."""

    bitcode: bytes

    def _get_module_for_linking(self) -> Any:
        if self._shared_module is None:
            self._shared_module = _llvm.parse_bitcode(self.bitcode)
        return self._shared_module


class _MachineCodeOnly(CompileResultCacheImpl):
    """Leaves a kernel's bitcode unread until another kernel is compiled that calls it.

    Numba would read it (20 MB for a large kernel) only to learn which symbols it defines; the one
    that is asked for is the function that Python calls.
    """

    def rebuild(self, target_context: Any, payload: Any) -> Any:
        """The compiled function that was stored as `payload`."""
        (name, kind, (machine_code, bitcode)), description, *rest = payload
        symbol = f'define void @"{description.llvm_cpython_wrapper_name}"() {{ ret void }}'
        stub = _llvm.parse_assembly(symbol).as_bitcode()
        payload = ((name, kind, (machine_code, stub)), description, *rest)
        result = cast(Any, super()).rebuild(target_context, payload)
        result.library.__class__ = _StoredLibrary
        result.library._shared_module, result.library.bitcode = None, bitcode
        return result


class _TellingCache(FunctionCache):
    """Tells once per process that a kernel is not on disk, before it is compiled."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The stored code for these types of arguments, None without."""
        stored = self._load(sig, target_context)
        if stored is None:
            tell()
        return stored

    def _load(self, sig: Any, target_context: Any) -> Any:
        return cast(Any, super()).load_overload(sig, target_context)


class _QuickCache(_TellingCache):
    """Loads stored machine code without what only compiling needs.

    Numba would import the implementation of everything that it can compile (200 modules, 0.4 s,
    20 MB) and compile its own runtime for arrays (20 MB) before it loads. Code that makes no arrays
    calls none of it; if nothing is stored, the compiler does both itself.
    """

    def _load(self, sig: Any, target_context: Any) -> Any:
        with self._guard_against_spurious_io_errors():
            return cast(Any, self)._load_overload(sig, target_context)


def _cached_njit(function: _F, **options: bool) -> _F:
    # Numba reads its cache folder when a function is decorated. Set for just that moment, so
    # that kernels of other libraries in the same process keep their own folder.
    previous = _numba_config.CACHE_DIR
    file = Path(function.__code__.co_filename)
    _numba_config.CACHE_DIR = str(_CACHE_ROOT / source_digest(file))
    try:
        compiled = numba.njit(cache=True, nogil=True, **options)(function)
    finally:
        _numba_config.CACHE_DIR = previous
    if not _numba_config.DISABLE_JIT:
        compiled._cache._cache_file.__class__ = _ForgivingCacheFile
        compiled._cache._impl.__class__ = _MachineCodeOnly
        quick = options.get("_nrt") is False
        compiled._cache.__class__ = _QuickCache if quick else _TellingCache
    return cast(_F, compiled)


_CACHE_ROOT = _cache_dir()


def compiled_before(path: Path) -> bool:
    """Whether a process before this one compiled kernels of the file `path` as they are now."""
    return (_CACHE_ROOT / source_digest(path)).is_dir()


def kernel(function: _F) -> _F:
    """Compile `function` without the interpreter lock, cached on disk.

    Defined at module level only: a kernel built inside a function misses the disk cache. It makes
    no arrays, so none is counted by its references: taking an array out of a tuple is then free,
    and there is a third less to compile.

    A plain 0 that is handed to another kernel is a type of its own, for which that kernel is
    compiled once more; ``np.int64(0)`` is not.
    """
    return _cached_njit(function, _nrt=False)


def inlined(function: _F) -> _F:
    """Compile `function` for other kernels only: LLVM always inlines it into its caller.

    For small steps with many arrays, each of which a call would hand over as seven numbers on the
    stack. Neither kept on disk nor callable from Python once compiled, which halves its
    compilation.
    """
    return cast(_F, numba.njit(**_ONLY_INLINED)(function))


def allocating_kernel(function: _F) -> _F:
    """Like `kernel`, for functions that make arrays."""
    return _cached_njit(function)
