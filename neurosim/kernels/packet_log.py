"""The packets of a tick in order of sending, for the cycle-level network."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.fanout import EVENTS, MACS, OPS, PACKETS, UPDATES


@kernel
def core_time(op_time: npt.NDArray[np.int64], counts: npt.NDArray[np.int32], core: int) -> int:
    """Time that a core has needed so far in this tick, 2**-16 cycles; one worker only."""
    compute = counts[OPS, core] * op_time[0] + counts[MACS, core] * op_time[1]
    compute += counts[UPDATES, core] * op_time[3] + counts[PACKETS, core] * op_time[4]
    return max(compute, counts[EVENTS, core] * op_time[2])


@kernel
def log_fired(log: Any, outlet: Any, fired: Any, send_time: int) -> None:
    """Note the packets of everything that fired; packet k of an owner leaves k sends later."""
    if log.tick_offset.size == 1:
        return
    for k in range(fired.n[0, 0]):
        owner, sent = fired.owner[0, k], 0
        for packet in range(outlet.packet_offset[owner], outlet.packet_offset[owner + 1]):
            for _ in range(fired.copies[0, k]):
                sent += 1
                release = fired.ready[0, k] + sent * send_time
                begin, value = fired.begin[0, k], fired.value[0, k]
                log_packet(log, outlet.flow[packet], begin, release, packet, value)


@kernel
def log_tick(log: Any, tick: int) -> None:
    """Close the books of a tick, counted from the first of the log."""
    if log.tick_offset.size > 1:
        log.tick_offset[tick + 1] = log.n_logged[0]


@kernel
def log_packet(log: Any, flow: int, begin: int, release: int, packet: int, value: int) -> None:
    """Note a packet; `n_logged` runs on when the log is full."""
    at = log.n_logged[0]
    if at < log.flow.size:
        log.flow[at] = flow
        log.release[at] = release
        log.begin[at] = begin
        log.packet[at] = packet
        log.value[at] = value
    log.n_logged[0] += 1
