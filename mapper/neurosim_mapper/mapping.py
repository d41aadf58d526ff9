"""What the mapping steps hand to each other: Schedule, Partition, Wiring, Placement, Routes.

Cores are numbered in the order of the Partition until `Placement` gives them a place on the chip.
Everything is frozen; each type says what it promises.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import FlowTable, LayerTable, PacketTable
from neurosim_mapper.connections import Index

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Schedule:
    """Pipeline offsets: layer `name` computes sample tick s in chip tick ``s + first_tick[name]``.

    With `interleave` above 1 a sample computes its tick s in chip tick ``s * interleave +
    first_tick[name]``, and other samples have the ticks between.
    `chip_delay` gives, per (layer, projection number), the ticks from sending to integration.
    """

    first_tick: Mapping[str, int]
    chip_delay: Mapping[tuple[str, int], int]
    interleave: int = 1

    @property
    def depth_ticks(self) -> int:
        """The largest offset."""
        return max(self.first_tick.values(), default=0)


@dataclass(frozen=True)
class NeuronGroup:
    """Neurons of one layer on one core, with the sources that this core hears for them.

    Attributes
    ----------
    layer : name of the layer.
    neurons : their numbers in the layer, ascending; a number that stands there twice is a neuron
        with a copy, as chips need where a neuron reaches a limited number of axons.
    inputs : per heard projection (its number in the layer) the source neurons, ascending.
    owner : None for neurons with a soma; for a fan-in fragment the number (in the Partition's
        list of groups, counted over all cores) of the group whose neurons it sums for.
    """

    layer: str
    neurons: Index
    inputs: tuple[tuple[int, Index], ...]
    owner: int | None = None


@dataclass(frozen=True)
class Partition:
    """Groups per core. Every neuron, and every copy, has one soma; fragments are disjoint."""

    cores: tuple[tuple[NeuronGroup, ...], ...]
    search: tuple[Mapping[str, Any], ...] = ()  # per layer, what the tile search found; plain data

    @property
    def groups(self) -> tuple[NeuronGroup, ...]:
        """All groups, core after core: the numbering of `NeuronGroup.owner`."""
        return tuple(group for core in self.cores for group in core)


@dataclass(frozen=True)
class Wiring:
    """Global numbers for neurons and axons, and who feeds which axon.

    Attributes
    ----------
    neuron_offset, axon_offset : (n_cores + 1,) into neurons and axons.
    layers : neurons of every layer (those with a soma), in layer order.
    axon_source_layer : (n_axons,) index of the source layer, -1 for the input.
    axon_source : (n_axons,) number of the source in its layer (or input element).
    axon_delay : (n_axons,) ticks from sending to integration.
    axon_type : (n_axons,) type of the axon, see `Projection.axon_type`.
    feeder : (n_axons,) global neuron that feeds the axon (the copy that serves it);
        ``-1 - element`` for input elements.
    group_neuron_start : (n_groups,) first neuron of each group of the Partition.
    """

    neuron_offset: I64
    axon_offset: I64
    layers: LayerTable
    axon_source_layer: I32
    axon_source: I64
    axon_delay: I32
    axon_type: I32
    feeder: I64
    group_neuron_start: I64

    @property
    def n_cores(self) -> int:
        """Used cores."""
        return int(self.neuron_offset.size - 1)

    def core_of_axon(self) -> I64:
        """(n_axons,) core of every axon."""
        return np.repeat(np.arange(self.n_cores), np.diff(self.axon_offset))

    def core_of_neuron(self, neurons: npt.NDArray[np.integer]) -> I64:
        """Core of each given neuron."""
        return np.searchsorted(self.neuron_offset, neurons, side="right") - 1

    def source_neuron(self) -> I64:
        """(n_axons,) global neuron that feeds the axon; ``-1 - element`` for input elements."""
        return self.feeder


@dataclass(frozen=True)
class Placement:
    """Where each core of a Partition sits: global (x, y), none dead, one core per phase."""

    x: I32
    y: I32
    notes: Mapping[str, float | str]
    phase: I32


@dataclass(frozen=True)
class Routes:
    """Flows over links, and which packets every neuron and every input element sends."""

    flows: FlowTable
    packets: PacketTable
    input_packets: PacketTable
    psum_flow: I32  # (n_groups,) flow of a fragment's partial sums, -1 for groups with a soma
    notes: Mapping[str, int] = field(default_factory=dict)  # of relay chains: why some are none
