"""From arrays of traffic to the rows of packets, deliveries, gates and ticks."""

from __future__ import annotations

import numpy as np

from neurosim.kernels._jit import kernel
from neurosim.kernels.noc_layout import (
    D_ARRIVE,
    D_FEEDS,
    D_FINISH,
    D_SERVICE,
    DELIVERY_ROW,
    G_CURSOR,
    G_END,
    G_TIME,
    G_WAIT,
    GATE_ROW,
    I64,
    K_SOURCES,
    P_DELIVERY,
    P_GATE,
    P_INJECT,
    P_RELEASE,
    P_SIZE,
    P_SOURCE,
    P_WORD,
    PACKET_ROW,
    PSUM,
    SOURCE_ROW,
    TICK_DELIVERIES,
    TICK_FIRST,
    TICK_FREE_END,
    TICK_GATE,
    TICK_GATE_END,
    TREE,
)


@kernel
def fill_packets(
    p: I64,
    k: I64,
    source: I64,
    dst: I64,
    address: I64,
    tree: I64,
    tree_root: I64,
    size: I64,
    psum: I64,
    release: I64,
    gate: I64,
    delivery: I64,
) -> None:
    """Write the rows of `p`; arrays of length 1 hold for all packets.

    `tree` is -1 for packets to `dst`; `address` maps terminals to address bits; `delivery` is
    empty where each packet has one delivery.
    """
    for i in range(source.shape[0]):
        row = i * PACKET_ROW
        t = tree[i] if tree.shape[0] > 1 else tree[0]
        if t >= 0:
            word = TREE | tree_root[t]
        else:
            word = address[dst[i]]
        if (psum[i] if psum.shape[0] > 1 else psum[0]) != 0:
            word |= PSUM
        p[row + P_SOURCE] = k[K_SOURCES] + source[i] * SOURCE_ROW
        p[row + P_WORD] = word
        p[row + P_SIZE] = size[i] if size.shape[0] > 1 else size[0]
        p[row + P_RELEASE] = release[i]
        p[row + P_INJECT] = -1
        p[row + P_DELIVERY] = DELIVERY_ROW * (delivery[i] if delivery.shape[0] > 0 else i)
        p[row + P_GATE] = gate[i] if gate.shape[0] > 1 else gate[0]


@kernel
def fill_deliveries(d: I64, n: int, service: I64, feeds: I64) -> None:
    """Write `n` rows of `d`; arrays of length 1 hold for all deliveries."""
    for i in range(n):
        row = i * DELIVERY_ROW
        d[row + D_ARRIVE] = -1
        d[row + D_FINISH] = -1
        d[row + D_SERVICE] = service[i] if service.shape[0] > 1 else service[0]
        d[row + D_FEEDS] = feeds[i] if feeds.shape[0] > 1 else feeds[0]


@kernel
def fill_gates(g: I64, gate_base: I64, feeds: I64) -> None:
    """Write the rows of the gates: earliest opening and number of awaited deliveries."""
    for i in range(gate_base.shape[0]):
        row = i * GATE_ROW
        g[row + G_WAIT] = 0
        g[row + G_TIME] = gate_base[i]
        g[row + G_CURSOR] = 0
        g[row + G_END] = 0
    for i in range(feeds.shape[0]):
        if feeds[i] >= 0:
            g[feeds[i] * GATE_ROW + G_WAIT] += 1


@kernel
def order_plain(order: I64, first: int, end: int, release: I64, places: I64) -> None:
    """Order of release of packets `first` to `end` into `order`; `places` is scratch.

    Equal releases stay in order of number. A counting sort where the cycles are dense.
    """
    low = release[first]
    high = low
    sorted_ = True
    for i in range(first, end):
        order[i] = i
        r = release[i]
        if r < high:
            sorted_ = False
        high = max(high, r)
        low = min(low, r)
    if sorted_:
        return
    if high - low + 2 > places.shape[0]:
        order[first:end] = first + np.argsort(release[first:end], kind="mergesort")
        return
    places[: high - low + 2] = 0
    for i in range(first, end):
        places[release[i] - low + 1] += 1
    for r in range(1, high - low + 1):
        places[r] += places[r - 1]
    for i in range(first, end):
        cell = release[i] - low
        order[first + places[cell]] = i
        places[cell] += 1


@kernel
def order_gated(
    g: I64, order: I64, first: int, end: int, release: I64, gate: I64, low_gate: int
) -> int:
    """Packets without gate first, then gate by gate, each in order of release; end of the first."""
    span = 1
    for i in range(first, end):
        span = max(span, release[i] + 1)
    key = np.zeros(end - first, np.int64)
    for i in range(first, end):
        group = gate[i] - low_gate + 1 if gate[i] >= 0 else 0
        key[i - first] = group * span + release[i]
    order[first:end] = first + np.argsort(key, kind="mergesort")
    free_end = first
    for position in range(first, end):
        which = gate[order[position]]
        if which < 0:
            free_end = position + 1
        else:
            row = which * GATE_ROW
            if g[row + G_END] == 0:
                g[row + G_CURSOR] = position
            g[row + G_END] = position + 1
    return free_end


@kernel
def plan_ticks(
    ticks: I64,
    g: I64,
    order_at: int,
    tick_offset: I64,
    gate_offset: I64,
    release: I64,
    gate: I64,
    delivery: I64,
    places: I64,
) -> None:
    """Write the rows of `ticks` and the order of release in ``g[order_at:]``."""
    order = g[order_at:]
    for tick in range(ticks.shape[0]):
        first = tick_offset[tick]
        end = tick_offset[tick + 1]
        ticks[tick, TICK_FIRST] = first
        ticks[tick, TICK_GATE] = gate_offset[tick] if gate_offset.shape[0] > 1 else 0
        ticks[tick, TICK_GATE_END] = gate_offset[tick + 1] if gate_offset.shape[0] > 1 else 0
        n = end - first
        ticks[tick, TICK_DELIVERIES] = delivery[end] - delivery[first] if len(delivery) > 0 else n
        ticks[tick, TICK_FREE_END] = end
        if n == 0:
            continue
        if gate_offset.shape[0] > 1:
            ticks[tick, TICK_FREE_END] = order_gated(
                g, order, first, end, release, gate, ticks[tick, TICK_GATE]
            )
        else:
            order_plain(order, first, end, release, places)
