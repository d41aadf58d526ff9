"""Somas in 32 and in 64 bits: parameters and sums at both ends, against integers without end."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from support.chips import make_chip

import neurosim
from neurosim import ProgramBuilder
from neurosim.image.somas import soft_somas
from neurosim.run.encoding import InputCode
from neurosim.soma.liaf import FITS_32, fits_32_bits

pytestmark = pytest.mark.exactness

N_NEURONS, N_TICKS = 64, 12


def a_program(
    rng: np.random.Generator, bits: int, rounding: str, alpha: int, shift: int
) -> tuple[Any, list[dict[str, Any]]]:
    """A core per reset and weight shift; columns at both ends of the membrane and between."""
    chip = make_chip(
        core__membrane_bits=bits,
        core__accumulator_bits=31,
        core__rounding=rounding,
        core__decay_bits=16,
        core__max_weight_shift=16,
        core__neurons=N_NEURONS,
        core__synapses=4 * N_NEURONS,
        packet__psum_payload_bits=31,
    )
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    builder = ProgramBuilder(chip, n_inputs=4, input_code=InputCode("analog", 1.0, -255, 255))
    cores = []
    for place, (reset, weight_shift) in enumerate(
        itertools.product(("hard", "soft", "none"), (0, 16))
    ):

        def ends(least: int = low) -> Any:
            return np.where(
                rng.random(N_NEURONS) < 0.5,
                rng.choice([least, high], N_NEURONS),
                rng.integers(least, high + 1, N_NEURONS),
            )

        columns = {name: ends() for name in ("bias", "theta", "v_reset", "beta", "v_start")}
        columns |= {name: ends(0) for name in ("rho", "rho_post")} | {"floor": ends()}
        columns["alpha_num"] = rng.choice([-alpha, 0, 1, alpha], N_NEURONS)
        weights = rng.choice([-127, -1, 0, 1, 127], (4, N_NEURONS))
        core = builder.add_core(place, 0)
        core.set_weights(weights, kind="analog")
        core.set_liaf(reset=reset, weight_shift=weight_shift, alpha_shift=shift, **columns)
        builder.connect_inputs(np.arange(4), core, np.arange(4))
        cores.append(
            {"reset": reset, "shift": weight_shift, "weights": weights, "core": core, **columns}
        )
    builder.add_layer("all", [(core["core"], np.arange(N_NEURONS)) for core in cores])
    return builder.build("all"), cores


def potentials(
    core: dict[str, Any], x: np.ndarray, low: int, high: int, rounding: str, shift: int
) -> list[list[int]]:
    """The soma neuron by neuron in Python's integers."""
    rows = [[int(v) for v in core["v_start"]]]
    for values in x:
        acc = values.astype(int) @ core["weights"]
        row = []
        for i, v in enumerate(rows[-1]):
            p = {name: int(core[name][i]) for name in core if np.ndim(core[name]) == 1}
            u = min(max(v + (int(acc[i]) << core["shift"]) + p["bias"], low), high)
            fires = u >= p["theta"]
            left = {"hard": p["v_reset"], "soft": u - p["rho"], "none": u}[core["reset"]]
            r = p["alpha_num"] * (left if fires else u)
            half = {"nearest": 1 << shift >> 1, "floor": 0}.get(rounding, (1 << shift) - 1)
            r = (r + (half if rounding != "toward_zero" or r < 0 else 0)) >> shift
            r = min(max(r + p["beta"] - fires * p["rho_post"], low), high)
            row.append(max(r, p["floor"]))
        rows.append(row)
    return rows[1:]


@pytest.mark.parametrize(
    ("bits", "alpha", "shift", "fits"),
    [
        (24, 126, 6, [True, True, True]),  # 126 * 2**24 + 2**6 + 2**24 is under 2**31
        (24, 127, 6, [True, False, True]),  # of these, only a soft reset doubles a potential
        (29, 1, 0, [True, True, True]),  # 3 * 2**28 is under 2**30
        (30, 1, 0, [False, False, False]),
        (31, 1 << 16, 16, [False, False, False]),
    ],
)
@pytest.mark.parametrize("rounding", ["nearest", "floor", "toward_zero"])
def test_potentials_at_both_ends(bits, alpha, shift, fits, rounding):
    rng = np.random.default_rng(bits + alpha)
    program, cores = a_program(rng, bits, rounding, alpha, shift)
    modes, _, _ = soft_somas(program)
    assert modes is not None
    np.testing.assert_array_equal(modes[::2, FITS_32], fits)
    x = rng.choice([-255, -1, 0, 1, 255], (1, N_TICKS, 4))
    run = neurosim.simulate(program, x, probe=["all"], threads=1)
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    for k, core in enumerate(cores):
        mine = run.membrane["all"][0, :, k * N_NEURONS : (k + 1) * N_NEURONS]
        np.testing.assert_array_equal(mine, potentials(core, x[0], low, high, rounding, shift))


def test_what_is_cut_from_an_input_needs_room():
    """A shift of 28 bits rounds more off than the membrane leaves."""
    program, _ = a_program(np.random.default_rng(0), 28, "floor", 1, 0)
    wide = program.modes._replace(weight_shift=program.modes.weight_shift * 0 + 28)
    alpha = np.ones(wide.reset.size, np.int64)
    assert not fits_32_bits(wide._replace(weight_shift=wide.weight_shift + 2), 28, alpha).any()
    assert fits_32_bits(wide, 28, alpha).all()
