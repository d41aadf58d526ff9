"""What of a Program a code changes: which packets become spike trains, of which book."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim.image_traffic import resources, runs_of
from neurosim.program import FLOW_KINDS, MODEL_CODES, Program
from neurosim.recoding.codes import Book, SpikeCode
from neurosim.soma.liaf import ACTIVATION_CODES

I64 = npt.NDArray[np.int64]

N_LUT: Final = 256
"""Entries of a look-up table."""
RECODING: Final = "recoding"
"""Entry of ``Program.mapping``: the code of a program whose values travel as spikes."""


@dataclass(frozen=True)
class Plan:
    """A program and a code.

    Attributes
    ----------
    program : as it is simulated, with values, rounded to what the code carries. priced : the same
        with the packets that it sends.
    is_coded : (n_flows,) flows whose packets become spikes.
    train_base : (n_neurons,) row of `trains` that a value of 0 has.
    trains : (n_values of all books, n_subticks) spikes.
    """

    program: Program
    priced: Program
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
        return _ways(self.program)


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
    """Resources (`neurosim.image_traffic`) that each flow loads."""

    offset: I64  # (n_flows + 1,)
    resource: I64
    link: I64  # (n_resources,) number, -1 for a local port
    n_router_links: int


def plan_recoding(program: Program, code: SpikeCode) -> Plan:
    """Round what cores send each other to what `code` carries, and find its spike trains.

    Raises UsageError if no core sends values to another.
    """
    coded = _value_flows(program)
    if not coded.any():
        raise UsageError(f"no layer sends values to another; {code} has nothing to carry.")
    groups = _coding_groups(program, coded)
    books = {range_: code.book(*range_) for range_ in {_range_of(program, g) for g in groups}}
    width = max(book.spikes.shape[1] for book in books.values())
    trains = np.zeros((sum(len(book.spikes) for book in books.values()), width), np.bool_)
    starts, at = {}, 0
    for range_, book in books.items():
        starts[range_] = at
        trains[at : at + len(book.spikes), : book.spikes.shape[1]] = book.spikes
        at += len(book.spikes)
    base = np.zeros(program.n_neurons, np.int64)
    for group in groups:
        range_ = _range_of(program, group)
        start, stop = program.groups.neuron_start[group], program.groups.neuron_stop[group]
        base[start:stop] = starts[range_] - range_[0]
    rounded = _rounded(program, groups, books)
    priced = replace(_as_spikes(rounded, coded), mapping={**program.mapping, RECODING: str(code)})
    return Plan(rounded, priced, coded, base, trains)


def sends_values(program: Program) -> bool:
    """Whether cores send values to cores: what a code can replace."""
    return bool(_value_flows(program).any())


def _value_flows(program: Program) -> npt.NDArray[np.bool_]:
    flows = program.flows
    analog = (flows.kind == FLOW_KINDS["analog"]) & (flows.source >= 0)
    found: npt.NDArray[np.bool_] = analog & (np.diff(flows.target_offset) > 0)
    return found


def _coding_groups(program: Program, coded: npt.NDArray[np.bool_]) -> list[int]:
    """Groups of every layer with a neuron that sends on a coded flow."""
    groups = program.groups
    owner = np.repeat(np.arange(program.n_neurons), np.diff(program.packets.owner_offset))
    senders = np.unique(owner[coded[program.packets.flow]])
    layers = groups.layer[np.searchsorted(groups.neuron_start, senders, side="right") - 1]
    found: list[int] = np.flatnonzero(
        np.isin(groups.layer, layers) & (groups.model == MODEL_CODES["liaf"])
    ).tolist()
    return found


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


def _rounded(program: Program, groups: list[int], books: dict[tuple[int, int], Book]) -> Program:
    """The program with a look-up table for every group whose values the code cannot carry."""
    modes, luts = program.modes, list(program.luts.reshape(-1, N_LUT))
    activation, row_of = modes.activation.copy(), modes.lut.copy()
    for group in groups:
        kind, low = _table_kind(program, group)
        values = _values(program, group, np.arange(low, low + N_LUT))
        book = books[_range_of(program, group)]
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


def _as_spikes(program: Program, coded: npt.NDArray[np.bool_]) -> Program:
    """The program with spikes on the coded flows and at the axons that they reach."""
    packets, deliveries = program.packets, np.diff(program.packets.delivery_offset)
    axons = packets.axon[np.repeat(coded[packets.flow], deliveries)]
    flow_kind, axon_kind = program.flows.kind.copy(), program.axons.kind.copy()
    flow_kind[coded] = FLOW_KINDS["spike"]
    axon_kind[axons] = FLOW_KINDS["spike"]
    return replace(
        program,
        flows=program.flows._replace(kind=flow_kind),
        axons=program.axons._replace(kind=axon_kind),
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
        n_router_links=int((link[link >= 0] < 4 * program.chip.n_cores).sum()),
    )
