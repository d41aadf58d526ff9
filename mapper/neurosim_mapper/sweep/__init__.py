"""Design-space sweeps: a study file in, a table and its Pareto front out.

    study file --study--> Points --task--> Tasks --engines--> Outcomes --store--> disk
    Outcomes --table--> rows --page--> HTML

The leading process reads every file and writes every result; workers only compute. A point is
known by the digest of all that its result depends on, so a study that was stopped goes on where
it was, and a changed study computes only what it changed.

Nothing is imported until it is used: workers need neither tables nor pages.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Study": "neurosim_mapper.sweep.study",
    "Sweep": "neurosim_mapper.sweep.run",
    "read_study": "neurosim_mapper.sweep.study",
    "run_study": "neurosim_mapper.sweep.run",
    "study_schema": "neurosim_mapper.sweep.study",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'neurosim_mapper.sweep' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
