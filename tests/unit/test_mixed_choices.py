"""The search over what each layer sends, with a runner whose accuracy and bits are known."""

from __future__ import annotations

import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from neurosim.errors import UsageError
from neurosim_mapper import mixed
from neurosim_mapper.mixed import explore, frontier
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, liaf, lif

OPTIONS = ("values", "spikes", "phase:8")
BITS = {"values": 40, "spikes": 10, "phase:8": 90}


def chain(n_hidden):
    """`n_hidden` layers that send values, and a read-out."""
    nodes = [Input((3,))]
    for _ in range(n_hidden):
        nodes += [Linear(np.eye(3)), liaf(1.0, 0.5)]
    return Network.sequential([*nodes, Linear(np.eye(3)), liaf(1.0, 0.5)])


def price(sends):
    """Bits are a sum over layers; spikes in the i-th layer cost 2**i points of accuracy."""
    options = list(sends)
    lost = sum(2**i for i, option in enumerate(options) if option == "spikes")
    return sum(BITS[option] * (i + 1) for i, option in enumerate(options)), 1.0 - lost / 100


class Runner:
    """Reads from network and codes what each layer sends; counts its calls."""

    def __init__(self, layers):
        self.layers, self.calls = layers, 0

    def __call__(self, network, codes):
        self.calls += 1
        sends = [
            str(codes[name]) if name in codes else
            ("spikes" if network.nodes[name].output == "spike" else "values")
            for name in self.layers
        ]  # fmt: skip
        bits, accuracy = price(sends)
        report = SimpleNamespace(
            accuracy=accuracy,
            samples=4,
            counts={"bits_sent": 4 * bits},
            energy=SimpleNamespace(total=8.0),
            latency=SimpleNamespace(cycles_total=12),
        )
        return SimpleNamespace(report=lambda: report)


def as_is(network):
    """In place of a mapping: the runner reads the network itself."""
    return network


def run_search(n_hidden, **choices):
    network = chain(n_hidden)
    layers = mixed.sends_values(network)
    runner = Runner(layers)
    return explore(network, OPTIONS, as_is, runner, **choices), runner


def test_all_combinations_are_tried_once_while_they_are_few():
    found, runner = run_search(3)
    assert found.complete
    assert runner.calls == len(found.candidates) == 3**3
    combinations = {tuple(c.sends.values()) for c in found.candidates}
    assert combinations == set(itertools.product(OPTIONS, repeat=3))
    for candidate in found.candidates:
        assert (candidate.bits, candidate.accuracy) == price(list(candidate.sends.values()))


def test_the_frontier_is_what_nothing_dominates():
    found, _ = run_search(3)

    def beaten(c):
        better = [o for o in found.candidates if o.bits <= c.bits and o.accuracy >= c.accuracy]
        return any((o.bits, o.accuracy) != (c.bits, c.accuracy) for o in better)

    points = {(c.bits, c.accuracy) for c in found.candidates if not beaten(c)}
    assert {(c.bits, c.accuracy) for c in frontier(found.candidates)} == points


def test_the_proposal_has_the_fewest_bits_at_its_accuracy():
    """A point below values everywhere: only the first layer may send spikes."""
    found, _ = run_search(3)
    assert found.least_accuracy == pytest.approx(0.99)
    assert list(found.proposal.sends.values()) == ["spikes", "values", "values"]
    strict, _ = run_search(3, least_accuracy=1.5)
    assert strict.proposal is None


def test_many_layers_are_changed_one_at_a_time():
    """Losses add up, so the descent ends where no further layer may change."""
    found, _ = run_search(6, least_accuracy=0.9)
    assert not found.complete
    assert found.proposal.accuracy >= 0.9
    assert len(found.candidates) < 3**6
    lost = [2**i for i, o in enumerate(found.proposal.sends.values()) if o == "spikes"]
    kept = [2**i for i, o in enumerate(found.proposal.sends.values()) if o != "spikes"]
    assert sum(lost) <= 10 < sum(lost) + min(kept)


def test_nothing_to_mix_and_no_labels():
    plain = Network.sequential([Input((3,)), Linear(np.eye(3)), lif(1.0, 0.5)])
    with pytest.raises(UsageError, match="nothing to mix"):
        explore(plain, OPTIONS, as_is, Runner(()))
    network = chain(1)
    unlabelled = SimpleNamespace(report=lambda: SimpleNamespace(accuracy=None))
    with pytest.raises(UsageError, match="no labels"):
        explore(network, OPTIONS, as_is, lambda net, codes: unlabelled)
    with pytest.raises(UsageError, match="rate:N"):
        explore(network, ("values", "burst:3"), as_is, Runner(()))
