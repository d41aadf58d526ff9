"""Core counts on a chip of 256 axons and 256 neurons per core, beside their simple bounds.

The bars are those of the project's plan. The simple bound max(neurons / 256, synapses / 65536)
ignores axons, which is what convolutions and pools run out of.
"""

from __future__ import annotations

import numpy as np
import pytest
from support.chips import make_chip
from support.reference_networks import cnn, conv, dvs, lenet5, liaf_net, mlp, spiking

from neurosim import load_chip, simulate
from neurosim.errors import DoesNotFitError
from neurosim_mapper.estimate import estimate
from neurosim_mapper.legalize import legalize
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Flatten, Input, Linear
from neurosim_mapper.partition import PARTITIONERS
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.reference import trace_reference
from neurosim_mapper.schedule import schedule_layers

CHIP = make_chip(
    core__axons=256,
    core__neurons=256,
    core__synapses=65536,
    core__synapse_memory_bytes=65536,
    grid={"wide": 32, "high": 32},
)

BARS = {
    "MLP 784-512-10": (lambda: mlp(784, 512, 10), 10),
    "MLP 784-1024-1024-10": (lambda: mlp(784, 1024, 1024, 10), 36),
    "LeNet-5, sum pools": (lambda: lenet5(False), 60),
    "LeNet-5, pool neurons": (lambda: lenet5(True), 60),
    "CNN 16c3s2-32c3s2-fc10": (cnn, 45),
    "DVS 16c-32c-64c-fc128, strides": (lambda: dvs("stride"), 260),
    "DVS 16c-32c-64c-fc128, sum pools": (lambda: dvs("pool"), 260),
    "DVS 16c-32c-64c-fc128, pool neurons": (lambda: dvs("pool+neurons"), 260),
}


def cores_and_bound(network: Network) -> tuple[int, int]:
    """Cores of the mapping and the simple bound of the network as given."""
    quantized = quantize(network, CHIP)
    neurons = sum(layer.n_neurons for layer in quantized.layers)
    synapses = sum(
        int(a.sum() - b.sum())
        for layer in quantized.layers
        for a, b in (_counts(p.connection) for p in layer.projections)
    )
    legal, _ = legalize(quantized, CHIP)
    partition = PARTITIONERS["tiles"](legal, CHIP, schedule_layers(legal, CHIP))
    return len(partition.cores), max(-(-neurons // 256), -(-synapses // 65536))


def _counts(connection):
    """Per target how many synapses it has: sums of the signs of its weights."""
    from dataclasses import replace

    signs = replace(connection, weight=np.abs(np.sign(connection.weight)))
    return signs.positive_negative_sums()


@pytest.mark.parametrize("name", BARS)
def test_core_counts(name):
    build, bar = BARS[name]
    cores, bound = cores_and_bound(build())
    print(f"{name}: {cores} cores, simple bound {bound}, bar {bar}")
    assert bound <= cores <= bar


def test_dense_layers_need_at_least_their_crossbars():
    """784 x 512 weights fill 4 x 2 blocks of 256 x 256, 512 x 10 need 2 more fragments."""
    cores, _ = cores_and_bound(mlp(784, 512, 10))
    assert cores == 4 * 2 + 2


@pytest.mark.parametrize("name", ["LeNet-5, sum pools", "CNN 16c3s2-32c3s2-fc10"])
def test_the_estimate_is_close_to_the_mapping(name):
    """Shapes alone miss only what packing finds out later: within a tenth."""
    network = BARS[name][0]()
    cores, _ = cores_and_bound(network)
    assert abs(estimate(network, CHIP)["cores"] - cores) <= max(2, cores // 10)


def test_babi_maps_onto_one_tianjic_chip():
    """LIAF-Net's bAbI network: 2 of 156 cores, with the numbers of the reference executor."""
    chip = load_chip("tianjic")
    network = quantize(liaf_net("babi"), chip)
    program = map_network(network, chip, placer="row-major")
    assert (program.n_cores, program.mapping["cores_available"]) == (2, 156)
    assert program.n_phases == 1
    x = np.random.default_rng(0).integers(0, 2, (2, 5, 44))
    run = simulate(program, x, threads=1)
    np.testing.assert_array_equal(run.outputs, trace_reference(network, x).outputs)


def test_a_convolution_folds_onto_one_tianjic_chip():
    """64 x 12 x 12 to 128 channels needs more cores than there are; outputs stay exact."""
    chip = load_chip("tianjic")
    nodes = [Input((64, 12, 12)), conv(64, 128, 3, 1, 1), spiking()]
    network = quantize(
        Network.sequential([*nodes, Flatten(), Linear(_last(128 * 144)), spiking()]), chip
    )
    with pytest.raises(DoesNotFitError, match="phases per tick fit this chip"):
        map_network(network, chip, placer="row-major")
    program = map_network(network, chip, placer="row-major", fold="auto")
    assert program.n_phases == -(-program.n_cores // 156) > 1
    x = np.random.default_rng(0).integers(0, 2, (1, 1, 64, 12, 12))
    run = simulate(program, x, threads=1)
    np.testing.assert_array_equal(run.outputs, trace_reference(network, x).outputs)


def _last(n):
    return np.random.default_rng(1).integers(-20, 21, (10, n)).astype(float)
