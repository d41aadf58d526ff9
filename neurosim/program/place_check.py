"""Rules about where and when cores are loaded: places, and the phases of folded programs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from neurosim.program.columns import Program
from neurosim.program.violation import Violation


def phase_columns(program: Program) -> Iterator[Violation]:
    """Structure: a phase for every core, or for none; every phase has cores."""
    phase = program.cores.phase
    if phase.size not in (0, program.n_cores):
        yield Violation(
            "structure", "cores.phase", f"{program.n_cores} rows or none", f"{phase.size} rows"
        )
    elif phase.size:
        found = np.unique(phase)
        if found[0] != 0 or found[-1] != found.size - 1:
            yield Violation(
                "structure",
                "cores.phase",
                f"phases {found[0]}..{found[-1]}, {found.size} of them",
                "phases counted from 0 without gaps",
            )


def check_places(program: Program) -> Iterator[Violation]:
    """Working cores only, and one logical core per place and phase."""
    chip = program.chip
    cores, phase = program.cores, program.phase_of_core
    usable = set(chip.usable_cores)
    for core, place in enumerate(zip(cores.x.tolist(), cores.y.tolist(), strict=True)):
        if place not in usable:
            yield Violation(
                "placement",
                f"core {core}",
                f"a working core at {place}",
                f"the {chip.wide} x {chip.high} grid without dead cores",
            )
    slot = np.stack([phase, cores.x, cores.y])
    found, counts = np.unique(slot, axis=1, return_counts=True)
    if (counts > 1).any():
        when, x, y = found[:, np.argmax(counts > 1)]
        where = f"({x}, {y})" if program.n_phases == 1 else f"({x}, {y}) in phase {when}"
        yield Violation("placement", where, "one core per place", "1")


def check_phases(program: Program) -> Iterator[Violation]:
    """Folding needs a memory to reload from, and partial sums before the owner's phase ends."""
    if program.n_phases == 1:
        return
    if program.chip.timing.reload_cycles_per_bit is None:
        yield Violation(
            "timing.reload_cycles_per_bit",
            "a folded program",
            f"{program.n_phases} phases and a memory to reload from",
            "1 phase without timing.reload_cycles_per_bit",
        )
    groups, phase = program.groups, program.phase_of_core
    fragments = np.flatnonzero(groups.psum_target >= 0)
    owner = np.searchsorted(program.cores.neuron_offset, groups.psum_target[fragments], "right") - 1
    late = np.flatnonzero(phase[groups.core[fragments]] > phase[owner])
    if late.size:
        fragment = fragments[late[0]]
        yield Violation(
            "phase",
            f"a fan-in fragment on core {groups.core[fragment]}",
            f"phase {phase[groups.core[fragment]]}",
            f"phase {phase[owner[late[0]]]}, that of the sums' owner",
        )
