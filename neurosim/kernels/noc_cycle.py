"""The network, cycle by cycle: `run` plays packets until all are delivered.

Each cycle: flits and credits due land, sources send, every output with a request and a credit
picks a winner *on the state of that moment*, then all grants are applied together; so the order
of the lists below never matters. Only outputs with a request and a credit are on the ready
list, and empty stretches are skipped, so the work is proportional to flit-hops.
"""

from __future__ import annotations

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.noc_inline import bare, bits_on, soon
from neurosim.kernels.noc_layout import (
    ADDRESS,
    CAL_ASK,
    CAL_CREDIT,
    CAL_FLIT,
    DEFAULT,
    DONE,
    FAR,
    I32,
    I64,
    K_ASK_SLOT,
    K_CAL_ASK,
    K_CAL_CREDIT,
    K_CAL_FLIT,
    K_CAL_N,
    K_CREDIT_DELAY,
    K_CREDIT_SLOT,
    K_DEPTH,
    K_FAR_HEAP,
    K_FLIT_SLOT,
    K_GRANT,
    K_LINK_BITS,
    K_N_OUTPUTS,
    K_N_VCS,
    K_N_WINDOWS,
    K_PACKET_UNIT,
    K_PIPELINE,
    K_READY,
    K_SLOT_MASK,
    K_SOURCES,
    K_WINDOW,
    K_WINNER,
    L_COUNT,
    L_FIFO,
    L_HEAD,
    L_INPUT,
    L_NEXT,
    L_OWED,
    L_PARTIAL,
    L_PEAK,
    L_UP,
    L_UPDELAY,
    LANE_ROW,
    N_ACTIVE,
    N_BASE,
    N_CELLS,
    N_END,
    N_FAR,
    N_GATE,
    N_GATE_END,
    N_LAST,
    N_LEFT,
    N_MOVED,
    N_NEXT,
    N_READY,
    N_WINDOW,
    O_CREDIT,
    O_DELAY,
    O_FLITS,
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
    O_WIDTH,
    OUT_OF_TIME,
    P_SIZE,
    PACKET_ROW,
    PID_MASK,
    PID_SHIFT,
    Q_CREDIT,
    Q_HEAD,
    Q_LEFT,
    S_BUSY,
    S_SINCE,
    S_USED,
    STAT_ROW,
    STUCK,
    T_CHILD,
    TAIL,
    TICK_DELIVERIES,
    TICK_DONE,
    TICK_FIRST,
    TICK_FREE_END,
    TICK_GATE,
    TICK_GATE_END,
    TREE,
    WAKE,
)
from neurosim.kernels.noc_parts import (
    answer_ask,
    expose,
    heap_pop,
    post_ask,
    post_credit,
    post_flit,
    post_late_credit,
    set_owed,
    wake_output,
)
from neurosim.kernels.noc_sources import (
    activate,
    deliver,
    next_release,
    open_gates,
    release_due,
    send_all,
)
from neurosim.kernels.noc_vcs import collect_vcs, keep_accepted, put_grant

AHEAD = 6
"""How many entries of a list ahead the cache lines are fetched (matters from 32 x 32 on)."""


@inlined
def ask_later(m: I32, s: I64, k: I64, trees: I32, lane: int, word: int, free: int) -> None:
    """`word` is the first in `lane`, but the input port still sends until `free`."""
    set_owed(m, k, trees, lane, word)
    post_ask(m, k, free + (1 if k[K_PIPELINE] == DEFAULT else 0), lane)


@inlined
def land_flits(m: I32, w: I64, s: I64, k: I64, trees: I32, t: int) -> None:
    """Flits due at `t` enter their buffers."""
    slot = t & k[K_SLOT_MASK]
    n = m[k[K_CAL_N] + 4 * slot + CAL_FLIT]
    first = k[K_CAL_FLIT] + slot * k[K_FLIT_SLOT]
    for cell in range(first, first + 2 * n, 2):
        lane = w[cell]
        word = w[cell + 1]
        if cell + 2 * AHEAD < first + 2 * n:
            soon(m, w[cell + 2 * AHEAD])
        count = m[lane + L_COUNT]
        at = m[lane + L_HEAD] + count
        if at >= k[K_DEPTH]:
            at -= k[K_DEPTH]
        w[m[lane + L_FIFO] + at] = word
        m[lane + L_COUNT] = count + 1
        if count >= m[lane + L_PEAK]:
            m[lane + L_PEAK] = count + 1
        if count == 0:
            if k[K_PACKET_UNIT] and s[m[lane + L_INPUT]] > t:
                ask_later(m, s, k, trees, lane, word, s[m[lane + L_INPUT]])
            else:
                expose(m, s, k, trees, lane, word, t, t + 1)
    m[k[K_CAL_N] + 4 * slot + CAL_FLIT] = 0


@inlined
def take_credit(m: I32, s: I64, k: I64, number: int, t: int) -> None:
    """One credit (or wake call) arrives: see `Shape.sources` for its number."""
    row = number >> 3
    vc = number & 7
    if row >= k[K_SOURCES]:
        before = m[row + Q_CREDIT + vc]
        m[row + Q_CREDIT + vc] = before + 1
        if before == 0 and (
            m[row + Q_LEFT] > 0 or m[row + Q_HEAD] >= 0 or m[row + Q_HEAD + 1] >= 0
        ):
            activate(m, s, k, row)
    elif vc != WAKE:
        before = m[row + O_CREDIT + 2 * vc]
        m[row + O_CREDIT + 2 * vc] = before + 1
        if before == 0 and m[row + O_REQ]:
            wake_output(m, s, k, row, t)
    elif m[row + O_REQ] or m[row + O_VREQ]:
        wake_output(m, s, k, row, t)


@inlined
def land_credits(m: I32, s: I64, k: I64, t: int) -> None:
    """Credits, wake calls and asks due at `t`."""
    slot = t & k[K_SLOT_MASK]
    counts = k[K_CAL_N] + 4 * slot
    n = m[counts + CAL_CREDIT]
    first = k[K_CAL_CREDIT] + slot * k[K_CREDIT_SLOT]
    for cell in range(first, first + n):
        if cell + AHEAD < first + n:
            soon(m, m[cell + AHEAD] >> 3)
        take_credit(m, s, k, m[cell], t)
    m[counts + CAL_CREDIT] = 0
    while s[N_FAR] > 0 and s[k[K_FAR_HEAP]] <= t:
        number = s[k[K_FAR_HEAP] + 1]
        heap_pop(s, k[K_FAR_HEAP], s[N_FAR])
        s[N_FAR] -= 1
        take_credit(m, s, k, number, t)
    n = m[counts + CAL_ASK]
    if n > 0:
        first = k[K_CAL_ASK] + slot * k[K_ASK_SLOT]
        for cell in range(first, first + n):
            answer_ask(m, s, k, m[cell], t)
        m[counts + CAL_ASK] = 0


@inlined
def collect(m: I32, s: I64, k: I64, t: int) -> int:
    """Pick the winner of every ready output (one virtual channel); returns how many grants.

    Empties the ready list: whoever has a request left after the grants gets back on it.
    """
    n = 0
    for i in range(k[K_READY], k[K_READY] + s[N_READY]):
        out = m[i]
        wants = m[out + O_REQ]
        lock = m[out + O_LOCK]
        pointer = m[out + O_PTR]
        vc = 0
        if lock >= 0:
            wants &= 1 << lock
        elif k[K_PIPELINE] == DEFAULT:
            wants = m[out + O_VREQ]
            pointer = m[out + O_VPTR]
            vc = -1
        if wants == 0 or (k[K_PACKET_UNIT] and s[m[out + O_STAT] + S_BUSY] > t):
            m[out + O_LISTED] = 0
        elif vc == 0 and m[out + O_CREDIT] == 0:
            m[out + O_LISTED] = 2
            s[m[out + O_STAT] + S_SINCE] = t
        else:
            m[out + O_LISTED] = 0
            put_grant(m, k, n, out, m[k[K_WINNER] + pointer * 32 + wants], vc)
            n += 1
            others = m[out + O_REQ] & (m[out + O_REQ] - 1)
            if vc == 0 and others:
                m[out + O_LOST] += bits_on(others)
    s[N_READY] = 0
    return n


@inlined
def hold_link(m: I32, s: I64, k: I64, out: int, bits: int, t: int) -> int:
    """Cycles that output `out` needs for a packet of `bits`; keeps it busy so long."""
    if bits <= m[out + O_WIDTH]:
        return 1
    cycles = (bits + m[out + O_WIDTH] - 1) // m[out + O_WIDTH]
    s[m[out + O_STAT] + S_BUSY] = t + cycles
    post_credit(m, k, t + cycles, out * 8 + WAKE)
    return cycles


@inlined
def free_place(m: I32, w: I64, s: I64, k: I64, trees: I32, lane: int, t: int, busy: int) -> None:
    """The first flit of `lane` is gone: shift, return the credit, expose the next one."""
    head = m[lane + L_HEAD] + 1
    if head >= k[K_DEPTH]:
        head -= k[K_DEPTH]
    m[lane + L_HEAD] = head
    count = m[lane + L_COUNT] - 1
    m[lane + L_COUNT] = count
    post_credit(m, k, t + m[lane + L_UPDELAY] + busy - 1, m[lane + L_UP])
    if count == 0 and busy == 1:
        return
    word = w[m[lane + L_FIFO] + head]
    if busy == 1:
        expose(m, s, k, trees, lane, word, t + 1, t + 2)
    elif count > 0:
        ask_later(m, s, k, trees, lane, word, t + busy)


@inlined
def send_on(
    m: I32, w: I64, s: I64, k: I64, trees: I32, out: int, vc: int, word: int, at: int
) -> None:
    """Put `word` on the link behind `out`, to be in the next buffer at `at`."""
    if word & TREE:
        node = trees[(word & ADDRESS) + T_CHILD + m[out + O_PORT]]
        word = (word & ~ADDRESS) | node
    post_flit(m, w, k, at, m[out + O_TARGET] + vc * LANE_ROW, word)


@inlined
def note_grant(m: I32, s: I64, k: I64, out: int, lane: int, bit: int, vc: int, t: int) -> None:
    """Move the pointers, take the request and the credit, count the losers."""
    wants = m[out + O_REQ]
    others = wants & ~(1 << bit)
    m[out + O_REQ] = others
    if others or m[out + O_VREQ]:
        wake_output(m, s, k, out, t + 1)
    m[out + O_PTR] = m[lane + L_NEXT]
    m[out + O_CREDIT + 2 * vc] -= 1


@inlined
def count_window(m: I32, s: I64, k: I64, out: int, flits: int, t: int) -> None:
    """Count `flits` in the window of cycle `t`; windows double when time runs out of them."""
    n_out = k[K_N_OUTPUTS]
    while t - s[N_BASE] >= s[N_WINDOW] * k[K_N_WINDOWS]:
        for i in range(k[K_N_WINDOWS] * n_out):
            row, column = i // n_out, i % n_out
            both = 0
            if 2 * row < k[K_N_WINDOWS]:
                both = s[k[K_WINDOW] + 2 * row * n_out + column]
                both += s[k[K_WINDOW] + (2 * row + 1) * n_out + column]
            s[k[K_WINDOW] + i] = both
        s[N_WINDOW] *= 2
    row = (t - s[N_BASE]) // s[N_WINDOW]
    s[k[K_WINDOW] + row * n_out + (m[out + O_STAT] - N_CELLS) // STAT_ROW] += flits


@inlined
def apply_switch(
    m: I32, w: I64, s: I64, k: I64, trees: I32, p: I64, d: I64, g: I64,
    out: int, bit: int, vc: int, t: int,
) -> None:  # fmt: skip
    """Send the first flit of the lane numbered `bit` through output `out`."""
    lane = m[out + O_LANES] + bit * LANE_ROW
    word = w[m[lane + L_FIFO] + m[lane + L_HEAD]]
    note_grant(m, s, k, out, lane, bit, vc, t)
    m[out + O_LOCK + 2 * vc] = -1 if word & TAIL else bit
    cycles = 1
    flits = 1
    if k[K_PACKET_UNIT]:
        bits = p[((word >> PID_SHIFT) & PID_MASK) * PACKET_ROW + P_SIZE]
        cycles = hold_link(m, s, k, out, bits, t)
        flits = (bits + k[K_LINK_BITS] - 1) // k[K_LINK_BITS]
        s[m[out + O_STAT] + S_USED] += cycles
    m[out + O_FLITS] += flits
    if s[N_WINDOW] > 0:
        count_window(m, s, k, out, flits, t)
    at = t + m[out + O_DELAY]
    if m[out + O_TARGET] >= 0:
        send_on(m, w, s, k, trees, out, vc, word, at + cycles - flits)
    else:
        done = deliver(m, s, k, trees, p, d, g, out, word, at + cycles - 1)
        post_late_credit(m, s, k, t, done + k[K_CREDIT_DELAY], out * 8 + vc)
    if word & TREE or k[K_PACKET_UNIT]:
        m[lane + L_OWED] &= ~(1 << m[out + O_PORT])
        if s[m[lane + L_INPUT]] - t > cycles:
            cycles = s[m[lane + L_INPUT]] - t
        if cycles > 1:
            s[m[lane + L_INPUT]] = t + cycles
        m[lane + L_PARTIAL] = 1 if m[lane + L_OWED] else 0
        if m[lane + L_OWED]:
            return
    free_place(m, w, s, k, trees, lane, t, cycles)


@inlined
def fetch_lane(m: I32, w: I64, out: int, bit: int) -> None:
    """The lane numbered `bit` in the router of `out` will be needed soon."""
    lane = m[out + O_LANES] + bit * LANE_ROW
    soon(m, lane)


@inlined
def apply_grants(
    m: I32, w: I64, s: I64, k: I64, trees: I32, p: I64, d: I64, g: I64, n: int, t: int
) -> None:
    """All `n` grants of cycle `t` take effect."""
    moved = 0
    end = k[K_GRANT] + 3 * n
    for cell in range(k[K_GRANT], end, 3):
        if cell + 3 * AHEAD < end:
            fetch_lane(m, w, m[cell + 3 * AHEAD], m[cell + 3 * AHEAD + 1])
        out = m[cell]
        bit = m[cell + 1]
        vc = m[cell + 2]
        if vc >= 0:
            apply_switch(m, w, s, k, trees, p, d, g, out, bit, vc, t)
            moved += 1
        else:
            m[out + O_LOCK + 2 * (-1 - vc)] = bit
            m[out + O_VREQ] &= ~(1 << bit)
            m[out + O_REQ] |= 1 << bit
            m[out + O_VPTR] = (bit + 1) % (5 * k[K_N_VCS])
            wake_output(m, s, k, out, t + 1)
    s[N_MOVED] += moved


@inlined
def next_cycle(m: I32, s: I64, k: I64, p: I64, g: I64, t: int) -> int:
    """The next cycle in which something can happen, `FAR` if nothing ever will."""
    if s[N_READY] > 0 or s[N_ACTIVE] > 0:
        return t + 1
    best = next_release(s, k, p, g)
    if s[N_FAR] > 0:
        far = s[k[K_FAR_HEAP]]
        if far < best:
            best = far
    for at in range(t + 1, t + k[K_SLOT_MASK] + 2):
        cell = k[K_CAL_N] + 4 * (at & k[K_SLOT_MASK])
        if m[cell + CAL_FLIT] | m[cell + CAL_CREDIT] | m[cell + CAL_ASK]:
            return best if best < at else at
    return best if best > t else t + 1


@inlined
def begin_tick(s: I64, ticks: I64, tick: int) -> None:
    """Take over the row of a tick."""
    s[N_NEXT] = ticks[tick, TICK_FIRST]
    s[N_END] = ticks[tick, TICK_FREE_END]
    s[N_GATE] = ticks[tick, TICK_GATE]
    s[N_GATE_END] = ticks[tick, TICK_GATE_END]
    s[N_LEFT] = ticks[tick, TICK_DELIVERIES]
    s[N_LAST] = s[N_BASE]


@kernel
def run_ticks(
    m: I32, w: I64, s: I64, k: I64, trees: I32, p: I64, d: I64, g: I64, ticks: I64, longest: int,
    vcs: bool | None,
) -> tuple[int, int]:  # fmt: skip
    """Play tick after tick; the network is empty between them.

    `ticks` holds a row `TICK_*` per tick. `vcs` is None for one virtual channel per link: Numba
    drops what it cannot reach, so that the arbitration of several is compiled only where needed.
    Returns a code (`DONE`, `STUCK`: packets wait and nothing can ever move, `OUT_OF_TIME`: a tick
    took more than `longest` cycles) and the tick.
    """
    m, w, s, k, trees = bare(m), bare(w), bare(s), bare(k), bare(trees)
    p, d, g = bare(p), bare(d), bare(g)
    for tick in range(ticks.shape[0]):
        begin_tick(s, ticks, tick)
        open_gates(s, k, p, g)
        base = s[N_BASE]
        last = base
        t = next_cycle(m, s, k, p, g, base - 1)
        while t < base + longest:
            land_flits(m, w, s, k, trees, t)
            land_credits(m, s, k, t)
            if next_release(s, k, p, g) <= t:
                release_due(m, s, k, p, g, t)
            if s[N_ACTIVE] > 0:
                send_all(m, w, s, k, p, d, t)
            if s[N_READY] > 0:
                if vcs is None:
                    n = collect(m, s, k, t)
                else:
                    n = keep_accepted(m, w, k, collect_vcs(m, w, s, k, t))
                apply_grants(m, w, s, k, trees, p, d, g, n, t)
            last = t
            t = next_cycle(m, s, k, p, g, t)
        if t < FAR:
            return OUT_OF_TIME, tick
        if s[N_LEFT] > 0:
            return STUCK, tick
        ticks[tick, TICK_DONE] = s[N_LAST] - base
        s[N_BASE] = (last if last > s[N_LAST] else s[N_LAST]) + 1
    return DONE, 0
