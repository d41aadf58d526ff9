"""Sentences for what is wrong with a chip: which key, what it needs, what it has, what would help.

Enters: plain data of a chip, and what pydantic says about it. Leaves: `Problem` entries, in the
words of the chip file. What a key needs is read from the JSON Schema of the model, so a limit is
written once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from neurosim.chip.model import Chip
from neurosim.files.strict_yaml import Document, KeyPath, Problem, trap_hint

MAX_SHOWN: Final = 40
MAX_REPORTED: Final = 30

Schema = Mapping[str, Any]


@cache
def model_schema() -> dict[str, Any]:
    """JSON Schema of `Chip`, by the keys of the file."""
    return Chip.model_json_schema(by_alias=True)


def dotted(path: KeyPath) -> str:
    """``("packet", "fields", 2, "bits")`` as ``packet.fields[2].bits``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def schema_at(path: KeyPath) -> Schema:
    """The part of the schema that describes a key path; empty for an unknown key."""
    node: Schema = model_schema()
    for part in path:
        node = _resolved(node)
        if isinstance(part, int):
            prefix = node.get("prefixItems", ())
            node = prefix[part] if part < len(prefix) else node.get("items", {})
        else:
            node = node.get("properties", {}).get(part, {})
    return _resolved(node)


def _resolved(node: Schema) -> Schema:
    """Follow a reference, and drop the alternative null."""
    for alternative in node.get("anyOf", ()):
        if alternative.get("type") != "null":
            node = alternative
            break
    if "$ref" in node:
        name = str(node["$ref"]).rsplit("/", 1)[-1]
        found: Schema = model_schema()["$defs"][name]
        return found
    return node


def needs(path: KeyPath) -> str:
    """What a key path needs: ``a whole number from 1 to 16``, ``one of mesh, torus``, ..."""
    node = schema_at(path)
    if "const" in node:
        return f"{node['const']!r}"
    if "enum" in node:
        return "one of " + ", ".join(node["enum"])
    if node.get("type") in ("integer", "number"):
        return _needs_number(node)
    if node.get("type") == "string":
        return f"text that matches {node['pattern']}" if "pattern" in node else "text"
    if node.get("type") == "boolean":
        return "true or false"
    if node.get("type") == "array":
        return _needs_list(path, node)
    if "properties" in node:
        return "a section with the keys " + ", ".join(node["properties"])
    return "something else"


def _needs_number(node: Schema) -> str:
    noun = "a whole number" if node["type"] == "integer" else "a number"
    low = f"above {node['exclusiveMinimum']:g}" if "exclusiveMinimum" in node else ""
    if "minimum" in node:
        low = f"from {node['minimum']:g}"
    high = f"to {_short(node['maximum'])}" if "maximum" in node else ""
    return " ".join(part for part in (noun, low, high) if part)


def _short(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:g}"


def _needs_list(path: KeyPath, node: Schema) -> str:
    if "prefixItems" in node:
        entries = [needs((*path, place)) for place in range(len(node["prefixItems"]))]
        return f"a list of {len(entries)} entries ({'; '.join(entries)})"
    least = node.get("minItems", 0)
    count = f"at least {least} " if least else ""
    return f"a list of {count}entries, each {needs((*path, 0))}"


def shown(value: Any) -> str:
    """A value in the words of a message."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 3] + "..."
        return f"text {text!r}"
    if isinstance(value, Mapping):
        return "a section"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)} entries"
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def problems_of(data: Any) -> tuple[Chip | None, list[Problem]]:
    """Validate plain data of a chip; the chip, or every problem.

    Rules between sections can only be judged on a complete chip, so when nothing but unknown keys
    is wrong, these are taken out and the rest is judged, too.
    """
    try:
        return Chip.model_validate(data), []
    except ValidationError as error:
        details = error.errors(include_url=False)
    problems = _sentences(details)
    if all(detail["type"] == "extra_forbidden" for detail in details):
        for detail in details:
            data = _without(data, detail["loc"])
        problems += problems_of(data)[1]
    return None, problems


def _without(data: Any, path: KeyPath) -> Any:
    """A copy of nested mappings and lists without the entry at `path`."""
    head, rest = path[0], path[1:]
    if isinstance(data, Mapping):
        if not rest:
            return {key: value for key, value in data.items() if key != head}
        return {key: _without(value, rest) if key == head else value for key, value in data.items()}
    return [_without(value, rest) if place == head else value for place, value in enumerate(data)]


def _sentences(details: Iterable[ErrorDetails]) -> list[Problem]:
    """One problem per error of pydantic; a misspelt key is not reported as missing, too."""
    details = list(details)
    missing = {detail["loc"] for detail in details if detail["type"] == "missing"}
    problems: list[Problem] = []
    explained: set[KeyPath] = set()
    for detail in details:
        if detail["type"] == "extra_forbidden":
            path: KeyPath = detail["loc"]
            close = suggestion(path)
            sentence = "is not a key of a chip file. " + _unknown_key_hint(path, close)
            problems.append(Problem(path, sentence.strip()))
            if close is not None:
                explained.add((*path[:-1], close))
    for detail in details:
        path = detail["loc"]
        if detail["type"] == "extra_forbidden" or path in missing & explained:
            continue
        problems += _sentence(detail)
    return problems


def _sentence(detail: ErrorDetails) -> list[Problem]:
    path: KeyPath = detail["loc"]
    if detail["type"] == "chip_rule":
        broken = detail.get("ctx", {})["problems"]
        return [Problem((*path, *_parts(inner)), sentence) for inner, sentence in broken]
    if detail["type"] == "missing":
        return [missing_key(path)]
    value = detail["input"]
    hint = trap_hint(value) if isinstance(value, str) else ""
    wanted = schema_at(path)
    if isinstance(value, str) and "enum" in wanted:
        matches = difflib.get_close_matches(value, wanted["enum"], n=1)
        hint = f"Did you mean {matches[0]!r}?" if matches else ""
    elif wanted.get("type") == "string" and isinstance(value, (int, float)):
        hint = "Put it in quotes."
    sentence = f"needs {needs(path)}, has {shown(value)}"
    return [Problem(path, f"{sentence}. {hint}".removesuffix(". "))]


def missing_key(path: KeyPath, usual: Any = None) -> Problem:
    """The problem of a key that is not there; `usual` is what most chips say."""
    most = "" if usual is None else f" (most chips: {shown(usual).removeprefix('text ')})"
    return Problem(path, f"is missing: needs {needs(path)}{most}")


def _parts(path: str) -> KeyPath:
    return tuple(int(part) if part.isdigit() else part for part in path.split(".") if part)


def suggestion(path: KeyPath) -> str | None:
    """The known key of the same section that looks like the last part of `path`."""
    known = schema_at(path[:-1]).get("properties", {})
    matches = difflib.get_close_matches(str(path[-1]).lower(), known, n=1)
    return matches[0] if matches else None


def _unknown_key_hint(path: KeyPath, close: str | None) -> str:
    key = str(path[-1])
    if close is not None:
        return f"Did you mean {close!r}?"
    homes = [
        section
        for section in model_schema()["properties"]
        if key in schema_at((section,)).get("properties", {})
    ]
    if homes:
        return f"It belongs in section {homes[0]!r}."
    known = ", ".join(schema_at(path[:-1]).get("properties", {}))
    return f"Known here: {known}." if known else ""


def report(problems: list[Problem], where: str, document: Document | None = None) -> str:
    """All problems as one text: a sentence if there is one, else a list, in order of lines.

    Parameters
    ----------
    problems : what is wrong; lines that are None are looked up in `document`.
    where : name of the file or object.
    document : the file that was read, None for data that has no lines.
    """
    entries: list[tuple[int, str]] = []
    for problem in dict.fromkeys(problems):
        line = problem.line or (document.line_of(problem.path) if document else 0)
        place = f"{where}:{line}" if document else where
        sentence = f"{dotted(problem.path)} {problem.sentence}".strip()
        ending = "" if sentence.endswith((".", "?")) else "."
        entries.append((line, f"{place}: {sentence}{ending}"))
    entries.sort(key=lambda entry: entry[0])
    if len(entries) == 1:
        return entries[0][1]
    lines = [f"{where} has {len(entries)} problems:"]
    lines += [f"  {text}" for _, text in entries[:MAX_REPORTED]]
    if len(entries) > MAX_REPORTED:
        lines.append(f"  ... and {len(entries) - MAX_REPORTED} more.")
    return "\n".join(lines)
