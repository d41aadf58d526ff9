"""Dense blocks that several cores share, once more in the form that products with vectors take.

Where much of a layer sends, the cores that share a block hear it together (`kernels.batches`).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.image.blocks import Blocks
from neurosim.image.pulls import Pulls
from neurosim.kernels.products import COLUMNS, CORES

I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]

_LARGEST: Final = 1 << 30  # cells of a block whose synapses are counted in 32 bits


class Products(NamedTuple):
    """Blocks with the rows of every two neighbouring axons interleaved."""

    first: I64  # (n_cores,) where the block of a core begins in `weight`, -1: it is not here
    n_pairs: I64  # (n_cores,) pairs of axons, the last one completed with weights of 0
    weight: I16  # of each block (columns / 16, n_pairs, 16, 2), its neurons completed with zeros


def make_products(blocks: Blocks, pulls: Pulls, dense: npt.NDArray[Any], width: I64) -> Products:
    """Blocks shared by `CORES` cores or more, each of which hears one layer with all its axons.

    Parameters
    ----------
    dense : weights of `blocks`.
    width : (n_cores,) neurons.
    """
    hears_one = _hear_one_layer(blocks, pulls) & (blocks.size * width < _LARGEST)
    cores = np.flatnonzero((blocks.first >= 0) & hears_one)
    places, model, which, count = np.unique(
        blocks.first[cores], return_index=True, return_inverse=True, return_counts=True
    )
    shared = np.flatnonzero(count >= CORES)
    parts, starts, end = [], np.full(places.size, -1, np.int64), 0
    for number in shared:
        core, begin = cores[model[number]], places[number]
        n_axons, n_neurons = int(blocks.size[core]), int(width[core])
        block = dense[begin : begin + n_axons * n_neurons].reshape(n_axons, n_neurons)
        parts.append(_interleaved(block))
        starts[number], end = end, end + parts[-1].size
    first, n_pairs = np.full(width.size, -1, np.int64), (blocks.size + 1) // 2
    first[cores] = starts[which]
    return Products(first, n_pairs, np.concatenate([np.empty(0, np.int16), *parts]))


def _hear_one_layer(blocks: Blocks, pulls: Pulls) -> npt.NDArray[np.bool_]:
    """(n_cores,) cores all of whose axons belong to one run of `pulls`."""
    if pulls.run_offset.size == 1:
        return np.zeros(blocks.size.size, np.bool_)
    run = np.minimum(pulls.run_offset[:-1], max(pulls.axon.size - 1, 0))
    heard = np.diff(pulls.source_offset)[run]
    return np.asarray((np.diff(pulls.run_offset) == 1) & (heard == blocks.size), np.bool_)


def _interleaved(block: npt.NDArray[Any]) -> I16:
    """(n_axons, n_neurons) as `Products.weight` has it, in one row."""
    n_axons, n_neurons = block.shape
    n_pairs, n_parts = -(-n_axons // 2), -(-n_neurons // COLUMNS)
    whole = np.zeros((2 * n_pairs, COLUMNS * n_parts), np.int16)
    whole[:n_axons, :n_neurons] = block
    return whole.reshape(n_pairs, 2, n_parts, COLUMNS).transpose(2, 0, 3, 1).ravel()
