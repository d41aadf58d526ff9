"""neurosim_cli -> neurosim_mapper -> neurosim, and heavy libraries only where they belong."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "neurosim": ROOT / "neurosim",
    "neurosim_mapper": ROOT / "mapper" / "neurosim_mapper",
    "neurosim_cli": ROOT / "cli" / "neurosim_cli",
}
ALLOWED = {
    "neurosim": {"neurosim"},
    "neurosim_mapper": {"neurosim", "neurosim_mapper"},
    "neurosim_cli": {"neurosim", "neurosim_mapper", "neurosim_cli"},
}
SOURCES = [(name, path) for name, root in PACKAGES.items() for path in sorted(root.rglob("*.py"))]
IDS = [str(path.relative_to(ROOT)) for _, path in SOURCES]


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the full name"
            yield node.module or ""


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=IDS)
def test_no_arrow_points_the_other_way(package, path):
    ours = {name.split(".")[0] for name in imported(path)} & set(PACKAGES)
    assert ours <= ALLOWED[package]


@pytest.mark.parametrize(("package", "path"), SOURCES, ids=IDS)
def test_libraries_stay_in_their_rooms(package, path):
    names = {name.split(".")[0] for name in imported(path)}
    relative = path.relative_to(ROOT).as_posix()
    if "networkx" in names:
        assert package == "neurosim_mapper"
    if "yaml" in names:
        assert (
            path.name in {"chip_files.py", "strict_yaml.py", "results.py"} or "readers" in relative
        )
    if "torch" in names:
        assert "/readers/" in relative or "/torch/" in relative
    if "click" in names:
        assert package == "neurosim_cli"
    if "h5py" in names:
        assert "/readers/" in relative


@pytest.mark.parametrize(
    "path", sorted((ROOT / "neurosim" / "kernels").glob("*.py")), ids=lambda p: p.name
)
def test_kernels_import_only_numpy_numba_and_each_other(path):
    libraries = sys.stdlib_module_names | {"numpy", "numba"}
    for name in imported(path):
        ours = name.startswith(("neurosim.kernels", "neurosim.soma"))
        assert ours or name.split(".")[0] in libraries, name


def test_there_is_no_circle_between_modules_at_import_time():
    """Module-level imports of each package form no cycle."""
    import networkx as nx

    graph = nx.DiGraph()
    for package, path in SOURCES:
        here = ".".join((package, *path.relative_to(PACKAGES[package]).with_suffix("").parts))
        here = here.removesuffix(".__init__")
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("neurosim"):
                graph.add_edge(here, node.module)
    assert list(nx.simple_cycles(graph)) == []
