"""Memory, tiles and refusals of shared kernels, counted by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chips import make_chip
from support.networks import random_layer

from neurosim.chip.files import load_chip
from neurosim.errors import UsageError
from neurosim.program.check import check_program, synapse_memory_bytes
from neurosim.program.kernels import kernel_facts, kernel_sentences, write_out
from neurosim.run.encoding import InputCode
from neurosim.run.memory import estimate_memory
from neurosim.run.memory_facts import memory_facts
from neurosim_mapper.connections import ConvConnection, pool_connection
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork


def chip_with_kernels(**more):
    """Cores with room for 256 axons and neurons, and for 1,024 weights."""
    keys = {"core__axons": 256, "core__neurons": 256, "core__synapses": 65536,
            "core__synapse_memory_bytes": 1024, "core__shared_kernel": True}  # fmt: skip
    return make_chip(**(keys | more))


def one_conv(chip, conv):
    rng = np.random.default_rng(0)
    layer = random_layer(rng, chip, "conv", conv.out_shape, (Projection(INPUT, conv),))
    code = InputCode("spike")
    return QuantizedNetwork((layer,), "conv", conv.in_shape, code, chip.core.membrane_bits)


def conv3x3():
    """2 channels of 8 x 8 to 4 of 8 x 8, padded: 72 weights; 128 axons, 256 neurons."""
    weight = np.arange(1, 73).reshape(4, 2, 3, 3)
    return ConvConnection(weight, (2, 8, 8), padding=((1, 1), (1, 1)))


@pytest.mark.parametrize("axon_bytes", [0, 3])
def test_one_core_keeps_the_kernel(axon_bytes):
    """Unrolled, a core of 1,024 weights holds at most 1,024 of the 128 x 256 cells."""
    chip = chip_with_kernels(core__kernel_axon_bytes=axon_bytes)
    network = one_conv(chip, conv3x3())
    program = map_network(network, chip, placer="row-major")
    assert program.n_cores == 1
    assert synapse_memory_bytes(program).tolist() == [72 + 128 * axon_bytes]
    facts = {"layer": "conv", "cores": 1, "kernel_bytes": 72 + 128 * axon_bytes,
             "unrolled_bytes": 128 * 256}  # fmt: skip
    assert kernel_facts(program) == program.mapping["shared_kernels"] == [facts]
    assert kernel_sentences(program) == [
        f"shared kernels: layer 'conv' on 1 cores, {72 + 128 * axon_bytes} bytes instead of 32,768"
    ]
    # Per axis, the windows of 8 positions hold 3 * 8 - 2 positions of the image.
    assert program.axons.synapses.sum() == 22 * 22 * 2 * 4
    unrolled = map_network(network, chip, placer="row-major", conv="unrolled")
    assert unrolled.n_cores >= 128 * 256 / 1024 / 4  # at least a quarter of the cells are used
    assert unrolled.kernels.n_tiles == 0
    assert unrolled.chip == chip


def test_pools_and_groups_keep_a_kernel_per_output_channel():
    chip = chip_with_kernels()
    program = map_network(
        one_conv(chip, pool_connection((4, 8, 8), (2, 2), (2, 2))), chip, placer="row-major"
    )
    assert program.n_cores == 1
    assert synapse_memory_bytes(program).tolist() == [4 * 4]


def test_memory_for_the_kernels_of_half_the_channels():
    """40 bytes: 72 weights do not fit, the 36 of two output channels do."""
    chip = chip_with_kernels(core__synapse_memory_bytes=40)
    program = map_network(one_conv(chip, conv3x3()), chip, placer="row-major")
    assert program.n_cores == 2
    assert synapse_memory_bytes(program).tolist() == [36, 36]


def mapped():
    chip = chip_with_kernels()
    return map_network(one_conv(chip, conv3x3()), chip, placer="row-major")


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        ("core", 0, 5),
        ("neuron_start", 0, 1),
        ("neuron_start", 0, -1),
        ("axon", 3, 2),
        ("axon", 127, 128),
        ("axon_channel", 0, 2),
        ("neuron_channel", 0, -1),
        ("high", 0, 4),
        ("channels_out", 0, 0),
        ("dilation_wide", 0, 0),
        ("weight_offset", 1, 71),
    ],
)
def test_columns_out_of_range_are_refused(column, row, value):
    program = mapped()
    changed = getattr(program.kernels, column).copy()
    changed[row] = value
    broken = replace(program, kernels=program.kernels._replace(**{column: changed}))
    (violation,) = check_program(broken)
    assert violation.rule == "structure"
    assert violation.where.startswith("kernels.")


def test_rules_of_the_chip():
    program = mapped()
    plain = program.chip.model_copy(
        update={"core": program.chip.core.model_copy(update={"shared_kernel": False})}
    )
    assert [str(v) for v in check_program(replace(program, chip=plain))] == [
        "core.shared_kernel: 1 cores needs shared kernels, the limit is a weight per synapse."
    ]
    small = program.chip.core.model_copy(update={"synapse_memory_bytes": 71, "synapses": 71})
    found = check_program(replace(program, chip=program.chip.model_copy(update={"core": small})))
    assert [v.rule for v in found] == ["core.synapses", "core.synapse_memory_bytes"]
    fewer = program.axons._replace(synapses=program.axons.synapses - 1)
    assert [v.where for v in check_program(replace(program, axons=fewer))] == ["axons.synapses"]
    heavy = program.kernels._replace(weight=program.kernels.weight.astype(np.int16) + 200)
    assert "core.weight_bits" in [v.rule for v in check_program(replace(program, kernels=heavy))]


def test_wide_sums_are_found_in_kernels():
    """A neuron in the middle adds 18 inputs of weight 72 or less: 11 bits and sign are needed."""
    narrow = mapped().chip.core.model_copy(update={"accumulator_bits": 10})
    program = mapped()
    found = check_program(replace(program, chip=program.chip.model_copy(update={"core": narrow})))
    assert "core.accumulator_bits" in [violation.rule for violation in found]


def pool():
    chip = chip_with_kernels()
    conv = pool_connection((4, 8, 8), (2, 2), (2, 2))
    return map_network(one_conv(chip, conv), chip, placer="row-major")


def convolution(n_out):
    """8 channels of 16 x 16 to `n_out` of the same size, padded, on cores of 1,024 neurons."""
    chip = load_chip("loihi")
    weight = np.random.default_rng(0).integers(1, 100, (n_out, 8, 3, 3))
    conv = ConvConnection(weight, (8, 16, 16), padding=((1, 1), (1, 1)))
    return map_network(one_conv(chip, conv), chip, placer="row-major")


def test_wide_runs_are_added_from_the_kernel_and_pools_are_written_out():
    """By what an event takes: 3 runs of up to 3 x 32 neighbours, or a single synapse."""
    program = convolution(32)
    assert program.laid_out is program
    assert program.shared_kernels.run_size.max() == 3 * 32
    written = pool()
    assert written.laid_out.kernels.n_tiles == 0
    assert written.shared_kernels.kernel.size == 0


def test_memory_of_shared_kernels():
    """The weights once, the tables of one core of each kind, some numbers per core.

    In bytes: 12 per axon (where its hit is, position, weight), 8 per place in the image of 8
    channels and 12 for each of its runs, at most 3, 4 per neuron.
    """
    program = convolution(32)
    shared, cores = program.shared_kernels, program.cores
    kinds = np.unique(shared.plan, return_index=True)[1]
    n_axons, n_neurons = (
        int(np.diff(offset)[kinds].sum()) for offset in (cores.axon_offset, cores.neuron_offset)
    )
    assert kinds.size < program.n_cores
    tables = 12 * n_axons + (8 + 3 * 12) * n_axons // 8 + 4 * n_neurons
    others = 8 * (3 * program.n_cores + 1) + 8 * (3 * kinds.size + 7)
    assert 8 * 9 * 32 + 0.8 * tables < shared.nbytes <= 8 * 9 * 32 + tables + others
    held = memory_facts(program)["synapse_bytes"]
    columns = sum(column.nbytes for column in program.kernels)
    assert held["kernel"] == columns + shared.nbytes
    assert held["written_out"] == held["interleaved"] == held["joined"] == 0
    n_synapses = 32 * 8 * (3 * 16 - 2) ** 2  # per axis, the windows of 16 positions hold 46
    assert int(program.axons.synapses.sum()) == n_synapses
    assert shared.nbytes / n_synapses < 1 / 8


def test_the_memory_estimate_knows_what_kernels_become():
    """Rows where they are written out; else no more than their tables."""
    program = pool()
    rows = write_out(program)
    more = estimate_memory(program, 1, 1).image - estimate_memory(rows, 1, 1).image
    assert more == sum(column.nbytes for column in rows.synapses)
    program = convolution(32)
    rows = write_out(program)
    less = estimate_memory(rows, 1, 1).image - estimate_memory(program, 1, 1).image
    assert less >= 6 * rows.synapses.target.size - program.shared_kernels.nbytes


def test_refusals():
    chip = load_chip("tianjic")
    with pytest.raises(UsageError, match="conv is 'shared', a core of 'tianjic' keeps a weight"):
        map_network(one_conv(chip, conv3x3()), chip, conv="shared")
    with pytest.raises(UsageError, match="conv is 'both'; needs one of auto, shared, unrolled"):
        map_network(one_conv(chip, conv3x3()), chip, conv="both")
    with pytest.raises(ValueError, match=r"needs core\.weight_scheme: direct"):
        make_chip(core__shared_kernel=True, core__weight_scheme="axon_types", core__axon_types=4)
    with pytest.raises(ValueError, match="is given and needs shared_kernel: true"):
        make_chip(core__kernel_axon_bytes=1)


def test_a_shipped_chip_shares_kernels():
    """1,024 neurons that hear 1,296 axons: 1.3 million cells, a core has memory for 116,508."""
    chip = load_chip("loihi")
    assert chip.core.shared_kernel
    assert chip.source_of("core.shared_kernel").kind == "published"
    conv = ConvConnection(np.ones((4, 4, 3, 3), int), (4, 18, 18))
    program = map_network(one_conv(chip, conv), chip, placer="row-major")
    assert (program.n_cores, program.kernels.weight.size) == (1, 144)
