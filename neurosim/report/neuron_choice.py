"""Which neurons a page shows: ``LAYER`` or ``LAYER:3,7,12-15``, as people write it.

Without numbers the page shows the first neurons, and the potentials that move most.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from neurosim.errors import UsageError

MOST: Final = 24
"""Neurons of a layer that can be chosen; more lines than that nobody can tell apart."""

_NUMBERS: Final = re.compile(r"\d+(-\d+)?(,\d+(-\d+)?)*")


def parse_choices(
    texts: Iterable[str], sizes: Mapping[str, int], option: str
) -> dict[str, tuple[int, ...]]:
    """Chosen neurons by layer, in ascending order; an empty tuple for a layer without numbers.

    Parameters
    ----------
    texts : as the user wrote them. A layer may be named twice.
    sizes : neurons of every layer that can be chosen, by name.
    option : what the user wrote them behind, for messages.

    Raises
    ------
    UsageError : no such layer or neuron, or too many.
    """
    found: dict[str, tuple[int, ...]] = {}
    for text in texts:
        layer, _, numbers = text.rpartition(":")
        if text in sizes or not _NUMBERS.fullmatch(numbers):
            layer, numbers = text, ""
        if layer not in sizes:
            known = ", ".join(sizes) or "none"
            raise UsageError(
                f"{option} {text}: there is no layer {layer!r}; known: {known}. Single neurons: "
                "LAYER:3,7,12-15."
            )
        chosen = {*found.get(layer, ()), *_expanded(numbers, sizes[layer])}
        if chosen and max(chosen) >= sizes[layer]:
            raise UsageError(
                f"{option} {text}: layer {layer!r} has {sizes[layer]} neurons, counted from 0."
            )
        if len(chosen) > MOST:
            raise UsageError(f"{option} {text}: {len(chosen)} neurons; at most {MOST} per layer.")
        found[layer] = tuple(sorted(chosen))
    return found


def _expanded(numbers: str, size: int) -> set[int]:
    """The numbers of ``3,7,12-15``; a range ends at `size`, so that no long list is made."""
    found: set[int] = set()
    for part in filter(None, numbers.split(",")):
        first, _, last = part.partition("-")
        start, stop = sorted((int(first), int(last or first)))
        found.update({stop}, range(start, min(stop, size) + 1))
    return found
