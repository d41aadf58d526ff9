"""Short runs of values, copied 16 at a time."""

from __future__ import annotations

from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from numba import types
from numba.extending import intrinsic

from neurosim.kernels._jit import inlined, kernel
from neurosim.kernels.llvm import data_of, load_vector, store_vector

_numba_config: Any = numba.config

I16 = npt.NDArray[np.int16]

BEYOND: Final = 16
"""Numbers behind the end of a run that are read, and written, too."""

if not _numba_config.DISABLE_JIT:

    def _make_copy(typing: Any, source: Any, at: Any, target: Any, to: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            source, target = (data_of(context, builder, signature.args[k], args[k]) for k in (0, 2))
            numbers = load_vector(builder, source, args[1], 16, BEYOND)
            store_vector(builder, numbers, target, args[3], 16)
            return context.get_dummy_value()

        return types.void(source, types.int64, target, types.int64), generate

    _copy: Any = intrinsic(_make_copy)

    @inlined
    def _copy_sixteen(source: I16, at: int, target: I16, to: int) -> None:
        _copy(source, at, target, to)

else:

    def _copy_sixteen(source: I16, at: int, target: I16, to: int) -> None:
        target[to : to + BEYOND] = source[at : at + BEYOND]


@kernel
def copy_run(source: I16, at: int, size: int, target: I16, to: int) -> None:
    """``target[to : to + size] = source[at : at + size]``, and up to `BEYOND` - 1 numbers more.

    Both arrays must go on for so long.
    """
    for k in range(0, size, BEYOND):
        _copy_sixteen(source, at + k, target, to + k)
