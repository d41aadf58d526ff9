"""The Program: everything the chip is loaded with, as columns.

The contract between mapper and simulator. Tables are structures of arrays over all cores, joined
by offset arrays (``offset[i] : offset[i + 1]`` are the rows that belong to item i). Ids are global:
axon, neuron and group numbers count through the cores in order. `Program.save` writes one
``.nsp`` file; `load_program` reads it and checks it again.

Links are numbered ``4 * router + direction`` (0: +x, 1: -x, 2: +y, 3: -y; the link *leaves* that
router), router = y * wide + x; behind them one host-in link per row, then one host-out link per
row, all on the west edge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import InputFileError
from neurosim.files.archive import read_archive, write_archive
from neurosim.offsets import Offsets, narrowed
from neurosim.pages import give_back_freed
from neurosim.program.kernel_places import Alike, alike_kernels
from neurosim.program.kernels import KERNEL, KernelTable, write_out
from neurosim.run.encoding import InputCode
from neurosim.soma.cuba import CubaColumns
from neurosim.soma.liaf import LiafColumns, LiafModes
from neurosim.soma.truenorth import TrueNorthColumns, TrueNorthNeurons

if TYPE_CHECKING:
    from neurosim.image.build import Image
    from neurosim.image.shared_kernels import SharedKernels
    from neurosim.program.check import Violation

PROGRAM_SCHEMA: Final = "neurosim-program/4"
OLD_SCHEMAS: Final = ("neurosim-program/1", "neurosim-program/2", "neurosim-program/3")
"""Read, too: without shared kernels; 2 and 1 with one sample at a time; 1 without current-based
neurons and phases."""

U8 = npt.NDArray[np.uint8]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

MODEL_CODES: Final[dict[str, int]] = {"psum": 0, "liaf": 1, "truenorth": 2, "cuba": 3}
SYNAPSE_FORMATS: Final[dict[str, int]] = {
    "dense": 0,
    "sparse": 1,
    "crossbar": 2,
    "kernel": KERNEL,
}
FLOW_KINDS: Final[dict[str, int]] = {"spike": 0, "analog": 1, "psum": 2}
N_DIRECTIONS: Final = 4
DIRECTION_STEPS: Final = ((1, 0), (-1, 0), (0, 1), (0, -1))
"""(x, y) from a router to its neighbour in each direction of a link."""


class CoreTable(NamedTuple):
    """One row per used core; offsets have one row more."""

    x: I32
    y: I32
    axon_offset: I64  # into AxonTable
    neuron_offset: I64  # into the neuron columns
    group_offset: I64  # into GroupTable
    synapse_format: I32  # SYNAPSE_FORMATS
    dense_offset: I64  # into SynapseTable.dense: block (axons, neurons) row-major; of a crossbar
    # core, into SynapseTable.crossbar
    phase: I32 = np.empty(0, np.int32)  # of a folded program: when in a tick the core is loaded;
    # cores of different phases may share a position. Empty: all at once


class GroupTable(NamedTuple):
    """One row per run of neurons that share their modes and belong to one layer."""

    core: I32
    layer: I32  # index into Program.layer_names; a psum group has the layer it sums for
    model: I32  # MODEL_CODES; a psum group has no soma, it sends its sums to `psum_target`
    neuron_start: I64  # first neuron
    neuron_stop: I64  # behind the last neuron
    first_tick: I32  # pipeline offset: sample tick s is computed in chip tick s + first_tick
    psum_target: I64  # first neuron of the owner, one to one; -1 for groups with a soma
    psum_flow: I32  # flow of the partial sums; -1 for groups with a soma


class AxonTable(NamedTuple):
    """One row per axon of every used core; `type` is empty without crossbar cores."""

    kind: I32  # FLOW_KINDS of what arrives: spike or analog
    first_tick: I32  # pipeline offset of the groups that listen
    synapses: I32  # connected synapses: weights other than 0
    row_offset: I64  # (n_axons + 1,) into SynapseTable.target / .weight; empty for dense cores
    type: U8 = np.empty(0, np.uint8)  # crossbar: which of the neuron's four weights counts


class SynapseTable(NamedTuple):
    """Weights: dense blocks and sparse rows (int8 where all fit, else int16), crossbar bits."""

    dense: npt.NDArray[Any]  # int8 | int16
    target: npt.NDArray[np.uint16]  # neuron of the core, counted from its first
    weight: npt.NDArray[Any]  # int8 | int16
    crossbar: U64 = np.empty(0, np.uint64)  # per axon, ceil(neurons / 64) words, bit j: neuron j


class FlowTable(NamedTuple):
    """One row per distinct way of packets: source core (or host), kind, and links crossed.

    A flow between two different cores without links takes the chip's own way on a mesh, along one
    axis and then along the other (`neurosim.links.flow_links`): a million flows need no link lists.
    """

    kind: I32  # FLOW_KINDS
    source: I32  # core index, -1 for the host
    link_offset: Offsets
    link: I32  # (n_links,) in order of travel; for a tree, trunk before branches
    target_offset: Offsets
    target: I32  # core indices that receive the packet, those of a relay chain in the order of the
    # visits (`neurosim.links.chains`); empty for the host


class PacketTable(NamedTuple):
    """What a neuron (or an input element) sends each time it is not 0."""

    owner_offset: Offsets  # (n_owners + 1,): packets of a neuron, or of an input element
    flow: I32  # (n_packets,)
    delivery_offset: Offsets  # (n_packets + 1,)
    axon: I32  # (n_deliveries,) global axon
    delay: I32  # (n_deliveries,) ticks from sending to integration


class LayerTable(NamedTuple):
    """Where the neurons of each layer live, in the layer's own order."""

    offset: I64  # (n_layers + 1,)
    neuron: I32  # global neuron


@dataclass(frozen=True)
class Program:
    """A loadable chip image.

    Attributes
    ----------
    chip : the resolved chip.
    layer_names, layer_shapes : in forward order; `output_layer` indexes them.
    input_shape, input_code : one tick of one sample, and how its values become packets.
    readout : sum, mean or last; `output_unit` is the size of one output step.
    neurons : parameters of all neurons; no rows at all if every core has TrueNorth neurons.
    cuba : decays of synaptic states; no rows without current-based neurons.
    kernels : tiles of cores that share convolution kernels; see `neurosim.program.kernels`.
    truenorth, truenorth_neurons : parameter sets, and which set each neuron has; else no rows.
    seed : of the mapper, and of random draws of TrueNorth neurons.
    interleave : samples that are in flight at once, tick by tick; see `neurosim.run.interleave`.
    provenance, assumptions, mapping : plain JSON data for reports.
    """

    chip: Chip
    cores: CoreTable
    groups: GroupTable
    modes: LiafModes
    neurons: LiafColumns
    axons: AxonTable
    synapses: SynapseTable
    flows: FlowTable
    packets: PacketTable
    input_packets: PacketTable
    layers: LayerTable
    luts: I32
    layer_names: tuple[str, ...]
    layer_shapes: tuple[tuple[int, ...], ...]
    output_layer: int
    input_shape: tuple[int, ...]
    input_code: InputCode
    readout: Literal["sum", "mean", "last"]
    output_unit: float
    seed: int
    assumptions: tuple[str, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)
    mapping: Mapping[str, Any] = field(default_factory=dict)
    cuba: CubaColumns = field(default_factory=CubaColumns.empty)
    truenorth: TrueNorthColumns = field(default_factory=TrueNorthColumns.empty)
    truenorth_neurons: TrueNorthNeurons = field(default_factory=TrueNorthNeurons.empty)
    interleave: int = 1
    kernels: KernelTable = field(default_factory=KernelTable.empty)

    def __post_init__(self) -> None:
        """A chip may have a row of flows and packets per neuron: their offsets take 4 bytes."""
        for table in _WITH_NARROW_OFFSETS:
            rows = getattr(self, table)
            offsets = {name: narrowed(getattr(rows, name)) for name in _offsets_of(rows)}
            object.__setattr__(self, table, rows._replace(**offsets))

    @property
    def n_cores(self) -> int:
        """Used cores."""
        return int(self.cores.x.size)

    @cached_property
    def phase_of_core(self) -> I64:
        """(n_cores,) phase of a tick in which each core is loaded."""
        phase = self.cores.phase
        return phase.astype(np.int64) if phase.size else np.zeros(self.n_cores, np.int64)

    @cached_property
    def n_phases(self) -> int:
        """Phases of a tick: 1 unless the program is folded."""
        return 1 + int(self.phase_of_core.max(initial=0))

    @cached_property
    def terminal_of_core(self) -> I64:
        """(n_cores,) router ``y * wide + x`` of each core."""
        return self.cores.y.astype(np.int64) * self.chip.wide + self.cores.x

    def group_of(self, neuron: npt.NDArray[np.integer]) -> I64:
        """Group of each of these neurons."""
        found: I64 = np.searchsorted(self.groups.neuron_start, neuron, side="right") - 1
        return found

    @property
    def n_neurons(self) -> int:
        """Neurons of all used cores, those of partial sums included."""
        return int(self.cores.neuron_offset[-1])

    @property
    def n_axons(self) -> int:
        """Axons of all used cores."""
        return int(self.axons.kind.size)

    @property
    def n_links(self) -> int:
        """Links of the chip: four per router, one host-in and one host-out per row."""
        return N_DIRECTIONS * self.chip.n_cores + 2 * self.chip.high

    @cached_property
    def violations(self) -> tuple[Violation, ...]:
        """Rules of the chip that the program breaks, found once."""
        from neurosim.program.check import check_program

        return tuple(check_program(self))

    @cached_property
    def laid_out(self) -> Program:
        """The same program as the simulator keeps it, made once.

        Kernels are written out, a weight per synapse, on cores where rows are quicker than runs.
        """
        from neurosim.image.shared_kernels import cores_to_write_out

        return write_out(self, cores_to_write_out(self))

    @cached_property
    def shared_kernels(self) -> SharedKernels:
        """Kernels of `laid_out` as the simulator reads them, made once."""
        from neurosim.image.shared_kernels import make_shared

        return make_shared(self.laid_out)

    @cached_property
    def alike_kernels(self) -> Alike:
        """Cores and tiles with the same shared kernels, compared once."""
        return alike_kernels(self)

    @cached_property
    def image(self) -> Image:
        """What the simulator's kernels read, made once."""
        from neurosim.image.build import make_image

        image = make_image(self)
        give_back_freed()
        return image

    @cached_property
    def open_image(self) -> Image:
        """The same, with potentials and sums that may be changed from outside.

        No potential is kept in 16 bits, and no core hands sums on before all of them are known.
        """
        from neurosim.image.build import make_image

        crossbar = self.image.crossbar
        is_open = crossbar is None or not crossbar.n_narrow
        image = self.image if is_open else make_image(self, narrow=False)
        return image._replace(blocks=image.blocks._replace(psum=np.full(self.n_cores, -1)))

    @cached_property
    def depth_ticks(self) -> int:
        """Chip ticks that a sample needs beyond its own length: the deepest pipeline offset."""
        return int(self.groups.first_tick.max(initial=0))

    def layer_neurons(self, layer: int) -> I32:
        """Global neurons of a layer, in the layer's order."""
        return self.layers.neuron[self.layers.offset[layer] : self.layers.offset[layer + 1]]

    def layer_first_tick(self, layer: int) -> int:
        """Pipeline offset of a layer."""
        start = self.groups.neuron_start
        group = np.searchsorted(start, self.layer_neurons(layer)[0], side="right") - 1
        return int(self.groups.first_tick[group])

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Every array under ``table.column``."""
        result: dict[str, npt.NDArray[Any]] = {"luts": self.luts}
        for table in _TABLES:
            rows = getattr(self, table)
            result |= {f"{table}.{name}": getattr(rows, name) for name in rows._fields}
        return result

    def stored_columns(self) -> dict[str, npt.NDArray[Any]]:
        """The same as a file has them: all offsets take 8 bytes."""
        columns = self.columns()
        for table in _WITH_NARROW_OFFSETS:
            for name in _offsets_of(getattr(self, table)):
                key = f"{table}.{name}"
                columns[key] = columns[key].astype(np.int64, copy=False)
        return columns

    def save(self, path: str | Path) -> None:
        """Write the ``.nsp`` file; the same Program always gives the same bytes."""
        write_archive(Path(path), PROGRAM_SCHEMA, _meta_of(self), self.stored_columns())


_TABLES: Final[dict[str, Any]] = {
    "cores": CoreTable,
    "groups": GroupTable,
    "modes": LiafModes,
    "neurons": LiafColumns,
    "cuba": CubaColumns,
    "axons": AxonTable,
    "synapses": SynapseTable,
    "flows": FlowTable,
    "packets": PacketTable,
    "input_packets": PacketTable,
    "layers": LayerTable,
    "truenorth": TrueNorthColumns,
    "truenorth_neurons": TrueNorthNeurons,
    "kernels": KernelTable,
}


_WITH_NARROW_OFFSETS: Final = ("flows", "packets", "input_packets")


def _offsets_of(rows: FlowTable | PacketTable) -> list[str]:
    return [name for name in rows._fields if name.endswith("_offset")]


def load_program(path: str | Path) -> Program:
    """Read a ``.nsp`` file and check it against its chip.

    Raises InputFileError if the file is missing, damaged, of another schema, or if the program
    breaks a rule of its chip.
    """
    meta, columns = read_archive(Path(path), PROGRAM_SCHEMA, OLD_SCHEMAS)
    for table, empty in (("cuba", CubaColumns.empty()), ("kernels", KernelTable.empty())):
        if not any(name.startswith(f"{table}.") for name in columns):
            columns |= {f"{table}.{name}": c for name, c in empty._asdict().items()}
    columns.setdefault("cores.phase", np.empty(0, np.int32))
    meta.setdefault("interleave", 1)
    try:
        program = _program_from(meta, columns)
        columns.clear()
        violations = program.violations
        give_back_freed()
    except (KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, InputFileError):
            raise
        raise InputFileError(f"{path}: not a complete program ({error}).") from None
    if violations:
        raise InputFileError(f"{path}: breaks a rule of its chip: {violations[0]}")
    return program


_META_FIELDS: Final = ("output_layer", "readout", "output_unit", "seed", "interleave")


def _meta_of(program: Program) -> dict[str, Any]:
    code = program.input_code
    return {
        "chip": program.chip.to_dict(),
        "layer_names": list(program.layer_names),
        "layer_shapes": [list(s) for s in program.layer_shapes],
        "input_shape": list(program.input_shape),
        "input_code": {
            "kind": code.kind,
            "unit": code.unit,
            "low": code.low,
            "high": code.high,
            "saturate": code.saturate,
        },
        "assumptions": list(program.assumptions),
        "provenance": dict(program.provenance),
        "mapping": dict(program.mapping),
        **{name: getattr(program, name) for name in _META_FIELDS},
    }


def _program_from(meta: Mapping[str, Any], columns: Mapping[str, npt.NDArray[Any]]) -> Program:
    tables = {table: _table_from(kind, table, columns) for table, kind in _TABLES.items()}
    return Program(
        chip=Chip.model_validate(meta["chip"]),
        luts=columns["luts"],
        layer_names=tuple(meta["layer_names"]),
        layer_shapes=tuple(tuple(shape) for shape in meta["layer_shapes"]),
        input_shape=tuple(meta["input_shape"]),
        input_code=InputCode(**meta["input_code"]),
        assumptions=tuple(meta["assumptions"]),
        provenance=meta["provenance"],
        mapping=meta["mapping"],
        **{name: meta[name] for name in _META_FIELDS},
        **tables,
    )


_Table = TypeVar("_Table")


def _table_from(kind: type[_Table], table: str, columns: Mapping[str, npt.NDArray[Any]]) -> _Table:
    names = cast(Any, kind)._fields
    return kind(*(columns[f"{table}.{name}"] for name in names))
