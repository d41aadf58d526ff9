"""How much memory a run takes, known before anything is allocated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim.image.blocks import likely_equal
from neurosim.image.soma_pieces import plan_pieces
from neurosim.image.somas import soft_somas
from neurosim.image.traffic import bare_flows
from neurosim.kernels.batches import BATCH
from neurosim.kernels.bits import AT_LEAST
from neurosim.kernels.copies import BEYOND
from neurosim.kernels.crossbar import CORES_KEPT
from neurosim.kernels.products import COLUMNS, CORES
from neurosim.program.columns import N_DIRECTIONS, SYNAPSE_FORMATS, Program
from neurosim.run.windows import MOST_NUMBERS

I64 = npt.NDArray[np.int64]

_COUNTERS = 8  # len(state.CORE_COUNTS)
_SENDER_BYTES = 32  # of state.Fired, if every neuron fires in one tick


@dataclass(frozen=True)
class MemoryEstimate:
    """Upper bounds in bytes.

    Attributes
    ----------
    program : columns of the Program.
    image : what the simulator derives from them, shared kernels and rows they are written out as
        included.
    state : potentials, lists and counters of all players. Lists count at their worst case; what is
        never used is never touched.
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
    state = _state_bytes(program, n_workers) + _tally_bytes(program, n_ticks + program.depth_ticks)
    columns = sum(column.nbytes for column in program.columns().values())
    names = [program.layer_names.index(name) for name in probe]
    watched = sum(program.layer_neurons(i).size for i in [program.output_layer, *names])
    per_tick = 8 * watched * (2 if probe else 1) + 72
    recorded = n_samples * (n_ticks + program.depth_ticks) * per_tick
    recorded += 2 * n_samples * n_ticks * int(np.prod(program.input_shape))
    return MemoryEstimate(columns, _image_bytes(program), n_players * state, recorded)


def _image_bytes(program: Program) -> int:
    whole = program.laid_out
    written = 0 if whole is program else sum(column.nbytes for column in whole.synapses)
    written += program.shared_kernels.nbytes
    by_bit = bool((program.cores.synapse_format == SYNAPSE_FORMATS["crossbar"]).all())
    deliveries = program.packets.axon.size + program.input_packets.axon.size
    image = 21 * program.n_axons + (12 if by_bit else 40) * deliveries
    image += 6 * int(whole.synapses.target.size) + written + 64 * _resources(program)
    image += 8 * program.n_neurons + 256 * program.n_cores
    image += 0 if by_bit else _pulls_bytes(program) + _products_bytes(whole)
    somas = soft_somas(program)
    image += plan_pieces(program.groups, somas, program.chip.core.membrane_bits).nbytes
    return int(image + 32 * program.truenorth.leak.size + 4 * program.cuba.alpha_syn.size)


def _pulls_bytes(program: Program) -> int:
    """Of `image.pulls` if every layer can be pulled.

    A run of axons ends where a neighbour hears another layer, or hears it otherwise; an axon that
    hears several layers is in none.
    """
    packets, axons, groups = program.packets, program.axons, program.groups
    sizes = groups.neuron_stop - groups.neuron_start
    layer_of_packet = np.repeat(np.repeat(groups.layer, sizes), np.diff(packets.owner_offset))
    layer, delay = np.full((2, program.n_axons), -1, np.int32)
    layer[packets.axon] = np.repeat(layer_of_packet, np.diff(packets.delivery_offset))
    delay[packets.axon] = packets.delay
    core = np.repeat(np.arange(program.n_cores), np.diff(program.cores.axon_offset))
    goes_on = np.ones(max(program.n_axons - 1, 0), np.bool_)
    for column in (layer, delay, core, axons.first_tick, axons.kind):
        goes_on &= column[1:] == column[:-1]
    n_runs = program.n_axons - int(np.count_nonzero(goes_on))
    senders = 36 * program.n_neurons + 20 * groups.core.size
    strips = 38 * n_runs + 24 * packets.axon.size
    return senders + strips + 8 * program.n_cores + 64


def _products_bytes(program: Program) -> int:
    """Of `image.products` if blocks that look alike are equal four by four.

    At worst no two axons of a core hear neighbours.
    """
    axons, neurons = _shared_sizes(program)
    runs = 8 * program.n_axons if axons.size else 0
    tables = 48 * (neurons // COLUMNS).sum() + (2 * axons + 16).sum()
    return int((2 * axons * neurons).sum() + tables) + runs + 12 * program.n_cores + 32


def _shared_sizes(program: Program) -> tuple[I64, I64]:
    """Axons and neurons of blocks that enough cores may share, completed to pairs and vectors."""
    alike = [cores for cores in likely_equal(program) if len(cores) >= CORES]
    first = np.array([cores[0] for cores in alike], np.int64)
    repeats = [len(cores) // CORES for cores in alike]
    axons, neurons = (
        np.repeat(-(-np.diff(offset)[first].astype(np.int64) // multiple) * multiple, repeats)
        for offset, multiple in (
            (program.cores.axon_offset, 2),
            (program.cores.neuron_offset, COLUMNS),
        )
    )
    return axons, neurons


def _state_bytes(program: Program, n_workers: int) -> int:
    """Of one sample: what each of its workers has, and what they share."""
    cores, n = program.laid_out.cores, program.n_neurons
    n_inputs, room = program.input_packets.owner_offset.size, program.shared_kernels.room
    by_bit = cores.synapse_format == SYNAPSE_FORMATS["crossbar"]
    is_sparse = cores.synapse_format == SYNAPSE_FORMATS["sparse"]
    tables = (program.packets, program.input_packets)
    slots = 1 + max(int(table.delay.max(initial=0)) for table in tables)
    listed = 0 if by_bit.all() else sum(table.axon.size for table in tables)
    axon_words = -(-np.diff(cores.axon_offset) // 64)
    place_words, bit_words = axon_words[~is_sparse & ~by_bit], axon_words[by_bit]
    most_places, most_bits = (64 * int(w.max(initial=0)) for w in (place_words, bit_words))
    width = 64 * -(-int(np.diff(cores.neuron_offset).max(initial=0)) // 64)
    soft, n_layers = program.neurons.theta.size, len(program.layer_names)
    heard, sums = (int(sizes.max(initial=0)) for sizes in _shared_sizes(program.laid_out))
    each_worker = (
        _SENDER_BYTES * (max(n, n_inputs) + AT_LEAST)
        + slots * (9 * listed + 16 + 8 * int(bit_words.sum()))
        + 5 * 64 * int(place_words.sum())
        + 28 * (2 * most_places + 4)
        + 4 * soft
        + CORES_KEPT * (20 * most_bits + 4 * AT_LEAST + 8)
        + 8 * most_bits
        + 20 * width
        + 16 * int(room[0])
        + 12 * int(room[1])
        + 4 * _COUNTERS * program.n_cores
        + 24 * _resources(program)
        + 12 * _signatures(program)
        + 8 * n_layers
        + (BATCH * (2 * (heard + BEYOND) + 4 * sums + 8) if heard else 0)
        + 256
    )
    history = 0 if by_bit.all() else slots * (2 * (n + BEYOND) + n_layers) + n_layers
    shared = history + 7 * n + n // 8 + 8 * program.n_cores + 5 * soft
    shared += 4 * program.cuba.alpha_syn.size + 5 * program.groups.core.size
    return int(n_workers * each_worker + shared + 20 * _resources(program) + 256)


def _tally_bytes(program: Program, n_chip_ticks: int) -> int:
    resources, n_cores = _resources(program), program.n_cores
    owners = program.n_neurons + program.input_packets.owner_offset.size + program.groups.core.size
    windows = min(MOST_NUMBERS, n_chip_ticks * (resources + 2 * n_cores))
    return 8 * (owners + _COUNTERS * n_cores + windows)


def _resources(program: Program) -> int:
    """At most so many links and local ports."""
    return min(program.n_links, N_DIRECTIONS * program.chip.n_cores) + 2 * program.n_cores


def _signatures(program: Program) -> int:
    """At most so many sets of flows: of senders with several packets or a listed way."""
    bare, n = bare_flows(program), int((program.groups.psum_target >= 0).sum())
    for table in (program.packets, program.input_packets):
        sizes = np.diff(table.owner_offset)
        single = table.flow[table.owner_offset[:-1][sizes == 1]]
        n += int((sizes > 1).sum()) + int((~bare[single]).sum())
    return n


def _size(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB" if n_bytes >= 100_000 else f"{n_bytes} bytes"
