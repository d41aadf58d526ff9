"""`TickNetwork`: plays the packets of ticks, one after the other, through one network.

In go arrays of packets, out come arrival cycles relative to the start of their tick, the length
of every tick, flits per link and stalls. The network is empty between ticks; its round-robin
pointers are kept (``reset`` brings the first state back), so equal calls after a reset give equal
cycles, whatever ran before and on whatever thread. One object serves one thread.

*Gates* model a core whose soma waits for partial sums: packets with ``gate=g`` leave at
``opening + release``, where gate ``g`` opens at ``gate_base[g]`` or when the last delivery with
``feeds=g`` has been dealt with, whichever is later. A delivery with a ``service`` time keeps its
sink busy so long, one after the other, and gives its place in the sink's queue (of
``buffer_flits`` places) back only then: a core that is still integrating holds the network up.

Partial sums (class 2) have a queue of their own at the source, before all others, and
``Noc.psum_vcs`` channels of their own on the links. Sinks never wait for anything but time, gates
hold packets back only outside the network, and a gated packet never stands in front of a partial
sum; so no circle of waiting can close unless gates wait for each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.errors import SimulationFaultError, UnsupportedError, UsageError
from neurosim.kernels import noc_layout as lay
from neurosim.kernels.noc_cycle import run_ticks
from neurosim.kernels.noc_layout import I64
from neurosim.noc.faults import describe_fault
from neurosim.noc.model import Noc
from neurosim.noc.network import Network, aligned_zeros, build_network, no_trees
from neurosim.noc.routes import Routes, addresses, build_routes, check_terminals
from neurosim.noc.rows import Traffic, delivery_rows, packet_rows, tick_rows

CLASSES = ("spike", "analog", "psum", "io")
"""Packet classes by number."""
PSUM_CLASS = 2
MAX_PACKETS = (1 << 31) - 1
_ZERO = np.zeros(1, np.int64)


@dataclass(frozen=True)
class TickResult:
    """What became of the packets of some ticks; all cycles count from the start of the tick.

    Attributes
    ----------
    inject_cycle : (n_packets,) int64
        The head leaves the source.
    arrive_cycle : (n_deliveries,) int64
        The tail arrives at the sink.
    finish_cycle : (n_deliveries,) int64
        The sink has dealt with it; equal to `arrive_cycle` without service time.
    drain_cycles : (n_ticks,) int64
        The last arrival, 0 for an empty tick.
    done_cycles : (n_ticks,) int64
        The last delivery has been dealt with.
    gate_cycle : (n_gates,) int64
        Opening of every gate.
    link_flits : (n_routers, 5) int64
        Flits that left every router through +x, -x, +y, -y, local.
    busy_cycles : (n_routers, 5) int64
        Cycles in which the link carried bits; more than flits on narrow links.
    stall_no_credit, stall_lost : (n_routers, 5) int64
        Cycles in which an output had something to send and no place behind it; flits that
        waited for an output while another one went, summed over cycles.
    queue_peak : (n_routers, 5) int64
        Largest number of flits (packets) in an input buffer, all virtual channels.
    source_peak : (n_terminals,) int64
        Largest number of packets that waited at a source.
    flit_hops : int
        Flits times routers.
    """

    inject_cycle: I64
    arrive_cycle: I64
    finish_cycle: I64
    drain_cycles: I64
    done_cycles: I64
    gate_cycle: I64
    link_flits: I64
    busy_cycles: I64
    stall_no_credit: I64
    stall_lost: I64
    queue_peak: I64
    source_peak: I64
    flit_hops: int
    window_cycles: int = 0
    window_flits: I64 = field(default_factory=lambda: np.zeros((0, 0, 5), np.int64))


class TickNetwork:
    """A network whose arrays are allocated once, for many ticks.

    Parameters
    ----------
    noc : Noc
    longest_packet : int or None
        Bits of the longest packet to come (packet switching); 64 flits, or ``noc.packet_bits``
        if that is more, by default.
    n_windows : int
        Count flits per link in so many stretches of time, 0 for none. Their length starts at one
        cycle and doubles whenever time runs out of them. Meant for calls with one tick.
    """

    def __init__(self, noc: Noc, longest_packet: int | None = None, n_windows: int = 0) -> None:
        if longest_packet is None:
            longest_packet = max(64 * noc.link_bits, noc.packet_bits or 1)
        self.noc = noc
        self.longest_packet = longest_packet
        self.network: Network = build_network(noc, longest_packet, n_windows + n_windows % 2)
        tables = self.network.shape.route_mode == lay.ROUTE_TABLE
        self._address = addresses(noc, tables)
        self._narrowest = int(self.network.outputs[:, lay.O_WIDTH].min())
        self._fresh = (self.network.m.copy(), self.network.s.copy())
        self._places = np.zeros(1 << 16, np.int64)
        self._p, self._d, self._g = (np.zeros(0, np.int64) for _ in range(3))

    def reset(self) -> None:
        """Bring the first state back: empty, all pointers at their start."""
        self.network.m[:] = self._fresh[0]
        self.network.s[:] = self._fresh[1]

    def routes(self, src: ArrayLike, dst_offset: ArrayLike, dst: ArrayLike) -> Routes:
        """Multicast routes for `play`: see `neurosim.noc.routes.build_routes`."""
        return build_routes(self.noc, self.network.m, self.network.shape, src, dst_offset, dst)

    def play(
        self,
        src: ArrayLike,
        dst: ArrayLike,
        release: ArrayLike,
        *,
        gate_base: ArrayLike = (),
        **options: Any,
    ) -> TickResult:
        """`play_many` for one tick: packets released at cycles `release` of the tick."""
        ends = [0, np.asarray(src).size], [0, np.asarray(gate_base).size]
        return self.play_many(
            ends[0], src, dst, release, gate_base=gate_base, gate_offset=ends[1], **options
        )

    def play_many(
        self,
        tick_offset: ArrayLike,
        src: ArrayLike,
        dst: ArrayLike,
        release: ArrayLike,
        *,
        size: ArrayLike = 1,
        kind: ArrayLike = 0,
        routes: Routes | None = None,
        route: ArrayLike = -1,
        service: ArrayLike = 0,
        feeds: ArrayLike = -1,
        gate: ArrayLike = -1,
        gate_base: ArrayLike = (),
        gate_offset: ArrayLike = (0,),
        longest_tick: int = 1 << 40,
        check: bool = True,
    ) -> TickResult:
        """Play ticks; packets ``tick_offset[i]`` to ``tick_offset[i + 1]`` belong to tick ``i``.

        Parameters
        ----------
        tick_offset : (n_ticks + 1,) int
        src, dst : (n_packets,) int
            Terminals. A destination is ignored where `route` is given.
        release : (n_packets,) int
            Earliest cycle of injection, from the start of the tick; from the opening of the gate
            for gated packets. Need not be sorted. Packets of a source leave in order of release,
            equal ones in order of the array.
        size : int or (n_packets,) int
            Flits (wormhole) or bits (packet switching).
        kind : int or (n_packets,) int
            Class, see `CLASSES`.
        routes, route : Routes, (n_packets,) int
            Multicast route of each packet, -1 for a packet to `dst`.
        service : int or (n_deliveries,) int
            Cycles that the sink is busy with the delivery. Deliveries are in order of packets,
            those of a route in order of its destinations.
        feeds : (n_deliveries,) int
            Gate that waits for the delivery, -1 if none.
        gate : (n_packets,) int
            Gate that releases the packet, -1 if none.
        gate_base : (n_gates,) int
            Earliest opening, from the start of the tick.
        gate_offset : (n_ticks + 1,) int
            Gates ``gate_offset[i]`` to ``gate_offset[i + 1]`` belong to tick ``i``.
        longest_tick : int
            Cycles after which a tick is given up.
        check : bool
            False skips the checks of arrays that the caller made itself.

        Raises
        ------
        UsageError
            Malformed traffic, with the row.
        UnsupportedError
            Something that this network does not offer.
        SimulationFaultError
            Packets wait and nothing can ever move, or a tick takes longer than `longest_tick`.
        """
        tree = _ints("route", route)
        traffic = Traffic(
            tick_offset=_ints("tick_offset", tick_offset),
            src=_ints("src", src),
            dst=_ints("dst", dst),
            release=_ints("release", release),
            size=_ints("size", size),
            psum=(_ints("kind", kind) == PSUM_CLASS).astype(np.int64),
            tree=tree,
            delivery=_delivery_offsets(tree, routes, np.asarray(src).size),
            service=_ints("service", service),
            feeds=_ints("feeds", feeds),
            gate=_ints("gate", gate),
            gate_base=_ints("gate_base", gate_base),
            gate_offset=_ints("gate_offset", gate_offset),
        )
        if check:
            check_traffic(self.noc, traffic, self.longest_packet, routes)
        if len(traffic.gate_base):
            gates = np.broadcast_to(traffic.gate, traffic.src.shape)
            fed = np.broadcast_to(traffic.feeds, (traffic.n_deliveries,))
            traffic = traffic._replace(gate=gates.copy(), feeds=fed.copy())
        else:
            traffic = traffic._replace(gate_offset=np.zeros(1, np.int64))
        return self._play(traffic, routes, longest_tick)

    def _play(self, traffic: Traffic, routes: Routes | None, longest_tick: int) -> TickResult:
        net = self.network
        n, n_deliveries, n_gates = len(traffic.src), traffic.n_deliveries, len(traffic.gate_base)
        self._p = _grown(self._p, n * lay.PACKET_ROW)
        self._d = _grown(self._d, n_deliveries * lay.DELIVERY_ROW)
        heap = n_gates * lay.GATE_ROW
        order = heap + 2 * (n_gates + 1)
        self._g = _grown(self._g, order + n)
        unit = net.shape.packet_unit and int(traffic.size.max(initial=1)) > self._narrowest
        size = traffic.size if unit or not net.shape.packet_unit else np.ones(1, np.int64)
        one_each = int(len(traffic.delivery) == 0)
        shape = net.shape._replace(
            gate_heap=heap, order=order, packet_unit=int(unit), one_each=one_each
        )
        k = np.array(shape, np.int64)
        roots = routes.root if routes is not None else _ZERO
        packet_rows(self._p, traffic._replace(size=size), shape.sources, self._address, roots)
        delivery_rows(self._d, traffic)
        ticks = tick_rows(self._g, order, traffic, self._places)
        _clear_counters(net)
        trees = routes.cells if routes is not None else no_trees()
        code, tick = run_ticks(
            net.m, net.w, net.s, k, trees, self._p, self._d, self._g, ticks, longest_tick,
            True if net.noc.n_vcs > 1 else None,
        )  # fmt: skip
        if code != lay.DONE:
            self._fail(code, int(tick), n_gates, longest_tick)
        return self._result(traffic, ticks, bool(unit))

    def _fail(self, code: int, tick: int, n_gates: int, longest_tick: int) -> None:
        gates = self._g[: n_gates * lay.GATE_ROW].reshape(-1, lay.GATE_ROW)
        missing = gates[:, lay.G_WAIT]
        waiting = [(int(gate), int(missing[gate])) for gate in np.flatnonzero(missing)]
        if code == lay.STUCK:
            text = describe_fault(self.network, waiting)
        else:
            text = (
                f"network: {int(self.network.s[lay.N_LEFT])} deliveries are still to come after "
                f"{longest_tick} cycles. Send less traffic or allow more cycles."
            )
        self.reset()
        raise SimulationFaultError(f"tick {tick}: {text}")

    def _result(self, traffic: Traffic, ticks: I64, serial: bool) -> TickResult:
        net = self.network
        n, nd, ng = len(traffic.src), traffic.n_deliveries, len(traffic.gate_base)
        p = self._p[: n * lay.PACKET_ROW].reshape(-1, lay.PACKET_ROW)
        d = self._d[: nd * lay.DELIVERY_ROW].reshape(-1, lay.DELIVERY_ROW)
        g = self._g[: ng * lay.GATE_ROW].reshape(-1, lay.GATE_ROW)
        arrive = d[:, lay.D_ARRIVE].copy()
        bounds = traffic.tick_offset
        if len(traffic.delivery):
            bounds = traffic.delivery[bounds]
        flits = net.outputs[:, lay.O_FLITS].astype(np.int64).reshape(-1, 5)
        used = net.stats[:, lay.S_USED].copy().reshape(-1, 5) if serial else flits
        peaks = net.lanes[:, lay.L_PEAK].reshape(-1, 5, net.noc.n_vcs).sum(axis=2)
        n_windows, n_out = net.shape.n_windows, net.n_outputs
        window = net.s[net.shape.window :].reshape(n_windows, n_out // 5, 5).copy()
        return TickResult(
            inject_cycle=p[:, lay.P_INJECT].copy(),
            arrive_cycle=arrive,
            finish_cycle=d[:, lay.D_FINISH].copy(),
            drain_cycles=_last_of(arrive, bounds),
            done_cycles=ticks[:, lay.TICK_DONE].copy(),
            gate_cycle=g[:, lay.G_TIME].copy(),
            link_flits=flits,
            busy_cycles=used,
            stall_no_credit=net.stats[:, lay.S_STALL].copy().reshape(-1, 5),
            stall_lost=net.outputs[:, lay.O_LOST].astype(np.int64).reshape(-1, 5),
            queue_peak=peaks.astype(np.int64),
            source_peak=net.sources[:, lay.Q_PEAK].astype(np.int64),
            flit_hops=int(net.s[lay.N_MOVED]),
            window_cycles=int(net.s[lay.N_WINDOW]),
            window_flits=window,
        )


def _ints(what: str, array: ArrayLike) -> I64:
    values = np.asarray(array)
    if values.size and values.dtype.kind not in "iub":
        raise UsageError(
            f"{what} is an array of {values.dtype}, integers are needed. Convert it with astype."
        )
    return np.ascontiguousarray(values.reshape(-1), dtype=np.int64)


def _delivery_offsets(tree: I64, routes: Routes | None, n: int) -> I64:
    """Offsets of the deliveries of every packet, ``(n + 1,)``; empty if each has one."""
    if routes is None or not (tree >= 0).any() or tree.max() >= len(routes):
        return np.zeros(0, np.int64)
    tree = np.broadcast_to(tree, (n,))
    counts = np.diff(routes.offset)[np.maximum(tree, 0)]
    return np.concatenate([[0], np.cumsum(np.where(tree >= 0, counts, 1))])


def _grown(array: I64, cells: int) -> I64:
    return array if len(array) >= cells else aligned_zeros(cells + cells // 4 + 64, np.int64)


def _last_of(arrive: I64, bounds: I64) -> I64:
    """Largest entry of ``arrive[bounds[i]:bounds[i + 1]]``, 0 where there is none."""
    last = np.zeros(len(bounds) - 1, np.int64)
    full = np.diff(bounds) > 0
    if full.any():
        last[full] = np.maximum.reduceat(arrive, bounds[:-1][full])
    return last


def _clear_counters(net: Network) -> None:
    net.outputs[:, [lay.O_FLITS, lay.O_LOST]] = 0
    net.stats[:, [lay.S_STALL, lay.S_USED]] = 0
    net.lanes[:, lay.L_PEAK] = 0
    net.sources[:, lay.Q_PEAK] = 0
    net.s[lay.N_MOVED] = 0
    if net.shape.n_windows:
        net.s[lay.N_WINDOW] = 1
        net.s[net.shape.window :] = 0


def _refuse(values: I64, bad: NDArray[np.bool_], what: str, need: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise UsageError(f"{what} in row {row} is {values[row]}, {need}.")


def check_traffic(
    noc: Noc, traffic: Traffic, longest_packet: int, routes: Routes | None = None
) -> None:
    """Refuse malformed traffic, naming the row.

    Raises
    ------
    UsageError, UnsupportedError
        See `TickNetwork.play_many`.
    """
    n = len(traffic.src)
    if n > MAX_PACKETS:
        raise UsageError(
            f"traffic has {n} packets, one run holds {MAX_PACKETS}. Play it in several parts."
        )
    for what, length in (("dst", n), ("release", n)):
        if len(getattr(traffic, what)) != length:
            raise UsageError(f"{what} has {len(getattr(traffic, what))} rows, src has {n}.")
    per_delivery = traffic.n_deliveries
    optional = {"size": n, "tree": n, "psum": n, "gate": n}
    optional |= {"service": per_delivery, "feeds": per_delivery}
    names = {"tree": "route", "psum": "kind"}
    for what, length in optional.items():
        if len(getattr(traffic, what)) not in (1, length):
            raise UsageError(
                f"{names.get(what, what)} has {len(getattr(traffic, what))} rows, {length} are "
                "needed, or one for all."
            )
    _check_offsets("tick_offset", traffic.tick_offset, n)
    check_terminals(noc, "src", traffic.src)
    unrouted = traffic.tree < 0
    check_terminals(noc, "dst", np.where(unrouted, traffic.dst, 0))
    _refuse(traffic.release, traffic.release < 0, "release cycle", "it must not be negative")
    _refuse(traffic.service, traffic.service < 0, "service", "it must not be negative")
    _refuse(traffic.size, traffic.size < 1, "size", "a packet has at least 1")
    if noc.switching == "packet":
        _refuse(
            traffic.size, traffic.size > longest_packet, "size",
            f"this network was made for packets of up to {longest_packet} bits",
        )  # fmt: skip
    else:
        _refuse(traffic.size, traffic.size > 1 << 24, "size", f"the most is {1 << 24} flits")
    _check_gates(traffic)
    _check_routes(noc, traffic, routes)


def _check_offsets(what: str, offset: I64, n: int) -> None:
    if len(offset) < 1 or offset[0] != 0 or offset[-1] != n or (np.diff(offset) < 0).any():
        raise UsageError(f"{what} must rise from 0 to {n}, the number of rows that it divides.")


def _check_gates(traffic: Traffic) -> None:
    n_gates = len(traffic.gate_base)
    for what in ("gate", "feeds"):
        values = getattr(traffic, what)
        bad = (values < -1) | (values >= n_gates)
        _refuse(values, bad, what, f"there are {n_gates} gates")
    _refuse(traffic.gate_base, traffic.gate_base < 0, "gate_base", "it must not be negative")
    if n_gates == 0:
        return
    n_ticks = len(traffic.tick_offset) - 1
    if len(traffic.gate_offset) != n_ticks + 1:
        raise UsageError(
            f"gate_offset has {len(traffic.gate_offset)} entries, {n_ticks + 1} are needed."
        )
    _check_offsets("gate_offset", traffic.gate_offset, n_gates)
    bounds = traffic.tick_offset
    for what in ("gate", "feeds"):
        values = getattr(traffic, what)
        if len(values) == 1 and values[0] < 0:
            continue
        if what == "feeds" and len(traffic.delivery):
            bounds = traffic.delivery[bounds]
        tick = np.repeat(np.arange(n_ticks), np.diff(bounds))
        low, high = traffic.gate_offset[tick], traffic.gate_offset[tick + 1]
        bad = (values >= 0) & ((values < low) | (values >= high))
        _refuse(values, bad, what, "a gate of another tick")


def _check_routes(noc: Noc, traffic: Traffic, routes: Routes | None) -> None:
    routed = traffic.tree >= 0
    if not routed.any():
        return
    n_routes = 0 if routes is None else len(routes)
    _refuse(traffic.tree, traffic.tree >= n_routes, "route", f"there are {n_routes} routes")
    assert routes is not None
    size = np.broadcast_to(traffic.size, routed.shape)
    if noc.switching == "wormhole" and (size[routed] > 1).any():
        raise UnsupportedError(
            "multicast packets of several flits block each other for ever under wormhole "
            "switching (each branch holds what the other needs). Use switching='packet'."
        )
    wrong = routed & (routes.source[np.where(routed, traffic.tree, 0)] != traffic.src)
    _refuse(traffic.src, wrong, "src", "its route starts elsewhere")


__all__ = ["CLASSES", "TickNetwork", "TickResult"]
