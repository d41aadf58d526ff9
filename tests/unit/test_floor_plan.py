"""The chip as text: where layers sit, dead and free cores, chips wider than the terminal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support.chain import chain_chip, chain_program

from neurosim.report.floor_plan import floor_plan


def rows(text):
    """The plan without its head and legend."""
    return text.split("\n\n")[0].splitlines()[1:]


def test_a_chain():
    text = floor_plan(chain_program())
    assert rows(text) == ["A B C ."]
    assert text.splitlines()[0] == "test, 4 x 1 cores"
    assert "A  relay0" in text


def test_dead_cores():
    chip = chain_chip(grid={"wide": 4, "high": 2}, dead_cores=[[1, 0], [3, 1]])
    assert rows(floor_plan(chain_program(chip))) == ["A x B C", ". . . x"]


def test_several_layers_on_one_core():
    chip = chain_chip(core__neurons=8)
    assert rows(floor_plan(chain_program(chip))) == ["* . . ."]


def test_a_wide_chip_is_cut_to_what_is_used():
    program = chain_program(chain_chip(grid={"wide": 100, "high": 3}))
    text = floor_plan(program)
    assert rows(text) == ["A B C"]
    assert text.splitlines()[0] == "test, 100 x 3 cores"


def test_a_wide_network_is_scaled_down():
    program = chain_program(chain_chip(grid={"wide": 200, "high": 2}))
    x = np.array([0, 100, 199], np.int32)
    spread = replace(program, cores=program.cores._replace(x=x))
    text = floor_plan(spread)
    assert text.splitlines()[0] == "test, 200 x 2 cores; one character for 3 x 3 cores"
    (row,) = rows(text)
    assert len(row) == 67
    assert (row[0], row[33], row[66]) == ("A", "B", "C")
    assert set(row) == {"A", "B", "C", "."}


def test_the_phases_of_a_folded_program():
    program = chain_program()
    folded = replace(program, cores=program.cores._replace(phase=np.array([0, 1, 1], np.int32)))
    assert floor_plan(folded).endswith(
        "\n\nphase 0: 1 core: A relay0\nphase 1: 2 cores: B relay1, C relay2"
    )
    assert "phase" not in floor_plan(program)
