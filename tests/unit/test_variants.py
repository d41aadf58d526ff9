"""The same weights with spikes: what changes, and what must not."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.errors import UsageError
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, liaf, lif
from neurosim_mapper.variants import as_spikes, sends_values

RNG = np.random.default_rng(3)
W1, W2 = RNG.normal(size=(7, 5)), RNG.normal(size=(3, 7))


def network(*neurons):
    return Network.sequential([Input((5,)), Linear(W1), neurons[0], Linear(W2), neurons[1]])


def test_the_read_out_keeps_its_values():
    net = network(liaf(1.0, 0.5), liaf(1.0, 0.0, "identity"))
    assert sends_values(net) == ("neuron2",)
    changed = as_spikes(net)
    assert changed.nodes["neuron2"].output == "spike"
    assert changed.nodes["neuron4"] is net.nodes["neuron4"]
    assert changed.edges == net.edges
    assert "weights were trained for values" in changed.assumptions[-1]


def test_equals_a_network_built_with_spikes():
    """LIAF fires and resets like LIF, so only what it sends differs."""
    x = RNG.integers(0, 2, size=(4, 6, 5)).astype(float)
    changed = as_spikes(network(liaf(1.0, 0.5, threshold_related=True), lif(1.0, 0.5)))
    built = network(lif(1.0, 0.5), lif(1.0, 0.5))
    np.testing.assert_array_equal(run_float(changed, x), run_float(built, x))


def test_a_neuron_that_hears_itself_counts_as_hidden():
    nodes = {"input": Input((3,)), "w": Linear(np.eye(3)), "n": liaf(1.0, 0.5)}
    loop = Linear(np.eye(3) * 0.5)
    net = Network.sequential([*nodes.values()])
    loops = Network(
        {**net.nodes, "loop": loop},
        (*net.edges, ("neuron2", "loop"), ("loop", "neuron2")),
    )
    assert sends_values(net) == ()
    assert sends_values(loops) == ("neuron2",)


def test_nothing_to_turn():
    with pytest.raises(UsageError, match="no hidden neuron of this network sends values"):
        as_spikes(network(lif(1.0, 0.5), lif(1.0, 0.5)))
