"""The tables of a hand-made Program, from what a `ProgramBuilder` has gathered."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.distinct import distinct_rows
from neurosim.errors import DoesNotFitError, UsageError
from neurosim.links.detours import detour_links, needs_detours
from neurosim.links.flow_links import way_links
from neurosim.noc.model import MAX_TABLE_ROUTERS
from neurosim.offsets import offsets_of
from neurosim.program.columns import (
    DIRECTION_STEPS,
    FLOW_KINDS,
    MODEL_CODES,
    N_DIRECTIONS,
    AxonTable,
    CoreTable,
    FlowTable,
    GroupTable,
    LayerTable,
    PacketTable,
    Program,
    SynapseTable,
)
from neurosim.soma.cuba import CubaColumns
from neurosim.soma.liaf import LiafColumns, LiafModes
from neurosim.soma.truenorth import TrueNorthColumns, TrueNorthNeurons

if TYPE_CHECKING:
    from neurosim.program.builder import CoreBuilder, ProgramBuilder

Index = npt.NDArray[np.int64]
HOST = -1
REST = "rest"
"""Layer of the neurons that no layer names."""


@dataclass
class Ways:
    """Connections gathered so far, one array per call: who, whereto, how late."""

    core: list[Index] = field(default_factory=list)
    sender: list[Index] = field(default_factory=list)  # neuron of the core, or input element
    target: list[Index] = field(default_factory=list)
    axon: list[Index] = field(default_factory=list)  # of the target core; -1 to the host
    delay: list[Index] = field(default_factory=list)

    def add(
        self,
        core: int,
        sender: Index,
        target: CoreBuilder,
        axons: npt.ArrayLike,
        delays: npt.ArrayLike,
    ) -> None:
        """Connections to axons of one core; axons and delays may be one for all."""
        try:
            axon = np.broadcast_to(np.asarray(axons, np.int64), sender.shape)
            delay = np.broadcast_to(np.asarray(delays, np.int64), sender.shape)
        except ValueError:
            raise UsageError(
                f"core ({target.x}, {target.y}): {np.shape(axons)} axons and {np.shape(delays)} "
                f"delays do not fit {sender.size} senders."
            ) from None
        if axon.size and (axon.min() < 0 or axon.max() >= target.n_axons):
            raise UsageError(
                f"core ({target.x}, {target.y}): axons {axon.min()}..{axon.max()} are connected, "
                f"it has {target.n_axons}."
            )
        n = np.zeros(sender.size, np.int64)
        self.append(n + core, sender, n + target.number, axon, delay)

    def add_host(self, core: int, sender: Index) -> None:
        """Packets to the host."""
        n = np.zeros(sender.size, np.int64)
        self.append(n + core, sender, n + HOST, n - 1, n)

    def append(self, core: Index, sender: Index, target: Index, axon: Index, delay: Index) -> None:
        """Checked columns."""
        self.core.append(core)
        self.sender.append(sender)
        self.target.append(target)
        self.axon.append(axon)
        self.delay.append(delay)


class _Rows(NamedTuple):
    """Connections with global numbers, sorted by owner."""

    owner: Index
    core: Index
    kind: Index
    target: Index
    axon: Index
    delay: Index


def build_program(
    builder: ProgramBuilder, output: str, readout: Literal["sum", "mean", "last"]
) -> Program:
    """All tables; every core is one group, every connection one packet."""
    cores = builder.cores
    axon_offset = offsets_of([core.n_axons for core in cores])
    neuron_offset = offsets_of([core.n_neurons for core in cores])
    kinds = np.array([_packet_kind(core) for core in cores], np.int64)
    inner = _rows(builder.inner, neuron_offset, axon_offset, kinds)
    outer = _rows(builder.outer, None, axon_offset, kinds, FLOW_KINDS[builder.input_code.kind])
    flows, flow_of = _flows([inner, outer], builder)
    layers, names = _layers(builder, neuron_offset)
    axons, synapses, dense_offset = _synapses(cores)
    columns, modes = _soft_neurons(cores)
    sets, hard = _hard_neurons(cores)
    return Program(
        chip=builder.chip,
        cores=CoreTable(
            x=np.array([core.x for core in cores], np.int32),
            y=np.array([core.y for core in cores], np.int32),
            axon_offset=axon_offset,
            neuron_offset=neuron_offset,
            group_offset=np.arange(len(cores) + 1),
            synapse_format=np.array([core.synapse_format for core in cores], np.int32),
            dense_offset=dense_offset,
        ),
        groups=_groups(cores, neuron_offset, layers),
        modes=modes,
        neurons=columns,
        axons=axons,
        synapses=synapses,
        flows=flows,
        packets=_packets(inner, flow_of[0], int(neuron_offset[-1])),
        input_packets=_packets(outer, flow_of[1], builder.n_inputs),
        layers=layers,
        luts=np.array(builder.luts, np.int32).reshape(-1, 256),
        layer_names=names,
        layer_shapes=tuple((int(n),) for n in np.diff(layers.offset)),
        output_layer=names.index(output),
        input_shape=(builder.n_inputs,),
        input_code=builder.input_code,
        readout=readout,
        output_unit=1.0,
        seed=builder.seed,
        provenance={"made_by": "neurosim.ProgramBuilder"},
        cuba=_synaptic_decays(cores),
        truenorth=sets,
        truenorth_neurons=hard,
    )


def _packet_kind(core: CoreBuilder) -> int:
    return 0 if core.modes is None else int(core.modes.output[0])


def _rows(
    ways: Ways, neuron_offset: Index | None, axon_offset: Index, kinds: Index, kind: int = 0
) -> _Rows:
    none = np.empty(0, np.int64)
    core, sender, target, axon, delay = (
        np.concatenate([none, *column])
        for column in (ways.core, ways.sender, ways.target, ways.axon, ways.delay)
    )
    owner = sender if neuron_offset is None else sender + neuron_offset[core]
    order = np.argsort(owner, kind="stable")
    owner, core, target, axon, delay = (c[order] for c in (owner, core, target, axon, delay))
    inside = target >= 0
    axon = np.where(inside, axon + axon_offset[np.where(inside, target, 0)], -1)
    kind_of = np.full(owner.size, kind) if neuron_offset is None else kinds[core]
    return _Rows(owner, core, kind_of, target, axon, delay)


def _packets(rows: _Rows, flow: Index, n_owners: int) -> PacketTable:
    inside = rows.axon >= 0
    return PacketTable(
        owner_offset=offsets_of(np.bincount(rows.owner, minlength=n_owners).tolist()),
        flow=flow.astype(np.int32),
        delivery_offset=np.concatenate([[0], np.cumsum(inside)]).astype(np.int64),
        axon=rows.axon[inside].astype(np.int32),
        delay=rows.delay[inside].astype(np.int32),
    )


def _flows(parts: list[_Rows], builder: ProgramBuilder) -> tuple[FlowTable, list[Index]]:
    """Distinct (source, target, kind) and their number for every connection."""
    n = len(builder.cores) + 1
    keys = [((p.core + 1) * n + p.target + 1) * len(FLOW_KINDS) + p.kind for p in parts]
    unique, number = np.unique(np.concatenate(keys), return_inverse=True)
    ends, kind = np.divmod(unique, len(FLOW_KINDS))
    source, target = np.divmod(ends, n)
    source, target = source - 1, target - 1
    link_offset, link = _links(builder, source, target)
    inside = target >= 0
    table = FlowTable(
        kind=kind.astype(np.int32),
        source=source.astype(np.int32),
        link_offset=link_offset,
        link=link.astype(np.int32),
        target_offset=np.concatenate([[0], np.cumsum(inside)]).astype(np.int64),
        target=target[inside].astype(np.int32),
    )
    numbers = np.split(number.reshape(-1), [keys[0].size])
    return table, numbers


def _links(builder: ProgramBuilder, source: Index, target: Index) -> tuple[Index, Index]:
    """Links of every flow; none where the chip's own way on a mesh is meant anyway."""
    chip = builder.chip
    x = np.array([core.x for core in builder.cores] + [0], np.int64)
    y = np.array([core.y for core in builder.cores] + [0], np.int64)
    row = np.where(source >= 0, y[source], y[target])
    sx, tx = np.where(source >= 0, x[source], 0), np.where(target >= 0, x[target], 0)
    sy, ty = np.where(source >= 0, y[source], row), np.where(target >= 0, y[target], row)
    host = (source < 0) | (target < 0)
    if needs_detours(chip):
        start = np.stack([np.where(source < 0, -1, sx), sy], 1)
        to_host = target < 0
        offset = np.concatenate([[0], np.cumsum(~to_host)]).astype(np.int64)
        goal = np.stack([tx, ty], 1)[~to_host]
        ends, links = detour_links(chip, start, to_host, offset, goal)
        return ends, links.astype(np.int64)
    bare = chip.noc_section.topology == "mesh" and not chip.dead_links
    listed = np.flatnonzero(host if bare else np.ones(host.size, bool))
    offset, link = way_links(chip, sx[listed], sy[listed], tx[listed], ty[listed])
    _refuse_dead(chip, link)
    first = N_DIRECTIONS * chip.n_cores + row
    paths = np.split(link, offset[1:-1]) if listed.size else []
    for k, flow in enumerate(listed):
        if source[flow] < 0:
            paths[k] = np.concatenate([first[flow : flow + 1], paths[k]])
        elif target[flow] < 0:
            paths[k] = np.concatenate([paths[k], first[flow : flow + 1] + chip.high])
    sizes = np.zeros(host.size, np.int64)
    sizes[listed] = [path.size for path in paths]
    ends = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    return ends, np.concatenate([np.empty(0, np.int64), *paths])


def _refuse_dead(chip: Chip, link: Index) -> None:
    dead = set()
    for a, b in chip.dead_links:
        for (x, y), (u, v) in ((a, b), (b, a)):
            for direction, (dx, dy) in enumerate(DIRECTION_STEPS):
                if ((x + dx) % chip.wide, (y + dy) % chip.high) == (u, v):
                    dead.add(N_DIRECTIONS * (y * chip.wide + x) + direction)
    hit = np.flatnonzero(np.isin(link, list(dead)))
    if hit.size:
        router = int(link[hit[0]]) // N_DIRECTIONS
        raise DoesNotFitError(
            f"a way crosses a dead link at ({router % chip.wide}, {router // chip.wide}) of "
            f"{chip.name!r}; ways round dead links are found on a mesh of up to "
            f"{MAX_TABLE_ROUTERS} routers. Move the cores."
        )


def _layers(builder: ProgramBuilder, neuron_offset: Index) -> tuple[LayerTable, tuple[str, ...]]:
    parts = {
        name: np.concatenate([neurons + neuron_offset[core.number] for core, neurons in rows])
        for name, rows in builder.layers.items()
    }
    for name, rows in builder.layers.items():
        for core, neurons in rows:
            core.check_range(f"neurons of layer {name!r}", neurons, core.n_neurons)
    named = np.concatenate(list(parts.values()))
    count = np.bincount(named, minlength=int(neuron_offset[-1]))
    if count.max(initial=0) > 1:
        number = int(np.searchsorted(neuron_offset, count.argmax(), side="right")) - 1
        place, neuron = builder.cores[number], count.argmax() - neuron_offset[number]
        raise UsageError(
            f"core ({place.x}, {place.y}): neuron {neuron} is in two layers; needed: at most one."
        )
    rest = np.flatnonzero(count == 0)
    if rest.size:
        parts[REST] = rest
    offset = offsets_of([neurons.size for neurons in parts.values()])
    neuron = np.concatenate(list(parts.values())).astype(np.int32)
    return LayerTable(offset, neuron), tuple(parts)


def _groups(cores: list[CoreBuilder], neuron_offset: Index, layers: LayerTable) -> GroupTable:
    n = len(cores)
    layer_of = np.zeros(int(neuron_offset[-1]), np.int32)
    layer_of[layers.neuron] = np.repeat(np.arange(layers.offset.size - 1), np.diff(layers.offset))
    models = [MODEL_CODES[core.soma_model] for core in cores]
    return GroupTable(
        core=np.arange(n, dtype=np.int32),
        layer=layer_of[neuron_offset[:-1]],
        model=np.array(models, np.int32),
        neuron_start=neuron_offset[:-1].copy(),
        neuron_stop=neuron_offset[1:].copy(),
        first_tick=np.zeros(n, np.int32),
        psum_target=np.full(n, -1, np.int64),
        psum_flow=np.full(n, -1, np.int32),
    )


def _synapses(cores: list[CoreBuilder]) -> tuple[AxonTable, SynapseTable, Index]:
    dense = [core.dense.ravel() for core in cores if core.dense is not None]
    rows = [core.rows for core in cores if core.rows is not None]
    bits = [core.crossbar.ravel() for core in cores if core.crossbar is not None]
    row_sizes, dense_offset, n_dense, n_words = [], [], 0, 0
    for core in cores:
        dense_offset.append(n_words if core.crossbar is not None else n_dense)
        n_dense += 0 if core.dense is None else core.dense.size
        n_words += 0 if core.crossbar is None else core.crossbar.size
        sparse = core.rows is not None
        row_sizes.append(core.axon_synapses if sparse else np.zeros(core.n_axons, np.int64))
    types = [
        np.zeros(core.n_axons, np.uint8) if core.axon_type is None else core.axon_type
        for core in cores
    ]
    axons = AxonTable(
        kind=np.repeat([core.axon_kind for core in cores], [c.n_axons for c in cores]).astype(
            np.int32
        ),
        first_tick=np.zeros(sum(core.n_axons for core in cores), np.int32),
        synapses=_joined([core.axon_synapses for core in cores], np.int32),
        row_offset=np.concatenate([[0], np.cumsum(_joined(row_sizes, np.int64))]).astype(np.int64),
        type=_joined(types if bits else [], np.uint8),
    )
    table = SynapseTable(
        dense=_narrow(_joined(dense, np.int16)),
        target=_joined([neuron for _, neuron, _ in rows], np.uint16),
        weight=_narrow(_joined([weight for _, _, weight in rows], np.int16)),
        crossbar=_joined(bits, np.uint64),
    )
    return axons, table, np.array(dense_offset, np.int64)


def _joined(parts: list[Any], dtype: Any) -> npt.NDArray[Any]:
    return np.concatenate([np.empty(0, dtype), *parts]).astype(dtype)


def _narrow(weights: npt.NDArray[np.int16]) -> npt.NDArray[Any]:
    small = weights.size == 0 or (weights.min() >= -128 and weights.max() <= 127)
    return weights.astype(np.int8) if small else weights


def _soft_neurons(cores: list[CoreBuilder]) -> tuple[LiafColumns, LiafModes]:
    """Columns for every neuron if some core has LIAF neurons (zeros elsewhere), else no rows."""
    if all(core.columns is None for core in cores):
        none = np.empty(0, np.int32)
        modes = LiafModes(*(np.zeros(len(cores), np.int32) for _ in LiafModes._fields))
        unused = modes._replace(n_max=modes.n_max + 1, lut=modes.lut - 1)
        return LiafColumns(*(none for _ in LiafColumns._fields)), unused
    columns = LiafColumns(
        *(
            _joined(
                [
                    np.zeros(core.n_neurons, np.int32) if core.columns is None else core.columns[i]
                    for core in cores
                ],
                np.int32,
            )
            for i in range(len(LiafColumns._fields))
        )
    )
    zero = np.zeros(1, np.int32)
    unused = LiafModes(*(zero for _ in LiafModes._fields))._replace(n_max=zero + 1, lut=zero - 1)
    rows = [unused if core.modes is None else core.modes for core in cores]
    return columns, LiafModes(
        *(_joined(list(column), np.int32) for column in zip(*rows, strict=True))
    )


def _synaptic_decays(cores: list[CoreBuilder]) -> CubaColumns:
    """Decays of synaptic states, 0 for neurons without one; no rows without any."""
    if all(core.alpha_syn is None for core in cores):
        return CubaColumns.empty()
    parts = [
        np.zeros(core.n_neurons, np.int32) if core.alpha_syn is None else core.alpha_syn
        for core in cores
    ]
    return CubaColumns(_joined(parts, np.int32))


def _hard_neurons(cores: list[CoreBuilder]) -> tuple[TrueNorthColumns, TrueNorthNeurons]:
    """Distinct parameter sets, and the set and start of every neuron; no rows without any."""
    if all(core.truenorth is None for core in cores):
        return TrueNorthColumns.empty(), TrueNorthNeurons.empty()
    hard = [(core.truenorth, core.n_neurons) for core in cores if core.truenorth is not None]
    rows = TrueNorthColumns(*map(np.concatenate, zip(*(sets for sets, _ in hard), strict=True)))
    flat = [column for table in rows for column in table.reshape(len(table), -1).T]
    first, number = distinct_rows(flat, rows.leak.size)
    counts = [np.full(sets.leak.size, n // sets.leak.size) for sets, n in hard]
    of_row = np.repeat(number, np.concatenate(counts)).astype(np.int32)
    parameters, start, at = [], [], 0
    for core in cores:
        n = core.n_neurons
        is_hard = core.truenorth is not None
        parameters.append(of_row[at : at + n] if is_hard else np.zeros(n, np.int32))
        start.append(np.zeros(n, np.int32) if core.v_start is None else core.v_start)
        at += n if is_hard else 0
    kinds: Any = (np.ascontiguousarray(column[first]) for column in rows)
    return TrueNorthColumns(*kinds), TrueNorthNeurons(
        _joined(parameters, np.int32), _joined(start, np.int32)
    )
