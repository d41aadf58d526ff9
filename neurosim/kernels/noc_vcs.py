"""Arbitration with several virtual channels per link.

One grant per link and cycle, one per input port and cycle. An output looks at its input ports:
each port offers one of its virtual channels that could be sent now (round robin, after the last
one served); the output takes the next port in turn; a port granted by several outputs accepts
the next output in turn. Pointers move only on acceptance.
"""

from __future__ import annotations

import numpy as np

from neurosim.kernels._jit import inlined
from neurosim.kernels.noc_inline import bits_on
from neurosim.kernels.noc_layout import (
    DEFAULT,
    HEAD,
    I32,
    I64,
    K_ACCEPT,
    K_DATELINE,
    K_GRANT,
    K_N_VCS,
    K_PACKET_UNIT,
    K_PIPELINE,
    K_READY,
    K_WINNER,
    L_FIFO,
    L_HEAD,
    L_OUTPTR,
    L_PARTIAL,
    L_VCPTR,
    LANE_ROW,
    N_CELLS,
    N_READY,
    O_CREDIT,
    O_LANES,
    O_LISTED,
    O_LOCK,
    O_LOST,
    O_PORT,
    O_PTR,
    O_REQ,
    O_STAT,
    O_TARGET,
    O_VPTR,
    O_VREQ,
    O_WRAPS,
    PSUM,
    S_BUSY,
    S_INPUT_BUSY,
    S_SINCE,
    S_STALL,
    STAT_ROW,
    TREE,
)
from neurosim.kernels.noc_sources import vc_range


@inlined
def first_word(m: I32, w: I64, out: int, bit: int) -> int:
    """The flit at the head of the lane numbered `bit` in the router of `out`."""
    lane = m[out + O_LANES] + bit * LANE_ROW
    return w[m[lane + L_FIFO] + m[lane + L_HEAD]]


@inlined
def upper_half(m: I32, k: I64, out: int, bit: int, psum: bool) -> int:
    """1 if a packet in the lane numbered `bit` is behind the dateline after output `out`."""
    if k[K_DATELINE] == 0:
        return 0
    if m[out + O_WRAPS]:
        return 1
    from_port = bit // k[K_N_VCS]
    if from_port >= 4 or from_port >> 1 != m[out + O_PORT] >> 1:
        return 0
    low, high = vc_range(k, psum, 1)
    return 1 if low <= bit - from_port * k[K_N_VCS] < high else 0


@inlined
def usable_vc(m: I32, w: I64, k: I64, out: int, bit: int, need_credit: bool) -> int:
    """A free virtual channel of `out` for the packet at the head of lane `bit`, -1 if none.

    The one with the most credits; the lowest of equals.
    """
    low, high = 0, k[K_N_VCS]
    if m[out + O_TARGET] >= 0:
        psum = (first_word(m, w, out, bit) & PSUM) != 0
        low, high = vc_range(k, psum, upper_half(m, k, out, bit, psum))
    best = -1
    most = 0 if need_credit else -1
    for vc in range(low, high):
        if m[out + O_LOCK + 2 * vc] < 0 and m[out + O_CREDIT + 2 * vc] > most:
            best = vc
            most = m[out + O_CREDIT + 2 * vc]
    return best


@inlined
def sendable_vc(m: I32, w: I64, k: I64, out: int, bit: int) -> int:
    """The virtual channel through which lane `bit` could send now; -1 if none has a place."""
    for vc in range(k[K_N_VCS]):
        if m[out + O_LOCK + 2 * vc] == bit:
            return vc if m[out + O_CREDIT + 2 * vc] > 0 else -1
    if k[K_PIPELINE] == DEFAULT or (first_word(m, w, out, bit) & HEAD) == 0:
        return -1
    return usable_vc(m, w, k, out, bit, True)


@inlined
def put_grant(m: I32, k: I64, n: int, out: int, bit: int, vc: int) -> None:
    """Write grant number `n`."""
    m[k[K_GRANT] + 3 * n] = out
    m[k[K_GRANT] + 3 * n + 1] = bit
    m[k[K_GRANT] + 3 * n + 2] = vc


@inlined
def allot_vcs(m: I32, w: I64, k: I64, out: int, n: int) -> int:
    """`default`: hand each free virtual channel of `out` to the next lane that asks.

    The channels are reserved at once (nobody else looks at the locks of this output), the lane
    may use the switch from the next cycle on. Returns the number of grants so far.
    """
    wants = m[out + O_VREQ]
    n_lanes = 5 * k[K_N_VCS]
    start = m[out + O_VPTR]
    for i in range(n_lanes):
        bit = (start + i) % n_lanes
        if (wants >> bit) & 1:
            vc = usable_vc(m, w, k, out, bit, False)
            if vc >= 0:
                m[out + O_LOCK + 2 * vc] = bit
                put_grant(m, k, n, out, bit, -1 - vc)
                n += 1
    return n


@inlined
def offer(m: I32, w: I64, k: I64, out: int, port: int, busy: bool) -> int:
    """Lane that input `port` offers to `out`, times 8, plus its virtual channel; -1 if none.

    A `busy` port is sending a packet: only further branches of that one may start.
    """
    wants = (m[out + O_REQ] >> (port * k[K_N_VCS])) & ((1 << k[K_N_VCS]) - 1)
    if wants == 0:
        return -1
    first = m[out + O_LANES] + port * k[K_N_VCS] * LANE_ROW
    for i in range(k[K_N_VCS]):
        vc = (m[first + L_VCPTR] + i) % k[K_N_VCS]
        if (wants >> vc) & 1 and (not busy or m[first + vc * LANE_ROW + L_PARTIAL]):
            bit = port * k[K_N_VCS] + vc
            channel = sendable_vc(m, w, k, out, bit)
            if channel >= 0:
                return bit * 8 + channel
    return -1


@inlined
def any_place(m: I32, w: I64, k: I64, out: int) -> bool:
    """Whether `out` could send some flit if all input ports were free."""
    found = False
    for port in range(5):
        found = found or offer(m, w, k, out, port, False) >= 0
    return found


@inlined
def collect_output(m: I32, w: I64, s: I64, k: I64, out: int, n: int, t: int) -> int:
    """Choose for one output; number of grants so far, or -1 - that if it may leave the list."""
    stat = m[out + O_STAT]
    m[out + O_LISTED] = 0
    if k[K_PACKET_UNIT] and s[stat + S_BUSY] > t:
        return -1 - n
    mask = 0
    busy = False
    inputs = stat - m[out + O_PORT] * STAT_ROW + S_INPUT_BUSY
    for port in range(5):
        port_busy = k[K_PACKET_UNIT] != 0 and s[inputs + port * STAT_ROW] > t
        busy = busy or port_busy
        best = offer(m, w, k, out, port, port_busy)
        m[k[K_ACCEPT] + port] = best
        if best >= 0:
            mask |= 1 << port
    before = n
    if mask:
        best = m[k[K_ACCEPT] + m[k[K_WINNER] + m[out + O_PTR] * 32 + mask]]
        put_grant(m, k, n, out, best >> 3, best & 7)
        n += 1
    if m[out + O_VREQ]:
        n = allot_vcs(m, w, k, out, n)
    keep = busy or n > before
    if mask == 0 and m[out + O_REQ] and not (busy and any_place(m, w, k, out)):
        if keep:
            s[stat + S_STALL] += 1
        else:
            s[stat + S_SINCE] = t
            m[out + O_LISTED] = 2
    return n if keep else -1 - n


@inlined
def collect_vcs(m: I32, w: I64, s: I64, k: I64, t: int) -> int:
    """Pick the winner of every ready output; returns how many grants (see `collect`)."""
    kept = k[K_READY]
    n = np.int64(0)
    for i in range(k[K_READY], k[K_READY] + s[N_READY]):
        out = m[i]
        n = collect_output(m, w, s, k, out, n, t)
        if n >= 0:
            m[out + O_LISTED] = 1
            m[kept] = out
            kept += 1
        else:
            n = -1 - n
    s[N_READY] = kept - k[K_READY]
    return n


@inlined
def accept_cells(m: I32, k: I64, out: int) -> int:
    """Where the five input ports of the router of `out` note what they accept."""
    return k[K_ACCEPT] + 8 + (m[out + O_STAT] - N_CELLS) // STAT_ROW - m[out + O_PORT]


@inlined
def accept(m: I32, k: I64, out: int, bit: int) -> None:
    """Let an input port remember this switch grant if it is next in turn there."""
    to_port = m[out + O_PORT]
    port = bit // k[K_N_VCS]
    cell = accept_cells(m, k, out) + port
    best = m[cell]
    turn = m[m[out + O_LANES] + port * k[K_N_VCS] * LANE_ROW + L_OUTPTR]
    if best < 0 or (to_port + 5 - turn) % 5 < ((best & 7) + 5 - turn) % 5:
        m[cell] = bit * 8 + to_port


@inlined
def move_pointers(m: I32, k: I64, out: int, bit: int) -> None:
    """The input port of lane `bit` has accepted `out`: the next in turn come after these."""
    vc = bit % k[K_N_VCS]
    first = m[out + O_LANES] + (bit - vc) * LANE_ROW
    m[first + L_VCPTR] = (vc + 1) % k[K_N_VCS]
    m[first + L_OUTPTR] = (m[out + O_PORT] + 1) % 5


@inlined
def keep_accepted(m: I32, w: I64, k: I64, n: int) -> int:
    """Drop the grants that their input port does not accept; returns how many are left.

    The branches of one multicast packet are accepted together.
    """
    for i in range(n):
        out = m[k[K_GRANT] + 3 * i]
        m[accept_cells(m, k, out) + m[k[K_GRANT] + 3 * i + 1] // k[K_N_VCS]] = -1
    for i in range(n):
        if m[k[K_GRANT] + 3 * i + 2] >= 0:
            accept(m, k, m[k[K_GRANT] + 3 * i], m[k[K_GRANT] + 3 * i + 1])
    kept = 0
    for i in range(n):
        out = m[k[K_GRANT] + 3 * i]
        bit = m[k[K_GRANT] + 3 * i + 1]
        vc = m[k[K_GRANT] + 3 * i + 2]
        if vc >= 0:
            best = m[accept_cells(m, k, out) + bit // k[K_N_VCS]]
            same = best >> 3 == bit and (first_word(m, w, out, bit) & TREE) != 0
            if best == bit * 8 + m[out + O_PORT]:
                move_pointers(m, k, out, bit)
            elif not same:
                continue
            m[out + O_LOST] += bits_on(m[out + O_REQ]) - 1
        put_grant(m, k, kept, out, bit, vc)
        kept += 1
    return kept
