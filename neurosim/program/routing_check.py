"""Routing tables: the entries that every core needs to send its packets.

Enters: a Program. Leaves: entries per core, their summary, and a violation of
`core.routing_entries`. An entry is one flow that the core sends: a destination core (or the host)
for a kind of packet, or a whole multicast tree. Stored link lists are not needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import Program
from neurosim.program.violation import Violation


def routing_entries(program: Program) -> npt.NDArray[np.int64]:
    """(n_cores,) entries of the routing table of every core; flows of the host are in none."""
    source = program.flows.source
    return np.bincount(source[source >= 0], minlength=program.n_cores).astype(np.int64)


def routing_facts(program: Program) -> dict[str, Any]:
    """Most and mean entries per core, and the limit (None: not limited), as plain data."""
    entries = routing_entries(program)
    return {
        "entries_max": int(entries.max(initial=0)),
        "entries_mean": round(float(entries.sum() / max(entries.size, 1)), 2),
        "limit": program.chip.core.routing_entries,
    }


def routing_sentence(program: Program) -> str:
    """The facts for the terminal."""
    facts = routing_facts(program)
    limit = "not limited" if facts["limit"] is None else f"limit {facts['limit']}"
    return (
        f"routing tables: at most {facts['entries_max']} entries per core, "
        f"mean {facts['entries_mean']:g}; {limit}"
    )


def check_routing(program: Program) -> Iterator[Violation]:
    """The fullest table fits; if it does, all do."""
    limit, entries = program.chip.core.routing_entries, routing_entries(program)
    if limit is None or entries.max(initial=0) <= limit:
        return
    core = int(entries.argmax())
    groups, cores = program.groups, program.cores
    layers = np.unique(groups.layer[groups.core == core])
    names = ", ".join(repr(program.layer_names[layer]) for layer in layers if layer >= 0)
    yield Violation(
        "core.routing_entries",
        f"core {core} at ({cores.x[core]}, {cores.y[core]}) of layer {names}",
        f"{entries[core]} entries",
        f"{limit}",
    )
