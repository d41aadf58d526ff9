"""Groups of LIAF neurons that are done in pieces, and parameters as `update_pieces` reads them.

Enters: modes and columns of all groups. Leaves: `Pieces`. Promised: a group is chosen only where
every number that can occur on the way provably is an exact one, whatever arrives.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.fixed_point import ROUNDING_CODES, signed_limits
from neurosim.image.somas import SoftSomas
from neurosim.offsets import entries_of, offsets_of
from neurosim.program.columns import MODEL_CODES, GroupTable
from neurosim.soma import liaf_pieces as rows
from neurosim.soma.liaf import ACTIVATION_CODES, OUTPUT_CODES, RESET_CODES, LiafColumns, LiafModes
from neurosim.soma.liaf_pieces import MOST_DRIVE, PIECE, ROWS, Pieces

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]
Bools = npt.NDArray[np.bool_]

_EXACT: Final = 2.0**52
"""Sums and products of integers up to here are exact in float64, whatever rounds them first."""
_LOWER_BITS: Final = 12
"""Of a potential that is multiplied for a value in 32 bits, if it is shifted further than that."""


class Places(NamedTuple):
    """Where pieces are, each (n_pieces,)."""

    group: I64
    start: I64  # first neuron
    stop: I64
    in_32: Bools  # computed in 32-bit integers

    def of(self, pieces: I64) -> Places:
        """Where these pieces are."""
        return Places(self.group[pieces], self.start[pieces], self.stop[pieces], self.in_32[pieces])


class PiecePlan(NamedTuple):
    """Which groups are done in pieces, and which pieces have equal parameters."""

    groups: I64
    offset: I64  # (groups.size + 1,) their pieces
    places: Places
    block: I64  # (n_pieces,) number of its parameters
    distinct: I64  # (n_blocks,) a piece that has them

    @property
    def nbytes(self) -> int:
        """Of the parameters at most, and of where pieces find them."""
        return 8 * (ROWS * PIECE * self.distinct.size + self.block.size)


def make_pieces(groups: GroupTable, somas: SoftSomas, membrane_bits: int) -> Pieces:
    """Groups that `update_pieces` can do, their parameters as numbers of its types."""
    if somas.modes is None:
        none = np.empty(0, np.int64)
        return Pieces(none, none, np.empty(0), np.empty(0, np.int32), np.empty((0, 10)))
    plan, n_groups = plan_pieces(groups, somas, membrane_bits), groups.core.size
    first, in_32 = np.full(n_groups, -1, np.int64), np.zeros(n_groups, np.bool_)
    first[plan.groups] = plan.offset[:-1]
    in_32[plan.places.group] = plan.places.in_32
    modes = LiafModes(*somas.modes.T)
    places = plan.places.of(plan.distinct)
    table = _blocks(modes, somas.columns, signed_limits(membrane_bits)[0], places)
    narrow = places.in_32
    start = ROWS * (np.where(narrow, np.cumsum(narrow), np.cumsum(~narrow)) - 1)
    return Pieces(
        first,
        start[plan.block] * PIECE,
        table[~narrow].ravel(),
        table[narrow].astype(np.int32).ravel(),
        _numbers(modes, in_32),
    )


def plan_pieces(groups: GroupTable, somas: SoftSomas, membrane_bits: int) -> PiecePlan:
    """Split every group that provably fits into pieces."""
    fits, in_32 = _fits(groups, somas, membrane_bits)
    chosen = np.flatnonzero(fits)
    start = groups.neuron_start[chosen].astype(np.int64)
    stop = groups.neuron_stop[chosen].astype(np.int64)
    offset = offsets_of(-(-(stop - start) // PIECE))
    which, place = entries_of(offset, np.arange(chosen.size))
    start = start[which] + (place - offset[which]) * PIECE
    stop = np.minimum(start + PIECE, stop[which])
    places = Places(chosen[which], start, stop, in_32[chosen[which]])
    block, distinct = _distinct_blocks(somas, places)
    return PiecePlan(chosen, offset, places, block, distinct)


def _distinct_blocks(somas: SoftSomas, places: Places) -> tuple[I64, I64]:
    """(n_pieces,) number of the parameters of a piece, and (n_blocks,) a piece that has them.

    Most columns are one number all over a piece; only the others are compared neuron by neuron.
    """
    if somas.modes is None or not places.start.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    columns = somas.columns._replace(v_start=np.zeros_like(somas.columns.theta))
    low, high = (
        _of_pieces(f, columns, places.start, places.stop) for f in (np.minimum, np.maximum)
    )
    shared = np.concatenate([somas.modes[places.group], low, high], axis=1).astype(np.int32)
    shared = np.column_stack([shared, places.stop - places.start, places.in_32]).astype(np.int32)
    width, heads = shared.shape[1] * shared.itemsize, shared.tobytes()
    keys = [heads[k * width : (k + 1) * width] for k in range(len(shared))]
    start, stop = places.start.tolist(), places.stop.tolist()
    for column, varies in zip(columns, (low != high).T, strict=True):
        for k in np.flatnonzero(varies).tolist():
            keys[k] = blake2b(keys[k] + column[start[k] : stop[k]].tobytes()).digest()
    seen: dict[bytes, int] = {}
    block = np.array([seen.setdefault(key, len(seen)) for key in keys])
    return block, np.unique(block, return_index=True)[1]


def _of_pieces(least_or_most: np.ufunc, columns: LiafColumns, start: I64, stop: I64) -> I32:
    """(n_pieces, 11) the least or the most of every column on every piece, in ascending order."""
    ends = np.stack([start, stop], axis=1).ravel()
    ends = ends[ends < columns.theta.size]
    return np.stack([least_or_most.reduceat(c, ends)[::2] for c in columns], axis=1)


def _fits(groups: GroupTable, somas: SoftSomas, membrane_bits: int) -> tuple[Bools, Bools]:
    """(n_groups,) whether `update_pieces` is exact, and whether it is so in 32 bits."""
    used = np.isin(groups.model, (MODEL_CODES["liaf"], MODEL_CODES["cuba"]))
    used &= groups.neuron_stop > groups.neuron_start
    if somas.modes is None or not used.any():
        return np.zeros(used.size, np.bool_), np.zeros(used.size, np.bool_)
    modes = LiafModes(*somas.modes.T)
    used &= (modes.n_max == 1) & (modes.silent_step == 0)
    used &= modes.reset != RESET_CODES["soft_raised"]
    start, stop = groups.neuron_start[used], groups.neuron_stop[used]
    low, high = (_of_pieces(f, somas.columns, start, stop) for f in (np.minimum, np.maximum))
    most_of = np.zeros((used.size, len(LiafColumns._fields)))
    most_of[used] = np.maximum(-low.astype(np.float64), high)
    most, top = LiafColumns(*most_of.T), -float(signed_limits(membrane_bits)[0])
    in_64 = used & _fits_float64(modes, most, top)
    return in_64, in_64 & _fits_32_bits(modes, most, top)


def _fits_float64(modes: LiafModes, most: LiafColumns, top: float) -> Bools:
    """Whether every number on the way is exact in float64.

    A potential times alpha counts in units of ``2**-alpha_shift``, a value before it is rounded in
    units of ``2**-act_shift``: in these units, with what is added, all stay below 2**53.

    Parameters
    ----------
    most : largest size of every column in each group; `top` of a potential.
    """
    charge = 2.0**31 * (np.exp2(modes.weight_shift) + 1) + most.bias
    left = top + np.maximum(most.v_reset, most.rho)
    decayed = most.alpha_num * left + np.exp2(modes.alpha_shift)
    value = most.act_mult * (top + most.act_subtract) + 2.0**8 * np.exp2(modes.act_shift)
    spikes = modes.output == OUTPUT_CODES["spike"]
    fits: Bools = (charge <= _EXACT) & (decayed <= _EXACT) & (spikes | (value <= _EXACT))
    return fits


def _fits_32_bits(modes: LiafModes, most: LiafColumns, top: float) -> Bools:
    """Whether the soma is exact in 32-bit integers.

    An input is cut at `MOST_DRIVE` less what its shift rounds off: that still drives any potential
    to its end, if the potential, the opposite end and the bias together are no more.
    """
    held = np.maximum(np.maximum(most.floor, most.v_start), top)
    charge = held + top + most.bias + np.exp2(modes.weight_shift)
    after = top + np.where(modes.reset == RESET_CODES["soft"], most.rho, most.v_reset)
    decayed = _shifted_product(after, most.alpha_num, modes.alpha_shift)
    left = decayed + most.beta + most.rho_post
    lower = _lower_shift(modes)
    value = _shifted_product(top + most.act_subtract, most.act_mult, lower)
    value += np.exp2(modes.act_shift - lower) + 2.0**8
    spikes = modes.output == OUTPUT_CODES["spike"]
    fits = (charge <= MOST_DRIVE) & (np.maximum(after, left) < 2.0**31)
    fits &= spikes | ((value < 2.0**31) & (modes.act_shift - lower < 31))
    return np.asarray(fits, np.bool_)


def _lower_shift(modes: LiafModes) -> I32:
    """(n_groups,) bits by which the lower product of a value is shifted before it is rounded."""
    return np.minimum(_LOWER_BITS, np.maximum(modes.act_shift - 1, 0))


def _shifted_product(number: Numbers, factor: Numbers, shift: I32) -> F64:
    """No number on the way to ``number * factor >> shift``, upper bits first, is larger."""
    step = np.exp2(shift)
    upper, lower = factor * (number / step + 1), (factor + 1) * step
    return np.asarray(np.maximum(upper + factor + 1, np.maximum(lower, number)), np.float64)


def _numbers(modes: LiafModes, in_32: Bools) -> F64:
    """(n_groups, 10) see `Pieces`."""
    nearest, toward_zero = (modes.rounding == ROUNDING_CODES[n] for n in ("nearest", "toward_zero"))
    signed, unsigned, relu = (
        modes.activation == ACTIVATION_CODES[n] for n in ("lut", "lut_unsigned", "relu")
    )
    least = np.where(relu, np.maximum(modes.act_low, 0), modes.act_low)
    numbers = np.empty((modes.output.size, 10))
    numbers[:, rows.GAIN] = np.exp2(modes.weight_shift)
    numbers[:, rows.KEEP] = modes.reset != RESET_CODES["hard"]
    numbers[:, rows.HALF] = 0.5 * nearest
    numbers[:, rows.HALF_BELOW] = np.where(
        toward_zero, 1 - np.exp2(-modes.alpha_shift), 0.5 * nearest
    )
    numbers[:, rows.LEAST] = np.where(signed | unsigned, 0, least)
    numbers[:, rows.MOST] = np.where(signed | unsigned, 255, modes.act_high)
    numbers[:, rows.IN_32] = in_32
    numbers[:, rows.LOWER] = _lower_shift(modes)
    numbers[:, rows.UPPER] = modes.act_shift - _lower_shift(modes)
    numbers[:, rows.LOWEST] = np.where(signed, -128, 0)
    return numbers


def _blocks(modes: LiafModes, columns: LiafColumns, v_low: int, places: Places) -> F64:
    """(n_pieces, 9, 128) parameters; what is beyond the end of a piece repeats its last."""
    neuron = np.minimum(places.start[:, None] + np.arange(PIECE), places.stop[:, None] - 1)
    c = LiafColumns(*(column[neuron].astype(np.float64) for column in columns))
    m = LiafModes(*(mode[places.group][:, None] for mode in modes))
    scale, in_32 = c.act_mult * np.exp2(-m.act_shift), places.in_32[:, None]
    lowest = np.where(m.activation == ACTIVATION_CODES["lut"], -128, 0)
    hard, soft = m.reset == RESET_CODES["hard"], m.reset == RESET_CODES["soft"]
    by_row = {
        rows.BIAS: c.bias,
        rows.THETA: c.theta,
        rows.JUMP: np.where(hard, c.v_reset, np.where(soft, -c.rho, 0)),
        rows.DECAY: c.alpha_num * np.where(in_32, 1, np.exp2(-m.alpha_shift)),
        rows.BETA: c.beta,
        rows.BETA_FIRED: c.beta - c.rho_post,
        rows.FLOOR: np.maximum(c.floor, v_low),
        rows.SCALE: np.where(in_32, c.act_mult, scale),
        rows.ZERO: np.where(in_32, c.act_subtract, 0.5 - lowest - c.act_subtract * scale),
    }
    return np.stack([by_row[row] for row in sorted(by_row)], axis=1)
