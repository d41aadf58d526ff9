"""Layers that are pulled: their neurons leave what they give, and the listeners fetch it.

Pushing costs work per event and listener, pulling per neuron and axon, event or not. So a layer is
pulled in the tick after one in which many of its neurons sent; either way gives the same sums.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.bits import count_bits
from neurosim.kernels.fanout import EVENTS, MACS, OPS
from neurosim.kernels.traffic import load_now
from neurosim.kernels.vectors import senders_of

I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

FEW: Final = 8
"""One neuron of so many must send for its layer to be pulled."""
MANY: Final = 4
"""And one of so many for it to count as dense: its cores are multiplied by whole blocks."""
DENSE: Final = 2  # mode of a pulled layer of which many neurons sent
_SHORT: Final = np.uint64(4)  # synapses that are added sooner than a branch is guessed wrong


@kernel
def choose_pulls(pulls: Any, history: Any, tick: int, span: int, allowed: bool) -> None:
    """Which layers are pulled in `tick`: by what they sent in the last tick that they worked in."""
    slot, first_tick, mode = tick % history.pulled.shape[0], pulls.layer_first_tick, history.mode
    for layer in range(first_tick.size):
        begin, n = first_tick[layer], np.int64(0)
        for w in range(history.fired.shape[0]):
            n += history.fired[w, layer]
            history.fired[w, layer] = 0
        if begin < tick <= begin + span:
            pulled = allowed and n > 0 and n * FEW >= pulls.layer_size[layer]
            dense = n * MANY >= pulls.layer_size[layer]
            mode[layer] = (DENSE if dense else 1) if pulled else 0
        history.pulled[slot, layer] = mode[layer] if begin <= tick < begin + span else 0


@kernel
def leave_outputs(
    pulls: Any,
    history: Any,
    traffic: Any,
    loads: Any,
    values: I16,
    y: I32,
    into: int,
    recent: U8,
    group: int,
    core: int,
    start: int,
    stop: int,
    worker: int,
) -> tuple[int, int]:
    """Keep what the neurons of a group give, from ``y[into]`` on, in `values`; send their packets.

    Senders are counted in `recent`, see `straight.count_recent`.

    Returns
    -------
    fired, sent : neurons with an output other than 0, and packets.
    """
    offset, words, masks = pulls.alike_offset, pulls.word, pulls.mask
    signatures, own = pulls.signature, history.senders[worker]
    rows, change, direct = traffic.dense.reshape(-1), loads.change[worker], loads.direct[worker]
    _leave(pulls, values, y, into - start, group)
    fired = _note_senders(y, into, own, recent, start, stop)
    packets, alike, waiting = np.int64(0), np.int64(-1), np.int64(0)
    for k in range(offset[group], offset[group + 1]):
        if signatures[k] != alike:
            load_now(traffic, rows, change, direct, alike, core, waiting)
            alike, waiting = np.int64(signatures[k]), np.int64(0)
        n = count_bits(own[np.uint64(words[k])] & masks[k])
        waiting += n
        packets += n * pulls.packets[k]
    load_now(traffic, rows, change, direct, alike, core, waiting)
    return fired, packets


@kernel
def _note_senders(
    y: I32, into: int, senders: npt.NDArray[np.uint64], recent: U8, start: int, stop: int
) -> int:
    """Write who of `start`..`stop` - 1 sends into bits, and count it in `recent`; how many do."""
    fired = np.int64(0)
    for word in range((stop - start + 63) >> 6):
        first = 64 * word
        senders[word] = senders_of(y, into + first, min(64, stop - start - first))
        fired += count_bits(senders[word])
    for k in range(np.uint64(stop - start)):
        i = np.uint64(start) + k
        recent[i] = np.uint8(recent[i] + np.uint8(y[np.uint64(into) + k] != 0))
    return fired


@kernel
def _leave(pulls: Any, values: I16, y: I32, shift: int, group: int) -> None:
    """Put what the neurons of a group give at their places; neuron i gives ``y[i + shift]``."""
    for run in range(pulls.left_offset[group], pulls.left_offset[group + 1]):
        at, first = np.uint64(pulls.left_place[run]), np.int64(pulls.left_first[run]) + shift
        size, step = np.uint64(pulls.left_size[run]), np.int64(pulls.left_step[run])
        if step == 1:
            for k in range(size):
                values[at + k] = y[np.uint64(first) + k]
        elif step == 2:
            for k in range(size):
                values[at + k] = y[np.uint64(first) + np.uint64(2) * k]
        else:
            for k in range(size):
                values[at + k] = y[np.uint64(first + step * np.int64(k))]


@kernel
def leave_nothing(pulls: Any, values: I16, group: int) -> None:
    """Neurons of a pulled layer that give nothing in this tick."""
    for run in range(pulls.left_offset[group], pulls.left_offset[group + 1]):
        at = np.uint64(pulls.left_place[run])
        for k in range(np.uint64(pulls.left_size[run])):
            values[at + k] = 0


@kernel
def pull_rows(
    pulls: Any,
    history: Any,
    synapses: Any,
    blocks: Any,
    shares: Any,
    acc: I32,
    counts: I32,
    merge: bool,
    worker: int,
    tick: int,
    span: int,
) -> None:
    """Add what arrives in this tick from pulled layers at cores of this worker with sparse rows."""
    offset, layer, delay, first_tick = pulls.run_offset, pulls.layer, pulls.delay, pulls.first_tick
    pulled, n_slots = history.pulled, history.pulled.shape[0]
    if offset.size == 1 or not pulled.any():
        return
    for core in range(shares.first_core[worker], shares.first_core[worker + 1]):
        if blocks.word[core + 1] > blocks.word[core]:
            continue
        for run in range(offset[core], offset[core + 1]):
            slot = (tick - delay[run]) % n_slots
            if pulled[slot, layer[run]] != 0 and tick < first_tick[run] + span:
                analog = pulls.is_analog[run] != 0
                kind, once = MACS if analog else OPS, merge and not analog
                begin, end = pulls.source_offset[run], pulls.source_offset[run + 1]
                if pulls.strip_offset[run] < pulls.strip_offset[run + 1] and not once:
                    base = synapses.neuron_offset[core]
                    _add_strips(pulls, history.value[slot], run, base, core, acc, counts, kind)
                else:
                    _add(
                        pulls.source, history.value[slot], synapses, begin, end, pulls.axon[run],
                        core, once, acc, counts, kind,
                    )  # fmt: skip


@kernel
def pull_places(
    pulls: Any,
    history: Any,
    blocks: Any,
    places: I32,
    bits: npt.NDArray[np.uint64],
    core: int,
    merge: bool,
    tick: int,
    span: int,
) -> None:
    """Put what arrives in this tick from pulled layers at the places of a core with a dense block.

    As if it had been pushed; but a place may hold a 0, at which nothing arrived.
    """
    offset, n_slots = pulls.run_offset, history.pulled.shape[0]
    for run in range(offset[core], offset[core + 1]):
        slot = (tick - pulls.delay[run]) % n_slots
        in_time = tick < pulls.first_tick[run] + span
        if in_time and history.pulled[slot, pulls.layer[run]] != 0:
            begin, end = pulls.source_offset[run], pulls.source_offset[run + 1]
            place = 64 * blocks.word[core] + pulls.axon[run] - blocks.axon[core]
            once = merge and pulls.is_analog[run] == 0
            _fill(pulls.source, history.value[slot], places, begin, end, place, once)
            _mark(bits, place, place + end - begin)


@kernel
def whole_run(pulls: Any, history: Any, blocks: Any, core: int, tick: int, span: int) -> int:
    """The run that all axons of a core with a dense block belong to, if it is pulled; else -1."""
    run = pulls.run_offset[core]
    if pulls.run_offset[core + 1] != run + 1:
        return np.int64(-1)
    if pulls.source_offset[run + 1] - pulls.source_offset[run] != blocks.size[core]:
        return np.int64(-1)
    slot = (tick - pulls.delay[run]) % history.pulled.shape[0]
    in_time = tick < pulls.first_tick[run] + span
    return run if in_time and history.pulled[slot, pulls.layer[run]] != 0 else np.int64(-1)


@kernel
def list_run(
    source: I32,
    values: I16,
    connected: I32,
    begin: int,
    end: int,
    axon: int,
    row: int,
    width: int,
    once: bool,
    rows: I64,
    factors: I32,
) -> tuple[int, int]:
    """List the axons of a whole core that have a value; how many, and how many synapses of them.

    The first one has the row that begins at `row`.
    """
    first, mine, n, synapses = np.uint64(begin), np.uint64(axon), np.uint64(0), np.int64(0)
    for k in range(np.uint64(end - begin)):
        value = np.int32(values[np.uint64(source[first + np.uint64(k)])])
        some = value != 0
        rows[n] = row
        factors[n] = np.int32(some) if once else value
        row += width
        n += np.uint64(some)
        synapses += np.int64(connected[mine + np.uint64(k)]) & -np.int64(some)
    return np.int64(n), synapses


@kernel
def _fill(
    source: I32, values: I16, places: I32, begin: int, end: int, place: int, once: bool
) -> None:
    """Put the values of a run at its places."""
    first, at = np.uint64(begin), np.uint64(place)
    for k in range(np.uint64(end - begin)):
        places[at + np.uint64(k)] = values[np.uint64(source[first + np.uint64(k)])]
    if once:
        for k in range(np.uint64(end - begin)):
            places[at + np.uint64(k)] = np.int32(places[at + np.uint64(k)] != 0)


@kernel
def _mark(bits: npt.NDArray[np.uint64], begin: int, end: int) -> None:
    """Set the bits `begin`..`end` - 1."""
    while begin < end:
        n = min(64 - (begin & 63), end - begin)
        ones = ~np.uint64(0) >> np.uint64(64 - n)
        bits[begin >> 6] |= ones << np.uint64(begin & 63)
        begin += n


@kernel
def _add(
    source: I32,
    values: I16,
    synapses: Any,
    begin: int,
    end: int,
    axon: int,
    core: int,
    once: bool,
    acc: I32,
    counts: I32,
    kind: int,
) -> None:
    """Add the sparse rows of a run."""
    row_offset, target, weight = synapses.row_offset, synapses.target, synapses.weight
    base, connected = np.uint64(synapses.neuron_offset[core]), synapses.axon_synapses
    events, ops, first, one = np.int64(0), np.int64(0), np.uint64(begin), np.uint64(1)
    for k in range(np.uint64(end - begin)):
        mine = np.uint64(axon) + np.uint64(k)
        value = np.int32(values[np.uint64(source[first + np.uint64(k)])])
        start, stop = np.uint64(row_offset[mine]), np.uint64(row_offset[mine + one])
        if stop - start > _SHORT and value == 0:
            continue
        some = np.int32(value != 0)
        factor = some if once else value
        for e in range(start, stop):
            acc[base + np.uint64(target[e])] += np.int32(factor * np.int32(weight[e]))
        events += some
        ops += np.int64(connected[mine]) * some
    counts[EVENTS, core] += events
    counts[kind, core] += ops


@kernel
def _add_strips(
    pulls: Any, values: I16, run: int, base: int, core: int, acc: I32, counts: I32, kind: int
) -> None:
    """Add the rows of a run that have one synapse each, as those of an average pool."""
    events = np.int64(0)
    for strip in range(pulls.strip_offset[run], pulls.strip_offset[run + 1]):
        at, target = np.uint64(pulls.strip_place[strip]), base + np.int64(pulls.strip_target[strip])
        weight, step = pulls.strip_weight[strip], np.int64(pulls.strip_step[strip])
        for k in range(np.uint64(pulls.strip_size[strip])):
            value = np.int32(values[at + np.uint64(k)])
            acc[np.uint64(target + step * np.int64(k))] += np.int32(value * weight)
            events += value != 0
    counts[EVENTS, core] += events
    counts[kind, core] += events
