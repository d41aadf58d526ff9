"""What was hit: all of it counted, the first of it in words."""

from __future__ import annotations

from collections.abc import Iterable

MOST_NOTED = 100
"""Hits that the provenance of a run lists; beyond, they are only counted."""


class Hits:
    """A count and the first sentences."""

    def __init__(self, words: Iterable[str] = ()) -> None:
        self.count = 0
        self.first: list[str] = []
        for word in words:
            self.add(word)

    def add(self, word: str) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < MOST_NOTED:
            self.first.append(word)
