"""Legalise: rewrite an integer network into one that the chip can do, with the same results.

Enters: a `QuantizedNetwork`. Leaves: another one whose original layers have, in sample time, the
same values and potentials bit for bit, and sentences that say what was added. Every step is a
function ``(network, chip) -> (network, notes)``; the added layers are relays, partial sums and
copies, never a change of what a neuron computes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from neurosim.chip.model import Chip
from neurosim_mapper.legalize.axon_types import slice_weights
from neurosim_mapper.legalize.delays import relay_long_delays
from neurosim_mapper.legalize.fan_in import sum_by_tree
from neurosim_mapper.legalize.parallel import part_parallel
from neurosim_mapper.legalize.pooling import relay_pools
from neurosim_mapper.legalize.splitters import split_fan_out
from neurosim_mapper.quantized import QuantizedNetwork

Step: TypeAlias = Callable[[QuantizedNetwork, Chip], tuple[QuantizedNetwork, tuple[str, ...]]]

STEPS: Final[tuple[Step, ...]] = (
    relay_pools,
    part_parallel,
    sum_by_tree,
    relay_long_delays,
    slice_weights,
    split_fan_out,
)

__all__ = ["STEPS", "Step", "legalize"]


def legalize(
    network: QuantizedNetwork, chip: Chip, steps: tuple[Step, ...] = STEPS
) -> tuple[QuantizedNetwork, tuple[str, ...]]:
    """Apply every step in order; returns the network and one note per change."""
    notes: list[str] = []
    for step in steps:
        network, added = step(network, chip)
        notes.extend(added)
    return network, tuple(notes)
