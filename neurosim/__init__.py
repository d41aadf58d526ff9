"""The chip side of neurosim: chip model, simulator, counters, energy, reports.

Nothing heavy is imported until it is used, so that ``neurosim --help`` answers at once.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "Chip": "neurosim.chip.model",
    "load_chip": "neurosim.chip.files",
    "Program": "neurosim.program.columns",
    "load_program": "neurosim.program.columns",
    "ProgramBuilder": "neurosim.program.builder",
    "simulate": "neurosim.run.simulator",
    "simulate_chunks": "neurosim.run.stream",
    "simulate_stream": "neurosim.run.stream",
    "Run": "neurosim.run.simulator",
    "Report": "neurosim.report",
    "Noc": "neurosim.noc",
    "simulate_noc": "neurosim.noc",
    "NeurosimError": "neurosim.errors",
}

__version__ = "0.1.0"
__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'neurosim' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
