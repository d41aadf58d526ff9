"""Convolutions that a core keeps as one kernel: who may, and how much memory that takes.

Enters: groups of convolution layers. Leaves: how many weights their kernels have, to be weighed
against a block of axons x neurons. A core keeps kernels if all that its groups hear is convolved
(pooling included) and kernels take less memory than the block.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import numpy as np

from neurosim.chip.model import Chip
from neurosim.errors import UsageError
from neurosim_mapper.connections import ConvConnection, Index
from neurosim_mapper.mapping import NeuronGroup
from neurosim_mapper.partition.limits import NOT_SHARED, CoreLimits
from neurosim_mapper.quantized import QuantizedLayer

ConvMode: TypeAlias = Literal["auto", "shared", "unrolled"]
CONV_MODES: Final[tuple[ConvMode, ...]] = ("auto", "shared", "unrolled")


def chip_for(chip: Chip, mode: str) -> Chip:
    """The chip as the mapper shall see it: without shared kernels if they are not wanted.

    Raises UsageError for an unknown mode, and for ``shared`` on a chip that cannot.
    """
    if mode not in CONV_MODES:
        raise UsageError(f"conv is {mode!r}; needs one of {', '.join(CONV_MODES)}.")
    if mode == "shared" and not chip.core.shared_kernel:
        raise UsageError(
            f"conv is 'shared', a core of {chip.name!r} keeps a weight per synapse "
            "(core.shared_kernel: false). Use auto or unrolled, or another chip."
        )
    if mode != "unrolled" or not chip.core.shared_kernel:
        return chip
    plain = {"shared_kernel": False, "kernel_axon_bytes": None}
    return chip.model_copy(update={"core": chip.core.model_copy(update=plain)})


def shared_cells(layer: QuantizedLayer, group: NeuronGroup, limits: CoreLimits) -> int:
    """Memory of a group with shared kernels, in weights; `NOT_SHARED` if it cannot have them."""
    if not limits.shares:
        return NOT_SHARED
    total, n_axons = 0, 0
    for number, sources in group.inputs:
        conv = layer.projections[number].connection
        if not isinstance(conv, ConvConnection):
            return NOT_SHARED
        first, stop = channels_in(conv, sources)
        kernel = int(conv.weight.shape[2] * conv.weight.shape[3])
        total += (stop - first) * channels_out(conv, group.neurons).size * kernel
        n_axons += sources.size
    return total + limits.axon_cells(n_axons)


def keeps_kernels(
    layers: Sequence[QuantizedLayer],
    core: Sequence[NeuronGroup],
    n_axons: int,
    limits: CoreLimits,
) -> bool:
    """Whether kernels take less memory on this core than a block of axons x neurons."""
    cells = sum(
        shared_cells(layer, group, limits) for layer, group in zip(layers, core, strict=True)
    )
    return cells < n_axons * sum(group.neurons.size for group in core)


def channels_in(conv: ConvConnection, sources: Index) -> tuple[int, int]:
    """First and last + 1 of the source channels that are heard, counted inside their groups."""
    channel = sources // (conv.in_shape[1] * conv.in_shape[2]) % conv.weight.shape[1]
    return int(channel.min()), int(channel.max()) + 1


def channels_out(conv: ConvConnection, neurons: Index) -> Index:
    """Output channels of some neurons, ascending."""
    return np.unique(neurons // (conv.out_shape[1] * conv.out_shape[2]))
