"""Compiled: the links of every flow by dimension order, each link of a tree once.

Enters: source and target coordinates of all flows as columns. Leaves: links in order of travel,
trunk before branches. The two public kernels count and fill; both walk the same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import allocating_kernel, kernel

_I64 = npt.NDArray[np.int64]


@allocating_kernel
def walk_flows(
    source_x: _I64,
    source_y: _I64,
    to_host: npt.NDArray[np.bool_],
    target_offset: _I64,
    target_x: _I64,
    target_y: _I64,
    shape: _I64,
    link_offset: _I64,
    link: npt.NDArray[np.int32],
) -> None:
    """Count links into `link_offset` (if `link` is empty), or write them at those offsets.

    Parameters
    ----------
    source_x, source_y : (n_flows,) router of the source; x = -1: the host, in row `source_y`.
    to_host : (n_flows,) the flow goes along its row to the host and has no targets.
    target_offset, target_x, target_y : routers of the targets of every flow.
    shape : (4,) routers wide, routers high, 1 for a torus, 1 for y before x.
    link_offset : (n_flows + 1,) in place: counts behind each flow, or read.
    link : (n_links,) filled in place, or (0,).
    """
    wide, high = shape[0], shape[1]
    n_routers = wide * high
    mark = np.full(4 * n_routers, -1, np.int64)
    fill = link.size > 0
    for flow in range(source_x.size):
        at = link_offset[flow] if fill else np.int64(0)
        x, y = source_x[flow], source_y[flow]
        if to_host[flow]:
            at = _walk(x, y, np.int64(0), y, shape, mark, flow, link, fill, at)
            at = _put(link, fill, at, 4 * n_routers + high + y)
        else:
            if x < 0:
                at = _put(link, fill, at, 4 * n_routers + y)
                x = np.int64(0)
            for t in range(target_offset[flow], target_offset[flow + 1]):
                at = _walk(x, y, target_x[t], target_y[t], shape, mark, flow, link, fill, at)
        if not fill:
            link_offset[flow + 1] = at


@kernel
def _walk(
    x: Any,
    y: Any,
    to_x: Any,
    to_y: Any,
    shape: _I64,
    mark: _I64,
    flow: int,
    link: npt.NDArray[np.int32],
    fill: bool,
    at: Any,
) -> Any:
    """One path of a flow; links that the flow has already are left out."""
    wide, high = shape[0], shape[1]
    for leg in range(2):
        vertical = leg != shape[3]
        here, there, size = (y, to_y, high) if vertical else (x, to_x, wide)
        ahead = there - here
        if shape[2]:
            ahead = ahead % size
            if ahead > size - ahead:
                ahead -= size
        step = 1 if ahead >= 0 else -1
        direction = (2 if vertical else 0) + (0 if ahead >= 0 else 1)
        for _ in range(abs(ahead)):
            number = 4 * (y * wide + x) + direction
            if mark[number] != flow:
                mark[number] = flow
                at = _put(link, fill, at, number)
            if vertical:
                y = (y + step) % high
            else:
                x = (x + step) % wide
    return at


@kernel
def _put(link: npt.NDArray[np.int32], fill: bool, at: Any, number: Any) -> Any:
    if fill:
        link[at] = number
    return at + 1
