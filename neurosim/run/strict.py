"""Did a potential saturate where it matters? Found by a second run with wider potentials.

A chip saturates at the width of its potentials, and so does the simulator. With potentials of
`WIDE_BITS` nothing of that happens, so the first difference between both runs, in the order of
samples, ticks and neurons, is the first saturation that had an effect. (One that a reset or a
limited output wipes out has none.) The run itself pays nothing for this.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.chip.files import chip_with
from neurosim.errors import SimulationFaultError, UsageError
from neurosim.fixed_point import signed_limits
from neurosim.program.columns import MODEL_CODES, Program
from neurosim.run.simulator import Run, simulate

WIDE_BITS: Final = 31
BATCH_BYTES: Final = 1 << 27
"""Of what is recorded of some samples at a time."""


def check_saturation(program: Program, x: npt.ArrayLike, *, threads: int | None = None) -> None:
    """Raise SimulationFaultError at the first saturation that changes a potential or an output.

    Parameters
    ----------
    program, x, threads : as for `neurosim.simulate`.

    Raises
    ------
    SimulationFaultError : with sample, tick, core and neuron. UsageError : the program has
        TrueNorth neurons, whose saturation is part of their definition.
    """
    samples = np.asarray(x)
    if (program.groups.model == MODEL_CODES["truenorth"]).any():
        raise UsageError("TrueNorth neurons saturate by definition; leave --strict out.")
    wide = _widened(program)
    bytes_each = 16 * program.n_neurons * max(1, samples.shape[1] if samples.ndim > 1 else 1)
    step = max(1, BATCH_BYTES // bytes_each)
    for first in range(0, len(samples), step):
        runs = [
            simulate(
                candidate,
                samples[first : first + step],
                probe=program.layer_names,
                threads=threads,
                first_sample=first,
            )
            for candidate in (program, wide)
        ]
        found = _first_difference(program, *runs)
        if found is not None:
            raise SimulationFaultError(_sentence(program, first + found[0], *found[1:]))


def _widened(program: Program) -> Program:
    """The same program with room for every potential."""
    bits = program.chip.core.membrane_bits
    if bits >= WIDE_BITS:
        raise UsageError(f"potentials of {bits} bits are too wide to be checked by --strict.")
    chip = chip_with(program.chip, {"core.membrane_bits": WIDE_BITS}, "check of saturation")
    floor = program.neurons.floor
    lowest, new_lowest = signed_limits(bits)[0], signed_limits(WIDE_BITS)[0]
    free = np.where(floor == lowest, new_lowest, floor).astype(np.int32)
    return replace(program, chip=chip, neurons=program.neurons._replace(floor=free))


def _first_difference(program: Program, one: Run, other: Run) -> tuple[int, int, int, str] | None:
    """Sample, chip tick, neuron and layer of the first difference."""
    found: list[tuple[int, int, int, str]] = []
    for number, name in enumerate(program.layer_names):
        differs = one.values[name] != other.values[name]
        differs |= one.membrane[name] != other.membrane[name]
        places = np.argwhere(differs)
        if places.size:
            sample, tick, row = (int(n) for n in places[0])
            neuron = int(program.layer_neurons(number)[row])
            found.append((sample, tick + program.layer_first_tick(number), neuron, name))
    return min(found, default=None)


def _sentence(program: Program, sample: int, tick: int, neuron: int, layer: str) -> str:
    cores: Any = program.cores
    core = int(np.searchsorted(cores.neuron_offset, neuron, side="right") - 1)
    bits = program.chip.core.membrane_bits
    return (
        f"sample {sample}, tick {tick}: neuron {neuron - int(cores.neuron_offset[core])} of core "
        f"{core} (x {int(cores.x[core])}, y {int(cores.y[core])}, layer {layer!r}) saturated its "
        f"{bits}-bit potential. Map with a smaller --weight-shift or fewer --weight-bits, or leave "
        "--strict out to go on as the chip does."
    )
