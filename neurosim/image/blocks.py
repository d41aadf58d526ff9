"""Dense blocks as kernels read them: where each core's block is, and a place for every axon.

The cores of an unrolled convolution have equal blocks. All of them read the first one, so that a
layer's weights stay in the processor's caches. Cores that keep kernels (`image.shared_kernels`)
have places for their axons, too.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.offsets import offsets_of
from neurosim.program.columns import SYNAPSE_FORMATS, Program

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

_SAMPLE: Final = 64
"""Weights in the middle of a block that are compared before the whole block is."""


class Blocks(NamedTuple):
    """Cores with a dense block or kernels; an axon's *place* is its bit in words of its core."""

    first: I64  # (n_cores,) of the core's block in `Synapses.dense`, -1 without one
    word: I64  # (n_cores + 1,) words of places, of all cores before
    axon: I64  # (n_cores,) the core's first axon
    size: I64  # (n_cores,) its axons
    alike: I64  # (n_cores,) first axon of the first core with this block (or these kernels in these
    # places) and as many synapses each
    order: I64  # cores with places; those that share a block or kernels follow each other
    psum: I64  # (n_cores,) see `summing_groups`
    is_small: bool  # all weights are in -127..127


def make_blocks(program: Program, ring_cores: I32, *, is_small: bool) -> Blocks:
    """Blocks of a checked program; equal ones are kept once.

    `ring_cores`: cores that have an axon with several senders.
    """
    cores = program.cores
    is_dense = cores.synapse_format == SYNAPSE_FORMATS["dense"]
    is_kernel = cores.synapse_format == SYNAPSE_FORMATS["kernel"]
    n_axons, width = np.diff(cores.axon_offset), np.diff(cores.neuron_offset)
    first = np.where(is_dense, cores.dense_offset, -1).astype(np.int64)
    sizes = n_axons * width
    for alike in likely_equal(program):
        if len(alike) > 1:
            _share(program, alike, sizes, first)
    words = np.where(is_dense | is_kernel, -(-n_axons // 64), 0)
    word = offsets_of(words)
    shared = np.where(is_kernel, program.synapses.dense.size + program.alike_kernels.core, first)
    order = np.argsort(shared, kind="stable")
    return Blocks(
        first=first,
        word=word,
        axon=cores.axon_offset[:-1].astype(np.int64),
        size=n_axons.astype(np.int64),
        alike=_first_alike(program, shared),
        order=order[words[order] > 0],
        psum=summing_groups(program, ring_cores),
        is_small=is_small,
    )


def likely_equal(program: Program) -> list[list[int]]:
    """Cores with dense blocks of the same size and the same weights in the middle."""
    cores, seen = program.cores, dict[tuple[int, int, bytes], list[int]]()
    n_axons, width = np.diff(cores.axon_offset), np.diff(cores.neuron_offset)
    sizes = n_axons * width
    for core in np.flatnonzero((cores.synapse_format == SYNAPSE_FORMATS["dense"]) & (sizes > 0)):
        middle = int(cores.dense_offset[core]) + int(sizes[core]) // 2
        sample = program.synapses.dense[middle : middle + _SAMPLE].tobytes()
        seen.setdefault((int(n_axons[core]), int(width[core]), sample), []).append(int(core))
    return list(seen.values())


def summing_groups(program: Program, ring_cores: I32) -> I64:
    """(n_cores,) the only group of a core that does nothing but sum for the soma of another; or -1.

    All that such a core hears is in its block, so its sums can be handed on at once.
    """
    groups, offset = program.groups, program.cores.neuron_offset
    owner = np.where(groups.psum_target >= 0, program.group_of(groups.psum_target), 0)
    whole = (groups.neuron_start == offset[groups.core]) & (
        groups.neuron_stop == offset[groups.core + 1]
    )
    summing = whole & (groups.psum_target >= 0) & (groups.psum_target[owner] < 0)
    result = np.full(program.n_cores, -1, np.int64)
    result[groups.core[summing]] = np.flatnonzero(summing)
    result[ring_cores] = -1
    return result


def _first_alike(program: Program, first: I64) -> I64:
    """(n_cores,) first axon of the first core with the same number in `first`, -1 for none.

    If its counts are the same, too.

    A weight of 0 may be connected, so equal blocks do not mean as many synapses.
    """
    start, synapses = program.cores.axon_offset.astype(np.int64), program.axons.synapses
    _, where, which = np.unique(first, return_index=True, return_inverse=True)
    result = start[:-1].copy()
    for core in np.flatnonzero(first >= 0):
        model = where[which[core]]
        mine = synapses[start[core] : start[core + 1]]
        if np.array_equal(mine, synapses[start[model] : start[model + 1]]):
            result[core] = start[model]
    return result


def places_of(program: Program, blocks: Blocks, axon_core: I32, axon: I32) -> I32:
    """Place of each of these axons of cores with places."""
    core = axon_core[axon]
    return np.asarray(64 * blocks.word[core] + axon - blocks.axon[core], np.int32)


def dense_rows(program: Program, blocks: Blocks, axon_core: I32) -> I64:
    """(n_axons,) start of every axon's row, -1 for other formats."""
    local = np.arange(axon_core.size) - blocks.axon[axon_core]
    width = np.diff(program.cores.neuron_offset)[axon_core]
    first = blocks.first[axon_core]
    return np.asarray(np.where(first >= 0, first + local * width, -1), np.int64)


def _share(program: Program, alike: list[int], sizes: I64, first: I64) -> None:
    """Cores with the same block begin where the first of them does; changes `first`."""
    found: dict[tuple[int, bytes], int] = {}
    for core in alike:
        begin, size = int(first[core]), int(sizes[core])
        block = program.synapses.dense[begin : begin + size].tobytes()
        digest = hashlib.blake2b(block, digest_size=32).digest()
        first[core] = found.setdefault((size, digest), begin)
