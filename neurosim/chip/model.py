"""The chip model: what a chip file says, checked, with the sizes that follow from it.

Enters: plain data, from a YAML file (`neurosim.chip.files.load_chip`) or a dictionary
(`neurosim.chip.files.chip_from_dict`). Leaves: a `Chip`, immutable and hashable. Promised: every
value is inside its limits, the parts agree with each other (an address field spans the array, a
partial sum fits its packet, ...), and each energy and timing number says where it comes from and
how sure it is. Units are in the names; chip_configs/README.md explains every key.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator
from pydantic_core import PydanticCustomError

from neurosim.chip.rules import (
    Problems,
    address_problems,
    core_problems,
    fault_problems,
    kernel_problems,
    payload_problems,
    relay_problems,
    reload_problems,
    source_problems,
    table_problems,
)

if TYPE_CHECKING:
    from neurosim.noc.model import Noc

CHIP_SCHEMA: Final = "neurosim-chip/1"
MAX_CORES: Final = 1 << 20

PacketKind = Literal["spike", "analog", "psum"]
PACKET_KINDS: Final[tuple[PacketKind, ...]] = ("spike", "analog", "psum")
Kind = Literal["published", "derived", "assumption"]

Count = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
Side = Annotated[int, Field(strict=True, ge=1, le=4096)]
Bits = Annotated[int, Field(strict=True, ge=1, le=1024)]
BitsOrNone = Annotated[int, Field(strict=True, ge=0, le=1024)]
Cycles = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
StateBits = Annotated[int, Field(strict=True, ge=4, le=31)]
Coordinate = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Number = Annotated[float, Field(strict=True, ge=0.0, le=1e18, allow_inf_nan=False)]
CoreXY = tuple[Coordinate, Coordinate]


class _Section(BaseModel):
    """A mapping of the chip file; knows the rules that hold between its own keys."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    def _broken_rules(self) -> Problems:
        return []

    @model_validator(mode="after")
    def _check_rules(self) -> Self:
        problems = self._broken_rules()
        if problems:
            text = "; ".join(f"{path} {sentence}".strip() for path, sentence in problems)
            context = {"text": text, "problems": problems}
            raise PydanticCustomError("chip_rule", "{text}", context)
        return self


class Quantity(_Section):
    """A number that says where it comes from."""

    value: Number
    """The number, in the unit that ends the name of its key."""
    source: Annotated[str, Field(min_length=3)]
    """Publication, derivation, or the reason of an assumption."""
    kind: Kind
    """How sure the number is."""


class Source(_Section):
    """Where plain numbers of the chip file come from; the entry that names a key best counts."""

    of: Annotated[tuple[str, ...], Field(min_length=1)]
    """Key paths (`core.axons`) or whole sections (`core`)."""
    source: Annotated[str, Field(min_length=3)]
    """Publication, derivation, or the reason of an assumption."""
    kind: Kind
    """How sure the numbers are."""


class Size(_Section):
    """A rectangle of chips or cores."""

    wide: Side
    """Columns, west to east."""
    high: Side
    """Rows, north to south."""


class InterChipLink(_Section):
    """Links between neighbouring chips of an array; unused on a single chip."""

    link_bits_per_cycle: Bits
    """Bits that cross one chip border per cycle, in each direction and row or column."""
    latency_cycles: Cycles
    """Cycles from one border router to the next, in place of `noc.link_cycles`."""


class Core(_Section):
    """Limits and abilities of one core."""

    axons: Count
    """Input lines; what a neuron can hear without a fan-in extension."""
    neurons: Count
    """Neurons that the soma updates per tick."""
    synapses: Count
    """Most connections (axon, neuron) with a weight."""
    synapse_memory_bytes: Count
    """Memory for weights; a limit of its own, see `Chip.synapse_bytes`."""
    weight_bits: Annotated[int, Field(strict=True, ge=1, le=16)]
    """Width of a signed weight."""
    weight_scheme: Literal["direct", "axon_types"] = "direct"
    """`direct`: a weight per synapse; `axon_types`: 1-bit crossbar, weights per neuron and type."""
    axon_types: Count | None = None
    """Number of axon types; only with `weight_scheme: axon_types`."""
    shared_kernel: StrictBool = False
    """Whether a core can keep one convolution kernel for all its positions."""
    kernel_axon_bytes: Annotated[int, Field(strict=True, ge=0, le=64)] | None = None
    """Synapse memory per axon of a shared kernel: where its source lies; null: none."""
    membrane_bits: StateBits
    """Width of the signed membrane potential."""
    accumulator_bits: StateBits
    """Width of the signed sum of one tick's inputs of one core."""
    decay_bits: Annotated[int, Field(strict=True, ge=0, le=16)]
    """Fractional bits of the decay factor; 0: no multiplicative decay (factor -1, 0 or 1)."""
    max_weight_shift: Annotated[int, Field(strict=True, ge=0, le=16)]
    """Largest left shift from weight steps to potential steps."""
    rounding: Literal["nearest", "floor", "toward_zero"]
    """Rounding of the decayed potential; `nearest` rounds halves up."""
    max_delay_ticks: Annotated[int, Field(strict=True, ge=1, le=4096)]
    """Longest axonal delay."""
    soma_models: Annotated[tuple[Literal["liaf", "cuba", "truenorth"], ...], Field(min_length=1)]
    """Neuron models that the soma can compute."""
    input_kinds: Annotated[tuple[Literal["spike", "analog"], ...], Field(min_length=1)]
    """What an axon can receive."""
    output_kinds: Annotated[tuple[Literal["spike", "analog"], ...], Field(min_length=1)]
    """What a neuron can send."""
    destinations_per_neuron: Count | None = None
    """Most (core, axon) pairs that one neuron reaches; null: as many as wanted."""
    routing_entries: Count | None = None
    """Most entries of the core's routing table, one per flow that it sends; null: not limited."""
    fan_in_extension: Literal["none", "psum_hw", "psum_tree", "axon_merge"] = "none"
    """How a neuron hears more inputs than a core has axons."""
    axon_collision: Literal["add", "or"] = "add"
    """Two packets for one axon and tick: both count, or they are one."""
    send_zero: StrictBool = False
    """Whether an analog value of 0 is sent."""

    def _broken_rules(self) -> Problems:
        return core_problems(self)


class PacketField(_Section):
    """One field of the packet header."""

    name: Annotated[str, Field(min_length=1, pattern=r"^[a-z][a-z0-9_]*$")]
    """`dx`, `dy` (signed distance), `x`, `y` (address), `axon` and `tick` are held against the
    chip's sizes; any other name is only counted."""
    bits: Annotated[int, Field(strict=True, ge=1, le=256)]
    """Width of the field."""


class Packet(_Section):
    """Layout of a packet; its size follows from the fields."""

    fields: Annotated[tuple[PacketField, ...], Field(min_length=1, max_length=64)]
    """Header fields, in order; every packet has all of them."""
    analog_payload_bits: BitsOrNone
    """Width of the value of an analog packet; 0: the chip has none."""
    payload_always: StrictBool = False
    """Whether a spike packet carries the (empty) value field, too."""
    psum_payload_bits: BitsOrNone = 0
    """Width of a partial sum sent from core to core; 0: the chip sends none."""

    def _broken_rules(self) -> Problems:
        problems: Problems = []
        names = [field.name for field in self.fields]
        for number, name in enumerate(names):
            if name in names[:number]:
                problems.append((f"fields.{number}.name", f"{name!r} appears twice"))
        if self.payload_always and not self.analog_payload_bits:
            problems.append(
                ("payload_always", "is true, but packet.analog_payload_bits is 0: nothing to carry")
            )
        return problems

    @cached_property
    def header_bits(self) -> int:
        """Bits of all header fields."""
        return sum(field.bits for field in self.fields)

    def field_bits(self, name: str) -> int | None:
        """Width of the header field called `name`, None without one."""
        return next((field.bits for field in self.fields if field.name == name), None)


class NocSection(_Section):
    """Routers and links of one chip."""

    topology: Literal["mesh", "torus"]
    """Whether the rows and columns of the whole array are closed to rings."""
    routing: Literal["xy", "yx"]
    """Which way a packet goes first."""
    multicast: Literal["none", "tree", "relay"] = "none"
    """One packet per destination; copies made by routers on an XY tree; or core hands to core."""
    link_bits_per_cycle: Bits
    """Bits that a link carries per cycle and direction: the size of a flit."""
    router_cycles: Cycles
    """Cycles that a flit spends in a router without contention."""
    link_cycles: Cycles
    """Cycles that a flit spends on a link."""
    buffer_flits: Annotated[int, Field(strict=True, ge=1, le=4096)]
    """Flits that an input buffer holds, per virtual channel."""
    n_vcs: Annotated[int, Field(strict=True, ge=1, le=64)] = 1
    """Virtual channels per link."""
    router_entries: Count | None = None
    """Most multicast trees that a router can look up; null: not limited."""


class Tick(_Section):
    """How a tick ends: when everybody is ready (barrier), or at a fixed time."""

    mode: Literal["barrier", "fixed"]
    """`barrier`: when all is computed and delivered; `fixed`: after `period_ns`."""
    period_ns: Annotated[float, Field(strict=True, gt=0, le=1e18, allow_inf_nan=False)] | None = (
        None
    )
    """Length of a fixed tick; only with `mode: fixed`."""
    sync_cycles: Annotated[int, Field(strict=True, ge=0, le=1_000_000_000)] = 0
    """Cycles that the barrier itself takes, added to each tick."""

    def _broken_rules(self) -> Problems:
        if (self.mode == "fixed") != (self.period_ns is not None):
            return [("period_ns", "is needed with tick.mode: fixed, and only with it")]
        return []


class Energy(_Section):
    """Energy of one operation in pJ, and the static power of one chip in W.

    Marginal costs: what one more operation adds. An operating-point average (power divided by
    events) contains static power and must not stand here.
    """

    synaptic_op_pj: Quantity
    """One spike through one synapse: an addition (counter synaptic_ops)."""
    mac_pj: Quantity
    """One analog value through one synapse: multiply and add (counter macs)."""
    row_read_pj: Quantity
    """Fetching the weights of one axon for one event (counter row_reads)."""
    neuron_access_pj: Quantity
    """Fetching and storing the state of one neuron in one tick (counter neuron_updates)."""
    neuron_update_pj: Quantity
    """Computing one neuron update, on top of the access (counter neuron_updates)."""
    neuron_fire_pj: Quantity
    """One neuron producing an output, on top of the update (counter fired)."""
    packet_send_pj: Quantity
    """One packet entering the network: look-up and injection (counter packets)."""
    packet_receive_pj: Quantity
    """One packet leaving the network into an axon buffer (counter copies)."""
    hop_x_pj_per_packet: Quantity
    """One packet over one router and east-west link, whatever its size."""
    hop_x_pj_per_bit: Quantity
    """One bit over one router and east-west link, added to the cost per packet."""
    hop_y_pj_per_packet: Quantity
    """One packet over one router and north-south link, whatever its size."""
    hop_y_pj_per_bit: Quantity
    """One bit over one router and north-south link, added to the cost per packet."""
    chip_crossing_pj_per_bit: Quantity
    """One bit over a chip border, added to the hop."""
    io_pj_per_bit: Quantity
    """One bit between the host and the chip."""
    static_w: Quantity
    """Power of one idle chip (leakage, clock); an array draws it once per chip."""
    reload_pj_per_bit: Quantity | None = None
    """One bit between the cores and the memory that folded programs are reloaded from."""


class Timing(_Section):
    """Time of one operation of a core, in cycles of `clock_hz` (fractions: several per cycle)."""

    clock_hz: Quantity
    """Cycles per second; for chips without a clock, the unit in which times are counted."""
    synaptic_op_cycles: Quantity
    """One spike through one synapse."""
    mac_cycles: Quantity
    """One analog value through one synapse."""
    row_read_cycles: Quantity
    """Fetching the weights of one axon for one event."""
    neuron_update_cycles: Quantity
    """One neuron update."""
    packet_send_cycles: Quantity
    """One packet entering the network."""
    packet_receive_cycles: Quantity | None = None
    """Taking in one packet, while the next waits in the network; without it, as the port brings."""
    reload_cycles_per_bit: Quantity | None = None
    """One bit between all cores of a chip and that memory; without it, nothing can be folded."""

    def _broken_rules(self) -> Problems:
        if self.clock_hz.value == 0:
            return [("clock_hz.value", "needs more than 0, has 0")]
        return []


class Chip(_Section):
    """A whole chip, or an array of equal chips seen as one grid of cores.

    Coordinates are global: core (x, y) of an array is counted from the north-west corner of the
    whole array. Host packets enter and leave through the west edge, in the row of the core.
    """

    schema_: Literal["neurosim-chip/1"] = Field(alias="schema")
    """Version of this format."""
    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
    """Short name, used in reports and messages."""
    description: Annotated[str, Field(min_length=1)]
    """What the chip is, and what to know about this model of it."""
    array: Size
    """Chips side by side."""
    grid: Size
    """Cores of one chip."""
    inter_chip: InterChipLink
    """Links between chips."""
    dead_cores: tuple[CoreXY, ...] = ()
    """Cores [x, y] that must not be used."""
    dead_links: tuple[tuple[CoreXY, CoreXY], ...] = ()
    """Links [[x, y], [x, y]] between neighbours that must not be used, from the first core to
    the second."""
    core: Core
    """Limits and abilities of one core."""
    packet: Packet
    """Layout of a packet."""
    noc_section: NocSection = Field(alias="noc")
    """Routers and links."""
    tick: Tick
    """How a tick ends."""
    energy: Energy
    """Energy of the operations."""
    timing: Timing
    """Time of the operations."""
    sources: tuple[Source, ...] = ()
    """Where the plain numbers of the other sections come from."""

    def _broken_rules(self) -> Problems:
        if self.n_cores > MAX_CORES:
            have = f"{self.wide} x {self.high} = {self.n_cores}"
            return [("grid", f"needs at most {MAX_CORES} cores in the whole array, has {have}")]
        known = [
            name
            for section, model in SOURCED_SECTIONS.items()
            for name in (section, *(f"{section}.{key}" for key in model.model_fields))
        ]
        return [
            *fault_problems(self),
            *address_problems(self),
            *kernel_problems(self),
            *payload_problems(self),
            *relay_problems(self),
            *reload_problems(self),
            *table_problems(self),
            *source_problems(self, known),
        ]

    @property
    def wide(self) -> int:
        """Cores per row of the whole array."""
        return self.array.wide * self.grid.wide

    @property
    def high(self) -> int:
        """Rows of cores of the whole array."""
        return self.array.high * self.grid.high

    @property
    def n_chips(self) -> int:
        """Chips of the array."""
        return self.array.wide * self.array.high

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
    def synapse_bytes(self) -> float:
        """Memory of one synapse in bytes: its weight, or one crossbar bit with axon types."""
        return (1 if self.core.weight_scheme == "axon_types" else self.core.weight_bits) / 8.0

    @property
    def static_power_w(self) -> float:
        """Static power of the whole array in W."""
        return self.energy.static_w.value * self.n_chips

    def source_of(self, path: str) -> Source | None:
        """Where the number at a key path such as ``core.axons`` or ``energy.mac_pj`` comes from.

        The entry of `sources` that names the key itself counts before one that names its
        section, an earlier one before a later one. None if the file says nothing about it.
        """
        section, _, key = path.partition(".")
        if section in ("energy", "timing"):
            quantity = getattr(getattr(self, section), key, None)
            if not isinstance(quantity, Quantity):
                return None
            return Source(of=(path,), source=quantity.source, kind=quantity.kind)
        named = (e for wanted in (path, section) for e in self.sources if wanted in e.of)
        return next(named, None)

    @cached_property
    def noc(self) -> Noc:
        """The network of routers and links, for `neurosim.simulate_noc` and the cycle model.

        Raises UsageError if there is no such network: `neurosim.chip.network`.
        """
        from neurosim.chip.network import network_of

        return network_of(self)

    def to_dict(self) -> dict[str, Any]:
        """The chip as plain data; ``Chip.model_validate`` of it gives an equal chip."""
        return self.model_dump(mode="json", by_alias=True)


SOURCED_SECTIONS: Final[dict[str, type[_Section]]] = {
    "array": Size,
    "grid": Size,
    "inter_chip": InterChipLink,
    "core": Core,
    "packet": Packet,
    "noc": NocSection,
    "tick": Tick,
}
"""Sections of plain numbers: what `Chip.sources` may speak about."""
