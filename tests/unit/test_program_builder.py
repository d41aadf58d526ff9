"""Hand-made programs: the worked example, what they hold, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from support.chips import make_chip

import neurosim
from neurosim import ProgramBuilder
from neurosim.cost.counters import totals
from neurosim.errors import DoesNotFitError, UsageError
from neurosim.program.columns import load_program
from neurosim.run.encoding import InputCode


def two_cores(chip=None):
    builder = ProgramBuilder(chip or make_chip(), n_inputs=2)
    first, second = builder.add_core(0, 0), builder.add_core(1, 0)
    first.set_weights([[3, 0], [1, 2]])
    first.set_liaf(theta=3)
    second.set_weights([[1]])
    second.set_liaf(theta=1)
    builder.connect_inputs([0, 1], first, axons=[0, 1])
    first.connect([0], second, axons=[0], delays=[2])
    builder.add_layer("out", [(second, [0])])
    return builder


def one_spike(tick, element, n_ticks=6):
    x = np.zeros((1, n_ticks, 2))
    x[0, tick, element] = 1
    return x


def test_the_worked_example():
    """Weight 3 reaches theta 3 at once; the spike arrives two ticks later and fires the second."""
    run = neurosim.simulate(two_cores().build("out"), one_spike(1, 0))
    assert run.outputs[0, :, 0].tolist() == [0, 0, 0, 1, 0, 0]
    assert totals(run.program, run.counters)["hops_x"] == 1


def test_the_example_of_the_readme_runs():
    """Its last line says what it gives."""
    text = (Path(neurosim.__file__).parent / "README.md").read_text()
    code = text.split("## A program made by hand")[1].split("```python")[1].split("```")[0]
    lines = code.strip().splitlines()
    last, expected = lines.pop().split("#")
    names: dict[str, object] = {}
    exec("\n".join(lines), names)
    assert str(eval(last, names)) == expected.strip()


def test_inputs_add_up_without_a_leak():
    """Three events of weight 1 reach theta 3."""
    x = one_spike(0, 1) + one_spike(1, 1) + one_spike(2, 1)
    run = neurosim.simulate(two_cores().build("out"), x)
    assert run.outputs[0, :, 0].tolist() == [0, 0, 0, 0, 1, 0]


def test_it_survives_the_file(tmp_path):
    program = two_cores().build("out")
    program.save(tmp_path / "two.nsp")
    again = neurosim.simulate(load_program(tmp_path / "two.nsp"), one_spike(1, 0))
    assert again.outputs[0, :, 0].tolist() == [0, 0, 0, 1, 0, 0]


def test_a_recurrent_loop_with_a_delay_per_connection():
    """A ring of three neurons on one core: a spike comes round after the sum of the delays."""
    builder = ProgramBuilder(make_chip(), n_inputs=1)
    core = builder.add_core(2, 3)
    core.set_synapses([0, 1, 2, 3], [0, 1, 2, 0], [1, 1, 1, 1], n_axons=4, n_neurons=3)
    core.set_liaf(theta=1)
    core.connect([0, 1, 2], core, axons=[1, 2, 3], delays=[2, 3, 4])
    builder.connect_inputs([0], core, axons=[0])
    builder.add_layer("ring", [(core, [0, 1, 2])])
    x = np.zeros((1, 20, 1))
    x[0, 0] = 1
    spikes = neurosim.simulate(builder.build("ring"), x).outputs[0]
    assert np.flatnonzero(spikes[:, 0]).tolist() == [0, 9, 18]
    assert np.flatnonzero(spikes[:, 1]).tolist() == [2, 11]
    assert np.flatnonzero(spikes[:, 2]).tolist() == [5, 14]


@pytest.mark.parametrize(("collision", "expected"), [("add", 2), ("or", 1)])
def test_two_spikes_for_one_axon(collision, expected):
    """They count both, or they are one, as the chip says; either way they are one event."""
    builder = ProgramBuilder(make_chip(core__axon_collision=collision), n_inputs=2)
    core = builder.add_core(0, 0)
    core.set_weights([[1]])
    core.set_liaf(theta=100)
    builder.connect_inputs([0, 1], core, axons=[0, 0])
    builder.add_layer("out", [(core, [0])])
    run = neurosim.simulate(builder.build("out"), np.ones((1, 1, 2)), probe=["out"])
    assert run.membrane["out"][0, 0, 0] == expected
    assert totals(run.program, run.counters)["axon_events"] == 1


def test_analog_values_multiply():
    builder = ProgramBuilder(
        make_chip(), n_inputs=2, input_code=InputCode("analog", 1.0, -128, 127)
    )
    core = builder.add_core(0, 0)
    core.set_weights([[2], [3]], kind="analog")
    core.set_liaf(theta=1000, output="analog", activation="relu")
    builder.connect_inputs([0, 1], core, axons=[0, 1])
    builder.add_layer("out", [(core, [0])])
    run = neurosim.simulate(builder.build("out"), [[[10, -4]]])
    assert run.outputs[0, 0, 0] == 2 * 10 + 3 * -4
    assert totals(run.program, run.counters)["macs"] == 2


def test_soft_raised_needs_rho_more_while_the_reset_leaves_the_threshold_reached():
    """Threshold and rho 5. 12 fires and leaves 7, so 10 is needed: 9 is silent, 10 fires and
    leaves 5, 9 is silent again; 3 is below 5, so that 5 fires."""
    builder = ProgramBuilder(
        make_chip(), n_inputs=1, input_code=InputCode("analog", 1.0, -128, 127)
    )
    core = builder.add_core(0, 0)
    core.set_weights([[1]], kind="analog")
    core.set_liaf(theta=5, rho=5, reset="soft_raised")
    builder.connect_inputs([0], core, axons=[0])
    builder.add_layer("out", [(core, [0])])
    x = np.reshape([12, 2, 1, 4, -6, 2], (1, 6, 1))
    run = neurosim.simulate(builder.build("out"), x, probe=["out"])
    assert run.outputs[0, :, 0].tolist() == [1, 0, 1, 0, 0, 1]
    assert run.membrane["out"][0, :, 0].tolist() == [7, 9, 5, 9, 3, 0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reset": 4}, "modes.reset needs 0..4, the limit is 0..3 (hard, soft, none, soft_raised)"),
        ({"activation": -1}, "modes.activation needs -1..0, the limit is 0..3 (identity, relu,"),
        ({"n_max": 0}, "modes.n_max needs 0, the limit is 1 spike per tick or more"),
        ({"n_max": 2, "reset": "soft_raised"}, "needs 2, the limit is 1 with soft_raised"),
        ({"n_max": 2, "theta": 0}, "neurons.theta needs 0, the limit is above 0 with several"),
    ],
)
def test_settings_that_have_no_meaning_are_refused(settings, message):
    builder = two_cores()
    builder.cores[0].set_liaf(**settings)
    with pytest.raises(DoesNotFitError, match=re.escape(message)):
        builder.build("out")


def test_packets_to_the_host_are_counted():
    builder = two_cores()
    builder.cores[1].connect_host([0])
    run = neurosim.simulate(builder.build("out"), one_spike(1, 0))
    counted = totals(run.program, run.counters)
    assert counted["packets"] == 2
    assert counted["io_bits"] == 2 * 26  # one packet in, one out


@pytest.mark.parametrize("topology", ["mesh", "torus"])
def test_ways_on_mesh_and_torus(topology):
    """From (0, 0) to (7, 0) on a grid of 8: seven links on a mesh, one on a torus."""
    builder = ProgramBuilder(make_chip(noc__topology=topology), n_inputs=1)
    first, second = builder.add_core(0, 0), builder.add_core(7, 0)
    for core in (first, second):
        core.set_weights([[1]])
        core.set_liaf(theta=1)
    builder.connect_inputs([0], first, axons=[0])
    first.connect([0], second, axons=[0])
    builder.add_layer("out", [(second, [0])])
    run = neurosim.simulate(builder.build("out"), np.ones((1, 2, 1)))
    hops = totals(run.program, run.counters)["hops_x"]
    assert hops == 2 * (7 if topology == "mesh" else 1)


def test_the_chips_limits_are_checked():
    chip = make_chip(core__max_delay_ticks=1)
    with pytest.raises(DoesNotFitError, match=r"max_delay_ticks: .* needs 2 ticks, the limit is 1"):
        two_cores(chip).build("out")


def test_a_dead_link_is_gone_round_or_named():
    dead = [((0, 0), (1, 0))]
    chip = make_chip(dead_links=dead)
    run = neurosim.simulate(two_cores(chip).build("out"), one_spike(1, 0), noc="cycle")
    assert run.outputs[0, :, 0].tolist() == [0, 0, 0, 1, 0, 0]
    counts = totals(run.program, run.counters)
    assert (counts["hops_x"], counts["hops_y"]) == (1, 2)
    torus = make_chip(dead_links=dead, noc__topology="torus")
    with pytest.raises(DoesNotFitError, match=r"a way crosses a dead link at \(0, 0\) of 'test'"):
        two_cores(torus).build("out")


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (
            lambda b: b.cores[0].connect([0], b.cores[1], axons=[5]),
            r"core \(1, 0\): axons 5\.\.5 are connected, it has 1\.",
        ),
        (
            lambda b: b.cores[0].connect([7], b.cores[1], axons=[0]),
            r"core \(0, 0\): neurons: needed: numbers from 0 to 1, has 7\.\.7\.",
        ),
        (
            lambda b: b.connect_inputs([2], b.cores[0], axons=[0]),
            r"input elements 2\.\.2; n_inputs is 2\.",
        ),
        (
            lambda b: b.connect(0, 0, 1, 9),
            r"core \(1, 0\): axon 9 is connected, it has 1\.",
        ),
        (
            lambda b: b.cores[0].set_liaf(thetta=1),
            r"set_liaf: no parameter 'thetta'; known: bias, theta, ",
        ),
        (
            lambda b: b.cores[0].set_liaf(reset="sfot"),
            r"core \(0, 0\): reset: needed: hard, soft, none, soft_raised, has 'sfot'\.",
        ),
        (
            lambda b: b.add_layer("again", [(b.cores[1], [0])]),
            r"core \(1, 0\): neuron 0 is in two layers; needed: at most one\.",
        ),
        (
            lambda b: b.add_core(2, 0),
            r"core \(2, 0\): neurons: needed: set_liaf or set_truenorth\.",
        ),
        (
            lambda b: b.cores[0].set_truenorth(),
            r"core \(0, 0\): neurons: needed: TrueNorth neurons with a crossbar",
        ),
    ],
)
def test_mistakes_are_named(mistake, message):
    def make():
        builder = two_cores()
        mistake(builder)
        builder.build("out")

    with pytest.raises(UsageError, match=message):
        make()


def test_an_unknown_output_is_named():
    with pytest.raises(UsageError, match=r"output 'up' is no layer; known: out\."):
        two_cores().build("up")
