"""The network-on-chip, cycle by cycle (`simulate_noc`, `TickNetwork`) or by formula (`theory`).

What simulates is imported when it is used: a chip file needs no compiler for its `Noc`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from neurosim.noc.model import Link, Noc

if TYPE_CHECKING:
    from neurosim.noc.simulate import NocResult, simulate_noc
    from neurosim.noc.tick import CLASSES, TickNetwork, TickResult

_HOME = {
    "CLASSES": "neurosim.noc.tick",
    "NocResult": "neurosim.noc.simulate",
    "TickNetwork": "neurosim.noc.tick",
    "TickResult": "neurosim.noc.tick",
    "simulate_noc": "neurosim.noc.simulate",
}

__all__ = [
    "CLASSES",
    "Link",
    "Noc",
    "NocResult",
    "TickNetwork",
    "TickResult",
    "simulate_noc",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'neurosim.noc' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
