"""Groups of neurons: reset, partial sums, somas, and the list of what fires."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.bits import lowest_bit, without_lowest
from neurosim.kernels.fanout import EVENTS, FIRED, PACKETS, PSUMS, UPDATES
from neurosim.kernels.packet_log import core_time, log_packet
from neurosim.kernels.pulls import leave_nothing, leave_outputs
from neurosim.kernels.rows import hand_on
from neurosim.kernels.traffic import touch
from neurosim.kernels.vectors import senders_of
from neurosim.soma.cuba import update_currents
from neurosim.soma.liaf import update_liaf
from neurosim.soma.liaf_pieces import update_pieces

I8 = npt.NDArray[np.int8]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

PSUM, LIAF, TRUENORTH, CUBA = 0, 1, 2, 3  # program.MODEL_CODES
# Image.settings; a host sends zeros only as values, no spike is no packet
V_LOW, V_HIGH, N_SLOTS, MERGE_SPIKES, SEND_ZERO, SEED, SEND_ZERO_INPUT = range(7)


@kernel
def reset(
    waiting: Any,
    rings: Any,
    bits: npt.NDArray[np.uint64],
    acc: I32,
    quiet: I8,
    stirred: I8,
    worker: int,
) -> None:
    """Nothing on the way, no sums, nobody rests."""
    waiting.n[worker, :] = 0
    rings.n[worker, :] = 0
    rings.value[worker, :, :] = 0
    rings.full[worker, :, :] = 0
    bits[worker, :, :] = np.uint64(0)
    acc[worker, :] = 0
    if worker == 0:
        quiet[:] = 0
        stirred[:] = 0


@kernel
def reset_somas(
    soma: Any,
    crossbar: Any,
    soft_start: I32,
    hard_start: I32,
    groups: Any,
    shares: Any,
    worker: int,
) -> None:
    """Potentials of this worker's neurons to their start value."""
    if worker == 0:
        soma.spikes[:] = 0
    if soft_start.size > 0:
        for i in range(shares.first_neuron[worker], shares.first_neuron[worker + 1]):
            soma.fired[i] = 0
            soma.v[i] = soft_start[i]
            if soma.current.size > 0:
                soma.current[i] = 0
        for group in range(shares.first_group[worker], shares.first_group[worker + 1]):
            if soma.kept[group] != 0:
                soma.y[groups.start[group] : groups.stop[group]] = 0
    if crossbar is not None:
        for group in range(shares.first_group[worker], shares.first_group[worker + 1]):
            if groups.model[group] == TRUENORTH:
                start, stop = groups.start[group], groups.stop[group]
                row = crossbar.narrow_row[groups.core[group]]
                for i in range(start, stop):
                    if row < 0:
                        soma.v[i] = hard_start[i]
                    else:
                        soma.narrow[row + i - start] = np.int16(hard_start[i])


@kernel
def pass_partial_sums(
    groups: Any,
    op_time: I64,
    acc: I32,
    counts: I32,
    loads: Any,
    stirred: I8,
    shares: Any,
    sent_psums: I64,
    passed: I32,
    worker: int,
    tick: int,
    n_ticks: int,
    log: Any,
) -> None:
    """Fragments hand their sums to the owner within the tick; a sum of 0 is not sent.

    The worker of the owner does it, so no two workers add to one neuron. Groups that have handed
    theirs on already (`kernels.blocks`) are only counted.
    """
    mine = acc[worker]
    low, high = shares.first_neuron[worker], shares.first_neuron[worker + 1]
    for k in range(groups.psums.size):
        group = groups.psums[k]
        target, first_tick = groups.psum_target[group], groups.first_tick[group]
        if target < low or target >= high or tick < first_tick or tick >= first_tick + n_ticks:
            continue
        core, start, stop = groups.core[group], groups.start[group], groups.stop[group]
        begin = core_time(op_time, counts, core)
        if passed[group] > 0:
            sent = np.int64(passed[group]) - 1
            passed[group] = 0
        else:
            _gather(acc, worker, start, stop)
            sent = hand_on(mine, start, stop, mine, target)
        if sent:
            if log.tick_offset.size > 1:
                for nth in range(1, sent + 1):
                    release = begin + nth * op_time[4]
                    log_packet(
                        log, groups.psum_flow[group], begin, release, np.int64(-1), np.int32(0)
                    )
            touch(loads, worker, groups.psum_signature[group], sent)
            sent_psums[group] += sent
            counts[PACKETS, core] += sent
            counts[PSUMS, core] += sent
            stirred[groups.psum_core[group]] = 1


@kernel
def _gather(acc: I32, worker: int, start: int, stop: int) -> None:
    """Sum what all workers have for these neurons into this worker's accumulators."""
    mine = acc[worker]
    for w in range(acc.shape[0]):
        if w != worker:
            other = acc[w]
            for i in range(start, stop):
                mine[i] += other[i]
                other[i] = 0


@kernel
def update_groups(
    groups: Any,
    modes: I32,
    columns: Any,
    pieces: Any,
    synaptic: Any,
    luts: I32,
    soma: Any,
    acc: I32,
    quiet: I8,
    stirred: I8,
    counters: I32,
    fired: Any,
    outlet: Any,
    pulls: Any,
    history: Any,
    traffic: Any,
    loads: Any,
    recent: npt.NDArray[np.uint8],
    op_time: I64,
    settings: I64,
    shares: Any,
    worker: int,
    tick: int,
    n_ticks: int,
    logging: bool,
) -> None:
    """LIAF and current-based somas of this worker that work in this tick; what they give is listed.

    Arrays are taken out of their tuples once, not once per group.
    """
    counts, mine = counters[worker], acc[worker]
    core_of, start_of, stop_of, analog_of = groups.core, groups.start, groups.stop, groups.is_analog
    first_of, model_of, v, flags = groups.first_tick, groups.model, soma.v, soma.fired
    kept, given = soma.kept, soma.given[worker]
    bias, theta, v_reset = columns.bias, columns.theta, columns.v_reset
    alpha_num, subtract, mult = columns.alpha_num, columns.act_subtract, columns.act_mult
    beta, rho, rho_post, floor = columns.beta, columns.rho, columns.rho_post, columns.floor
    first_piece, block, numbers = pieces.first, pieces.block, pieces.numbers
    table, table_32 = pieces.table, pieces.table_32
    alpha_syn, drive_bias, drive_shift = synaptic.alpha_syn, synaptic.bias, synaptic.weight_shift
    current = soma.current
    layer_of, slot = pulls.group_layer, tick % history.pulled.shape[0]
    pulled, left, offset = history.pulled[slot], history.value[slot], outlet.packet_offset
    low, high, send_zero = settings[V_LOW], settings[V_HIGH], settings[SEND_ZERO] != 0
    for group in range(shares.first_group[worker], shares.first_group[worker + 1]):
        first_tick, has_current = first_of[group], model_of[group] == CUBA
        if not (has_current or model_of[group] == LIAF):
            continue
        if tick < first_tick or tick >= first_tick + n_ticks:
            continue
        core, start, stop = core_of[group], start_of[group], stop_of[group]
        layer, sending, zeros = layer_of[group], False, False
        is_pulled = layer >= 0 and pulled[layer] != 0
        has_input = _has_input(counters, stirred, core)
        if has_input or not quiet[group]:
            if acc.shape[0] > 1:
                _gather(acc, worker, start, stop)
            moved = has_current and update_currents(
                modes[group], drive_shift[group], start, stop, low, high, alpha_syn, drive_bias,
                mine, current,
            )  # fmt: skip
            y, into = given, np.int64(0)
            if kept[group] != 0:
                y, into = soma.y, np.int64(start)
            if first_piece[group] >= 0:
                changed, sending = update_pieces(
                    modes[group], numbers[group], block, table, table_32, first_piece[group],
                    start, stop, low, high, luts, mine, v, y, into,
                )  # fmt: skip
            else:
                changed, sending = update_liaf(
                    modes[group], start, stop, low, high, bias, theta, v_reset, alpha_num, beta,
                    rho, rho_post, floor, subtract, mult, luts, mine, v, y, into, flags,
                )  # fmt: skip
            zeros = analog_of[group] != 0 and send_zero
            quiet[group] = not (has_input or changed or moved or sending or zeros)
            if is_pulled and sending:
                n, sent = leave_outputs(
                    pulls, history, traffic, loads, left, y, into, recent, group, core, start,
                    stop, worker,
                )  # fmt: skip
            elif sending or zeros:
                n, sent = _list_outputs(
                    fired, worker, y, into, start, stop, analog_of[group] != 0, zeros, offset, core
                )
                if logging:
                    begin = core_time(op_time, counts, core)
                    _time_outputs(fired, worker, begin, start, n, offset, op_time)
            else:
                n, sent = np.int64(0), np.int64(0)
            counts[FIRED, core] += n
            counts[PACKETS, core] += sent
            if layer >= 0:
                history.fired[worker, layer] += n
        if is_pulled and not sending:
            leave_nothing(pulls, left, group)
        counts[UPDATES, core] += stop - start


@inlined
def _has_input(counters: I32, stirred: I8, core: int) -> bool:
    """Whether events, of any worker, or partial sums came to a core in this tick."""
    found = stirred[core] != 0
    for w in range(counters.shape[0]):
        found = found or counters[w, EVENTS, core] > 0
    return found


@kernel
def _list_outputs(
    fired: Any,
    worker: int,
    y: I32,
    into: int,
    start: int,
    stop: int,
    analog: bool,
    zeros: bool,
    offset: I64,
    core: int,
) -> tuple[int, int]:
    """List what the neurons of a group give, from ``y[into]`` on: spikes as packets, or one value.

    Returns how many senders these are, and how many packets they send.
    """
    owner, value, copies = fired.owner[worker], fired.value[worker], fired.copies[worker]
    cores, before = fired.core[worker], fired.n[worker, 0]
    sent, at = np.int64(0), np.uint64(before)
    for first in range(start, stop, 64):
        size = min(64, stop - first)
        word = _all(size) if zeros else senders_of(y, into + first - start, size)
        while word:
            i = np.uint64(first + lowest_bit(word))
            word = without_lowest(word)
            given = y[i + np.uint64(into) - np.uint64(start)]
            owner[at] = i
            cores[at] = core
            value[at] = given if analog else np.int32(1)
            copies[at] = np.int32(1) if analog else given
            sent += copies[at] * (offset[i + np.uint64(1)] - offset[i])
            at += np.uint64(1)
    fired.n[worker, 0] = at
    return np.int64(at) - before, sent


@kernel
def _all(size: int) -> np.uint64:
    """A word whose first `size` bits are set, 1..64."""
    return ~np.uint64(0) >> np.uint64(64 - size)


@kernel
def _time_outputs(
    fired: Any,
    worker: int,
    begin: int,
    start: int,
    n: int,
    offset: I64,
    op_time: I64,
) -> None:
    """When the `n` listed last, neurons of a group that begins at `start`, are ready to send."""
    sent, stop = np.int64(0), fired.n[worker, 0]
    for k in range(stop - n, stop):
        i = np.int64(fired.owner[worker, k])
        fired.ready[worker, k] = begin + (i - start + 1) * op_time[3] + sent * op_time[4]
        fired.begin[worker, k] = begin
        sent += fired.copies[worker, k] * (offset[i + 1] - offset[i])
