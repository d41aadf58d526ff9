"""A rule of the chip that a program breaks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """One broken rule: which rule, on what, how much is needed, how much there is."""

    rule: str
    where: str
    needed: str
    limit: str

    def __str__(self) -> str:
        """One sentence."""
        return f"{self.rule}: {self.where} needs {self.needed}, the limit is {self.limit}."
