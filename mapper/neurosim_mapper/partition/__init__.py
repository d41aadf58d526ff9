"""Partitioners: which neurons share a core. One file per step, one prototype for all.

``partitioner(network, chip, schedule) -> Partition``. `PARTITIONERS` names the ones on offer; a
caller may pass any function with this prototype instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from neurosim.chip.model import Chip
from neurosim_mapper.mapping import Partition, Schedule
from neurosim_mapper.partition.by_tiles import partition_tiles
from neurosim_mapper.quantized import QuantizedNetwork

Partitioner: TypeAlias = Callable[[QuantizedNetwork, Chip, Schedule], Partition]

PARTITIONERS: Final[Mapping[str, Partitioner]] = {"tiles": partition_tiles}
