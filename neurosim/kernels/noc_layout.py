"""Arrays of the cycle-level network: which column of which row means what.

The network is `n_routers` routers with five ports each (0 ``+x``, 1 ``-x``, 2 ``+y``, 3 ``-y``,
4 local). An *output* leaves towards that neighbour; a *lane* is the input buffer of one virtual
channel on the side of that neighbour. All times are cycles.

Everything lives in a few flat arrays, and rows are named by the position of their first cell:
``m[out + O_REQ]`` is the request mask of the output whose row starts at `out`. (A NamedTuple of
some thirty arrays handed from function to function costs 2 us per flit and router: each call
copies it and counts references. A row of 16 cells is also one cache line, and a position needs
no multiplication.) The arrays:

- ``m`` int32: rows of outputs, lanes, sources; lists; the calendar of credits and asks.
- ``w`` int64: flit words in the buffers, and the calendar of flits.
- ``s`` int64: counters `N_*`, a row `S_*` per output, heap of far credits.
- ``p`` int64: a row `P_*` per packet. ``d`` int64: a row `D_*` per delivery.
- ``k`` int64: the fields of `Shape`, at `K_*`.
- ``g`` int64: gates and their heap, order of release. ``trees`` int32: a row `T_*` per tree node.

A *flit word* is 64 bits: packet id (31), head, tail, tree, class bit, 29 bits of address. The
address is ``x | y << 12 | eject_port << 24`` with computed routes, the terminal number with
table routes, and the row of a tree node where the tree bit is set.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

PORTS = 5
MAX_VCS = 6
FAR = 1 << 62
"""A time that never comes."""

# flit words
PID_SHIFT = 33
PID_MASK = (1 << 31) - 1
HEAD = 1 << 32
TAIL = 1 << 31
TREE = 1 << 30
PSUM = 1 << 29
ADDRESS = (1 << 29) - 1
Y_SHIFT = 12
EJECT_SHIFT = 24
XY_MASK = (1 << 12) - 1

# row of an output in m; its length is Shape.out_row
O_REQ = 0  # bit per lane of the router with a flit for this output
O_PTR = 1  # next input port in turn (round robin)
O_TARGET = 2  # first lane behind the link; -1 - terminal at a sink; NO_LINK where none
O_DELAY = 3  # cycles from grant to arrival in the next buffer
O_LISTED = 4  # 1 while on the ready list, 2 while stalled for want of a place
O_VREQ = 5  # bit per lane that asks for a virtual channel ("default" pipeline)
O_VPTR = 6  # next lane in turn for a virtual channel
O_WIDTH = 7  # bits per cycle (packet switching)
O_STAT = 8  # row in s
O_PORT = 9
O_LANES = 10  # first lane of the router
O_WRAPS = 11  # 1 if the link crosses the dateline of a ring
O_FLITS = 12  # flits sent in this run
O_LOST = 13  # flits that wanted the output in a cycle in which another one got it, in this run
O_CREDIT = 14  # + 2 * vc: free places behind the link
O_LOCK = 15  # + 2 * vc: lane that holds the virtual channel, -1 if free
NO_LINK = -(1 << 30)

# row of a lane in m
L_HEAD = 0
L_COUNT = 1
L_OWED = 2  # bit per output port that still waits for the flit at the head
L_BASE = 3  # first output of the router
L_BIT = 4  # number of this lane in its router: port * n_vcs + vc
L_X = 5  # with a table of routes: the row of the router there
L_Y = 6
L_UP = 7  # credit number of who gets the freed place
L_UPDELAY = 8
L_NEXT = 9  # (port + 1) mod 5
L_PEAK = 10
L_FIFO = 11  # first place in w
L_INPUT = 12  # cell in s: S_INPUT_BUSY of the port
L_PARTIAL = 13  # 1 while some branches of the first (multicast) packet are sent, some not
L_VCPTR = 14  # of the first lane of a port: next virtual channel in turn
L_OUTPTR = 15  # of the first lane of a port: next output in turn
LANE_ROW = 16

# row of a source in m; queue 0 is for all classes but partial sums, queue 1 for those
Q_HEAD = 0  # + queue: first packet, -1 if none
Q_TAIL = 2  # + queue
Q_CURRENT = 4  # packet whose body is being sent
Q_LEFT = 5  # flits of it left
Q_LISTED = 6
Q_LANE = 7  # first lane that it feeds
Q_VC = 8  # virtual channel of the present packet
Q_VCPTR = 9
Q_WAITING = 10
Q_PEAK = 11
Q_BUSY = 12  # cell in s: cycle from which the source may send again (packet switching)
Q_CREDIT = 13  # + vc
SOURCE_ROW = 20

# first cells of s
N_READY = 0
N_ACTIVE = 1
N_RELEASE = 3  # entries of the release heap
N_FAR = 4  # entries of the heap of far credits
N_LEFT = 5  # deliveries still to come
N_NEXT = 6  # position in the order of release
N_END = 2  # where the packets without gate end there
N_MOVED = 7  # flits through routers
N_LAST = 8  # cycle in which the last delivery was dealt with
N_WINDOW = 9  # cycles per window of flit counts, 0 = not kept
N_BASE = 10  # cycle in which the present tick began; times outside count from there
N_GATE = 11  # first gate of the present tick
N_GATE_END = 12
N_CELLS = 16

# row of an output in s
S_FLITS = 0
S_LOST = 1
S_STALL = 2  # cycles in which the output had a flit to send and no place to send it to
S_SINCE = 3  # start of the present stall
S_BUSY = 4  # cycle from which the output is free again (packet switching)
S_USED = 5  # cycles in which the link carried bits
S_FREE = 6  # cycle from which the sink behind it is free again
S_INPUT_BUSY = 7  # cycle from which the *input* port of this number is free again
STAT_ROW = 8

# row of a packet in p
P_SOURCE = 0  # row of its source in m
P_WORD = 1  # class bit, tree bit and address
P_SIZE = 2  # flits (wormhole) or bits (packet switching)
P_RELEASE = 3  # earliest cycle; relative to the gate for gated packets
P_NEXT = 4  # next packet in the queue of the source
P_INJECT = 5  # out: cycle in which the head left the source, -1
P_DELIVERY = 6  # row of its first delivery in d
P_GATE = 7  # gate that releases it, -1 if none
PACKET_ROW = 8

# row of a delivery in d
D_ARRIVE = 0  # out: cycle in which the tail arrived, -1
D_FINISH = 1  # out: cycle in which the sink had dealt with it, -1
D_SERVICE = 2  # cycles that the sink needs
D_FEEDS = 3  # gate that waits for it, -1 if none
DELIVERY_ROW = 4

# row of a gate in g
G_WAIT = 0  # deliveries that it still waits for
G_TIME = 1  # earliest cycle of opening so far
G_CURSOR = 2  # position in the order of release of its next packet
G_END = 3  # one past its last packet there
GATE_ROW = 4

# row of a node in trees
T_MASK = 0  # bit per output port
T_CHILD = 1  # + port: row of the node behind a link; number of the delivery at a sink
TREE_ROW = 6

# row of a tick
TICK_FIRST = 0  # position of its first packet in the order of release
TICK_FREE_END = 1  # one past its last packet without gate there
TICK_GATE = 2  # first gate
TICK_GATE_END = 3
TICK_DELIVERIES = 4
TICK_DONE = 5  # out: cycle in which its last delivery was dealt with
TICK_ROW = 6

# entries per slot in the calendar
CAL_FLIT = 0
CAL_CREDIT = 1
CAL_ASK = 2

WAKE = 7
"""Instead of a virtual channel in a credit number: only look at the output again."""

SINGLE, DEFAULT = 0, 1
ROUTE_MESH, ROUTE_TORUS, ROUTE_TABLE = 0, 1, 2
DONE, STUCK, OUT_OF_TIME = 0, 1, 2


class Shape(NamedTuple):
    """What stays the same: figures of the network, and where things start in the arrays.

    The kernels read it as the array ``k`` (`K_N_VCS` and so on): forty values per call are dear.
    """

    n_vcs: int
    depth: int
    """places per buffer: flits (packets with packet switching)"""
    pipeline: int
    route_mode: int
    width: int
    height: int
    source_delay: int
    """cycles from a source to its router"""
    credit_delay: int
    """cycles from a freed place to a usable credit, on a link without its own figure"""
    slot_mask: int
    """number of calendar slots - 1; a power of two above every delay"""
    packet_unit: int
    """1 where the packet is the unit of a buffer, 0 for wormhole"""
    link_bits: int
    psum_vcs: int
    """virtual channels kept for partial sums (the last ones)"""
    dateline: int
    """1 where a ring's virtual channels are split at the dateline"""
    n_outputs: int
    out_row: int
    """cells per output; outputs start at m[0]"""
    sources: int
    """first source in m; credit numbers are row * 8 + vc of an output or a source"""
    ready: int
    """list in m of outputs that may act"""
    active: int
    """list in m of sources that may send"""
    grant: int
    """in m, 3 cells each: output, number of the lane, vc (-1 - vc: the grant is that channel)"""
    accept: int
    """in m, per port: what the input port accepts"""
    winner: int
    """in m, (5 * 32): first set bit of a mask at or after a pointer, cyclic"""
    route: int
    """in m: port by signs of the distance, or table by router and terminal"""
    cal_n: int
    """in m, 4 cells per slot"""
    cal_credit: int
    credit_slot: int
    """cells per slot"""
    cal_ask: int
    ask_slot: int
    cal_flit: int
    """in w; 2 cells per flit: lane, word"""
    flit_slot: int
    far_heap: int
    """in s; 2 cells per entry: cycle, credit number"""
    window: int
    """in s: flits per window and output"""
    n_windows: int
    gate_heap: int
    """in g; 2 cells per entry: cycle, packet"""
    one_each: int
    """1 where every packet has one delivery, of the same number"""
    order: int
    """in g: of each tick the packets without gate in order of release, then those of each gate"""


(
    K_N_VCS,
    K_DEPTH,
    K_PIPELINE,
    K_ROUTE_MODE,
    K_WIDTH,
    K_HEIGHT,
    K_SOURCE_DELAY,
    K_CREDIT_DELAY,
    K_SLOT_MASK,
    K_PACKET_UNIT,
    K_LINK_BITS,
    K_PSUM_VCS,
    K_DATELINE,
    K_N_OUTPUTS,
    K_OUT_ROW,
    K_SOURCES,
    K_READY,
    K_ACTIVE,
    K_GRANT,
    K_ACCEPT,
    K_WINNER,
    K_ROUTE,
    K_CAL_N,
    K_CAL_CREDIT,
    K_CREDIT_SLOT,
    K_CAL_ASK,
    K_ASK_SLOT,
    K_CAL_FLIT,
    K_FLIT_SLOT,
    K_FAR_HEAP,
    K_WINDOW,
    K_N_WINDOWS,
    K_GATE_HEAP,
    K_ONE_EACH,
    K_ORDER,
) = range(35)
"""Where the kernels find the fields of `Shape`, handed over as one int64 array ``k``."""
