"""Study files: YAML that says which points to compute and what counts.

Enters: a file. Leaves: a `Study`, or one error that lists everything that is wrong, each with its
line. Promised: nothing in a study file is executed, and the number of points is bounded.
"""

from __future__ import annotations

import collections
import difflib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from neurosim.chip.files import key_problem
from neurosim.chip.messages import report, shown
from neurosim.errors import InputFileError
from neurosim.files.strict_yaml import KeyPath, Problem, parse_yaml, read_text_file
from neurosim_mapper.sweep.metrics import METRICS, OBJECTIVES
from neurosim_mapper.sweep.settings import FILES, Settings

MAX_POINTS: Final = 100_000


class Limits(BaseModel):
    """Between which values a figure must lie."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min: float | None = None
    max: float | None = None


class Study(BaseModel):
    """The content of a study file.

    A key of `fixed`, `grid` and `points` is a setting (see `Settings`) or a key of the chip file
    by its path (``core.axons``). The points are every entry of `points` with every combination of
    `grid`, over the values of `fixed`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, title="neurosim study file")

    study_schema: Literal["neurosim-study/1"] = Field(alias="schema")
    name: str = Field(min_length=1)
    description: str = ""
    fixed: dict[str, Any] = Field(default_factory=dict, description="Values of every point.")
    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        default_factory=dict, description="Values to combine: each with each."
    )
    points: list[dict[str, Any]] = Field(
        default_factory=list, description="Values of single points, one entry each."
    )
    objectives: dict[str, Literal["max", "min"]] = Field(
        default_factory=lambda: {name: METRICS[name] for name in OBJECTIVES},
        description="Figures that span the Pareto front.",
    )
    constraints: dict[str, Limits] = Field(
        default_factory=dict, description="Limits of figures; points beyond are not in the front."
    )

    @property
    def axes(self) -> list[str]:
        """Settings and chip keys that differ between points, in the order of the file."""
        listed = [key for entry in self.points for key in entry]
        return list(dict.fromkeys((*listed, *self.grid)))

    @property
    def limits(self) -> dict[str, dict[str, float]]:
        """The constraints as plain data."""
        return {
            name: limit.model_dump(exclude_none=True) for name, limit in self.constraints.items()
        }

    @property
    def n_points(self) -> int:
        """How many points the study has."""
        n = max(1, len(self.points))
        for values in self.grid.values():
            n *= len(values)
        return n


@dataclass(frozen=True)
class Point:
    """One point: its settings, the changes to its chip, and its values along the axes."""

    settings: Settings
    chip_changes: Mapping[str, Any]
    axes: Mapping[str, Any]


def read_study(path: Path) -> Study:
    """Read and check a study file.

    Raises
    ------
    InputFileError
        The file is missing, not YAML or not a study; the message lists every problem.
    """
    document = parse_yaml(read_text_file(path, "study file"), str(path))
    if not isinstance(document.data, dict):
        raise InputFileError(f"{path}: a study file needs keys, has {shown(document.data)}.")
    problems = list(document.problems)
    study = None
    try:
        study = Study.model_validate(document.data)
    except ValidationError as error:
        problems += [_problem(detail, Study) for detail in error.errors(include_url=False)]
    if study is not None:
        problems += _problems_of(study)
    if study is None or problems:
        raise InputFileError(report(problems, str(path), document))
    try:
        collections.deque(points_of(study, path.parent), maxlen=0)
    except ValidationError as error:
        missing = [str(d["loc"][0]) for d in error.errors() if d["type"] == "missing"]
        needed = [Problem(("fixed",), f"needs the setting {name!r}") for name in missing]
        raise InputFileError(report(needed, str(path), document)) from None
    return study


def study_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a study file, for editors that complete and check YAML."""
    schema = Study.model_json_schema()
    settings = Settings.model_json_schema()["properties"]
    others = {"description": "A key of the chip file by its path, such as core.axons."}
    values = {"type": "object", "properties": settings, "additionalProperties": others}
    columns = {
        name: {"type": "array", "minItems": 1, "items": part} for name, part in settings.items()
    }
    figures = {"propertyNames": {"enum": list(METRICS)}}
    properties = schema["properties"]
    properties["fixed"] |= values
    properties["points"]["items"] = values
    properties["grid"] |= {
        "properties": columns,
        "additionalProperties": {"type": "array", "minItems": 1, **others},
    }
    properties["objectives"] |= figures
    properties["constraints"] |= figures
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def points_of(study: Study, folder: Path) -> Iterator[Point]:
    """Every point of a study, in the order of the file; file names are relative to `folder`."""
    columns = list(study.grid.values())
    for entry in study.points or [{}]:
        for values in itertools.product(*columns):
            axes = {**entry, **dict(zip(study.grid, values, strict=True))}
            yield _point({**study.fixed, **axes}, axes, folder)


def _point(values: Mapping[str, Any], axes: Mapping[str, Any], folder: Path) -> Point:
    settings = {key: value for key, value in values.items() if key in Settings.model_fields}
    changes = {key: value for key, value in values.items() if key not in settings}
    for name in FILES:
        if isinstance(settings.get(name), str):
            settings[name] = str(folder / settings[name])
    chip = settings.get("chip")
    if isinstance(chip, str) and chip.endswith((".yaml", ".yml")):
        settings["chip"] = str(folder / chip)
    return Point(Settings.model_validate(settings), changes, axes)


def _problems_of(study: Study) -> list[Problem]:
    """What the types cannot say: keys, their values, figures, the number of points."""
    problems = []
    for key, value in study.fixed.items():
        problems += _value_problems(("fixed", key), key, value)
    for key, values in study.grid.items():
        if key not in Settings.model_fields:
            problems += _value_problems(("grid", key), key, None)
            continue
        for place, value in enumerate(values):
            problems += _value_problems(("grid", key, place), key, value)
    for place, entry in enumerate(study.points):
        for key, value in entry.items():
            problems += _value_problems(("points", place, key), key, value)
    for section in ("objectives", "constraints"):
        for name in getattr(study, section):
            if name not in METRICS:
                hint = _close(name, METRICS) or f"Known: {', '.join(METRICS)}."
                problems.append(Problem((section, name), f"is not a figure. {hint}"))
    if not study.objectives:
        problems.append(Problem(("objectives",), "needs at least one figure"))
    if not study.points and not study.grid:
        problems.append(Problem((), "needs 'grid' or 'points', what differs between points"))
    if study.n_points > MAX_POINTS:
        problems.append(Problem((), f"has {study.n_points} points; at most {MAX_POINTS} are run"))
    return list(dict.fromkeys(problems))


def _value_problems(path: KeyPath, key: str, value: Any) -> list[Problem]:
    """What is wrong with one setting, or with one key of the chip."""
    if key not in Settings.model_fields:
        sentence = key_problem(key)
        if sentence is None:
            return []
        close = _close(key, Settings.model_fields)
        own = sentence if "." in key or not close else f"is not a setting. {close}"
        return [Problem(path, own)]
    try:
        Settings.model_validate({"network": "", "chip": "", "input": "", key: value})
    except ValidationError as error:
        details = [d for d in error.errors(include_url=False) if d["loc"][:1] == (key,)]
        return [_problem({**details[0], "loc": path}, Settings)] if details else []
    return []


def _problem(detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    path: KeyPath = detail["loc"]
    if detail["type"] == "missing":
        return Problem(path, "is missing")
    if detail["type"] == "extra_forbidden":
        keys = [field.alias or name for name, field in model.model_fields.items()]
        hint = _close(str(path[-1]), keys)
        return Problem(path, f"is not a key of a study file. {hint}".strip())
    wish = detail["msg"].replace("Input should be", "needs to be").replace("Input should", "needs")
    has = shown(detail["input"])
    return Problem(path, f"{wish[0].lower()}{wish[1:]}, has {has}")


def _close(word: str, known: Any) -> str:
    matches = difflib.get_close_matches(word, list(known), n=1)
    return f"Did you mean {matches[0]!r}?" if matches else ""
