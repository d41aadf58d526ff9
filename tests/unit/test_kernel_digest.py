"""The name of a kernel's cache folder: it follows what the kernel depends on, and nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import neurosim
from neurosim.kernels._jit import source_digest

A = "from neurosim_x.b_kernel import b\n"
FILES = {"a_kernel.py": A, "b_kernel.py": "import neurosim_x.c_kernel\n", "c_kernel.py": "c = 1\n"}


def digest_of_a(folder: Path, **changes: str) -> str:
    package = folder / "neurosim_x"
    package.mkdir(parents=True)
    for name, text in {**FILES, "other_kernel.py": "d = 1\n", "plain.py": ""}.items():
        (package / name).write_text(changes.get(name.removesuffix(".py"), text))
    return source_digest(package / "a_kernel.py")


def test_equal_sources_share_a_folder(tmp_path: Path) -> None:
    assert digest_of_a(tmp_path / "one") == digest_of_a(tmp_path / "two")


def test_an_edit_of_an_import_of_an_import_counts(tmp_path: Path) -> None:
    before = digest_of_a(tmp_path / "before")
    assert digest_of_a(tmp_path / "after", c_kernel="c = 2\n") != before


def test_an_edit_elsewhere_does_not(tmp_path: Path) -> None:
    before = digest_of_a(tmp_path / "before")
    assert digest_of_a(tmp_path / "other", other_kernel="d = 2\n") == before
    assert digest_of_a(tmp_path / "plain", plain="x = 2\n") == before


def test_kernels_import_modules_in_the_form_that_the_digest_follows() -> None:
    package = Path(neurosim.__file__).parent
    blind = re.compile(r"^from neurosim(\.kernels|\.soma)? import|^ +from neurosim", re.M)
    for path in [*package.glob("kernels/*.py"), *package.glob("soma/*.py")]:
        assert not blind.search(path.read_text()), path.name


_TWICE = """
from neurosim.kernels._jit import kernel

@kernel
def twice(x):
    return x + x

print(twice(21))
"""
_LOADED = """
import sys
print("numba.np.linalg" in sys.modules)
"""


def _run(script: Path, cache: Path) -> str:
    env = {**os.environ, "NEUROSIM_CACHE_DIR": str(cache)}
    env.pop("NUMBA_DISABLE_JIT", None)
    command = [sys.executable, str(script)]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_a_damaged_entry_is_compiled_again(tmp_path: Path, suffix: str) -> None:
    script, cache = tmp_path / "twice.py", tmp_path / "cache"
    script.write_text(_TWICE)
    assert _run(script, cache) == "42\n"
    for file in cache.rglob(f"*{suffix}"):
        # The index starts with numba's version; what follows it is cut off.
        file.write_bytes(file.read_bytes()[:40])
    assert _run(script, cache) == "42\n"
    assert all(len(file.read_bytes()) > 40 for file in cache.rglob(f"*{suffix}"))


def test_stored_code_loads_without_what_only_compiling_needs(tmp_path: Path) -> None:
    script, cache = tmp_path / "twice.py", tmp_path / "cache"
    script.write_text(_TWICE + _LOADED)
    assert _run(script, cache) == "42\nTrue\n"
    assert _run(script, cache) == "42\nFalse\n"


_FOUR_TIMES = """
from neurosim.kernels._jit import kernel
from twice import twice

@kernel
def four_times(x):
    return twice(twice(x))

(stored,) = twice.overloads.values()
print(stored.library._shared_module)
print(four_times(21))
"""


def test_stored_code_is_linked_into_a_kernel_that_is_compiled_later(tmp_path: Path) -> None:
    cache, later = tmp_path / "cache", tmp_path / "later.py"
    (tmp_path / "twice.py").write_text(_TWICE)
    later.write_text(_FOUR_TIMES)
    assert _run(tmp_path / "twice.py", cache) == "42\n"
    assert _run(later, cache) == "42\nNone\n84\n"


_TOLD = """
from neurosim.kernels.first_use import before_compiling
from neurosim.kernels._jit import kernel

@kernel
def twice(x):
    return x + x

before_compiling(lambda: print("compiling"))
print(twice(21), twice(2.5))
"""


def test_who_asked_is_told_once_before_compiling_and_never_of_stored_code(tmp_path: Path) -> None:
    script, cache = tmp_path / "told.py", tmp_path / "cache"
    script.write_text(_TOLD)
    assert _run(script, cache) == "compiling\n42 5.0\n"
    assert _run(script, cache) == "42 5.0\n"
