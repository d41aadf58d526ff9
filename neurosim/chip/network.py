"""The network of routers and links that a chip has.

Enters: a checked `Chip`. Leaves: its `Noc`. Packets are the unit of buffers; they occupy a link for
``ceil(bits / width)`` cycles. The router of a dead core still forwards packets, unless all its
links are dead. Partial sums get virtual channels of their own where the chip has enough.
"""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from neurosim.chip.model import Chip
from neurosim.chip.rules import cut_off_cores, dead_directions
from neurosim.errors import UsageError
from neurosim.noc.model import Noc


def network_of(chip: Chip) -> Noc:
    """Routers and links of the whole array.

    Raises
    ------
    UsageError : the chip file asks for a network that cannot be built: dead links on a torus, or a
        number of virtual channels that its rings cannot share.
    """
    section, torus = chip.noc_section, chip.noc_section.topology == "torus"
    own_vcs = (2 if section.n_vcs >= 4 else 0) if torus else (1 if section.n_vcs >= 2 else 0)
    try:
        return Noc(
            width=chip.wide,
            height=chip.high,
            topology=section.topology,
            routing=section.routing,
            pipeline="general",
            router_cycles=section.router_cycles,
            link_cycles=section.link_cycles,
            n_vcs=section.n_vcs,
            psum_vcs=own_vcs,
            buffer_flits=section.buffer_flits,
            switching="packet",
            link_bits=section.link_bits_per_cycle,
            multicast=section.multicast,
            host_io=not torus,
            dead_links=dead_directions(chip),
            dead_routers=cut_off_cores(chip),
            **_borders(chip),
        )
    except ValidationError as error:
        said = " ".join(_sentence(problem) for problem in error.errors())
        raise UsageError(f"chip {chip.name!r}, section noc: {said}") from None


def _borders(chip: Chip) -> dict[str, Any]:
    """Links between the chips of an array; nothing for a single chip."""
    if chip.n_chips == 1:
        return {}
    return {
        "chip_width": chip.grid.wide,
        "chip_height": chip.grid.high,
        "chip_link_cycles": chip.inter_chip.latency_cycles,
        "chip_link_bits": chip.inter_chip.link_bits_per_cycle,
    }


def _sentence(problem: Any) -> str:
    """What pydantic says, in words of ours where the network has some."""
    if "error" in problem.get("ctx", {}):
        return str(problem["ctx"]["error"])
    key = ".".join(str(part) for part in problem["loc"])
    return f"{key} is {problem['input']}: {problem['msg'].lower()}."
