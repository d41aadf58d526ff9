"""Rows of packets, and the order in which they are released where their cycles lie close."""

from __future__ import annotations

from neurosim.kernels._jit import kernel
from neurosim.kernels.noc_layout import (
    DELIVERY_ROW,
    I64,
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
    TREE,
)


@kernel
def fill_packets(
    p: I64, sources: int, source: I64, dst: I64, address: I64, tree: I64, tree_root: I64,
    size: I64, psum: I64, release: I64, gate: I64, delivery: I64,
) -> None:  # fmt: skip
    """Write the rows of `p`; arrays of length 1 hold for all packets.

    `sources` is the position of the first source in ``m``; `tree` is -1 for packets to `dst`;
    `address` maps terminals to address bits; `delivery` is empty where each packet has one.
    """
    for i in range(source.shape[0]):
        row = i * PACKET_ROW
        t = tree[i] if tree.shape[0] > 1 else tree[0]
        word = address[dst[i]] if t < 0 else TREE | tree_root[t]
        if (psum[i] if psum.shape[0] > 1 else psum[0]) != 0:
            word |= PSUM
        p[row + P_SOURCE] = sources + source[i] * SOURCE_ROW
        p[row + P_WORD] = word
        p[row + P_SIZE] = size[i] if size.shape[0] > 1 else size[0]
        p[row + P_RELEASE] = release[i]
        p[row + P_INJECT] = -1
        p[row + P_DELIVERY] = DELIVERY_ROW * (delivery[i] if delivery.shape[0] > 0 else i)
        p[row + P_GATE] = gate[i] if gate.shape[0] > 1 else gate[0]


@kernel
def order_dense(order: I64, tick_offset: I64, release: I64, places: I64) -> bool:
    """Packets of every tick in order of release, equal ones in order of number.

    A counting sort for each tick; `places` is scratch. False, with `order` half written, if a
    tick stretches over more cycles than there are places.
    """
    for tick in range(tick_offset.shape[0] - 1):
        first, end = tick_offset[tick], tick_offset[tick + 1]
        if first == end:
            continue
        low = high = release[first]
        in_order = True
        for i in range(first, end):
            order[i] = i
            r = release[i]
            in_order = in_order and r >= high
            high = r if r > high else high
            low = r if r < low else low
        if in_order:
            continue
        if high - low + 2 > places.shape[0]:
            return False
        for r in range(high - low + 2):
            places[r] = 0
        for i in range(first, end):
            places[release[i] - low + 1] += 1
        for r in range(1, high - low + 1):
            places[r] += places[r - 1]
        for i in range(first, end):
            cell = release[i] - low
            order[first + places[cell]] = i
            places[cell] += 1
    return True
