"""One row per used core: where it is, what is on it, what it did, what it cost.

Enters: a Program and the Counters of a run. Leaves: `CoreFacts`, plain columns, enough for pictures
of a run without its Program; ``cores.npz`` of a run folder. Pure.

Every term of `neurosim.cost.energy` is shared out exactly: what a core did is its own, a packet's
hops belong to the core that sent it, its reception to the core that received it. Two more rows
follow the cores: `HOST` (the packets of the host and all bits to and from it) and `IDLE` (static
power).
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import PACKET_KINDS
from neurosim.clock.folded import reloads_of_cores
from neurosim.cost.counters import Counters
from neurosim.cost.energy import PARTS, Energy, as_float, energy
from neurosim.links.flow_links import crossing_links, implied_flows, implied_runs, link_positions
from neurosim.program.columns import N_DIRECTIONS, Program
from neurosim.run.state import CORE_COUNTS

I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]

HOST: Final = -2
IDLE: Final = -1


class CoreFacts(NamedTuple):
    """Columns; n_cores used cores.

    Attributes
    ----------
    x, y : (n_cores,) place on the chip.
    layer_offset, layer : (n_cores + 1,), (n,) layers with neurons on each core, ascending.
    axons, neurons, synapses : (n_cores,) in use; synapses are weights other than 0.
    counts : (n_cores, len(CORE_COUNTS)) of the run, as in `Counters.core`.
    energy_steps : (n_cores + 2, len(PARTS)) energy of the run in steps of ``10**-digits`` pJ; the
        last two rows are `HOST` and `IDLE`. Each column adds up to its part of the report.
    energy_digits : (1,).
    """

    x: I64
    y: I64
    layer_offset: I64
    layer: I64
    axons: I64
    neurons: I64
    synapses: I64
    counts: I64
    energy_steps: I64
    energy_digits: I64

    @property
    def energy_pj(self) -> F64:
        """`energy_steps` in pJ."""
        return self.energy_steps / 10.0 ** int(self.energy_digits[0])

    def layers(self, core: int) -> list[int]:
        """Layers on a core."""
        return [int(i) for i in self.layer[self.layer_offset[core] : self.layer_offset[core + 1]]]


def core_facts(program: Program, counters: Counters) -> CoreFacts:
    """The rows of a run."""
    pairs = np.unique(np.stack([program.groups.core, program.groups.layer], axis=1), axis=0)
    offset = np.searchsorted(pairs[:, 0], np.arange(program.n_cores + 1))
    bill = energy(program, counters)
    owner = np.repeat(np.arange(program.n_cores), np.diff(program.cores.axon_offset))
    synapses = np.bincount(owner, program.axons.synapses, minlength=program.n_cores)
    return CoreFacts(
        x=program.cores.x.astype(np.int64),
        y=program.cores.y.astype(np.int64),
        layer_offset=offset.astype(np.int64),
        layer=pairs[:, 1].astype(np.int64),
        axons=np.diff(program.cores.axon_offset),
        neurons=np.diff(program.cores.neuron_offset),
        synapses=synapses.astype(np.int64),
        counts=counters.core,
        energy_steps=energy_shares(program, counters, bill),
        energy_digits=np.array([bill.digits], np.int64),
    )


def energy_shares(program: Program, counters: Counters, bill: Energy) -> I64:
    """(n_cores + 2, len(PARTS)) steps of the bill's grid; see `CoreFacts`."""
    counts = priced_shares(program, counters)
    grid = 10.0**bill.digits
    steps = np.zeros((program.n_cores + 2, len(PARTS)), np.int64)
    for term in bill.terms:
        share = _share_out(round(term.energy_pj * grid), counts[term.counter])
        steps[:, PARTS.index(term.part)] += share
    return steps


def priced_shares(program: Program, counters: Counters) -> dict[str, I64]:
    """Per counter of the price list, the counts of every core, the host and the idle chip."""
    n, flows = program.n_cores, program.flows
    packets = counters.flow_packets
    sender = np.where(flows.source >= 0, flows.source, n + 2 + HOST)
    own = {name: np.append(counters.core[:, i], [0, 0]) for i, name in enumerate(CORE_COUNTS)}
    received = np.repeat(packets, np.diff(flows.target_offset))
    size = np.array([program.chip.packet_bits(kind) for kind in PACKET_KINDS], np.int64)[flows.kind]
    hops = flow_hops(program)
    host, idle = np.zeros((2, n + 2), np.int64)
    host[HOST], idle[IDLE] = 1, 1

    def sent(count: I64) -> I64:
        total = np.zeros(n + 2, np.int64)
        np.add.at(total, sender, count * packets)
        return total

    copies = np.zeros(n + 2, np.int64)
    np.add.at(copies, flows.target, received)
    return own | {
        "copies": copies,
        "hops_x": sent(hops[0]),
        "hops_y": sent(hops[1]),
        "bit_hops_x": sent(hops[0] * size),
        "bit_hops_y": sent(hops[1] * size),
        "crossing_bits": sent(hops[2] * size),
        "io_bits": host,
        "reload_bits": np.append(reloads_of_cores(program, counters), [0, 0]),
        "chip_seconds": idle,
    }


def flow_hops(program: Program) -> I64:
    """(3, n_flows) links between routers of every flow: along x, along y, between chips."""
    flows, chip = program.flows, program.chip
    n_router = N_DIRECTIONS * chip.n_cores
    crossing = np.zeros(program.n_links, bool)
    crossing[crossing_links(chip)] = True
    flow = np.repeat(np.arange(flows.kind.size), np.diff(flows.link_offset))
    axis = np.where(flows.link < n_router, (flows.link % N_DIRECTIONS) // 2, -1)
    picked = (axis == 0, axis == 1, crossing[flows.link])
    hops = np.stack([np.bincount(flow[p], minlength=flows.kind.size) for p in picked])
    bare = np.flatnonzero(implied_flows(program))
    runs = implied_runs(program, bare)
    before = np.zeros(program.n_links + 1, np.int64)
    before[1 + link_positions(chip)] = crossing
    before = before.cumsum()
    hops[:2, bare] += runs.length.T
    hops[2, bare] += (before[runs.first + runs.length] - before[runs.first]).sum(axis=1)
    return hops.astype(np.int64)


def _share_out(total: int, counts: I64) -> I64:
    """Whole numbers in proportion to `counts` whose sum is `total`; each is off by less than 1."""
    reached = np.cumsum(counts)
    if reached[-1] == 0:
        return np.zeros_like(counts)
    edges = np.floor(total * (reached / reached[-1])).astype(np.int64)
    parts: I64 = np.diff(edges, prepend=0)
    return parts


def energy_by_layer(facts: CoreFacts, names: tuple[str, ...]) -> list[dict[str, object]]:
    """Rows of ``energy_by_layer`` in ``report.json``: one per set of layers that share cores.

    ``layers`` names them; it is empty for the host (``what: host``) and for static power (``what:
    static``). Parts and ``total`` of all rows add up to ``energy_pj``, to the last digit.
    """
    places: dict[tuple[int, ...], list[int]] = {}
    for core in range(facts.x.size):
        places.setdefault(tuple(facts.layers(core)), []).append(core)
    rows = [
        _layer_row(facts, "layer", [names[i] for i in layers], cores)
        for layers, cores in sorted(places.items())
    ]
    return [*rows, _layer_row(facts, "host", [], [HOST]), _layer_row(facts, "static", [], [IDLE])]


def _layer_row(
    facts: CoreFacts, what: str, layers: list[str], rows: list[int]
) -> dict[str, object]:
    steps = facts.energy_steps[rows].sum(axis=0)
    digits = int(facts.energy_digits[0])
    values = [as_float(int(n), digits) for n in (*steps, steps.sum())]
    n_cores = len(rows) if what == "layer" else 0
    return {"what": what, "layers": layers, "cores": n_cores} | dict(
        zip((*PARTS, "total"), values, strict=True)
    )
