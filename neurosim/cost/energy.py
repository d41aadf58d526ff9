"""What a run costs in energy: integer counters x the chip file's table, and static power x time.

Enters: a Program and the Counters of a run. Leaves: an `Energy` with every term: count, energy of
one, source and kind. Pure. The whole price list (counters as defined in `neurosim.cost.counters`):

========= =============== ============================ ================================
part      counter         chip file, ``energy:``       meaning
========= =============== ============================ ================================
synapse   synaptic_ops    synaptic_op_pj               a spike through a synapse
synapse   macs            mac_pj                       a value through a synapse
synapse   row_reads       row_read_pj                  fetching the weights of an axon
soma      neuron_updates  neuron_access_pj             reading and writing the state
soma      neuron_updates  neuron_update_pj             computing the update
soma      fired           neuron_fire_pj               producing an output
router    packets         packet_send_pj               a core sends a packet
router    copies          packet_receive_pj            a core receives a packet
router    hops_x          hop_x_pj_per_packet          a packet over an east-west link
router    hops_y          hop_y_pj_per_packet          a packet over a north-south link
link      bit_hops_x      hop_x_pj_per_bit             a bit over an east-west link
link      bit_hops_y      hop_y_pj_per_bit             a bit over a north-south link
link      crossing_bits   chip_crossing_pj_per_bit     a bit between chips of the array
io        io_bits         io_pj_per_bit                a bit to or from the host
io        reload_bits     reload_pj_per_bit            a bit of a folded program, reloaded
static    chip_seconds    static_w                     idle power of all chips x time
========= =============== ============================ ================================

A packet of the host is not "sent" by a core: what it costs to enter the chip is its io_bits.
``bit_hops_x + bit_hops_y = bit_hops``; a bit that crosses a chip border pays its hop and the
crossing. ``chip_seconds`` is the time of the run times the chips of the array.

Every term is rounded to a common decimal grid (1e-3 pJ, coarser only above 1 J), parts are
sums of their terms and the total is the sum of the parts, exactly, as printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from neurosim.chip.model import Quantity
from neurosim.cost.bandwidth import bits_by_axis
from neurosim.cost.counters import Counters, totals
from neurosim.cost.latency import seconds_total
from neurosim.program.columns import Program

PJ_PER_J: Final = 1e12
PARTS: Final = ("synapse", "soma", "router", "link", "io", "static")
PRICE_LIST: Final = (
    ("synapse", "synaptic_ops", "synaptic_op_pj"),
    ("synapse", "macs", "mac_pj"),
    ("synapse", "row_reads", "row_read_pj"),
    ("soma", "neuron_updates", "neuron_access_pj"),
    ("soma", "neuron_updates", "neuron_update_pj"),
    ("soma", "fired", "neuron_fire_pj"),
    ("router", "packets", "packet_send_pj"),
    ("router", "copies", "packet_receive_pj"),
    ("router", "hops_x", "hop_x_pj_per_packet"),
    ("router", "hops_y", "hop_y_pj_per_packet"),
    ("link", "bit_hops_x", "hop_x_pj_per_bit"),
    ("link", "bit_hops_y", "hop_y_pj_per_bit"),
    ("link", "crossing_bits", "chip_crossing_pj_per_bit"),
    ("io", "io_bits", "io_pj_per_bit"),
    ("io", "reload_bits", "reload_pj_per_bit"),
    ("static", "chip_seconds", "static_w"),
)
"""(part, counter, key of the chip's energy section) of every term."""

_GRID_DIGITS: Final = 3
_EXACT: Final = 10**15  # integers up to here keep every digit as float and in print


@dataclass(frozen=True)
class EnergyTerm:
    """One line of the bill: ``energy_pj = count * unit_energy`` (static: x 1e12 from J to pJ).

    Attributes
    ----------
    part : one of `PARTS`. counter, key : as in the module's table.
    count : of the whole run; seconds for the static term.
    unit_energy : in pJ, for the static term in W.
    source, kind : where the unit energy comes from, from the chip file.
    """

    part: str
    counter: str
    key: str
    count: int | float
    unit_energy: float
    energy_pj: float
    source: str
    kind: str


@dataclass(frozen=True)
class Energy:
    """Energy of a run in pJ by part; `total` is their sum, exactly. `terms` make up the parts.

    `digits` are the decimal digits of the common grid.
    """

    synapse: float
    soma: float
    router: float
    link: float
    io: float
    static: float
    total: float
    terms: tuple[EnergyTerm, ...]
    digits: int = _GRID_DIGITS

    def parts(self) -> dict[str, float]:
        """The parts and the total, as in ``report.json``."""
        return {name: getattr(self, name) for name in (*PARTS, "total")}


def energy(program: Program, counters: Counters) -> Energy:
    """Price every counter of a run with the table of its chip."""
    return bill(program, priced_counts(program, counters))


def bill(program: Program, counts: Mapping[str, int | float]) -> Energy:
    """Price the counts of `priced_counts`."""
    prices = program.chip.energy
    # A chip that cannot be folded has no price of a reload.
    rows = [row for row in PRICE_LIST if getattr(prices, row[2]) is not None]
    quantities: list[Quantity] = [getattr(prices, key) for _, _, key in rows]
    exact = [
        counts[counter] * quantity.value * (PJ_PER_J if part == "static" else 1.0)
        for (part, counter, _), quantity in zip(rows, quantities, strict=True)
    ]
    steps, digits = _on_grid(exact)
    terms = tuple(
        EnergyTerm(
            part,
            counter,
            key,
            counts[counter],
            quantity.value,
            as_float(step, digits),
            quantity.source,
            quantity.kind,
        )
        for (part, counter, key), quantity, step in zip(rows, quantities, steps, strict=True)
    )
    sums = {
        name: sum(step for step, row in zip(steps, rows, strict=True) if row[0] == name)
        for name in PARTS
    }
    parts = {name: as_float(step, digits) for name, step in sums.items()}
    return Energy(**parts, total=as_float(sum(steps), digits), terms=terms, digits=digits)


def priced_counts(
    program: Program, counters: Counters, seconds: float | None = None
) -> dict[str, int | float]:
    """Every count that a term needs: the run's totals, bits per axis, and chip seconds.

    `seconds` is the time of the run, by default that of the ticks in `counters`.
    """
    if seconds is None:
        seconds = seconds_total(program, counters)
    bits = bits_by_axis(program, counters)
    return totals(program, counters) | {
        "bit_hops_x": bits.x,
        "bit_hops_y": bits.y,
        "crossing_bits": bits.crossing,
        "reload_bits": int(counters.reload_bits.sum()),
        "reload_cycles": int(counters.reload_cycles.sum()),
        "chip_seconds": seconds * program.chip.n_chips,
    }


def power_w(program: Program, counters: Counters) -> float:
    """Mean power over the run: total energy by total time; 0 for a run without time."""
    seconds = seconds_total(program, counters)
    return energy(program, counters).total / PJ_PER_J / seconds if seconds else 0.0


def _on_grid(values: list[float]) -> tuple[list[int], int]:
    """The values as integers in steps of ``10**-digits``, few enough that their sum is exact."""
    digits = _GRID_DIGITS
    while sum(values) * 10.0**digits > _EXACT:
        digits -= 1
    return [round(value * 10.0**digits) for value in values], digits


def as_float(steps: int, digits: int) -> float:
    """Closest float to ``steps * 10**-digits``; prints as that decimal."""
    return steps / 10**digits if digits >= 0 else float(steps * 10**-digits)
