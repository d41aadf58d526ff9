"""The network by formula: link loads, zero-load latency, saturation, contention, tick length.

Loads are exact (difference arrays: a packet adds +1 where its straight segment starts and -1
where it ends, one cumulative sum gives every link). Latency under load is the output-contention
formula; both are compared with the cycle model in the tests, which is where the stated error
bands come from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurosim.errors import UnsupportedError
from neurosim.kernels.noc_layout import I64
from neurosim.noc.bands import VALID_SHARE, credit_loop_cycles
from neurosim.noc.model import Noc
from neurosim.noc.simulate import routers_passed

Floats = NDArray[np.float64]


def _segments(noc: Noc, src: I64, dst: I64) -> tuple[I64, I64, I64, I64, I64, I64]:
    """Ends of the x segment (row, from, to) and of the y segment (column, from, to)."""
    if noc.topology != "mesh" or noc.dead_links or noc.dead_routers:
        raise UnsupportedError(
            "the closed-form network is for a whole mesh; this one is a torus or has dead links. "
            "Use the cycle model."
        )
    host_s, host_d = src >= noc.n_routers, dst >= noc.n_routers
    x0 = np.where(host_s, 0, src % noc.width)
    y0 = np.where(host_s, src - noc.n_routers, src // noc.width)
    x1 = np.where(host_d, 0, dst % noc.width)
    y1 = np.where(host_d, dst - noc.n_routers, dst // noc.width)
    if noc.routing == "xy":
        return y0, x0, x1, x1, y0, y1
    return y1, x0, x1, x0, y0, y1


def _along(length: int, line: I64, a: I64, b: I64, weight: Floats, n_lines: int) -> list[Floats]:
    """Loads of the links up and down along `n_lines` lines of `length` routers."""
    loads = []
    for low, high in ((a, b), (b, a)):
        steps = np.zeros((n_lines, length + 1))
        on = low < high
        np.add.at(steps, (line[on], low[on]), weight[on])
        np.add.at(steps, (line[on], high[on]), -weight[on])
        loads.append(np.cumsum(steps, axis=1)[:, :length])
    return loads


def link_loads(noc: Noc, src: ArrayLike, dst: ArrayLike, weight: ArrayLike = 1) -> Floats:
    """Packets (times `weight`) over every output, ``(n_routers, 5)``, as `link_flits` counts.

    Host packets leave through port 1 of the edge router.

    Raises
    ------
    UnsupportedError
        A torus or dead links.
    """
    s, d = np.asarray(src, np.int64).ravel(), np.asarray(dst, np.int64).ravel()
    w = np.broadcast_to(np.asarray(weight, np.float64), s.shape)
    row, x0, x1, column, y0, y1 = _segments(noc, s, d)
    loads = np.zeros((noc.n_routers, 5))
    east, west = _along(noc.width, row, x0, x1, w, noc.height)
    north, south = _along(noc.height, column, y0, y1, w, noc.width)
    loads[:, 0] = east.ravel()
    loads[:, 1] = np.roll(west, 1, axis=1).ravel()
    loads[:, 2] = north.T.ravel()
    loads[:, 3] = np.roll(south, 1, axis=1).T.ravel()
    host = d >= noc.n_routers
    np.add.at(loads[:, 4], d[~host], w[~host])
    np.add.at(loads[:, 1], (d[host] - noc.n_routers) * noc.width, w[host])
    return loads


def zero_load_latency(noc: Noc, src: ArrayLike, dst: ArrayLike, n_flits: ArrayLike = 1) -> I64:
    """Cycles from creation to arrival of the tail when nothing else is on the way.

    ``T0 = source + hop * routers + (flits - 1)``: 2 + 3 * hops + ... for ``single``, 2 + 5 * hops
    for ``default``. Links between chips with a latency of their own are not included.
    """
    s, d = np.asarray(src, np.int64), np.asarray(dst, np.int64)
    hops = routers_passed(noc, np.atleast_1d(s), np.atleast_1d(d))
    latency: I64 = noc.source_cycles + noc.hop_cycles * hops + np.asarray(n_flits) - 1
    return latency


@dataclass(frozen=True)
class Load:
    """A steady load of the network and its bound.

    Attributes
    ----------
    rate : float
        Flits per router and cycle.
    bound : float
        Rate at which the busiest link, source or sink would be full: saturation is never above.
    valid : bool
        Whether `rate` is below 0.7 of the bound, up to where the latency is meant to be used.
    latency : float
        Mean cycles from creation to arrival.
    error_band : tuple of float
        Smallest and largest relative error of the mean seen against the cycle model at this share
        of the bound (one virtual channel).
    """

    rate: float
    bound: float
    valid: bool
    latency: float
    error_band: tuple[float, float]


def saturation_bound(noc: Noc, flows: Floats) -> float:
    """Largest rate (flits per router and cycle) that no link, source or sink forbids.

    Parameters
    ----------
    flows : (n_routers, n_routers) float
        Share of the packets of every router that go to every router.
    """
    src, dst = np.nonzero(flows)
    loads = link_loads(noc, src, dst, flows[src, dst])
    busiest = max(float(loads.max()), float(flows.sum(axis=1).max()))
    capacity = 1.0
    if noc.switching == "wormhole":
        capacity = min(1.0, noc.buffer_flits * noc.n_vcs / credit_loop_cycles(noc))
    return min(capacity / busiest, 1.0)


_BANDS = ((0.25, -0.005, 0.005), (0.45, -0.02, 0.02), (0.65, -0.12, 0.02), (9.9, -0.30, 0.02))


def contention_latency(noc: Noc, flows: Floats, rate: float, n_flits: int = 1) -> Load:
    """Mean latency at a steady `rate`, by contention at the outputs.

    An output with load L, of which input i brings l_i, keeps a flit waiting
    ``W = (L^2 - sum l_i^2) / (2 L (1 - L))`` cycles: flits of one input never meet each other.
    W summed along the path is added to the zero-load latency. With packets of several flits W
    counts packets times their length (an estimate without a stated band).

    Raises
    ------
    UnsupportedError
        A torus or dead links.
    """
    bound = saturation_bound(noc, flows)
    per_input = _input_loads(noc, flows) * rate
    total = per_input.sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        wait = (total**2 - (per_input**2).sum(axis=1)) / (2 * total * (1 - total))
    wait = np.where(total > 0, np.where(total < 1, wait, np.inf), 0.0) * n_flits
    src, dst = np.nonzero(flows)
    share = flows[src, dst] / flows.sum()
    zero = zero_load_latency(noc, src, dst, n_flits)
    packets_over = per_input.sum(axis=1) / max(rate * flows.sum(), 1e-300)
    used = packets_over > 0
    queueing = float((packets_over[used] * wait[used]).sum())
    _, low, high = next(band for band in _BANDS if rate / bound <= band[0])
    return Load(
        rate, bound, rate < VALID_SHARE * bound, float((share * zero).sum()) + queueing, (low, high)
    )


def _input_loads(noc: Noc, flows: Floats) -> Floats:
    """Load per unit rate of every output by input port, ``(n_routers, 5 inputs, 5 outputs)``."""
    inputs = np.zeros((noc.n_routers, 5, 5))
    src, dst = np.nonzero(flows)
    weight = flows[src, dst]
    x, y, gx, gy = src % noc.width, src // noc.width, dst % noc.width, dst // noc.width
    came = np.full(len(src), 4)
    while len(x):
        port = _next_port(noc, x, y, gx, gy)
        np.add.at(inputs, (y * noc.width + x, came, port), weight)
        on = port < 4
        x = (x + (port == 0) - (port == 1))[on]
        y = (y + (port == 2) - (port == 3))[on]
        gx, gy, weight, came = gx[on], gy[on], weight[on], (port ^ 1)[on]
    return inputs


def _next_port(noc: Noc, x: I64, y: I64, gx: I64, gy: I64) -> I64:
    along_x = np.where(gx > x, 0, 1)
    along_y = np.where(gy > y, 2, 3)
    if noc.routing == "xy":
        return np.where(gx != x, along_x, np.where(gy != y, along_y, 4))
    return np.where(gy != y, along_y, np.where(gx != x, along_x, 4))


@dataclass(frozen=True)
class TickEstimate:
    """Length of a tick whose packets are all released at its start.

    Attributes
    ----------
    lower_bound_cycles : int
        The network cannot be faster.
    cycles : int
        Busiest link (or source, or sink) plus the longest route.
    error_band : tuple of float
        The cycle model lies between these multiples of `cycles`.
    """

    lower_bound_cycles: int
    cycles: int
    error_band: tuple[float, float] = (0.6, 1.4)


def tick_estimate(noc: Noc, src: ArrayLike, dst: ArrayLike, n_flits: ArrayLike = 1) -> TickEstimate:
    """Drain time of packets that are all there at the start of a tick, without simulating."""
    s, d = np.asarray(src, np.int64).ravel(), np.asarray(dst, np.int64).ravel()
    if len(s) == 0:
        return TickEstimate(0, 0)
    flits = np.broadcast_to(np.asarray(n_flits, np.int64), s.shape)
    loads = link_loads(noc, s, d, flits)
    injected = np.zeros(noc.n_terminals)
    np.add.at(injected, s, flits)
    busiest = int(max(loads.max(), injected.max()))
    longest = int(zero_load_latency(noc, s, d, flits).max())
    passed = noc.source_cycles + noc.grant_cycles - 1
    return TickEstimate(max(busiest + passed, longest), busiest + longest)
