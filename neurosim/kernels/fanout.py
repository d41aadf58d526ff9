"""Sending and arriving: from the list of what fired to the accumulators of the targets.

Three ways, chosen per axon when the image is made:

* *entries*: an axon that hears a single sender needs no memory of its own. All such axons of one
  sender with one delay are an entry; the entry and its value wait in a list of the tick in which
  they arrive. Then their sparse rows are added; a core with a dense block gets the value at the
  axon's *place* and adds all its rows together (`kernels.blocks`).
* *rings*: an axon with several senders has a slot per tick, in which what arrives is added up (or
  merged to a single spike).
* *bits*: an axon of a crossbar core has a bit per tick, as TrueNorth's scheduler.

Every pass goes once over the list of a worker, so a packet costs no call. An event that would
arrive after the listening layer's last tick is sent but not kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.bits import prefetch
from neurosim.kernels.rows import add_block, add_row, add_runs

I32 = npt.NDArray[np.int32]

_PER_LINE = 32  # targets of 16 bits in a cache line

# Columns of the counters, as state.CORE_COUNTS.
EVENTS, OPS, MACS, READS, UPDATES, FIRED, PACKETS, PSUMS = range(8)


@kernel
def push_entries(
    outlet: Any,
    entries: Any,
    fired: Any,
    waiting: Any,
    worker: int,
    tick: int,
    span: int,
    merge: bool,
) -> None:
    """Put the entries of everything that fired into the lists of their ticks.

    `span` is the number of ticks of the sample; `merge` keeps a single spike of several.
    """
    offset, delay, first_tick, kind = (
        outlet.entry_offset,
        entries.delay,
        entries.first_tick,
        entries.kind,
    )
    if offset.size == 1:
        return
    owner, value, copies = fired.owner[worker], fired.value[worker], fired.copies[worker]
    entry_list, value_list, n = waiting.entry[worker], waiting.value[worker], waiting.n[worker]
    n_slots = n.size
    now, here = tick % n_slots, np.uint64(0)  # the length of list `here` is at hand
    at = np.uint64(n[here])
    for k in range(np.uint64(fired.n[worker, 0])):
        total, mine = value[k] * copies[k], np.uint64(owner[k])
        for e in range(np.uint64(offset[mine]), np.uint64(offset[mine + np.uint64(1)])):
            entry = np.uint64(e)
            if tick + delay[entry] < first_tick[entry] + span:
                slot = now + delay[entry]  # a delay is less than all slots
                slot = np.uint64(slot - (n_slots if slot >= n_slots else 0))
                if slot != here:
                    n[here], here = at, slot
                    at = np.uint64(n[slot])
                entry_list[slot, at] = entry
                value_list[slot, at] = 1 if merge and kind[entry] == 0 else total
                at += np.uint64(1)
    n[here] = at


@kernel
def fill_rings(
    outlet: Any,
    ring_axon: Any,
    fired: Any,
    rings: Any,
    worker: int,
    tick: int,
    span: int,
    merge: bool,
) -> None:
    """Add (or merge) everything that fired into the slots of axons with several senders."""
    offset, ring_of, delay = outlet.ring_offset, outlet.ring, outlet.ring_delay
    if offset.size == 1:
        return
    owner, value, copies = fired.owner[worker], fired.value[worker], fired.copies[worker]
    values, full, listed, n = (
        rings.value[worker],
        rings.full[worker],
        rings.listed[worker],
        rings.n[worker],
    )
    first_tick, is_analog, n_slots = ring_axon.first_tick, ring_axon.is_analog, n.size
    for k in range(fired.n[worker, 0]):
        for d in range(offset[owner[k]], offset[owner[k] + 1]):
            ring, arrival = ring_of[d], tick + delay[d]
            if arrival >= first_tick[ring] + span:
                continue
            slot = arrival % n_slots
            if not full[slot, ring]:
                full[slot, ring] = 1
                listed[slot, n[slot]] = ring
                n[slot] += 1
            if merge and not is_analog[ring]:
                values[slot, ring] = 1
            else:
                values[slot, ring] += value[k] * copies[k]


@kernel
def set_bits(
    outlet: Any, fired: Any, bits: Any, first_tick: I32, worker: int, tick: int, span: int
) -> None:
    """Set the bit of everything that fired in the slot of its tick."""
    offset, place = outlet.bit_offset, outlet.bit
    if place.shape[0] == 0:
        return
    owner, mine = fired.owner[worker], bits[worker].reshape(-1)
    n_slots, n_words = bits.shape[1], bits.shape[2]
    uniform, alone = first_tick.size == 1, offset.size == 1
    for k in range(fired.n[worker, 0]):
        first = np.int64(owner[k])
        stop = first + 1
        if not alone:
            first, stop = offset[first], offset[stop]
        for d in range(first, stop):
            position, delay = np.int64(place[d, 0]), np.int64(place[d, 1])
            arrival = tick + (delay if delay >= 0 else ~delay)
            if position < 0:
                continue
            if arrival < first_tick[0 if uniform else position >> 6] + span:
                bit = np.uint64(1) << np.uint64(position & 63)
                mine[arrival % n_slots * n_words + (position >> 6)] |= bit


@kernel
def arrive_entries(
    entries: Any,
    synapses: Any,
    waiting: Any,
    inbox: Any,
    acc: I32,
    counts: I32,
    slot: int,
    worker: int,
) -> None:
    """Add the rows of this worker's share of all entries that arrive in this tick, or place it."""
    n_workers = waiting.n.shape[0]
    total = np.int64(0)
    for w in range(n_workers):
        total += waiting.n[w, slot]
    first, stop = total * worker // n_workers, total * (worker + 1) // n_workers
    passed = np.int64(0)
    for w in range(n_workers):
        n = waiting.n[w, slot]
        begin, end = max(first - passed, 0), min(stop - passed, n)
        if begin < end:
            listed, value = waiting.entry[w, slot, begin:end], waiting.value[w, slot, begin:end]
            _add_joined(entries, listed, value, acc)
            _count_joined(entries, listed, counts)
            _add_axons(entries, synapses, listed, value, acc, counts)
            _fill_places(entries, inbox, listed, value, worker)
        passed += n


@kernel
def _add_joined(entries: Any, listed: I32, value: I32, acc: I32) -> None:
    """Joined rows; while one is added, the lines of the next are on their way."""
    offset, target, weight = entries.synapse_offset, entries.target, entries.weight
    if target.size > 0:
        for k in range(listed.size):
            if k + 1 < listed.size:
                first, stop = offset[listed[k + 1]], offset[listed[k + 1] + 1]
                for e in range(first, stop, _PER_LINE):
                    prefetch(target, e)
                    prefetch(weight, e)
            first, stop = offset[listed[k]], offset[listed[k] + 1]
            add_row(target, weight, first, stop, value[k], acc, np.int64(0))


@kernel
def _count_joined(entries: Any, listed: I32, counts: I32) -> None:
    """Events and synapses of joined rows, core by core or as a list."""
    kind, table = entries.kind, entries.core_counts
    if table.shape[0] == 0 and entries.counted_core.size == 0:
        return
    events = counts[EVENTS]
    for k in range(listed.size):
        entry = listed[k]
        ops = counts[MACS] if kind[entry] == 1 else counts[OPS]
        if table.shape[0] > 0:
            new_events, new_ops = table[entry, 0], table[entry, 1]
            for core in range(new_events.size):
                events[core] += np.int32(new_events[core])
                ops[core] += np.int32(new_ops[core])
        else:
            offset = entries.counted_offset
            for e in range(offset[entry], offset[entry + 1]):
                events[entries.counted_core[e]] += 1
                ops[entries.counted_core[e]] += entries.counted_synapses[e]


@kernel
def _add_axons(entries: Any, synapses: Any, listed: I32, value: I32, acc: I32, counts: I32) -> None:
    """Sparse rows from where the Program has them; arrays are taken out of their tuples once."""
    offset, axon_of, core_of = entries.axon_offset, entries.axon, synapses.axon_core
    if axon_of.size == 0:
        return
    neuron_offset, row_offset = synapses.neuron_offset, synapses.row_offset
    target, weight = synapses.target, synapses.weight
    events, macs, ops = counts[EVENTS], counts[MACS], counts[OPS]
    is_analog, connected = synapses.axon_is_analog, synapses.axon_synapses
    for k in range(listed.size):
        for e in range(offset[listed[k]], offset[listed[k] + 1]):
            axon = axon_of[e]
            core, begin, end = core_of[axon], row_offset[axon], row_offset[axon + 1]
            add_row(target, weight, begin, end, value[k], acc, neuron_offset[core])
            events[core] += 1
            if is_analog[axon]:
                macs[core] += connected[axon]
            else:
                ops[core] += connected[axon]


@kernel
def _fill_places(entries: Any, inbox: Any, listed: I32, value: I32, worker: int) -> None:
    """Put the values of entries at their places of dense cores, for `blocks.integrate_blocks`."""
    offset, place = entries.place_offset, entries.place
    if place.size == 0:
        return
    values, bits = inbox.value[worker], inbox.bits[worker]
    for k in range(np.uint64(listed.size)):
        factor, entry = value[k], np.uint64(listed[k])
        for e in range(np.uint64(offset[entry]), np.uint64(offset[entry + np.uint64(1)])):
            mine = np.uint64(place[e])
            values[mine] = factor
            bits[mine >> np.uint64(6)] |= np.uint64(1) << (mine & np.uint64(63))


@kernel
def add_axon(
    synapses: Any, blocks: Any, shared: Any, axon: int, value: int, acc: I32, counts: I32
) -> None:
    """Integrate one axon event into its core: the row, and what it counts."""
    core, row = synapses.axon_core[axon], synapses.dense_row[axon]
    first, stop = synapses.neuron_offset[core], synapses.neuron_offset[core + 1]
    if shared.plan[core] >= 0:
        hit = shared.axon_offset[shared.plan[core]] + axon - blocks.axon[core]
        add_runs(shared, core, hit, value, acc, first)
    elif row >= 0:
        add_block(synapses.dense, row, value, acc, first, stop - first)
    else:
        begin, end = synapses.row_offset[axon], synapses.row_offset[axon + 1]
        add_row(synapses.target, synapses.weight, begin, end, value, acc, first)
    counts[EVENTS, core] += 1
    counts[MACS if synapses.axon_is_analog[axon] else OPS, core] += synapses.axon_synapses[axon]


@kernel
def arrive_rings(
    ring_axon: Any,
    synapses: Any,
    blocks: Any,
    shared: Any,
    rings: Any,
    acc: I32,
    counts: I32,
    slot: int,
    merge: bool,
) -> None:
    """Integrate the axons with several senders: one event per axon, all workers' values summed."""
    n_workers = rings.n.shape[0]
    for w in range(n_workers):
        for k in range(rings.n[w, slot]):
            ring = rings.listed[w, slot, k]
            value, counted = np.int64(0), False
            for v in range(n_workers):
                counted = counted or (v < w and rings.full[v, slot, ring] != 0)
                value += rings.value[v, slot, ring]
            if not counted:
                if merge and not ring_axon.is_analog[ring]:
                    value = np.int64(1)
                axon = ring_axon.axon[ring]
                add_axon(synapses, blocks, shared, axon, value, acc, counts)
    for w in range(n_workers):
        for k in range(rings.n[w, slot]):
            ring = rings.listed[w, slot, k]
            rings.full[w, slot, ring] = 0
            rings.value[w, slot, ring] = 0
        rings.n[w, slot] = 0
