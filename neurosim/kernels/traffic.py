"""Packets on links: what a sender's packets load, and the closed-form bounds of a tick.

A *resource* is a link that some flow uses, or the local port of a core (in, then out). Resources
are numbered so that a straight way is a run of neighbours; a run then costs two additions to an
array of differences, whatever its length, and one cumulative sum per tick gives all loads.
A *signature* is a distinct set of flows: all packets of a neuron are counted at once.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.bits import AHEAD, prefetch
from neurosim.kernels.rows import add_block

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

# Rows of the costs, as state.TickCosts.
(
    COMPUTE,
    MEMORY,
    TRAFFIC,
    PEAK_BITS,
    PEAK_LINK,
    COMPUTE_CORE,
    MEMORY_CORE,
    TRAFFIC_RESOURCE,
) = range(8)


@kernel
def load_fired(outlet: Any, traffic: Any, fired: Any, loads: Any, worker: int) -> None:
    """Count the signatures of everything that fired; single packets load their way at once.

    Neighbours in the list that send alike, as those of one core often do, are counted together.
    """
    signature = outlet.signature
    owner, cores, copies = fired.owner[worker], fired.core[worker], fired.copies[worker]
    last = np.uint64(max(fired.n[worker, 0] - 1, 0))
    alike, core, total = np.int64(-1), np.int64(0), np.int64(0)
    for k in range(np.uint64(fired.n[worker, 0])):
        far = min(np.uint64(k) + np.uint64(AHEAD), last)
        prefetch(signature, np.int64(owner[far]))
        mine, here = np.int64(signature[np.uint64(owner[k])]), np.int64(cores[k])
        if mine != alike or here != core:
            load_alike(traffic, loads, worker, alike, core, total)
            alike, core, total = mine, here, np.int64(0)
        total += np.int64(copies[k])
    load_alike(traffic, loads, worker, alike, core, total)


@kernel
def load_alike(
    traffic: Any, loads: Any, worker: int, signature: int, core: int, copies: int
) -> None:
    """Packets of one signature: counted, or, below -1, on their way from `core` at once."""
    if copies == 0:
        return
    if signature >= 0:
        touch(loads, worker, signature, copies)
    elif signature < -1:
        change, direct = loads.change[worker], loads.direct[worker]
        _load_own_way(traffic, change, direct, signature, core, copies)


@kernel
def touch(loads: Any, worker: int, signature: int, copies: int) -> None:
    """Note that a sender with this signature sent its packets `copies` times."""
    if loads.times[worker, signature] == 0:
        at = loads.n[worker, 0]
        loads.listed[worker, at] = signature
        loads.n[worker, 0] = at + 1
    loads.times[worker, signature] += copies


@kernel
def load_signatures(traffic: Any, loads: Any, worker: int) -> None:
    """Turn the counted signatures of a worker into loads, and forget them."""
    direct, change, count = loads.direct[worker], loads.change[worker], loads.times[worker]
    rows = traffic.dense.reshape(-1)
    for k in range(loads.n[worker, 0]):
        signature = loads.listed[worker, k]
        _load_signature(traffic, rows, change, direct, np.int64(signature), count[signature])
        count[signature] = 0
    loads.n[worker, 0] = 0


@inlined
def _load_signature(
    traffic: Any, rows: I16, change: I32, direct: I32, signature: int, copies: np.int32
) -> None:
    """What the packets of a signature load when they are sent `copies` times.

    `rows` are the dense ones, one behind the other.
    """
    n, index, delta = traffic.link.size, traffic.place, traffic.delta
    if rows.size > 0:
        base = traffic.kind[signature] * n
        add_block(rows, signature * n, copies, direct, base, n)
    else:
        begin, end = traffic.offset[signature], traffic.offset[signature + 1]
        for e in range(np.uint64(begin), np.uint64(end)):
            change[np.uint64(index[e])] += np.int32(copies * delta[e])


@kernel
def _load_own_way(
    traffic: Any, change: I32, direct: I32, signature: int, core: int, copies: int
) -> None:
    """A single packet on the chip's own way: its target and kind are the signature."""
    target, kind = (-2 - signature) >> 2, (-2 - signature) & 3
    load_packet(traffic, change, direct, kind, core, target, np.int32(copies))


@inlined
def load_now(
    traffic: Any, rows: I16, change: I32, direct: I32, signature: int, core: int, copies: int
) -> None:
    """The same as `load_alike`, at once: for signatures that nobody else is likely to count."""
    if copies > 0 and signature >= 0:
        _load_signature(traffic, rows, change, direct, signature, np.int32(copies))
    elif copies > 0 and signature < -1:
        _load_own_way(traffic, change, direct, signature, core, copies)


@kernel
def load_packet(
    traffic: Any, change: I32, direct: I32, kind: int, source: int, target: int, copies: int
) -> None:
    """Packets from core to core: the local ports of both, and the chip's own way between them.

    Dimension-order routing on a mesh: a straight run along one axis, then one along the other. A
    run of length 0 adds and takes away at one place, and a run backwards swaps its ends: both are
    quicker than to ask.
    """
    n, n_cores = traffic.link.size, traffic.x.size
    wide, high, a, b = traffic.wide, traffic.high, np.uint64(source), np.uint64(target)
    x, y = np.int64(traffic.x[a]), np.int64(traffic.y[a])
    u, v = np.int64(traffic.x[b]), np.int64(traffic.y[b])
    ports = kind * n + n - 2 * n_cores
    direct[np.uint64(ports) + b] += copies
    direct[np.uint64(ports + n_cores) + a] += copies
    if a == b:
        return
    back = wide * high + 1  # from a link forwards to the one backwards that leaves its other end
    first = kind * (n + 1) + (y if traffic.x_first else v) * wide
    _add_run(change, first + x, first + u, back, copies)
    first = kind * (n + 1) + 2 * (back - 1) + (u if traffic.x_first else x) * high
    _add_run(change, first + y, first + v, back, copies)


@kernel
def _add_run(change: I32, start: int, end: int, back: int, copies: int) -> None:
    """Packets along one axis, as differences."""
    backwards = np.int64(end < start)
    signed, shift = np.int32(copies * (1 - 2 * backwards)), backwards * back
    change[np.uint64(start + shift)] += signed
    change[np.uint64(end + shift)] -= signed


@kernel
def close_traffic(
    traffic: Any, loads: Any, costs: I64, window_bits: I64, row: int, window: int
) -> None:
    """Note the longest loaded resource, and the router link with most bits (the lowest)."""
    n, load, bits, link = traffic.link.size, loads.cycles, loads.bits, traffic.link
    load[:] = 0
    bits[:] = 0
    for kind in range(3):
        if traffic.kinds[kind]:
            _count_packets(traffic, loads, kind)
            _weigh(loads.packets, traffic.cycles[kind], np.int32(traffic.bits[kind]), load, bits)
    most, peak_bits, peak_link = np.int64(0), np.int64(0), np.int64(-1)
    for r in range(n):
        most = max(most, load[r])
    if window < window_bits.shape[0]:
        for r in range(window_bits.shape[1]):
            window_bits[window, r] += bits[r]
    for r in range(traffic.n_router_links):
        peak_bits = max(peak_bits, bits[r])
    if peak_bits > 0:
        for r in range(traffic.n_router_links):
            if bits[r] == peak_bits and (peak_link < 0 or link[r] < peak_link):
                peak_link = np.int64(link[r])
    costs[PEAK_BITS, row] = peak_bits
    costs[PEAK_LINK, row] = peak_link
    costs[TRAFFIC, row] = most
    costs[TRAFFIC_RESOURCE, row] = _first(load, most) if most > 0 else np.int64(-1)


@kernel
def _first(values: I64, wanted: int) -> int:
    """Index of the first `wanted`."""
    r = np.int64(0)
    while values[r] != wanted:
        r += 1
    return r


@kernel
def _count_packets(traffic: Any, loads: Any, kind: int) -> None:
    """Packets of one kind on every resource, of all workers; their counts go back to zero."""
    packets, n = loads.packets, loads.packets.size
    packets[:] = 0
    if traffic.has_changes:
        for w in range(loads.change.shape[0]):
            change = loads.change[w, kind * (n + 1) : (kind + 1) * (n + 1)]
            for r in range(n):
                packets[r] += change[r]
            change[:] = 0
        total = np.int32(0)
        for r in range(n):
            total = np.int32(total + packets[r])
            packets[r] = total
    if traffic.has_direct:
        for w in range(loads.direct.shape[0]):
            direct = loads.direct[w, kind * n : (kind + 1) * n]
            for r in range(n):
                packets[r] += direct[r]
            direct[:] = 0


@kernel
def _weigh(packets: I32, cycles: I32, width: np.int32, load: I64, bits: I64) -> None:
    """Packets become cycles and bits; factors of 32 bits make one instruction of a product."""
    for r in range(packets.size):
        load[r] += np.int64(packets[r]) * np.int64(cycles[r])
        bits[r] += np.int64(packets[r]) * np.int64(width)
