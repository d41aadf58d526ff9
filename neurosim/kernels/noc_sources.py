"""Sources and sinks of the network: release of packets, injection, delivery, gates."""

from __future__ import annotations

import numpy as np

from neurosim.kernels._jit import inlined
from neurosim.kernels.noc_inline import soon
from neurosim.kernels.noc_layout import (
    ADDRESS,
    D_ARRIVE,
    D_FEEDS,
    D_FINISH,
    D_SERVICE,
    DELIVERY_ROW,
    FAR,
    G_CURSOR,
    G_END,
    G_TIME,
    G_WAIT,
    GATE_ROW,
    HEAD,
    I32,
    I64,
    K_ACTIVE,
    K_DATELINE,
    K_GATE_HEAP,
    K_LINK_BITS,
    K_N_VCS,
    K_ONE_EACH,
    K_ORDER,
    K_PACKET_UNIT,
    K_PSUM_VCS,
    K_SOURCE_DELAY,
    LANE_ROW,
    N_ACTIVE,
    N_BASE,
    N_END,
    N_GATE,
    N_GATE_END,
    N_LAST,
    N_LEFT,
    N_NEXT,
    N_RELEASE,
    O_PORT,
    O_STAT,
    P_DELIVERY,
    P_GATE,
    P_INJECT,
    P_NEXT,
    P_RELEASE,
    P_SIZE,
    P_SOURCE,
    P_WORD,
    PACKET_ROW,
    PID_MASK,
    PID_SHIFT,
    PSUM,
    Q_BUSY,
    Q_CREDIT,
    Q_CURRENT,
    Q_HEAD,
    Q_LANE,
    Q_LEFT,
    Q_LISTED,
    Q_PEAK,
    Q_TAIL,
    Q_VC,
    Q_VCPTR,
    Q_WAITING,
    S_FREE,
    T_CHILD,
    TAIL,
    TREE,
)
from neurosim.kernels.noc_parts import heap_pop, heap_push, post_flit


@inlined
def activate(m: I32, s: I64, k: I64, source: int) -> None:
    """Put `source` on the list of sources that may send."""
    if m[source + Q_LISTED] == 0:
        m[source + Q_LISTED] = 1
        n = s[N_ACTIVE]
        m[k[K_ACTIVE] + n] = source
        s[N_ACTIVE] = n + 1


@inlined
def enqueue(m: I32, s: I64, k: I64, p: I64, pid: int) -> None:
    """Append packet `pid` to the queue of its source."""
    row = pid * PACKET_ROW
    source = p[row + P_SOURCE]
    q = 1 if p[row + P_WORD] & PSUM else 0
    p[row + P_NEXT] = -1
    if m[source + Q_HEAD + q] >= 0:
        p[m[source + Q_TAIL + q] * PACKET_ROW + P_NEXT] = pid
    else:
        m[source + Q_HEAD + q] = pid
    m[source + Q_TAIL + q] = pid
    waiting = m[source + Q_WAITING] + 1
    m[source + Q_WAITING] = waiting
    if waiting > m[source + Q_PEAK]:
        m[source + Q_PEAK] = waiting
    activate(m, s, k, source)


@inlined
def announce(s: I64, k: I64, p: I64, g: I64, gate: int) -> None:
    """Put the next packet of the open `gate` on the heap of releases, if there is one left."""
    row = gate * GATE_ROW
    position = g[row + G_CURSOR]
    if position < g[row + G_END]:
        pid = g[k[K_ORDER] + position]
        at = s[N_BASE] + g[row + G_TIME] + p[pid * PACKET_ROW + P_RELEASE]
        heap_push(g, k[K_GATE_HEAP], s[N_RELEASE], at, pid)
        s[N_RELEASE] += 1
        g[row + G_CURSOR] = position + 1


@inlined
def open_gates(s: I64, k: I64, p: I64, g: I64) -> None:
    """Announce the packets of the gates of this tick that wait for nothing."""
    for gate in range(s[N_GATE], s[N_GATE_END]):
        if g[gate * GATE_ROW + G_WAIT] == 0:
            announce(s, k, p, g, gate)


@inlined
def next_release(s: I64, k: I64, p: I64, g: I64) -> int:
    """Cycle of the next release that is already known, `FAR` if there is none."""
    best = FAR
    i = s[N_NEXT]
    if i < s[N_END]:
        best = s[N_BASE] + p[g[k[K_ORDER] + i] * PACKET_ROW + P_RELEASE]
    if s[N_RELEASE] > 0 and g[k[K_GATE_HEAP]] < best:
        best = g[k[K_GATE_HEAP]]
    return best


@inlined
def release_due(m: I32, s: I64, k: I64, p: I64, g: I64, t: int) -> None:
    """Enqueue every packet released up to `t`, in order of release, then of number."""
    i = s[N_NEXT]
    while True:
        pid = 0
        at = FAR
        if i < s[N_END]:
            pid = g[k[K_ORDER] + i]
            at = s[N_BASE] + p[pid * PACKET_ROW + P_RELEASE]
        gated = s[N_RELEASE] > 0 and (
            g[k[K_GATE_HEAP]] < at or (g[k[K_GATE_HEAP]] == at and g[k[K_GATE_HEAP] + 1] < pid)
        )
        if gated:
            at = g[k[K_GATE_HEAP]]
            pid = g[k[K_GATE_HEAP] + 1]
        if at > t:
            break
        if gated:
            heap_pop(g, k[K_GATE_HEAP], s[N_RELEASE])
            s[N_RELEASE] -= 1
            announce(s, k, p, g, p[pid * PACKET_ROW + P_GATE])
        else:
            i += 1
        enqueue(m, s, k, p, pid)
    s[N_NEXT] = i


@inlined
def vc_range(k: I64, psum: bool, upper: int) -> tuple[int, int]:
    """First and one past the last virtual channel that a packet may use on a link.

    `upper` is 1 behind the dateline of a ring.
    """
    low = k[K_N_VCS] - k[K_PSUM_VCS] if psum and k[K_PSUM_VCS] > 0 else 0
    high = k[K_N_VCS] if psum else k[K_N_VCS] - k[K_PSUM_VCS]
    if k[K_DATELINE]:
        half = (high - low) >> 1
        if upper:
            return low + half, high
        return low, low + half
    return low, high


@inlined
def source_vc(m: I32, k: I64, source: int, psum: bool) -> int:
    """Virtual channel with a free place for a new packet of `source`, -1 if none."""
    if k[K_N_VCS] == 1:
        return 0 if m[source + Q_CREDIT] > 0 else -1
    low, high = vc_range(k, psum, 0)
    start = m[source + Q_VCPTR]
    for i in range(k[K_N_VCS]):
        vc = (start + i) % k[K_N_VCS]
        if low <= vc < high and m[source + Q_CREDIT + vc] > 0:
            m[source + Q_VCPTR] = (vc + 1) % k[K_N_VCS]
            return vc
    return -1


@inlined
def first_delivery(k: I64, p: I64, pid: int) -> int:
    """Row of the first delivery of packet `pid`."""
    if k[K_ONE_EACH]:
        return pid * DELIVERY_ROW
    return p[pid * PACKET_ROW + P_DELIVERY]


@inlined
def begin_packet(m: I32, s: I64, k: I64, p: I64, d: I64, source: int, t: int) -> bool:
    """Make the next packet of `source` that finds a place the present one, if there is one."""
    for q in (1, 0):
        pid = m[source + Q_HEAD + q]
        if pid >= 0:
            vc = source_vc(m, k, source, q == 1)
            if vc >= 0:
                row = pid * PACKET_ROW
                m[source + Q_HEAD + q] = p[row + P_NEXT]
                m[source + Q_WAITING] -= 1
                m[source + Q_VC] = vc
                m[source + Q_CURRENT] = pid
                p[row + P_INJECT] = t - s[N_BASE]
                soon(d, first_delivery(k, p, pid))
                size = p[row + P_SIZE]
                if k[K_PACKET_UNIT]:
                    m[source + Q_LEFT] = 1
                    if size > k[K_LINK_BITS]:
                        busy = (size + k[K_LINK_BITS] - 1) // k[K_LINK_BITS]
                        s[m[source + Q_BUSY]] = t + busy
                else:
                    m[source + Q_LEFT] = size
                return True
    return False


@inlined
def send(m: I32, w: I64, s: I64, k: I64, p: I64, d: I64, source: int, t: int) -> bool:
    """`source` sends one flit at `t` if it can; returns whether it stays active."""
    if k[K_PACKET_UNIT] and s[m[source + Q_BUSY]] > t:
        return True
    head = 0
    if m[source + Q_LEFT] == 0:
        if not begin_packet(m, s, k, p, d, source, t):
            return False
        head = HEAD
    vc = m[source + Q_VC]
    if m[source + Q_CREDIT + vc] == 0:
        return False
    m[source + Q_CREDIT + vc] -= 1
    left = m[source + Q_LEFT] - 1
    m[source + Q_LEFT] = left
    pid = np.int64(m[source + Q_CURRENT])
    word = (pid << PID_SHIFT) | p[pid * PACKET_ROW + P_WORD] | head
    if left == 0:
        word |= TAIL
    post_flit(m, w, k, t + k[K_SOURCE_DELAY], m[source + Q_LANE] + vc * LANE_ROW, word)
    return left > 0 or m[source + Q_HEAD] >= 0 or m[source + Q_HEAD + 1] >= 0


@inlined
def send_all(m: I32, w: I64, s: I64, k: I64, p: I64, d: I64, t: int) -> None:
    """Every active source sends at most one flit."""
    kept = k[K_ACTIVE]
    for i in range(k[K_ACTIVE], k[K_ACTIVE] + s[N_ACTIVE]):
        source = m[i]
        if send(m, w, s, k, p, d, source, t):
            m[kept] = source
            kept += 1
        else:
            m[source + Q_LISTED] = 0
    s[N_ACTIVE] = kept - k[K_ACTIVE]


@inlined
def feed_gate(s: I64, k: I64, p: I64, g: I64, gate: int, at: int) -> None:
    """A delivery that `gate` waited for is complete at cycle `at`."""
    row = gate * GATE_ROW
    if at - s[N_BASE] > g[row + G_TIME]:
        g[row + G_TIME] = at - s[N_BASE]
    g[row + G_WAIT] -= 1
    if g[row + G_WAIT] == 0:
        announce(s, k, p, g, gate)


@inlined
def deliver(
    m: I32, s: I64, k: I64, trees: I32, p: I64, d: I64, g: I64, out: int, word: int, at: int
) -> int:
    """The flit `word` reaches the sink behind `out` at `at` (its last bit).

    Returns the cycle in which the sink has dealt with it.
    """
    done = at
    if word & TAIL:
        row = first_delivery(k, p, (word >> PID_SHIFT) & PID_MASK)
        if word & TREE:
            row += DELIVERY_ROW * trees[(word & ADDRESS) + T_CHILD + m[out + O_PORT]]
        d[row + D_ARRIVE] = at - s[N_BASE]
        if d[row + D_SERVICE] > 0:
            free = m[out + O_STAT] + S_FREE
            done = (at if at > s[free] else s[free]) + d[row + D_SERVICE]
            s[free] = done
        d[row + D_FINISH] = done - s[N_BASE]
        if done > s[N_LAST]:
            s[N_LAST] = done
        s[N_LEFT] -= 1
        if d[row + D_FEEDS] >= 0:
            feed_gate(s, k, p, g, d[row + D_FEEDS], done)
    return done
