"""Current-based neurons (synaptic state) in the quantizer and in the reference executor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chips import make_chip

import neurosim
from neurosim.chip.files import load_chip
from neurosim.errors import DoesNotFitError, InputFileError, UnsupportedError
from neurosim.files.archive import read_archive, write_archive
from neurosim.program.builder import event_input
from neurosim.program.columns import PROGRAM_SCHEMA
from neurosim_mapper import Input, Linear, Network, Neuron, map_network, quantize
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.quantizer.ranges import current_bounds
from neurosim_mapper.reference import run_reference, trace_reference

CHIP = load_chip("loihi")


def network(alpha_syn: Any, **more: Any) -> Network:
    settings_ = {"threshold": 9.0, "alpha": 0.5, "v_reset": 1.0, **more}
    arrays = {
        k: np.asarray(v, float) if isinstance(v, float | list) else v for k, v in settings_.items()
    }
    neuron = Neuron(alpha_syn=np.asarray(alpha_syn, float), **arrays)
    weight = np.array([[3.0, -2.0], [1.0, 4.0]])
    return Network.sequential([Input((2,)), Linear(weight, np.array([1.0, 0.0])), neuron])


def spikes_by_hand(quantized: Any, x: Any) -> list[list[int]]:
    """The equations of the reference for one layer, neuron by neuron, with Python's integers."""
    layer = quantized.layers[0]
    c, modes, shift = layer.columns, layer.modes, layer.modes.alpha_shift
    weight = layer.projections[0].connection.weight
    low, high = -(1 << (quantized.membrane_bits - 1)), (1 << (quantized.membrane_bits - 1)) - 1

    def held(value: int) -> int:
        return max(low, min(high, value))

    def decayed(numerator: int, value: int) -> int:
        assert modes.rounding == "toward_zero"
        product = numerator * value
        return -(-product >> shift) if product < 0 else product >> shift

    found = []
    for k in range(2):
        v, current, fired, row = int(c.v_start[k]), 0, False, []
        for values in x:
            drive = sum(int(weight[k, i]) * int(values[i]) for i in range(2))
            drive = (drive << modes.weight_shift) + int(c.bias[k])
            current = held(decayed(int(layer.alpha_syn[k]), current) + drive)
            u = held(v + (0 if modes.silent_step and fired else current))
            fired = u >= int(c.theta[k])
            r = int(c.v_reset[k]) if fired else u
            v = max(held(decayed(int(c.alpha_num[k]), r) + int(c.beta[k])), int(c.floor[k]))
            row.append(int(fired))
        found.append(row)
    return found


@pytest.mark.parametrize("alpha_syn", [0.75, [0.25, 1.0], -0.5])
@pytest.mark.parametrize("silent", [False, True])
def test_the_reference_does_what_the_equations_say(alpha_syn: Any, silent: bool) -> None:
    quantized = quantize(
        network(alpha_syn, threshold=5.0, silent_step=silent), CHIP, input_kind="spike"
    )
    x = np.random.default_rng(5).integers(0, 2, (1, 30, 2))
    given_ = run_reference(quantized, x)[0]
    assert given_.sum() > 0
    np.testing.assert_array_equal(given_.T, spikes_by_hand(quantized, x[0]))


@settings(max_examples=30, deadline=None)
@given(
    alpha_syn=st.sampled_from([0.0, 1.0, -1.0]),
    alpha=st.sampled_from([0.0, 1.0]),
    seed=st.integers(0, 2**16),
)
def test_decays_that_integers_hold_give_the_float_spikes(
    alpha_syn: float, alpha: float, seed: int
) -> None:
    net = network(alpha_syn, alpha=alpha)
    x = np.random.default_rng(seed).integers(0, 2, (3, 12, 2))
    np.testing.assert_array_equal(
        run_reference(quantize(net, CHIP, input_kind="spike"), x), run_float(net, x)
    )


@settings(max_examples=50, deadline=None)
@given(alpha=st.floats(-0.95, 0.95), seed=st.integers(0, 2**16))
def test_the_bound_of_the_synaptic_state_holds(alpha: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.normal(size=2))
    bound = current_bounds(np.asarray([alpha]), np.asarray([low]), np.asarray([high]))
    state = 0.0
    for _ in range(60):
        worst = max((low, high), key=lambda x: abs(alpha * state + x))
        state = alpha * state + worst
        assert bound[0][0] - 1e-9 <= state <= bound[1][0] + 1e-9


def test_a_wide_state_saturates_and_does_not_wrap() -> None:
    """A state that never decays, driven for long, stays at the end of its range."""
    net = network(1.0, threshold=1e5, alpha=0.0)
    quantized = quantize(net, CHIP, input_kind="spike", weight_shift=6)
    x = np.ones((1, 3000, 2), np.uint8)
    seen = trace_reference(quantized, x, potential=True).potential["neuron2"]
    assert seen.min() >= 0
    drive = (5 << 6) + 0
    assert seen[0, :, 1].tolist() == [min(drive * (t + 1), (1 << 23) - 1) for t in range(3000)]


@pytest.mark.exactness
@pytest.mark.parametrize("chip", ["loihi", "tiny_2x2"])
def test_a_mapped_layer_gives_the_reference_spikes(chip: str) -> None:
    quantized = quantize(network([0.75, -0.5]), load_chip(chip), input_kind="spike")
    program = map_network(quantized, load_chip(chip), placer="row-major")
    x = np.random.default_rng(3).integers(0, 2, (2, 25, 2))
    run = neurosim.simulate(program, x, threads=1)
    np.testing.assert_array_equal(run.outputs, run_reference(quantized, x))
    assert run.outputs.sum() > 0


@pytest.mark.exactness
def test_a_current_goes_on_after_the_last_spike() -> None:
    """One spike, then silence: I = 64, 32, 16, ... keeps the core busy; U adds it up."""
    builder = neurosim.ProgramBuilder(make_chip(), n_inputs=1)
    core = builder.add_core(0, 0)
    core.set_weights([[64]])
    core.set_liaf(theta=100, alpha_shift=1, alpha_num=2, alpha_syn=1)
    builder.connect_inputs([0], core, axons=[0])
    builder.add_layer("out", [(core, [0])])
    run = neurosim.simulate(builder.build("out"), event_input([1], [0], 9, 1), probe=["out"])
    assert run.membrane["out"][0, :, 0].tolist() == [0, 64, 96, 0, 8, 12, 14, 15, 16]
    assert run.outputs[0, :, 0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0, 0]


def test_a_program_without_the_columns_is_read_as_before(tmp_path: Path) -> None:
    """Files of schema 1 have no synaptic states; a program with such a group has to have them."""
    plain = Network.sequential([Input((2,)), Linear(np.eye(2)), Neuron(threshold=np.asarray(1.0))])
    program = map_network(plain, CHIP, placer="row-major", input_kind="spike")
    path = tmp_path / "new.nsp"
    program.save(path)
    meta, columns = read_archive(path, PROGRAM_SCHEMA)
    assert columns.pop("cuba.alpha_syn").size == 0
    write_archive(path, "neurosim-program/1", meta, columns)
    assert neurosim.load_program(path).cuba.alpha_syn.size == 0
    write_archive(path, "neurosim-program/99", meta, columns)
    with pytest.raises(
        InputFileError, match=r"'neurosim-program/99'; .* reads .*/4', .*/1', .*/2', .*/3'"
    ):
        neurosim.load_program(path)
    current = map_network(network(0.5), CHIP, placer="row-major", input_kind="spike")
    current.save(path)
    meta, columns = read_archive(path, PROGRAM_SCHEMA)
    del columns["cuba.alpha_syn"]
    write_archive(path, "neurosim-program/1", meta, columns)
    with pytest.raises(InputFileError, match=r"cuba.alpha_syn needs 2 rows, the limit is 0 rows"):
        neurosim.load_program(path)


def test_refusals() -> None:
    with pytest.raises(DoesNotFitError, match="needs the soma model 'cuba'; tianjic offers liaf"):
        quantize(network(0.5), load_chip("tianjic"))
    ready = quantize(network(0.5), CHIP, input_kind="spike")
    chip = make_chip(core__soma_models=["liaf"])
    with pytest.raises(DoesNotFitError, match=r"core.soma_models: the program needs cuba, the lim"):
        map_network(ready, chip, placer="row-major")
    with pytest.raises(UnsupportedError, match=r"a decay of 1.5 lets the potential grow by itself"):
        quantize(network(1.5), CHIP, input_kind="spike")
    from dataclasses import replace

    good = quantize(network(0.5), CHIP, input_kind="spike")
    layer = replace(good.layers[0], alpha_syn=np.zeros(3, np.int32))
    with pytest.raises(InputFileError, match=r"alpha_syn has shape \(3,\)"):
        replace(good, layers=(layer,))
