"""What a stuck network waits for, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurosim.kernels import noc_layout as lay
from neurosim.noc.model import DIRECTIONS

if TYPE_CHECKING:
    from neurosim.noc.network import Network

_SIDES = (*DIRECTIONS, "local")


def _lane_name(net: Network, lane: int) -> str:
    port, vc = divmod(lane, net.noc.n_vcs)
    router, side = divmod(port, lay.PORTS)
    x, y = router % net.noc.width, router // net.noc.width
    return f"router ({x}, {y}) input {_SIDES[side]} vc {vc}"


def _waits_for(net: Network, lane: int) -> tuple[int, str]:
    """Lane whose progress the first flit of `lane` needs (-1: none), and why."""
    row = net.lanes[lane]
    owed = int(row[lay.L_OWED])
    if owed == 0:
        return -1, "nothing"
    port = (owed & -owed).bit_length() - 1
    router = lane // (lay.PORTS * net.noc.n_vcs)
    out = net.outputs[router * lay.PORTS + port]
    bit = int(row[lay.L_BIT])
    target = int(out[lay.O_TARGET])
    first_lane = net.n_outputs * net.shape.out_row
    for vc in range(net.noc.n_vcs):
        holder = int(out[lay.O_LOCK + 2 * vc])
        if holder >= 0 and holder != bit and net.noc.n_vcs == 1:
            return (
                router * lay.PORTS * net.noc.n_vcs + holder,
                f"output {_SIDES[port]}, held by another packet",
            )
    if target < 0:
        return -1, f"the sink behind output {_SIDES[port]}"
    return (target - first_lane) // lay.LANE_ROW, f"a place behind output {_SIDES[port]}"


def waiting_circle(net: Network) -> list[str]:
    """The circular wait of a stuck network, one sentence per buffer; empty if there is none."""
    full = [int(lane) for lane in (net.lanes[:, lay.L_COUNT] > 0).nonzero()[0]]
    for start in full:
        seen: dict[int, int] = {}
        path: list[str] = []
        lane = start
        while lane >= 0 and lane not in seen and net.lanes[lane, lay.L_COUNT] > 0:
            seen[lane] = len(path)
            after, why = _waits_for(net, lane)
            path.append(f"{_lane_name(net, lane)} waits for {why}")
            lane = after
        if lane in seen:
            return path[seen[lane] :]
    return []


def describe_fault(net: Network, waiting_gates: list[tuple[int, int]]) -> str:
    """Why nothing moves although packets wait.

    Parameters
    ----------
    waiting_gates : list of (gate, number of deliveries it still waits for)
    """
    left = int(net.s[lay.N_LEFT])
    text = f"network: nothing can move any more, {left} deliveries are still to come."
    circle = waiting_circle(net)
    if circle:
        text += f" {len(circle)} buffers wait for each other: {'; '.join(circle[:12])}"
        text += "; ..." if len(circle) > 12 else "."
        text += " Use a routing without such turns, or more virtual channels."
    elif waiting_gates:
        gate, missing = waiting_gates[0]
        text += (
            f" {len(waiting_gates)} gates never open; the first is gate {gate}, which waits for "
            f"{missing} more deliveries. Check that their packets do not wait for this gate."
        )
    return text
