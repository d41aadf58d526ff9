"""What the packets of a run cost in bits, on which links.

Enters: a Program and the Counters of a run. Leaves: a `Bandwidth` (the section of the same name in
``report.json``) and the bits per axis that `neurosim.cost.energy` prices. Pure functions.

================================ ================================================================
packet_bits                      bits of one packet of each kind, header and payload
payload_bits                     bits of payload that were sent, the whole run
bits_sent                        bits of all packets, the whole run
bit_hops                         bits x router-to-router links crossed, the whole run
peak_link_bits_per_tick, peak_link
                                 most bits that one router-to-router link carried in one tick of
                                 one sample, and that link (of equals the lowest number)
mean_link_bits_per_tick          bit_hops over working router-to-router links, samples and ticks
================================ ================================================================
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from neurosim.chip.model import PACKET_KINDS, Chip
from neurosim.cost.counters import Counters, link_bits, totals
from neurosim.links.flow_links import crossing_links
from neurosim.program.columns import DIRECTION_STEPS, N_DIRECTIONS, Program


@dataclass(frozen=True)
class Bandwidth:
    """See the table of the module; `peak_link` reads ``(3,4) -> (4,4)``, "" without traffic."""

    packet_bits: dict[str, int]
    payload_bits: int
    bits_sent: int
    bit_hops: int
    peak_link_bits_per_tick: int
    mean_link_bits_per_tick: float
    peak_link: str


@dataclass(frozen=True)
class LinkBits:
    """Bits x links crossed, by kind of link.

    Attributes
    ----------
    x, y : over router-to-router links along each axis; their sum is ``bit_hops``.
    crossing : of these, over links between chips of an array.
    io : over the links to and from the host.
    """

    x: int
    y: int
    crossing: int
    io: int


def bandwidth(program: Program, counters: Counters) -> Bandwidth:
    """Sizes, sums and the busiest link of a run."""
    sums, chip = totals(program, counters), program.chip
    link_ticks = counters.n_passes * counters.n_chip_ticks * n_router_links(chip)
    peak_bits, peak_link = peak(counters)
    return Bandwidth(
        packet_bits={kind: chip.packet_bits(kind) for kind in PACKET_KINDS},
        payload_bits=sums["payload_bits"],
        bits_sent=sums["bits_sent"],
        bit_hops=sums["bit_hops"],
        peak_link_bits_per_tick=peak_bits,
        mean_link_bits_per_tick=sums["bit_hops"] / max(1, link_ticks),
        peak_link=link_name(chip, peak_link),
    )


def bits_by_axis(program: Program, counters: Counters) -> LinkBits:
    """The bits of a run by kind of link."""
    bits, n_router = link_bits(program, counters), N_DIRECTIONS * program.chip.n_cores
    along = bits[:n_router].reshape(-1, N_DIRECTIONS).sum(axis=0)
    return LinkBits(
        x=int(along[0] + along[1]),
        y=int(along[2] + along[3]),
        crossing=int(bits[crossing_links(program.chip)].sum()),
        io=int(bits[n_router:].sum()),
    )


def peak(counters: Counters) -> tuple[int, int]:
    """Most bits over one router link in one tick, and the lowest link that carried them (or -1)."""
    if not counters.peak_bits.size:
        return 0, -1
    most = int(counters.peak_bits.max())
    return most, int(counters.peak_link[counters.peak_bits == most].min()) if most else -1


def n_router_links(chip: Chip) -> int:
    """Working router-to-router links of the whole array, each direction counted."""
    if chip.noc_section.topology == "torus":
        along_x = 2 * chip.n_cores if chip.wide > 1 else 0
        along_y = 2 * chip.n_cores if chip.high > 1 else 0
    else:
        along_x = 2 * (chip.wide - 1) * chip.high
        along_y = 2 * (chip.high - 1) * chip.wide
    dead = {frozenset(ends) for ends in chip.dead_links}
    return along_x + along_y - 2 * len(dead)


def link_name(chip: Chip, link: int) -> str:
    """A link of a `Program` as text: ``(3,4) -> (4,4)``, ``host -> (0,2)``, "" for -1."""
    n_router = N_DIRECTIONS * chip.n_cores
    if link < 0:
        return ""
    if link >= n_router:
        into, row = (link - n_router < chip.high), (link - n_router) % chip.high
        return f"host -> (0,{row})" if into else f"(0,{row}) -> host"
    router, direction = divmod(link, N_DIRECTIONS)
    x, y = router % chip.wide, router // chip.wide
    dx, dy = DIRECTION_STEPS[direction]
    return f"({x},{y}) -> ({(x + dx) % chip.wide},{(y + dy) % chip.high})"


def mean_bits_by_link(program: Program, counters: Counters) -> dict[str, float]:
    """Bits per tick over every link that carried any, busiest first."""
    bits = link_bits(program, counters)
    n_ticks = max(1, counters.n_passes * counters.n_chip_ticks)
    order = np.argsort(-bits, kind="stable")
    return {link_name(program.chip, int(i)): float(bits[i] / n_ticks) for i in order if bits[i]}
