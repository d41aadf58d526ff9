"""What a mapping that fails says: rule, layer, need, limit, rejected tiles, the smallest change."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from support.chips import make_chip
from support.networks import random_dense, random_layer

from neurosim.errors import DoesNotFitError, UnsupportedError, UsageError
from neurosim.run.encoding import InputCode
from neurosim_mapper.connections import DenseConnection
from neurosim_mapper.mapping_report import smallest_array, too_many_cores
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork
from neurosim_mapper.schedule import has_memory

# Tile sizes that a layer of 40 neurons is tried with: the distinct ceil(40 / k) up to 32 neurons of
# a core, 20 14 10 8 7 6 5 4 3 2 1; a layer of 4: 4 2 1.


def dense_network(chip, sizes, weight=1):
    rng = np.random.default_rng(0)
    layers, source = [], INPUT
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        connection = DenseConnection(np.full((n_out, n_in), weight))
        projections = (Projection(source, connection),)
        layers.append(random_layer(rng, chip, f"fc{i + 1}", (n_out,), projections))
        source = f"fc{i + 1}"
    code = InputCode("spike")
    return QuantizedNetwork(tuple(layers), source, (sizes[0],), code, chip.core.membrane_bits)


def failure(network, chip, kind=DoesNotFitError):
    with pytest.raises(kind) as caught:
        map_network(network, chip)
    return caught.value


def test_fan_in_without_an_extension():
    chip = make_chip(core__fan_in_extension="none", core__axons=64, core__neurons=32)
    error = failure(dense_network(chip, (100, 40)), chip)
    assert str(error) == (
        "layer 'fc1' needs 100 axons per neuron, a core of 'test' has core.axons = 64 and "
        "core.fan_in_extension is 'none'. All 11 tile shapes were rejected (core.axons 11). "
        "A chip with core.axons of 100 would fit, or one with fan_in_extension: psum_hw (2 cores "
        "per tile), or axon_merge (128 axons and 16 neurons per core); else reduce the fan-in of "
        "the layer."
    )
    assert error.exit_code == 4


def test_the_report_of_a_failure_is_plain_json():
    chip = make_chip(core__fan_in_extension="none")
    error = failure(dense_network(chip, (100, 40)), chip)
    report = json.loads(json.dumps(error.report))
    assert report["schema"] == "neurosim-mapping-report/1"
    assert report["fits"] is False
    assert report["reason"] == str(error)
    assert report["layers"][0]["layer"] == "fc1"
    assert report["layers"][0]["tile_shapes_rejected"] == {"core.axons": 11}
    assert report["layers"][0]["tile_shapes_tried"] == 11


def test_synapse_memory():
    chip = make_chip(core__synapse_memory_bytes=8, core__fan_in_extension="none")
    error = failure(dense_network(chip, (20, 4)), chip)
    assert str(error) == (
        "layer 'fc1': one neuron with 20 axons needs 20 synapses and 20 bytes, a core of 'test' "
        "has core.synapses = 4096 and core.synapse_memory_bytes = 8. All 3 tile shapes were "
        "rejected (core.synapse_memory_bytes 3). A chip with core.synapse_memory_bytes of 20 would "
        "fit, or one with core.weight_bits of 3."
    )


def test_a_network_that_would_take_hours_is_refused_at_once():
    """400 x 400 weights on cores of one weight each, partial sums included."""
    chip = make_chip(
        core__axons=1, core__neurons=1, core__synapses=1, core__synapse_memory_bytes=1,
        core__fan_in_extension="psum_hw",
    )  # fmt: skip
    error = failure(dense_network(chip, (400, 400)), chip)
    assert str(error) == (
        "the network needs about 160000 cores of 'test', each with core.axons = 1, core.neurons = "
        "1, core.synapses = 1 and core.synapse_memory_bytes = 1; up to 100000 are mapped. Larger "
        "cores would fit."
    )


def test_too_many_cores_names_the_array_that_fits():
    chip = make_chip(grid={"wide": 2, "high": 2})
    error = failure(dense_network(chip, (64, 200)), chip)
    assert str(error) == (
        "the network needs 7 cores, the chip 'test' has 4: a 2x2 chip has 4 cores, this needs 7: "
        "two chips side by side fit (array: {wide: 2, high: 1} in the chip file). Or fold it: 2 "
        "phases per tick fit this chip (--fold auto)."
    )
    assert error.report["cores_used"] == 7
    assert error.report["layers"][0]["cores"] == 7


def test_the_sentence_of_the_issue():
    chip = make_chip(grid={"wide": 13, "high": 12})
    assert "a 13x12 chip has 156 cores, this needs 277: two chips side by side fit" in (
        too_many_cores(277, chip, None)
    )


def test_folding_says_why_it_cannot_help():
    chip = make_chip(grid={"wide": 2, "high": 2})
    network = dense_network(chip, (64, 200))
    with pytest.raises(DoesNotFitError) as caught:
        map_network(network, make_chip(grid={"wide": 1, "high": 1}), fold=3)
    assert str(caught.value) == (
        "the network needs 7 cores, 3 phases of 1 core of the chip 'test' are too few: 7 phases "
        "would fit (--fold 7)."
    )
    no_memory = make_chip(
        grid={"wide": 2, "high": 2},
        timing__reload_cycles_per_bit=None,
        energy__reload_pj_per_bit=None,
    )
    with pytest.raises(DoesNotFitError) as caught:
        map_network(network, no_memory, fold="auto")
    assert str(caught.value) == (
        "folding reloads weights in every tick; the chip 'test' has no memory to reload from. "
        "Give it timing.reload_cycles_per_bit and energy.reload_pj_per_bit."
    )
    assert "Or fold it" not in str(failure(network, no_memory))
    with pytest.raises(UsageError, match="fold is 'much'; needs auto or a number of phases"):
        map_network(network, chip, fold="much")


@pytest.mark.parametrize(("fold", "phases"), [("auto", 2), (2, 2), (3, 3), (7, 7), (50, 7)])
def test_more_phases_than_needed_are_said(fold, phases):
    """7 cores on 4 positions take two phases."""
    chip = make_chip(grid={"wide": 2, "high": 2})
    network = dense_network(chip, (64, 200))
    program = map_network(network, chip, placer="row-major", fold=fold)
    assert program.mapping["phases"] == phases
    said = [s for s in program.mapping["changes"] if "phases" in s]
    if phases == 2:
        assert not said
    else:
        assert said == [
            f"the network is loaded in {phases} phases, as asked for; 2 would do (--fold auto), "
            "and fewer positions would be shared and reloaded in every tick"
        ]


@pytest.mark.parametrize("n_cores", [1, 156, 157, 400, 2500, 5019])
def test_the_array_is_the_smallest_of_its_kind(n_cores):
    """No array with fewer chips has enough cores; shapes of more than 4 : 1 are left out."""
    chip = make_chip(grid={"wide": 12, "high": 13})
    wide, high = smallest_array(n_cores, chip)
    assert wide * high * 156 >= n_cores
    fewest = -(-n_cores // 156)
    square = -(-fewest // max(1, int(fewest**0.5)))
    assert wide * high <= max(fewest, square * max(1, int(fewest**0.5)))


def test_accumulator_overflow():
    chip = make_chip(core__accumulator_bits=9)
    error = failure(dense_network(chip, (40, 4), weight=100), chip)
    assert str(error) == (
        "the mapped network breaks a rule of 'test': core.accumulator_bits: neuron 0 of core 0 "
        "needs 13 bits for sums from 0 to 4000, the limit is 9 bits, -256..255. That many "
        "core.accumulator_bits, or fewer weight_bits, would fit."
    )
    assert error.report["violations"][0].startswith("core.accumulator_bits")


def test_a_loop_that_is_shorter_than_its_pipeline():
    rng = np.random.default_rng(0)
    chip = make_chip()
    first = random_layer(
        rng,
        chip,
        "a",
        (8,),
        (
            Projection(INPUT, random_dense(rng, 8, 8)),
            Projection("b", random_dense(rng, 8, 8), 1),
        ),
    )
    second = random_layer(rng, chip, "b", (8,), (Projection("a", random_dense(rng, 8, 8)),))
    network = QuantizedNetwork((first, second), "b", (8,), InputCode("spike"), 24)
    error = failure(network, chip, UnsupportedError)
    assert str(error) == (
        "projection 'b' -> 'a' closes a loop over 2 layers with 1 tick of delay: the loop needs "
        "2. Feed back from the same layer, or lengthen the delay of the loop. Without memory in "
        "any neuron, samples could take turns; 'a' has a potential that lasts."
    )


@pytest.mark.parametrize("modes", [{"silent_step": True}, {"reset": "soft_raised"}, {}])
def test_a_flag_that_lasts_until_the_next_tick_is_a_memory(modes):
    """Neurons whose potential does not last may remember that they fired, or that they may not."""
    rng = np.random.default_rng(0)
    layer = random_layer(rng, make_chip(), "a", (4,), ())
    zeros = np.zeros(4, np.int32)
    rest = {"alpha_num": zeros, "beta": zeros, "rho_post": zeros, "v_start": zeros, "floor": zeros}
    columns = layer.columns._replace(**rest)
    plain = replace(layer.modes, silent_step=False, reset="hard", n_max=1)
    plain = replace(layer, columns=columns, alpha_syn=None, modes=replace(plain, **modes))
    assert has_memory(plain) == bool(modes)


def test_an_unknown_partitioner():
    chip = make_chip()
    with pytest.raises(UsageError, match=r"partitioner is 'best'; known: tiles"):
        map_network(dense_network(chip, (8, 8)), chip, partitioner="best")
