"""What one core holds: the single place that knows how axons, neurons and weights compete.

A synapse block is a crossbar: axons x neurons cells, whether connected or not. With
``fan_in_extension: axon_merge`` a core gives up half of its neurons for twice the axons, again and
again (2**k axon sets per neuron).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip

LIMIT_NAMES = ("core.axons", "core.neurons", "core.synapses", "core.synapse_memory_bytes")


@dataclass(frozen=True)
class CoreLimits:
    """Limits of one core of a chip, as the partitioner uses them."""

    chip: str
    axons: int
    neurons: int
    synapses: int
    memory_bytes: int
    synapse_bytes: float
    extension: str
    typed: bool = False  # weights are those of axon types: a source has an axon for each

    @classmethod
    def of(cls, chip: Chip) -> CoreLimits:
        """Read from the chip."""
        core = chip.core
        return cls(
            chip.name,
            core.axons,
            core.neurons,
            core.synapses,
            core.synapse_memory_bytes,
            chip.synapse_bytes,
            core.fan_in_extension,
            core.weight_scheme == "axon_types",
        )

    @cached_property
    def cells(self) -> int:
        """Most axons x neurons."""
        return min(self.synapses, int(self.memory_bytes / self.synapse_bytes))

    @cached_property
    def n_merges(self) -> int:
        """How often the axons of a core can be doubled."""
        return self.neurons.bit_length() - 1 if self.extension == "axon_merge" else 0

    @cached_property
    def most_axons(self) -> int:
        """Axons of a core that holds a single neuron, extension included."""
        return min(self.axons << self.n_merges, self.cells)

    @property
    def splits(self) -> bool:
        """Whether fragments of a fan-in can sit on several cores."""
        return self.extension == "psum_hw"

    def neurons_beside(self, n_axons: int) -> int:
        """Most neurons on a core that uses `n_axons` axons."""
        n_axons = max(n_axons, 1)
        merges = max(0, (-(-n_axons // self.axons) - 1).bit_length())
        if merges > self.n_merges:
            return 0
        return min(self.neurons >> merges, self.cells // n_axons)

    def fits(self, n_axons: Any, n_neurons: Any) -> npt.NDArray[np.bool_]:
        """Whether so many axons and neurons share a core; arrays of any equal shape."""
        a, n = np.asarray(n_axons), np.asarray(n_neurons)
        inside: npt.NDArray[np.bool_] = (a <= self.axons) & (n <= self.neurons)
        for k in range(1, self.n_merges + 1):
            inside = inside | ((a <= self.axons << k) & (n <= self.neurons >> k))
        fitting: npt.NDArray[np.bool_] = inside & (a * n <= self.cells)
        return fitting

    def broken(self, n_axons: int, n_neurons: int) -> str:
        """Name of the first limit that so many axons and neurons on one core break."""
        if n_neurons > self.neurons:
            return LIMIT_NAMES[1]
        if n_axons > self.axons and self.neurons_beside(n_axons) < n_neurons:
            return LIMIT_NAMES[0]
        return LIMIT_NAMES[2] if n_axons * n_neurons > self.synapses else LIMIT_NAMES[3]

    def fragments(self, n_axons: int, n_neurons: int) -> int:
        """Fewest cores that a tile needs; 0 if it does not fit."""
        if not 0 < n_neurons <= self.neurons:
            return 0
        if self.splits:
            per_core = min(self.axons, self.cells // n_neurons)
            return 0 if per_core < 1 else max(1, -(-n_axons // per_core))
        return 1 if n_neurons <= self.neurons_beside(n_axons) else 0
