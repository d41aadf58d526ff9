"""`simulate_noc`: traffic in, cycles out, for those who want the network alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from neurosim.errors import UnsupportedError, UsageError
from neurosim.kernels.noc_layout import I64
from neurosim.noc.links import neighbour_ports
from neurosim.noc.model import Noc
from neurosim.noc.routes import next_ports
from neurosim.noc.tick import CLASSES, TickNetwork


@dataclass(frozen=True)
class NocResult:
    """What became of the packets.

    Attributes
    ----------
    inject_cycle : (n_packets,) int64
        The head leaves the source.
    arrive_cycle : (n_deliveries,) int64
        The tail arrives. One delivery per packet without multicast.
    hops : (n_deliveries,) int64
        Routers passed: distance + 1.
    latency : (n_deliveries,) int64
        Arrival minus creation.
    packet_of_delivery : (n_deliveries,) int64
    kind : (n_packets,) int64
        Class of the packet, see `neurosim.noc.CLASSES`.
    link_flits : (n_routers, 5) int64
        Flits that left every router through 0 +x, 1 -x, 2 +y, 3 -y, 4 local.
    busy_cycles : (n_routers, 5) int64
        Cycles in which the link carried bits.
    stall_no_credit, stall_lost : (n_routers, 5) int64
        Cycles in which an output had something to send and no place behind it; flits that waited
        for an output while another one went, summed over cycles.
    queue_peak : (n_routers, 5) int64
        Most flits (packets) in an input buffer.
    source_peak : (n_terminals,) int64
        Most packets waiting at a source.
    drain_cycle : int
        Last arrival.
    flit_hops : int
        Flits times routers.
    window_cycles : int
        Cycles per row of `window_flits`, 0 if not asked for.
    window_flits : (n_windows, n_routers, 5) int64
    """

    inject_cycle: I64
    arrive_cycle: I64
    hops: I64
    latency: I64
    packet_of_delivery: I64
    kind: I64
    link_flits: I64
    busy_cycles: I64
    stall_no_credit: I64
    stall_lost: I64
    queue_peak: I64
    source_peak: I64
    drain_cycle: int
    flit_hops: int
    window_cycles: int
    window_flits: I64

    def latency_histogram(self) -> dict[str, I64]:
        """Number of deliveries by latency in cycles, for every class that occurs."""
        kind = self.kind[self.packet_of_delivery]
        return {
            name: np.bincount(self.latency[kind == number])
            for number, name in enumerate(CLASSES)
            if (kind == number).any()
        }

    def utilisation(self) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        """Share of the cycles up to the last arrival in which each link carried bits."""
        return self.busy_cycles / max(self.drain_cycle, 1)


def simulate_noc(
    noc: Noc,
    src: ArrayLike,
    dst: ArrayLike,
    create_cycle: ArrayLike,
    n_flits: ArrayLike = 1,
    *,
    bits: ArrayLike | None = None,
    kind: ArrayLike = 0,
    dst_offset: ArrayLike | None = None,
    service: ArrayLike = 0,
    max_cycles: int = 1 << 40,
    n_windows: int = 0,
) -> NocResult:
    """Play packets through the network, cycle by cycle, until all have arrived.

    Parameters
    ----------
    noc : Noc
    src, dst : (n_packets,) int
        Terminals: router ``y * width + x``, then the host ports.
    create_cycle : (n_packets,) int
        Not decreasing. A source sends its packets in order.
    n_flits : int or (n_packets,) int
        Flits per packet.
    bits : int or (n_packets,) int, optional
        Bits per packet, packet switching only; ``n_flits * link_bits`` (or ``noc.packet_bits`` if
        that is set and `n_flits` is 1) if not given.
    kind : int or (n_packets,) int
        Class: 0 spike, 1 analog, 2 partial sum, 3 input and output.
    dst_offset : (n_packets + 1,) int, optional
        Packet ``i`` goes to all of ``dst[dst_offset[i]:dst_offset[i + 1]]`` (multicast).
    service : int or (n_deliveries,) int
        Cycles that the sink is busy with each delivery.
    max_cycles : int
        Give up after so many cycles.
    n_windows : int
        Count flits per link in up to so many stretches of time.

    Raises
    ------
    UsageError
        Malformed traffic: nodes outside, negative or unsorted times, wrong lengths; with the row.
    UnsupportedError
        What this network does not offer, with the reason.
    SimulationFaultError
        Packets wait and nothing can ever move, or `max_cycles` is over.
    """
    source, create = np.asarray(src).reshape(-1), np.asarray(create_cycle).reshape(-1)
    back = np.flatnonzero(np.diff(create) < 0) if create.dtype.kind in "iu" else np.zeros(0, int)
    if len(back):
        row = int(back[0]) + 1
        raise UsageError(
            f"create_cycle in row {row} is {create[row]}, after {create[row - 1]} in the row "
            "before. Sort the packets by time."
        )
    size = packet_sizes(noc, n_flits, bits)
    longest = int(size.max(initial=1)) if noc.switching == "packet" else None
    network = TickNetwork(noc, longest, n_windows)
    if len(source) == 0:
        source = source.astype(np.int64)
    routes, route, target = None, np.array(-1), np.asarray(dst).reshape(-1)
    if dst_offset is not None:
        routes = network.routes(source, dst_offset, target)
        route = np.arange(len(source))
        target = np.zeros(len(source), np.int64)
    played = network.play(
        source, target, create, size=size, kind=kind, service=service, route=route, routes=routes,
        longest_tick=max_cycles,
    )  # fmt: skip
    kinds = np.broadcast_to(np.asarray(kind, np.int64), source.shape)
    if routes is not None:
        packet = np.repeat(np.arange(len(source)), np.diff(routes.offset))
        hops = routes.hops
    else:
        packet = np.arange(len(source))
        hops = routers_passed(noc, source.astype(np.int64), target.astype(np.int64))
    arrive = played.arrive_cycle
    return NocResult(
        inject_cycle=played.inject_cycle,
        arrive_cycle=arrive,
        hops=hops,
        latency=arrive - create.astype(np.int64)[packet],
        packet_of_delivery=packet,
        kind=kinds,
        link_flits=played.link_flits,
        busy_cycles=played.busy_cycles,
        stall_no_credit=played.stall_no_credit,
        stall_lost=played.stall_lost,
        queue_peak=played.queue_peak,
        source_peak=played.source_peak,
        drain_cycle=int(arrive.max(initial=0)),
        flit_hops=played.flit_hops,
        window_cycles=played.window_cycles,
        window_flits=played.window_flits,
    )


def packet_sizes(noc: Noc, n_flits: ArrayLike, bits: ArrayLike | None) -> I64:
    """Sizes as the network wants them: flits, or bits with packet switching.

    Raises
    ------
    UnsupportedError
        Bits given to a wormhole network.
    """
    flits = np.asarray(n_flits)
    given = flits if bits is None else np.asarray(bits)
    if flits.dtype.kind not in "iu" or given.dtype.kind not in "iu":
        raise UsageError("n_flits and bits must be integers.")
    if noc.switching == "wormhole":
        if bits is not None:
            raise UnsupportedError(
                "bits per packet need switching='packet'; a wormhole network counts n_flits."
            )
        return flits.reshape(-1).astype(np.int64)
    if bits is not None:
        return np.asarray(bits).reshape(-1).astype(np.int64)
    if noc.packet_bits is not None and flits.ndim == 0 and flits == 1:
        return np.array([noc.packet_bits])
    return flits.reshape(-1).astype(np.int64) * noc.link_bits


def routers_passed(noc: Noc, src: I64, dst: I64) -> I64:
    """Routers on the way from terminal to terminal: distance + 1."""

    def place(terminal: I64) -> tuple[I64, I64]:
        host = terminal >= noc.n_routers
        x = np.where(host, 0, terminal % noc.width)
        return x, np.where(host, terminal - noc.n_routers, terminal // noc.width)

    (x0, y0), (x1, y1) = place(src), place(dst)
    if noc.dead_links or noc.dead_routers:
        return _table_hops(noc, y0 * noc.width + x0, y1 * noc.width + x1)
    dx, dy = np.abs(x1 - x0), np.abs(y1 - y0)
    if noc.topology == "torus":
        dx, dy = np.minimum(dx, noc.width - dx), np.minimum(dy, noc.height - dy)
    hops: I64 = dx + dy + 1
    return hops


def _table_hops(noc: Noc, src: I64, dst: I64) -> I64:
    to = neighbour_ports(noc)
    table = next_ports(noc, to)
    here, hops = src.copy(), np.ones(len(src), np.int64)
    moving = here != dst
    while moving.any():
        port = table[here[moving], dst[moving]]
        here[moving] = to[here[moving], port]
        hops[moving] += 1
        moving = here != dst
    return hops
