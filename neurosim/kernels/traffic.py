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

from neurosim.kernels._jit import kernel
from neurosim.kernels.bits import AHEAD, prefetch
from neurosim.kernels.rows import add_block

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


@kernel
def load_fired(outlet: Any, traffic: Any, fired: Any, loads: Any, worker: int) -> None:
    """Count the signatures of everything that fired; single packets load their way at once."""
    signature, x, y = outlet.signature, traffic.x, traffic.y
    wide, high, x_first = traffic.wide, traffic.high, traffic.x_first
    owner, cores, copies = fired.owner[worker], fired.core[worker], fired.copies[worker]
    times, listed, n_listed = loads.times[worker], loads.listed[worker], loads.n[worker]
    change, n, n_cores = loads.change[worker], traffic.link.size, x.size
    n_fired = fired.n[worker, 0]
    for k in range(n_fired):
        prefetch(signature, np.int64(owner[min(k + AHEAD, n_fired - 1)]))
        mine = np.int64(signature[owner[k]])
        if mine >= 0:
            if times[mine] == 0:
                listed[n_listed[0]] = mine
                n_listed[0] += 1
            times[mine] += copies[k]
        elif mine < -1:
            a, b, base = cores[k], (-2 - mine) >> 2, ((-2 - mine) & 3) * (n + 1)
            _load_ports(change, base + n - 2 * n_cores, n_cores, a, b, copies[k])
            _load_way(change, base, wide, high, x_first, x[a], y[a], x[b], y[b], copies[k])


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
    n_resources, dense = traffic.link.size, traffic.dense
    flat = dense.reshape(-1)
    offset, index, delta = traffic.offset, traffic.place, traffic.delta
    direct, change, count = loads.direct[worker], loads.change[worker], loads.times[worker]
    for k in range(loads.n[worker, 0]):
        signature = loads.listed[worker, k]
        copies = count[signature]
        count[signature] = 0
        if dense.shape[0] > 0:
            base = traffic.kind[signature] * n_resources
            add_block(flat, signature * n_resources, copies, direct, base, n_resources)
        else:
            for e in range(offset[signature], offset[signature + 1]):
                change[index[e]] += copies * delta[e]
    loads.n[worker, 0] = 0


@kernel
def _load_ports(
    change: I32, ports: int, n_cores: int, source: int, target: int, copies: int
) -> None:
    """Packets through the local ports of their ends."""
    change[ports + target] += copies
    change[ports + target + 1] -= copies
    change[ports + n_cores + source] += copies
    change[ports + n_cores + source + 1] -= copies


@kernel
def _load_way(
    change: I32,
    base: int,
    wide: int,
    high: int,
    x_first: bool,
    x: int,
    y: int,
    u: int,
    v: int,
    copies: int,
) -> None:
    """Packets of dimension-order routing from router (x, y) to (u, v) on a mesh."""
    n = wide * high
    row = y if x_first else v
    column = u if x_first else x
    if u != x:
        first = base + row * wide + (x if u > x else u + 1 + n)
        change[first] += copies
        change[first + abs(u - x)] -= copies
    if v != y:
        first = base + 2 * n + column * high + (y if v > y else v + 1 + n)
        change[first] += copies
        change[first + abs(v - y)] -= copies


@kernel
def close_traffic(
    traffic: Any, loads: Any, costs: Any, window_bits: I64, tick: int, window: int
) -> None:
    """Note the longest loaded resource, and the router link with most bits (the lowest)."""
    n, load, bits, link = traffic.link.size, loads.cycles, loads.bits, traffic.link
    load[:] = 0
    bits[:] = 0
    for kind in range(3):
        if traffic.kinds[kind]:
            cycles, width = traffic.cycles[kind], traffic.bits[kind]
            for w in range(loads.change.shape[0]):
                if traffic.dense.shape[0] > 0:
                    direct = loads.direct[w, kind * n : (kind + 1) * n]
                    _add_direct(direct, cycles, width, load, bits)
                if traffic.has_changes:
                    change = loads.change[w, kind * (n + 1) : (kind + 1) * (n + 1)]
                    _add_changes(change, cycles, width, load, bits)
    most, longest, peak_bits, peak_link = np.int64(0), np.int64(-1), np.int64(0), np.int64(-1)
    for r in range(n):
        if load[r] > most:
            most, longest = load[r], np.int64(r)
    if window < window_bits.shape[0]:
        for r in range(window_bits.shape[1]):
            window_bits[window, r] += bits[r]
    for r in range(traffic.n_router_links):
        peak_bits = max(peak_bits, bits[r])
    if peak_bits > 0:
        for r in range(traffic.n_router_links):
            if bits[r] == peak_bits and (peak_link < 0 or link[r] < peak_link):
                peak_link = np.int64(link[r])
    costs.peak_bits[tick] = peak_bits
    costs.peak_link[tick] = peak_link
    costs.traffic[tick] = most
    costs.traffic_resource[tick] = longest


@kernel
def _add_direct(direct: I32, cycles: I64, width: int, load: I64, bits: I64) -> None:
    """Packets of one kind and worker become cycles and bits; their counts go back to zero."""
    for r in range(direct.size):
        load[r] += np.int64(direct[r]) * cycles[r]
        bits[r] += np.int64(direct[r]) * width
        direct[r] = 0


@kernel
def _add_changes(change: I32, cycles: I64, width: int, load: I64, bits: I64) -> None:
    """The same from differences."""
    packets = np.int64(0)
    for r in range(load.size):
        packets += change[r]
        change[r] = 0
        load[r] += packets * cycles[r]
        bits[r] += packets * width
    change[load.size] = 0
