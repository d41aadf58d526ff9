"""Programs made by hand: cores, synapses, neurons, ways, inputs and probed outputs.

For people who bring corelets, test vectors or the mapping of another tool. Everything that a
Program can say can be said here, and the same judge looks at the result. Two cores, the first
driven from outside, the second probed::

    builder = ProgramBuilder(chip, n_inputs=2)
    first, second = builder.add_core(0, 0), builder.add_core(1, 0)
    first.set_weights([[3, 0], [1, 2]])  # (axons, neurons)
    first.set_liaf(theta=3)
    second.set_weights([[1]])
    second.set_liaf(theta=1)
    builder.connect_inputs([0, 1], first, axons=[0, 1])
    first.connect([0], second, axons=[0], delays=[2])
    builder.add_layer("out", [(second, [0])])
    program = builder.build(output="out")

`neurosim.simulate(program, x)` then takes ``x`` (samples, ticks, 2), and ``run.outputs`` holds the
spikes of the probed neuron. All neurons work in every tick of the sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UsageError
from neurosim.fixed_point import ROUNDING_CODES, signed_limits
from neurosim.program.columns import SYNAPSE_FORMATS, Program
from neurosim.program.parts import Ways, build_program
from neurosim.run.encoding import InputCode
from neurosim.soma.liaf import (
    ACTIVATION_CODES,
    OUTPUT_CODES,
    RESET_CODES,
    LiafColumns,
    LiafModes,
)
from neurosim.soma.truenorth import N_TYPES, TrueNorthColumns, truenorth_columns

Index = npt.NDArray[np.int64]

_MODE_CODES: Final[dict[str, Mapping[str, int]]] = {
    "rounding": ROUNDING_CODES,
    "reset": RESET_CODES,
    "output": OUTPUT_CODES,
    "activation": ACTIVATION_CODES,
}


@dataclass
class CoreBuilder:
    """One core on its way into a Program; made by `ProgramBuilder.add_core`."""

    builder: ProgramBuilder
    number: int
    x: int
    y: int
    n_axons: int = 0
    n_neurons: int = 0
    synapse_format: int = -1
    dense: npt.NDArray[np.int16] | None = None
    rows: tuple[Index, Index, Index] | None = None  # axon, neuron, weight; sorted
    crossbar: npt.NDArray[np.uint64] | None = None  # (axons, words)
    axon_type: npt.NDArray[np.uint8] | None = None
    axon_synapses: Index | None = None
    axon_kind: int = 0
    columns: LiafColumns | None = None
    modes: LiafModes | None = None
    alpha_syn: npt.NDArray[np.int32] | None = None  # of current-based neurons
    truenorth: TrueNorthColumns | None = None
    v_start: npt.NDArray[np.int32] | None = None

    def set_weights(
        self, weights: npt.ArrayLike, kind: Literal["spike", "analog"] = "spike"
    ) -> None:
        """A weight for every pair; 0 is no synapse.

        Parameters
        ----------
        weights : (n_axons, n_neurons) integers. Stored as a block, or as rows if that is smaller.
        kind : what the axons receive.
        """
        block = np.asarray(weights)
        self.need(
            block.ndim == 2 and block.dtype.kind in "iub", "weights", "integers (axons, neurons)"
        )
        axon, neuron = np.nonzero(block)
        if 3 * axon.size < block.size:
            weight = block[axon, neuron]
            self.set_synapses(axon, neuron, weight, n_axons=len(block), n_neurons=block.shape[1])
            self.axon_kind = OUTPUT_CODES[kind]
            return
        self._size(len(block), block.shape[1], "dense", kind)
        self.dense = block.astype(np.int16)
        self.axon_synapses = np.count_nonzero(block, axis=1).astype(np.int64)

    def set_synapses(
        self,
        axons: npt.ArrayLike,
        neurons: npt.ArrayLike,
        weights: npt.ArrayLike,
        *,
        n_axons: int,
        n_neurons: int,
        kind: Literal["spike", "analog"] = "spike",
    ) -> None:
        """A list of synapses: axon, neuron and weight of each; no pair twice."""
        axon, neuron, weight = (np.asarray(a, dtype=np.int64) for a in (axons, neurons, weights))
        same = axon.shape == neuron.shape == weight.shape and axon.ndim == 1
        self.need(same, "synapses", "three lists of one length")
        self.check_range("axons", axon, n_axons)
        self.check_range("neurons", neuron, n_neurons)
        keep = weight != 0
        axon, neuron, weight = axon[keep], neuron[keep], weight[keep]
        order = np.lexsort((neuron, axon))
        axon, neuron, weight = axon[order], neuron[order], weight[order]
        pair = axon * n_neurons + neuron
        self.need((np.diff(pair) > 0).all(), "synapses", "every pair (axon, neuron) once")
        self._size(n_axons, n_neurons, "sparse", kind)
        self.rows = (axon, neuron, weight)
        self.axon_synapses = np.bincount(axon, minlength=n_axons).astype(np.int64)

    def set_crossbar(self, connected: npt.ArrayLike, axon_types: npt.ArrayLike) -> None:
        """TrueNorth's crossbar: which axon reaches which neuron, and the type of each axon.

        Parameters
        ----------
        connected : (n_axons, n_neurons) booleans.
        axon_types : (n_axons,) 0..3; the neuron's weight of that type counts.
        """
        block = np.asarray(connected, dtype=bool)
        types = np.asarray(axon_types)
        self.need(block.ndim == 2, "connected", "(axons, neurons)")
        self.need(types.shape == block.shape[:1], "axon_types", f"({len(block)},)")
        self.check_range("axon_types", types, N_TYPES)
        self._size(len(block), block.shape[1], "crossbar", "spike")
        words = -(-block.shape[1] // 64)
        padded = np.zeros((len(block), 64 * words), bool)
        padded[:, : block.shape[1]] = block
        packed = np.packbits(padded, axis=1, bitorder="little")
        self.crossbar = np.ascontiguousarray(packed).view("<u8").astype(np.uint64)
        self.axon_type = types.astype(np.uint8)
        self.axon_synapses = np.count_nonzero(block, axis=1).astype(np.int64)

    def set_liaf(self, *, alpha_syn: npt.ArrayLike | None = None, **parameters: Any) -> None:
        """LIF or LIAF neurons: fields of `LiafColumns` (numbers or arrays) and of `LiafModes`.

        What is not given: theta 1, no leak (alpha_num 1, alpha_shift 0), hard reset to 0, one spike
        per tick, no floor, an identity of the potential for ``output="analog"``. With `alpha_syn`
        the neurons are current-based (`neurosim.soma.cuba`).
        """
        low, _ = signed_limits(self.builder.chip.core.membrane_bits)
        columns = dict.fromkeys(LiafColumns._fields, 0)
        columns |= {"theta": 1, "alpha_num": 1, "floor": low, "act_mult": 1}
        modes: dict[str, Any] = dict.fromkeys(LiafModes._fields, 0)
        modes |= {"n_max": 1, "act_low": -128, "act_high": 127, "lut": -1}
        modes["rounding"] = self.builder.chip.core.rounding
        for name, value in parameters.items():
            if name not in columns and name not in modes:
                known = ", ".join((*LiafColumns._fields, *LiafModes._fields))
                raise UsageError(f"set_liaf: no parameter {name!r}; known: {known}.")
            (columns if name in columns else modes)[name] = value
        n = self._neurons()
        wide = {k: np.broadcast_to(np.asarray(v, np.int32), (n,)) for k, v in columns.items()}
        self.columns = LiafColumns(**wide)
        self.modes = LiafModes(
            **{k: np.array([self._coded(k, v)], np.int32) for k, v in modes.items()}
        )
        if alpha_syn is not None:
            self.alpha_syn = np.broadcast_to(np.asarray(alpha_syn, np.int32), (n,))

    def _coded(self, mode: str, value: Any) -> int:
        codes = _MODE_CODES.get(mode, {})
        if isinstance(value, str):
            self.need(value in codes, mode, f"{', '.join(codes) or 'a number'}, has {value!r}")
            return codes[value]
        return int(value)

    def set_truenorth(self, *, v_start: npt.ArrayLike = 0, **parameters: Any) -> None:
        """TrueNorth neurons: fields of `TrueNorthColumns`, one value for all or one per neuron.

        `weight` and `synapse_stochastic` have four values (by axon type), or (n_neurons, 4). What
        is not given is 0, `threshold` 1.
        """
        for name in parameters:
            if name not in TrueNorthColumns._fields:
                known = ", ".join(TrueNorthColumns._fields)
                raise UsageError(f"set_truenorth: no parameter {name!r}; known: {known}.")
        n = self._neurons()
        least = [
            np.ndim(v) - (k in ("weight", "synapse_stochastic")) for k, v in parameters.items()
        ]
        self.truenorth = truenorth_columns(n if max(least, default=0) > 0 else 1, **parameters)
        self.v_start = np.broadcast_to(np.asarray(v_start, np.int32), (n,))

    def connect(
        self,
        neurons: npt.ArrayLike,
        target: CoreBuilder,
        axons: npt.ArrayLike,
        delays: npt.ArrayLike = 1,
    ) -> None:
        """What these neurons fire goes to axons of `target`, one packet each, delayed by ticks."""
        source = np.atleast_1d(np.asarray(neurons, np.int64))
        self.check_range("neurons", source, self._neurons())
        _check_delays(f"core ({self.x}, {self.y})", np.asarray(delays, np.int64))
        self.builder.inner.add(self.number, source, target, axons, delays)

    def connect_host(self, neurons: npt.ArrayLike) -> None:
        """What these neurons fire is sent to the host, too."""
        source = np.atleast_1d(np.asarray(neurons, np.int64))
        self.check_range("neurons", source, self._neurons())
        self.builder.inner.add_host(self.number, source)

    @property
    def soma_model(self) -> str:
        """Key of `MODEL_CODES`."""
        if self.truenorth is not None:
            return "truenorth"
        return "liaf" if self.alpha_syn is None else "cuba"

    def _neurons(self) -> int:
        self.need(self.synapse_format >= 0, "synapses", "to be set before the neurons")
        return self.n_neurons

    def _size(self, n_axons: int, n_neurons: int, layout: str, kind: str) -> None:
        self.need(self.synapse_format < 0, "synapses", "to be set once")
        self.n_axons, self.n_neurons = n_axons, n_neurons
        self.synapse_format, self.axon_kind = SYNAPSE_FORMATS[layout], OUTPUT_CODES[kind]

    def check_range(self, what: str, values: npt.NDArray[Any], stop: int) -> None:
        """Raise UsageError unless all values are from 0 to ``stop - 1``."""
        if values.size and (values.min() < 0 or values.max() >= stop):
            self.need(
                False, what, f"numbers from 0 to {stop - 1}, has {values.min()}..{values.max()}"
            )

    def need(self, good: bool | np.bool_, what: str, need: str) -> None:
        """Raise UsageError that names this core, unless `good`."""
        if not good:
            raise UsageError(f"core ({self.x}, {self.y}): {what}: needed: {need}.")


@dataclass
class ProgramBuilder:
    """Writes a Program core by core; see the module for an example.

    Parameters
    ----------
    chip : where it is to run. n_inputs : elements of one tick of the input.
    seed : of the random draws of TrueNorth neurons.
    input_code : how input values become packets; spikes if not given.
    """

    chip: Chip
    n_inputs: int = 0
    seed: int = 0
    input_code: InputCode = field(default_factory=lambda: InputCode("spike"))
    cores: list[CoreBuilder] = field(default_factory=list)
    layers: dict[str, list[tuple[CoreBuilder, Index]]] = field(default_factory=dict)
    inner: Ways = field(default_factory=Ways)
    outer: Ways = field(default_factory=Ways)
    luts: list[list[int]] = field(default_factory=list)

    def add_core(self, x: int, y: int) -> CoreBuilder:
        """A core at place (x, y) of the chip."""
        core = CoreBuilder(self, len(self.cores), x, y)
        self.cores.append(core)
        return core

    def add_lut(self, values: npt.ArrayLike) -> int:
        """A look-up table of 256 values, for z = -128..127; its number is `lut` of set_liaf."""
        row = np.asarray(values, np.int32)
        if row.shape != (256,):
            raise UsageError(f"a look-up table has shape {row.shape}; needed: (256,).")
        self.luts.append(row.tolist())
        return len(self.luts) - 1

    def connect(
        self,
        sources: npt.ArrayLike,
        neurons: npt.ArrayLike,
        targets: npt.ArrayLike,
        axons: npt.ArrayLike,
        delays: npt.ArrayLike = 1,
    ) -> None:
        """Many connections at once: core and neuron, core and axon (numbers of cores), delay."""
        columns = np.broadcast_arrays(sources, neurons, targets, axons, delays)
        source, neuron, target, axon, delay = (np.ravel(c).astype(np.int64) for c in columns)
        sizes = np.array([(core.n_neurons, core.n_axons) for core in self.cores], np.int64)
        for name, values, stop in (
            ("sources", source, len(self.cores)),
            ("targets", target, len(self.cores)),
        ):
            if values.size and (values.min() < 0 or values.max() >= stop):
                raise UsageError(f"connect: {name} {values.min()}..{values.max()}; {stop} cores.")
        for values, stops, core in (
            (neuron, sizes[source, 0], source),
            (axon, sizes[target, 1], target),
        ):
            bad = np.flatnonzero((values < 0) | (values >= stops))
            if bad.size:
                place, what = self.cores[core[bad[0]]], "neuron" if core is source else "axon"
                raise UsageError(
                    f"core ({place.x}, {place.y}): {what} {values[bad[0]]} is connected, it has "
                    f"{stops[bad[0]]}."
                )
        _check_delays("connect", delay)
        self.inner.append(source, neuron, target, axon, delay)

    def connect_inputs(
        self,
        elements: npt.ArrayLike,
        target: CoreBuilder,
        axons: npt.ArrayLike,
        delays: npt.ArrayLike = 0,
    ) -> None:
        """Input elements of tick t arrive at axons of `target` in tick t + delay."""
        source = np.atleast_1d(np.asarray(elements, np.int64))
        if source.size and (source.min() < 0 or source.max() >= self.n_inputs):
            raise UsageError(
                f"input elements {source.min()}..{source.max()}; n_inputs is {self.n_inputs}."
            )
        self.outer.add(-1, source, target, axons, delays)

    def add_layer(self, name: str, parts: Sequence[tuple[CoreBuilder, npt.ArrayLike]]) -> None:
        """Name neurons, so that they can be probed; every neuron belongs to at most one layer."""
        if name in self.layers:
            raise UsageError(f"layer {name!r}: the name is taken.")
        self.layers[name] = [(core, np.atleast_1d(np.asarray(n, np.int64))) for core, n in parts]

    def build(self, output: str, readout: Literal["sum", "mean", "last"] = "sum") -> Program:
        """The checked Program; the neurons of layer `output` are what a run gives back.

        Raises
        ------
        UsageError : something is missing. DoesNotFitError : a rule of the chip is broken.
        """
        if output not in self.layers:
            known = ", ".join(self.layers) or "none"
            raise UsageError(f"output {output!r} is no layer; known: {known}.")
        for core in self.cores:
            missing = core.columns is None and core.truenorth is None
            core.need(not missing, "neurons", "set_liaf or set_truenorth")
            matching = (core.crossbar is None) == (core.truenorth is None)
            core.need(matching, "neurons", "TrueNorth neurons with a crossbar, LIAF with weights")
        program = build_program(self, output, readout)
        if program.violations:
            raise DoesNotFitError(f"the program breaks a rule of its chip: {program.violations[0]}")
        return program


def _check_delays(where: str, delays: Index) -> None:
    if delays.size and delays.min() < 1:
        raise UsageError(
            f"{where}: delays: needed: at least 1 tick, has {delays.min()}: what a neuron sends is "
            "integrated in a later tick."
        )


def event_input(
    ticks: npt.ArrayLike, elements: npt.ArrayLike, n_ticks: int, n_inputs: int
) -> npt.NDArray[np.int16]:
    """(1, n_ticks, n_inputs) input with a spike for every listed (tick, element)."""
    x = np.zeros((1, n_ticks, n_inputs), np.int16)
    x[0, np.asarray(ticks, np.int64), np.asarray(elements, np.int64)] = 1
    return x
