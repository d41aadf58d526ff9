"""Compiled: random numbers for kernels, the same with and without JIT, no overflow."""

from __future__ import annotations

from typing import Any

import numpy as np

from neurosim.kernels._jit import kernel

_7, _13, _17, _32 = (np.uint64(n) for n in (7, 13, 17, 32))


@kernel
def next_random(state: Any) -> Any:
    """Xorshift (Marsaglia 2003, doi 10.18637/jss.v008.i14, the triple 13, 7, 17); not from 0."""
    state ^= state << _13
    state ^= state >> _7
    state ^= state << _17
    return state


@kernel
def below(state: Any, limit: Any) -> Any:
    """A number from 0 to limit - 1, from the upper half of the state."""
    return np.int64(((state >> _32) * np.uint64(limit)) >> _32)
