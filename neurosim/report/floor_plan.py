"""The chip from above, as text: which layer sits on which core."""

from __future__ import annotations

from typing import Final

import numpy as np

from neurosim.program.columns import Program

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
_FREE, _DEAD, _MANY, _SHARED = ".", "x", "+", "*"
_WIDTH: Final = 76


def floor_plan(program: Program) -> str:
    """Rows of the chip, north at the top; one character per core, a legend, and the phases if any.

    A chip wider than the terminal is cut to the part that is used, and scaled down if that is
    too wide still (then a character stands for a square of cores).
    """
    chip = program.chip
    plan = np.full((chip.high, chip.wide), _FREE)
    for x, y in chip.dead_cores:
        plan[y, x] = _DEAD
    for x, y, letter in zip(program.cores.x, program.cores.y, _core_letters(program), strict=True):
        # The cores of a folded program share places.
        plan[y, x] = letter if plan[y, x] in (_FREE, letter) else _SHARED
    left, top = 0, 0
    if chip.wide > _WIDTH:
        left, top = int(program.cores.x.min()), int(program.cores.y.min())
        plan = plan[top : program.cores.y.max() + 1, left : program.cores.x.max() + 1]
    step = -(-plan.shape[1] // _WIDTH)
    rows = [
        "".join(_one(plan[y : y + step, x : x + step]) for x in range(0, plan.shape[1], step))
        for y in range(0, plan.shape[0], step)
    ]
    gap = " " if plan.shape[1] * 2 <= _WIDTH else ""
    where = "" if (left, top) == (0, 0) else f"; the corner shown is core ({left}, {top})"
    scale = "" if step == 1 else f"; one character for {step} x {step} cores"
    head = f"{chip.name}, {chip.wide} x {chip.high} cores{where}{scale}"
    drawn = [head, *(gap.join(row) for row in rows), "", *_legend(program)]
    return "\n".join([*drawn, *_phases(program)])


def _core_letters(program: Program) -> list[str]:
    """Per used core the letter of its layer, or that of several."""
    letters = []
    for core in range(program.n_cores):
        layers = np.unique(program.groups.layer[program.groups.core == core])
        letters.append(_letter(int(layers[0])) if layers.size == 1 else _SHARED)
    return letters


def _letter(layer: int) -> str:
    return LETTERS[layer % len(LETTERS)]


def _one(square: np.ndarray[tuple[int, ...], np.dtype[np.str_]]) -> str:
    """The character of a square of cores: the one that is used, or that it is several."""
    used = {str(c) for c in square.ravel()} - {_FREE, _DEAD}
    if not used:
        return str(square.flat[0])
    return used.pop() if len(used) == 1 else _MANY


def _legend(program: Program) -> list[str]:
    lines = [f"{_letter(i)}  {name}" for i, name in enumerate(program.layer_names)]
    return [*lines, f"{_SHARED}  several layers   {_FREE}  free   {_DEAD}  dead"]


def _phases(program: Program) -> list[str]:
    """For each phase of a folded program its cores and layers."""
    if program.n_phases == 1:
        return []
    phase_of_group = program.cores.phase[program.groups.core]
    lines = [""]
    for phase in range(program.n_phases):
        count = int((program.cores.phase == phase).sum())
        layers = np.unique(program.groups.layer[phase_of_group == phase]).tolist()
        names = ", ".join(f"{_letter(i)} {program.layer_names[i]}" for i in layers)
        lines.append(f"phase {phase}: {count} {'core' if count == 1 else 'cores'}: {names}")
    return lines
