"""Costs per layer: the formulas of the paper, and the counters of a run."""

from __future__ import annotations

import numpy as np
import pytest
from support.chips import make_chip

import neurosim
from neurosim_mapper.complexity import ConvShape, DenseShape, conv_liaf, dense_liaf, dense_lif
from neurosim_mapper.layer_costs import layer_costs
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Conv, Flatten, Input, Linear, liaf, lif
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.reference import trace_reference

RNG = np.random.default_rng(4)
TICKS = 5


def dense(neuron, inputs=12, hidden=9, outputs=4):
    return Network.sequential(
        [
            Input((inputs,)),
            Linear(RNG.integers(-5, 6, size=(hidden, inputs)), RNG.integers(-2, 3, size=hidden)),
            neuron,
            Linear(RNG.integers(-5, 6, size=(outputs, hidden))),
            neuron,
        ]
    )


def as_integers(network, kind):
    return quantize(network, make_chip(), input_kind=kind)


def test_dense_layers_cost_what_table_i_says():
    values = layer_costs(as_integers(dense(liaf(8.0, 0.0)), "analog"), TICKS)
    spikes = layer_costs(as_integers(dense(lif(8.0, 0.0)), "spike"), TICKS)
    for cost, shape in zip(values, (DenseShape(12, 9), DenseShape(9, 4)), strict=True):
        assert cost.formula == dense_liaf(shape).over(TICKS)
    for cost, shape in zip(spikes, (DenseShape(12, 9), DenseShape(9, 4)), strict=True):
        assert cost.formula == dense_lif(shape).over(TICKS)


def test_convolution_costs_what_table_ii_says():
    net = Network.sequential(
        [
            Input((2, 6, 6)),
            Conv(RNG.integers(-3, 4, size=(4, 2, 3, 3)), padding=1),
            liaf(8.0, 0.0),
            Flatten(),
            Linear(RNG.integers(-3, 4, size=(3, 144))),
            liaf(8.0, 0.0),
        ]
    )
    first, _ = layer_costs(as_integers(net, "analog"), TICKS)
    assert first.formula == conv_liaf(ConvShape(TICKS, 6, 6, 4, (3, 3), 2))


@pytest.mark.parametrize(("neuron", "kind"), [(liaf(8.0, 0.5), "analog"), (lif(8.0, 0.5), "spike")])
def test_measured_operations_are_the_counters_of_a_run(neuron, kind):
    network = as_integers(dense(neuron), kind)
    program = map_network(network, make_chip(), placer="row-major")
    x = (RNG.random((3, TICKS, 12)) < 0.4).astype(float)
    costs = layer_costs(network, TICKS, x)
    counts = neurosim.simulate(program, x).report().counts
    assert sum(cost.macs for cost in costs) * 3 == counts["macs"]
    assert sum(cost.synaptic_ops for cost in costs) * 3 == counts["synaptic_ops"]


def test_active_share_is_that_of_the_sources():
    network = as_integers(dense(lif(8.0, 0.5)), "spike")
    x = (RNG.random((3, TICKS, 12)) < 0.4).astype(float)
    first, second = layer_costs(network, TICKS, x)
    hidden = trace_reference(network, x).values[network.layers[0].name]
    assert first.active_share == x.mean()
    assert second.active_share == (hidden != 0).mean()
