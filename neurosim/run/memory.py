"""How much memory a run takes, known before anything is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from neurosim.errors import UsageError
from neurosim.image.soma_pieces import plan_pieces
from neurosim.image.somas import soft_somas
from neurosim.program.columns import N_DIRECTIONS, SYNAPSE_FORMATS, Program
from neurosim.run.windows import MOST_NUMBERS

_COUNTERS = 8  # len(state.CORE_COUNTS)
_SENDER_BYTES = 32  # of state.Fired, if every neuron fires in one tick


@dataclass(frozen=True)
class MemoryEstimate:
    """Upper bounds in bytes.

    Attributes
    ----------
    program : columns of the Program.
    image : what the simulator derives from them, shared kernels written out as rows included.
    state : potentials, lists and counters of all players. Lists of waiting events count at their
        worst case; what is never used is never touched.
    recorded : outputs, probes and costs of all samples.
    """

    program: int
    image: int
    state: int
    recorded: int

    @property
    def total(self) -> int:
        """Everything together."""
        return self.program + self.image + self.state + self.recorded

    def refuse_beyond(self, limit: int) -> None:
        """Raise UsageError if the total is more than `limit` bytes."""
        if self.total <= limit:
            return
        parts = ", ".join(
            f"{name} {_size(getattr(self, name))}" for name in self.__dataclass_fields__
        )
        raise UsageError(
            f"memory: the run needs up to {_size(self.total)} ({parts}), the limit is "
            f"{_size(limit)}. Use fewer samples at a time, fewer probes or threads, or a larger "
            "memory limit."
        )


def estimate_memory(
    program: Program,
    n_samples: int,
    n_ticks: int,
    probe: Sequence[str] = (),
    n_players: int = 1,
    n_workers: int = 1,
) -> MemoryEstimate:
    """Memory of `n_players` samples at a time, each played by `n_workers` together."""
    whole = program.unrolled
    columns = sum(column.nbytes for column in program.columns().values())
    written = 0 if whole is program else sum(column.nbytes for column in whole.synapses)
    deliveries = program.packets.axon.size + program.input_packets.axon.size
    delays = max(
        int(program.packets.delay.max(initial=0)), int(program.input_packets.delay.max(initial=0))
    )
    slots, synapses = 1 + delays, int(whole.synapses.target.size)
    by_bit = program.cores.synapse_format == SYNAPSE_FORMATS["crossbar"]
    axon_words = -(-np.diff(program.cores.axon_offset) // 64)
    words = int(axon_words[by_bit].sum())
    is_sparse = program.cores.synapse_format == SYNAPSE_FORMATS["sparse"]
    places = 64 * int(axon_words[~is_sparse & ~by_bit].sum())
    listed = 0 if by_bit.all() else deliveries
    resources = min(program.n_links, N_DIRECTIONS * program.chip.n_cores) + 2 * program.n_cores
    image = 21 * program.n_axons + (12 if by_bit.all() else 40) * deliveries + 6 * synapses
    image += written + 64 * resources + 8 * program.n_neurons + 256 * program.n_cores
    image += 32 * int(program.truenorth.leak.size)
    each_worker = (
        slots * (12 * listed + 8 * words)
        + 5 * places
        + 14 * int(np.diff(program.cores.axon_offset).max(initial=0))
        + 8 * _COUNTERS * program.n_cores
        + 24 * resources
    )
    soft = program.neurons.theta.size
    currents = program.cuba.alpha_syn.size
    somas = soft_somas(program)
    image += (
        4 * currents + plan_pieces(program.groups, somas, program.chip.core.membrane_bits).nbytes
    )
    state = n_workers * (each_worker + 4 * soft) + 6 * program.n_neurons + 4 * (soft + currents)
    tally = 8 * (program.n_neurons + _COUNTERS * program.n_cores + MOST_NUMBERS)
    names = [program.layer_names.index(name) for name in probe]
    watched = sum(program.layer_neurons(i).size for i in [program.output_layer, *names])
    per_tick = 8 * watched * (2 if probe else 1) + 72
    recorded = n_samples * (n_ticks + program.depth_ticks) * per_tick
    recorded += 2 * n_samples * n_ticks * int(np.prod(program.input_shape))
    return MemoryEstimate(columns, image, n_players * (state + tally), recorded)


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 100_000 else f"{n_bytes} bytes"
