"""Workers that play one sample together: equal shares of the work, and a barrier between phases.

Each worker is a Python thread inside a kernel that holds no interpreter lock. A barrier is a
counter that every worker raises once; who waits gives its time slice away.
"""

from __future__ import annotations

import sys
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from neurosim.kernels._jit import kernel

_numba_config: Any = numba.config
TOGETHER: bool = not _numba_config.DISABLE_JIT
"""Whether several workers can play one sample: only compiled code knows atomic additions."""

if TOGETHER:
    _give_way = types.ExternalFunction(
        "SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32()
    )

    def _make_fetch_add(typing: Any, array: Any, delta: Any) -> Any:
        """Add to ``array[0]`` atomically and return what it was."""

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            view = context.make_array(signature.args[0])(context, builder, args[0])
            return builder.atomic_rmw("add", view.data, args[1], "seq_cst")

        return types.int64(array, types.int64), generate

    _fetch_add: Any = intrinsic(_make_fetch_add)

    @kernel
    def barrier(gate: npt.NDArray[np.int64], n_workers: int) -> None:
        """Return when all workers have come here; `gate` (1,) starts at 0 and is shared."""
        if n_workers == 1:
            return
        turn = _fetch_add(gate, 1) // n_workers
        while _fetch_add(gate, 0) // n_workers == turn:
            _give_way()

else:

    def barrier(gate: npt.NDArray[np.int64], n_workers: int) -> None:
        """Nothing to wait for: a single worker plays the sample."""


@kernel
def share(n: int, worker: int, n_workers: int) -> int:
    """First of `n` items that `worker` takes; the next worker's first ends its share."""
    return n * worker // n_workers
