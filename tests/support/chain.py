"""A network small enough to count by hand: three cores in a row, each hands the value on.

One input, three layers of one analog neuron (weight 1, no memory, identity), one neuron per core,
cores at (0,0), (1,0), (2,0). Per value of the host: one host packet, three events, three updates,
and packets (0,0) -> (1,0) -> (2,0) -> host, the last over two links to the west edge.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import neurosim
from neurosim.chip.model import Chip
from neurosim.program.columns import Program
from neurosim.run.encoding import InputCode
from neurosim.run.simulator import Run
from neurosim.soma.liaf import LiafColumns
from neurosim_mapper.connections import DenseConnection
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import (
    INPUT,
    Projection,
    QuantizedLayer,
    QuantizedNetwork,
    SomaModes,
)
from support.chips import make_chip

DEPTH = 3


def chain_chip(**overrides: Any) -> Chip:
    """The test chip with one neuron per core and a single row."""
    return make_chip(**({"grid": {"wide": 4, "high": 1}, "core__neurons": 1} | overrides))


def chain_program(chip: Chip | None = None) -> Program:
    """The mapped chain."""
    target = chip or chain_chip()
    return map_network(chain_network(target), target, placer="row-major")


def chain_network(chip: Chip) -> QuantizedNetwork:
    """Three relays."""
    layers = []
    previous = INPUT
    for i in range(DEPTH):
        name = f"relay{i}"
        layers.append(_relay(name, previous, chip))
        previous = name
    return QuantizedNetwork(
        tuple(layers), previous, (1,), InputCode("analog", 1.0, 0, 255), chip.core.membrane_bits
    )


def chain_run(values: np.ndarray, chip: Chip | None = None, **more: Any) -> Run:
    """Simulate the chain on `values` (samples, ticks)."""
    program = chain_program(chip)
    return neurosim.simulate(program, np.asarray(values)[:, :, None], **more)


def _relay(name: str, source: str, chip: Chip) -> QuantizedLayer:
    def one(value: int) -> np.ndarray:
        return np.full(1, value, np.int32)

    high = (1 << (chip.core.membrane_bits - 1)) - 1
    columns = LiafColumns(
        bias=one(0),
        theta=one(high),
        v_reset=one(0),
        alpha_num=one(0),
        beta=one(0),
        rho=one(0),
        rho_post=one(0),
        floor=one(-high - 1),
        v_start=one(0),
        act_subtract=one(0),
        act_mult=one(1),
    )
    modes = SomaModes(output="analog", reset="none", act_low=0, act_high=255)
    projection = Projection(source, DenseConnection(np.ones((1, 1), np.int64)))
    return QuantizedLayer(name, (1,), (projection,), columns, modes, np.ones(1))
