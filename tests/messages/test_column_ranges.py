"""Every column of neurons and groups knows its range: a value just beyond it is refused by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chips import make_chip

from neurosim import ProgramBuilder, load_program
from neurosim.errors import InputFileError
from neurosim.program.check import check_program
from neurosim.soma.cuba import CubaColumns
from neurosim.soma.liaf import LiafColumns, LiafModes
from neurosim.soma.truenorth import TrueNorthColumns, TrueNorthNeurons

MEMBRANE, WEIGHT, DECAY, SHIFT = 12, 6, 5, 3
HIGH, HEAVY = 2 ** (MEMBRANE - 1) - 1, 2 ** (WEIGHT - 1) - 1

NEURONS = {
    "theta": (-HIGH - 1, HIGH + 1),  # HIGH + 1: never fires
    "act_subtract": (-HIGH - 1, HIGH + 1),
    "alpha_num": (-(2**DECAY), 2**DECAY),
    "act_mult": None,  # whatever 32 bits hold
} | dict.fromkeys(
    ("bias", "v_reset", "beta", "rho", "rho_post", "floor", "v_start"), (-HIGH - 1, HIGH)
)
MODES = {
    "weight_shift": (0, SHIFT),
    "alpha_shift": (0, DECAY),
    "rounding": (0, 2),
    "reset": (0, 3),
    "n_max": (1, None),
    "silent_step": (0, 1),
    "output": (0, 1),
    "activation": (0, 3),
    "act_shift": (0, 62),  # |U - subtract| <= 2**31, times 2**31, and half of what is cut off
    "act_low": (-128, None),
    "act_high": (None, 127),
    "lut": (-1, None),  # tables that there are
}
TRUENORTH = {
    "weight": (-HEAVY - 1, HEAVY),
    "leak": (-HEAVY - 1, HEAVY),
    "reset_value": (-HIGH, HIGH),
    "reset_mode": (0, 2),
} | {
    **dict.fromkeys(("threshold", "negative_threshold", "threshold_mask"), (0, HIGH)),
    **dict.fromkeys(("synapse_stochastic", "leak_stochastic", "leak_reversal", "saturate"), (0, 1)),
}
RANGES = {
    "neurons": (LiafColumns, NEURONS),
    "modes": (LiafModes, MODES),
    "cuba": (CubaColumns, {"alpha_syn": (-(2**DECAY), 2**DECAY)}),
    "truenorth": (TrueNorthColumns, TRUENORTH),
    "truenorth_neurons": (
        TrueNorthNeurons,
        {"parameters": (0, 0), "v_start": (-HIGH - 1, HIGH)},
    ),
}


def sound(table: str):
    hard = table.startswith("truenorth")
    model = {"cuba": "cuba"}.get(table, "truenorth" if hard else "liaf")
    chip = make_chip(
        core__soma_models=[model],
        core__membrane_bits=MEMBRANE,
        core__weight_bits=WEIGHT,
        core__decay_bits=DECAY,
        core__max_weight_shift=SHIFT,
    )
    builder = ProgramBuilder(chip, n_inputs=1)
    core = builder.add_core(0, 0)
    if hard:
        core.set_crossbar([[True]], [0])
        core.set_truenorth(weight=[1, 1, 1, 1])
    else:
        core.set_weights([[1]])
        output = {"alpha_syn": 3} if table == "cuba" else {"output": "analog"}
        core.set_liaf(**output)
        builder.add_lut(np.arange(256) // 4)
    builder.connect_inputs([0], core, axons=[0])
    builder.add_layer("out", [(core, [0])])
    return builder.build("out")


def with_value(program, table: str, name: str, value: int):
    rows = getattr(program, table)
    column = getattr(rows, name)
    return replace(program, **{table: rows._replace(**{name: np.full_like(column, value)})})


CASES = [
    (table, name, end)
    for table, (_, ranges) in RANGES.items()
    for name, limits in ranges.items()
    for end in ((0, 1) if limits else ())
    if limits[end] is not None
]


@pytest.mark.parametrize(("table", "name", "end"), CASES)
def test_a_value_just_beyond_its_range_is_refused_by_name(table, name, end):
    program, limit = sound(table), RANGES[table][1][name][end]
    assert not check_program(program)
    column = getattr(getattr(program, table), name)
    said = [str(v) for v in check_program(with_value(program, table, name, limit))]
    assert not [s for s in said if f"{table}.{name} needs" in s and f"{limit}" in s], said
    if limit == 0 and column.dtype == np.uint8 and end == 0:
        return  # nothing lies below
    beyond = limit + (1 if end else -1)
    said = [str(v) for v in check_program(with_value(program, table, name, beyond))]
    assert any(f"{table}.{name}" in s and f"{beyond}" in s and "the limit is" in s for s in said)


@pytest.mark.parametrize("table", RANGES)
def test_no_column_is_forgotten(table):
    kind, ranges = RANGES[table]
    assert set(ranges) == set(kind._fields)


def test_a_table_goes_with_its_activation_and_keeps_to_the_range():
    program = sound("modes")
    for name, value, sentence in (
        ("lut", 0, "modes.lut needs 0, the limit is a table with the activations lut"),
        ("activation", 2, "modes.lut needs -1, the limit is a table with the activations lut"),
        ("act_low", 128, "modes.act_low needs 128, the limit is act_high, 127"),
    ):
        found = [str(v) for v in check_program(with_value(program, "modes", name, value))]
        assert any(sentence in s for s in found), found
    looked_up = with_value(with_value(program, "modes", "activation", 2), "modes", "lut", 0)
    assert not check_program(looked_up)
    found = check_program(with_value(looked_up, "modes", "act_high", 62))  # the table gives 63
    assert [str(v) for v in found] == ["structure: luts needs 0..63, the limit is -128..62."]


def test_a_file_with_a_negative_shift_is_refused(tmp_path):
    path = tmp_path / "shifted.nsp"
    with_value(sound("modes"), "modes", "act_shift", -1).save(path)
    with pytest.raises(InputFileError) as caught:
        load_program(path)
    assert str(caught.value) == (
        f"{path}: breaks a rule of its chip: structure: modes.act_shift needs -1..-1, "
        "the limit is 0..62."
    )
