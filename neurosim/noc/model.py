"""`Noc`: what a network-on-chip is made of.

A `Noc` is plain data; it checks itself, names every problem at once, and knows nothing about
chips or packets. `neurosim.noc.network` turns it into arrays.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Direction = Literal["+x", "-x", "+y", "-y"]
DIRECTIONS: tuple[Direction, ...] = ("+x", "-x", "+y", "-y")
STEP = {"+x": (1, 0), "-x": (-1, 0), "+y": (0, 1), "-y": (0, -1)}
OPPOSITE: dict[Direction, Direction] = {"+x": "-x", "-x": "+x", "+y": "-y", "-y": "+y"}
MAX_SIDE = 4096
MAX_ROUTERS = 1 << 20
MAX_TABLE_ROUTERS = 1 << 12
"""Routers of a network with dead links: the table of its ways has a row and a column for each."""

Side = Annotated[int, Field(ge=1, le=MAX_SIDE)]
Cycles = Annotated[int, Field(ge=1, le=1 << 16)]


class Link(BaseModel):
    """Both directions of one link between routers, where it differs from the others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    x: int = Field(ge=0)
    y: int = Field(ge=0)
    direction: Direction
    cycles: Cycles | None = None
    bits: int | None = Field(default=None, ge=1)


class Noc(BaseModel):
    """A mesh or torus of input-buffered routers with dimension-order routing.

    Parameters
    ----------
    width, height : int
        Routers along x and y; router ``n = y * width + x``.
    topology : {"mesh", "torus"}
        A torus needs two virtual channels (dateline).
    routing : {"xy", "yx"}
        Dimension order. With dead links, tables that stay as close to it as they can.
    pipeline : {"single", "default", "general"}
        ``single``: 3 cycles per router; ``default``: 5, with virtual channel allocation as a
        stage of its own; ``general``: a granted flit may be granted again
        `router_cycles` + `link_cycles` later and the freed place is known upstream after
        1 + `credit_cycles`. ``single`` is ``general`` with 2, 1, 1.
    n_vcs : int
        Virtual channels per link, 1 to 6.
    buffer_flits : int
        Places per virtual channel: flits with wormhole switching, packets with packet switching.
    switching : {"wormhole", "packet"}
        ``wormhole``: a link carries one flit per cycle and a packet holds the links from head to
        tail. ``packet``: a buffer place holds a packet, which occupies a link for
        ``ceil(bits / link_bits)`` cycles (virtual cut-through).
    link_bits : int
        Bits per cycle and link.
    packet_bits : int or None
        Size of a packet where the caller gives none (packet switching).
    psum_vcs : int
        Virtual channels kept for partial-sum packets.
    multicast : {"none", "tree", "relay"}
        Whether a packet may have several destinations: branching dimension-order tree, or a chain
        that delivers and forwards in the order of the destinations.
    host_io : bool
        Routers of the west edge get a port to the host: terminal ``width * height + y`` enters
        and leaves through the unused ``-x`` side of router ``(0, y)``.
    chip_width, chip_height : int
        Routers per chip in an array of chips, 0 for one chip.
    chip_link_cycles, chip_link_bits : int or None
        Latency and width of the links between chips, as for the others if None.
    links : tuple of Link
        Links with a latency or width of their own.
    dead_links : tuple of (x, y, direction)
        Links that do not work, both directions.
    dead_routers : tuple of (x, y)
        Routers that do not work; their links are dead, their cores cannot be reached.

    Raises
    ------
    pydantic.ValidationError
        A ``ValueError`` that names every problem.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    width: Side = 8
    height: Side = 8
    topology: Literal["mesh", "torus"] = "mesh"
    routing: Literal["xy", "yx"] = "xy"
    pipeline: Literal["single", "default", "general"] = "single"
    router_cycles: Cycles = 2
    link_cycles: Cycles = 1
    credit_cycles: Cycles = 1
    n_vcs: int = Field(default=1, ge=1, le=6)
    buffer_flits: int = Field(default=8, ge=1, le=4096)
    switching: Literal["wormhole", "packet"] = "wormhole"
    link_bits: int = Field(default=32, ge=1, le=1 << 20)
    packet_bits: int | None = Field(default=None, ge=1, le=1 << 24)
    psum_vcs: int = Field(default=0, ge=0, le=5)
    multicast: Literal["none", "tree", "relay"] = "none"
    host_io: bool = False
    chip_width: int = Field(default=0, ge=0)
    chip_height: int = Field(default=0, ge=0)
    chip_link_cycles: Cycles | None = None
    chip_link_bits: int | None = Field(default=None, ge=1)
    links: tuple[Link, ...] = ()
    dead_links: tuple[tuple[int, int, Direction], ...] = ()
    dead_routers: tuple[tuple[int, int], ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = [*self._shape_problems(), *self._vc_problems(), *self._link_problems()]
        if problems:
            raise ValueError(" ".join(problems))
        return self

    def _shape_problems(self) -> list[str]:
        problems = []
        if self.width * self.height > MAX_ROUTERS:
            problems.append(
                f"noc has {self.width} x {self.height} routers, the simulator holds {MAX_ROUTERS}. "
                "Make the mesh smaller."
            )
        given = self.model_fields_set & {"router_cycles", "link_cycles", "credit_cycles"}
        fixed = {"router_cycles": 2, "link_cycles": 1, "credit_cycles": 1}
        changed = sorted(name for name in given if getattr(self, name) != fixed[name])
        if changed and self.pipeline != "general":
            problems.append(
                f"{', '.join(changed)} set, but pipeline {self.pipeline!r} has fixed timing. "
                "Use pipeline='general'."
            )
        if (self.chip_width > 0) != (self.chip_height > 0):
            problems.append("chip_width and chip_height must be given together.")
        elif self.chip_width and (self.width % self.chip_width or self.height % self.chip_height):
            problems.append(
                f"{self.width} x {self.height} routers do not divide into chips of "
                f"{self.chip_width} x {self.chip_height}."
            )
        if self.topology == "torus":
            for what in ("host_io", "dead_links", "dead_routers", "chip_width"):
                if getattr(self, what):
                    problems.append(f"{what} is offered on a mesh only, topology is 'torus'.")
        return problems

    def _vc_problems(self) -> list[str]:
        problems = []
        if self.psum_vcs >= self.n_vcs and self.psum_vcs:
            problems.append(
                f"psum_vcs: {self.psum_vcs} of {self.n_vcs} virtual channels are kept for partial "
                "sums, at least one must be left for other packets. Raise n_vcs."
            )
        groups = [self.n_vcs - self.psum_vcs, *([self.psum_vcs] if self.psum_vcs else [])]
        if self.topology == "torus" and any(group < 2 or group % 2 for group in groups):
            problems.append(
                f"a torus splits its virtual channels at the dateline: {groups[0]} for packets and "
                f"{self.psum_vcs} for partial sums, each must be even (and not zero). "
                "Use n_vcs=2, or 4 with psum_vcs=2."
            )
        if self.topology == "torus" and self.multicast == "relay":
            problems.append(
                "a relay chain can run round a ring for ever, topology is 'torus'. "
                "Use multicast='tree' or a mesh."
            )
        return problems

    def _link_problems(self) -> list[str]:
        problems = []
        if self.switching == "wormhole":
            if any(link.bits is not None for link in self.links) or self.chip_link_bits:
                problems.append(
                    "links of different width need switching='packet'; a wormhole link carries one "
                    "flit per cycle."
                )
            if self.packet_bits is not None:
                problems.append("packet_bits needs switching='packet'; give n_flits instead.")
        ends = [("links", link.x, link.y, link.direction) for link in self.links]
        ends += [("dead_links", *end) for end in self.dead_links]
        for what, x, y, direction in ends:
            if not self._has_link(x, y, direction):
                problems.append(
                    f"{what}: router ({x}, {y}) has no link towards {direction} in a "
                    f"{self.width} x {self.height} {self.topology}."
                )
        for x, y in self.dead_routers:
            if not (0 <= x < self.width and 0 <= y < self.height):
                problems.append(
                    f"dead_routers: ({x}, {y}) is outside the {self.width} x {self.height} routers."
                )
        return problems

    def _has_link(self, x: int, y: int, direction: Direction) -> bool:
        if not (0 <= x < self.width and 0 <= y < self.height):
            return False
        dx, dy = STEP[direction]
        if self.topology == "torus":
            return (self.width if dx else self.height) > 1
        return 0 <= x + dx < self.width and 0 <= y + dy < self.height

    @property
    def n_routers(self) -> int:
        """Number of routers."""
        return self.width * self.height

    @property
    def n_terminals(self) -> int:
        """Sources and sinks: one per router, then one per row for the host if it has ports."""
        return self.n_routers + (self.height if self.host_io else 0)

    @property
    def hop_cycles(self) -> int:
        """Cycles per router without contention."""
        if self.pipeline == "single":
            return 3
        if self.pipeline == "default":
            return 5
        return self.router_cycles + self.link_cycles

    @property
    def grant_cycles(self) -> int:
        """Cycles from a switch grant to the arrival in the next buffer, on a plain link."""
        return self.hop_cycles if self.pipeline == "general" else 3

    @property
    def source_cycles(self) -> int:
        """Cycles from a source to its router."""
        return 1 + (self.link_cycles if self.pipeline == "general" else 1)

    @property
    def credit_return_cycles(self) -> int:
        """Cycles from a freed place to a usable credit, on a plain link."""
        return 1 + (self.credit_cycles if self.pipeline == "general" else 1)
