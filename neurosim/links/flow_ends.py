"""Where flows end: the positions of their targets, each once.

A packet for several logical cores at one position (phases of a folded program) leaves the network
there once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import Program

I64 = npt.NDArray[np.int64]


class FlowTerminals(NamedTuple):
    """Routers ``y * wide + x`` that the packets of each flow leave the network at."""

    offset: I64  # (n_flows + 1,)
    target: I64


def flow_terminals(program: Program) -> FlowTerminals:
    """In the order of the targets; none for the host."""
    flows = program.flows
    flow = np.repeat(np.arange(flows.kind.size), np.diff(flows.target_offset))
    terminal = program.terminal_of_core[flows.target]
    _, first = np.unique(flow * program.chip.n_cores + terminal, return_index=True)
    keep = np.sort(first)
    counts = np.bincount(flow[keep], minlength=flows.kind.size)
    offset = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return FlowTerminals(offset, terminal[keep])
