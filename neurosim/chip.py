"""The chip model: what a chip file says, checked, with the sizes that follow from it.

A `Chip` is immutable. It is built from a YAML file by `neurosim.chip_files.load_chip` or from a
plain dictionary by ``Chip.model_validate``. Units are in the names; each energy and each timing
number carries its source and how sure it is (`Quantity.kind`).
"""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

CHIP_SCHEMA: Final = "neurosim-chip/1"

PacketKind = Literal["spike", "analog", "psum"]
PACKET_KINDS: Final[tuple[PacketKind, ...]] = ("spike", "analog", "psum")

Positive = Annotated[int, Field(ge=1)]
NotNegative = Annotated[int, Field(ge=0)]
CoreXY = tuple[NotNegative, NotNegative]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class Quantity(_Section):
    """A number that says where it comes from."""

    value: Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
    source: Annotated[str, Field(min_length=3)]
    kind: Literal["published", "derived", "assumption"]


class Size(_Section):
    """A rectangle of chips or cores."""

    wide: Positive
    high: Positive


class InterChipLink(_Section):
    """Links between chips of an array; unused on a single chip."""

    link_bits_per_cycle: Positive
    latency_cycles: Positive


class Core(_Section):
    """Limits and abilities of one core."""

    axons: Positive
    neurons: Positive
    synapses: Positive
    synapse_memory_bytes: Positive
    weight_bits: Annotated[int, Field(ge=1, le=16)]
    weight_scheme: Literal["direct", "axon_types"] = "direct"
    axon_types: Positive | None = None
    shared_kernel: bool = False
    membrane_bits: Annotated[int, Field(ge=4, le=31)]
    accumulator_bits: Annotated[int, Field(ge=4, le=31)]
    decay_bits: Annotated[int, Field(ge=0, le=16)]
    max_weight_shift: Annotated[int, Field(ge=0, le=16)]
    rounding: Literal["nearest", "floor", "toward_zero"]
    max_delay_ticks: Positive
    soma_models: Annotated[tuple[Literal["liaf", "cuba", "truenorth"], ...], Field(min_length=1)]
    input_kinds: Annotated[tuple[Literal["spike", "analog"], ...], Field(min_length=1)]
    output_kinds: Annotated[tuple[Literal["spike", "analog"], ...], Field(min_length=1)]
    destinations_per_neuron: Positive | None = None
    fan_in_extension: Literal["none", "psum_hw", "psum_tree", "axon_merge"] = "none"
    axon_collision: Literal["add", "or"] = "add"
    send_zero: bool = False

    @model_validator(mode="after")
    def _axon_types_go_with_their_scheme(self) -> Core:
        if (self.weight_scheme == "axon_types") != (self.axon_types is not None):
            raise ValueError(
                "core.axon_types is needed with weight_scheme: axon_types, and only with it"
            )
        return self


class PacketField(_Section):
    """One field of the packet header."""

    name: Annotated[str, Field(min_length=1)]
    bits: Positive


class Packet(_Section):
    """Layout of a packet; its size follows from the fields."""

    fields: Annotated[tuple[PacketField, ...], Field(min_length=1)]
    analog_payload_bits: NotNegative
    payload_always: bool = False
    psum_payload_bits: NotNegative = 0

    @cached_property
    def header_bits(self) -> int:
        """Bits of all header fields."""
        return sum(field.bits for field in self.fields)


class NocSection(_Section):
    """Routers and links of one chip."""

    topology: Literal["mesh", "torus"]
    routing: Literal["xy", "yx"]
    multicast: Literal["none", "tree", "relay"] = "none"
    link_bits_per_cycle: Positive
    router_cycles: Positive
    link_cycles: Positive
    buffer_flits: Positive
    n_vcs: Positive = 1


class Tick(_Section):
    """How a tick ends: when everybody is ready (barrier), or at a fixed time."""

    mode: Literal["barrier", "fixed"]
    period_ns: Annotated[float, Field(gt=0)] | None = None
    sync_cycles: NotNegative = 0

    @model_validator(mode="after")
    def _fixed_needs_a_period(self) -> Tick:
        if (self.mode == "fixed") != (self.period_ns is not None):
            raise ValueError("tick.period_ns is needed with tick.mode: fixed, and only with it")
        return self


class Energy(_Section):
    """Energy of one operation, in pJ, and the static power in W."""

    synaptic_op_pj: Quantity
    mac_pj: Quantity
    row_read_pj: Quantity
    neuron_access_pj: Quantity
    neuron_update_pj: Quantity
    neuron_fire_pj: Quantity
    packet_send_pj: Quantity
    packet_receive_pj: Quantity
    hop_x_pj_per_packet: Quantity
    hop_x_pj_per_bit: Quantity
    hop_y_pj_per_packet: Quantity
    hop_y_pj_per_bit: Quantity
    chip_crossing_pj_per_bit: Quantity
    io_pj_per_bit: Quantity
    static_w: Quantity


class Timing(_Section):
    """Time of one operation of a core, in cycles of `clock_hz` (fractions: several per cycle)."""

    clock_hz: Quantity
    synaptic_op_cycles: Quantity
    mac_cycles: Quantity
    row_read_cycles: Quantity
    neuron_update_cycles: Quantity
    packet_send_cycles: Quantity


class Chip(_Section):
    """A whole chip, or an array of equal chips seen as one grid of cores.

    Coordinates are global: core (x, y) of an array is counted from the north-west corner of the
    whole array. Host packets enter and leave through the west edge, in the row of the core.
    """

    schema_: Literal["neurosim-chip/1"] = Field(alias="schema")
    name: Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9_.-]+$")]
    description: str
    array: Size
    grid: Size
    inter_chip: InterChipLink
    dead_cores: tuple[CoreXY, ...] = ()
    dead_links: tuple[tuple[CoreXY, CoreXY], ...] = ()
    core: Core
    packet: Packet
    noc_section: NocSection = Field(alias="noc")
    tick: Tick
    energy: Energy
    timing: Timing

    @model_validator(mode="after")
    def _faults_lie_on_the_grid(self) -> Chip:
        for x, y in [*self.dead_cores, *(end for link in self.dead_links for end in link)]:
            if x >= self.wide or y >= self.high:
                raise ValueError(
                    f"dead_cores/dead_links: ({x}, {y}) lies outside the "
                    f"{self.wide} x {self.high} grid"
                )
        return self

    @property
    def wide(self) -> int:
        """Cores per row of the whole array."""
        return self.array.wide * self.grid.wide

    @property
    def high(self) -> int:
        """Rows of cores of the whole array."""
        return self.array.high * self.grid.high

    @property
    def n_cores(self) -> int:
        """Cores of the whole array, dead ones included."""
        return self.wide * self.high

    @cached_property
    def usable_cores(self) -> tuple[tuple[int, int], ...]:
        """(x, y) of every core that is not dead, row by row."""
        dead = set(self.dead_cores)
        return tuple(
            (x, y) for y in range(self.high) for x in range(self.wide) if (x, y) not in dead
        )

    def packet_bits(self, kind: PacketKind) -> int:
        """Size of a packet of `kind` in bits (header and payload)."""
        return self.packet.header_bits + self.payload_bits(kind)

    def payload_bits(self, kind: PacketKind) -> int:
        """Bits of the payload field of a packet of `kind`."""
        if kind == "psum":
            return self.packet.psum_payload_bits
        if kind == "analog" or self.packet.payload_always:
            return self.packet.analog_payload_bits
        return 0

    def flits(self, kind: PacketKind) -> int:
        """Link cycles that one packet of `kind` needs on an on-chip link."""
        return -(-self.packet_bits(kind) // self.noc_section.link_bits_per_cycle)

    @property
    def dense_row_bytes(self) -> float:
        """Memory of one synapse in bytes."""
        return self.core.weight_bits / 8.0

    def to_dict(self) -> dict[str, Any]:
        """The chip as plain data; ``Chip.model_validate`` of it gives an equal chip."""
        return self.model_dump(mode="json", by_alias=True)
