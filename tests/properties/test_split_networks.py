"""Split, relayed, delayed, merged networks: original layers as in the reference, bit for bit.

The reference executor runs the network as it was given; the chip runs what `legalize` made of it.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.chips import make_chip, random_chip
from support.equality import assert_equal_to_reference
from support.networks import random_dense, random_input, random_layer, random_network

from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim.run.encoding import InputCode
from neurosim_mapper.connections import (
    ConvConnection,
    DenseConnection,
    SparseConnection,
    pool_connection,
)
from neurosim_mapper.legalize import legalize
from neurosim_mapper.legalize.pooling import factor_pool
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork

pytestmark = pytest.mark.exactness


def assert_chip_equals_reference(network, chip, x, **options):
    program = map_network(network, chip, placer="row-major", **options)
    assert_equal_to_reference(program, network, x)
    return program


def spiking(layer):
    return replace(layer, modes=replace(layer.modes, output="spike", n_max=1))


def composed(pool: ConvConnection, conv: ConvConnection) -> ConvConnection:
    """What the fold makes of a pool followed by a convolution without dilation."""
    k = pool.weight.shape[2:]
    kernel = np.kron(conv.weight, np.ones((1, 1, *k), np.int64))
    padding = tuple(
        (
            conv.padding[i][0] * k[i],
            max(
                0,
                (conv.out_shape[1 + i] - 1) * conv.stride[i] * k[i]
                + kernel.shape[2 + i]
                - conv.padding[i][0] * k[i]
                - pool.in_shape[1 + i],
            ),
        )
        for i in (0, 1)
    )
    stride = (conv.stride[0] * k[0], conv.stride[1] * k[1])
    return ConvConnection(kernel, pool.in_shape, stride, padding, groups=conv.groups)


def random_pooled(rng, chip):
    """A spiking or analog layer, then a convolution or a dense layer behind a composed pool."""
    k = int(rng.integers(2, 4))
    rest = int(rng.integers(0, k)) if rng.random() < 0.5 else 0  # rows that the pool drops
    shape = (int(rng.integers(1, 4)), k * int(rng.integers(2, 4)) + rest, k * 2)
    first = ConvConnection(rng.integers(-9, 10, (shape[0], shape[0], 1, 1)), shape)
    pool = pool_connection(shape, (k, k), (k, k))
    layers = [random_layer(rng, chip, "first", shape, (Projection(INPUT, first),))]
    size = tuple(min(int(rng.integers(1, 4)), n) for n in pool.out_shape[1:])
    after = int(rng.integers(0, 2)) if rest == 0 else 0  # padding would meet dropped rows
    pad = ((int(rng.integers(0, 2)), after), (1, 0))
    weight = rng.integers(-9, 10, (int(rng.integers(1, 9)), shape[0], *size))
    conv = ConvConnection(weight, pool.out_shape, (1, 1), pad)
    both = composed(pool, conv)
    expected = conv.apply(pool.apply(np.arange(pool.n_sources)[None]))
    np.testing.assert_array_equal(both.apply(np.arange(pool.n_sources)[None]), expected)
    layers.append(random_layer(rng, chip, "second", both.out_shape, (Projection("first", both),)))
    rows = rng.integers(-9, 10, (10, *pool.out_shape)).repeat(k, 2).repeat(k, 3)
    dense = np.zeros((10, *shape), np.int64)
    dense[:, :, : rows.shape[2], : rows.shape[3]] = rows
    layers.append(
        random_layer(
            rng,
            chip,
            "third",
            (10,),
            (
                Projection("first", DenseConnection(dense.reshape(10, -1))),
                Projection("second", random_dense(rng, both.n_targets, 10)),
            ),
        )
    )
    code = InputCode("spike") if rng.random() < 0.5 else InputCode("analog", 1.0, 0, 255)
    return QuantizedNetwork(
        tuple(layers), "third", shape, code, membrane_bits=chip.core.membrane_bits
    )


@given(st.integers(0, 2**32 - 1))
def test_relayed_pools_change_nothing(seed):
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, grid={"wide": 16, "high": 16}, core__membrane_bits=20)
    network = random_pooled(rng, chip)
    x = random_input(rng, network, 2, int(rng.integers(1, 5)))
    try:
        assert_chip_equals_reference(network, chip, x)
    except (DoesNotFitError, UnsupportedError):
        return


def test_pools_are_relayed_where_that_saves_cores():
    """A 3x3 kernel behind a 2x2 pool hears 36 inputs per channel, behind relays 9."""
    rng = np.random.default_rng(3)
    chip = make_chip(core__axons=64, core__neurons=64, grid={"wide": 30, "high": 30})
    pool = pool_connection((8, 16, 16), (2, 2), (2, 2))
    conv = ConvConnection(rng.integers(1, 9, (8, 8, 3, 3)), (8, 8, 8), padding=((1, 1), (1, 1)))
    first = ConvConnection(rng.integers(1, 9, (8, 1, 1, 1)), (1, 16, 16))
    layers = (
        spiking(random_layer(rng, chip, "a", (8, 16, 16), (Projection(INPUT, first),))),
        random_layer(rng, chip, "b", (8, 8, 8), (Projection("a", composed(pool, conv)),)),
    )
    network = QuantizedNetwork(layers, "b", (1, 16, 16), InputCode("spike"), 24)
    legal, notes = legalize(network, chip)
    assert [layer.name for layer in legal.layers] == ["a", "a.sum2x2", "b"]
    assert "'a' -> 'b'" in notes[0]
    assert "2x2 sum pool" in notes[0]
    plain = map_network(network, chip, placer="row-major").n_cores
    assert plain < len(_unrelayed(network, chip).cores)
    assert_chip_equals_reference(network, chip, random_input(rng, network, 2, 3))


def _unrelayed(network, chip):
    from neurosim_mapper.partition import PARTITIONERS
    from neurosim_mapper.schedule import schedule_layers

    return PARTITIONERS["tiles"](network, chip, schedule_layers(network, chip))


@given(st.integers(0, 2**32 - 1))
def test_a_factored_pool_is_the_same_connection(seed):
    """`factor_pool` of what `composed` made: the same sums, whatever block it finds."""
    rng = np.random.default_rng(seed)
    shape = (2, int(rng.integers(2, 12)), int(rng.integers(2, 12)))
    k = int(rng.integers(1, 5))
    if min(shape[1:]) < k:
        return
    pool = pool_connection(shape, (k, k), (k, k))
    size = tuple(min(int(rng.integers(1, 4)), n) for n in pool.out_shape[1:])
    pad = tuple((int(p), int(q)) for p, q in rng.integers(0, 3, (2, 2)))
    stride = tuple(int(s) for s in rng.integers(1, 3, 2))
    conv = ConvConnection(rng.integers(-3, 4, (3, 2, *size)), pool.out_shape, stride, pad)
    connection = composed(pool, conv)
    factors = factor_pool(connection, shape)
    values = rng.integers(-50, 50, (3, connection.n_sources))
    if factors is not None:
        again = factors.rest.apply(factors.pool.apply(values))
        np.testing.assert_array_equal(again, connection.apply(values))


@given(st.integers(0, 2**32 - 1))
def test_delays_beyond_the_delay_field_go_through_relays(seed):
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, core__max_delay_ticks=int(rng.integers(1, 4)))
    network = random_network(rng, chip, max_layers=7)
    x = random_input(rng, network, 2, int(rng.integers(1, 8)))
    try:
        program = assert_chip_equals_reference(network, chip, x)
    except (DoesNotFitError, UnsupportedError):
        return
    assert int(program.packets.delay.max(initial=0)) <= chip.core.max_delay_ticks


def test_a_long_skip_is_relayed_on_a_chip_with_a_delay_of_one():
    rng = np.random.default_rng(1)
    chip = make_chip(core__max_delay_ticks=1)
    layers = []
    for i in range(5):
        source, n = (INPUT, 6) if i == 0 else (f"l{i - 1}", 8)
        projections = [Projection(source, random_dense(rng, n, 8))]
        if i == 4:
            projections.append(Projection("l0", random_dense(rng, 8, 8), 3))
        layers.append(random_layer(rng, chip, f"l{i}", (8,), tuple(projections)))
    network = QuantizedNetwork(tuple(layers), "l4", (6,), InputCode("spike"), 24)
    legal, notes = legalize(network, chip)
    assert len(legal.layers) == 5 + 6  # 4 ticks of pipeline and 3 of delay, one hop each: 6 relays
    assert "core.max_delay_ticks = 1; 6 relay layers added" in notes[0]
    assert_chip_equals_reference(network, chip, random_input(rng, network, 3, 9))


@given(st.integers(0, 2**32 - 1))
def test_axon_merge(seed):
    """Twice the axons for half the neurons, again and again: no fragments, the same results."""
    rng = np.random.default_rng(seed)
    chip = random_chip(
        rng,
        core__axons=8,
        core__neurons=16,
        core__synapses=512,
        core__fan_in_extension="axon_merge",
        grid={"wide": 32, "high": 32},
    )
    network = random_network(rng, chip)
    x = random_input(rng, network, 2, int(rng.integers(1, 5)))
    try:
        program = assert_chip_equals_reference(network, chip, x)
    except (DoesNotFitError, UnsupportedError):
        return
    assert program.mapping["fan_in_fragments"] == 0


def test_most_networks_fit_merged_axons():
    """The property above skips what does not fit; cores with more axons than core.axons do."""
    merged = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        chip = make_chip(core__axons=8, core__neurons=16, core__synapses=512,
                         core__fan_in_extension="axon_merge", core__membrane_bits=24,
                         grid={"wide": 32, "high": 32})  # fmt: skip
        try:
            program = map_network(random_network(rng, chip), chip, placer="row-major")
        except (DoesNotFitError, UnsupportedError):
            continue
        axons, neurons = np.diff(program.cores.axon_offset), np.diff(program.cores.neuron_offset)
        doublings = [(math.ceil(a / 8) - 1).bit_length() for a in axons.tolist()]
        assert all(n <= 16 >> k for n, k in zip(neurons.tolist(), doublings, strict=True))
        merged += max(doublings) > 0
    assert merged >= 12


def few_bit_network(rng, chip, weights):
    """Spiking layers, dense and convolution, one of them recurrent at times."""
    shape = (2, 4, 4)
    conv = ConvConnection(rng.choice(weights, (3, 2, 2, 2)), shape)
    sizes = [conv.n_targets, int(rng.integers(2, 12)), int(rng.integers(2, 8))]
    layers = [random_layer(rng, chip, "conv", conv.out_shape, (Projection(INPUT, conv),))]
    for i in (1, 2):
        source = layers[-1].name
        dense = DenseConnection(rng.choice(weights, (sizes[i], sizes[i - 1])))
        projections = [Projection(source, dense)]
        if rng.random() < 0.3:
            loop = DenseConnection(rng.choice([0, 0, 0, *weights], (sizes[i], sizes[i])))
            projections.append(Projection(f"fc{i}", loop, 1))
        layers.append(random_layer(rng, chip, f"fc{i}", (sizes[i],), tuple(projections)))
    code = InputCode("spike")
    spikes = tuple(spiking(layer) for layer in layers)
    return QuantizedNetwork(spikes, "fc2", shape, code, chip.core.membrane_bits)


@settings(max_examples=12)  # copies of copies make some of these slow to map
@given(st.integers(0, 2**32 - 1), st.sampled_from([[-1, 0, 1], [-3, 5, 0], list(range(-8, 8))]))
def test_one_destination_and_few_bit_weights(seed, weights):
    """TrueNorth's rules: copies and splitters, an axon per type; one packet per neuron."""
    rng = np.random.default_rng(seed)
    chip = random_chip(
        rng,
        core__weight_scheme="axon_types",
        core__axon_types=4,
        core__destinations_per_neuron=1,
        core__axon_collision="or",
        core__send_zero=False,
        core__fan_in_extension="none",
        core__axons=int(rng.integers(64, 128)),
        core__neurons=int(rng.integers(16, 64)),
        core__synapses=8192,
        noc__multicast="none",
        grid={"wide": 24, "high": 24},
    )
    network = few_bit_network(rng, chip, weights)
    x = random_input(rng, network, 2, int(rng.integers(1, 6)))
    try:
        program = assert_chip_equals_reference(network, chip, x)
    except (DoesNotFitError, UnsupportedError):
        return
    assert int(np.diff(program.packets.owner_offset).max(initial=0)) <= 1
    assert_one_weight_per_neuron_and_type(network, chip)


def assert_one_weight_per_neuron_and_type(network, chip):
    legal, _ = legalize(network, chip)
    for layer in legal.layers:
        for number in range(chip.core.axon_types):
            blocks = [
                p.connection.block(np.arange(p.connection.n_sources), np.arange(layer.n_neurons))
                for p in layer.projections
                if p.axon_type == number
            ]
            if blocks:
                table = np.concatenate(blocks)
                for column in table.T:
                    assert np.unique(column[column != 0]).size <= 1
        assert all(p.axon_type < chip.core.axon_types for p in layer.projections)


@given(st.integers(0, 2**32 - 1))
def test_partial_sums_by_a_tree(seed):
    """Accumulator layers a tick earlier; with 24-bit packets every sum fits."""
    rng = np.random.default_rng(seed)
    chip = random_chip(
        rng,
        core__fan_in_extension="psum_tree",
        packet__analog_payload_bits=int(rng.choice([16, 24])),
        core__axons=int(rng.integers(4, 20)),
        core__send_zero=False,
        grid={"wide": 40, "high": 40},
    )
    network = random_network(rng, chip)
    x = random_input(rng, network, 2, int(rng.integers(1, 6)))
    try:
        program = assert_chip_equals_reference(network, chip, x)
    except (DoesNotFitError, UnsupportedError):
        return
    assert program.mapping["fan_in_fragments"] == 0


@given(st.integers(0, 2**32 - 1))
def test_irregular_layers_in_clusters(seed):
    """Communities in shuffled order: clustered, cut, packed, and still the same numbers."""
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, core__neurons=8, core__axons=24, grid={"wide": 24, "high": 24})
    n, fan = 60, 4
    shuffle = rng.permutation(n)
    near = np.minimum(np.arange(n)[:, None] // 10 * 10 + rng.integers(0, 10, (n, fan)), n - 1)
    source = shuffle[near][np.argsort(shuffle)]
    weight = rng.integers(-20, 21, n * fan)
    loop = SparseConnection(np.arange(n + 1) * fan, source.reshape(-1), weight, n)
    layer = random_layer(
        rng,
        chip,
        "net",
        (n,),
        (Projection(INPUT, random_dense(rng, 5, n)), Projection("net", loop, 1)),
    )
    network = QuantizedNetwork((layer,), "net", (5,), InputCode("spike"), chip.core.membrane_bits)
    try:
        assert_chip_equals_reference(network, chip, random_input(rng, network, 2, 5))
    except (DoesNotFitError, UnsupportedError):
        return


@pytest.mark.parametrize("seed", range(4))
def test_cut_otherwise_for_the_routing_tables(seed):
    """Mapped with the smallest table that any cut needs, a network computes the same."""
    rng = np.random.default_rng(100 + seed)
    chip = random_chip(rng, grid={"wide": 14, "high": 14})
    network = random_network(rng, chip)
    x = random_input(rng, network, 2, 4)
    narrow = chip.model_copy(update={"core": chip.core.model_copy(update={"routing_entries": 1})})
    try:
        program = map_network(network, narrow, placer="row-major")
    except DoesNotFitError as error:
        least = min(row["entries_max"] for row in error.report["routing_tries"])
        core = chip.core.model_copy(update={"routing_entries": least})
        narrow = chip.model_copy(update={"core": core})
        program = map_network(network, narrow, placer="row-major")
    assert_equal_to_reference(program, network, x)
