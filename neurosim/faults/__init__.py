"""Faults on the chip: flipped bits of weights and potentials, stuck neurons, faulty packets.

`inject` turns faults of weights and neurons into another Program, so that the simulator knows
nothing of them; potentials and packets are hit between ticks. Without faults nothing here runs.
"""

from neurosim.faults.inject import Injected, inject
from neurosim.faults.run import simulate_faulty
from neurosim.faults.spec import Fault, parse_fault

__all__ = ["Fault", "Injected", "inject", "parse_fault", "simulate_faulty"]
