"""The phases of a tick, compiled: inject, integrate, partial sums, soma and emit, close.

Enters: an `Image` (read only), a `State`, the inputs of some samples. Leaves: outputs per chip tick
and counters. Promised: every sum is exact, so neither the order of events nor the number of
workers matters.

Several workers may play one sample together. Each adds what arrives into accumulators and counters
of its own; a neuron, and the core of a crossbar, is updated by one of them, which sums up what all
have gathered for it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.bits import AHEAD, prefetch
from neurosim.kernels.blocks import integrate_blocks
from neurosim.kernels.crossbar import tick_crossbars
from neurosim.kernels.fanout import (
    EVENTS,
    PACKETS,
    READS,
    UPDATES,
    arrive_entries,
    arrive_rings,
    fill_rings,
    push_entries,
    set_bits,
)
from neurosim.kernels.groups import (
    MERGE_SPIKES,
    N_SLOTS,
    SEED,
    SEND_ZERO,
    SEND_ZERO_INPUT,
    pass_partial_sums,
    reset,
    reset_somas,
    update_groups,
)
from neurosim.kernels.packet_log import log_fired, log_tick
from neurosim.kernels.pulls import choose_pulls, pull_rows
from neurosim.kernels.straight import COUNTABLE, count_recent, send_straight
from neurosim.kernels.traffic import (
    COMPUTE,
    COMPUTE_CORE,
    MEMORY,
    MEMORY_CORE,
    close_traffic,
    load_fired,
    load_signatures,
)
from neurosim.kernels.workers import barrier
from neurosim.soma.truenorth import mix

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


@kernel
def run_samples(
    x: npt.NDArray[np.int16],
    spans: I64,
    worker: int,
    watch: Any,
    log: Any,
    costs: I64,
    tally: Any,
    # the fields of Image
    synapses: Any,
    blocks: Any,
    products: Any,
    shared: Any,
    crossbar: Any,
    groups: Any,
    modes: Any,
    columns: Any,
    pieces: Any,
    synaptic: Any,
    luts: I32,
    truenorth: Any,
    truenorth_neurons: Any,
    entries: Any,
    pulls: Any,
    ring_axons: Any,
    neuron_outlet: Any,
    input_outlet: Any,
    traffic: Any,
    op_time: I64,
    settings: I64,
    # the fields of State
    soma: Any,
    acc: I32,
    recent: npt.NDArray[np.uint8],
    quiet: npt.NDArray[np.int8],
    stirred: npt.NDArray[np.int8],
    seed: I64,
    gate: I64,
    shares: Any,
    fired: Any,
    waiting: Any,
    inbox: Any,
    history: Any,
    rings: Any,
    bits: npt.NDArray[np.uint64],
    counters: I32,
    loads: Any,
    bench: Any,
) -> None:
    """Play some samples, or a piece of one, as one of ``acc.shape[0]`` workers.

    Image and State come field by field: handing on a part of a large tuple costs the compiler
    more than all kernels together. Without crossbar cores `crossbar` is None, without LIAF neurons
    `modes` is: then the kernels that nobody needs are not compiled.

    Parameters
    ----------
    x : (n_samples, n_ticks, n_inputs) packet values of the sample ticks of this piece.
    spans : (n_samples, 7) number of the sample, first chip tick, chip ticks, ticks of the whole
        sample, ticks per window of the tally, chip tick of the first window and of the first row of
        what is recorded, and whether to begin with a reset.
    watch : Watch, filled for every chip tick of the piece.
    costs : (n_samples, 8, n_chip_ticks) TickCosts, filled.
    log : PacketLog of a single sample, filled with the packets of every tick when it has room, else
        left alone; a single worker only.
    """
    n_workers, n_slots, offset = acc.shape[0], settings[N_SLOTS], neuron_outlet.packet_offset
    merge, logging = settings[MERGE_SPIKES] != 0, log.tick_offset.size > 1
    for sample in range(spans.shape[0]):
        span = spans[sample]
        n_ticks = span[3]
        if span[6] != 0:
            _begin_sample(
                span, settings, pulls, history, waiting, rings, bits, acc, quiet, stirred, soma,
                crossbar, columns, truenorth_neurons, groups, shares, seed, worker, logging,
            )  # fmt: skip
            barrier(gate, n_workers)
        for k in range(span[2]):
            tick = span[1] + k
            row, slot = tick - span[5], tick % n_slots
            window = row // span[4]
            if worker == 0:
                if k < x.shape[1]:
                    _send_inputs(
                        x[sample, k], settings, modes, crossbar, entries, ring_axons, input_outlet,
                        traffic, fired, loads, waiting, rings, bits, tally.sent_inputs, log, tick,
                        n_ticks,
                    )  # fmt: skip
                if modes is not None:
                    arrive_rings(
                        ring_axons, synapses, blocks, shared, rings, acc[0], counters[0], slot,
                        merge,
                    )  # fmt: skip
            barrier(gate, n_workers)
            if modes is not None:
                _arrive(
                    synapses, blocks, products, shared, groups, entries, pulls, history, waiting,
                    inbox, shares, acc, counters, gate, settings, worker, tick, slot, n_ticks,
                )  # fmt: skip
            fired.n[worker, 0] = 0
            if groups.psums.size > 0:
                pass_partial_sums(
                    groups, op_time, acc, counters[worker], loads, stirred, shares,
                    tally.sent_psums, inbox.passed, worker, tick, n_ticks, log,
                )  # fmt: skip
            if modes is not None:
                update_groups(
                    groups, modes, columns, pieces, synaptic, luts, soma, acc, quiet, stirred,
                    counters, fired, neuron_outlet, pulls, history, traffic, loads, recent,
                    op_time, settings, shares, worker, tick, n_ticks, logging,
                )  # fmt: skip
            if crossbar is not None:
                tick_crossbars(
                    groups, crossbar, truenorth, truenorth_neurons, bench, soma, bits, quiet,
                    counters[worker], fired, offset, op_time, settings, shares, seed[0], worker,
                    tick, n_ticks, logging,
                )  # fmt: skip
            log_fired(log, neuron_outlet, fired, op_time[4])
            _send_fired(
                neuron_outlet, modes, crossbar, entries, ring_axons, traffic, fired, loads,
                waiting, rings, bits, recent, tally.sent, worker, tick, n_ticks, merge,
            )  # fmt: skip
            if k % COUNTABLE == COUNTABLE - 1 or k == span[2] - 1:
                count_recent(recent, tally.sent, shares, worker)
            load_signatures(traffic, loads, worker)
            barrier(gate, n_workers)
            if worker == 0:
                _note(soma, watch, sample, row)
                _close(counters, op_time, tally, costs[sample], row, window)
                choose_pulls(pulls, history, tick + 1, n_ticks, not logging)
                stirred[:] = 0
                log_tick(log, k)
            if worker == n_workers - 1:
                close_traffic(traffic, loads, costs[sample], tally.window_bits, row, window)
            barrier(gate, n_workers)


@inlined
def _begin_sample(
    span: I64,
    settings: I64,
    pulls: Any,
    history: Any,
    waiting: Any,
    rings: Any,
    bits: npt.NDArray[np.uint64],
    acc: I32,
    quiet: npt.NDArray[np.int8],
    stirred: npt.NDArray[np.int8],
    soma: Any,
    crossbar: Any,
    columns: Any,
    truenorth_neurons: Any,
    groups: Any,
    shares: Any,
    seed: I64,
    worker: int,
    logging: bool,
) -> None:
    """The state before the first tick of a sample; `span` as for `run_samples`."""
    if worker == 0:
        seed[0] = mix(settings[SEED], span[0])
        history.pulled[:, :] = 0
        choose_pulls(pulls, history, span[1], span[3], not logging)
    reset(waiting, rings, bits, acc, quiet, stirred, worker)
    reset_somas(soma, crossbar, columns.v_start, truenorth_neurons.v_start, groups, shares, worker)


@inlined
def _send_inputs(
    x: npt.NDArray[np.int16],
    settings: I64,
    modes: Any,
    crossbar: Any,
    entries: Any,
    ring_axons: Any,
    outlet: Any,
    traffic: Any,
    fired: Any,
    loads: Any,
    waiting: Any,
    rings: Any,
    bits: npt.NDArray[np.uint64],
    sent: I64,
    log: Any,
    tick: int,
    n_ticks: int,
) -> None:
    """What the host sends in this tick: `x`, (n_inputs,) packet values."""
    _list_inputs(x, settings[SEND_ZERO_INPUT] != 0, fired, sent)
    log_fired(log, outlet, fired, np.int64(0))
    _send(
        outlet, modes, crossbar, entries, ring_axons, traffic, fired, loads, waiting, rings, bits,
        np.int64(0), tick, n_ticks, settings[MERGE_SPIKES] != 0,
    )  # fmt: skip


@inlined
def _arrive(
    synapses: Any,
    blocks: Any,
    products: Any,
    shared: Any,
    groups: Any,
    entries: Any,
    pulls: Any,
    history: Any,
    waiting: Any,
    inbox: Any,
    shares: Any,
    acc: I32,
    counters: I32,
    gate: I64,
    settings: I64,
    worker: int,
    tick: int,
    slot: int,
    n_ticks: int,
) -> None:
    """Integrate what arrives in this tick: sparse rows one by one, dense blocks core by core."""
    merge = settings[MERGE_SPIKES] != 0
    pull_rows(
        pulls, history, synapses, blocks, shares, acc[worker], counters[worker], merge, worker,
        tick, n_ticks,
    )  # fmt: skip
    arrive_entries(entries, synapses, waiting, inbox, acc[worker], counters[worker], slot, worker)
    barrier(gate, acc.shape[0])
    waiting.n[worker, slot] = 0
    if blocks.order.size > 0:
        zeros = settings[SEND_ZERO] != 0 or settings[SEND_ZERO_INPUT] != 0
        integrate_blocks(
            blocks, products, shared, synapses, groups, inbox, pulls, history, shares,
            acc[worker], counters[worker], merge, zeros, worker, tick, n_ticks,
        )  # fmt: skip
        barrier(gate, acc.shape[0])


@inlined
def _send_fired(
    outlet: Any,
    modes: Any,
    crossbar: Any,
    entries: Any,
    ring_axons: Any,
    traffic: Any,
    fired: Any,
    loads: Any,
    waiting: Any,
    rings: Any,
    bits: npt.NDArray[np.uint64],
    recent: npt.NDArray[np.uint8],
    sent: I64,
    worker: int,
    tick: int,
    n_ticks: int,
    merge: bool,
) -> None:
    """Send and count the packets of everything that fired and is listed."""
    if crossbar is not None:
        send_straight(outlet, crossbar, traffic, fired, bits, loads, recent, worker, tick, n_ticks)
    _count_sent(fired, sent, worker)
    _send(
        outlet, modes, crossbar, entries, ring_axons, traffic, fired, loads, waiting, rings, bits,
        worker, tick, n_ticks, merge,
    )  # fmt: skip


@kernel
def _send(
    outlet: Any,
    modes: Any,
    crossbar: Any,
    entries: Any,
    ring_axons: Any,
    traffic: Any,
    fired: Any,
    loads: Any,
    waiting: Any,
    rings: Any,
    bits: npt.NDArray[np.uint64],
    worker: int,
    tick: int,
    n_ticks: int,
    merge: bool,
) -> None:
    """Load the ways of everything that is listed, and have it arrive in later ticks."""
    load_fired(outlet, traffic, fired, loads, worker)
    if modes is not None:
        push_entries(outlet, entries, fired, waiting, worker, tick, n_ticks, merge)
        fill_rings(outlet, ring_axons, fired, rings, worker, tick, n_ticks, merge)
    if crossbar is not None:
        set_bits(outlet, fired, bits, crossbar.first_tick, worker, tick, n_ticks)


@kernel
def _list_inputs(values: npt.NDArray[np.int16], send_zero: bool, fired: Any, sent: I64) -> None:
    """Host packets of one sample tick; an input of 0 is not sent unless the chip sends zeros."""
    n = 0
    for element in range(values.size):
        if values[element] != 0 or send_zero:
            fired.owner[0, n] = element
            fired.core[0, n] = 0
            fired.value[0, n] = values[element]
            fired.copies[0, n] = 1
            fired.ready[0, n] = 0
            fired.begin[0, n] = 0
            sent[element] += 1
            n += 1
    fired.n[0, 0] = n


@kernel
def _count_sent(fired: Any, sent: I64, worker: int) -> None:
    owner, copies, n = fired.owner[worker], fired.copies[worker], fired.n[worker, 0]
    last = np.uint64(max(n - 1, 0))
    for k in range(np.uint64(n)):
        prefetch(sent, np.int64(owner[min(np.uint64(k) + np.uint64(AHEAD), last)]))
        sent[np.uint64(owner[k])] += copies[k]


@kernel
def _note(soma: Any, watch: Any, sample: int, row: int) -> None:
    """Record the watched neurons."""
    for k in range(watch.neuron.size):
        i = watch.neuron[k]
        if watch.y.shape[1] > 0:
            bit = watch.spike[k]
            if bit >= 0:
                watch.y[sample, row, k] = (
                    soma.spikes[bit >> 6] >> np.uint64(bit & 63)
                ) & np.uint64(1)
            else:
                watch.y[sample, row, k] = soma.y[i]
        if watch.v.shape[1] > 0:
            place = watch.narrow[k]
            watch.v[sample, row, k] = np.int32(soma.narrow[place]) if place >= 0 else soma.v[i]


@kernel
def _close(counters: I32, op_time: I64, tally: Any, costs: I64, row: int, window: int) -> None:
    """Compute and memory bounds of the tick; its counters go into the tally and back to zero."""
    total, in_window = tally.core, window < tally.window_compute.shape[0]
    counts = counters[0]
    for w in range(1, counters.shape[0]):
        for c in range(counts.shape[0]):
            for core in range(counts.shape[1]):
                counts[c, core] += counters[w, c, core]
                counters[w, c, core] = 0
    compute, memory, compute_core, memory_core = np.int64(0), np.int64(0), -1, -1
    ops, macs, events = counts[1], counts[2], counts[EVENTS]
    updates, packets = counts[UPDATES], counts[PACKETS]
    for core in range(counts.shape[1]):
        time = np.int64(ops[core]) * op_time[0] + np.int64(macs[core]) * op_time[1]
        time += np.int64(updates[core]) * op_time[3] + np.int64(packets[core]) * op_time[4]
        reads = np.int64(events[core]) * op_time[2]
        if time > compute:
            compute, compute_core = time, core
        if reads > memory:
            memory, memory_core = reads, core
        if in_window:
            tally.window_compute[window, core] += time
            tally.window_memory[window, core] += reads
    for c in range(counts.shape[0]):
        for core in range(counts.shape[1]):
            total[c, core] += counts[c, core]
            if c == EVENTS:
                total[READS, core] += counts[c, core]
            counts[c, core] = 0
    costs[COMPUTE, row] = (compute + 65535) >> 16
    costs[MEMORY, row] = (memory + 65535) >> 16
    costs[COMPUTE_CORE, row] = compute_core
    costs[MEMORY_CORE, row] = memory_core
