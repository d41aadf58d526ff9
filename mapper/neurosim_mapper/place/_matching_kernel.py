"""Compiled: groups of cores that grow along their heaviest pairs."""

from __future__ import annotations

from typing import Any

from neurosim.kernels._jit import kernel
from neurosim_mapper.place.problem import I64


@kernel
def join_pairs(
    one: I64, two: I64, group: I64, size: I64, most: int, n_groups: int, goal: int
) -> Any:
    """Join the groups of `one` and `two`, pair after pair, while no group has more than `most`.

    ``group[core]`` is a core that leads towards the first of its group, itself for the first one;
    ``size`` counts the cores of the groups by their first. Both are changed in place. Stops at
    `goal` groups; returns how many of the `n_groups` are left.
    """
    for k in range(one.size):
        if n_groups <= goal:
            break
        a, b = one[k], two[k]
        while group[a] != a:
            a = group[a]
        while group[b] != b:
            b = group[b]
        if a != b and size[a] + size[b] <= most:
            first, other = min(a, b), max(a, b)
            group[other] = first
            size[first] += size[other]
            n_groups -= 1
    return n_groups
