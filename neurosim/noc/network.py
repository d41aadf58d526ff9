"""From a `Noc` to the arrays of the kernels (`neurosim.kernels.noc_layout`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from neurosim.errors import DoesNotFitError
from neurosim.kernels import noc_layout as lay
from neurosim.kernels.noc_layout import I32, I64, PORTS, Shape
from neurosim.noc.links import OPPOSITE_PORT, link_figures, neighbour_ports, source_ports
from neurosim.noc.model import Noc
from neurosim.noc.routes import route_table


def _winner_table() -> I32:
    table = np.zeros(PORTS * 32, np.int32)
    for pointer in range(PORTS):
        for mask in range(1, 32):
            turn = [(pointer + k) % PORTS for k in range(PORTS)]
            table[pointer * 32 + mask] = next(port for port in turn if mask >> port & 1)
    return table


def _order_table(routing: str) -> I32:
    """Port by ``3 * sign(dx) + sign(dy) + 4``; 5 means the sink named by the packet."""
    table = np.zeros(9, np.int32)
    for sx in (-1, 0, 1):
        for sy in (-1, 0, 1):
            along_x = {1: 0, -1: 1, 0: None}[sx]
            along_y = {1: 2, -1: 3, 0: None}[sy]
            pair = (along_x, along_y) if routing == "xy" else (along_y, along_x)
            table[3 * sx + sy + 4] = next((port for port in pair if port is not None), 5)
    return table


def _output_rows(noc: Noc) -> tuple[I32, I32]:
    """Rows of the outputs but for positions of lanes, and their extra latency ``(n_outputs,)``."""
    extra, bits = link_figures(noc)
    to = neighbour_ports(noc)
    row = 16 if noc.n_vcs == 1 else 32
    out = np.zeros((noc.n_routers, PORTS, row), np.int32)
    out[:, :, lay.O_TARGET] = lay.NO_LINK
    out[:, :, lay.O_DELAY] = noc.grant_cycles + extra
    out[:, :, lay.O_WIDTH] = bits
    out[:, :, lay.O_PORT] = np.arange(PORTS)
    for port in range(4):
        there = to[:, port]
        lane = (there * PORTS + OPPOSITE_PORT[port]) * noc.n_vcs
        out[:, port, lay.O_TARGET] = np.where(there >= 0, lane, lay.NO_LINK)
    routers, ports = source_ports(noc)
    out[routers, ports, lay.O_TARGET] = -1 - np.arange(len(routers))
    for vc in range(noc.n_vcs):
        out[:, :, lay.O_CREDIT + 2 * vc] = noc.buffer_flits
        out[:, :, lay.O_LOCK + 2 * vc] = -1
    if noc.topology == "torus":
        x = np.arange(noc.n_routers) % noc.width
        y = np.arange(noc.n_routers) // noc.width
        ends = (x == noc.width - 1, x == 0, y == noc.height - 1, y == 0)
        for port, end in enumerate(ends):
            out[:, port, lay.O_WRAPS] = end
    rows = out.reshape(-1, row)
    rows[:, lay.O_STAT] = lay.N_CELLS + np.arange(len(rows)) * lay.STAT_ROW
    return rows, extra.reshape(-1)


def _lane_rows(noc: Noc, out: I32, extra: I32, sources: int) -> I32:
    """Rows of the lanes; `sources` is the position of the first source."""
    n_vcs, row = noc.n_vcs, out.shape[1]
    index = np.arange(noc.n_routers * PORTS * n_vcs)
    lane = np.zeros((len(index), lay.LANE_ROW), np.int32)
    router = index // (PORTS * n_vcs)
    bit = index % (PORTS * n_vcs)
    port = index // n_vcs
    lane[:, lay.L_BASE] = router * PORTS * row
    lane[:, lay.L_BIT] = bit
    lane[:, lay.L_X] = router % noc.width
    lane[:, lay.L_Y] = router // noc.width
    lane[:, lay.L_NEXT] = (bit // n_vcs + 1) % PORTS
    lane[:, lay.L_FIFO] = index * noc.buffer_flits
    lane[:, lay.L_INPUT] = lay.N_CELLS + port * lay.STAT_ROW + lay.S_INPUT_BUSY
    lane[:, lay.L_UPDELAY] = noc.credit_return_cycles
    outputs = np.flatnonzero(out[:, lay.O_TARGET] >= 0)
    routers, ports = source_ports(noc)
    fed = (routers * PORTS + ports) * n_vcs
    for vc in range(n_vcs):
        below = out[outputs, lay.O_TARGET] + vc
        lane[below, lay.L_UP] = outputs * row * 8 + vc
        lane[below, lay.L_UPDELAY] += extra[outputs]
        lane[fed + vc, lay.L_UP] = (sources + np.arange(len(fed)) * lay.SOURCE_ROW) * 8 + vc
    return lane


def _source_rows(noc: Noc, first_lane: int, busy: int) -> I32:
    """Rows of the sources; `busy` is the position of their cells in s."""
    routers, ports = source_ports(noc)
    source = np.zeros((len(routers), lay.SOURCE_ROW), np.int32)
    source[:, lay.Q_HEAD : lay.Q_TAIL + 2] = -1
    source[:, lay.Q_LANE] = first_lane + (routers * PORTS + ports) * noc.n_vcs * lay.LANE_ROW
    source[:, lay.Q_BUSY] = busy + np.arange(len(source))
    source[:, lay.Q_CREDIT : lay.Q_CREDIT + noc.n_vcs] = noc.buffer_flits
    return source


def _link_rows(out: I32, lane: I32) -> None:
    """Replace lane numbers in the rows of the outputs by positions."""
    first_lane = out.size
    linked = out[:, lay.O_TARGET] >= 0
    out[linked, lay.O_TARGET] = first_lane + out[linked, lay.O_TARGET] * lay.LANE_ROW
    lanes_per_router = lane.shape[0] // (len(out) // PORTS)
    router = np.arange(len(out)) // PORTS
    out[:, lay.O_LANES] = first_lane + router * lanes_per_router * lay.LANE_ROW


@dataclass(frozen=True)
class Network:
    """Arrays of a network, to be changed in place by the kernels (see `noc_layout`)."""

    noc: Noc
    shape: Shape
    m: I32
    w: I64
    s: I64

    @property
    def n_outputs(self) -> int:
        """Number of outputs: five per router."""
        return self.noc.n_routers * PORTS

    @property
    def outputs(self) -> I32:
        """View of the rows of the outputs."""
        row = self.shape.out_row
        return self.m[: self.n_outputs * row].reshape(-1, row)

    @property
    def lanes(self) -> I32:
        """View of the rows of the lanes."""
        first = self.n_outputs * self.shape.out_row
        return self.m[first : self.shape.sources].reshape(-1, lay.LANE_ROW)

    @property
    def sources(self) -> I32:
        """View of the rows of the sources."""
        first = self.shape.sources
        n = self.noc.n_terminals * lay.SOURCE_ROW
        return self.m[first : first + n].reshape(-1, lay.SOURCE_ROW)

    @property
    def stats(self) -> I64:
        """View of the rows of counters."""
        first = lay.N_CELLS
        return self.s[first : first + self.n_outputs * lay.STAT_ROW].reshape(-1, lay.STAT_ROW)


def _with_slots(noc: Noc, out: I32, lane: I32, longest_packet: int) -> int:
    """Number of slots of the calendar: a power of two above every delay."""
    delay = int(out[:, lay.O_DELAY].max()) + int(lane[:, lay.L_UPDELAY].max())
    delay += noc.source_cycles + noc.credit_return_cycles
    if noc.switching == "packet":
        delay += -(-longest_packet // int(out[:, lay.O_WIDTH].min()))
    return 1 << int(delay + 2).bit_length()


def _point_at_routes(noc: Noc, lanes: I32, route: int) -> None:
    """Write the row of the table of routes at `route` into every lane."""
    rows = lanes.reshape(-1, lay.LANE_ROW)
    router = np.arange(len(rows)) // (PORTS * noc.n_vcs)
    rows[:, lay.L_X] = route + router * noc.n_terminals


def _route_mode(noc: Noc, tables: bool) -> int:
    if tables:
        return lay.ROUTE_TABLE
    return lay.ROUTE_TORUS if noc.topology == "torus" else lay.ROUTE_MESH


def build_network(noc: Noc, longest_packet: int = 1, n_windows: int = 0) -> Network:
    """Arrays of an empty network.

    Parameters
    ----------
    longest_packet : int
        Bits of the longest packet to come (packet switching).
    n_windows : int
        Stretches of time for which flits per link are counted; even, 0 for none.

    Raises
    ------
    DoesNotFitError
        Dead links cut the mesh into parts, or the arrays become too large.
    """
    out, extra = _output_rows(noc)
    n_lanes = len(out) * noc.n_vcs
    sources = out.size + n_lanes * lay.LANE_ROW
    lane = _lane_rows(noc, out, extra, sources)
    busy = lay.N_CELLS + len(out) * lay.STAT_ROW
    source = _source_rows(noc, out.size, busy)
    _link_rows(out, lane)
    tables = bool(noc.dead_links or noc.dead_routers)
    route = route_table(noc, neighbour_ports(noc)) if tables else _order_table(noc.routing)
    n_slots = _with_slots(noc, out, lane, longest_packet)
    credit_slot = 2 * len(out) + 2 * len(source)
    n_fifo = n_lanes * noc.buffer_flits
    window = busy + len(source) + 2 * (len(source) * n_fifo // len(out) + 1)
    parts: dict[str, I32 | int] = {
        "out": out.reshape(-1),
        "lane": lane.reshape(-1),
        "sources": source.reshape(-1),
        "ready": len(out),
        "active": len(source),
        "grant": 3 * (len(out) + n_lanes),
        "accept": 8 + len(out),
        "winner": _winner_table(),
        "route": route,
        "cal_n": 4 * n_slots,
        "cal_credit": n_slots * credit_slot,
        "cal_ask": n_slots * n_lanes,
    }
    at, m = _lay_out(parts)
    if tables:
        _point_at_routes(noc, m[at["lane"] : at["sources"]], at["route"])
    shape = Shape(
        n_vcs=noc.n_vcs,
        depth=noc.buffer_flits,
        pipeline=lay.DEFAULT if noc.pipeline == "default" else lay.SINGLE,
        route_mode=_route_mode(noc, tables),
        width=noc.width,
        height=noc.height,
        source_delay=noc.source_cycles,
        credit_delay=noc.credit_return_cycles,
        slot_mask=n_slots - 1,
        packet_unit=int(noc.switching == "packet"),
        link_bits=noc.link_bits,
        psum_vcs=noc.psum_vcs,
        dateline=int(noc.topology == "torus"),
        n_outputs=len(out),
        out_row=out.shape[1],
        credit_slot=credit_slot,
        ask_slot=n_lanes,
        cal_flit=n_fifo,
        flit_slot=2 * len(out),
        far_heap=busy + len(source),
        window=window,
        n_windows=n_windows,
        gate_heap=0,
        one_each=0,
        order=0,
        **{name: at[name] for name in _PLACES},
    )
    s = aligned_zeros(window + n_windows * len(out), np.int64)
    s[lay.N_WINDOW] = int(n_windows > 0)
    w = aligned_zeros(n_fifo + n_slots * shape.flit_slot, np.int64)
    return Network(noc, shape, m, w, s)


_PLACES = (
    "sources ready active grant accept winner route cal_n cal_credit cal_ask".split()  # noqa: SIM905
)


def aligned_zeros(n: int, dtype: type[np.int32] | type[np.int64]) -> Any:
    """Zeros that start on a cache line, so that rows of 64 bytes are one line each."""
    size = np.dtype(dtype).itemsize
    room = np.zeros(n + 64 // size, dtype)
    start = -room.ctypes.data % 64 // size
    return room[start : start + n]


def _lay_out(parts: dict[str, I32 | int]) -> tuple[dict[str, int], I32]:
    """Put `parts` (arrays, or sizes of empty ones) one after the other; places and the array."""
    sizes = {name: part if isinstance(part, int) else len(part) for name, part in parts.items()}
    total = sum(sizes.values())
    if total >= 1 << 28:
        raise DoesNotFitError(
            f"noc needs {total} cells of state, the simulator holds {1 << 28}. "
            "Use a smaller mesh, fewer virtual channels or shorter link latencies."
        )
    m = aligned_zeros(total, np.int32)
    places = {}
    at = 0
    for name, part in parts.items():
        places[name] = at
        if not isinstance(part, int):
            m[at : at + len(part)] = part
        at += sizes[name]
    return places, m


def no_trees() -> I32:
    """An empty set of multicast trees."""
    return np.zeros(lay.TREE_ROW, np.int32)
