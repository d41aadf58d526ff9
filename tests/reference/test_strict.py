"""The first saturation, counted by hand: one neuron that adds up its input without a leak."""

from __future__ import annotations

import numpy as np
import pytest
from support.chain import chain_program
from support.chips import make_chip

import neurosim
from neurosim.errors import SimulationFaultError
from neurosim.run.strict import check_saturation

BITS = 10
HIGH = (1 << (BITS - 1)) - 1


def adder():
    """Two inputs of weights 100 and -100; the sum is kept and never fires."""
    builder = neurosim.ProgramBuilder(make_chip(core__membrane_bits=BITS), n_inputs=2)
    core = builder.add_core(1, 1)
    core.set_weights([[0, 100], [0, -100]])
    core.set_liaf(theta=HIGH + 1, alpha_num=1, floor=-HIGH - 1)
    builder.connect_inputs([0, 1], core, axons=[0, 1])
    builder.add_layer("sum", [(core, [0, 1])])
    return builder.build(output="sum")


def x_of(*ticks: int) -> np.ndarray:
    """A spike of the first input for 1, of the second for -1; a sample of its own, and zeros."""
    x = np.zeros((2, len(ticks), 2), np.int64)
    for tick, sign in enumerate(ticks):
        x[1, tick, 0 if sign > 0 else 1] = sign != 0
    return x


@pytest.mark.parametrize("sign", [1, -1])
def test_the_first_tick_beyond_the_range(sign):
    """511 holds five times 100 and -512 five times -100; the sixth is too much."""
    program = adder()
    check_saturation(program, x_of(*[sign] * 5))
    with pytest.raises(SimulationFaultError) as caught:
        check_saturation(program, x_of(*[sign] * 5, 0, sign, sign))
    assert str(caught.value).startswith(
        "sample 1, tick 6: neuron 1 of core 0 (x 1, y 1, layer 'sum') saturated its 10-bit "
    )


def test_a_network_that_stays_inside(tmp_path):
    check_saturation(chain_program(), np.full((2, 3, 1), 5))
