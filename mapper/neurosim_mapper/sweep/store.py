"""Finished points on the disk: one small file each, named after what its result depends on.

A file is written aside and renamed, so it is complete or not there. Its own digest is inside: a
damaged file is computed again.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

from neurosim.files.archive import write_atomically
from neurosim.provenance import json_digest
from neurosim_mapper.sweep.task import Outcome

POINT_SCHEMA: Final = "neurosim-point/1"
_KEYS: Final = frozenset(("schema", "key", "status", "reason", "figures", "digest"))


class Store:
    """The folder of finished points."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, key: str) -> Outcome | None:
        """The outcome of a point; None if it is not there or damaged."""
        try:
            data = json.loads(self._path(key).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        if not isinstance(data, dict) or set(data) != _KEYS:
            return None
        digest = data.pop("digest")
        if digest != json_digest(data) or data["key"] != key or data["schema"] != POINT_SCHEMA:
            return None
        return Outcome(data["status"], data["reason"], data["figures"])

    def save(self, key: str, outcome: Outcome) -> None:
        """Keep an outcome; raises UsageError if it cannot be written."""
        data = {"schema": POINT_SCHEMA, "key": key, **asdict(outcome)}
        data["digest"] = json_digest(data)
        write_atomically(self._path(key), (json.dumps(data, indent=1) + "\n").encode())

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"
