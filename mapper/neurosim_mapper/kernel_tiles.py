"""The kernel columns of a Program, from the groups of a Partition.

What the columns mean stands in `neurosim.program.kernels`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.offsets import offsets_of
from neurosim.program.kernels import KernelTable
from neurosim_mapper.connections import ConvConnection, Index
from neurosim_mapper.partition.kernels import channels_in, channels_out


class KernelTiles:
    """The kernel columns of a Program, gathered tile after tile."""

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._tiles: list[_Tile] = []

    def add(
        self,
        core: int,
        neuron_start: int,
        conv: ConvConnection,
        sources: Index,
        axons: Index,
        neurons: Index,
    ) -> None:
        """What the `neurons` (from `neuron_start` on) hear of `sources` on these global axons."""
        channel, row, column = np.unravel_index(sources, conv.in_shape)
        out, y, x = np.unravel_index(neurons, conv.out_shape)
        first, stop = channels_in(conv, sources)
        kept = channels_out(conv, neurons)
        kernel = np.moveaxis(conv.weight[kept, first:stop], 0, -1)
        self._tiles.append(
            _Tile(
                core,
                neuron_start,
                np.ascontiguousarray(kernel, dtype=self._dtype),
                conv.dilation,
                np.stack(
                    [
                        axons,
                        channel % conv.weight.shape[1] - first,
                        channel // conv.weight.shape[1],
                        row + conv.padding[0][0],
                        column + conv.padding[1][0],
                    ]
                ),
                np.stack(
                    [
                        np.searchsorted(kept, out),
                        out // (conv.weight.shape[0] // conv.groups),
                        y * conv.stride[0],
                        x * conv.stride[1],
                    ]
                ),
            )
        )

    def table(self) -> KernelTable:
        """All tiles."""
        tiles = self._tiles
        if not tiles:
            return KernelTable.empty()
        shape = np.array([tile.kernel.shape for tile in tiles], np.int32).T
        dilation = np.array([tile.dilation for tile in tiles], np.int32).T
        axons = np.concatenate([tile.axons for tile in tiles], axis=1).astype(np.int32)
        neurons = np.concatenate([tile.neurons for tile in tiles], axis=1).astype(np.int32)
        columns: list[Any] = [
            np.array([tile.core for tile in tiles], np.int32),
            np.array([tile.neuron_start for tile in tiles], np.int64),
            offsets_of([tile.neurons.shape[1] for tile in tiles]),
            offsets_of([tile.axons.shape[1] for tile in tiles]),
            offsets_of([tile.kernel.size for tile in tiles]),
            *np.ascontiguousarray(shape),
            *np.ascontiguousarray(dilation),
            *axons,
            *neurons,
            np.concatenate([tile.kernel.ravel() for tile in tiles]),
        ]
        return KernelTable(*columns)


class _Tile(NamedTuple):
    """One row of the table; `axons` and `neurons` are rows of their columns."""

    core: int
    neuron_start: int
    kernel: npt.NDArray[Any]
    dilation: tuple[int, int]
    axons: Index
    neurons: Index
