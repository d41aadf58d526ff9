"""Layers that are pulled: which ones can be, when they are, and that nothing else changes."""

from __future__ import annotations

import numpy as np
import pytest
from support.chips import make_chip

import neurosim
from neurosim import ProgramBuilder
from neurosim.kernels.pulls import DENSE, FEW, choose_pulls
from neurosim.run import job
from neurosim.run.encoding import InputCode
from neurosim.run.state import allocate_state

N = 64
LAYERS = ("first", "second", "third")


def three_layers(*, shared_axon: bool = False, collision: str = "add", n_max: int = 1):
    """Layers of 64 neurons on dense, dense and sparse cores; values, then spikes.

    With `shared_axon`, two neurons of the first layer send to the same axon.
    """
    chip = make_chip(core__neurons=N, core__axon_collision=collision)
    rng = np.random.default_rng(0)
    builder = ProgramBuilder(chip, n_inputs=N, input_code=InputCode("analog", 1.0, -128, 127))
    kinds = ("analog", "analog", "spike")
    cores = []
    for place, kind in enumerate(kinds):
        core = builder.add_core(place, 0)
        block = rng.integers(-20, 21, (N, N))
        core.set_weights(block if place < 2 else block * (rng.random((N, N)) < 0.1), kind=kind)
        if place == 1:
            core.set_liaf(theta=300, n_max=n_max, reset="soft", rho=300)
        else:
            core.set_liaf(theta=300, output="analog", act_mult=1, act_shift=4)
        cores.append(core)
    builder.connect_inputs(np.arange(N), cores[0], np.arange(N))
    targets = np.arange(N)
    if shared_axon:
        targets[1] = 0
    for k in range(2):
        core = np.full(N, k)
        builder.connect(core, np.arange(N), core + 1, targets if k == 0 else np.arange(N))
    for name, core in zip(LAYERS, cores, strict=True):
        builder.add_layer(name, [(core, np.arange(N))])
    return builder.build("third")


def played(program, x, monkeypatch, **options):
    """A run, and the states in which its samples were played."""
    states = []

    def allocate(*arguments):
        states.append(allocate_state(*arguments))
        return states[-1]

    monkeypatch.setattr(job, "allocate_state", allocate)
    return neurosim.simulate(program, x, probe=LAYERS, **options), states


def pulled_layers(program):
    return [name for name, size in zip(LAYERS, program.image.pulls.layer_size, strict=True) if size]


def test_axons_with_several_senders_and_bursts_are_not_pulled():
    assert pulled_layers(three_layers(n_max=2)) == ["first", "third"]
    assert pulled_layers(three_layers()) == list(LAYERS)
    assert pulled_layers(three_layers(shared_axon=True)) == ["second", "third"]


@pytest.mark.parametrize("collision", ["add", "or"])
def test_pulled_or_pushed_is_the_same(collision, monkeypatch):
    """The cycle-level network has every packet listed, so nothing is pulled."""
    program = three_layers(collision=collision)
    x = np.random.default_rng(1).integers(-128, 128, (2, 6, N))
    ideal, states = played(program, x, monkeypatch, noc="ideal")
    assert all(state.history.mode.all() for state in states)
    cycle, states = played(program, x, monkeypatch, noc="cycle")
    assert not any(state.history.mode.any() for state in states)
    for name in LAYERS:
        np.testing.assert_array_equal(ideal.membrane[name], cycle.membrane[name])
        np.testing.assert_array_equal(ideal.values[name], cycle.values[name])
    for name in ("core", "flow_packets", "bounds", "peak_bits", "peak_link"):
        one, other = (getattr(run.counters, name) for run in (ideal, cycle))
        np.testing.assert_array_equal(one, other, err_msg=name)


def test_a_layer_is_pulled_by_what_it_sent_when_it_last_worked():
    """From the tick after one in which one in `FEW` of its neurons sent, while it works."""
    program = three_layers()
    state, pulls = allocate_state(program.image, 2), program.image.pulls
    history, span = state.history, 5

    def choose(tick, fired):
        history.fired[:] = fired
        choose_pulls(pulls, history, tick, span, True)
        return history.pulled[tick % program.image.n_slots].tolist()

    enough = N // FEW
    assert choose(0, [[0, 0, 0], [0, 0, 0]]) == [0, 0, 0]
    assert choose(1, [[enough - 1, 1, 0], [0, enough - 1, 0]]) == [0, 1, 0]
    assert choose(2, [[enough, 0, N], [0, enough - 1, 0]]) == [1, 0, DENSE]
    assert choose(5, [[N, 0, 0], [0, 0, 0]]) == [0, 0, 0]  # all have done their last tick
    assert history.mode.tolist() == [DENSE, 0, 0]
    assert choose(0, [[0, 0, 0], [0, 0, 0]]) == [DENSE, 0, 0]  # of the next sample
    assert not history.fired.any()
