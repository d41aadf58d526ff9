"""Faults that another Program can express: flipped bits of weights, stuck neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.errors import UsageError
from neurosim.faults.draw import core_of, drawn, found_any, neurons_of, place
from neurosim.faults.kernels import flip_kernels, kernel_cells
from neurosim.faults.spec import BETWEEN_TICKS, Fault
from neurosim.fixed_point import signed_limits
from neurosim.program.columns import MODEL_CODES, SYNAPSE_FORMATS, Program
from neurosim.soma.liaf import ACTIVATION_CODES, OUTPUT_CODES

I64 = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Injected:
    """A program with faults, and each of them in words.

    Attributes
    ----------
    later : faults that a program cannot express; `neurosim.faults.run` brings them about.
    """

    program: Program
    hits: tuple[str, ...]
    later: tuple[Fault, ...]


def inject(program: Program, faults: Sequence[Fault]) -> Injected:
    """The program with all faults of weights and neurons, checked against its chip.

    Raises
    ------
    UsageError : a fault names a place that is not there, hits what it cannot hit, or breaks a
        proof of the chip, such as the width of a sum.
    """
    hits: list[str] = []
    later = []
    for fault in faults:
        if fault.kind in BETWEEN_TICKS:
            later.append(fault)
            continue
        how = _flip_weights if fault.kind == "weights" else _stick
        program, found = how(program, fault)
        hits += found
    if program.violations:
        raise UsageError(f"with these faults the program breaks a rule: {program.violations[0]}")
    return Injected(program, tuple(hits), tuple(later))


def _stick(program: Program, fault: Fault) -> tuple[Program, list[str]]:
    candidates = neurons_of(program, fault)
    hit = candidates[drawn(candidates.size, fault, np.random.default_rng(fault.seed))]
    group = program.group_of(hit)
    if (program.groups.model[group] != MODEL_CODES["liaf"]).any():
        raise UsageError(f"fault {fault.text!r}: only LIF and LIAF neurons can be stuck.")
    analog = program.modes.output[group] == OUTPUT_CODES["analog"]
    low, high = signed_limits(program.chip.core.membrane_bits)
    theta, mult = program.neurons.theta.copy(), program.neurons.act_mult.copy()
    if fault.kind == "firing":
        if analog.any() or (program.modes.n_max[group] > 1).any():
            raise UsageError(
                f"fault {fault.text!r}: {place(program, int(hit[0]))} or another sends values or "
                "several spikes per tick; only neurons with one spike per tick can fire for ever."
            )
        theta[hit] = low
    else:
        tables = (ACTIVATION_CODES["lut"], ACTIVATION_CODES["lut_unsigned"])
        if np.isin(program.modes.activation[group[analog]], tables).any():
            raise UsageError(
                f"fault {fault.text!r}: a neuron with a table for its activation cannot be silent."
            )
        theta[hit] = high + 1
        mult[hit] = np.where(analog, 0, mult[hit])
    neurons = program.neurons._replace(theta=theta, act_mult=mult)
    words = [f"{fault.kind}: {place(program, int(neuron))}" for neuron in hit]
    return replace(program, neurons=neurons), words


@dataclass(frozen=True)
class _Weights:
    """Candidates of one pool: where each stored weight is, and whose it is."""

    pool: str
    index: I64
    axon: I64  # global
    neuron: I64  # global


def _flip_weights(program: Program, fault: Fault) -> tuple[Program, list[str]]:
    n_bits = program.chip.core.weight_bits
    bits = np.arange(n_bits)
    if "bit" in fault.where:
        bits = found_any(bits[bits == fault.where["bit"]], fault)
    rng, synapses, words = np.random.default_rng(fault.seed), program.synapses, []
    tables = [_chosen(program, weights, fault) for weights in (_dense(program), _sparse(program))]
    cells = kernel_cells(program, fault)
    if not any(table.index.size for table in tables) and not cells.size:
        found_any(np.zeros(0, np.int64), fault)
    for table in tables:
        hit = drawn(table.index.size * bits.size, fault, rng)
        row, bit = hit // bits.size, bits[hit % bits.size]
        pool = getattr(synapses, table.pool).copy()
        flipped = pool[table.index].astype(np.int64) & ((1 << n_bits) - 1)
        np.bitwise_xor.at(flipped, row, 1 << bit)
        sign = 1 << (n_bits - 1)
        pool[table.index] = ((flipped ^ sign) - sign).astype(pool.dtype)
        synapses = synapses._replace(**{table.pool: pool})
        words += [_weight_words(program, table, r, b) for r, b in zip(row, bit, strict=True)]
    changed = replace(program, synapses=synapses)
    changed = replace(changed, axons=changed.axons._replace(synapses=_counted(changed)))
    if not cells.size:
        return changed, words
    changed, more = flip_kernels(changed, cells, bits, fault, rng)
    return changed, words + more


def _weight_words(program: Program, table: _Weights, row: int, bit: int) -> str:
    neuron = int(table.neuron[row])
    core = int(core_of(program, np.array([neuron]))[0])
    axon = int(table.axon[row]) - int(program.cores.axon_offset[core])
    return f"weights: {place(program, neuron)}, axon {axon}, bit {bit}"


def _chosen(program: Program, table: _Weights, fault: Fault) -> _Weights:
    cores = program.cores
    core = core_of(program, table.neuron)
    own: dict[str, Any] = {
        "core": core,
        "axon": table.axon - cores.axon_offset[core],
        "neuron": table.neuron - cores.neuron_offset[core],
    }
    keep = np.ones(table.index.size, np.bool_)
    for name, column in own.items():
        if name in fault.where:
            keep &= column == fault.where[name]
    return _Weights(table.pool, table.index[keep], table.axon[keep], table.neuron[keep])


def _cores_with(program: Program, synapse_format: str) -> list[int]:
    code = SYNAPSE_FORMATS[synapse_format]
    return [int(core) for core in np.flatnonzero(program.cores.synapse_format == code)]


def _dense(program: Program) -> _Weights:
    """Every cell of every dense block, those of 0 included: the memory is there."""
    parts = []
    for core in _cores_with(program, "dense"):
        axons = np.arange(*program.cores.axon_offset[core : core + 2])
        neurons = np.arange(*program.cores.neuron_offset[core : core + 2])
        first = int(program.cores.dense_offset[core])
        index = first + np.arange(axons.size * neurons.size)
        parts.append((index, np.repeat(axons, neurons.size), np.tile(neurons, axons.size)))
    return _table("dense", parts)


def _sparse(program: Program) -> _Weights:
    """Every stored synapse of every sparse core."""
    parts, offset = [], program.axons.row_offset
    for core in _cores_with(program, "sparse"):
        axons = np.arange(*program.cores.axon_offset[core : core + 2])
        index = np.arange(offset[axons[0]], offset[axons[-1] + 1]) if axons.size else axons
        axon = np.repeat(axons, np.diff(offset[axons[0] : axons[-1] + 2])) if axons.size else axons
        target = program.synapses.target[index].astype(np.int64)
        parts.append((index, axon, program.cores.neuron_offset[core] + target))
    return _table("weight", parts)


def _table(pool: str, parts: list[tuple[Any, Any, Any]]) -> _Weights:
    if not parts:
        nothing = np.zeros(0, np.int64)
        return _Weights(pool, nothing, nothing, nothing)
    columns = (np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True))
    return _Weights(pool, *columns)


def _counted(program: Program) -> npt.NDArray[np.int32]:
    """Connected synapses of every axon, counted again."""
    count = program.axons.synapses.copy()
    for table in (_dense(program), _sparse(program)):
        if table.index.size:
            count[np.unique(table.axon)] = 0
            connected = getattr(program.synapses, table.pool)[table.index] != 0
            np.add.at(count, table.axon[connected], 1)
    return count
