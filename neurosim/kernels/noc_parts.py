"""Small steps of the network: calendar, lists, routes (arrays as in `noc_layout`)."""

from __future__ import annotations

from neurosim.kernels._jit import inlined
from neurosim.kernels.noc_layout import (
    ADDRESS,
    CAL_ASK,
    CAL_CREDIT,
    CAL_FLIT,
    DEFAULT,
    EJECT_SHIFT,
    HEAD,
    I32,
    I64,
    K_ASK_SLOT,
    K_CAL_ASK,
    K_CAL_CREDIT,
    K_CAL_FLIT,
    K_CAL_N,
    K_CREDIT_SLOT,
    K_FAR_HEAP,
    K_FLIT_SLOT,
    K_HEIGHT,
    K_OUT_ROW,
    K_PIPELINE,
    K_READY,
    K_ROUTE,
    K_ROUTE_MODE,
    K_SLOT_MASK,
    K_WIDTH,
    L_BASE,
    L_BIT,
    L_OWED,
    L_X,
    L_Y,
    N_FAR,
    N_READY,
    O_LISTED,
    O_REQ,
    O_STAT,
    O_VREQ,
    ROUTE_MESH,
    ROUTE_TABLE,
    S_SINCE,
    S_STALL,
    TREE,
    XY_MASK,
    Y_SHIFT,
)


@inlined
def post_flit(m: I32, w: I64, k: I64, at: int, lane: int, word: int) -> None:
    """Let `word` arrive in `lane` at cycle `at`."""
    slot = at & k[K_SLOT_MASK]
    n = m[k[K_CAL_N] + 4 * slot + CAL_FLIT]
    cell = k[K_CAL_FLIT] + slot * k[K_FLIT_SLOT] + 2 * n
    w[cell] = lane
    w[cell + 1] = word
    m[k[K_CAL_N] + 4 * slot + CAL_FLIT] = n + 1


@inlined
def post_credit(m: I32, k: I64, at: int, number: int) -> None:
    """Let a credit (or a wake call) arrive at cycle `at`, at most one calendar round ahead."""
    slot = at & k[K_SLOT_MASK]
    n = m[k[K_CAL_N] + 4 * slot + CAL_CREDIT]
    m[k[K_CAL_CREDIT] + slot * k[K_CREDIT_SLOT] + n] = number
    m[k[K_CAL_N] + 4 * slot + CAL_CREDIT] = n + 1


@inlined
def post_ask(m: I32, k: I64, at: int, lane: int) -> None:
    """Let the head of `lane` ask for its outputs at cycle `at`."""
    slot = at & k[K_SLOT_MASK]
    n = m[k[K_CAL_N] + 4 * slot + CAL_ASK]
    m[k[K_CAL_ASK] + slot * k[K_ASK_SLOT] + n] = lane
    m[k[K_CAL_N] + 4 * slot + CAL_ASK] = n + 1


@inlined
def heap_push(heap: I64, start: int, n: int, time: int, what: int) -> None:
    """Add ``(time, what)`` to the binary heap of `n` pairs at `start`."""
    i = n
    while i > 0:
        up = (i - 1) >> 1
        cell = start + 2 * up
        if heap[cell] < time or (heap[cell] == time and heap[cell + 1] <= what):
            break
        heap[start + 2 * i] = heap[cell]
        heap[start + 2 * i + 1] = heap[cell + 1]
        i = up
    heap[start + 2 * i] = time
    heap[start + 2 * i + 1] = what


@inlined
def heap_pop(heap: I64, start: int, n: int) -> None:
    """Take the first pair off the binary heap of `n` pairs at `start`."""
    time = heap[start + 2 * n - 2]
    what = heap[start + 2 * n - 1]
    i = 0
    while 2 * i + 1 < n - 1:
        cell = start + 2 * (2 * i + 1)
        low = 2 * i + 1
        if low + 1 < n - 1 and (
            heap[cell + 2] < heap[cell]
            or (heap[cell + 2] == heap[cell] and heap[cell + 3] < heap[cell + 1])
        ):
            low += 1
            cell += 2
        if time < heap[cell] or (time == heap[cell] and what <= heap[cell + 1]):
            break
        heap[start + 2 * i] = heap[cell]
        heap[start + 2 * i + 1] = heap[cell + 1]
        i = low
    heap[start + 2 * i] = time
    heap[start + 2 * i + 1] = what


@inlined
def post_late_credit(m: I32, s: I64, k: I64, now: int, at: int, number: int) -> None:
    """`post_credit` for any distance: beyond the calendar it waits in a heap."""
    if at - now <= k[K_SLOT_MASK]:
        post_credit(m, k, at, number)
    else:
        heap_push(s, k[K_FAR_HEAP], s[N_FAR], at, number)
        s[N_FAR] += 1


@inlined
def wake_output(m: I32, s: I64, k: I64, out: int, t: int) -> None:
    """Put output `out` on the ready list from cycle `t` on; ends a stall."""
    listed = m[out + O_LISTED]
    if listed != 1:
        m[out + O_LISTED] = 1
        n = s[N_READY]
        m[k[K_READY] + n] = out
        s[N_READY] = n + 1
        if listed == 2:
            stat = m[out + O_STAT]
            s[stat + S_STALL] += t - s[stat + S_SINCE]


@inlined
def ring_sign(from_: int, to: int, length: int) -> int:
    """+1, 0 or -1: the shorter way round a ring; ties go up."""
    if to == from_:
        return 0
    up = to - from_ if to > from_ else to - from_ + length
    return 1 if 2 * up <= length else -1


@inlined
def port_to(m: I32, k: I64, lane: int, address: int) -> int:
    """Output port of a packet with this address in the router of `lane`."""
    if k[K_ROUTE_MODE] == ROUTE_TABLE:
        return m[m[lane + L_X] + address]
    x = m[lane + L_X]
    y = m[lane + L_Y]
    to_x = address & XY_MASK
    to_y = (address >> Y_SHIFT) & XY_MASK
    if k[K_ROUTE_MODE] == ROUTE_MESH:
        cell = 3 if to_x > x else (-3 if to_x < x else 0)
        cell += 1 if to_y > y else (-1 if to_y < y else 0)
    else:
        cell = 3 * ring_sign(x, to_x, k[K_WIDTH]) + ring_sign(y, to_y, k[K_HEIGHT])
    port = m[k[K_ROUTE] + 4 + cell]
    if port == 5:
        return (address >> EJECT_SHIFT) & 7
    return port


@inlined
def set_owed(m: I32, k: I64, trees: I32, lane: int, word: int) -> None:
    """Note the output ports that the head `word` in `lane` has to take."""
    address = word & ADDRESS
    if word & TREE:
        m[lane + L_OWED] = trees[address]
    else:
        m[lane + L_OWED] = 1 << port_to(m, k, lane, address)


@inlined
def request(m: I32, s: I64, k: I64, lane: int, column: int, t: int) -> None:
    """Set the request bit of `lane` at every output that it owes, from cycle `t` on."""
    owed = m[lane + L_OWED]
    out = m[lane + L_BASE]
    bit = 1 << m[lane + L_BIT]
    while owed:
        if owed & 1:
            m[out + column] |= bit
            wake_output(m, s, k, out, t)
        owed >>= 1
        out += k[K_OUT_ROW]


@inlined
def expose(m: I32, s: I64, k: I64, trees: I32, lane: int, word: int, t: int, ask: int) -> None:
    """`word` is now the first in `lane`: request outputs from `t` on, or ask at `ask` (default)."""
    if word & HEAD:
        if k[K_PIPELINE] == DEFAULT:
            set_owed(m, k, trees, lane, word)
            post_ask(m, k, ask, lane)
            return
        if word & TREE == 0:
            port = port_to(m, k, lane, word & ADDRESS)
            m[lane + L_OWED] = 1 << port
            out = m[lane + L_BASE] + port * k[K_OUT_ROW]
            m[out + O_REQ] |= 1 << m[lane + L_BIT]
            wake_output(m, s, k, out, t)
            return
        m[lane + L_OWED] = trees[word & ADDRESS]
    request(m, s, k, lane, O_REQ, t)


@inlined
def answer_ask(m: I32, s: I64, k: I64, lane: int, t: int) -> None:
    """A posted `post_ask` is due: ask for a virtual channel, or for the switch."""
    request(m, s, k, lane, O_VREQ if k[K_PIPELINE] == DEFAULT else O_REQ, t)
