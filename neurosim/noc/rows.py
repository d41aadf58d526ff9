"""From arrays of traffic to the rows of packets, deliveries, gates and ticks of the kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from neurosim.kernels import noc_layout as lay
from neurosim.kernels.noc_layout import I64
from neurosim.kernels.noc_packets import fill_packets, order_dense


class Traffic(NamedTuple):
    """Arrays of packets (see `TickNetwork.play_many`); those of length 1 hold for all."""

    tick_offset: I64
    src: I64
    dst: I64
    release: I64
    size: I64
    psum: I64
    tree: I64
    delivery: I64
    service: I64
    feeds: I64
    gate: I64
    gate_base: I64
    gate_offset: I64

    @property
    def n_deliveries(self) -> int:
        """Number of deliveries."""
        return int(self.delivery[-1]) if len(self.delivery) else len(self.src)


def packet_rows(p: I64, traffic: Traffic, sources: int, address: I64, root: I64) -> None:
    """Write the rows `P_*` of all packets into `p`.

    `sources` is the position of the first source in ``m``; `address` maps terminals to address
    bits; `root` is the row of every tree.
    """
    fill_packets(
        p, sources, traffic.src, traffic.dst, address, traffic.tree, root, traffic.size,
        traffic.psum, traffic.release, traffic.gate, traffic.delivery,
    )  # fmt: skip


def delivery_rows(d: I64, traffic: Traffic) -> None:
    """Write the rows `D_*` of all deliveries into `d`."""
    rows = d[: traffic.n_deliveries * lay.DELIVERY_ROW].reshape(-1, lay.DELIVERY_ROW)
    plain = np.array([-1, -1, traffic.service[0], traffic.feeds[0]]) if len(rows) else -1
    rows[:] = plain  # at one go: four passes with a stride take four times as long
    if len(traffic.service) > 1:
        rows[:, lay.D_SERVICE] = traffic.service
    if len(traffic.feeds) > 1:
        rows[:, lay.D_FEEDS] = traffic.feeds


def tick_rows(g: I64, order_at: int, traffic: Traffic, places: I64) -> I64:
    """The rows `TICK_*`; writes the rows `G_*` and the order of release (from `order_at`) into `g`.

    `places` is scratch.
    """
    ends = traffic.tick_offset
    ticks = np.zeros((len(ends) - 1, lay.TICK_ROW), np.int64)
    ticks[:, lay.TICK_FIRST] = ends[:-1]
    ticks[:, lay.TICK_FREE_END] = ends[1:]
    bounds = traffic.delivery[ends] if len(traffic.delivery) else ends
    ticks[:, lay.TICK_DELIVERIES] = np.diff(bounds)
    order = g[order_at : order_at + len(traffic.src)]
    if len(traffic.gate_base):
        _order_gated(g, order, traffic, ticks)
    elif not order_dense(order, ends, traffic.release, places):
        order[:] = np.lexsort((traffic.release, _ticks_of(ends)))
    return ticks


def _ticks_of(ends: I64) -> I64:
    """Tick of every packet."""
    return np.repeat(np.arange(len(ends) - 1), np.diff(ends))


def _order_gated(g: I64, order: I64, traffic: Traffic, ticks: I64) -> None:
    """Of every tick the packets without gate, then gate by gate, each in order of release."""
    n_gates = len(traffic.gate_base)
    tick = _ticks_of(traffic.tick_offset)
    order[:] = np.lexsort((traffic.release, traffic.gate, tick))
    free = np.bincount(tick[traffic.gate < 0], minlength=len(ticks))
    ticks[:, lay.TICK_FREE_END] = ticks[:, lay.TICK_FIRST] + free
    ticks[:, lay.TICK_GATE] = traffic.gate_offset[:-1]
    ticks[:, lay.TICK_GATE_END] = traffic.gate_offset[1:]
    rows = g[: n_gates * lay.GATE_ROW].reshape(-1, lay.GATE_ROW)
    rows[:, lay.G_WAIT] = np.bincount(traffic.feeds[traffic.feeds >= 0], minlength=n_gates)
    rows[:, lay.G_TIME] = traffic.gate_base
    rows[:, lay.G_CURSOR : lay.G_END + 1] = 0
    in_turn = traffic.gate[order]
    held = np.flatnonzero(in_turn >= 0)
    rows[in_turn[held], lay.G_END] = held + 1  # of equal rows the last write stays
    rows[in_turn[held[::-1]], lay.G_CURSOR] = held[::-1]
