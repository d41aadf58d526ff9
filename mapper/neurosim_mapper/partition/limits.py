"""What one core holds: the single place that knows how axons, neurons and weights compete.

A synapse block is a crossbar: axons x neurons cells, whether connected or not. Where the chip can
share kernels, a core with convolutions alone may hold these instead; whichever takes less memory
counts (`shared`: memory of the kernels in cells, `NOT_SHARED` for what has none). With
``fan_in_extension: axon_merge`` a core gives up half of its neurons for twice the axons, again and
again (2**k axon sets per neuron).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip

NOT_SHARED = 1 << 40
"""Memory of what cannot be kept as shared kernels: more cells than any core has."""

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
    shares: bool = False
    kernel_axon_bytes: int = 0
    axon_field_bits: int | None = None  # of a packet; None: the header has no such field
    psum_bits: int = 0  # that partial sums need and packets lack

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
            core.shared_kernel,
            core.kernel_axon_bytes or 0,
            chip.packet.field_bits("axon"),
            core.accumulator_bits if chip.packet.psum_payload_bits < core.accumulator_bits else 0,
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

    def axon_cells(self, n_axons: int) -> int:
        """Memory that the axons of shared kernels take, in cells."""
        return int(-(-n_axons * self.kernel_axon_bytes // self.synapse_bytes))

    def neurons_beside(self, n_axons: int, shared: int = NOT_SHARED) -> int:
        """Most neurons on a core that uses `n_axons` axons."""
        n_axons = max(n_axons, 1)
        merges = max(0, (-(-n_axons // self.axons) - 1).bit_length())
        if merges > self.n_merges:
            return 0
        most = self.neurons >> merges
        return most if shared <= self.cells else min(most, self.cells // n_axons)

    def fits(self, n_axons: Any, n_neurons: Any, shared: Any = NOT_SHARED) -> npt.NDArray[np.bool_]:
        """Whether so many axons and neurons share a core; arrays of any equal shape."""
        a, n = np.asarray(n_axons), np.asarray(n_neurons)
        inside: npt.NDArray[np.bool_] = (a <= self.axons) & (n <= self.neurons)
        for k in range(1, self.n_merges + 1):
            inside = inside | ((a <= self.axons << k) & (n <= self.neurons >> k))
        fitting: npt.NDArray[np.bool_] = inside & (np.minimum(a * n, shared) <= self.cells)
        return fitting

    def broken(self, n_axons: int, n_neurons: int) -> str:
        """Name of the first limit that so many axons and neurons on one core break."""
        if n_neurons > self.neurons:
            return LIMIT_NAMES[1]
        if n_axons > self.axons and self.neurons_beside(n_axons) < n_neurons:
            return LIMIT_NAMES[0]
        return LIMIT_NAMES[2] if n_axons * n_neurons > self.synapses else LIMIT_NAMES[3]

    def fragments(
        self, n_axons: int, n_neurons: int, shared: Callable[[int], int] | None = None
    ) -> int:
        """Fewest cores that a tile needs; 0 if it does not fit.

        `shared` tells how many cells the largest of so many fragments takes with shared kernels.
        """
        if not 0 < n_neurons <= self.neurons:
            return 0
        kernels = shared if self.shares else None
        if not self.splits:
            cells = NOT_SHARED if kernels is None else kernels(1)
            return 1 if n_neurons <= self.neurons_beside(n_axons, cells) else 0
        per_core = min(self.axons, self.cells // n_neurons)
        count = 0 if per_core < 1 else max(1, -(-n_axons // per_core))
        least = max(1, -(-n_axons // self.axons))
        if kernels is not None:
            fewer = range(least, count or n_axons + 1)
            return next((k for k in fewer if kernels(k) <= self.cells), count)
        return count
