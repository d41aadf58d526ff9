"""The TrueNorth neuron, complete: every mode, with random draws that can be repeated.

Enters: the summed weights of a tick and the potential. Leaves: the new potential and the spikes.
Promised: exact integers; a draw depends on (seed, tick, core, neuron, draw) and on nothing else.

Per tick (Cassidy et al., IJCNN 2013), ``F(a, r) = 1 if |a| >= r``, ``r`` a fresh 8-bit draw:

    synapses  V += sum of A_i w_ij ((1 - b) s + b F(s, r) sgn s), s and b of the axon's type
    leak      V += Om ((1 - c) L + c F(L, r) sgn L), Om = sgn V with leak reversal, else 1; with
              leak reversal a zero crossing gives V = 0
    threshold eta = r_T & M; V >= alpha + eta: spike, and V = R | V - alpha - eta | V
              V < -(kappa ? beta : beta + eta): V = -beta if kappa, else -R | V + beta + eta | V

for reset mode 0 | 1 | 2. V saturates to the membrane width after the leak, which is the width of
the sum of all synapses and the leak, and again after the reset.

The draws: the chip's shift registers are not public, so a counter-based generator takes their
place: ``mix(h, w)`` is the 32-bit finaliser of MurmurHash3 (Appleby 2011) over ``h`` xor ``w``
times the odd number nearest to 2**32 / golden ratio, and a draw is
``mix(mix(mix(mix(seed, tick), core), neuron), number)``, core and neuron counted from 0. Synapse
draws are numbered by the axon of the core; the leak's is 65536 and the threshold's 65537. An 8-bit
draw is the upper 8 of the 32 bits, the threshold uses the lower bits. The seed of sample i is
``mix(seed, i)``.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.kernels._jit import kernel
from neurosim.kernels.arith import saturate

N_TYPES: Final = 4
LEAK_DRAW, THRESHOLD_DRAW = 1 << 16, (1 << 16) + 1

_MIX_1, _MIX_2 = np.uint64(0x85EBCA6B), np.uint64(0xC2B2AE35)
_GOLDEN, _LOW_32 = np.uint64(0x9E3779B1), np.uint64(0xFFFFFFFF)
_SHIFT_16, _SHIFT_13 = np.uint64(16), np.uint64(13)


class TrueNorthColumns(NamedTuple):
    """Distinct parameter sets, each column (n_sets,); neurons name their set."""

    weight: npt.NDArray[np.int16]  # (n_sets, 4) signed, by axon type
    synapse_stochastic: npt.NDArray[np.uint8]  # (n_sets, 4) b, by axon type
    leak: npt.NDArray[np.int32]  # L
    leak_stochastic: npt.NDArray[np.uint8]  # c
    leak_reversal: npt.NDArray[np.uint8]  # eps
    threshold: npt.NDArray[np.int32]  # alpha >= 0
    negative_threshold: npt.NDArray[np.int32]  # beta >= 0
    threshold_mask: npt.NDArray[np.int32]  # M >= 0, 0: the thresholds are fixed
    reset_value: npt.NDArray[np.int32]  # R
    reset_mode: npt.NDArray[np.uint8]  # gamma: 0 to R, 1 subtract, 2 none
    saturate: npt.NDArray[np.uint8]  # kappa: 1 stay at -beta, 0 reset below it

    @classmethod
    def empty(cls) -> TrueNorthColumns:
        """No parameter sets."""
        return truenorth_columns(0)


class TrueNorthNeurons(NamedTuple):
    """One row per neuron of the program; no rows in a program without TrueNorth neurons."""

    parameters: npt.NDArray[np.int32]  # row of TrueNorthColumns
    v_start: npt.NDArray[np.int32]

    @classmethod
    def empty(cls) -> TrueNorthNeurons:
        """No neurons."""
        return cls(np.empty(0, np.int32), np.empty(0, np.int32))


def truenorth_columns(n: int, **values: Any) -> TrueNorthColumns:
    """`n` parameter sets; scalars are repeated, what is not given is 0 (threshold: 1)."""
    kinds = TrueNorthColumns.__annotations__
    columns = {}
    for name in TrueNorthColumns._fields:
        wide = name in ("weight", "synapse_stochastic")
        dtype = next(t for t in ("int16", "uint8", "int32") if t in str(kinds[name]))
        given = np.asarray(values.get(name, 1 if name == "threshold" else 0))
        shape = (n, N_TYPES) if wide else (n,)
        columns[name] = np.ascontiguousarray(np.broadcast_to(given, shape), dtype=dtype)
    return TrueNorthColumns(**columns)


@kernel
def mix(state: int, word: int) -> int:
    """32 bits that depend on all bits of both; no product exceeds 64 bits."""
    h = np.uint64(state) ^ (((np.uint64(word) & _LOW_32) * _GOLDEN) & _LOW_32)
    h = ((h ^ (h >> _SHIFT_16)) * _MIX_1) & _LOW_32
    h = ((h ^ (h >> _SHIFT_13)) * _MIX_2) & _LOW_32
    return np.int64(h ^ (h >> _SHIFT_16))


@kernel
def core_key(seed: int, tick: int, core: int) -> int:
    """Random stream of a core in one tick."""
    return mix(mix(seed, tick), core)


@kernel
def draw(key: int, neuron: int, number: int) -> int:
    """32 random bits; `neuron` is counted from the first of its core."""
    return mix(mix(key, neuron), number)


@kernel
def passes(value: int, random: int) -> bool:
    """F(value, r) with the upper 8 of 32 random bits as r."""
    return abs(value) >= (random >> 24)


@kernel
def update_truenorth(
    columns: TrueNorthColumns,
    p: int,
    key: int,
    neuron: int,
    drive: int,
    v: int,
    v_low: int,
    v_high: int,
) -> tuple[int, bool]:
    """New potential and spike of one neuron with parameter set `p`; `drive`: summed input."""
    leak = np.int64(columns.leak[p])
    if columns.leak_stochastic[p]:
        leak = (
            np.int64(np.sign(leak)) if passes(leak, draw(key, neuron, LEAK_DRAW)) else np.int64(0)
        )
    u = np.int64(v) + drive
    if columns.leak_reversal[p]:
        turned = u + np.sign(u) * leak
        u = np.int64(0) if (turned < 0 < u) or (u < 0 < turned) else turned
    else:
        u += leak
    u = saturate(u, v_low, v_high)
    eta = np.int64(0)
    if columns.threshold_mask[p]:
        eta = draw(key, neuron, THRESHOLD_DRAW) & np.int64(columns.threshold_mask[p])
    high, low = columns.threshold[p] + eta, np.int64(columns.negative_threshold[p])
    mode, back = columns.reset_mode[p], np.int64(columns.reset_value[p])
    if u >= high:
        after = back if mode == 0 else (u - high if mode == 1 else u)
        return saturate(after, v_low, v_high), True
    if columns.saturate[p]:
        return max(u, -low), False
    if u < -(low + eta):
        after = -back if mode == 0 else (u + low + eta if mode == 1 else u)
        return saturate(after, v_low, v_high), False
    return u, False


@kernel
def update_uniform(
    leak: int,
    threshold: int,
    negative_threshold: int,
    reset_value: int,
    mode: int,
    stay: bool,
    drive: npt.NDArray[np.int32],
    v: npt.NDArray[np.int32],
    spikes: npt.NDArray[np.uint8],
    start: int,
    size: int,
    v_low: int,
    v_high: int,
) -> bool:
    """`update_mixed` for neurons that are all the same, in less than half the time.

    A reset becomes numbers: above the threshold ``(u & keep) + up``, below the negative one
    ``(u & keep_low) + down``.
    """
    leak, high, low = np.int32(leak), np.int32(threshold), np.int32(-negative_threshold)
    back, least, most = np.int32(reset_value), np.int32(v_low), np.int32(v_high)
    keep = np.int32(0) if mode == 0 else np.int32(-1)
    keep_low = np.int32(0) if stay else keep
    up = back if mode == 0 else (np.int32(-high) if mode == 1 else np.int32(0))
    down = np.int32(-back) if mode == 0 else (np.int32(-low) if mode == 1 else np.int32(0))
    if stay:
        down = low
    changed, first = np.int32(0), np.uint64(start)
    for i in range(np.uint64(size)):
        j = np.uint64(i)
        before = v[first + j]
        u = np.int32(np.int32(before + drive[j]) + leak)
        u = min(max(u, least), most)
        over = np.int32(np.int32(u & keep) + up)
        under = np.int32(np.int32(u & keep_low) + down)
        r = over if u >= high else (under if u < low else u)
        r = min(max(r, least), most)
        changed = np.int32(changed | np.int32(r ^ before))
        v[first + j] = r
        spikes[j] = u >= high
    return changed != 0


@kernel
def update_mixed(
    leaks: npt.NDArray[np.int16],
    leak_row: int,
    numbers: npt.NDArray[np.int32],
    high_row: int,
    low_row: int,
    back_row: int,
    modes: npt.NDArray[np.int8],
    mode_row: int,
    drive: npt.NDArray[np.int32],
    u: npt.NDArray[np.int32],
    v: npt.NDArray[np.int32],
    spikes: npt.NDArray[np.uint8],
    start: int,
    size: int,
    v_low: int,
    v_high: int,
) -> bool:
    """`update_truenorth` for neurons without draws or leak reversal, as vectors.

    Selections instead of branches in 32 bits: drive and leak together are at most 2**18, the
    potential 2**30, so no sum overflows. `v` is modified in place, `spikes` filled; returns
    whether any potential changed.

    Parameters
    ----------
    numbers : thresholds (from `high_row`), negative thresholds and reset values.
    modes : reset mode + 4 if the potential stays at the negative threshold.
    u : scratch. More arrays in one loop would not be vectorised.
    """
    least, most = np.int32(v_low), np.int32(v_high)
    first, leak_at = np.uint64(start), np.uint64(leak_row)
    high_at, low_at = np.uint64(high_row), np.uint64(low_row)
    back_at, mode_at = np.uint64(back_row), np.uint64(mode_row)
    n = np.uint64(size)
    for i in range(n):
        j = np.uint64(i)
        charged = np.int32(np.int32(v[first + j] + drive[j]) + np.int32(leaks[leak_at + j]))
        u[j] = min(max(charged, least), most)
    for i in range(n):
        j = np.uint64(i)
        mode, high, back = modes[mode_at + j] & 3, numbers[high_at + j], numbers[back_at + j]
        fires, before = u[j] >= high, u[j]
        kept = np.int32(before - high) if mode == 1 else before
        after = back if mode == 0 else kept
        drive[j] = min(max(after, least), most) if fires else before
        spikes[j] = fires
    changed = np.int32(0)
    for i in range(n):
        j = np.uint64(i)
        mode, low, back = modes[mode_at + j], numbers[low_at + j], numbers[back_at + j]
        before = u[j]
        raised = np.int32(before + low) if mode == 1 else before
        turned = np.int32(-back) if mode == 0 else raised
        after = np.int32(-low) if mode >= 4 else turned
        r = min(max(after, least), most) if before < np.int32(-low) else drive[j]
        changed = np.int32(changed | np.int32(r ^ v[first + j]))
        v[first + j] = r
    return changed != 0


@kernel
def update_each(
    columns: Any,
    parameters: npt.NDArray[np.int32],
    drive: npt.NDArray[np.int32],
    v: npt.NDArray[np.int32],
    spikes: npt.NDArray[np.uint8],
    start: int,
    size: int,
    v_low: int,
    v_high: int,
    key: int,
) -> bool:
    """`update_truenorth` neuron by neuron: draws and leak reversal; did any potential change?"""
    changed = False
    for j in range(size):
        p, before = parameters[start + j], v[start + j]
        after, spikes[j] = update_truenorth(columns, p, key, j, drive[j], before, v_low, v_high)
        v[start + j] = after
        changed = changed or after != before
    return changed
