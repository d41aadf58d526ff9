"""Shared convolution kernels: the same integers as with a weight per synapse, whatever is drawn.

Random convolutional networks on cores whose memory is too small for their unrolled synapses.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.brute_force import count_by_hand
from support.chips import random_chip
from support.equality import assert_equal_to_reference
from support.networks import random_conv, random_input, random_layer, random_network

import neurosim
from neurosim.cost.counters import totals
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim.faults import inject, parse_fault
from neurosim.image import shared_kernels
from neurosim.program.columns import SYNAPSE_FORMATS, load_program
from neurosim.program.kernel_places import tile_cells
from neurosim.run import simulator
from neurosim.run.encoding import InputCode
from neurosim_mapper.connections import ConvConnection, pool_connection
from neurosim_mapper.kernel_tiles import KernelTiles
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork
from neurosim_mapper.reference import trace_reference

pytestmark = pytest.mark.exactness


def small_memory_chip(rng, **more):
    axons, neurons = int(rng.integers(10, 40)), int(rng.integers(6, 24))
    extension = str(rng.choice(["psum_hw", "psum_hw", "none"]))
    drawn = {
        "core__axons": axons,
        "core__neurons": neurons,
        "core__synapses": axons * neurons,
        "core__synapse_memory_bytes": int(rng.integers(30, 200)),
        "core__shared_kernel": True,
        "core__kernel_axon_bytes": int(rng.integers(0, 3)),
        "core__fan_in_extension": extension,
    }
    return random_chip(rng, **(drawn | more))


def conv_network(rng, chip):
    """Convolutions and pools, at times two from one source."""
    shape = (int(rng.integers(1, 4)), 5, 6)
    layers, previous, source = [], INPUT, shape
    for i in range(int(rng.integers(1, 4))):
        pool = rng.random() < 0.3 and min(source[1:]) >= 2
        conv = pool_connection(source, (2, 2), (2, 2)) if pool else random_conv(rng, source)
        projections = [Projection(previous, conv)]
        if rng.random() < 0.2:
            other = replace(conv, weight=rng.integers(-3, 4, conv.weight.shape))
            projections.append(Projection(previous, other, int(rng.integers(0, 3))))
        name = f"conv{i}"
        layers.append(random_layer(rng, chip, name, conv.out_shape, tuple(projections)))
        previous, source = name, conv.out_shape
    code = InputCode("analog", 1.0, -128, 127) if rng.random() < 0.5 else InputCode("spike")
    return QuantizedNetwork(tuple(layers), previous, shape, code, chip.core.membrane_bits)


def mapped(rng, seed, **options):
    chip = small_memory_chip(rng, **options.pop("chip", {}))
    network = conv_network(rng, chip) if rng.random() < 0.8 else random_network(rng, chip)
    placer = str(rng.choice(["row-major", "random"]))
    try:
        return map_network(network, chip, placer=placer, seed=seed, **options), network
    except (DoesNotFitError, UnsupportedError):
        return None, network


def laid_out(program, *, keep):
    """The same with kernels added run by run on all cores, small ones, too; or with rows on all."""
    program = replace(program)
    cores = np.flatnonzero(program.cores.synapse_format == SYNAPSE_FORMATS["kernel"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared_kernels, "cores_to_write_out", lambda _: cores[: 0 if keep else None])
        assert (program.laid_out.kernels.n_tiles > 0) == (keep and cores.size > 0)
    return program


@given(st.integers(0, 2**32 - 1))
def test_reference_equals_simulator(seed):
    """With rows where they are quicker, or kernels on every core."""
    rng = np.random.default_rng(seed)
    program, network = mapped(rng, seed)
    if program is None:
        return
    x = random_input(rng, network, 3, int(rng.integers(1, 6)))
    if rng.random() < 0.7:
        program = laid_out(program, keep=True)
    assert_equal_to_reference(program, network, x, threads=int(rng.integers(1, 4)))


def wide_network(rng, chip):
    """Two convolutions whose outputs have more channels than a vector; half of them send much."""
    shape = (int(rng.integers(3, 9)), int(rng.integers(3, 6)), int(rng.integers(3, 6)))
    layers, previous, source = [], INPUT, shape
    for i in range(2):
        kernel = (int(rng.integers(32, 48)), source[0], *rng.integers(1, 4, 2))
        stride = (int(rng.integers(1, 3)), int(rng.integers(1, 3)))
        most = int(rng.choice([3, 127, 128]))
        weight = rng.integers(-most, most, kernel)
        conv = ConvConnection(weight, source, stride, padding=((1, 1), (1, 1)))
        layer = random_layer(rng, chip, f"conv{i}", conv.out_shape, (Projection(previous, conv),))
        if rng.random() < 0.5:
            columns = layer.columns._replace(theta=np.ones_like(layer.columns.theta))
            layer = replace(layer, columns=columns)
        layers.append(layer)
        previous, source = layer.name, conv.out_shape
    code = InputCode("analog", 1.0, -128, 127) if rng.random() < 0.5 else InputCode("spike")
    return QuantizedNetwork(tuple(layers), previous, shape, code, chip.core.membrane_bits)


WIDE = {
    "grid__wide": 16, "grid__high": 16, "core__axons": 128, "core__neurons": 160,
    "core__synapses": 128 * 160, "core__synapse_memory_bytes": 6000,
    "core__fan_in_extension": "psum_hw", "core__accumulator_bits": 31,
    "packet__psum_payload_bits": 31,
}  # fmt: skip


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("seed", range(6))
def test_runs_of_kernels_count_and_give_what_rows_do(seed, threads, monkeypatch):
    """Every counter, value and potential; one sample is played by all threads together."""
    monkeypatch.setattr(simulator, "TOGETHER_NEURONS", 1)
    rng = np.random.default_rng(seed)
    chip = small_memory_chip(rng, **WIDE)
    network = wide_network(rng, chip)
    program = map_network(network, chip, placer="row-major", conv="shared")
    kept, written = laid_out(program, keep=True), laid_out(program, keep=False)
    assert kept.image.shared.kernel.size == program.kernels.n_tiles > 0
    assert kept.image.shared.run_size.max() >= 32
    x = random_input(rng, network, 1, 6)
    x[:, :2] = np.where(rng.random(x[:, :2].shape) < 0.03, x[:, :2], 0)
    runs = [assert_equal_to_reference(p, network, x, threads) for p in (kept, written)]
    assert_equal_counters(*runs)


def assert_equal_counters(first, second):
    columns = second.counters.columns()
    for name, column in first.counters.columns().items():
        np.testing.assert_array_equal(column, columns[name], err_msg=name)


@pytest.mark.parametrize("threads", [1, 2])
def test_axons_with_several_senders(threads, monkeypatch):
    """Every other neuron of a core sends to the axon that its neighbour sends to."""
    monkeypatch.setattr(simulator, "TOGETHER_NEURONS", 1)
    rng = np.random.default_rng(0)
    chip = small_memory_chip(rng, **WIDE)
    network = wide_network(rng, chip)
    program = map_network(network, chip, placer="row-major", conv="shared")
    axon = program.packets.axon.copy()
    core = np.searchsorted(program.cores.axon_offset, axon, side="right")
    same = np.flatnonzero(core[1:] == core[:-1])[::2]
    axon[same] = axon[same + 1]
    program = replace(program, packets=program.packets._replace(axon=axon))
    programs = [laid_out(program, keep=keep) for keep in (True, False)]
    assert programs[0].image.rings.axon.size > 100
    x = random_input(rng, network, 1, 6)
    runs = [neurosim.simulate(p, x, probe=["conv1"], threads=threads) for p in programs]
    np.testing.assert_array_equal(*(run.membrane["conv1"] for run in runs))
    assert np.count_nonzero(runs[0].membrane["conv1"]) > 0
    assert_equal_counters(*runs)


def test_most_networks_do_share_kernels():
    """The property above skips what does not fit and takes what keeps no kernel."""
    shared = 0
    for seed in range(30):
        program, _ = mapped(np.random.default_rng(seed), seed)
        shared += program is not None and program.kernels.n_tiles > 0
    assert shared >= 15


@given(st.integers(0, 2**32 - 1))
def test_folded(seed):
    """Phase after phase on a few cores; what is reloaded are the kernels."""
    rng = np.random.default_rng(seed)
    program, network = mapped(rng, seed, fold="auto", chip={"grid": {"wide": 3, "high": 2}})
    if program is not None:
        assert_equal_to_reference(program, network, random_input(rng, network, 2, 3))


def first_with_kernels():
    for seed in range(100):
        rng = np.random.default_rng(seed)
        program, network = mapped(rng, seed)
        if program is not None and program.kernels.n_tiles > 1:
            return program, network, random_input(rng, network, 2, 4)
    raise AssertionError("no network with kernels")


def test_counters_are_those_of_single_synapses():
    """Events, operations and packets, counted by hand; the format changes none of them."""
    program, network, x = first_with_kernels()
    run = neurosim.simulate(program, x)
    counted = count_by_hand(program, trace_reference(network, x)).total
    assert totals(program, run.counters) == {n: counted[n] for n in totals(program, run.counters)}


def test_columns_survive_the_file(tmp_path):
    program, _, x = first_with_kernels()
    program.save(tmp_path / "a.nsp")
    again = load_program(tmp_path / "a.nsp")
    for name, column in program.columns().items():
        np.testing.assert_array_equal(again.columns()[name], column, err_msg=name)
        assert again.columns()[name].dtype == column.dtype
    again.save(tmp_path / "b.nsp")
    assert (tmp_path / "a.nsp").read_bytes() == (tmp_path / "b.nsp").read_bytes()
    outputs = [neurosim.simulate(p, x).outputs for p in (program, again)]
    np.testing.assert_array_equal(*outputs)


@given(st.integers(0, 2**32 - 1))
def test_tiles_are_the_convolution(seed):
    """Any sources and neurons, dilated and in groups: the weights that the connection names."""
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    shape = (groups * int(rng.integers(1, 3)), int(rng.integers(3, 7)), int(rng.integers(3, 7)))
    kernel = (groups * int(rng.integers(1, 3)), shape[0] // groups, 2, int(rng.integers(1, 3)))
    conv = ConvConnection(
        rng.integers(-9, 10, kernel),
        shape,
        stride=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
        padding=((1, 0), (0, 1)),
        dilation=(int(rng.integers(1, 3)), int(rng.integers(1, 3))),
        groups=groups,
    )
    neurons = np.flatnonzero(rng.random(conv.n_targets) < 0.5)
    sources = np.flatnonzero(rng.random(conv.n_sources) < 0.7)
    if not neurons.size or not sources.size:
        return
    tiles = KernelTiles(np.dtype(np.int8))
    tiles.add(0, 0, conv, sources, np.arange(sources.size), neurons)
    cells = tile_cells(tiles.table(), 0)
    block = np.zeros((sources.size, neurons.size), np.int64)
    np.add.at(block, (cells.axon, cells.neuron), cells.weight)
    np.testing.assert_array_equal(block, conv.block(sources, neurons))


def test_a_flipped_bit_of_a_kernel_hits_every_position():
    """One core holds the whole layer: the network with the changed weight tells what comes out."""
    rng = np.random.default_rng(1)
    chip = small_memory_chip(
        rng, core__axons=40, core__neurons=24, core__synapses=960, core__synapse_memory_bytes=200
    )
    conv = ConvConnection(np.full((1, 1, 2, 2), 5), (1, 5, 6))
    network, weight = _one_layer(rng, chip, conv), conv.weight.copy()
    program = map_network(network, chip, placer="row-major")
    assert program.n_cores == 1
    assert program.kernels.weight.size == 4
    hurt = inject(program, [parse_fault("weights:core=0,bit=1")])
    assert len(hurt.hits) == 4
    assert hurt.hits[0] == ("weights: core 0 (x 0, y 0), kernel weight 0, bit 1")
    layer = network.layers[0]
    other = replace(layer, projections=(Projection(INPUT, replace(conv, weight=weight ^ 2)),))
    x = random_input(rng, network, 2, 3)
    expected = trace_reference(replace(network, layers=(other,)), x).outputs
    np.testing.assert_array_equal(neurosim.simulate(hurt.program, x).outputs, expected)


def _one_layer(rng, chip, conv):
    layer = random_layer(rng, chip, "conv", conv.out_shape, (Projection(INPUT, conv),))
    code = InputCode("analog", 1.0, 0, 255)
    return QuantizedNetwork((layer,), "conv", conv.in_shape, code, chip.core.membrane_bits)
