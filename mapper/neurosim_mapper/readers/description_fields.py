"""Typed access to one section of a description file, with errors that name line and key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Final

import numpy as np

from neurosim.errors import InputFileError
from neurosim.files.strict_yaml import Document, KeyPath
from neurosim_mapper.nodes import FloatArray, Shape
from neurosim_mapper.readers.state_dict import StateDict

BLANK: Final = "?"

Form = Callable[[FloatArray, float], FloatArray]
FORMS: Final[dict[str, Form]] = {
    "x": lambda x, dt: x,
    "1-x": lambda x, dt: 1 - x,
    "1/x": lambda x, dt: 1 / x,
    "clamp(x,0,1)": lambda x, dt: np.clip(x, 0.0, 1.0),
    "sigmoid(x)": lambda x, dt: 1 / (1 + np.exp(-x)),
    "1-sigmoid(x)": lambda x, dt: 1 - 1 / (1 + np.exp(-x)),
    "1-1/x": lambda x, dt: 1 - 1 / x,
    "exp(-1/x)": lambda x, dt: np.exp(-1 / x),
    "exp(-x)": lambda x, dt: np.exp(-x),
    "1-dt/x": lambda x, dt: 1 - dt / x,
    "1-dt*x": lambda x, dt: 1 - dt * x,
    "exp(-dt/x)": lambda x, dt: np.exp(-dt / x),
}


@dataclass
class Section:
    """One mapping of the file.

    Attributes
    ----------
    where : name of the file; document : for line numbers; path : of this mapping.
    state : the tensors that ``{key: ..., form: ...}`` refers to; `used` collects their names.
    """

    where: str
    document: Document
    path: KeyPath
    data: Mapping[str, Any]
    state: StateDict
    used: set[str] = field(default_factory=set)

    def fail(self, key: str | None, problem: str) -> InputFileError:
        """The error for a key of this section."""
        path = self.path if key is None else (*self.path, key)
        line = self.document.line_of(path)
        label = ".".join(str(part) for part in path)
        return InputFileError(f"{self.where}:{line}: {label or 'the file'} {problem}")

    def inside(self, key: str) -> Section:
        """A mapping inside this one."""
        value = self.data[key]
        if not isinstance(value, dict):
            raise self.fail(key, "needs to be a section.")
        path = (*self.path, key)
        return Section(self.where, self.document, path, value, self.state, self.used)

    def check_keys(self, known: tuple[str, ...]) -> None:
        """Every key must be known, and no blank may be left."""
        for key, value in self.data.items():
            if key not in known:
                close = get_close_matches(key, known, 1)
                hint = f" Did you mean {close[0]}?" if close else ""
                raise self.fail(key, f"is not known here; known: {', '.join(known)}.{hint}")
            if value == BLANK:
                raise self.fail(key, "is still blank (?). Fill it in.")

    def has(self, key: str) -> bool:
        """Whether there is a value other than null."""
        return self.data.get(key) is not None

    def text(self, key: str, known: tuple[str, ...] | None = None, default: str = "") -> str:
        """A word, one of `known`."""
        if key not in self.data and default:
            return default
        value = self.data.get(key)
        if not isinstance(value, str) or (known is not None and value not in known):
            listed = f"; known: {', '.join(known)}" if known else ""
            raise self.fail(key if key in self.data else None, f"needs {key}, a word{listed}.")
        return value

    def switch(self, key: str) -> bool:
        """true or false; false if missing."""
        value = self.data.get(key, False)
        if not isinstance(value, bool):
            raise self.fail(key, "needs true or false.")
        return value

    def integers(self, key: str, n: int | None = None, default: int | None = None) -> Shape:
        """Whole numbers; a single one is repeated `n` times."""
        value = self.data.get(key, default)
        values = [value] if not isinstance(value, list) else value
        if not values or not all(type(v) is int and abs(v) < 1 << 31 for v in values):
            raise self.fail(key if key in self.data else None, f"needs {key}, whole numbers.")
        if n is not None and len(values) == 1:
            values = values * n
        if n is not None and len(values) != n:
            raise self.fail(key, f"has {len(values)} entries, needs {n}.")
        return tuple(values)

    def number(self, key: str, dt: float = 1.0) -> FloatArray:
        """A number, a list of numbers, or ``{key: tensor, form: ...}`` / ``{value:, form:}``."""
        value = self.data.get(key)
        if isinstance(value, dict):
            return self.inside(key)._formed(dt)
        try:
            found = np.asarray(value, dtype=np.float64)
        except (ValueError, TypeError):
            found = np.asarray(np.nan)
        plain = value is not None and not isinstance(value, bool | str) and found.size > 0
        if not plain or not np.isfinite(found).all():
            raise self.fail(
                key if key in self.data else None,
                f"needs {key}: numbers, or a section with key (a tensor) or value, and form.",
            )
        return found

    def scalar(self, key: str, default: float) -> float:
        """One number."""
        if not self.has(key):
            return default
        value = self.number(key)
        if value.size != 1:
            raise self.fail(key, f"has {value.size} values, needs one.")
        return float(value.reshape(()))

    def _formed(self, dt: float) -> FloatArray:
        self.check_keys(("key", "value", "form"))
        if ("key" in self.data) == ("value" in self.data):
            raise self.fail(None, "needs key (a tensor) or value, one of them.")
        x = self.tensor("key") if "key" in self.data else self.number("value")
        form = self.text("form", tuple(FORMS), "x")
        with np.errstate(all="ignore"):
            found = FORMS[form](x, dt)
        if not np.isfinite(found).all():
            raise self.fail(None, f"gives values that are not finite with the form {form}.")
        return found

    def tensor(self, key: str) -> FloatArray:
        """The tensor of the checkpoint that `key` names."""
        name = self.data.get(key)
        if not isinstance(name, str):
            name = str(name)  # names like 0.1 read as numbers
        if name not in self.state.tensors:
            close = get_close_matches(name, self.state.tensors, 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise self.fail(key, f"names the tensor {name!r}, which is not there.{hint}")
        self.used.add(name)
        values = self.state.tensors[name]
        if values.dtype.kind not in "biuf" or not np.isfinite(values).all():
            raise self.fail(key, f"names the tensor {name!r}, which holds no finite numbers.")
        return values.astype(np.float64)
