"""Compiled somas against one neuron at a time in Python's integers, at the ends of every range."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from neurosim.image.soma_pieces import make_pieces
from neurosim.image.somas import SoftSomas
from neurosim.program.columns import MODEL_CODES, GroupTable
from neurosim.soma.cuba import Synaptic
from neurosim.soma.liaf import LiafColumns, LiafModes, update_liaf
from neurosim.soma.liaf_pieces import IN_32, PIECE, update_pieces

pytestmark = pytest.mark.exactness

NONE = np.empty(0, np.int32)
LUTS = np.random.default_rng(5).integers(-128, 256, (2, 256)).astype(np.int32)
HARD, SOFT, KEPT, RAISED = range(4)
NEAREST, FLOOR, TOWARD_ZERO = range(3)
SPIKE, IDENTITY, RELU, SIGNED_TABLE, TABLE = -1, 0, 1, 2, 3
SIZES = (1, PIECE, PIECE + 1, 3 * PIECE - 2)


def shifted(value: int, shift: int, rounding: int) -> int:
    if shift == 0 or rounding == FLOOR:
        return value >> shift
    if rounding == NEAREST:
        return (value + (1 << (shift - 1))) >> shift
    return value >> shift if value >= 0 else -(-value >> shift)


def clip(value: int, low: int, high: int) -> int:
    return min(max(value, low), high)


def one_tick(
    c: Any, m: Any, acc: int, v: int, fired: int, limits: tuple[int, int]
) -> tuple[int, int, int]:
    """The equations of the soma for one neuron: its potential, output and flags."""
    drive = 0 if m.silent_step and fired & 1 else (acc << m.weight_shift) + c.bias
    U = clip(v + drive, *limits)
    theta = c.theta + (c.rho if fired & 2 else 0)
    n = 0 if theta > U else 1 if m.n_max == 1 else min(U // theta, m.n_max)
    R = U
    if m.reset == HARD and n:
        R = c.v_reset
    elif m.reset in (SOFT, RAISED):
        R = U - n * c.rho
    flags = (n > 0) + 2 * (m.reset == RAISED and c.theta <= R)
    V = shifted(c.alpha_num * R, m.alpha_shift, m.rounding) + c.beta - n * c.rho_post
    V = max(clip(V, *limits), c.floor)
    if m.output == 0:
        return V, n, flags
    z = shifted((U - c.act_subtract) * c.act_mult, m.act_shift, NEAREST)
    if m.activation in (SIGNED_TABLE, TABLE):
        low = -128 if m.activation == SIGNED_TABLE else 0
        return V, int(LUTS[m.lut, clip(z, low, low + 255) - low]), flags
    z = max(z, 0) if m.activation == RELU else z
    return V, clip(z, m.act_low, m.act_high), flags


def modes_of(
    kind: int, reset: int, rounding: int, decay_bits: int, act_shift: int, **rest: int
) -> Any:
    values = {"weight_shift": 0, "n_max": 1, "silent_step": 0, "act_low": -128, "act_high": 127}
    values |= {"alpha_shift": decay_bits, "rounding": rounding, "reset": reset}
    values |= {"output": int(kind != SPIKE), "activation": max(kind, 0), "act_shift": act_shift}
    rows: Any = values | {"lut": kind - 2 if kind >= 2 else -1} | rest
    return LiafModes(**rows)


def draw(rng: np.random.Generator, n: int, bits: int, decay_bits: int, mult: int) -> LiafColumns:
    """Numbers of every size up to the ends of their ranges; every third column is uniform."""
    top, one = 1 << (bits - 1), 1 << decay_bits
    ends = np.array([-top, -top + 1, -1, 0, 1, top - 2, top - 1])

    def potentials() -> np.ndarray:
        some = rng.integers(-top, top, n) >> rng.integers(0, bits, n)
        values = np.where(rng.random(n) < 0.4, rng.choice(ends, n), some)
        return np.full(n, values[0]) if rng.random() < 0.3 else values

    columns = {name: potentials() for name in LiafColumns._fields}
    columns["theta"] = np.minimum(columns["theta"] + rng.integers(0, 2, n), 2**31 - 1)
    columns["alpha_num"] = rng.choice([-one, 1 - one, -1, 0, 1, one - 1, one], n)
    columns["act_mult"] = rng.choice([-mult, -1, 0, 1, 3, mult - 1, mult], n)
    return LiafColumns(**{name: column.astype(np.int32) for name, column in columns.items()})


class Somas:
    """Groups side by side, and their neurons before the first tick."""

    def __init__(self, parts: list[tuple[LiafModes, LiafColumns]], bits: int) -> None:
        self.parts, self.bits = parts, bits
        sizes = [columns.theta.size for _, columns in parts]
        self.stop = np.cumsum(sizes)
        self.start = self.stop - sizes
        self.columns = LiafColumns(*map(np.concatenate, zip(*(c for _, c in parts), strict=True)))
        self.modes = np.array([m for m, _ in parts], np.int32)
        n, none = len(parts), np.zeros(len(parts), np.int32)
        model = np.full(n, MODEL_CODES["liaf"], np.int32)
        groups = GroupTable(none, none, model, self.start, self.stop, none, none - 1, none - 1)
        soft = SoftSomas(self.modes, self.columns, Synaptic(NONE, NONE, none))
        self.pieces = make_pieces(groups, soft, bits)
        self.v = self.columns.v_start.copy()
        self.y, self.fired = np.zeros_like(self.v), np.zeros(self.v.size, np.int8)

    def tick(self, acc: np.ndarray, in_pieces: bool) -> None:
        """All groups, those that fit in pieces if asked; what they say about themselves holds."""
        limits = -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        acc, p, c = acc.copy(), self.pieces, self.columns
        for g, (start, stop) in enumerate(zip(self.start, self.stop, strict=True)):
            before = self.v[start:stop].copy(), self.fired[start:stop].copy()
            given = np.full(stop - start + 5, 99, np.int32)
            if in_pieces and p.first[g] >= 0:
                changed, sending = update_pieces(
                    self.modes[g], p.numbers[g], p.block, p.table, p.table_32, p.first[g],
                    start, stop, *limits, LUTS, acc, self.v, given, 3,
                )  # fmt: skip
            else:
                changed, sending = update_liaf(
                    self.modes[g], start, stop, *limits, c.bias, c.theta, c.v_reset, c.alpha_num,
                    c.beta, c.rho, c.rho_post, c.floor, c.act_subtract, c.act_mult, LUTS, acc,
                    self.v, given, 3, self.fired,
                )  # fmt: skip
            self.y[start:stop] = given[3 : 3 + stop - start]
            assert (given[:3] == 99).all()
            assert (given[3 + stop - start :] == 99).all()
            now = self.v[start:stop], self.fired[start:stop]
            assert changed == any((a != b).any() for a, b in zip(before, now, strict=True))
            assert sending == self.y[start:stop].any()
        assert not acc.any()

    def expected(self, acc: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        limits = -(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1
        rows = np.stack([*self.columns, acc, self.v, self.fired], axis=1).tolist()
        modes = np.repeat(np.arange(len(self.parts)), self.stop - self.start)
        found = [
            one_tick(LiafColumns(*row[:11]), self.parts[g][0], *row[11:], limits)
            for g, row in zip(modes, rows, strict=True)
        ]
        v, y, flags = np.array(found).T
        return v, y, flags


def run(parts: list[tuple[LiafModes, LiafColumns]], bits: int, seed: int, in_pieces: bool) -> Somas:
    """Three ticks, each compared with the equations."""
    rng = np.random.default_rng(seed)
    somas = Somas(parts, bits)
    for size in (8, 31, 20):
        acc = rng.integers(-(1 << size), 1 << size, somas.v.size) >> rng.integers(0, size)
        acc = np.where(rng.random(acc.size) < 0.2, rng.choice([-(2**31), 2**31 - 1], acc.size), acc)
        acc = acc.astype(np.int32)
        v, y, flags = somas.expected(acc)
        somas.tick(acc, in_pieces)
        np.testing.assert_array_equal(somas.v, v)
        np.testing.assert_array_equal(somas.y, y)
        whole = np.repeat((somas.pieces.first < 0) | (not in_pieces), somas.stop - somas.start)
        np.testing.assert_array_equal(somas.fired[whole], flags[whole])
        somas.fired[:] = flags
    return somas


@pytest.mark.parametrize("in_pieces", [True, False])
@pytest.mark.parametrize(
    ("bits", "decay_bits", "mult"), [(24, 12, 2**28 - 32), (32, 16, 2**20 - 32)]
)
def test_one_spike_at_most(in_pieces: bool, bits: int, decay_bits: int, mult: int) -> None:
    """Every reset, rounding and output, with the widest numbers that are exact in float64."""
    rng = np.random.default_rng(bits)
    kinds = product((SPIKE, IDENTITY, RELU, SIGNED_TABLE, TABLE), (HARD, SOFT, KEPT), range(3))
    parts = []
    for k, (kind, reset, rounding) in enumerate(kinds):
        shift = {"weight_shift": (0, 5, 16)[k % 3]}
        decay, act_shift = (decay_bits, 0)[k % 7 == 3], (20, 3, 0)[k % 4 % 3]
        modes = modes_of(kind, reset, rounding, decay, act_shift, **shift)
        parts.append((modes, draw(rng, SIZES[k % 4], bits, decay, mult)))
    somas = run(parts, bits, 1, in_pieces)
    assert (somas.pieces.first >= 0).all()


@pytest.mark.parametrize("kind", [SPIKE, RELU, SIGNED_TABLE])
def test_what_counts_or_remembers_spikes(kind: int) -> None:
    rng = np.random.default_rng(kind + 1)
    parts = []
    for rounding, reset in product(range(3), (HARD, SOFT, KEPT, RAISED)):
        for rest in ({"silent_step": 1}, {"n_max": 9}):
            n_max = 1 if reset == RAISED else rest.get("n_max", 1)
            modes = modes_of(kind, reset, rounding, 6, 4, **(rest | {"n_max": n_max}))
            columns = draw(rng, 40, 16, 6, 300)
            theta = np.maximum(columns.theta, 1) if n_max > 1 else columns.theta
            parts.append((modes, columns._replace(theta=theta)))
    somas = run(parts, 16, 2, in_pieces=True)
    assert (somas.pieces.first < 0).all()


def test_numbers_that_may_not_fit_are_left_alone() -> None:
    """Beyond 52 bits only the integers are exact: on either side of each bound."""
    zeros: dict[str, Any] = dict.fromkeys(LiafColumns._fields, np.zeros(3, np.int32))
    plain = modes_of(IDENTITY, HARD, NEAREST, 15, 20)
    cases = [  # 32-bit potentials: alpha up to 2**20, a multiplier up to 2**20, weight shift 20
        (plain, {"alpha_num": 2**21 - 2}, True),
        (plain, {"alpha_num": 2**21}, False),
        (plain, {"alpha_num": 2**21 - 2, "v_reset": 2**20}, False),
        (plain, {"alpha_num": 2**21 - 2, "rho": 2**20}, False),
        (plain, {"act_mult": 2**21 - 2}, True),
        (plain, {"act_mult": -(2**21)}, False),
        (plain, {"act_mult": 2**20, "act_subtract": -(2**31)}, False),
        (plain._replace(output=0), {"act_mult": 2**30}, True),
        (plain._replace(act_shift=44), {}, True),
        (plain._replace(act_shift=45), {}, False),
        (plain._replace(weight_shift=20), {}, True),
        (plain._replace(weight_shift=21), {}, False),
    ]
    parts, fits = [], []
    for modes, changes, fit in cases:
        wide = {name: np.array([0, value, 0], np.int32) for name, value in changes.items()}
        parts.append((modes, LiafColumns(**(zeros | wide))))
        fits.append(fit)
    somas = run(parts, 32, 3, in_pieces=True)
    assert (somas.pieces.first >= 0).tolist() == fits


@pytest.mark.parametrize("kind", [SPIKE, IDENTITY, RELU, SIGNED_TABLE, TABLE])
@pytest.mark.parametrize(("bits", "decay_bits", "shift"), [(16, 14, 0), (24, 12, 5), (28, 0, 16)])
def test_somas_in_32_bits(kind: int, bits: int, decay_bits: int, shift: int) -> None:
    """Inputs of 32 bits and potentials at both ends; products of up to 40 bits, in two halves."""
    rng = np.random.default_rng(bits + shift)
    mult = {16: 2**16, 24: 2**18, 28: 7}[bits]
    cases = product((HARD, SOFT, KEPT), (NEAREST, FLOOR, TOWARD_ZERO), SIZES)
    parts = []
    for k, (reset, rounding, n) in enumerate(cases):
        act_shift = {16: (0, 1, 13, 20), 24: (13, 20, 28, 39), 28: (0, 3, 12, 30)}[bits][k // 3 % 4]
        used = mult if act_shift > 12 or kind == SPIKE else 7
        modes = modes_of(kind, reset, rounding, decay_bits, act_shift, weight_shift=shift)
        parts.append((modes, draw(rng, n, bits, decay_bits, used)))
    somas = run(parts, bits, 4, in_pieces=True)
    assert (somas.pieces.numbers[:, IN_32] == 1).all()
    assert somas.pieces.table.size == 0


def test_what_is_too_wide_for_32_bits() -> None:
    """On either side of each bound, with potentials of 24 bits."""
    zeros: dict[str, Any] = dict.fromkeys(LiafColumns._fields, np.zeros(3, np.int32))
    plain, top = modes_of(SPIKE, SOFT, NEAREST, 6, 0), 2**23
    value = modes_of(IDENTITY, HARD, NEAREST, 6, 20)
    most = 2**14 - 1  # most * (2**17 + 1) + most + 1 is 98305 below 2**31
    cases = [
        (plain, {"alpha_num": most}, True),
        (plain, {"alpha_num": -most - 1}, False),
        (plain, {"alpha_num": 2**13, "rho": top - 2**8}, True),
        (plain, {"alpha_num": 2**13, "rho": top}, False),
        (plain._replace(reset=KEPT), {"alpha_num": most, "rho": top}, True),
        (plain._replace(reset=HARD), {"alpha_num": most, "rho": top}, True),
        (plain._replace(reset=HARD), {"alpha_num": most, "v_reset": top}, False),
        (plain, {"alpha_num": most, "beta": 98304}, True),
        (plain, {"alpha_num": most, "beta": 98305}, False),
        (plain, {"alpha_num": most, "rho_post": 98305}, False),
        (plain._replace(alpha_shift=20), {"alpha_num": 2**11 - 2}, True),
        (plain._replace(alpha_shift=20), {"alpha_num": 2**11 - 1}, False),  # 2**11 * 2**20
        (plain, {"bias": 2**30 - 2**24 - 1}, True),  # with 2**0 for the weight shift
        (plain, {"bias": 2**30 - 2**24}, False),
        (plain, {"floor": 2**30 - 2**23}, False),
        (plain, {"v_start": 2**30 - 2**23}, False),
        (value, {"act_mult": 2**19 - 2}, True),
        (value, {"act_mult": 1 - 2**19}, False),  # 2**19 * 2**12 for the lower bits
        (value, {"act_mult": 2**18, "act_subtract": 2**24}, True),
        (value, {"act_mult": 2**18, "act_subtract": 2**25}, False),  # for the upper ones
        (value._replace(act_shift=0), {"act_mult": 255}, True),
        (value._replace(act_shift=0), {"act_mult": 256}, False),
        (value._replace(act_shift=42), {}, True),
        (value._replace(act_shift=43), {}, False),
    ]
    parts = []
    for modes, changes, _ in cases:
        wide = {name: np.array([0, value, 0], np.int32) for name, value in changes.items()}
        parts.append((modes, LiafColumns(**(zeros | wide))))
    somas = run(parts, 24, 5, in_pieces=True)
    assert (somas.pieces.first >= 0).all()
    assert somas.pieces.numbers[:, IN_32].tolist() == [fits for *_, fits in cases]


def test_equal_pieces_share_their_parameters() -> None:
    """Nine rows for each kind of piece: full or not, these modes, these numbers."""
    rng = np.random.default_rng(0)
    channels = draw(rng, PIECE, 16, 6, 300)
    tiled = LiafColumns(*(np.tile(column, 3)[: 2 * PIECE + 5] for column in channels))
    modes = modes_of(RELU, HARD, NEAREST, 6, 4)
    other = tiled._replace(beta=np.append(tiled.beta[:-1], tiled.beta[-1] ^ 1))
    parts = [(modes, tiled), (modes, tiled), (modes._replace(reset=SOFT), tiled), (modes, other)]
    pieces = Somas(parts, 16).pieces
    assert pieces.first.tolist() == [0, 3, 6, 9]
    _, number = np.unique(pieces.block, return_inverse=True)
    assert number.tolist() == [0, 0, 1, 0, 0, 1, 2, 2, 3, 0, 0, 4]
    assert pieces.table_32.size == 5 * 9 * PIECE
