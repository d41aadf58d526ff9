"""Dense blocks: rows added two or four at a time give the potentials of a product of matrices."""

from __future__ import annotations

import numpy as np
import pytest
from support.chips import make_chip

import neurosim
from neurosim import ProgramBuilder
from neurosim.cost.counters import totals
from neurosim.run import simulator
from neurosim.run.encoding import InputCode

pytestmark = pytest.mark.exactness

N_AXONS, N_NEURONS = 67, 70  # two vectors of neurons and some left over, an odd number of axons


def four_cores(rng, lowest):
    """Two equal dense cores and another one; a fourth hears bursts of more than 16 bits."""
    chip = make_chip(
        core__axons=128,
        core__neurons=128,
        core__synapses=1 << 14,
        core__synapse_memory_bytes=1 << 14,
        core__membrane_bits=31,
        core__accumulator_bits=31,
        packet__psum_payload_bits=31,
    )
    builder = ProgramBuilder(
        chip, n_inputs=N_AXONS + 1, input_code=InputCode("analog", 1.0, -255, 255)
    )
    first, other = rng.integers(-127, 128, (2, N_AXONS, N_NEURONS))
    first[:, 3] = lowest
    struck = rng.integers(-8, 9, (1, N_NEURONS))
    blocks, cores = [first, first, other, struck], []
    burst = builder.add_core(7, 7)
    burst.set_weights([[1]], kind="analog")
    burst.set_liaf(theta=1, n_max=1 << 18, reset="hard", weight_shift=8)
    builder.connect_inputs([N_AXONS], burst, axons=[0])
    for place, block in enumerate(blocks):
        core = builder.add_core(place, 0)
        core.set_weights(block, kind="spike" if len(block) == 1 else "analog")
        core.set_liaf(theta=(1 << 30) - 1, reset="none")
        cores.append(core)
        if len(block) > 1:
            builder.connect_inputs(np.arange(N_AXONS), core, np.arange(N_AXONS))
    burst.connect([0], cores[-1], [0])
    builder.add_layer("all", [(core, np.arange(N_NEURONS)) for core in cores])
    return builder.build("all"), blocks


@pytest.mark.parametrize(("threads", "lowest"), [(1, -127), (3, -127), (1, -128)])
def test_potentials_are_products_of_matrices(threads, lowest, monkeypatch):
    """Four at a time, or two at a time where a weight has no positive counterpart in 8 bits."""
    monkeypatch.setattr(simulator, "TOGETHER_NEURONS", 1)
    rng = np.random.default_rng(threads)
    program, blocks = four_cores(rng, lowest)
    x = rng.integers(-255, 256, (1, 6, N_AXONS + 1))
    x[0, 1:3] *= rng.random((2, N_AXONS + 1)) < [[0.05], [0.6]]
    x[0, 4, :] = 0
    x[0, :, -1] = [200, 0, 3, 255, 0, 9]  # 256 spikes each, one tick later
    heard, bursts = x[0, :, :-1], 256 * np.r_[0, x[0, :-1, -1]][:, None]
    run = neurosim.simulate(program, x, probe=["all"], threads=threads)
    drive = [(heard if len(block) > 1 else bursts) @ block for block in blocks]
    expected = np.cumsum(np.concatenate(drive, axis=1), axis=0)
    np.testing.assert_array_equal(run.membrane["all"][0], expected)
    counted = totals(program, run.counters)
    assert counted["axon_events"] == 3 * np.count_nonzero(heard) + 4 + np.count_nonzero(bursts)
