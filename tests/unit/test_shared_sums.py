"""Kernels added run by run, beside sums over the synapses one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chips import make_chip
from support.networks import random_layer

from neurosim.image import shared_kernels
from neurosim.kernels.rows import add_runs
from neurosim.kernels.shared_kernels import add_kernels, hand_on_sums
from neurosim.program.kernel_places import core_cells
from neurosim.run.encoding import InputCode
from neurosim.run.state import allocate_state
from neurosim_mapper.connections import ConvConnection
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork

pytestmark = pytest.mark.exactness


def program_of(rng, **geometry):
    """Two projections of one input onto the same neurons, one of them delayed."""
    chip = make_chip(
        core__axons=256, core__neurons=256, core__synapses=65536, core__shared_kernel=True,
        core__synapse_memory_bytes=4096, core__max_delay_ticks=4,
    )  # fmt: skip
    n_in = 4 // geometry.get("groups", 1)
    weights = rng.integers(-127, 128, (2, 16, n_in, 3, 2))
    conv, other = (ConvConnection(weight, (4, 5, 6), **geometry) for weight in weights)
    projections = (Projection(INPUT, conv), Projection(INPUT, replace(other), 1))
    layer = random_layer(rng, chip, "conv", conv.out_shape, projections)
    code = InputCode("analog", 1.0, 0, 255)
    network = QuantizedNetwork((layer,), "conv", (4, 5, 6), code, chip.core.membrane_bits)
    return map_network(network, chip, placer="row-major", conv="shared")


GEOMETRIES = [
    {"padding": ((1, 1), (1, 1))},
    {"stride": (2, 1), "padding": ((0, 1), (1, 0))},
    {"stride": (1, 2), "dilation": (2, 1)},
    {"stride": (2, 2), "dilation": (1, 3), "padding": ((2, 2), (3, 3))},
    {"groups": 2, "padding": ((1, 1), (0, 0))},
]


@pytest.mark.parametrize("most", [1, 100, 255, 40_000])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
def test_sums_are_those_of_the_synapses(geometry, most, monkeypatch):
    """Few axons and all of them; spikes, values of 7, 8 and more than 16 bits, some below 0."""
    monkeypatch.setattr(shared_kernels, "cores_to_write_out", lambda _: np.empty(0, np.int64))
    rng = np.random.default_rng(most)
    program = program_of(rng, **geometry)
    shared, state = program.image.shared, allocate_state(program.image)
    assert program.image.blocks.is_small
    for core in range(program.n_cores):
        n_axons, n_neurons = (
            int(np.diff(offset)[core])
            for offset in (program.cores.axon_offset, program.cores.neuron_offset)
        )
        for share in (0.05, 1.0):
            axons = np.flatnonzero(rng.random(n_axons) < share)
            values = np.ones(axons.size, np.int64)
            if most > 1:
                values = rng.integers(-most, most + 1, axons.size)
            cells, dense = core_cells(program, core), np.zeros((n_axons, n_neurons), np.int64)
            dense[cells.axon, cells.neuron] = cells.weight
            expected = np.zeros(n_neurons + 3, np.int64)
            expected[3:] = values @ dense[axons]
            inbox, n = state.inbox, axons.size
            inbox.row[0, 1, :n] = shared.axon_offset[shared.plan[core]] + axons
            inbox.factor[0, 1, :n] = values
            sums, one_by_one = np.zeros((2, n_neurons + 3), np.int32)
            for k in range(n):
                row = int(inbox.row[0, 1, k])
                add_runs(shared, core, row, int(values[k]), one_by_one, 3)
            np.testing.assert_array_equal(one_by_one, expected)
            add_kernels(shared, True, inbox, 0, 1, n, core)
            assert hand_on_sums(shared, inbox.sums[0], core, sums, 3) == (expected != 0).sum()
            np.testing.assert_array_equal(sums, expected)
            assert not inbox.sums.any()
