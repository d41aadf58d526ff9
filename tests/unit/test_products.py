"""Blocks multiplied for four cores at a time, against the same sums weight by weight."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.image.products import make_products
from neurosim.kernels.copies import BEYOND, copy_run
from neurosim.kernels.products import COLUMNS, CORES, HALF, multiply_four

pytestmark = pytest.mark.exactness

N_AXONS, N_NEURONS = 7, 40


class Image:
    """Six cores: four share a block of 7 axons and 40 neurons, two have one of their own."""

    size = np.array([7, 7, 3, 7, 7, 7])
    first = np.array([0, 0, 300, 0, 0, 600])
    alike = np.array([0, 0, 14, 0, 0, 31])
    width = np.full(6, N_NEURONS)
    run_offset = np.arange(7)
    axon = np.arange(6)
    source_offset = np.r_[0, np.cumsum(size)]
    # The even and the odd axons of a core hear places side by side; those of the last stand alone.
    source = np.r_[
        [k % 2 * 50 + k // 2 + 100 * core for core in (0, 1, 2) for k in range((7, 7, 3)[core])],
        [k % 2 * 50 + k // 2 + 300 for k in range(7)],
        [700, 702, 704, 706, 708, 710, 712],
        np.arange(7),
    ].astype(np.int32)


def a_block(rng):
    """Axons 0 and 3 reach even neurons only, axon 5 odd ones, axon 6 nobody."""
    block = rng.integers(1, 128, (N_AXONS, N_NEURONS)) * rng.choice([-1, 1], (N_AXONS, N_NEURONS))
    block[[0, 3], 1::2] = 0
    block[5, ::2] = 0
    block[6] = 0
    return block


def made(block):
    dense = np.zeros(1000, np.int8)
    dense[: block.size] = block.ravel()
    synapses = np.arange(100, dtype=np.int32)
    return make_products(Image, Image, dense, Image.width, synapses)


def test_rows_stand_by_what_hears_them():
    """Even neurons' rows, then those of all, then odd neurons'; by what they hear among these."""
    products = made(a_block(np.random.default_rng(0)))
    np.testing.assert_array_equal(products.block, [0, 0, -1, 0, 0, -1])
    order = [0, 3, 2, 4, 1, 5, 6]
    np.testing.assert_array_equal(products.connected, order)
    # Of 7 axons and the one that completes them: even neurons hear the pairs 0 to 2, odd ones the
    # pairs 1 and 2; the last part has 8 of its 32 neurons.
    np.testing.assert_array_equal(products.part_offset, [0, 2])
    np.testing.assert_array_equal(products.half[:, 1], [0, 1, 0, 1])
    np.testing.assert_array_equal(products.half[:, 2], [3, 2, 3, 2])
    assert products.weight.size == 2 * HALF * 10


def test_rows_that_hear_neighbours_are_fetched_together():
    products = made(a_block(np.random.default_rng(0)))
    for core in range(6):
        runs = slice(products.run_offset[core], products.run_offset[core + 1])
        places, sizes = products.place[runs], products.size[runs]
        heard = [place + k for place, size in zip(places, sizes, strict=True) for k in range(size)]
        if products.block[core] < 0:
            assert heard == []
            continue
        source = Image.source[Image.source_offset[core] :]
        assert heard == [source[k] for k in (0, 3, 2, 4, 1, 5, 6)]
        # Places 0, 51 | 1, 2 | 50 | 52 | 3 from the first of the core on; or none side by side.
        assert sizes.tolist() == ([1, 1, 2, 1, 1, 1] if core < 4 else [1] * 7)


def test_cores_that_hear_several_layers_or_only_some_are_left_out():
    dense = np.zeros(1000, np.int8)

    class Other(Image):
        run_offset = np.array([0, 2, 3, 4, 5, 6, 7])
        axon = np.arange(7)
        source_offset = np.r_[0, np.cumsum([2, 5, 7, 3, 7, 7, 7])]

    class Nothing(Image):
        run_offset = np.zeros(1, int)

    class Unlike(Image):
        alike = np.array([0, 7, 14, 0, 0, 31])

    for pulls in (Other, Nothing, Unlike):
        products = make_products(pulls, pulls, dense, Image.width, np.arange(100, dtype=np.int32))
        assert (products.block == -1).all()
        assert products.place.size == products.half.size == 0


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_sums_of_four_cores(seed):
    """Values reach the ends of 16 bits; other sums stay as they are."""
    rng = np.random.default_rng(seed)
    block = a_block(rng)
    if seed == 1:
        block[:, 3:33] = 0
    products = made(block)
    heard = rng.integers(-3000, 3001, (CORES + 2, N_AXONS + 5)).astype(np.int16)
    heard[:, :2] = -32768
    heard[:, N_AXONS] = 0
    sums = np.full((CORES + 2, 3 * COLUMNS), 7, np.int32)
    for part in (0, 1):
        column = COLUMNS * (part + 1)
        multiply_four(products.weight, products.half, part, heard, 1, sums, column)
    expected = np.full(sums.shape, 7)
    expected[1 : CORES + 1, COLUMNS:] = 0
    order = [0, 3, 2, 4, 1, 5, 6]
    for core, neuron in np.ndindex(CORES, N_NEURONS):
        expected[core + 1, COLUMNS + neuron] = sum(
            int(heard[core + 1, k]) * int(block[axon, neuron]) for k, axon in enumerate(order)
        )
    np.testing.assert_array_equal(sums, expected.astype(np.int32))


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 40])
def test_copies_of_runs(size):
    """What lies before stays, and what lies `BEYOND` the end."""
    source = np.arange(1000, 1100, dtype=np.int16)
    target = np.zeros(100, np.int16)
    copy_run(source, 30, size, target, 5)
    np.testing.assert_array_equal(target[5 : 5 + size], source[30 : 30 + size])
    assert not target[:5].any()
    assert not target[5 + size + BEYOND - 1 :].any()
