"""Placement files: where each core sits, as JSON that people may edit.

``{"schema": "neurosim-placement/1", "chip": "tianjic", "cores": [{"core": 0, "x": 3, "y": 1,
"holds": "conv1:200"}, ...]}``. `holds` says what the core has (layers and neurons) and may be left
out; if it is there, it must agree with the mapping that the file is used for. Cores that the file
leaves out are placed by the placer around those that it names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from neurosim.errors import InputFileError, UsageError
from neurosim.files.archive import write_atomically
from neurosim.program.columns import Program
from neurosim_mapper.mapping import Placement
from neurosim_mapper.place.problem import PlacementProblem

PLACEMENT_SCHEMA: Final = "neurosim-placement/1"
_KEYS: Final = {"core", "x", "y", "holds"}


@dataclass(frozen=True)
class FilePlacer:
    """A placer that follows a file; every core has to be in it."""

    path: Path

    def __call__(self, problem: PlacementProblem, rng: np.random.Generator) -> Placement:
        """The placement of the file; raises InputFileError if it does not fit the problem."""
        fixed = pin_from_file(problem, self.path)
        missing = fixed.movable
        if missing.size:
            raise InputFileError(
                f"{self.path}: core {missing[0]} is missing; the mapping has {problem.n_cores} "
                f"cores, the file {problem.n_cores - missing.size}. Add it, or use the file with "
                "another placer, which then places the missing ones."
            )
        return fixed.placement(fixed.pins, f"file {self.path.name}")


def pin_from_file(problem: PlacementProblem, path: str | Path) -> PlacementProblem:
    """The problem with every core that the file names pinned to its place.

    Raises InputFileError if the file cannot be read or is of another mapping or chip.
    """
    rows = read_placement_file(path)
    pins: dict[int, tuple[int, int]] = {}
    for row in rows:
        core = row["core"]
        if core in pins:
            raise InputFileError(f"{path}: core {core} appears twice.")
        if core >= problem.n_cores:
            raise InputFileError(
                f"{path}: core {core} does not exist, the mapping has {problem.n_cores} cores. "
                "The file belongs to another mapping."
            )
        holds = row.get("holds")
        if holds is not None and problem.labels and holds != problem.labels[core]:
            raise InputFileError(
                f"{path}: core {core} holds {holds!r} in the file, {problem.labels[core]!r} in "
                "this mapping. The file belongs to another mapping; map again without it."
            )
        pins[core] = (row["x"], row["y"])
    try:
        return problem.with_pins(pins)
    except UsageError as error:
        raise InputFileError(f"{path}: {error}") from None


def read_placement_file(path: str | Path) -> list[dict[str, Any]]:
    """Rows of a placement file; raises InputFileError with the first thing that is wrong."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputFileError(f"{path}: cannot be read ({error.strerror}).") from None
    except (ValueError, RecursionError) as error:
        raise InputFileError(f"{path}: not a JSON file ({error}).") from None
    if not isinstance(data, dict) or data.get("schema") != PLACEMENT_SCHEMA:
        raise InputFileError(f'{path}: not a placement file, needs "schema": "{PLACEMENT_SCHEMA}".')
    rows = data.get("cores")
    if not isinstance(rows, list):
        raise InputFileError(f'{path}: "cores" must be a list of {{"core", "x", "y"}}.')
    for number, row in enumerate(rows):
        _check_row(path, number, row)
    return rows


def _check_row(path: str | Path, number: int, row: Any) -> None:
    if not isinstance(row, Mapping):
        raise InputFileError(f'{path}: cores[{number}] must be an object with "core", "x", "y".')
    unknown = sorted(set(row) - _KEYS)
    if unknown:
        known = ", ".join(sorted(_KEYS))
        raise InputFileError(f"{path}: cores[{number}] has the key {unknown[0]!r}; known: {known}.")
    for key in ("core", "x", "y"):
        value = row.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
            raise InputFileError(
                f"{path}: cores[{number}].{key} is {value!r}; needs a whole number of 0 or more."
            )
    if "holds" in row and not isinstance(row["holds"], str):
        raise InputFileError(f"{path}: cores[{number}].holds is {row['holds']!r}; needs a text.")


def placement_data(program: Program) -> dict[str, Any]:
    """The placement of a program in the form of a placement file."""
    labels = program_labels(program)
    return {
        "schema": PLACEMENT_SCHEMA,
        "chip": program.chip.name,
        "cores": [
            {"core": i, "x": int(x), "y": int(y), "holds": labels[i]}
            for i, (x, y) in enumerate(zip(program.cores.x, program.cores.y, strict=True))
        ],
    }


def write_placement_file(program: Program, path: str | Path) -> None:
    """Write where the cores of `program` sit; one core per line."""
    data = placement_data(program)
    rows = ",\n".join(f"  {json.dumps(row)}" for row in data.pop("cores"))
    head = json.dumps(data)[:-1]
    write_atomically(Path(path), f'{head}, "cores": [\n{rows}\n]}}\n'.encode())


def program_labels(program: Program) -> tuple[str, ...]:
    """What each core of a program holds, as `core_labels` says it of a partition."""
    counts: list[dict[str, int]] = [{} for _ in range(program.n_cores)]
    groups = program.groups
    sizes = groups.neuron_stop - groups.neuron_start
    for core, layer, size in zip(groups.core, groups.layer, sizes, strict=True):
        name = program.layer_names[layer]
        counts[core][name] = counts[core].get(name, 0) + int(size)
    return tuple(
        " ".join(f"{name}:{count}" for name, count in sorted(core.items())) for core in counts
    )
