"""Routing tables of the routers: where multicast trees do more than go straight on.

Enters: a Program whose packets branch (``noc.multicast: tree``). Leaves: entries per router.

The model is that of a router which looks up multicast packets and sends on by itself what it does
not find, out of the side opposite to the one by which it came in, as the routers of SpiNNaker do
(Furber et al., Proc. IEEE 2014, default routing). A tree takes an entry in every router where it
starts at a core, turns, branches or is delivered, none where it only passes straight on; a tree
from the host comes in by the west edge like any other packet. A packet to one destination, or to
the host, needs no entry: its header says where it goes. A router keeps the trees of all phases of a
folded program.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.program.columns import DIRECTION_STEPS, N_DIRECTIONS, FlowTable, Program

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_LINKS_AT_ONCE: Final = 1 << 21
"""Links that are looked at together, at some 100 bytes each; one tree may have more."""


def router_entries(program: Program) -> I64:
    """(n_routers,) entries of every router's table, routers numbered ``y * wide + x``."""
    return flow_router_entries(program.chip, program.flows, program.terminal_of_core)


def flow_router_entries(chip: Chip, flows: FlowTable, terminal: I64) -> I64:
    """The same for flows between cores whose routers are `terminal`, (n_cores,)."""
    total = np.zeros(chip.n_cores, np.int64)
    if chip.noc_section.multicast == "tree":
        for first, stop in _pieces(flows.link_offset):
            total += _entries_of(chip, flows, terminal, first, stop)
    return total


def _pieces(link_offset: I32 | I64) -> Iterator[tuple[int, int]]:
    """Flows `first`..`stop` - 1 that cross about `_LINKS_AT_ONCE` links together, one at least."""
    first, n = 0, link_offset.size - 1
    while first < n:
        most = int(link_offset[first]) + _LINKS_AT_ONCE
        stop = max(first + 1, int(np.searchsorted(link_offset, most, side="right")) - 1)
        yield first, stop
        first = stop


def _entries_of(chip: Chip, flows: FlowTable, terminal: I64, first: int, stop: int) -> I64:
    """(n_routers,) entries that some of the flows need."""
    n, mine = chip.n_cores, slice(first, stop)
    links = slice(int(flows.link_offset[first]), int(flows.link_offset[stop]))
    targets = slice(int(flows.target_offset[first]), int(flows.target_offset[stop]))
    n_targets, source = np.diff(flows.target_offset[first : stop + 1]), flows.source[mine]
    tree = n_targets > 1
    flow_of_link = np.repeat(np.arange(tree.size), np.diff(flows.link_offset[first : stop + 1]))
    kept = tree[flow_of_link]
    flow, link = flow_of_link[kept], flows.link[links][kept].astype(np.int64)
    from_core = np.flatnonzero(tree & (source >= 0))
    flow_of_target = np.repeat(np.arange(tree.size), n_targets)
    delivered = tree[flow_of_target]
    # Every end of a link, source and target as (tree, router); a router may turn up several times.
    out, into, side = _link_ends(chip, link)
    starts = from_core * n + terminal[source[from_core]]
    stops = flow_of_target[delivered] * n + terminal[flows.target[targets][delivered]]
    outgoing, incoming = flow[out] * n + link[out] // N_DIRECTIONS, flow * n + into
    visits = np.unique(np.concatenate([starts, stops, outgoing, incoming]))
    straight = _counts(visits, outgoing) == 1
    straight &= _counts(visits, incoming) == 1
    leaves, enters = np.zeros(visits.size, np.int64), np.zeros(visits.size, np.int64)
    leaves[np.searchsorted(visits, outgoing)] = link[out] % N_DIRECTIONS
    enters[np.searchsorted(visits, incoming)] = side
    straight &= leaves == enters
    straight[np.searchsorted(visits, np.concatenate([starts, stops]))] = False
    return np.bincount(visits[~straight] % n, minlength=n).astype(np.int64)


def _link_ends(chip: Chip, link: I64) -> tuple[npt.NDArray[np.bool_], I64, I64]:
    """Which links leave a router; per link the router that it leads to, and its direction.

    Links of the host lead east into their row; no tree leaves by them.
    """
    out = link < N_DIRECTIONS * chip.n_cores
    router, direction = np.divmod(np.where(out, link, 0), N_DIRECTIONS)
    step = np.array(DIRECTION_STEPS)[direction]
    x, y = (router % chip.wide + step[:, 0]) % chip.wide, router // chip.wide + step[:, 1]
    row = link - N_DIRECTIONS * chip.n_cores
    into = np.where(out, y % chip.high * chip.wide + x, row * chip.wide)
    return out, into, np.where(out, direction, 0)


def _counts(visits: I64, keys: I64) -> I64:
    """How often each visit is among `keys`."""
    return np.bincount(np.searchsorted(visits, keys), minlength=visits.size)
