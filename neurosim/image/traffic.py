"""What every sender's packets load, in the form that the kernels add up (`kernels.traffic`)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import PACKET_KINDS
from neurosim.distinct import distinct_rows
from neurosim.links.flow_links import (
    implied_flows,
    implied_runs,
    link_cycles_per_packet,
    link_positions,
    receive_cycles,
)
from neurosim.offsets import entries_of, offsets_of
from neurosim.program.columns import N_DIRECTIONS, PacketTable, Program

I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

DENSE_BYTES: Final = 64 << 20
"""Most memory for signatures written out resource by resource."""
_PER_VECTOR: Final = 16
"""Resources that are added in the time of one entry of a sparse signature."""


class Traffic(NamedTuple):
    """Resources, and the signatures of senders: dense rows, or else sparse differences."""

    link: I32  # (n_resources,) link number; -1: local ports, in then out, core by core
    n_router_links: int  # resources before this one are links between routers
    kind: I32  # (n_signatures,) kind of all its packets, for dense rows
    dense: I16  # (n_signatures, n_resources) packets, or no rows
    offset: I64  # (n_signatures + 1,)
    place: I32  # kind * (n_resources + 1) + resource
    delta: I32
    kinds: I8  # (3,) 1: the program has packets of this kind
    has_changes: bool  # some loads come as differences
    has_direct: bool  # some come resource by resource
    cycles: I32  # (3, n_resources) per packet
    bits: I64  # (3,) per packet
    x: I32  # (n_cores,)
    y: I32
    wide: int
    high: int
    x_first: bool


class Senders(NamedTuple):
    """Signature of every neuron, input element and group of partial sums.

    Below 0: nothing to send (-1), or a single packet that takes the chip's own way,
    ``-2 - (target core * 4 + kind)``.
    """

    neurons: I32
    inputs: I32
    psums: I32


class _Sets(NamedTuple):
    """Distinct multisets of flows."""

    offset: I64
    flow: I64


def make_traffic(program: Program) -> tuple[Traffic, Senders]:
    """Resources and signatures of a checked program."""
    bare = bare_flows(program)
    parts = [_owners(table, bare) for table in (program.packets, program.input_packets)]
    parts.append(_psum_owners(program))
    sets, numbers = _distinct(parts)
    for number, table in zip(numbers, (program.packets, program.input_packets), strict=False):
        _mark_ways(program, number, table, bare)
    senders = Senders(*numbers)
    position, link = resources(program)
    rows = _differences(program, sets, position, link.size)
    n = sets.offset.size - 1
    kind = np.zeros(n, np.int32)
    kind[:] = program.flows.kind[sets.flow[sets.offset[:-1]]]
    dense = _dense_rows(program, sets, rows, kind, link.size)
    has_ways = any((number < -1).any() for number in numbers)
    if dense.shape[0]:
        rows = _Rows(np.zeros(1, np.int64), np.empty(0, np.int32), np.empty(0, np.int32))
    chip = program.chip
    used = np.zeros(len(PACKET_KINDS), np.int8)
    used[np.unique(program.flows.kind)] = 1
    traffic = Traffic(
        link=link.astype(np.int32),
        n_router_links=int((link < N_DIRECTIONS * chip.n_cores)[link >= 0].sum()),
        kind=kind,
        dense=dense,
        offset=rows.offset,
        place=rows.place,
        delta=rows.delta,
        kinds=used,
        has_changes=bool(has_ways or not dense.shape[0]),
        has_direct=bool(has_ways or dense.shape[0]),
        cycles=resource_cycles(program, link).astype(np.int32),
        bits=np.array([chip.packet_bits(kind) for kind in PACKET_KINDS], np.int64),
        x=program.cores.x.astype(np.int32),
        y=program.cores.y.astype(np.int32),
        wide=chip.wide,
        high=chip.high,
        x_first=chip.noc_section.routing == "xy",
    )
    return traffic, senders


def resource_cycles(program: Program, link: I64) -> I64:
    """(3, n_resources) cycles that a packet of each kind occupies each resource of `resources`."""
    chip, n_cores = program.chip, program.n_cores
    cycles = link_cycles_per_packet(chip)[:, link]
    flits = np.array([[chip.flits(kind)] for kind in PACKET_KINDS], np.int64)
    ports = link.size - 2 * n_cores
    cycles[:, ports : ports + n_cores] = np.maximum(flits, receive_cycles(chip))
    cycles[:, ports + n_cores :] = flits
    return np.ascontiguousarray(cycles)


def bare_flows(program: Program) -> npt.NDArray[np.bool_]:
    """Flows from core to core without a list of links: within one core, or the chip's own way."""
    flows = program.flows
    result: npt.NDArray[np.bool_] = (
        (np.diff(flows.link_offset) == 0)
        & (np.diff(flows.target_offset) == 1)
        & (flows.source >= 0)
    )
    return result


def _mark_ways(
    program: Program, number: I32, table: PacketTable, bare: npt.NDArray[np.bool_]
) -> None:
    """Owners of one bare packet: their target and kind in place of a signature."""
    flows, sizes = program.flows, np.diff(table.owner_offset)
    single = np.flatnonzero(sizes == 1)
    flow = table.flow[table.owner_offset[:-1][single]]
    single, flow = single[bare[flow]], flow[bare[flow]]
    target = flows.target[flows.target_offset[:-1][flow]]
    number[single] = -2 - (target * 4 + flows.kind[flow])


class _Owners(NamedTuple):
    """Senders that need a signature, with their flows in ascending order."""

    n: int
    owner: I64
    offset: I64
    flow: I64


def _owners(table: PacketTable, bare: npt.NDArray[np.bool_]) -> _Owners:
    sizes = np.diff(table.owner_offset)
    wanted = sizes > 0
    single = np.flatnonzero(sizes == 1)
    wanted[single[bare[table.flow[table.owner_offset[:-1][single]]]]] = False
    owner = np.flatnonzero(wanted)
    packet_owner = np.repeat(np.arange(sizes.size), sizes)
    picked = wanted[packet_owner]
    flow = table.flow[picked].astype(np.int64)
    flow = flow[np.lexsort((flow, packet_owner[picked]))]
    return _Owners(sizes.size, owner, offsets_of(sizes[owner]), flow)


def _psum_owners(program: Program) -> _Owners:
    owner = np.flatnonzero(program.groups.psum_target >= 0)
    flow = program.groups.psum_flow[owner].astype(np.int64)
    return _Owners(program.groups.core.size, owner, np.arange(owner.size + 1), flow)


def _distinct(parts: list[_Owners]) -> tuple[_Sets, list[I32]]:
    """Distinct flow sets over all senders, and the number of each sender's set."""
    numbers = [np.full(part.n, -1, np.int32) for part in parts]
    sizes = np.concatenate([np.diff(part.offset) for part in parts])
    starts = np.concatenate(
        [part.offset[:-1] + base for part, base in zip(parts, _bases(parts), strict=True)]
    )
    flow = np.concatenate([part.flow for part in parts])
    found = np.empty(sizes.size, np.int64)
    set_sizes, set_flows, n = [np.empty(0, np.int64)], [np.empty(0, np.int64)], 0
    for size in np.unique(sizes):
        rows = np.flatnonzero(sizes == size)
        matrix = flow[starts[rows][:, None] + np.arange(size)]
        heads, member = distinct_rows(matrix.T, rows.size)
        found[rows] = n + member
        n += heads.size
        set_sizes.append(np.full(heads.size, size))
        set_flows.append(matrix[heads].ravel())
    at = 0
    for number, part in zip(numbers, parts, strict=True):
        number[part.owner] = found[at : at + part.owner.size]
        at += part.owner.size
    return _Sets(offsets_of(np.concatenate(set_sizes)), np.concatenate(set_flows)), numbers


def _bases(parts: list[_Owners]) -> list[int]:
    sizes = [part.flow.size for part in parts]
    return [sum(sizes[:k]) for k in range(len(sizes))]


def resources(program: Program) -> tuple[I64, I64]:
    """Resource of every link position (-1: unused), and the link of every resource."""
    chip = program.chip
    position = link_positions(chip)
    link_at = np.empty_like(position)
    link_at[position] = np.arange(position.size)
    used = np.zeros(position.size, bool)
    used[position[program.flows.link]] = True
    if implied_flows(program).any():
        used[: N_DIRECTIONS * chip.n_cores] = True
    resource = np.where(used, np.cumsum(used) - 1, -1)
    ports = np.full(2 * program.n_cores, -1, np.int64)
    return resource[position], np.concatenate([link_at[used], ports])


class _Rows(NamedTuple):
    """Sparse differences of each signature."""

    offset: I64
    place: I32
    delta: I32


def _differences(program: Program, sets: _Sets, resource_of_link: I64, n: int) -> _Rows:
    """Per signature the changes of its packets along the resources of each kind."""
    signature = np.repeat(np.arange(sets.offset.size - 1), np.diff(sets.offset))
    first, length, row = runs_of(program, sets.flow, resource_of_link, n)
    base = signature[row] * (3 * (n + 1)) + program.flows.kind[sets.flow[row]] * (n + 1)
    keys = np.concatenate([base + first, base + first + length])
    deltas = np.repeat(np.array([1, -1], np.int64), first.size)
    order = np.argsort(keys, kind="stable")
    keys, deltas = keys[order], deltas[order]
    heads = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = np.add.reduceat(deltas, heads) if heads.size else deltas
    keys, sums = keys[heads][sums != 0], sums[sums != 0]
    owner, index = np.divmod(keys, 3 * (n + 1))
    counts = np.bincount(owner, minlength=sets.offset.size - 1)
    return _Rows(offsets_of(counts), index.astype(np.int32), sums.astype(np.int32))


def runs_of(program: Program, flow: I64, resource_of_link: I64, n: int) -> tuple[I64, I64, I64]:
    """Runs of resources that each entry of `flow` loads: first, length, and the entry."""
    flows, n_cores = program.flows, program.n_cores
    row, at = entries_of(flows.link_offset, flow)
    listed = resource_of_link[flows.link[at]]
    bare = np.flatnonzero(implied_flows(program)[flow])
    runs = implied_runs(program, flow[bare])
    inward, at = entries_of(flows.target_offset, flow)
    outward = np.flatnonzero(flows.source[flow] >= 0)
    ports = n - 2 * n_cores
    first = [
        listed,
        runs.first.ravel(),
        ports + flows.target[at].astype(np.int64),
        ports + n_cores + flows.source[flow[outward]].astype(np.int64),
    ]
    length = [np.ones(part.size, np.int64) for part in first]
    length[1] = runs.length.ravel()
    rows = [row, np.repeat(bare, 2), inward, outward]
    return np.concatenate(first), np.concatenate(length), np.concatenate(rows)


def _dense_rows(program: Program, sets: _Sets, rows: _Rows, kind: I32, n: int) -> I16:
    """Signatures written out, if that is quicker to add and small enough; else no rows."""
    none = np.empty((0, n), np.int16)
    n_sets = kind.size
    if n_sets == 0 or rows.place.size * _PER_VECTOR < n_sets * n or 2 * n_sets * n > DENSE_BYTES:
        return none
    member = np.repeat(np.arange(n_sets), np.diff(sets.offset))
    if (program.flows.kind[sets.flow] != kind[member]).any():
        return none
    owner = np.repeat(np.arange(n_sets), np.diff(rows.offset))
    table: npt.NDArray[Any] = np.zeros((n_sets, n + 1), np.int32)
    np.add.at(table, (owner, rows.place - kind[owner] * (n + 1)), rows.delta)
    np.cumsum(table, axis=1, out=table)
    if table.max(initial=0) > np.iinfo(np.int16).max:
        return none
    return np.ascontiguousarray(table[:, :n], dtype=np.int16)
