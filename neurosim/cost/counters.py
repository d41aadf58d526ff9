"""What a run counted, as integers, and the totals that follow from it.

The table of definitions (tests count the same by brute force):

=============== ==============================================================================
axon_events     packets that a core integrated (a spike count of n merged into one axon is 1)
synaptic_ops    spikes x connected synapses (weights other than 0) of their axon
macs            values x connected synapses of their axon
row_reads       rows of the synapse memory read: one per axon event
neuron_updates  somas computed: every neuron of a layer in each of its ticks
fired           neurons (and ticks) that sent at least one packet
packets         packets sent by cores: spikes, values, partial sums, results to the host
input_packets   packets sent by the host
psum_packets    of `packets`, the partial sums
copies          deliveries to cores: a packet of a tree or relay chain counts once per core
hops_x, hops_y  router-to-router links crossed, along each axis
crossings       of these, links between chips of an array
flits           link cycles that all packets need at their source
bits_sent       bits of all packets (header and payload), host packets included
payload_bits    of these, payload
bit_hops        bits x router-to-router links crossed
io_bits         bits over the links to and from the host
=============== ==============================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import PACKET_KINDS
from neurosim.links.flow_links import crossing_links
from neurosim.links.flow_links import link_packets as flow_link_packets
from neurosim.program.columns import N_DIRECTIONS, Program
from neurosim.run.state import CORE_COUNTS

I64 = npt.NDArray[np.int64]

BOUNDS: Final = ("compute", "memory", "traffic")


def _nothing(*shape: int) -> I64:
    return np.zeros(shape, np.int64)


@dataclass(frozen=True)
class Counters:
    """Integer counters of a run over all its samples.

    Attributes
    ----------
    core : (n_cores, len(CORE_COUNTS)), summed over samples and ticks.
    flow_packets : (n_flows,) packets on each flow of the Program.
    bounds : (n_passes, n_chip_ticks, 3) cycles that compute, memory and traffic need at least.
    busy_cycles : (n_passes, n_chip_ticks) cycles until everything is computed and delivered.
    peak_bits, peak_link : (n_passes, n_chip_ticks) load and number of the busiest router link.
    binding : (n_passes, n_chip_ticks, 3) the core that sets the compute bound, the one that sets
        the memory bound, and the link (or, from ``program.n_links`` on, the local port: see
        `neurosim.run.windows.binding_numbers`) that sets the traffic bound; -1 for a bound of 0.
    window_start : (n_windows,) first chip tick of every window of `neurosim.run.windows`. The three
        columns below are summed over samples, and over windows they add up to the run.
    window_link : (n_used,) number of every link with traffic, those of the host included.
    window_bits : (n_windows, n_used) bits over it.
    window_core_time : (n_windows, 2, n_cores) compute and memory time of cores, 2**-16 cycles.

    reload_bits, reload_cycles : (n_passes, n_chip_ticks) of a folded program: bits between the
        cores and the memory that they are reloaded from, and the cycles that it takes; else empty.
    carried : (n_passes,) samples of each pass, where samples are interleaved; else empty, and a
        pass is a sample.

    Those from `binding` on are empty in a run folder of an earlier version.
    """

    core: I64
    flow_packets: I64
    bounds: I64
    busy_cycles: I64
    peak_bits: I64
    peak_link: I64
    binding: I64 = field(default_factory=lambda: _nothing(0, 0, 3))
    window_start: I64 = field(default_factory=lambda: _nothing(0))
    window_link: I64 = field(default_factory=lambda: _nothing(0))
    window_bits: I64 = field(default_factory=lambda: _nothing(0, 0))
    window_core_time: I64 = field(default_factory=lambda: _nothing(0, 2, 0))
    reload_bits: I64 = field(default_factory=lambda: _nothing(0, 0))
    reload_cycles: I64 = field(default_factory=lambda: _nothing(0, 0))

    carried: I64 = field(default_factory=lambda: _nothing(0))

    @property
    def n_samples(self) -> int:
        """Samples of the run."""
        return int(self.carried.sum()) if self.carried.size else self.n_passes

    @property
    def n_passes(self) -> int:
        """Times that the chip was played from its first tick to its last."""
        return int(self.busy_cycles.shape[0])

    @property
    def n_chip_ticks(self) -> int:
        """Chip ticks per pass: those of its samples and the depth of the pipeline."""
        return int(self.busy_cycles.shape[1])

    def columns(self) -> dict[str, I64]:
        """Every array by name, for ``counters.npz``."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def link_packets(program: Program, counters: Counters) -> I64:
    """(3, n_links) packets of each kind over each link, the whole run."""
    return flow_link_packets(program, counters.flow_packets)


def link_bits(program: Program, counters: Counters) -> I64:
    """(n_links,) bits over each link, the whole run."""
    bits = np.array([program.chip.packet_bits(kind) for kind in PACKET_KINDS], dtype=np.int64)
    total: I64 = bits @ link_packets(program, counters)
    return total


def totals(program: Program, counters: Counters) -> dict[str, int]:
    """The counts of the module's table, summed over cores, samples and ticks."""
    chip, flows = program.chip, program.flows
    sums = dict(zip(CORE_COUNTS, counters.core.sum(axis=0).tolist(), strict=True))
    per_kind = np.zeros(len(PACKET_KINDS), dtype=np.int64)
    np.add.at(per_kind, flows.kind, counters.flow_packets)
    links = link_packets(program, counters)
    n_router_links = N_DIRECTIONS * chip.n_cores
    over = links[:, :n_router_links]
    along = over.sum(axis=0).reshape(-1, N_DIRECTIONS).sum(axis=0)
    bits = np.array([chip.packet_bits(kind) for kind in PACKET_KINDS], dtype=np.int64)
    payload = np.array([chip.payload_bits(kind) for kind in PACKET_KINDS], dtype=np.int64)
    flits = np.array([chip.flits(kind) for kind in PACKET_KINDS], dtype=np.int64)
    return sums | {
        "input_packets": int(counters.flow_packets[flows.source < 0].sum()),
        "spike_packets": int(per_kind[0]),
        "analog_packets": int(per_kind[1]),
        "copies": int(counters.flow_packets @ np.diff(flows.target_offset)),
        "hops_x": int(along[0] + along[1]),
        "hops_y": int(along[2] + along[3]),
        "crossings": int(over[:, crossing_links(chip)].sum()),
        "flits": int(per_kind @ flits),
        "bits_sent": int(per_kind @ bits),
        "payload_bits": int(per_kind @ payload),
        "bit_hops": int((bits @ over).sum()),
        "io_bits": int((bits @ links[:, n_router_links:]).sum()),
    }
