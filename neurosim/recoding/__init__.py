"""Values sent as spike trains: what a code can carry, and what it costs on the chip."""

from neurosim.recoding.codes import Book, SpikeCode
from neurosim.recoding.run import simulate_recoded

__all__ = ["Book", "SpikeCode", "simulate_recoded"]
