"""Phases: which cores of a partition are loaded at the same time when the chip has too few.

Enters: a Partition and a chip. Leaves: the phase of every core, from 0 on. Promised: no phase has
more cores than the chip; a fan-in fragment is in the phase of its owner or an earlier one, so its
partial sums are there when the owner needs them. Everything else may wait: packets sent in one
tick are integrated in a later one, whatever the phases.

Cores keep the order of the partition (layer after layer) as far as partial sums allow, so that a
phase holds neighbouring layers.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UsageError
from neurosim_mapper.mapping import Partition

I64 = npt.NDArray[np.int64]
Fold: TypeAlias = Literal["auto"] | int | None


def check_fold(fold: object) -> Fold:
    """The value if it is one; raises UsageError for anything else than None, auto, 1, 2, ..."""
    if fold is None or fold == "auto":
        return fold
    if isinstance(fold, int) and not isinstance(fold, bool) and fold >= 1:
        return fold
    raise UsageError(f"fold is {fold!r}; needs auto or a number of phases, 1 or more.")


def assign_phases(partition: Partition, chip: Chip, fold: Fold) -> I64:
    """(n_cores,) phase of every core: all 0 without `fold`, or where everything fits at once.

    Parameters
    ----------
    fold : ``auto``: as few phases as possible; a number: so many, evenly filled; None: not folded.

    Raises
    ------
    DoesNotFitError : the chip has no memory to reload from, too few phases were allowed, or
        partial sums join more cores in a circle than the chip has.
    """
    n, available = len(partition.cores), len(chip.usable_cores)
    if fold is None or fold == 1 or (fold == "auto" and n <= available):
        return np.zeros(n, np.int64)
    if chip.timing.reload_cycles_per_bit is None:
        raise DoesNotFitError(
            f"folding reloads weights in every tick; the chip {chip.name!r} has no memory to "
            "reload from. Give it timing.reload_cycles_per_bit and energy.reload_pj_per_bit."
        )
    blocks = _blocks(partition)
    largest = max(len(block) for block in blocks)
    if largest > available:
        raise DoesNotFitError(
            f"partial sums join {largest} cores in a circle, which have to be loaded together; the "
            f"chip {chip.name!r} has {available}. A larger array, or a core with more axons, "
            "would fit."
        )
    if fold == "auto":
        return _filled(blocks, n, available)
    for capacity in range(max(-(-n // fold), largest), available + 1):
        phase = _filled(blocks, n, capacity)
        if int(phase.max()) < fold:
            return phase
    needed = int(_filled(blocks, n, available).max()) + 1
    raise DoesNotFitError(
        f"the network needs {n} cores, {fold} phases of {available} "
        f"core{'s' if available > 1 else ''} of the chip {chip.name!r} are too few: {needed} "
        f"phases would fit (--fold {needed})."
    )


def phases_needed(partition: Partition, chip: Chip) -> int | None:
    """Phases that folding would take on this chip; None where it cannot be folded."""
    try:
        return 1 + int(assign_phases(partition, chip, "auto").max(initial=0))
    except DoesNotFitError:
        return None


def spare_phases(partition: Partition, chip: Chip, phases: int) -> list[str]:
    """A sentence if fewer phases would do: every further one costs a reload in every tick."""
    needed = 1 if phases == 1 else phases_needed(partition, chip)
    if needed is None or needed >= phases:
        return []
    return [
        f"the network is loaded in {phases} phases, as asked for; {needed} would do (--fold auto), "
        "and fewer positions would be shared and reloaded in every tick"
    ]


def _filled(blocks: list[list[int]], n: int, capacity: int) -> I64:
    """Blocks in order into phases of at most `capacity` cores."""
    phase = np.zeros(n, np.int64)
    number, used = 0, 0
    for block in blocks:
        if used and used + len(block) > capacity:
            number, used = number + 1, 0
        phase[block] = number
        used += len(block)
    return phase


def _blocks(partition: Partition) -> list[list[int]]:
    """Cores that must share a phase, fragments before owners, else in the partition's order."""
    import networkx as nx

    groups = partition.groups
    core = np.repeat(np.arange(len(partition.cores)), [len(c) for c in partition.cores])
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(partition.cores)))
    graph.add_edges_from(
        (int(core[number]), int(core[group.owner]))
        for number, group in enumerate(groups)
        if group.owner is not None
    )
    circles = nx.condensation(graph)
    members = nx.get_node_attributes(circles, "members")
    order = nx.lexicographical_topological_sort(circles, key=lambda node: min(members[node]))
    return [sorted(members[node]) for node in order]
