"""Mapping within routing tables: other tiles, less packing, other placements where one overflows.

Enters: a partition, or a placement, whose tables exceed `core.routing_entries` or
`noc.router_entries`. Leaves: the first of a fixed list of others that keeps the limit, and what was
tried. The list does not depend on the limit, so the smallest table found is a limit that fits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError
from neurosim.program.router_tables import flow_router_entries
from neurosim_mapper.mapping import Partition, Placement, Routes, Schedule, Wiring
from neurosim_mapper.partition import Partitioner
from neurosim_mapper.place import Placing, place
from neurosim_mapper.place.problem import PlacementProblem
from neurosim_mapper.quantized import QuantizedNetwork
from neurosim_mapper.route import core_entries, route_packets
from neurosim_mapper.wiring import wire

_SHARES: Final = (1, 2, 4, 8)  # of the neurons of a core: all, a half, ...
_PLACERS: Final = ("annealing", "spectral", "hilbert", "row-major")


@dataclass(frozen=True)
class Step:
    """What the mapping goes on with."""

    partition: Partition
    wiring: Wiring
    notes: tuple[str, ...] = ()


def wire_within_tables(
    network: QuantizedNetwork,
    chip: Chip,
    schedule: Schedule,
    partitioner: Partitioner,
    partition: Partition,
    most_cores: int | None,
) -> Step:
    """Wire a partition, or the first one with cores that send to fewer others.

    Parameters
    ----------
    most_cores : that the partition may have; None: any number, in phases.

    Raises
    ------
    DoesNotFitError : every partition that was tried has a core with too many entries; its `report`
        has a row for each, under ``routing_tries``.
    """
    tries: list[dict[str, Any]] = []
    limit = chip.core.routing_entries
    for neurons, packed, found in _partitions(network, chip, schedule, partitioner, partition):
        wiring = wire(network, found, schedule, chip.core.destinations_per_neuron)
        if limit is None:
            return Step(found, wiring)
        entries = core_entries(network, found, wiring, chip)
        row = {"neurons_per_core": neurons, "packed": packed, "cores": len(found.cores)}
        tries.append({**row, "entries_max": int(entries.max(initial=0))})
        fits = most_cores is None or len(found.cores) <= most_cores
        if fits and tries[-1]["entries_max"] <= limit:
            return Step(found, wiring, _note(tries, chip))
        if len(tries) == 1:
            core = int(entries.argmax())
            names = ", ".join(dict.fromkeys(repr(group.layer) for group in found.cores[core]))
    raise _no_partition(f"core {core} of layer {names}", tries, chip, most_cores)


def _partitions(
    network: QuantizedNetwork,
    chip: Chip,
    schedule: Schedule,
    partitioner: Partitioner,
    first: Partition,
) -> Iterator[tuple[int, bool, Partition]]:
    """Neurons per core at most, whether groups share cores, and the partition."""
    for share in _SHARES:
        neurons = chip.core.neurons // share
        found = first
        if share > 1:
            core = chip.core.model_copy(update={"neurons": max(neurons, 1)})
            try:
                found = partitioner(network, chip.model_copy(update={"core": core}), schedule)
            except DoesNotFitError:
                return
        yield neurons, True, found
        if any(len(core) > 1 for core in found.cores):
            yield neurons, False, replace(found, cores=tuple((g,) for g in found.groups))
        if neurons < 2:
            return


def _note(tries: list[dict[str, Any]], chip: Chip) -> tuple[str, ...]:
    if len(tries) == 1:
        return ()
    way = tries[-1]
    alone = "" if way["packed"] else ", and no groups that share a core"
    return (
        f"cores with at most {way['neurons_per_core']} neurons{alone}: {way['cores']} cores in "
        f"place of {tries[0]['cores']}, with at most {way['entries_max']} entries per routing "
        f"table in place of {tries[0]['entries_max']} (core.routing_entries = "
        f"{chip.core.routing_entries}).",
    )


def _no_partition(
    where: str, tries: list[dict[str, Any]], chip: Chip, most_cores: int | None
) -> DoesNotFitError:
    """What was tried, and the smallest table that any of it needs."""
    small = [row for row in tries if most_cores is None or row["cores"] <= most_cores]
    least = min(row["entries_max"] for row in small)
    large = len(tries) - len(small)
    beyond = f", {large} of them with more cores than the {most_cores} there are" if large else ""
    error = DoesNotFitError(
        f"{where} needs {tries[0]['entries_max']} entries in its routing table, a core of "
        f"{chip.name!r} has core.routing_entries = {chip.core.routing_entries}. {len(tries)} ways "
        f"to cut and pack the layers were tried{beyond}; the best needs {least}. A chip with "
        f"core.routing_entries of {least} would fit."
    )
    error.report = {"routing_tries": tries}
    return error


# --- routers --------------------------------------------------------------------------------------


def place_within_tables(
    network: QuantizedNetwork,
    step: Step,
    chip: Chip,
    problem: PlacementProblem,
    placing: Placing,
    rng: np.random.Generator,
) -> tuple[Placement, Routes, dict[str, Any]]:
    """Placement, routes and the report of the placement; another placer if a router overflows.

    Raises DoesNotFitError where all do; its `report` has the entries by placer.
    """
    limit = chip.noc_section.router_entries
    tries: dict[str, int] = {}
    worst = ""
    for name, attempt in _placings(placing):
        placement, report = place(problem, attempt, rng)
        routes = route_packets(network, step.partition, step.wiring, placement, chip)
        if limit is None:
            return placement, routes, report
        terminal = placement.y.astype(np.int64) * chip.wide + placement.x
        entries = flow_router_entries(chip, routes.flows, terminal)
        tries[name] = int(entries.max(initial=0))
        if tries[name] <= limit:
            return placement, routes, report
        y, x = divmod(int(entries.argmax()), chip.wide)
        worst = worst or f"the router at ({x}, {y}) of {chip.name!r} needs {tries[name]} entries"
    counts = ", ".join(f"{name} {most}" for name, most in tries.items())
    error = DoesNotFitError(
        f"{worst} for multicast trees, noc.router_entries is {limit}. {len(tries)} placements were "
        f"tried, their fullest routers need: {counts}. A chip with noc.router_entries of "
        f"{min(tries.values())} would fit."
    )
    error.report = {"placement_tries": tries}
    raise error


def _placings(placing: Placing) -> Iterator[tuple[str, Placing]]:
    """The placer that was asked for, then the others."""
    first: str | Callable[..., Any] = placing.placer
    yield first if isinstance(first, str) else "the given placer", placing
    for name in _PLACERS:
        if name != first:
            yield name, replace(placing, placer=name, effort=None)
