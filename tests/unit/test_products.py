"""Blocks multiplied for four cores at a time, against the same sums weight by weight."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.image.products import make_products
from neurosim.kernels.products import COLUMNS, CORES, multiply_four

pytestmark = pytest.mark.exactness


class Image:
    """Six cores: four share a block of 5 axons and 20 neurons, two have one of their own."""

    size = np.array([5, 5, 3, 5, 5, 5])
    first = np.array([0, 0, 100, 0, 0, 200])
    width = np.array([20, 20, 20, 20, 20, 20])
    run_offset = np.arange(7)
    axon = np.arange(6)
    source_offset = np.r_[0, np.cumsum(size)]


def test_blocks_are_interleaved_and_completed():
    dense = np.random.default_rng(0).integers(-128, 128, 300).astype(np.int8)
    products = make_products(Image, Image, dense, Image.width)
    np.testing.assert_array_equal(products.first, [0, 0, -1, 0, 0, -1])
    assert products.n_pairs[0] == 3
    weight = products.weight.reshape(2, 3, COLUMNS, 2)
    whole = np.zeros((6, 2 * COLUMNS), int)
    whole[:5, :20] = dense[:100].reshape(5, 20)
    for axon, neuron in np.ndindex(whole.shape):
        part, column = divmod(neuron, COLUMNS)
        assert weight[part, axon // 2, column, axon % 2] == whole[axon, neuron]


def test_cores_that_hear_several_layers_or_only_some_are_left_out():
    dense = np.zeros(300, np.int8)

    class Other(Image):
        run_offset = np.array([0, 2, 3, 4, 5, 6, 7])
        axon = np.arange(7)
        source_offset = np.r_[0, np.cumsum([2, 3, 5, 3, 5, 5, 5])]

    class Nothing(Image):
        run_offset = np.zeros(1, int)

    for pulls in (Other, Nothing):
        assert (make_products(Image, pulls, dense, Image.width).first == -1).all()


@pytest.mark.parametrize("n_pairs", [0, 1, 6])
def test_sums_of_four_cores(n_pairs):
    """Values and weights reach the ends of 16 bits; other sums stay as they are."""
    rng = np.random.default_rng(n_pairs)
    weights = rng.integers(-32767, 32768, (n_pairs, COLUMNS, 2))
    weights[:1, :3] = -32767
    heard = rng.integers(-3000, 3001, (CORES + 2, 2 * n_pairs + 2)).astype(np.int16)
    heard[:, :2] = -32768
    paired = np.r_[np.full(7, 99), weights.ravel()].astype(np.int16)
    sums = np.full((CORES + 2, 3 * COLUMNS), 7, np.int32)
    multiply_four(paired, 7, n_pairs, heard, 1, sums, COLUMNS)
    expected = np.full(sums.shape, 7)
    expected[1 : CORES + 1, COLUMNS : 2 * COLUMNS] = 0
    for core in range(1, CORES + 1):
        for axon in range(2 * n_pairs):
            mine = expected[core, COLUMNS : 2 * COLUMNS]
            mine += int(heard[core, axon]) * weights[axon // 2, :, axon % 2]
    np.testing.assert_array_equal(sums, expected.astype(np.int32))
