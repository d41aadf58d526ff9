"""Settings that a group of LIF or LIAF neurons shares: known ones, and ones that go together.

Enters: a Program whose columns are consistent. Leaves: violations. A code that this version does
not know is refused, so that a program of a later version is never run as something else; so is a
shift that no kernel can do, and a value that its packet cannot carry.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.fixed_point import ROUNDING_CODES, signed_limits
from neurosim.program.columns import MODEL_CODES, Program
from neurosim.program.violation import Violation
from neurosim.soma.liaf import ACTIVATION_CODES, OUTPUT_CODES, RESET_CODES

_CODES: Final = {
    "rounding": ROUNDING_CODES,
    "reset": RESET_CODES,
    "output": OUTPUT_CODES,
    "activation": ACTIVATION_CODES,
}

MOST_SHIFT: Final = 62
"""Of a product of two numbers below 2**31, with the half that rounds it, in 64 bits."""


def check_modes(program: Program) -> Iterator[Violation]:
    """Unknown codes, numbers out of range, and settings that have no meaning together."""
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
    core = program.chip.core
    for name, rule, most in (
        ("weight_shift", "core.max_weight_shift", core.max_weight_shift),
        ("alpha_shift", "core.decay_bits", core.decay_bits),
        ("silent_step", "structure", 1),
        ("act_shift", "structure", MOST_SHIFT),
    ):
        yield from outside(rule, f"modes.{name}", getattr(modes, name)[soft], 0, most)
    yield from _spike_counts(program, soft)
    yield from _values(program, soft & (modes.output == OUTPUT_CODES["analog"]))


def outside(
    rule: str, where: str, values: npt.NDArray[np.integer], least: int, most: int
) -> Iterator[Violation]:
    """A violation if any of the values of a column is below `least` or above `most`."""
    if values.size and (values.min() < least or values.max() > most):
        yield Violation(rule, where, f"{values.min()}..{values.max()}", f"{least}..{most}")


def _spike_counts(program: Program, soft: npt.NDArray[np.bool_]) -> Iterator[Violation]:
    """Several spikes per tick where they have no meaning."""
    modes, groups = program.modes, program.groups
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


def _values(program: Program, analog: npt.NDArray[np.bool_]) -> Iterator[Violation]:
    """Values of analog groups fit their packets; tables give none beyond the range of the group."""
    modes, bits = program.modes, program.chip.packet.analog_payload_bits
    for group in np.flatnonzero(analog):
        low, high, table = (int(c[group]) for c in (modes.act_low, modes.act_high, modes.lut))
        activation = int(modes.activation[group])
        if low > high:
            yield Violation("structure", "modes.act_low", f"{low}", f"act_high, {high}")
            return
        if (activation >= ACTIVATION_CODES["lut"]) != (table >= 0):
            needed = "a table with the activations lut and lut_unsigned only"
            yield Violation("structure", "modes.lut", f"{table}", needed)
            return
        if table >= 0:
            yield from outside("structure", "luts", program.luts[table], low, high)
        least = max(low, 0) if activation == ACTIVATION_CODES["relu"] else low
        room = signed_limits(bits) if least < 0 else (0, (1 << bits) - 1)
        if bits and (least < room[0] or high > room[1]):
            name, value = ("act_high", high) if high > room[1] else ("act_low", low)
            limit = f"{room[0]}..{room[1]}"
            yield Violation("packet.analog_payload_bits", f"modes.{name}", f"{value}", limit)
            return
