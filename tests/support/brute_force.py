"""The counters of a run, counted slowly: from the reference trace and the tables of the Program.

Nothing of the simulator is used. Paths are walked here, from the coordinates of the cores, so the
links of the Program's flows are checked as well.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from neurosim.chip.model import PACKET_KINDS
from neurosim.program.columns import SYNAPSE_FORMATS, Program
from neurosim.program.kernel_places import core_cells
from neurosim_mapper.reference import ReferenceTrace

STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))
Link = tuple[Any, ...]  # (x, y, direction), ("in", row) or ("out", row)


@dataclass
class Counted:
    """Totals under the names of `Counters`, and loads of links per sample and tick."""

    total: Counter[str] = field(default_factory=Counter)
    link_bits: dict[tuple[int, int], Counter[Link]] = field(
        default_factory=lambda: defaultdict(Counter)
    )


def count_by_hand(program: Program, trace: ReferenceTrace) -> Counted:
    """Every packet and every event, one by one."""
    counted = Counted()
    for sample in range(trace.input_values.shape[0]):
        arrivals: dict[int, Counter[int]] = defaultdict(Counter)  # tick -> axon -> value
        _host_packets(program, trace.input_values[sample], sample, counted, arrivals)
        for layer, name in enumerate(program.layer_names):
            _layer_packets(program, layer, trace.values[name][sample], sample, counted, arrivals)
        for tick, axons in arrivals.items():
            _events(program, axons, counted)
            _partial_sums(program, axons, tick, trace.input_values.shape[1], sample, counted)
    return counted


def _host_packets(program, values, sample, counted, arrivals):
    n_ticks = values.shape[0]
    for tick in range(n_ticks):
        for element, value in enumerate(values[tick].tolist()):
            analog = program.input_code.kind == "analog"
            if value == 0 and not (analog and program.chip.core.send_zero):
                continue
            n = _send(
                program, program.input_packets, element, value, 1, tick, n_ticks, sample, counted,
                arrivals,
            )  # fmt: skip
            counted.total["input_packets"] += n


def _layer_packets(program, layer, values, sample, counted, arrivals):
    first, neurons = program.layer_first_tick(layer), program.layer_neurons(layer)
    groups = program.groups
    group = np.flatnonzero((groups.layer == layer) & (groups.psum_target < 0))[0]
    analog = program.modes.output[group] == 1
    n_ticks = values.shape[0]
    counted.total["neuron_updates"] += values.size
    for tick in range(n_ticks):
        for index, value in enumerate(values[tick].tolist()):
            if value == 0 and not (analog and program.chip.core.send_zero):
                continue
            counted.total["fired"] += 1
            copies = 1 if analog else value
            counted.total["packets"] += _send(
                program, program.packets, int(neurons[index]), value if analog else 1, copies,
                tick + first, n_ticks, sample, counted, arrivals,
            )  # fmt: skip


def _send(program, table, owner, value, copies, tick, n_ticks, sample, counted, arrivals):
    packets = range(int(table.owner_offset[owner]), int(table.owner_offset[owner + 1]))
    for packet in packets:
        flow = int(table.flow[packet])
        for _ in range(copies):
            _one_packet(program, flow, sample, tick, counted)
        for d in range(int(table.delivery_offset[packet]), int(table.delivery_offset[packet + 1])):
            axon, arrival = int(table.axon[d]), tick + int(table.delay[d])
            if arrival < int(program.axons.first_tick[axon]) + n_ticks:
                arrivals[arrival][axon] += value * copies
                # A value that adds up to 0 is an event nevertheless: Counter keeps the key.
    return copies * len(packets)


def _one_packet(program, flow, sample, tick, counted):
    chip, flows = program.chip, program.flows
    kind = PACKET_KINDS[int(flows.kind[flow])]
    bits = chip.packet_bits(kind)
    targets = flows.target[flows.target_offset[flow] : flows.target_offset[flow + 1]]
    links = flow_path(program, int(flows.source[flow]), targets.tolist())
    total = counted.total
    total["bits_sent"] += bits
    total["payload_bits"] += chip.payload_bits(kind)
    total["flits"] += -(-bits // chip.noc_section.link_bits_per_cycle)
    total["copies"] += len(targets)
    if kind != "psum":
        total[f"{kind}_packets"] += 1
    for link in links:
        counted.link_bits[sample, tick][link] += bits
        if link[0] in ("in", "out"):
            total["io_bits"] += bits
            continue
        total["bit_hops"] += bits
        total["hops_x" if link[2] < 2 else "hops_y"] += 1
        total["crossings"] += _leaves_chip(chip, *link)


def _leaves_chip(chip, x, y, direction):
    dx, dy = STEPS[direction]
    u, v = (x + dx) % chip.wide, (y + dy) % chip.high
    inside = (x // chip.grid.wide, y // chip.grid.high) == (
        u // chip.grid.wide,
        v // chip.grid.high,
    )
    wraps = abs(u - x) > 1 or abs(v - y) > 1
    return not inside and not wraps


def _events(program, axons, counted):
    for axon in axons:
        synapses = int(program.axons.synapses[axon])
        counted.total["axon_events"] += 1
        counted.total["row_reads"] += 1
        analog = program.axons.kind[axon] == 1
        counted.total["macs" if analog else "synaptic_ops"] += synapses


def _partial_sums(program, axons, tick, n_ticks, sample, counted):
    groups = program.groups
    for group in np.flatnonzero(groups.psum_target >= 0).tolist():
        first = int(groups.first_tick[group])
        if not first <= tick < first + n_ticks:
            continue
        sums = fragment_sums(program, group, axons)
        for _ in range(int(np.count_nonzero(sums))):
            counted.total["packets"] += 1
            counted.total["psum_packets"] += 1
            _one_packet(program, int(groups.psum_flow[group]), sample, tick, counted)


def fragment_sums(program, group, axons):
    """Sums of one group of neurons for the values on some axons."""
    cores, groups, synapses = program.cores, program.groups, program.synapses
    core = int(groups.core[group])
    base, width = int(cores.neuron_offset[core]), int(np.diff(cores.neuron_offset)[core])
    sums = np.zeros(width, np.int64)
    is_kernel = cores.synapse_format[core] == SYNAPSE_FORMATS["kernel"]
    cells = core_cells(program, core) if is_kernel else None
    for axon, value in axons.items():
        local = axon - int(cores.axon_offset[core])
        if not 0 <= axon < int(cores.axon_offset[core + 1]) or local < 0:
            continue
        if is_kernel:
            mine = cells.axon == local
            np.add.at(sums, cells.neuron[mine], value * cells.weight[mine])
        elif cores.synapse_format[core] == SYNAPSE_FORMATS["dense"]:
            start = int(cores.dense_offset[core]) + local * width
            sums += value * synapses.dense[start : start + width].astype(np.int64)
        else:
            row = slice(
                int(program.axons.row_offset[axon]), int(program.axons.row_offset[axon + 1])
            )
            sums[synapses.target[row]] += value * synapses.weight[row].astype(np.int64)
    return sums[int(groups.neuron_start[group]) - base : int(groups.neuron_stop[group]) - base]


def flow_path(program, source, targets):
    """Links that a packet crosses, from the coordinates of its ends; those of a tree once."""
    chip = program.chip
    places = [(int(program.cores.x[t]), int(program.cores.y[t])) for t in targets]
    way = _chain if chip.noc_section.multicast == "relay" else _tree
    if source < 0:
        row = places[0][1]
        return [("in", row), *way(chip, (0, row), places)]
    here = (int(program.cores.x[source]), int(program.cores.y[source]))
    if not targets:
        return [*_walk(chip, here, (0, here[1])), ("out", here[1])]
    return way(chip, here, places)


def _chain(chip, start, places):
    """From place to place, each link as often as it is crossed."""
    return [link for here, there in pairwise([start, *places]) for link in _walk(chip, here, there)]


def _tree(chip, start, places):
    links: dict[Link, None] = {}
    for place in places:
        links.update(dict.fromkeys(_walk(chip, start, place)))
    return list(links)


def _walk(chip, start, stop):
    """One link at a time, along the first axis until it fits, then along the second."""
    here, links = list(start), []
    for axis in (0, 1) if chip.noc_section.routing == "xy" else (1, 0):
        size = (chip.wide, chip.high)[axis]
        while here[axis] != stop[axis]:
            ahead = (stop[axis] - here[axis]) % size
            forward = stop[axis] > here[axis]
            if chip.noc_section.topology == "torus":
                forward = ahead <= size - ahead
            links.append((here[0], here[1], 2 * axis + (0 if forward else 1)))
            here[axis] = (here[axis] + (1 if forward else -1)) % size
    return links


def link_number(chip, link):
    """The number of a link, as in `neurosim.program.columns`."""
    if link[0] == "in":
        return 4 * chip.n_cores + link[1]
    if link[0] == "out":
        return 4 * chip.n_cores + chip.high + link[1]
    x, y, direction = link
    return 4 * (y * chip.wide + x) + direction
