"""The integer network: layers of neurons, joined by integer projections.

A `QuantizedNetwork` is everything that decides the results of a chip run: the reference executor
computes its outputs without a chip, the simulator must give the same after mapping. Only neurons
are left as layers; whatever linear lay between them (pooling, flattening, normalisation) is folded
into projections by `quantize`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.errors import InputFileError
from neurosim.fixed_point import Rounding, signed_limits
from neurosim.run.encoding import InputCode
from neurosim.soma.liaf import LiafColumns
from neurosim_mapper.connections import Connection
from neurosim_mapper.nodes import Reset

INPUT: Final = "input"  # the name of the input in `Projection.source`


@dataclass(frozen=True)
class Projection:
    """Weights from a layer (or the input) to the layer that holds the projection.

    `delay_ticks` is a delay in sample time: 0 for a forward projection, 1 for a recurrent one,
    more for explicit delays. Projections of a layer that differ in `axon_type` alone take an axon
    each: on chips whose weights belong to a neuron and a type of axon it is that type (plus a
    multiple of the number of types), elsewhere it parts weights that one synapse cannot hold.
    """

    source: str
    connection: Connection
    delay_ticks: int = 0
    axon_type: int = 0


@dataclass(frozen=True)
class SomaModes:
    """What all neurons of a layer share; see `neurosim.soma.liaf.LiafModes`."""

    output: Literal["spike", "analog"]
    reset: Reset = "hard"
    n_max: int = 1
    silent_step: bool = False
    weight_shift: int = 0
    alpha_shift: int = 0
    rounding: Rounding = "nearest"
    activation: Literal["identity", "relu", "lut", "lut_unsigned"] = "identity"
    act_shift: int = 0
    act_low: int = -128
    act_high: int = 127
    lut: tuple[int, ...] | None = None


@dataclass(frozen=True)
class QuantizedLayer:
    """One population of neurons.

    Attributes
    ----------
    name : unique; taken from the neuron node of the float network.
    shape : neurons are numbered row-major over it.
    projections : incoming weights; their sums add up.
    columns : per-neuron integer parameters, each (n_neurons,) int32, in membrane units.
    modes : what the neurons share.
    membrane_unit : (n_neurons,) float, size of one membrane step in the float network's units.
    output_unit : size of one output step in the float network's units (1 for spikes).
    alpha_syn : (n_neurons,) int32, decay of the synaptic state of current-based neurons with
        ``modes.alpha_shift`` fractional bits; None for neurons that integrate their input directly.
    notes : per-layer figures of the quantizer (ranges, saturations, SQNR), plain JSON data.
    """

    name: str
    shape: tuple[int, ...]
    projections: tuple[Projection, ...]
    columns: LiafColumns
    modes: SomaModes
    membrane_unit: npt.NDArray[np.float64]
    output_unit: float = 1.0
    notes: Mapping[str, Any] = field(default_factory=dict)
    alpha_syn: npt.NDArray[np.int32] | None = None

    @property
    def n_neurons(self) -> int:
        """Size of the layer."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class QuantizedNetwork:
    """Layers in forward order (each after the sources of its undelayed projections).

    The one named by `output` is read out. Checks itself; raises InputFileError.
    """

    layers: tuple[QuantizedLayer, ...]
    output: str
    input_shape: tuple[int, ...]
    input_code: InputCode
    membrane_bits: int
    readout: Literal["sum", "mean", "last"] = "sum"
    assumptions: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, QuantizedLayer]:
        """Layers by name."""
        return {layer.name: layer for layer in self.layers}

    def __post_init__(self) -> None:
        check_quantized(self)

    @cached_property
    def max_delay_ticks(self) -> int:
        """Longest delay of any projection."""
        return max((p.delay_ticks for layer in self.layers for p in layer.projections), default=0)

    @property
    def n_inputs(self) -> int:
        """Input elements per tick."""
        return int(np.prod(self.input_shape))

    @property
    def n_outputs(self) -> int:
        """Neurons of the output layer."""
        return self.by_name[self.output].n_neurons

    def size_of(self, source: str) -> int:
        """Neurons of a layer, or elements of the input."""
        return self.n_inputs if source == INPUT else self.by_name[source].n_neurons

    def output_kind(self, source: str) -> Literal["spike", "analog"]:
        """Kind of packet that a layer (or the input) sends."""
        return self.input_code.kind if source == INPUT else self.by_name[source].modes.output


def check_quantized(network: QuantizedNetwork) -> None:
    """Raise InputFileError, naming layer and reason, for a network that cannot be run."""
    if len(network.by_name) != len(network.layers) or INPUT in network.by_name:
        raise InputFileError(
            f"Layer names must differ from each other and from {INPUT!r}; "
            f"they are {', '.join(layer.name for layer in network.layers)}."
        )
    if network.output not in network.by_name:
        raise InputFileError(f"The output layer {network.output!r} does not exist.")
    seen = {INPUT}
    for layer in network.layers:
        for projection in layer.projections:
            _check_projection(network, layer, projection, seen)
        seen.add(layer.name)
        _check_columns(layer, network.membrane_bits)
        _check_modes(layer)


def _check_projection(
    network: QuantizedNetwork, layer: QuantizedLayer, projection: Projection, seen: set[str]
) -> None:
    source, connection = projection.source, projection.connection
    if source != INPUT and source not in network.by_name:
        raise InputFileError(
            f"Layer {layer.name!r} takes input from {source!r}, which does not exist."
        )
    if projection.delay_ticks < 0 or (projection.delay_ticks == 0 and source not in seen):
        raise InputFileError(
            f"Layer {layer.name!r} takes input from {source!r} with a delay of "
            f"{projection.delay_ticks} ticks; a source that does not come before it in the "
            "network needs at least 1."
        )
    sizes = (connection.n_sources, connection.n_targets)
    if sizes != (network.size_of(source), layer.n_neurons):
        raise InputFileError(
            f"The projection {source!r} -> {layer.name!r} joins {sizes[0]} sources with "
            f"{sizes[1]} targets; these layers have {network.size_of(source)} and "
            f"{layer.n_neurons}."
        )


def _check_columns(layer: QuantizedLayer, membrane_bits: int) -> None:
    low, high = signed_limits(membrane_bits)
    for name, column in layer.columns._asdict().items():
        if column.shape != (layer.n_neurons,) or column.dtype != np.int32:
            raise InputFileError(
                f"Layer {layer.name!r}: column {name} has shape {column.shape} and dtype "
                f"{column.dtype}; needed: ({layer.n_neurons},) int32."
            )
    _check_synapses(layer)
    for name in ("v_reset", "v_start"):
        column = getattr(layer.columns, name)
        if column.size and (column.min() < low or column.max() > high):
            raise InputFileError(
                f"Layer {layer.name!r}: {name} reaches from {column.min()} to {column.max()}; "
                f"a membrane of {membrane_bits} bits holds {low}..{high}."
            )


def _check_synapses(layer: QuantizedLayer) -> None:
    decay = layer.alpha_syn
    if decay is None:
        return
    if decay.shape != (layer.n_neurons,) or decay.dtype != np.int32:
        raise InputFileError(
            f"Layer {layer.name!r}: alpha_syn has shape {decay.shape} and dtype {decay.dtype}; "
            f"needed: ({layer.n_neurons},) int32."
        )
    if np.abs(decay.astype(np.int64)).max(initial=0) > 1 << layer.modes.alpha_shift:
        raise InputFileError(
            f"Layer {layer.name!r}: alpha_syn reaches {int(np.abs(decay).max())}; a decay of 1 is "
            f"{1 << layer.modes.alpha_shift}, and more would grow by itself."
        )


def _check_modes(layer: QuantizedLayer) -> None:
    modes = layer.modes
    if modes.n_max > 1 and (layer.columns.theta <= 0).any():
        raise InputFileError(
            f"Layer {layer.name!r} fires up to {modes.n_max} spikes per tick; "
            "its thresholds must be above 0."
        )
    if modes.n_max > 1 and modes.reset == "soft_raised":
        raise InputFileError(
            f"Layer {layer.name!r} fires up to {modes.n_max} spikes per tick; with the reset "
            "'soft_raised' n_max must be 1."
        )
    if modes.activation.startswith("lut") != (modes.lut is not None) or (
        modes.lut is not None and len(modes.lut) != 256
    ):
        raise InputFileError(
            f"Layer {layer.name!r}: the activations 'lut' and 'lut_unsigned' need a table "
            "of 256 entries, others none."
        )
    if min(modes.n_max - 1, modes.weight_shift, modes.alpha_shift, modes.act_shift) < 0:
        raise InputFileError(
            f"Layer {layer.name!r}: n_max must be at least 1 and no shift negative."
        )
