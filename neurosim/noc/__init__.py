"""The network-on-chip, cycle by cycle (`simulate_noc`, `TickNetwork`) or by formula (`theory`)."""

from neurosim.noc.model import Link, Noc
from neurosim.noc.simulate import NocResult, simulate_noc
from neurosim.noc.tick import CLASSES, TickNetwork, TickResult

__all__ = [
    "CLASSES",
    "Link",
    "Noc",
    "NocResult",
    "TickNetwork",
    "TickResult",
    "simulate_noc",
]
