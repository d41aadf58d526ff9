"""A chip with faulty packets, slowly: every packet of one sample is an entry of a list.

Nothing of the simulator is used: packets come from the tables of the Program, somas from the
reference executor, hits from the sentences of a run.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field

import numpy as np

from neurosim_mapper.reference import _soma_tick, _start
from support.brute_force import fragment_sums

HIT = re.compile(
    r"(\w+): sample (\d+), tick (\d+), (?:input (\d+)|core (\d+) \(x \d+, y \d+\), neuron (\d+)), "
    r"packet (\d+)(?:, bit (\d+))?"
)


@dataclass
class Played:
    """Values per layer (chip ticks, neurons), and events, spike and value operations per core."""

    values: dict[str, np.ndarray]
    events: Counter[int] = field(default_factory=Counter)
    ops: Counter[int] = field(default_factory=Counter)
    macs: Counter[int] = field(default_factory=Counter)


def read_hits(program, sentences):
    """(sample, tick, sender, packet) -> kinds and bits; a sender is ("input", i) or a neuron."""
    hits = defaultdict(list)
    for sentence in sentences:
        kind, sample, tick, element, core, neuron, packet, bit = HIT.fullmatch(sentence).groups()
        if element is not None:
            sender = ("input", int(element))
        else:
            sender = int(program.cores.neuron_offset[int(core)]) + int(neuron)
        hits[int(sample), int(tick), sender, int(packet)].append((kind, int(bit or 0)))
    return hits


def play(program, layers, values, sample, hits):
    """One sample of `values` (ticks, inputs) through QuantizedLayers `layers`."""
    n_ticks, n_bits = len(values), program.chip.core.membrane_bits
    played = Played({layer.name: [] for layer in layers})
    arrivals = defaultdict(lambda: defaultdict(list))  # tick -> axon -> values
    states = {layer.name: _start(layer, 1) for layer in layers}

    def send(table, owner, sender, value, times, tick, signed):
        number = 0
        for row in range(*table.owner_offset[owner : owner + 2].tolist()):
            for _ in range(times):
                found = hits.get((sample, tick, sender, number), [])
                number += 1
                for d in range(*table.delivery_offset[row : row + 2].tolist()):
                    axon, arrival = int(table.axon[d]), tick + int(table.delay[d])
                    axon, carried = _door(program, axon, value, found, signed)
                    first = 0 if axon is None else int(program.axons.first_tick[axon])
                    if axon is not None and first <= arrival < first + n_ticks:
                        arrivals[arrival][axon].append(carried)

    for tick in range(n_ticks + program.depth_ticks):
        if tick < n_ticks:
            analog = program.input_code.kind == "analog" and program.chip.core.send_zero
            for i, value in enumerate(values[tick].tolist()):
                if value or analog:
                    low = program.input_code.low < 0
                    send(program.input_packets, i, ("input", i), value, 1, tick, low)
        acc = _integrated(program, arrivals.pop(tick, {}), tick, n_ticks, played)
        for number, layer in enumerate(layers):
            first = program.layer_first_tick(number)
            y = np.zeros(layer.n_neurons, np.int64)
            if first <= tick < first + n_ticks:
                neurons = program.layer_neurons(number)
                y = _soma_tick(layer, states[layer.name], acc[None, neurons], n_bits)[2][0]
                analog = layer.modes.output == "analog"
                for neuron, value in zip(neurons.tolist(), y.tolist(), strict=True):
                    if value or (analog and program.chip.core.send_zero):
                        what = (value, 1) if analog else (1, value)
                        signed = _signed(layer)
                        send(program.packets, neuron, neuron, *what, tick, signed)
            played.values[layer.name].append(y)
    played.values = {name: np.array(rows) for name, rows in played.values.items()}
    return played


def _signed(layer):
    table = layer.modes.lut
    return min(table) < 0 if table is not None else layer.modes.act_low < 0


def _door(program, axon, value, found, signed):
    """Where a packet arrives after what has happened to it, and with which value."""
    core = int(np.searchsorted(program.cores.axon_offset, axon, side="right")) - 1
    first, stop = program.cores.axon_offset[core : core + 2].tolist()
    n = program.chip.payload_bits("analog")
    for kind, bit in found:
        if kind == "dropped":
            return None, 0
        if kind == "misdelivered":
            axon = first + ((axon - first) ^ (1 << bit))
        else:
            value = (value ^ (1 << bit)) % (1 << n)
            value -= (1 << n) if signed and value >= 1 << (n - 1) else 0
    return (axon if axon < stop else None), value


def _integrated(program, axons, tick, n_ticks, played):
    """(n_neurons,) sums of a tick, with those of fan-in fragments at their owner."""
    merged = {}
    for axon, values in axons.items():
        spike = program.axons.kind[axon] == 0
        merged[axon] = 1 if spike and program.chip.core.axon_collision == "or" else sum(values)
        core = int(np.searchsorted(program.cores.axon_offset, axon, side="right")) - 1
        played.events[core] += 1
        (played.ops if spike else played.macs)[core] += int(program.axons.synapses[axon])
    acc, groups = np.zeros(program.n_neurons, np.int64), program.groups
    for group in range(groups.core.size):
        sums, target = fragment_sums(program, group, merged), int(groups.neuron_start[group])
        if groups.psum_target[group] >= 0:
            target = int(groups.psum_target[group])
        acc[target : target + sums.size] += sums
    return acc
