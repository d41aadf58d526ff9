"""Chip files: a YAML file, or the name of a shipped chip, becomes a `Chip`.

Enters: a name, a path, or plain data. Leaves: a `Chip`, or one error that lists everything that is
wrong with the file, each with its line and what would help. Promised: nothing in a chip file is
executed, reading is bounded in time and memory, and no number is set that the file does not state.
"""

from __future__ import annotations

import copy
import difflib
import os
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from neurosim.chip.messages import (
    missing_key,
    model_schema,
    problems_of,
    report,
    schema_at,
    shown,
    suggestion,
)
from neurosim.chip.model import SOURCED_SECTIONS, Chip
from neurosim.errors import InputFileError, UsageError
from neurosim.files.strict_yaml import (
    Document,
    KeyPath,
    Problem,
    dump_yaml,
    parse_yaml,
    read_text_file,
)

TIMED_SECTIONS: Final = ("inter_chip", "noc", "tick")
"""Sections whose plain numbers are times and rates, so each needs a source."""


def load_chip(name_or_path: str | os.PathLike[str] | Chip) -> Chip:
    """A shipped chip by name, or a chip file by path.

    Parameters
    ----------
    name_or_path : a name of `builtin_chips`, the path of a YAML file, or a `Chip`, which is
        returned as it is. A shipped name counts before a file of the same name; write
        ``./tianjic`` for the file.

    Raises
    ------
    UsageError
        No shipped chip has this name.
    InputFileError
        The file is missing, unreadable, not YAML or not a chip; the message lists every problem.
    """
    if isinstance(name_or_path, Chip):
        return name_or_path
    if not isinstance(name_or_path, (str, os.PathLike)):
        kind = type(name_or_path).__name__
        raise UsageError(f"load_chip needs a chip name, a path or a Chip, has {kind}.")
    text = os.fspath(name_or_path)
    if isinstance(name_or_path, str):
        if text in builtin_chips():
            return _load_builtin(text)
        if not _looks_like_path(text):
            raise UsageError(f"unknown chip {text[:80]!r}. {_name_hint(text)}")
    path = Path(text)
    if not os.path.exists(text) and path.stem in builtin_chips():
        raise InputFileError(
            f"chip file {text!r} does not exist. For the shipped chip, write {path.stem!r}."
        )
    return _load(read_text_file(path, "chip file"), text)


def chip_from_dict(data: Mapping[str, Any], where: str = "chip") -> Chip:
    """Validate plain data of a complete chip, as `Chip.to_dict` gives it.

    Keys with a default in `Chip` may be left out.

    Raises
    ------
    InputFileError
        The data is not a chip; the message lists every problem and begins with `where`.
    """
    chip, problems = problems_of(dict(data) if isinstance(data, Mapping) else data)
    if chip is None:
        raise InputFileError(report(problems, where))
    return chip


def chip_with(chip: Chip, changes: Mapping[str, Any], source: str, where: str = "chip") -> Chip:
    """A chip with the values at some keys replaced; the new numbers are assumptions.

    Parameters
    ----------
    changes : dotted key (``core.axons``, ``energy.mac_pj``) to value. A mapping is merged into the
        section that is there, anything else replaces what is there.
    source : who says so, for the sources of the chip.

    Raises
    ------
    InputFileError
        The result is not a chip; the message lists every problem and begins with `where`.
    """
    if not changes:
        return chip
    base = chip.to_dict()
    stated: dict[str, Any] = {}
    for key, value in changes.items():
        path = tuple(key.split("."))
        if "source" in schema_at(path).get("properties", {}) and _is_plain_number(value):
            value = {"value": value, "source": source, "kind": "assumption"}
        section = stated
        for part in path[:-1]:
            section = section.setdefault(part, {})
            if not isinstance(section, dict):
                raise InputFileError(f"{where}: {key} lies inside another changed key.")
        section[path[-1]] = value
    numbers = _plain_numbers(stated)
    if numbers:
        stated["sources"] = [{"of": numbers, "source": source, "kind": "assumption"}]
    data = _with_sources(_merged(base, stated), base, Document(data=stated))
    return chip_from_dict(data, where)


def key_problem(key: str) -> str | None:
    """Why a dotted key is not one of a chip file; None if it is."""
    path: KeyPath = tuple(key.split("."))
    for length in range(1, len(path) + 1):
        part = path[:length]
        known = schema_at(part[:-1]).get("properties", {})
        if part[-1] not in known:
            close = suggestion(part)
            hint = f". Did you mean {'.'.join(map(str, (*part[:-1], close)))!r}?" if close else ""
            return f"is not a key of a chip file{hint}"
    return None


def dump_chip(chip: Chip) -> str:
    """The chip as the text of a chip file, complete and without `extends`."""
    return dump_yaml(chip.to_dict())


@cache
def builtin_chips() -> tuple[str, ...]:
    """Names of the shipped chips, sorted."""
    entries = (entry.name for entry in _folder().iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml")))


def chip_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a chip file, for editors that complete and check YAML.

    A file with `extends` may leave out any key; a file without it needs all of them, apart from
    those whose absence means "none" (`dead_cores`, `core.axon_types`, ...).
    """
    complete, variant = copy.deepcopy(model_schema()), copy.deepcopy(model_schema())
    definitions: dict[str, Any] = {}
    for whole, suffix in ((complete, ""), (variant, "Variant")):
        parts = whole.pop("$defs")
        for name, part in {**parts, "Chip": whole}.items():
            part["required"] = _stated_keys(part)
            if suffix and _is_section(part):
                part["required"] = ["name", "description"] if name == "Chip" else []
            definitions[name + suffix] = _renamed(part, suffix) if suffix else part
    definitions["ChipVariant"]["properties"]["extends"] = {
        "description": "Shipped chip whose values count where this file says nothing.",
        "enum": list(builtin_chips()),
    }
    definitions["ChipVariant"]["required"] = ["extends", "name", "description"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "neurosim chip file",
        "type": "object",
        "if": {"required": ["extends"]},
        "then": {"$ref": "#/$defs/ChipVariant"},
        "else": {"$ref": "#/$defs/Chip"},
        "$defs": definitions,
    }


def _is_section(part: Mapping[str, Any]) -> bool:
    """Whether a variant merges this mapping key by key; a number with its source is replaced."""
    keys = part.get("properties", {})
    return "source" not in keys and set(keys) != {"name", "bits"}


def _stated_keys(part: Mapping[str, Any]) -> list[str]:
    """Keys that a complete file states: all but those whose default means "none"."""
    return [
        key for key, node in part["properties"].items() if node.get("default", 0) not in (None, [])
    ]


def _renamed(node: Any, suffix: str) -> Any:
    """A schema with `suffix` after each of its references."""
    if isinstance(node, dict):
        return {
            key: value + suffix if key == "$ref" else _renamed(value, suffix)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_renamed(value, suffix) for value in node]
    return node


@cache
def _folder() -> Traversable:
    """The shipped chip files: inside the installed package, or beside it in a checkout."""
    package = resources.files("neurosim")
    beside = Path(__file__).resolve().parents[2] / "chip_configs"
    for folder in (package / "chip_configs", beside):
        if folder.is_dir():
            return folder
    raise InputFileError(
        "the shipped chip files are missing: needed in neurosim/chip_configs. Install neurosim "
        "again."
    )


def _looks_like_path(text: str) -> bool:
    if text.endswith((".yaml", ".yml", ".json")) or "/" in text or os.sep in text:
        return True
    return os.path.exists(text)


def _name_hint(text: str) -> str:
    names = builtin_chips()
    close = difflib.get_close_matches(text.lower(), names, n=1)
    suggestion = f"Did you mean {close[0]!r}? " if close else ""
    return f"{suggestion}Shipped chips: {', '.join(names)}; or give the path of a .yaml file."


@cache
def _load_builtin(name: str) -> Chip:
    return _load((_folder() / f"{name}.yaml").read_bytes(), f"{name}.yaml")


def _load(content: bytes, where: str) -> Chip:
    """Parse, merge over the base chip, complete the sources, validate."""
    document = parse_yaml(content, where)
    if not isinstance(document.data, dict):
        raise InputFileError(f"{where}: a chip file needs keys, has {shown(document.data)}.")
    stated = document.data
    base = _base(stated, document, where)
    data = stated
    if base is not None:
        data = _merged(base, stated)
        document.problems += [missing_key((k,)) for k in ("name", "description") if k not in stated]
    document.problems += _unstated(data, ())
    data = _with_sources(data, base, document)
    chip, problems = problems_of(data)
    settled = [problem.path for problem in document.problems if problem.final]
    document.problems += [
        problem
        for problem in problems
        if not any(problem.path[: len(path)] == path for path in settled)
    ]
    if chip is None or document.problems:
        raise InputFileError(report(document.problems, where, document))
    return chip


def _base(stated: dict[str, Any], document: Document, where: str) -> dict[str, Any] | None:
    """Plain data of the chip that `extends` names; takes `extends` out of `stated`."""
    if "extends" not in stated:
        return None
    name = stated.pop("extends")
    if not isinstance(name, str) or name not in builtin_chips():
        hint = _name_hint(str(name)).split("; or")[0]
        sentence = f"needs the name of a shipped chip, has {shown(name)}. {hint}"
        document.problems.append(Problem(("extends",), sentence))
        raise InputFileError(report(document.problems, where, document))
    return _load_builtin(name).to_dict()


def _merged(base: Any, stated: Any, path: KeyPath = ()) -> Any:
    """`stated` over `base`, section by section; lists and sourced numbers are replaced whole."""
    is_section = isinstance(stated, dict) and isinstance(base, dict)
    if not is_section or not _is_section(schema_at(path)):
        return stated
    merged = dict(base)
    for key, value in stated.items():
        merged[key] = _merged(base[key], value, (*path, key)) if key in base else value
    return merged


def _unstated(data: dict[str, Any], path: KeyPath) -> list[Problem]:
    """Keys that have a usual value but must be stated: a chip file has no silent defaults."""
    problems: list[Problem] = []
    known = schema_at(path).get("properties", {})
    misspelt = {suggestion((*path, key)) for key in data if key not in known}
    for key, node in known.items():
        inner = (*path, key)
        if key in data:
            if isinstance(data[key], dict):
                problems += _unstated(data[key], inner)
        elif node.get("default") not in (None, []) and key not in misspelt:
            problems.append(missing_key(inner, usual=node["default"]))
    return problems


def _with_sources(
    data: dict[str, Any], base: dict[str, Any] | None, document: Document
) -> dict[str, Any]:
    """Complete `sources`, so that each number has its own source and nobody else's.

    A number that a variant overrides loses the source of the number it replaced, and what a
    variant says about a section holds for the numbers that it states there. Numbers without a
    source are marked as assumptions; times and rates without one are problems.
    """
    own = document.data.get("sources", [])
    if not isinstance(own, list):
        return data
    numbers = _plain_numbers(document.data)
    inherited: list[Any] = []
    if base is not None:
        own = [_narrowed(entry, numbers) for entry in own]
        for entry in base["sources"]:
            kept = [path for path in entry["of"] if path not in numbers]
            inherited += [{**entry, "of": kept}] if kept else []
    named = {str(path) for entry in own for path in _subjects(entry)}
    silent = [path for path in numbers if not {path, path.split(".")[0]} & named]
    for path in silent:
        section, key = path.split(".")
        if section in TIMED_SECTIONS:
            sentence = f"needs an entry in 'sources' (of: [{path}], source: ..., kind: ...)"
            document.problems.append(Problem((section, key), sentence))
    unsourced = {"of": silent, "source": "the chip file names no source", "kind": "assumption"}
    return {**data, "sources": [*own, *([unsourced] if silent else []), *inherited]}


def _plain_numbers(stated: dict[str, Any]) -> list[str]:
    """Key paths of the plain numbers that a file states; `array` is its author's choice."""
    return [
        f"{section}.{key}"
        for section, model in SOURCED_SECTIONS.items()
        if section != "array" and isinstance(stated.get(section), dict)
        for key, value in stated[section].items()
        if key in model.model_fields and _holds_number(value)
    ]


def _narrowed(entry: Any, numbers: list[str]) -> Any:
    """An entry of `sources` with each section spelt out as the numbers stated in it."""
    paths: list[Any] = []
    for path in _subjects(entry):
        stated = [number for number in numbers if number.split(".")[0] == path]
        paths += stated or [path]
    return {**entry, "of": paths} if paths else entry


def _subjects(entry: Any) -> list[Any]:
    """What an entry of `sources` speaks about; nothing if the entry is malformed."""
    of = entry.get("of") if isinstance(entry, dict) else None
    return of if isinstance(of, list) else []


def _holds_number(value: Any) -> bool:
    if isinstance(value, list):
        return any(_holds_number(entry) for entry in value)
    if isinstance(value, dict):
        return any(_holds_number(entry) for entry in value.values())
    return _is_plain_number(value)


def _is_plain_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


__all__ = [
    "builtin_chips",
    "chip_from_dict",
    "chip_schema",
    "chip_with",
    "dump_chip",
    "key_problem",
    "load_chip",
]
