"""YAML without its traps: bounded, with line numbers, all problems in one list.

Enters: the bytes of a file. Leaves: a `Document` of plain data (dict, list, str, int, float, bool,
None), the line of every key path, and every problem that does not stop the reading. Promised: no
object is ever constructed from a tag, and time and memory are bounded by the size of the file.

Only the parser of PyYAML is used, never its resolver, because YAML 1.1 reads ``3e-12`` as text,
``010`` as 8, ``12:30`` as 750, ``no`` as false, ``1_000`` as 1000 and lets the second of two equal
keys win. Here a plain scalar is a number only in decimal notation without leading zeros, true and
false are the only switches, and everything else is text.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import yaml

from neurosim.errors import InputFileError

MAX_BYTES: Final = 1_000_000
MAX_DEPTH: Final = 16
MAX_NODES: Final = 50_000
MAX_NUMBER_LENGTH: Final = 40

KeyPath = tuple[str | int, ...]

_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z", re.ASCII)
_FLOAT: Final = re.compile(
    r"[-+]?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][-+]?[0-9]+)?\Z",
    re.ASCII,
)
_NULLS: Final = ("", "~", "null")
_SWITCHES: Final = {"true": True, "false": False}


class Problem(NamedTuple):
    """One thing that is wrong, and where; `final`: the value there means nothing."""

    path: KeyPath
    sentence: str
    line: int | None = None
    final: bool = False


@dataclass
class Document:
    """What a YAML file says."""

    data: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int:
        """Line of a key path, or of the closest section around it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_text_file(path: Path, what: str) -> bytes:
    """Bytes of a regular file of at most `MAX_BYTES`.

    Raises
    ------
    InputFileError
        The file is missing, unreadable, not a regular file, or too large.
    """
    try:
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a regular file"
            raise InputFileError(f"{what} {str(path)!r} cannot be read: it is {kind}.")
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except InputFileError:
        raise
    except FileNotFoundError:
        raise InputFileError(f"{what} {str(path)!r} does not exist.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputFileError(f"{what} {str(path)!r} cannot be read: {reason}.") from None
    if len(content) > MAX_BYTES:
        raise InputFileError(f"{what} {str(path)!r} is larger than {MAX_BYTES} bytes, the limit.")
    return content


def parse_yaml(content: bytes, where: str) -> Document:
    """Parse one YAML document.

    Parameters
    ----------
    content : bytes of the file, UTF-8.
    where : name of the file, for messages.

    Raises
    ------
    InputFileError
        The file is not UTF-8, not YAML, or beyond the limits of depth and size. Problems that
        allow reading on (duplicate keys, tags, aliases) are listed in the result instead.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputFileError(
            f"{where}:{line}: is not UTF-8 text (byte 0x{content[error.start]:02x}). Save the "
            "file as UTF-8."
        ) from None
    builder = _Builder(where)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except InputFileError:
        raise
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        reason = _one_line(error.problem or error.context or "cannot be parsed")
        raise InputFileError(
            f"{where}:{line}: is not valid YAML: {reason} (column {column})."
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise InputFileError(
            f"{where}:{line}: is not valid YAML: character {error.character:#04x} is not allowed."
        ) from None
    except (yaml.YAMLError, ValueError, OverflowError, IndexError) as error:
        reason = _one_line(str(error))
        raise InputFileError(f"{where}: is not valid YAML: {reason}.") from None
    return builder.document


def _one_line(text: str) -> str:
    return " ".join(text.split())[:200]


@dataclass
class _Open:
    """A mapping or list whose end has not been seen yet."""

    value: dict[str, Any] | list[Any]
    path: KeyPath
    key: str | None = None
    duplicate: bool = False


class _Builder:
    """Turns parser events into data, without recursion."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.document = Document()
        self.open: list[_Open] = []
        self.n_nodes = 0
        self.n_documents = 0

    def take(self, event: yaml.Event) -> None:
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.DocumentStartEvent):
            self.n_documents += 1
            if self.n_documents > 1:
                raise self._stop(line, "a second document starts here, needs exactly one")
        elif isinstance(event, yaml.AliasEvent):
            self._complain(line, f"uses the alias '*{event.anchor}'; write the value out")
            self._add(None, line)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._start(event, line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.open.pop()

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            self._key(top, event.value, line)
            return
        if event.tag not in (None, "!"):
            self._complain(line, f"has the tag {event.tag!r}; tags are not used here")
        plain = event.style is None and event.tag is None
        self._add(resolve(event.value) if plain else event.value, line)

    def _key(self, top: _Open, key: str, line: int) -> None:
        assert isinstance(top.value, dict)
        top.key, path = key, (*top.path, key)
        top.duplicate = key in top.value
        if top.duplicate:
            first = self.document.lines[path]
            sentence = f"is written twice, first in line {first}; keep one"
            self.document.problems.append(Problem(path, sentence, line))
        else:
            self.document.lines[path] = line

    def _start(self, event: yaml.CollectionStartEvent, line: int) -> None:
        if len(self.open) >= MAX_DEPTH:
            raise self._stop(line, f"sections are nested deeper than {MAX_DEPTH} levels, the limit")
        top = self.open[-1] if self.open else None
        if top is not None and isinstance(top.value, dict) and top.key is None:
            raise self._stop(line, "a key needs to be text, here is a list or a section")
        if event.tag not in (None, "!"):
            self._complain(line, f"has the tag {event.tag!r}; tags are not used here")
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.open.append(_Open(value, self._add(value, line)))

    def _add(self, value: Any, line: int) -> KeyPath:
        """Put a value where it belongs; returns its key path."""
        self.n_nodes += 1
        if self.n_nodes > MAX_NODES:
            raise self._stop(line, f"the file has more than {MAX_NODES} entries, the limit")
        if not self.open:
            self.document.data = value
            return ()
        top, path = self.open[-1], self._path()
        if isinstance(top.value, list):
            top.value.append(value)
            self.document.lines[path] = line
        elif top.key is not None:
            if not top.duplicate:
                top.value[top.key] = value
            top.key = None
        return path

    def _path(self) -> KeyPath:
        if not self.open:
            return ()
        top = self.open[-1]
        if isinstance(top.value, list):
            return (*top.path, len(top.value))
        return top.path if top.key is None else (*top.path, top.key)

    def _complain(self, line: int, sentence: str) -> None:
        self.document.problems.append(Problem(self._path(), sentence, line, True))

    def _stop(self, line: int, sentence: str) -> InputFileError:
        return InputFileError(f"{self.where}:{line}: {sentence}.")


def resolve(text: str) -> str | int | float | bool | None:
    """Value of a plain scalar: decimal number, true, false, null, or else the text itself."""
    if text in _NULLS:
        return None
    if text in _SWITCHES:
        return _SWITCHES[text]
    if len(text) > MAX_NUMBER_LENGTH:
        return text
    if _INTEGER.match(text):
        return int(text)
    if _FLOAT.match(text) and any(character.isdigit() for character in text.lower().split("e")[0]):
        return float(text)
    return text


def trap_hint(text: str) -> str:
    """What to write in place of a text that other YAML readers take for something else."""
    lowered = text.strip().lower()
    if lowered in ("yes", "on", "y"):
        return "Write true."
    if lowered in ("no", "off", "n"):
        return "Write false."
    if lowered in _SWITCHES or lowered in ("null", "none"):
        return f"Write {'null' if lowered == 'none' else lowered}, without quotes."
    bare = lowered.replace("_", "").replace(",", "")
    if bare != text and isinstance(resolve(bare), (int, float)):
        return f"Write {bare}."
    if isinstance(resolve(lowered), (int, float)):
        return "Write the number without quotes."
    if re.fullmatch(r"[-+]?0[0-9]+", bare):
        return f"Write {int(bare)}, without leading zeros."
    if re.fullmatch(r"[-+]?0[xob][0-9a-f]+", bare):
        return "Write a decimal number."
    if re.fullmatch(r"[-+]?[0-9]+(:[0-9]+)+", bare):
        return "Write one decimal number; a colon does not separate hours and minutes here."
    return ""


class _Dumper(yaml.SafeDumper):
    """Writes text so that `parse_yaml` reads it back as text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    is_safe = text.isprintable() and resolve(text) == text and not trap_hint(text)
    style = None if is_safe else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def dump_yaml(data: Any) -> str:
    """Plain data as YAML text that `parse_yaml` reads back unchanged."""
    text = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=96)
    assert isinstance(text, str)
    return text
