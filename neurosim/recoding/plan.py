"""What of a Program a code changes: which packets become spike trains, of which book."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim.image.traffic import resource_cycles, resources, runs_of
from neurosim.offsets import Offsets, entries_of
from neurosim.program.columns import FLOW_KINDS, MODEL_CODES, N_DIRECTIONS, Program
from neurosim.recoding.codes import Book, SpikeCode
from neurosim.soma.liaf import ACTIVATION_CODES

I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]

N_LUT: Final = 256
"""Entries of a look-up table."""
RECODING: Final = "recoding"
"""Entry of ``Program.mapping``: codes by the layers whose values travel as spikes."""


@dataclass(frozen=True)
class Plan:
    """A program and a code.

    Attributes
    ----------
    program : as it is simulated, with values, rounded to what the code carries. priced : the same
        with the packets that it sends.
    spike_flow : (n_flows of `program`,) flow of `priced` that spikes take in place of values, -1
        where no values are sent.
    is_coded : (n_neurons,) whether a neuron's values become spikes.
    train_base : (n_neurons,) row of `trains` that a value of 0 has.
    trains : (n_values of all books, n_subticks) spikes.
    """

    program: Program
    priced: Program
    spike_flow: I64
    is_coded: npt.NDArray[np.bool_]
    train_base: I64
    trains: npt.NDArray[np.bool_]

    @property
    def n_subticks(self) -> int:
        """Sub-ticks of a chip tick."""
        return int(self.trains.shape[1])

    @cached_property
    def deliveries(self) -> Deliveries:
        """Axons of every packet, those of neurons before those of inputs."""
        return _deliveries(self.program)

    @cached_property
    def ways(self) -> Ways:
        """Links and ports of every flow."""
        return _ways(self.priced)


@dataclass(frozen=True)
class Deliveries:
    """Rows of the packet tables of neurons, then of inputs, then one row of nothing."""

    first_input: int
    nothing: int
    offset: I64  # (nothing + 2,)
    axon: I64
    delay: I64


@dataclass(frozen=True)
class Ways:
    """Resources (`neurosim.image.traffic`) that each flow loads."""

    offset: I64  # (n_flows + 1,)
    resource: I64
    link: I64  # (n_resources,) number, -1 for a local port
    cycles: I64  # (3, n_resources) of a packet of each kind
    n_router_links: int


def plan_recoding(program: Program, code: SpikeCode | Mapping[str, SpikeCode]) -> Plan:
    """Round what cores send each other to what `code` carries, and find its spike trains.

    Parameters
    ----------
    code : of all layers that send values to others, or by the name of the layer; layers without
        one keep sending values.

    Raises
    ------
    UsageError : a layer that does not exist, or no layer with a code sends values to another.
    """
    flows = _value_flows(program)
    code_of = _codes_of_groups(program, code, flows)
    book_of = {group: mine.book(*_range_of(program, group)) for group, mine in code_of.items()}
    trains, first_train = _stacked(book_of)
    base = np.zeros(program.n_neurons, np.int64)
    coded = np.zeros(program.n_neurons, np.bool_)
    for group, book in book_of.items():
        start, stop = program.groups.neuron_start[group], program.groups.neuron_stop[group]
        base[start:stop] = first_train[group] - book.low
        coded[start:stop] = True
    rounded = _rounded(program, book_of)
    names = {
        program.layer_names[program.groups.layer[group]]: str(c) for group, c in code_of.items()
    }
    priced, spike_flow = _as_spikes(rounded, flows, coded)
    priced = replace(priced, mapping={**program.mapping, RECODING: names})
    return Plan(rounded, priced, spike_flow, coded, base, trains)


def _stacked(books: Mapping[int, Book]) -> tuple[npt.NDArray[np.bool_], dict[int, int]]:
    """The trains of all books, equal ones once; by group, the row at which its book begins."""
    distinct = list({id(book): book for book in books.values()}.values())
    sizes = [len(book.spikes) for book in distinct]
    width = max(book.spikes.shape[1] for book in distinct)
    trains = np.zeros((sum(sizes), width), np.bool_)
    starts = {id(book): sum(sizes[:k]) for k, book in enumerate(distinct)}
    for book in distinct:
        first = starts[id(book)]
        trains[first : first + len(book.spikes), : book.spikes.shape[1]] = book.spikes
    return trains, {group: starts[id(book)] for group, book in books.items()}


def sends_values(program: Program) -> bool:
    """Whether cores send values to cores: what a code can replace."""
    return bool(_value_flows(program).any())


def _value_flows(program: Program) -> npt.NDArray[np.bool_]:
    flows = program.flows
    analog = (flows.kind == FLOW_KINDS["analog"]) & (flows.source >= 0)
    found: npt.NDArray[np.bool_] = analog & (np.diff(flows.target_offset) > 0)
    return found


def _codes_of_groups(
    program: Program, code: SpikeCode | Mapping[str, SpikeCode], flows: npt.NDArray[np.bool_]
) -> dict[int, SpikeCode]:
    """The code of every group of a layer that sends values to others, if it has one."""
    groups = program.groups
    owner = np.repeat(np.arange(program.n_neurons), np.diff(program.packets.owner_offset))
    senders = np.unique(owner[flows[program.packets.flow]])
    layers = groups.layer[program.group_of(senders)]
    names = [program.layer_names[layer] for layer in np.unique(layers).tolist()]
    codes = dict(code) if isinstance(code, Mapping) else dict.fromkeys(names, code)
    unknown = [name for name in codes if name not in program.layer_names]
    if unknown:
        known = ", ".join(program.layer_names)
        raise UsageError(f"there is no layer {unknown[0]!r} to re-code; known: {known}.")
    if not set(codes) & set(names):
        what = ", ".join(sorted({str(c) for c in codes.values()})) or str(code)
        raise UsageError(f"no layer sends values to another; {what} has nothing to carry.")
    soft = np.isin(groups.model, [MODEL_CODES["liaf"], MODEL_CODES["cuba"]])
    return {
        group: codes[name]
        for group in np.flatnonzero(soft).tolist()
        for name in [program.layer_names[groups.layer[group]]]
        if name in codes and name in names
    }


def _range_of(program: Program, group: int) -> tuple[int, int]:
    """Least (at most 0) and largest (at least 1) value of a group."""
    modes = program.modes
    low, high = int(modes.act_low[group]), int(modes.act_high[group])
    if modes.lut[group] >= 0:
        table = program.luts[modes.lut[group]]
        low, high = int(table.min()), int(table.max())
    elif modes.activation[group] == ACTIVATION_CODES["relu"]:
        low = 0
    return min(low, 0), max(high, 1)


def _rounded(program: Program, books: Mapping[int, Book]) -> Program:
    """The program with a look-up table for every group whose values the code cannot carry."""
    modes, luts = program.modes, list(program.luts.reshape(-1, N_LUT))
    activation, row_of = modes.activation.copy(), modes.lut.copy()
    for group, book in books.items():
        kind, low = _table_kind(program, group)
        values = _values(program, group, np.arange(low, low + N_LUT))
        carried = book.carried[values - book.low]
        if (carried != values).any():
            same = [row for row, lut in enumerate(luts) if np.array_equal(lut, carried)]
            row_of[group], activation[group] = (same or [len(luts)])[0], ACTIVATION_CODES[kind]
            luts += [] if same else [carried.astype(np.int32)]
    if len(luts) == len(program.luts):
        return program
    modes = modes._replace(activation=activation, lut=row_of)
    return replace(program, modes=modes, luts=np.ascontiguousarray(luts, np.int32))


def _table_kind(program: Program, group: int) -> tuple[str, int]:
    """The look-up that covers the values of a group, and the first value that it looks up."""
    kind = program.modes.activation[group]
    signed = kind == ACTIVATION_CODES["lut"] or (
        kind != ACTIVATION_CODES["lut_unsigned"] and program.modes.act_low[group] < 0
    )
    return ("lut", -N_LUT // 2) if signed else ("lut_unsigned", 0)


def _values(program: Program, group: int, index: I64) -> I64:
    """What a group sends for every requantised potential."""
    modes = program.modes
    if modes.lut[group] >= 0:
        table: I64 = program.luts[modes.lut[group]].astype(np.int64)
        return table
    low = int(modes.act_low[group])
    least = max(0, low) if modes.activation[group] == ACTIVATION_CODES["relu"] else low
    return np.clip(index, least, int(modes.act_high[group]))


def _as_spikes(
    program: Program, flows: npt.NDArray[np.bool_], coded: npt.NDArray[np.bool_]
) -> tuple[Program, I64]:
    """The program with a flow of spikes beside every flow of coded values, and their numbers.

    Neurons of other layers in the same core may go on sending values, so both are kept.
    """
    packets, table = program.packets, program.flows
    owner = np.repeat(np.arange(program.n_neurons), np.diff(packets.owner_offset))
    recoded = flows[packets.flow] & coded[owner]
    old = np.unique(packets.flow[recoded])
    spike_flow = np.full(table.kind.size, -1, np.int64)
    spike_flow[old] = table.kind.size + np.arange(old.size)
    spikes = np.full(old.size, FLOW_KINDS["spike"], table.kind.dtype)
    link_offset, link = _appended(table.link_offset, table.link, old)
    target_offset, target = _appended(table.target_offset, table.target, old)
    doubled = table._replace(
        kind=np.concatenate([table.kind, spikes]),
        source=np.concatenate([table.source, table.source[old]]),
        link_offset=link_offset,
        link=link,
        target_offset=target_offset,
        target=target,
    )
    flow = packets.flow.copy()
    flow[recoded] = spike_flow[flow[recoded]]
    axon_kind = program.axons.kind.copy()
    deliveries = np.repeat(recoded, np.diff(packets.delivery_offset))
    axon_kind[packets.axon[deliveries]] = FLOW_KINDS["spike"]
    changed = replace(
        program,
        flows=doubled,
        packets=packets._replace(flow=flow),
        axons=program.axons._replace(kind=axon_kind),
    )
    return changed, spike_flow


def _appended(offset: Offsets, values: I32, rows: I32) -> tuple[I64, I32]:
    """Some rows of a table of offsets once more, behind it."""
    more = offset[-1] + np.cumsum(np.diff(offset)[rows])
    return np.concatenate([offset, more]), np.concatenate(
        [values, values[entries_of(offset, rows)[1]]]
    )


def _deliveries(program: Program) -> Deliveries:
    tables = (program.packets, program.input_packets)
    sizes = [np.diff(table.delivery_offset) for table in tables]
    counts = np.concatenate([*sizes, [0]]).astype(np.int64)
    return Deliveries(
        first_input=sizes[0].size,
        nothing=sizes[0].size + sizes[1].size,
        offset=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        axon=np.concatenate([table.axon for table in tables]).astype(np.int64),
        delay=np.concatenate([table.delay for table in tables]).astype(np.int64),
    )


def _ways(program: Program) -> Ways:
    resource_of_link, link = resources(program)
    flow = np.arange(program.flows.kind.size, dtype=np.int64)
    first, length, row = runs_of(program, flow, resource_of_link, link.size)
    order = np.argsort(row, kind="stable")
    first, length, row = first[order], length[order], row[order]
    at = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    sizes = np.bincount(row, weights=length, minlength=flow.size).astype(np.int64)
    return Ways(
        offset=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        resource=np.repeat(first, length) + at,
        link=link,
        cycles=resource_cycles(program, link),
        n_router_links=int((link[link >= 0] < N_DIRECTIONS * program.chip.n_cores).sum()),
    )
