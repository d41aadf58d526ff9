"""Packets that are dropped, corrupted or misdelivered, between the ticks of one sample.

A packet that is hit has left its core and loaded the links of its whole way: it is lost, or
changed, at the door of the core that it goes to (of a folded program, when the core takes it from
the memory where it waited). Before the tick in which it would be integrated, the accumulators get
the difference between what arrives on its axon and what should, and the counters of the tick
likewise; bits of crossbar cores are set or cleared. So the tick that follows is, to the last
counter, that of a chip which got other packets, and no kernel knows of faults.

Partial sums and results for the host are never hit, nor packets of the host for crossbar cores.
The sums of faulty packets are exact: the width of an accumulator is proven for what the program
sends, and not held against what faults make of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.faults.draw import drawn, place
from neurosim.faults.hits import Hits
from neurosim.faults.spec import Fault
from neurosim.faults.wiring import (
    Deliveries,
    deliveries_by_axon,
    deliveries_hit,
    owner_of_row,
    rows_at,
)
from neurosim.image.crossbar import spike_bits
from neurosim.kernels.fanout import EVENTS, MACS, OPS
from neurosim.offsets import entries_of
from neurosim.program.columns import FLOW_KINDS, MODEL_CODES, SYNAPSE_FORMATS, PacketTable, Program
from neurosim.program.kernel_places import Cells, core_cells
from neurosim.run.state import State
from neurosim.soma.liaf import OUTPUT_CODES

I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class Sent(NamedTuple):
    """What all neurons, or all input elements, sent in a tick."""

    value: I64  # of each packet; 1 for a spike
    times: I64  # packets to each of their targets


@dataclass
class _Mark:
    """What happens to one delivery of one packet."""

    lost: bool = False
    value_bits: int = 0
    axon_bits: int = 0


class Wiring:
    """What faults of packets need to know of a program, for all samples.

    Raises
    ------
    UsageError : a fault names a layer that is not there.
    """

    def __init__(self, program: Program, faults: Sequence[Fault]) -> None:
        self.program = program
        self.cells: dict[int, Cells] = {}  # synapses of cores with shared kernels, when needed
        self.arriving: Deliveries = deliveries_by_axon(program)
        self.tables = (program.packets, program.input_packets)
        self.owners = tuple(owner_of_row(table) for table in self.tables)
        self.axon_core = np.repeat(np.arange(program.n_cores), np.diff(program.cores.axon_offset))
        self.crossbar = program.cores.synapse_format == SYNAPSE_FORMATS["crossbar"]
        self.faults = [
            (fault, tuple(self._candidates(fault, by_host) for by_host in (False, True)))
            for fault in faults
        ]
        neurons = np.arange(program.n_neurons, dtype=np.int32)
        self._group = program.group_of(neurons)
        self._spike_bit = spike_bits(program, program.image.crossbar, neurons)
        self._analog = np.zeros(program.n_neurons, np.bool_)
        self._low = np.zeros(program.n_neurons, np.bool_)
        if program.modes.output.size:
            self._analog = (program.modes.output == OUTPUT_CODES["analog"])[self._group]
            self._low = self._below_zero()[self._group]

    def sent_by_neurons(self, state: State, tick: int, n_ticks: int) -> Sent:
        """From the state after chip tick `tick` of a sample with `n_ticks`."""
        program, bit = self.program, self._spike_bit
        y = np.zeros(bit.size, np.int64)
        soft, hard = np.flatnonzero(bit < 0), np.flatnonzero(bit >= 0)
        if state.soma.y.size:
            y[soft] = state.soma.y[soft]
        word = state.soma.spikes[bit[hard] >> 6] if hard.size else np.zeros(0, np.uint64)
        y[hard] = (word >> (bit[hard] & 63).astype(np.uint64)) & np.uint64(1)
        first = program.groups.first_tick[self._group]
        works = (first <= tick) & (tick < first + n_ticks)
        works &= program.groups.model[self._group] != MODEL_CODES["psum"]
        times = np.where(self._analog, (y != 0) | program.chip.core.send_zero, y) * works
        return Sent(np.where(self._analog, y, 1), times.astype(np.int64))

    def sent_by_host(self, values: I16) -> Sent:
        """From the inputs of one tick."""
        always = self.program.chip.core.send_zero and self.program.input_code.kind == "analog"
        return Sent(values.astype(np.int64), ((values != 0) | always).astype(np.int64))

    def flipped(self, by_host: bool, owner: int, value: int, bits: int) -> int:
        """A value with some bits of its word flipped; signed where the sender's values are."""
        n = self.payload_bits
        word = (value & ((1 << n) - 1)) ^ bits
        signed = self.program.input_code.low < 0 if by_host else bool(self._low[owner])
        return word - (1 << n) if signed and word >> (n - 1) else word

    @property
    def payload_bits(self) -> int:
        """Bits of the value in a packet."""
        return self.program.chip.payload_bits("analog")

    def bits_of(self, fault: Fault) -> I64:
        """Bits of each candidate that may flip; a single one where the whole packet is lost."""
        n = {
            "dropped": 1,
            "corrupted": self.payload_bits,
            "misdelivered": (self.program.chip.core.axons - 1).bit_length(),
        }[fault.kind]
        bits = np.arange(n, dtype=np.int64)
        return bits[bits == fault.where["bit"]] if "bit" in fault.where else bits

    def _candidates(self, fault: Fault, by_host: bool) -> Mask:
        program, table = self.program, self.tables[by_host]
        rows = rows_at(program, fault, by_host)
        if by_host and table.axon.size:
            first = table.axon[np.minimum(table.delivery_offset[:-1], table.axon.size - 1)]
            rows &= ~self.crossbar[self.axon_core[first]]
        if fault.kind == "corrupted":
            rows &= program.flows.kind[table.flow] == FLOW_KINDS["analog"]
        return rows

    def _below_zero(self) -> Mask:
        """(n_groups,) whether the values of a group may be negative."""
        modes, luts = self.program.modes, self.program.luts
        below: Mask = modes.act_low < 0
        by_table = np.flatnonzero(modes.lut >= 0)
        below[by_table] = luts[modes.lut[by_table]].min(axis=1, initial=0) < 0
        return below


class PacketFaults:
    """Called before every chip tick of one sample; draws anew for each.

    Parameters
    ----------
    sample : its number. x : (n_ticks, n_inputs) what the host sends. hits : gets every hit.
    """

    def __init__(self, wiring: Wiring, sample: int, x: I16, hits: Hits) -> None:
        self._wiring, self._sample, self._x, self._hits = wiring, sample, x, hits
        self._sent: dict[tuple[bool, int], Sent] = {}
        self._changes: dict[int, dict[int, list[int]]] = defaultdict(dict)
        self._faults = [f for f in wiring.faults if f[0].where.get("sample", sample) == sample]

    def __call__(self, state: State, tick: int) -> None:
        """Hit what left in the last tick, and what the host sends in this one."""
        wiring = self._wiring
        if tick > 0:
            sent = wiring.sent_by_neurons(state, tick - 1, len(self._x))
            self._sent[False, tick - 1] = sent
            self._hit(False, tick - 1, sent)
        if tick < len(self._x):
            sent = wiring.sent_by_host(self._x[tick])
            self._sent[True, tick] = sent
            self._hit(True, tick, sent)
        for axon, change in self._changes.pop(tick, {}).items():
            self._make_up(state, tick, axon, change)
        for by_host in (False, True):
            self._sent.pop((by_host, tick - wiring.program.image.n_slots), None)

    def _hit(self, by_host: bool, tick: int, sent: Sent) -> None:
        wiring = self._wiring
        table, marks = wiring.tables[by_host], dict[tuple[int, int, int], _Mark]()
        owners = np.flatnonzero(sent.times)
        which, rows = entries_of(table.owner_offset, owners)
        times = sent.times[owners][which]
        for fault, allowed in self._faults:
            if fault.where.get("tick", tick) != tick:
                continue
            mine = allowed[by_host][rows]
            row = np.repeat(rows[mine], times[mine])
            nth = np.arange(row.size) - np.repeat(np.cumsum(times[mine]) - times[mine], times[mine])
            bits = wiring.bits_of(fault)
            rng = np.random.default_rng((fault.seed, self._sample, tick, by_host))
            hit = drawn(row.size * bits.size, fault, rng)
            for k in hit.tolist():
                packet, bit = (int(row[k // bits.size]), int(nth[k // bits.size])), k % bits.size
                self._mark(fault, table, packet, int(bits[bit]), marks)
                self._note(fault, by_host, tick, packet, int(bits[bit]))
        for (row_number, _, delivery), mark in marks.items():
            owner = int(wiring.owners[by_host][row_number])
            self._plan(by_host, tick, owner, int(sent.value[owner]), delivery, mark)

    def _mark(
        self,
        fault: Fault,
        table: PacketTable,
        packet: tuple[int, int],
        bit: int,
        marks: dict[tuple[int, int, int], _Mark],
    ) -> None:
        link = fault.where.get("link")
        for delivery in deliveries_hit(self._wiring.program, table, packet[0], link).tolist():
            mark = marks.setdefault((*packet, delivery), _Mark())
            mark.lost |= fault.kind == "dropped"
            mark.value_bits ^= (fault.kind == "corrupted") << bit
            mark.axon_bits ^= (fault.kind == "misdelivered") << bit

    def _plan(
        self, by_host: bool, tick: int, owner: int, value: int, delivery: int, mark: _Mark
    ) -> None:
        """Note what changes on which axon, and when."""
        wiring = self._wiring
        program, table = wiring.program, wiring.tables[by_host]
        axon, arrival = int(table.axon[delivery]), tick + int(table.delay[delivery])
        self._change(arrival, axon, -1, -value)
        offset = program.cores.axon_offset
        core = int(wiring.axon_core[axon])
        there = int(offset[core]) + ((axon - int(offset[core])) ^ mark.axon_bits)
        if not mark.lost and there < offset[core + 1]:
            found = wiring.flipped(by_host, owner, value, mark.value_bits)
            self._change(arrival, there, 1, found if mark.value_bits else value)

    def _change(self, arrival: int, axon: int, packets: int, value: int) -> None:
        """Whoever listens to an axon hears nothing before its first tick and after its last."""
        first = int(self._wiring.program.axons.first_tick[axon])
        if first <= arrival < first + len(self._x):
            change = self._changes[arrival].setdefault(axon, [0, 0])
            change[0] += packets
            change[1] += value

    def _make_up(self, state: State, tick: int, axon: int, change: list[int]) -> None:
        """Have the chip see what should arrive on an axon instead of what does."""
        program, wiring = self._wiring.program, self._wiring
        n, value = self._arriving(axon, tick)
        core, analog = int(wiring.axon_core[axon]), program.axons.kind[axon] == FLOW_KINDS["analog"]
        left, new = n + change[0], value + change[1]
        if wiring.crossbar[core]:
            _set_bit(program, state, tick, core, axon, left > 0)
            return
        if program.chip.core.axon_collision == "or" and not analog:
            value, new = int(n > 0), int(left > 0)
        targets, weights = _row(wiring, core, axon)
        np.add.at(state.acc[0], targets, ((new - value) * weights).astype(np.int32))
        more = int(left > 0) - int(n > 0)
        state.counts[0, EVENTS, core] += more
        state.counts[0, MACS if analog else OPS, core] += more * int(program.axons.synapses[axon])

    def _arriving(self, axon: int, tick: int) -> tuple[int, int]:
        """Packets, and the sum of their values, that the chip will integrate from an axon."""
        arriving = self._wiring.arriving
        n = total = 0
        for k in range(int(arriving.offset[axon]), int(arriving.offset[axon + 1])):
            by_host, owner = bool(arriving.by_host[k]), int(arriving.owner[k])
            sent = self._sent.get((by_host, tick - int(arriving.delay[k])))
            if sent is not None:
                n += int(sent.times[owner])
                total += int(sent.times[owner] * sent.value[owner])
        return n, total

    def _note(
        self, fault: Fault, by_host: bool, tick: int, packet: tuple[int, int], bit: int
    ) -> None:
        """In words; the packets of a sender count from 0, those to one target come together."""
        wiring, (row, nth) = self._wiring, packet
        owner = int(wiring.owners[by_host][row])
        sender = f"input {owner}" if by_host else place(wiring.program, owner)
        times = int(self._sent[by_host, tick].times[owner])
        number = (row - int(wiring.tables[by_host].owner_offset[owner])) * times + nth
        flipped = "" if fault.kind == "dropped" else f", bit {bit}"
        self._hits.add(
            f"{fault.kind}: sample {self._sample}, tick {tick}, {sender}, packet {number}{flipped}"
        )


def _row(wiring: Wiring, core: int, axon: int) -> tuple[I64, I64]:
    """Global neurons behind an axon, and their weights."""
    program = wiring.program
    first, stop = (int(i) for i in program.cores.neuron_offset[core : core + 2])
    if program.cores.synapse_format[core] == SYNAPSE_FORMATS["dense"]:
        local = axon - int(program.cores.axon_offset[core])
        begin = int(program.cores.dense_offset[core]) + local * (stop - first)
        weights = program.synapses.dense[begin : begin + stop - first]
        return np.arange(first, stop), weights.astype(np.int64)
    if program.cores.synapse_format[core] == SYNAPSE_FORMATS["kernel"]:
        if core not in wiring.cells:
            wiring.cells[core] = core_cells(program, core)
        cells = wiring.cells[core]
        mine = cells.axon == axon - program.cores.axon_offset[core]
        return first + cells.neuron[mine], cells.weight[mine]
    row = slice(*program.axons.row_offset[axon : axon + 2].tolist())
    targets = first + program.synapses.target[row].astype(np.int64)
    return targets, program.synapses.weight[row].astype(np.int64)


def _set_bit(program: Program, state: State, tick: int, core: int, axon: int, on: bool) -> None:
    """Whether an axon of a crossbar core is active in a tick."""
    crossbar = program.image.crossbar
    if crossbar is None:
        raise AssertionError("a crossbar core has crossbars in its image")
    local = axon - int(program.cores.axon_offset[core])
    word = int(crossbar.axon_word[core]) + (local >> 6)
    bit = np.uint64(1 << (local & 63))
    slot = tick % program.image.n_slots
    state.bits[:, slot, word] &= ~bit
    if on:
        state.bits[0, slot, word] |= bit
