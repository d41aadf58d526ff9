"""Compiled: the order in which a relay chain visits its targets, and whether it is worth it.

Enters: the router of the source and those of the targets. Leaves: a key per target, in the order
of the visits; `chain_router` turns a key back into its router. With dimension order along the axis
`a` and then `b` (x and y, or y and x) the order is

1. targets in the source's line, towards smaller `a`: all on the way there,
2. then line after line towards larger `a`; within a line the targets at the entry's `b` and beyond
   first, upwards, then those below, downwards.

So a packet turns into the direction -a from nothing else, and never from -b into +b: no circle of
waiting can close, whatever the other chains do (`neurosim.links.chains` has the argument).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import allocating_kernel, kernel

_I64 = npt.NDArray[np.int64]


@allocating_kernel
def order_chains(
    start: _I64,
    offset: _I64,
    router: _I64,
    shape: _I64,
    order: _I64,
    alone: npt.NDArray[np.bool_],
) -> None:
    """Row of `router` for every visit into `order`; `alone` where single packets are shorter.

    Parameters
    ----------
    start : (n_flows,) router of the source, -1 for the host.
    offset, router : (n_flows + 1,) and (n_targets,) routers of the targets of every flow.
    shape : (4,) routers wide, routers high, 0 (a mesh), 1 for y before x.
    order : (n_targets,) filled in place; flows that go `alone` keep the order of the rows.
    alone : (n_flows,) filled in place.
    """
    longest = np.int64(1)
    for flow in range(start.size):
        longest = max(longest, offset[flow + 1] - offset[flow])
    key = np.empty(longest, np.int64)
    item = np.empty(longest, np.int64)
    for flow in range(start.size):
        begin, end = offset[flow], offset[flow + 1]
        sort_chain(start[flow], router, begin, end, shape, key, item)
        alone[flow] = not is_chain(start[flow], end - begin, shape, key)
        for t in range(end - begin):
            order[begin + t] = begin + t if alone[flow] else item[t]


@kernel
def sort_chain(
    start: Any, router: _I64, begin: Any, end: Any, shape: _I64, key: _I64, item: _I64
) -> None:
    """Fill ``key[:n]`` and ``item[:n]`` with ``router[begin:end]`` and their rows, in order."""
    size = shape[0] if shape[3] else shape[1]
    n = end - begin
    for t in range(n):
        new, at = _key_of(start, router[begin + t], shape), t
        while at > 0 and key[at - 1] > new:
            key[at], item[at] = key[at - 1], item[at - 1]
            at -= 1
        key[at], item[at] = new, begin + t
    first_key = shape[0] * shape[1]
    low = np.int64(0)
    while low < n and key[low] < first_key:
        low += 1
    entry = np.int64(-1)
    if start >= 0:
        entry = start % shape[0] if shape[3] else start // shape[0]
    while low < n:
        line, high, above = key[low] // size, low, low
        while high < n and key[high] // size == line:
            above += key[high] % size >= entry
            high += 1
        if entry >= 0:
            _reverse(key, item, low, high)
            _reverse(key, item, low, above)
        entry = key[high - 1] % size
        low = high


@kernel
def _key_of(start: Any, router: Any, shape: _I64) -> Any:
    """Below ``wide * high``: on the way to smaller `a`; from there on by line and place in it."""
    x, y = router % shape[0], router // shape[0]
    a, b, size = (y, x, shape[0]) if shape[3] else (x, y, shape[1])
    if start >= 0:
        x, y = start % shape[0], start // shape[0]
        first, second = (y, x) if shape[3] else (x, y)
        if b == second and a <= first:
            return first - a
    return shape[0] * shape[1] + a * size + b


@kernel
def chain_router(start: Any, key: Any, shape: _I64) -> Any:
    """Router of a key."""
    wide, n = shape[0], shape[0] * shape[1]
    if key < n:
        return start - key * (wide if shape[3] else 1)
    if shape[3]:
        return key - n
    return (key - n) % shape[1] * wide + (key - n) // shape[1]


@kernel
def is_chain(start: Any, n: Any, shape: _I64, key: _I64) -> Any:
    """Whether the chain crosses no more links than a packet per target, those of the host too."""
    single, chain = np.int64(0), np.int64(0)
    wide = shape[0]
    here = start
    for t in range(n):
        there = chain_router(start, key[t], shape)
        x, y = there % wide, there // wide
        if start < 0:
            single += x + 1
            if t == 0:
                chain, here = np.int64(1), y * wide
        else:
            single += abs(x - start % wide) + abs(y - start // wide)
        chain += abs(x - here % wide) + abs(y - here // wide)
        here = there
    return chain <= single


@kernel
def _reverse(key: _I64, item: _I64, low: Any, high: Any) -> None:
    """Turn ``[low:high]`` of both round."""
    for t in range((high - low) // 2):
        other = high - 1 - t
        key[low + t], key[other] = key[other], key[low + t]
        item[low + t], item[other] = item[other], item[low + t]
