"""Every corner of the neurons' parameters at once: simulator and reference agree, bit for bit.

A grid of all combinations of extreme values, one neuron for each: thresholds at and beyond the
ends of the potential, decays of 1, 0 and -1, constants and resets that leave the range. What
saturates is asserted to have saturated at both ends.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from support.chips import make_chip

import neurosim
from neurosim import ProgramBuilder
from neurosim.errors import InputFileError, UsageError
from neurosim.run.encoding import InputCode
from neurosim.soma.liaf import LiafColumns
from neurosim_mapper import trace_truenorth
from neurosim_mapper.connections import DenseConnection
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import (
    INPUT,
    Projection,
    QuantizedLayer,
    QuantizedNetwork,
    SomaModes,
)
from neurosim_mapper.reference import trace_reference

BITS, SHIFT = 10, 3
LOW, HIGH = -512, 511
ONE = 1 << SHIFT
ROOMY = {
    "core__membrane_bits": BITS,
    "core__neurons": 4096,
    "core__synapses": 1 << 20,
    "core__synapse_memory_bytes": 1 << 20,
}


def grid(**ends: tuple[int, ...]) -> dict[str, np.ndarray]:
    """One row for each combination of the values, under their names."""
    rows = np.array(list(product(*ends.values())), dtype=np.int32)
    return {name: rows[:, i] for i, name in enumerate(ends)}


def corner_network(
    reset: str, model: str, rounding: str, output: str = "spike", n_max: int = 1
) -> QuantizedNetwork:
    ends = grid(
        bias=(LOW, 3),
        theta=(LOW, 1, HIGH, HIGH + 1),
        alpha_num=(-ONE, 0, ONE - 1, ONE),
        beta=(LOW, HIGH),
        rho=(LOW, 0, HIGH),
        rho_post=(LOW, 0, HIGH),
        floor=(LOW, HIGH),
    )
    n = ends["theta"].size
    if n_max > 1:  # thresholds have to be above 0
        ends["theta"] = np.maximum(ends["theta"], 1)
    rest: dict[str, Any] = dict.fromkeys(LiafColumns._fields, np.zeros(n, np.int32))
    rest |= {"v_reset": ends["rho"], "v_start": ends["floor"], "act_mult": np.ones(n, np.int32)}
    modes = SomaModes(
        output,  # type: ignore[arg-type]
        reset,  # type: ignore[arg-type]
        n_max=n_max,
        weight_shift=2,
        alpha_shift=SHIFT,
        rounding=rounding,  # type: ignore[arg-type]
    )
    decays = np.resize(np.array([-ONE, 0, ONE - 1, ONE], np.int32), n)
    layer = QuantizedLayer(
        "a",
        (n,),
        (Projection(INPUT, DenseConnection(np.full((n, 1), 100))),),
        LiafColumns(**(rest | ends)),
        modes,
        np.ones(n),
        alpha_syn=decays if model == "cuba" else None,
    )
    return QuantizedNetwork((layer,), "a", (1,), InputCode("analog", 1.0, -128, 127), BITS)


@pytest.mark.exactness
@pytest.mark.parametrize("model", ["liaf", "cuba"])
@pytest.mark.parametrize(
    ("reset", "rounding", "output", "n_max"),
    [
        ("hard", "nearest", "spike", 1),
        ("soft", "floor", "spike", 1),
        ("soft_raised", "toward_zero", "spike", 1),
        ("none", "nearest", "spike", 1),
        ("soft", "nearest", "spike", 1000),
        ("hard", "toward_zero", "analog", 1),
    ],
)
def test_all_corners_of_lif_and_liaf_neurons(
    reset: str, rounding: str, output: str, n_max: int, model: str
) -> None:
    network = corner_network(reset, model, rounding, output, n_max)
    chip = make_chip(**ROOMY, core__rounding=rounding)
    program = map_network(network, chip, placer="row-major")
    x = np.reshape([0, 127, 0, -128, 127, 1, -128, 127], (1, -1, 1))
    expected = trace_reference(network, x, potential=True)
    run = neurosim.simulate(program, x, probe=["a"], threads=1)
    np.testing.assert_array_equal(run.values["a"], expected.values["a"])
    np.testing.assert_array_equal(run.membrane["a"], expected.membrane["a"])
    U, theta = expected.potential["a"], network.layers[0].columns.theta
    assert (U.min(), U.max()) == (LOW, HIGH)
    if output == "analog":
        np.testing.assert_array_equal(run.values["a"], U.clip(-128, 127))
        return
    at_most_high = theta == HIGH
    spikes = run.values["a"]
    assert spikes.max() == min(n_max, HIGH)  # at U = 511 and theta = 1
    assert not spikes[..., theta == HIGH + 1].any()
    assert spikes[..., at_most_high & (U == HIGH).any(axis=1)[0]].any()
    if reset != "soft_raised":  # which may need theta + rho instead
        assert spikes[..., theta == LOW].all()
        np.testing.assert_array_equal(spikes[..., at_most_high], U[..., at_most_high] == HIGH)


def corner_neurons(drawn: bool) -> dict[str, np.ndarray]:
    """With random draws and leak reversal, or without, where other kernels work."""
    flag = (0, 1) if drawn else (0,)
    ends = grid(
        leak=(-256, 255),
        leak_stochastic=flag,
        leak_reversal=flag,
        threshold=(0, 1, HIGH),
        negative_threshold=(0, HIGH),
        threshold_mask=(0, HIGH) if drawn else (0,),
        reset_value=(-HIGH, 0, HIGH),
        reset_mode=(0, 1, 2),
        saturate=(0, 1),
    )
    n = ends["leak"].size
    stochastic = np.resize(np.array([[0, 0, 0, 0], [0, int(drawn), 0, int(drawn)]]), (n, 4))
    weight = np.tile([255, -256, 255, -256], (n, 1))
    start = np.resize([LOW, 0, HIGH], n)
    return ends | {"weight": weight, "synapse_stochastic": stochastic, "v_start": start}


@pytest.mark.exactness
@pytest.mark.parametrize(("drawn", "per_core"), [(True, 1728), (False, 216), (False, 4)])
def test_all_corners_of_truenorth_neurons(drawn: bool, per_core: int) -> None:
    """Cores of neurons that are all different, or all the same in everything but their start."""
    columns = corner_neurons(drawn)
    n_axons = 8
    chip = make_chip(
        **ROOMY,
        core__soma_models=["truenorth"],
        core__weight_bits=9,
        core__axon_collision="or",
        grid__wide=16,
        grid__high=16,
    )
    builder = ProgramBuilder(chip, n_inputs=n_axons, seed=7)
    if per_core == 4:
        columns = {k: np.repeat(v, per_core, axis=0) for k, v in columns.items()}
        columns["v_start"] = np.resize([LOW, 0, 1, HIGH], columns["leak"].size)
    cores = columns["leak"].size // per_core
    for number in range(cores):
        core = builder.add_core(number % 16, number // 16)
        core.set_crossbar(np.ones((n_axons, per_core), bool), np.arange(n_axons) % 4)
        here = slice(number * per_core, (number + 1) * per_core)
        core.set_truenorth(**{k: v[here] for k, v in columns.items()})
        builder.connect_inputs(np.arange(n_axons), core, np.arange(n_axons))
    builder.add_layer("all", [(core, np.arange(per_core)) for core in builder.cores])
    program = builder.build("all")
    x = np.zeros((2, 9, n_axons), int)
    x[:, 1:3, 0::2], x[:, 4:7, 1::2] = 1, 1  # up, then down
    x[1, 8] = 1
    run = neurosim.simulate(program, x, probe=["all"], threads=1)
    expected = trace_truenorth(program, x)
    np.testing.assert_array_equal(run.outputs, expected.spikes)
    np.testing.assert_array_equal(run.membrane["all"], expected.membrane)
    assert (expected.membrane.min(), expected.membrane.max()) == (LOW, HIGH)
    # Four weights of 255 lift any potential to 511, which is the threshold, in two ticks. Four of
    # -256 lead to the lower end, where nothing fires.
    certain = (columns["synapse_stochastic"].sum(1) == 0) & (columns["threshold_mask"] == 0)
    unit_leak = (columns["leak_stochastic"] == 1) | (columns["leak"] > 0)
    top = certain & unit_leak & (columns["leak_reversal"] == 0) & (columns["threshold"] == HIGH)
    assert expected.spikes[:, 1:3, top].any(axis=1).all()
    assert not expected.spikes[:, 4:7, top].any()


@pytest.mark.parametrize("alpha_syn", [None, 1])
def test_recurrence_without_delay_is_refused(alpha_syn: int | None) -> None:
    """Of layers, and of cores of any neuron: a neuron cannot hear itself in the same tick."""
    good = corner_network("hard", "liaf" if alpha_syn is None else "cuba", "nearest").layers[0]
    n = good.n_neurons
    loop = Projection("a", DenseConnection(np.ones((n, n))), 0)
    layer = QuantizedLayer(
        "a",
        good.shape,
        (*good.projections, loop),
        good.columns,
        good.modes,
        good.membrane_unit,
        alpha_syn=good.alpha_syn,
    )
    with pytest.raises(InputFileError) as caught:
        QuantizedNetwork((layer,), "a", (1,), InputCode("analog", 1.0, -128, 127), BITS)
    assert str(caught.value) == (
        "Layer 'a' takes input from 'a' with a delay of 0 ticks; a source that does not come "
        "before it in the network needs at least 1."
    )


@pytest.mark.parametrize("truenorth", [False, True])
def test_a_core_without_delay_to_itself_is_refused(truenorth: bool) -> None:
    models = ["truenorth" if truenorth else "liaf"]
    builder = ProgramBuilder(make_chip(core__soma_models=models, core__axon_collision="or"))
    core = builder.add_core(0, 0)
    if truenorth:
        core.set_crossbar([[True]], [0])
        core.set_truenorth()
    else:
        core.set_weights([[1]])
        core.set_liaf()
    with pytest.raises(UsageError) as caught:
        core.connect([0], core, [0], delays=0)
    assert str(caught.value) == (
        "core (0, 0): delays: needed: at least 1 tick, has 0: what a neuron sends is integrated "
        "in a later tick."
    )
