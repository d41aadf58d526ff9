"""The phases of a tick, compiled: inject, integrate, partial sums, soma and emit, close.

Enters: an `Image` (read only), a `State`, the input of one sample. Leaves: outputs per chip tick
and counters. Promised: every sum is exact, so the order of events never matters.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.soma.liaf import update_liaf


@kernel
def run_sample(
    image: Any,
    state: Any,
    tally: Any,
    costs: Any,
    x: npt.NDArray[np.int16],
    watch: npt.NDArray[np.int32],
    watch_y: npt.NDArray[np.int32],
    watch_v: npt.NDArray[np.int32],
    log: Any,
) -> None:
    """Play one sample from reset to the end of its pipeline.

    Parameters
    ----------
    x : (n_sample_ticks, n_inputs) packet values.
    watch : neurons to record; `watch_y` and `watch_v` (n_chip_ticks, n_watched) are filled, and
        may have 0 rows if nothing is asked.
    costs : TickCosts, each (n_chip_ticks,), filled.
    log : PacketLog, filled with the packets of every tick when it has room, else left alone.
    """
    reset_state(image, state)
    n_sample_ticks = x.shape[0]
    for tick in range(costs.compute.size):
        if tick < n_sample_ticks:
            _inject(image, state, x[tick], tick, n_sample_ticks, log)
        _integrate(image, state, tally, tick)
        _pass_partial_sums(image, state, tally, tick, n_sample_ticks, log)
        _fire(image, state, tally, tick, n_sample_ticks, log)
        for k in range(watch.size):
            if watch_y.shape[0] > 0:
                watch_y[tick, k] = state.soma.y[watch[k]]
            if watch_v.shape[0] > 0:
                watch_v[tick, k] = state.soma.v[watch[k]]
        _close(image, state, tally, costs, tick)
        if log.tick_offset.size > 1:
            log.tick_offset[tick + 1] = log.n_logged[0]


@kernel
def reset_state(image: Any, state: Any) -> None:
    """Potentials to their start value, nothing on the way."""
    state.soma.acc[:] = 0
    state.soma.y[:] = 0
    state.soma.fired[:] = 0
    state.soma.v[:] = image.columns.v_start
    state.n_active[:] = 0
    state.ring[:] = 0
    state.waiting[:] = 0


@kernel
def _inject(
    image: Any, state: Any, values: npt.NDArray[np.int16], tick: int, n_sample_ticks: int, log: Any
) -> None:
    """Host packets of one sample tick; an input of 0 is not sent unless the chip sends zeros."""
    send_zero = image.limits[4]
    for element in range(values.size):
        value = np.int64(values[element])
        if value != 0 or send_zero:
            _send(
                image,
                state,
                image.input_packets,
                element,
                value,
                1,
                tick,
                n_sample_ticks,
                log,
                0,
                0,
                0,
            )


@kernel
def _integrate(image: Any, state: Any, tally: Any, tick: int) -> None:
    """Add the rows of all axons that got something into the accumulators."""
    slot = tick % image.limits[2]
    acc = state.soma.acc
    for k in range(state.n_active[slot]):
        axon = state.active[slot, k]
        value = state.ring[slot, axon]
        state.ring[slot, axon] = 0
        state.waiting[slot, axon] = 0
        core = image.axon_core[axon]
        synapses = image.axon_synapses[axon]
        counts = tally.core[core]
        counts[0] += 1
        counts[3] += 1
        state.memory_time[core] += image.op_time[2]
        if image.axon_is_analog[axon]:
            counts[2] += synapses
            state.compute_time[core] += synapses * image.op_time[1]
        else:
            counts[1] += synapses
            state.compute_time[core] += synapses * image.op_time[0]
        first = image.neuron_offset[core]
        if image.dense_row[axon] >= 0:
            _add_dense(
                image.dense, image.dense_row[axon], value, acc, first, image.neuron_offset[core + 1]
            )
        else:
            for e in range(image.row_offset[axon], image.row_offset[axon + 1]):
                acc[first + image.target[e]] += value * image.weight[e]
    state.n_active[slot] = 0


@kernel
def _add_dense(
    dense: npt.NDArray[Any], row: int, value: int, acc: npt.NDArray[np.int32], first: int, stop: int
) -> None:
    """``acc[first:stop] += value * row``; a plain loop that the compiler vectorises."""
    if value == 1:
        for j in range(stop - first):
            acc[first + j] += dense[row + j]
    else:
        for j in range(stop - first):
            acc[first + j] += np.int32(value) * np.int32(dense[row + j])


@kernel
def _pass_partial_sums(
    image: Any, state: Any, tally: Any, tick: int, n_sample_ticks: int, log: Any
) -> None:
    """Fragments hand their sums to the owner within the tick; a sum of 0 is not sent."""
    acc = state.soma.acc
    for group in range(image.group_core.size):
        target = image.psum_target[group]
        first_tick = image.group_first_tick[group]
        if target < 0 or tick < first_tick or tick >= first_tick + n_sample_ticks:
            continue
        core = image.group_core[group]
        start, sent = image.group_start[group], 0
        for i in range(start, image.group_stop[group]):
            if acc[i] != 0:
                acc[target + i - start] += acc[i]
                acc[i] = 0
                sent += 1
                begin = max(state.compute_time[core], state.memory_time[core])
                _log_packet(log, image.psum_flow[group], begin, begin + sent * image.op_time[4])
        if sent:
            _count_flow(state, image.psum_flow[group], sent)
            tally.core[core, 6] += sent
            tally.core[core, 7] += sent
            state.compute_time[core] += sent * image.op_time[4]


@kernel
def _fire(image: Any, state: Any, tally: Any, tick: int, n_sample_ticks: int, log: Any) -> None:
    """Update the somas of every group that works in this tick, and send what they give."""
    send_zero, send_time = image.limits[4], image.op_time[4]
    for group in range(image.group_core.size):
        first_tick = image.group_first_tick[group]
        if (
            image.psum_target[group] >= 0
            or tick < first_tick
            or tick >= first_tick + n_sample_ticks
        ):
            continue
        core, start, stop = (
            image.group_core[group],
            image.group_start[group],
            image.group_stop[group],
        )
        update_liaf(
            image.columns,
            image.modes,
            image.luts,
            group,
            start,
            stop,
            image.limits[0],
            image.limits[1],
            state.soma,
        )
        begin = max(state.compute_time[core], state.memory_time[core])
        fired, sent = 0, 0
        analog = image.group_flow_kind[group] == 1
        for i in range(start, stop):
            y = np.int64(state.soma.y[i])
            if y == 0 and not (analog and send_zero):
                continue
            fired += 1
            copies = np.int64(1) if analog else y
            value = y if analog else np.int64(1)
            ready = begin + (i - start + 1) * image.op_time[3] + sent * send_time
            sent += _send(
                image,
                state,
                image.packets,
                i,
                value,
                copies,
                tick,
                n_sample_ticks,
                log,
                begin,
                ready,
                send_time,
            )
        counts = tally.core[core]
        counts[4] += stop - start
        counts[5] += fired
        counts[6] += sent
        state.compute_time[core] += (stop - start) * image.op_time[3] + sent * send_time


@kernel
def _send(
    image: Any,
    state: Any,
    table: Any,
    owner: int,
    value: int,
    copies: int,
    tick: int,
    n_sample_ticks: int,
    log: Any,
    begin: int,
    ready: int,
    send_time: int,
) -> int:
    """Send every packet of one owner `copies` times; returns how many were sent.

    An event that would arrive after the listening layer's last tick is sent but not kept.
    """
    sent = 0
    for packet in range(table.owner_offset[owner], table.owner_offset[owner + 1]):
        _count_flow(state, table.flow[packet], copies)
        for _ in range(copies):
            sent += 1
            _log_packet(log, table.flow[packet], begin, ready + sent * send_time)
        for d in range(table.delivery_offset[packet], table.delivery_offset[packet + 1]):
            axon, arrival = table.axon[d], tick + table.delay[d]
            if arrival < image.axon_first_tick[axon] + n_sample_ticks:
                _deliver(image, state, axon, arrival % image.limits[2], value * copies)
    return sent


@kernel
def _deliver(image: Any, state: Any, axon: int, slot: int, value: int) -> None:
    """Put a value into the axon's slot; a chip that merges spikes keeps a single one."""
    if not state.waiting[slot, axon]:
        state.waiting[slot, axon] = 1
        state.active[slot, state.n_active[slot]] = axon
        state.n_active[slot] += 1
    if image.limits[3] and not image.axon_is_analog[axon]:
        state.ring[slot, axon] = 1
    else:
        state.ring[slot, axon] += value


@kernel
def _count_flow(state: Any, flow: int, packets: int) -> None:
    if state.flow_count[flow] == 0:
        state.flow_list[state.n_flows_used[0]] = flow
        state.n_flows_used[0] += 1
    state.flow_count[flow] += packets


@kernel
def _log_packet(log: Any, flow: int, begin: int, release: int) -> None:
    """Note a packet for the cycle-level network; `n_logged` runs on when the log is full."""
    if log.tick_offset.size <= 1:
        return
    at = log.n_logged[0]
    if at < log.flow.size:
        log.flow[at] = flow
        log.release[at] = release
        log.begin[at] = begin
    log.n_logged[0] += 1


@kernel
def _close(image: Any, state: Any, tally: Any, costs: Any, tick: int) -> None:
    """Loads of links and ports, the three bounds of the tick, and scratch back to zero."""
    n_links_used = np.int64(0)
    for k in range(state.n_flows_used[0]):
        flow = state.flow_list[k]
        packets, kind = state.flow_count[flow], image.flow_kind[flow]
        state.flow_count[flow] = 0
        tally.flow_packets[flow] += packets
        n_links_used = _load_links(image, state, flow, packets, kind, n_links_used)
        if image.flow_source[flow] >= 0:
            state.port_load[image.flow_source[flow], 1] += packets * image.port_cycles[kind]
        for e in range(image.target_offset[flow], image.target_offset[flow + 1]):
            state.port_load[image.flow_target[e], 0] += packets * image.port_cycles[kind]
    state.n_flows_used[0] = 0
    traffic = _busiest_link(image, state, costs, tick, n_links_used)
    compute, memory = np.int64(0), np.int64(0)
    for core in range(state.compute_time.size):
        compute = max(compute, state.compute_time[core])
        memory = max(memory, state.memory_time[core])
        traffic = max(traffic, state.port_load[core, 0], state.port_load[core, 1])
        state.compute_time[core] = 0
        state.memory_time[core] = 0
        state.port_load[core, 0] = 0
        state.port_load[core, 1] = 0
    costs.compute[tick] = (compute + 65535) >> 16
    costs.memory[tick] = (memory + 65535) >> 16
    costs.traffic[tick] = traffic


@kernel
def _load_links(
    image: Any, state: Any, flow: int, packets: int, kind: int, n_links_used: int
) -> int:
    for e in range(image.link_offset[flow], image.link_offset[flow + 1]):
        link = image.link[e]
        if state.link_bits[link] == 0:
            state.link_list[n_links_used] = link
            n_links_used += 1
        state.link_load[link] += packets * image.link_cycles[kind, link]
        state.link_bits[link] += packets * image.packet_bits[kind]
    return n_links_used


@kernel
def _busiest_link(image: Any, state: Any, costs: Any, tick: int, n_links_used: int) -> int:
    """Most cycles of any link; notes the router link with the most bits (the lowest of equals)."""
    n_router_links = image.limits[5]
    traffic, peak_bits, peak_link = np.int64(0), np.int64(0), np.int64(-1)
    for k in range(n_links_used):
        link = np.int64(state.link_list[k])
        traffic = max(traffic, state.link_load[link])
        bits = state.link_bits[link]
        better = bits > peak_bits or (bits == peak_bits and link < peak_link)
        if link < n_router_links and better:
            peak_bits, peak_link = bits, link
        state.link_load[link] = 0
        state.link_bits[link] = 0
    costs.peak_bits[tick] = peak_bits
    costs.peak_link[tick] = peak_link
    return traffic
