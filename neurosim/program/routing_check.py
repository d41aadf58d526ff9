"""Routing tables: the entries that cores need to send their packets, and routers to copy them.

Enters: a Program. Leaves: entries per core and per router, their summary, and violations of
`core.routing_entries` and `noc.router_entries`. An entry of a core is one flow that it sends: a
destination core (or the host) for a kind of packet, or a whole multicast tree or relay chain.
Entries of routers: `neurosim.program.router_tables`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import Program
from neurosim.program.router_tables import router_entries
from neurosim.program.violation import Violation


def routing_entries(program: Program) -> npt.NDArray[np.int64]:
    """(n_cores,) entries of the routing table of every core; flows of the host are in none."""
    source = program.flows.source
    return np.bincount(source[source >= 0], minlength=program.n_cores).astype(np.int64)


def routing_facts(program: Program) -> dict[str, Any]:
    """Most and mean entries per core and per router, and the limits, as plain data.

    A limit of None: not limited. The mean of the routers counts those with an entry; `router` is
    the (x, y) of the fullest, None where the packets of the chip do not branch.
    """
    entries, routers = routing_entries(program), router_entries(program)
    used, (y, x) = np.count_nonzero(routers), divmod(int(routers.argmax()), program.chip.wide)
    return {
        "entries_max": int(entries.max(initial=0)),
        "entries_mean": round(float(entries.sum() / max(entries.size, 1)), 2),
        "limit": program.chip.core.routing_entries,
        "router_entries_max": int(routers.max(initial=0)),
        "router_entries_mean": round(float(routers.sum() / max(used, 1)), 2),
        "routers_with_entries": int(used),
        "router": [x, y] if used else None,
        "router_limit": program.chip.noc_section.router_entries,
    }


def routing_sentence(facts: Mapping[str, Any]) -> str:
    """`routing_facts` for the terminal."""
    text = (
        f"routing tables: at most {facts['entries_max']} entries per core, "
        f"mean {facts['entries_mean']:g}; {_limit(facts['limit'])}"
    )
    if facts["router"] is None:
        return text
    x, y = facts["router"]
    return (
        f"{text}. Routers: at most {facts['router_entries_max']} entries, at ({x}, {y}), mean "
        f"{facts['router_entries_mean']:g} in the {facts['routers_with_entries']} that have any; "
        f"{_limit(facts['router_limit'])}"
    )


def _limit(limit: int | None) -> str:
    return "not limited" if limit is None else f"limit {limit}"


def check_routing(program: Program) -> Iterator[Violation]:
    """The fullest table of a core fits, and that of a router; if they do, all do."""
    limit, entries = program.chip.core.routing_entries, routing_entries(program)
    if limit is not None and entries.max(initial=0) > limit:
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
    most = program.chip.noc_section.router_entries
    if most is None:
        return
    routers = router_entries(program)
    if routers.max(initial=0) > most:
        y, x = divmod(int(routers.argmax()), program.chip.wide)
        needed = f"{routers.max()} entries for multicast trees"
        yield Violation("noc.router_entries", f"the router at ({x}, {y})", needed, f"{most}")
