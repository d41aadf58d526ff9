"""Which candidates fail: drawn from a seed, or all of them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim.faults.spec import Fault
from neurosim.program.columns import Program

I64 = npt.NDArray[np.int64]


def drawn(n_candidates: int, fault: Fault, rng: np.random.Generator) -> I64:
    """Sorted numbers of the candidates that fail, each with the chance ``fault.rate``."""
    if fault.rate >= 1:
        return np.arange(n_candidates, dtype=np.int64)
    n = int(rng.binomial(n_candidates, fault.rate))
    found: I64 = np.zeros(0, np.int64)
    while found.size < n:  # without repetition, and without an array of all candidates
        more = rng.integers(0, n_candidates, n - found.size)
        found = np.unique(np.concatenate([found, more]))
    return found


def neurons_of(program: Program, fault: Fault) -> I64:
    """Global numbers of the neurons that a fault may hit: those with a soma."""
    offset = program.cores.neuron_offset
    neurons = np.arange(program.n_neurons, dtype=np.int64)
    core = core_of(program, neurons)
    group = program.group_of(neurons)
    keep = program.groups.psum_target[group] < 0
    if "core" in fault.where:
        keep &= core == fault.where["core"]
    if "neuron" in fault.where:
        keep &= neurons - offset[core] == fault.where["neuron"]
    return found_any(neurons[keep], fault)


def core_of(program: Program, neurons: I64) -> I64:
    """Index of the core of each neuron."""
    found: I64 = np.searchsorted(program.cores.neuron_offset, neurons, side="right") - 1
    return found


def found_any(candidates: I64, fault: Fault) -> I64:
    """The candidates; raises UsageError if the places of a fault name nothing."""
    if candidates.size == 0:
        raise UsageError(f"fault {fault.text!r}: there is nothing at this place of the program.")
    return candidates


def place(program: Program, neuron: int) -> str:
    """``core 3 (x 1, y 0), neuron 5`` of a global neuron."""
    core = int(core_of(program, np.array([neuron]))[0])
    x, y = int(program.cores.x[core]), int(program.cores.y[core])
    return f"core {core} (x {x}, y {y}), neuron {neuron - int(program.cores.neuron_offset[core])}"
