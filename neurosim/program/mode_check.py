"""Settings that a group of LIF or LIAF neurons shares: known ones, and ones that go together.

Enters: a Program whose columns are consistent. Leaves: violations. A code that this version does
not know is refused, so that a program of a later version is never run as something else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from neurosim.fixed_point import ROUNDING_CODES
from neurosim.program.columns import MODEL_CODES, Program
from neurosim.program.violation import Violation
from neurosim.soma.liaf import ACTIVATION_CODES, OUTPUT_CODES, RESET_CODES

_CODES: Final = {
    "rounding": ROUNDING_CODES,
    "reset": RESET_CODES,
    "output": OUTPUT_CODES,
    "activation": ACTIVATION_CODES,
}


def check_modes(program: Program) -> Iterator[Violation]:
    """Unknown codes, and several spikes per tick where they have no meaning."""
    modes, groups = program.modes, program.groups
    soft = np.isin(groups.model, (MODEL_CODES["liaf"], MODEL_CODES["cuba"]))
    for name, codes in _CODES.items():
        values = getattr(modes, name)[soft]
        if values.size and (values.min() < 0 or values.max() >= len(codes)):
            yield Violation(
                "structure",
                f"modes.{name}",
                f"{values.min()}..{values.max()}",
                f"0..{len(codes) - 1} ({', '.join(codes)})",
            )
    least = modes.n_max[soft].min(initial=1)
    if least < 1:
        yield Violation("structure", "modes.n_max", f"{least}", "1 spike per tick or more")
    several = soft & (modes.n_max > 1)
    if (several & (modes.reset == RESET_CODES["soft_raised"])).any():
        yield Violation("structure", "modes.n_max", f"{modes.n_max.max()}", "1 with soft_raised")
    for group in np.flatnonzero(several):
        theta = program.neurons.theta[groups.neuron_start[group] : groups.neuron_stop[group]]
        if theta.min(initial=1) < 1:
            yield Violation(
                "structure", "neurons.theta", f"{theta.min()}", "above 0 with several spikes"
            )
            return
