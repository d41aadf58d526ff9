"""Rules between the sections of a chip: what each part asks of the others.

Enters: a `Chip` whose single values are all valid. Leaves: every rule it breaks, by key path.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from neurosim.chip.model import Chip, Core
    from neurosim.noc.model import Direction

Problems = list[tuple[str, str]]
"""(key path inside the section, sentence) of every rule that a section breaks."""


def core_problems(core: Core) -> Problems:
    """Axon types without their weight scheme or the other way round, and names given twice."""
    problems: Problems = []
    if (core.weight_scheme == "axon_types") != (core.axon_types is not None):
        problems.append(
            ("axon_types", "is needed with core.weight_scheme: axon_types, and only with it")
        )
    for key in ("soma_models", "input_kinds", "output_kinds"):
        names = getattr(core, key)
        if len(set(names)) < len(names):
            problems.append((key, f"names an entry twice: {', '.join(names)}"))
    return problems


def fault_problems(chip: Chip) -> Problems:
    """Dead cores and links that are not on the grid, named twice, or leave nothing."""
    problems: Problems = []
    for number, (x, y) in enumerate(chip.dead_cores):
        if x >= chip.wide or y >= chip.high:
            problems.append((f"dead_cores.{number}", _outside(chip, x, y)))
    for number, (start, end) in enumerate(chip.dead_links):
        outside = [xy for xy in (start, end) if xy[0] >= chip.wide or xy[1] >= chip.high]
        problems += [(f"dead_links.{number}", _outside(chip, *xy)) for xy in outside]
        if not outside and not _are_neighbours(chip, start, end):
            problems.append(
                (f"dead_links.{number}", f"needs two neighbouring cores, has {start} and {end}")
            )
    for key, entries in (("dead_cores", chip.dead_cores), ("dead_links", chip.dead_links)):
        if len(set(entries)) < len(entries):
            problems.append((key, "names an entry twice"))
    if not problems and len(chip.dead_cores) == chip.n_cores:
        problems.append(("dead_cores", "leaves no usable core"))
    return problems


def _outside(chip: Chip, x: int, y: int) -> str:
    return f"needs a core of the {chip.wide} x {chip.high} grid, has ({x}, {y})"


def _are_neighbours(chip: Chip, a: tuple[int, int], b: tuple[int, int]) -> bool:
    dx, dy = abs(a[0] - b[0]), abs(a[1] - b[1])
    if chip.noc_section.topology == "torus":
        dx, dy = min(dx, chip.wide - dx), min(dy, chip.high - dy)
    return dx + dy == 1


def address_problems(chip: Chip) -> Problems:
    """Header fields that are too narrow for the array, the axons or the delays."""
    torus = chip.noc_section.topology == "torus"
    far_x = chip.wide // 2 if torus else chip.wide - 1
    far_y = chip.high // 2 if torus else chip.high - 1
    # name, largest number the field must hold, bits taken by the sign, what asks for it
    demands = (
        ("dx", far_x, 1, f"a distance of {far_x} columns"),
        ("dy", far_y, 1, f"a distance of {far_y} rows"),
        ("x", chip.wide - 1, 0, f"{chip.wide} columns"),
        ("y", chip.high - 1, 0, f"{chip.high} rows"),
        ("axon", chip.core.axons - 1, 0, f"{chip.core.axons} axons per core"),
        ("tick", chip.core.max_delay_ticks, 0, f"delays up to {chip.core.max_delay_ticks} ticks"),
    )
    problems: Problems = []
    for number, field in enumerate(chip.packet.fields):
        for name, largest, sign_bits, reason in demands:
            needed = max(largest.bit_length(), 1) + sign_bits
            if field.name == name and field.bits < needed:
                sentence = f"needs {needed} bits in field {name!r} for {reason}, has {field.bits}"
                problems.append((f"packet.fields.{number}.bits", sentence))
    return problems


def relay_problems(chip: Chip) -> Problems:
    """Relay chains on a torus, where they could run round a ring for ever."""
    if chip.noc_section.multicast == "relay" and chip.noc_section.topology == "torus":
        return [("noc.multicast", "relay needs noc.topology: mesh; on a torus use tree or none")]
    return []


def kernel_problems(chip: Chip) -> Problems:
    """Shared kernels where weights belong to neurons, or a price of kernels without any."""
    problems: Problems = []
    if chip.core.shared_kernel and chip.core.weight_scheme != "direct":
        problems.append(("core.shared_kernel", "is true and needs core.weight_scheme: direct"))
    if chip.core.kernel_axon_bytes and not chip.core.shared_kernel:
        problems.append(("core.kernel_axon_bytes", "is given and needs shared_kernel: true"))
    return problems


def table_problems(chip: Chip) -> Problems:
    """A limit of router tables where nothing is looked up in them."""
    if chip.noc_section.router_entries is None or chip.noc_section.multicast == "tree":
        return []
    return [("noc.router_entries", "is given and needs noc.multicast: tree")]


def payload_problems(chip: Chip) -> Problems:
    """Packet kinds that the core uses and the packet cannot carry."""
    problems: Problems = []
    packet, core = chip.packet, chip.core
    if not packet.analog_payload_bits and "analog" in (*core.output_kinds, *core.input_kinds):
        problems.append(
            (
                "packet.analog_payload_bits",
                "needs at least 1 bit because core.input_kinds or core.output_kinds names analog, "
                "has 0",
            )
        )
    if core.fan_in_extension == "psum_hw" and packet.psum_payload_bits < core.accumulator_bits:
        problems.append(
            (
                "packet.psum_payload_bits",
                f"needs at least core.accumulator_bits = {core.accumulator_bits} bits because "
                f"core.fan_in_extension is psum_hw, has {packet.psum_payload_bits}",
            )
        )
    return problems


def source_problems(chip: Chip, known: list[str]) -> Problems:
    """Entries of `sources` that speak about a key path which is not `known`."""
    problems: Problems = []
    for number, entry in enumerate(chip.sources):
        for place, path in enumerate(entry.of):
            if path not in known:
                close = difflib.get_close_matches(path, known, n=1)
                hint = "Energy and timing numbers carry their own source."
                if close:
                    hint = f"Did you mean {close[0]!r}?"
                sentence = f"names no key of plain numbers: {path!r}. {hint}"
                problems.append((f"sources.{number}.of.{place}", sentence))
    return problems


def reload_problems(chip: Chip) -> Problems:
    """The time and the energy of a reload are given together or not at all."""
    time, price = chip.timing.reload_cycles_per_bit, chip.energy.reload_pj_per_bit
    if (time is None) == (price is None):
        return []
    missing, given = ("timing.reload_cycles_per_bit", "energy.reload_pj_per_bit")
    if price is None:
        missing, given = given, missing
    return [(missing, f"is needed with {given}")]


_DIRECTION_OF_STEP: Final[dict[tuple[int, int], Direction]] = {
    (1, 0): "+x", (-1, 0): "-x", (0, 1): "+y", (0, -1): "-y"
}  # fmt: skip


def dead_directions(chip: Chip) -> tuple[tuple[int, int, Direction], ...]:
    """Every dead link as router and direction; links round the edge exist on a torus only."""
    ring = chip.noc_section.topology == "torus"
    found = []
    for (x, y), (u, v) in chip.dead_links:
        step = (u - x, v - y)
        if ring and step not in _DIRECTION_OF_STEP:
            step = (-step[0] // max(abs(step[0]), 1), -step[1] // max(abs(step[1]), 1))
        if step in _DIRECTION_OF_STEP:
            found.append((x, y, _DIRECTION_OF_STEP[step]))
    return tuple(found)


def cut_off_cores(chip: Chip) -> tuple[tuple[int, int], ...]:
    """Dead cores of a mesh without a single working link."""
    dead = {frozenset(ends) for ends in chip.dead_links}
    found = []
    for x, y in chip.dead_cores if chip.noc_section.topology == "mesh" else ():
        near = [(x + dx, y + dy) for dx, dy in _DIRECTION_OF_STEP]
        inside = [(u, v) for u, v in near if 0 <= u < chip.wide and 0 <= v < chip.high]
        if all(frozenset(((x, y), end)) in dead for end in inside):
            found.append((x, y))
    return tuple(found)
