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
from neurosim.offsets import offsets_of

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_LARGEST: Final = 1 << 30  # cells of a block whose synapses are counted in 32 bits
_WIDEST: Final = 1 << 15  # neurons that a number of 16 bits can count


class Products(NamedTuple):
    """Blocks with the rows of every two neighbours interleaved.

    Rows stand in an order of the block's own, so that what its neurons hear lies together; all
    cores of the block hear in this order.
    """

    block: I32  # (n_cores,) number of the block of a core, -1: it is not here
    part_offset: I64  # (n_blocks + 1,) parts of 32 neurons
    half: I64  # (2 * n_parts, 3) even and odd neurons of a part: where the weights begin, the first
    # pair of rows that any of them hears, and how many pairs
    weight: I16  # of each half (n_pairs, 16, 2), its neurons completed with zeros
    row_offset: I64  # (n_blocks + 1,)
    connected: I16  # (n_rows,) synapses
    run_offset: I64  # (n_cores + 1,) runs of rows whose senders leave their values side by side
    place: I32  # (n_runs,) where those of a run begin, see `Pulls.place`
    size: I32  # (n_runs,) rows


class _Block(NamedTuple):
    """One block: its cores, its rows in their order, and the halves of its parts."""

    cores: I64
    order: I64
    halves: list[tuple[int, I16]]  # first pair, weights


def make_products(
    blocks: Blocks, pulls: Pulls, dense: npt.NDArray[Any], width: I64, synapses: I32
) -> Products:
    """Blocks shared by `CORES` cores or more, each of which hears one layer with all its axons.

    Parameters
    ----------
    dense : weights of `blocks`.
    width : (n_cores,) neurons.
    synapses : (n_axons,) connected ones of every axon.
    """
    chosen = [
        _make_block(cores, blocks, pulls, dense, width) for cores in _shared(blocks, pulls, width)
    ]
    number, runs = np.full(width.size, -1, np.int32), dict[int, tuple[I32, I32]]()
    for k, block in enumerate(chosen):
        number[block.cores] = k
        for core in block.cores.tolist():
            runs[core] = _runs(_heard_by(pulls, core)[block.order])
    halves = [half for block in chosen for half in block.halves]
    start = offsets_of([weight.size for _, weight in halves])
    return Products(
        block=number,
        part_offset=offsets_of([len(block.halves) // 2 for block in chosen]),
        half=np.array(
            [
                (begin, pair, weight.size // COLUMNS)
                for begin, (pair, weight) in zip(start[:-1], halves, strict=True)
            ],
            np.int64,
        ).reshape(-1, 3),
        weight=np.concatenate([np.empty(0, np.int16), *(weight for _, weight in halves)]),
        row_offset=offsets_of([block.order.size for block in chosen]),
        connected=np.concatenate(
            [np.empty(0, np.int16)]
            + [synapses[blocks.alike[b.cores[0]] + b.order].astype(np.int16) for b in chosen]
        ),
        run_offset=offsets_of([runs[k][0].size if k in runs else 0 for k in range(width.size)]),
        place=np.concatenate([np.empty(0, np.int32), *(runs[k][0] for k in sorted(runs))]),
        size=np.concatenate([np.empty(0, np.int32), *(runs[k][1] for k in sorted(runs))]),
    )


def _shared(blocks: Blocks, pulls: Pulls, width: I64) -> list[I64]:
    """Cores of every block that is worth it, and whose axons have equally many synapses."""
    fits = (blocks.size * width < _LARGEST) & (width < _WIDEST)
    cores = np.flatnonzero((blocks.first >= 0) & _hear_one_layer(blocks, pulls) & fits)
    keys = np.stack([blocks.first[cores], blocks.alike[cores]], axis=1)
    _, which, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    return [cores[which == number] for number in np.flatnonzero(count >= CORES)]


def _hear_one_layer(blocks: Blocks, pulls: Pulls) -> npt.NDArray[np.bool_]:
    """(n_cores,) cores all of whose axons belong to one run of `pulls`."""
    if pulls.run_offset.size == 1:
        return np.zeros(blocks.size.size, np.bool_)
    run = np.minimum(pulls.run_offset[:-1], max(pulls.axon.size - 1, 0))
    heard = np.diff(pulls.source_offset)[run]
    return np.asarray((np.diff(pulls.run_offset) == 1) & (heard == blocks.size), np.bool_)


def _heard_by(pulls: Pulls, core: int) -> I32:
    """Places of what the axons of a core with a single run hear."""
    run = int(pulls.run_offset[core])
    return pulls.source[pulls.source_offset[run] : pulls.source_offset[run + 1]]


def _make_block(
    cores: I64, blocks: Blocks, pulls: Pulls, dense: npt.NDArray[Any], width: I64
) -> _Block:
    """Rows that only even neurons hear come first, then those of both, then the odd ones'."""
    core = int(cores[0])
    begin, n_axons, n_neurons = int(blocks.first[core]), int(blocks.size[core]), int(width[core])
    block = dense[begin : begin + n_axons * n_neurons].reshape(n_axons, n_neurons)
    even, odd = (block[:, first::2].any(axis=1) for first in (0, 1))
    who = np.where(even | odd, odd.astype(int) - even, 2)
    order = np.lexsort((_heard_by(pulls, core), who))
    n_parts = -(-n_neurons // COLUMNS)
    whole = np.zeros((n_axons + n_axons % 2, COLUMNS * n_parts), np.int16)
    whole[:n_axons, :n_neurons] = block[order]
    columns = [
        whole[:, COLUMNS * part + first : COLUMNS * (part + 1) : 2]
        for part in range(n_parts)
        for first in (0, 1)
    ]
    return _Block(cores, order, [_interleaved(half) for half in columns])


def _interleaved(half: I16) -> tuple[int, I16]:
    """First pair of rows with a weight, and the weights from there to the last one with any."""
    pairs = half.reshape(-1, 2, half.shape[1])
    used = np.flatnonzero(pairs.any(axis=(1, 2)))
    if not used.size:
        return 0, np.empty(0, np.int16)
    first, last = int(used[0]), int(used[-1])
    return first, pairs[first : last + 1].transpose(0, 2, 1).ravel()


def _runs(places: I32) -> tuple[I32, I32]:
    """Where runs of neighbouring places begin, and how long they are."""
    starts = np.flatnonzero(np.r_[True, np.diff(places) != 1][: places.size])
    sizes = np.diff(np.r_[starts, places.size])
    return places[starts], sizes.astype(np.int32)
