"""The rules of the router, written once more: slow, obvious, cycle by cycle, no kernels.

A test helper. Every buffer is a list, every rule a loop over all routers; nothing is skipped.
"""

from collections import defaultdict
from dataclasses import dataclass, field

STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))
PSUM = 2


@dataclass(eq=False)
class Flit:
    packet: int
    head: bool
    tail: bool
    goals: tuple  # of (delivery, terminal)
    psum: bool
    size: int  # bits with packet switching


@dataclass(eq=False)
class Lane:
    """One input buffer; `asks` is the cycle from which its first flit may ask for something."""

    port: int
    vc: int
    flits: list = field(default_factory=list)
    asks: int = 0
    owed: dict = field(default_factory=dict)  # out port -> goals of the first flit there
    partial: bool = False  # some branches of the first packet are sent, some not


class Twin:
    def __init__(self, noc):
        self.noc = noc
        n, v = noc.n_routers, noc.n_vcs
        self.lanes = [[[Lane(p, c) for c in range(v)] for p in range(5)] for _ in range(n)]
        self.credits = [[[noc.buffer_flits] * v for _ in range(5)] for _ in range(n)]
        self.holder = [[[None] * v for _ in range(5)] for _ in range(n)]
        self.pointer = [[0] * 5 for _ in range(n)]
        self.vc_pointer = [[0] * 5 for _ in range(n)]
        self.port_vc = [[0] * 5 for _ in range(n)]
        self.port_out = [[0] * 5 for _ in range(n)]
        self.link_free = [[0] * 5 for _ in range(n)]
        self.input_free = [[0] * 5 for _ in range(n)]
        self.link_flits = [[0] * 5 for _ in range(n)]
        self.lost = [[0] * 5 for _ in range(n)]
        self.stall = [[0] * 5 for _ in range(n)]
        self.events = defaultdict(list)
        self.sink_free = defaultdict(int)
        general = noc.pipeline == "general"
        self.delay = noc.router_cycles + noc.link_cycles if general else 3
        self.credit = 1 + (noc.credit_cycles if general else 1)
        self.from_source = 1 + (noc.link_cycles if general else 1)

    # geometry
    def place(self, terminal):
        n = self.noc.n_routers
        if terminal >= n:
            return (terminal - n) * self.noc.width, 1
        return terminal, 4

    def neighbour(self, router, port):
        w, h = self.noc.width, self.noc.height
        x, y = router % w + STEPS[port][0], router // w + STEPS[port][1]
        if self.noc.topology == "torus":
            return y % h * w + x % w
        return y * w + x if 0 <= x < w and 0 <= y < h else None

    def way(self, router, terminal):
        goal, sink = self.place(terminal)
        w = self.noc.width
        along = []
        for here, there, length, ports in (
            (router % w, goal % w, w, (0, 1)),
            (router // w, goal // w, self.noc.height, (2, 3)),
        ):
            up = there > here
            if self.noc.topology == "torus":
                up = 2 * ((there - here) % length) <= length
            along.append(None if here == there else ports[0 if up else 1])
        if self.noc.routing == "yx":
            along.reverse()
        return next((port for port in along if port is not None), sink)

    def vc_choices(self, router, lane, out, flit):
        noc = self.noc
        is_sink = (out == 4) or (out == 1 and noc.host_io and router % noc.width == 0)
        if is_sink:
            return list(range(noc.n_vcs))
        upper = False
        if noc.topology == "torus":
            x, y = router % noc.width, router // noc.width
            edge = (x == noc.width - 1, x == 0, y == noc.height - 1, y == 0)[out]
            same = lane.port < 4 and lane.port // 2 == out // 2
            mine = self.class_vcs(flit.psum)
            upper = edge or (same and lane.vc in mine[len(mine) // 2 :])
        return self.class_vcs(flit.psum, upper)

    def class_vcs(self, psum, upper=None):
        noc = self.noc
        all_vcs = list(range(noc.n_vcs))
        if noc.psum_vcs:
            cut = noc.n_vcs - noc.psum_vcs
            all_vcs = all_vcs[cut:] if psum else all_vcs[:cut]
        if upper is not None and noc.topology == "torus":
            half = len(all_vcs) // 2
            return all_vcs[half:] if upper else all_vcs[:half]
        return all_vcs

    # what happens in a cycle
    def uncover(self, router, lane, t, left_tail):
        """The first flit of `lane` has become visible at `t` (or just after a departure at `t`)."""
        if not lane.flits:
            return
        flit = lane.flits[0]
        free = self.input_free[router][lane.port]
        first = max(t + 1 if left_tail is not None else t, free)
        if flit.head:
            lane.owed = {}
            for goal in flit.goals:
                lane.owed.setdefault(self.way(router, goal[1]), []).append(goal)
            if self.noc.pipeline == "default":
                first = max(t + 2 if left_tail is not None else t + 1, free + 1)
        lane.asks = first

    def land(self, t):
        for what, *args in self.events.pop(t, ()):
            if what == "flit":
                router, port, vc, flit = args
                lane = self.lanes[router][port][vc]
                lane.flits.append(flit)
                assert len(lane.flits) <= self.noc.buffer_flits
                if len(lane.flits) == 1:
                    self.uncover(router, lane, t, None)
            else:
                counter, vc = args
                counter[vc] += 1

    def held(self, router, out, lane):
        for vc, holder in enumerate(self.holder[router][out]):
            if holder is lane:
                return vc
        return None

    def usable(self, router, lane, out, need_credit, taken=()):
        vcs = [
            vc
            for vc in self.vc_choices(router, lane, out, lane.flits[0])
            if self.holder[router][out][vc] is None
            and vc not in taken
            and (not need_credit or self.credits[router][out][vc] > 0)
        ]
        return max(vcs, key=lambda vc: (self.credits[router][out][vc], -vc), default=None)

    def sendable(self, router, lane, out):
        vc = self.held(router, out, lane)
        if vc is not None:
            return vc if self.credits[router][out][vc] > 0 else None
        if self.noc.pipeline == "default" or not lane.flits[0].head:
            return None
        return self.usable(router, lane, out, True)

    def requesters(self, router, out, t):
        """Lanes whose first flit wants the switch towards `out` at `t`."""
        found = []
        for port in range(5):
            for lane in self.lanes[router][port]:
                if lane.flits and lane.asks <= t and out in lane.owed:
                    waits = self.noc.pipeline == "default" and lane.flits[0].head
                    if not waits or self.held(router, out, lane) is not None:
                        found.append(lane)
        return found

    def choose(self, router, out, t):
        """(lane, vc) that this output grants, or None; counts stalls."""
        if self.link_free[router][out] > t:
            return None
        wants = self.requesters(router, out, t)
        if self.noc.n_vcs == 1 and self.holder[router][out][0] is not None:
            wants = [lane for lane in wants if lane is self.holder[router][out][0]]
        placeless = all(self.sendable(router, lane, out) is None for lane in wants)
        wants_any = bool(wants)
        wants = [x for x in wants if x.partial or self.input_free[router][x.port] <= t]
        for k in range(5):
            port = (self.pointer[router][out] + k) % 5
            for j in range(self.noc.n_vcs):
                vc = (self.port_vc[router][port] + j) % self.noc.n_vcs
                lane = self.lanes[router][port][vc]
                if lane in wants:
                    channel = self.sendable(router, lane, out)
                    if channel is not None:
                        return lane, channel
        if wants_any and placeless:
            self.stall[router][out] += 1
        return None

    def allot(self, router, out, t):
        """`default`: (lane, vc) pairs that get a virtual channel of this output."""
        v = self.noc.n_vcs
        pairs = []
        for k in range(5 * v):
            bit = (self.vc_pointer[router][out] + k) % (5 * v)
            lane = self.lanes[router][bit // v][bit % v]
            asks = lane.flits and lane.flits[0].head and lane.asks <= t and out in lane.owed
            if asks and self.held(router, out, lane) is None:
                vc = self.usable(router, lane, out, False, [vc for _, vc in pairs])
                if vc is not None:
                    pairs.append((lane, vc))
        return pairs

    def cycle(self, t):
        grants, allotted = [], []
        for router in range(self.noc.n_routers):
            mine = []
            for out in range(5):
                chosen = self.choose(router, out, t)
                if chosen:
                    mine.append((router, out, *chosen))
                if self.noc.pipeline == "default" and self.link_free[router][out] <= t:
                    allotted += [(router, out, *p) for p in self.allot(router, out, t)]
            grants += self.accepted(router, mine)
        lost = [
            (g, len([x for x in self.requesters(g[0], g[1], t) if x is not g[2]])) for g in grants
        ]
        for (router, out, *_), n in lost:
            self.lost[router][out] += n
        for grant in grants:
            self.apply(t, *grant)
        for router, out, lane, vc in allotted:
            self.holder[router][out][vc] = lane
            lane.asks = max(lane.asks, t + 1) if len(lane.owed) == 1 else lane.asks
            bit = lane.port * self.noc.n_vcs + lane.vc
            self.vc_pointer[router][out] = (bit + 1) % (5 * self.noc.n_vcs)

    def accepted(self, router, grants):
        if self.noc.n_vcs == 1:
            return grants
        kept = []
        for port in range(5):
            here = [g for g in grants if g[2].port == port]
            if here:
                turn = self.port_out[router][port]
                best = min(here, key=lambda g: (g[1] - turn) % 5)
                many = len(best[2].flits[0].goals) > 1
                self.port_vc[router][port] = (best[2].vc + 1) % self.noc.n_vcs
                self.port_out[router][port] = (best[1] + 1) % 5
                kept += [g for g in here if g is best or (many and g[2] is best[2])]
        return kept

    def serial(self, router, out, flit):
        if self.noc.switching == "wormhole":
            return 1, 1
        whole = -(-flit.size // self.noc.link_bits)
        return -(-flit.size // self.width(router, out)), whole

    def width(self, router, out):
        noc = self.noc
        if out < 4 and self.crosses(router, out) and noc.chip_link_bits:
            return min(noc.chip_link_bits, noc.link_bits)
        return noc.link_bits

    def crosses(self, router, out):
        noc = self.noc
        if not noc.chip_width or self.neighbour(router, out) is None:
            return False
        here, there = router, self.neighbour(router, out)
        chip = [
            (r % noc.width // noc.chip_width, r // noc.width // noc.chip_height)
            for r in (here, there)
        ]
        return chip[0] != chip[1]

    def extra(self, router, out):
        if out < 4 and self.crosses(router, out) and self.noc.chip_link_cycles is not None:
            general = self.noc.pipeline == "general"
            return self.noc.chip_link_cycles - (self.noc.link_cycles if general else 1)
        return 0

    def apply(self, t, router, out, lane, vc):
        noc = self.noc
        flit = lane.flits[0]
        cycles, flits = self.serial(router, out, flit)
        self.link_free[router][out] = t + cycles
        self.link_flits[router][out] += flits
        self.pointer[router][out] = (lane.port + 1) % 5
        self.credits[router][out][vc] -= 1
        self.holder[router][out][vc] = None if flit.tail else lane
        goals = tuple(lane.owed[out])
        copy = Flit(flit.packet, flit.head, flit.tail, goals, flit.psum, flit.size)
        at = t + self.delay + self.extra(router, out)
        is_sink = out == 4 or (out == 1 and noc.host_io and router % noc.width == 0)
        back = (self.credits[router][out], vc)
        if is_sink:
            done = self.deliver(copy, (router, out), at + cycles - 1)
            self.events[done + self.credit].append(("credit", *back))
        else:
            there = self.neighbour(router, out)
            self.events[at + cycles - flits].append(("flit", there, out ^ 1, vc, copy))
        busy = max(t + cycles, self.input_free[router][lane.port])
        if cycles > 1:
            self.input_free[router][lane.port] = busy
        if flit.tail:
            del lane.owed[out]
            lane.partial = bool(lane.owed)
            if lane.owed:
                return
        lane.flits.pop(0)
        free = self.upstream(router, lane)
        end = busy if cycles > 1 or self.input_free[router][lane.port] > t else t + 1
        when = end - 1 + self.credit + self.up_extra(router, lane.port)
        self.events[when].append(("credit", free, lane.vc))
        self.uncover(router, lane, t, t)

    def upstream(self, router, lane):
        """Credit counters of whoever fills this lane."""
        is_source = lane.port == 4 or (
            lane.port == 1 and self.noc.host_io and router % self.noc.width == 0
        )
        if is_source:
            return self.source_credits[router, lane.port]
        return self.credits[self.neighbour(router, lane.port)][lane.port ^ 1]

    def up_extra(self, router, port):
        is_source = port == 4 or (port == 1 and self.noc.host_io and router % self.noc.width == 0)
        return 0 if is_source else self.extra(self.neighbour(router, port), port ^ 1)

    def deliver(self, flit, sink, at):
        done = at
        if flit.tail:
            ((delivery, _),) = flit.goals
            service = self.service[delivery]
            if service:
                done = max(at, self.sink_free[sink]) + service
                self.sink_free[sink] = done
            self.arrive[delivery], self.finish[delivery] = at, done
            gate = self.feeds[delivery]
            if gate >= 0:
                self.gate_time[gate] = max(self.gate_time[gate], done)
                self.gate_wait[gate] -= 1
        return done

    # sources
    def send(self, t):
        for terminal in range(self.noc.n_terminals):
            queue = self.queues[terminal]
            place = self.place(terminal)
            if self.source_free[terminal] > t:
                continue
            if not self.sending[terminal]:
                self.begin(t, terminal, queue, place)
            if self.sending[terminal]:
                vc, flits = self.sending[terminal]
                if self.source_credits[place][vc] > 0:
                    flit = flits.pop(0)
                    if flit.head:
                        self.inject[flit.packet] = t
                    self.source_credits[place][vc] -= 1
                    at = t + self.from_source
                    self.events[at].append(("flit", place[0], place[1], vc, flit))
                    if not flits:
                        self.sending[terminal] = None

    def begin(self, t, terminal, queue, place):
        for psum in (True, False):
            mine = [p for p in queue if (self.kind[p] == PSUM) == psum]
            if not mine:
                continue
            v = self.noc.n_vcs
            for k in range(v):
                vc = (self.source_vc[terminal] + k) % v
                allowed = vc in self.class_vcs(psum, False)
                if allowed and self.source_credits[place][vc] > 0:
                    packet = mine[0]
                    queue.remove(packet)
                    self.source_vc[terminal] = (vc + 1) % v if v > 1 else 0
                    self.sending[terminal] = vc, self.flits_of(packet)
                    whole = self.noc.switching == "packet"
                    if whole:
                        bits = self.size[packet]
                        self.source_free[terminal] = t + -(-bits // self.noc.link_bits)
                    return

    def flits_of(self, packet):
        n = 1 if self.noc.switching == "packet" else self.size[packet]
        goals = tuple(self.goals[packet])
        psum = self.kind[packet] == PSUM
        return [Flit(packet, i == 0, i == n - 1, goals, psum, self.size[packet]) for i in range(n)]

    def play(self, src, goals, release, size, kind, service=None, feeds=None, gate=None, base=()):
        """`goals[i]`: terminals of packet i; the rest as in `TickNetwork.play`."""
        n = len(src)
        number = iter(range(sum(map(len, goals))))
        self.goals = [[(next(number), terminal) for terminal in each] for each in goals]
        n_deliveries = sum(map(len, goals))
        self.size, self.kind = size, kind
        self.service = service or [0] * n_deliveries
        self.feeds = feeds or [-1] * n_deliveries
        gate = gate or [-1] * n
        self.gate_time = list(base)
        self.gate_wait = [self.feeds.count(g) for g in range(len(base))]
        self.inject, self.arrive = [-1] * n, [-1] * n_deliveries
        self.finish = [-1] * n_deliveries
        terminals = range(self.noc.n_terminals)
        self.queues = [[] for _ in terminals]
        self.sending = [None for _ in terminals]
        self.source_free = [0 for _ in terminals]
        self.source_vc = [0 for _ in terminals]
        depth, v = self.noc.buffer_flits, self.noc.n_vcs
        self.source_credits = {self.place(s): [depth] * v for s in terminals}
        waiting = set(range(n))
        t = 0
        while -1 in self.arrive:
            self.land(t)
            due = []
            for packet in waiting:
                at = release[packet]
                if gate[packet] >= 0:
                    shut = self.gate_wait[gate[packet]] > 0
                    at = 1 << 60 if shut else at + self.gate_time[gate[packet]]
                if at <= t:
                    due.append((at, packet))
            for _, packet in sorted(due):
                waiting.remove(packet)
                self.queues[src[packet]].append(packet)
            self.send(t)
            self.cycle(t)
            t += 1
            assert t < 100_000, "stuck"
        return self
