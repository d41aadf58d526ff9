"""The judge of a Program: every rule of the chip that it breaks, by name.

Enters: a Program, from the mapper, from a file, or hand-made. Leaves: a list of `Violation`, empty
when the chip could load it. What the compiled simulator relies on (ids in range, sums that fit
32 bits) is checked here, so that no kernel has to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.fixed_point import signed_limits
from neurosim.links.chains import check_chains
from neurosim.links.flow_links import implied_flows
from neurosim.program.columns import FLOW_KINDS, MODEL_CODES, SYNAPSE_FORMATS, Program
from neurosim.program.input_bounds import crossbar_words, input_bounds
from neurosim.program.kernel_check import check_kernels, kernel_columns
from neurosim.program.kernels import kernel_memory_bytes, stored_weights
from neurosim.program.mode_check import check_modes, outside
from neurosim.program.place_check import check_phases, check_places, phase_columns
from neurosim.program.routing_check import check_routing
from neurosim.program.violation import Violation as Violation
from neurosim.soma.liaf import OUTPUT_CODES
from neurosim.soma.truenorth import N_TYPES

_ONES: Final = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).sum(
    axis=1, dtype=np.uint8
)
"""Set bits of every byte."""


def check_program(program: Program) -> list[Violation]:
    """Every violation, at most one per rule and core."""
    structure = list(_check_structure(program))
    if structure:
        return structure
    return [violation for rule in _RULES for violation in rule(program)]


def synapse_memory_bytes(program: Program) -> npt.NDArray[np.int64]:
    """Per core, the memory of its synapse block: axons x neurons cells (a crossbar).

    A cell holds a weight, or one bit where the weights belong to neurons and axon types. A core
    with shared kernels holds these, and for every axon where its source lies.
    """
    cells = np.diff(program.cores.axon_offset) * np.diff(program.cores.neuron_offset)
    bits = round(program.chip.synapse_bytes * 8)
    shared = program.cores.synapse_format == SYNAPSE_FORMATS["kernel"]
    return np.where(shared, kernel_memory_bytes(program), -(-cells * bits // 8))


# --- structure: what makes the columns one consistent program ----------------------------------


def _check_structure(program: Program) -> Iterator[Violation]:
    cores, packets, flows = program.cores, program.packets, program.flows
    n, a, c = program.n_neurons, program.n_axons, program.n_cores
    n_inputs = int(np.prod(program.input_shape))
    n_flows, n_groups = flows.kind.size, program.groups.core.size
    yield from _offsets("cores.axon_offset", cores.axon_offset, c, a)
    yield from _offsets("cores.neuron_offset", cores.neuron_offset, c, n)
    yield from _offsets("cores.group_offset", cores.group_offset, c, n_groups)
    yield from _offsets(
        "axons.row_offset", program.axons.row_offset, a, program.synapses.target.size
    )
    yield from _offsets("flows.link_offset", flows.link_offset, n_flows, flows.link.size)
    yield from _offsets("flows.target_offset", flows.target_offset, n_flows, flows.target.size)
    yield from _offsets(
        "layers.offset", program.layers.offset, len(program.layer_names), program.layers.neuron.size
    )
    for name, table, owners in (
        ("packets", packets, n),
        ("input_packets", program.input_packets, n_inputs),
    ):
        yield from _offsets(f"{name}.owner_offset", table.owner_offset, owners, table.flow.size)
        yield from _offsets(
            f"{name}.delivery_offset", table.delivery_offset, table.flow.size, table.axon.size
        )
        yield from _ids(f"{name}.flow", table.flow, 0, n_flows)
        yield from _ids(f"{name}.axon", table.axon, 0, a)
        yield from _ids(f"{name}.delay", table.delay, 0 if table is not packets else 1, 1 << 20)
    for name, codes, known in (
        ("cores.synapse_format", cores.synapse_format, SYNAPSE_FORMATS),
        ("groups.model", program.groups.model, MODEL_CODES),
        ("axons.kind", program.axons.kind, FLOW_KINDS),
        ("flows.kind", flows.kind, FLOW_KINDS),
    ):
        yield from _ids(name, codes, 0, len(known))
    yield from _ids("groups.layer", program.groups.layer, -1, len(program.layer_names))
    yield from _ids("flows.link", flows.link, 0, program.n_links)
    yield from _ids("flows.source", flows.source, -1, c)
    yield from _ids("flows.target", flows.target, 0, c)
    yield from _ids("groups.psum_target", program.groups.psum_target, -1, n)
    yield from _ids("groups.psum_flow", program.groups.psum_flow, -1, n_flows)
    yield from _ids("layers.neuron", program.layers.neuron, 0, n)
    yield from _ids("modes.lut", program.modes.lut, -1, len(program.luts))
    yield from _ids("output_layer", np.array([program.output_layer]), 0, len(program.layer_names))
    yield from _ids(
        "truenorth_neurons.parameters",
        program.truenorth_neurons.parameters,
        0,
        program.truenorth.leak.size,
    )
    yield from phase_columns(program)
    yield from kernel_columns(program)
    yield from _blocks_lie_inside(program)
    yield from _models_fit(program)
    if program.chip.noc_section.topology == "torus" and implied_flows(program).any():
        yield Violation("structure", "flows.link", "links for every flow of a torus", "none listed")


def _models_fit(program: Program) -> Iterator[Violation]:
    """Crossbars have TrueNorth neurons, in one group per core; all others have LIAF columns."""
    groups, cores = program.groups, program.cores
    n, hard = program.n_neurons, groups.model == MODEL_CODES["truenorth"]
    cuba = groups.model == MODEL_CODES["cuba"]
    crossbar = cores.synapse_format == SYNAPSE_FORMATS["crossbar"]
    if (crossbar[groups.core] != hard).any():
        yield Violation("structure", "groups.model", "truenorth on crossbar cores only", "another")
    if (np.diff(cores.group_offset)[crossbar] != 1).any():
        yield Violation("structure", "cores.group_offset", "several groups", "1 on a crossbar core")
    if program.synapses.crossbar.size < _crossbar_words(program)[crossbar].sum():
        return
    for name, size, needed in (
        ("neurons.theta", program.neurons.theta.size, n if not hard.all() else 0),
        ("cuba.alpha_syn", program.cuba.alpha_syn.size, n if cuba.any() else 0),
        ("truenorth_neurons", program.truenorth_neurons.v_start.size, n if hard.any() else 0),
        ("axons.type", program.axons.type.size, program.n_axons if hard.any() else 0),
    ):
        if size != needed:
            yield Violation("structure", name, f"{needed} rows", f"{size} rows")
    if hard.any() and not _counts_agree(program, crossbar):
        yield Violation("structure", "axons.synapses", "the bits of every row", "another number")
    if program.axons.type.size and program.axons.type.max() >= N_TYPES:
        yield Violation("structure", "axons.type", f"{program.axons.type.max()}", f"{N_TYPES - 1}")


def _crossbar_words(program: Program) -> npt.NDArray[np.int64]:
    """Per core, words that a crossbar of its size has."""
    neurons = np.diff(program.cores.neuron_offset)
    words: npt.NDArray[np.int64] = np.diff(program.cores.axon_offset) * -(-neurons // 64)
    return words


def _counts_agree(program: Program, crossbar: npt.NDArray[np.bool_]) -> bool:
    """Whether `axons.synapses` of crossbar cores are the bits of their rows, none behind them."""
    cores, n_neurons = program.cores, np.diff(program.cores.neuron_offset)
    for core in np.flatnonzero(crossbar):
        a0, a1 = cores.axon_offset[core : core + 2]
        words, n = crossbar_words(program, int(core)), int(n_neurons[core])
        beyond = words[:, -1:] >> np.uint64(n % 64) if n % 64 else words[:0]
        found = _ONES[np.ascontiguousarray(words).view(np.uint8)].sum(axis=1, dtype=np.int64)
        if beyond.any() or (found != program.axons.synapses[a0:a1]).any():
            return False
    return True


def _offsets(name: str, offset: npt.NDArray[Any], n_rows: int, end: int) -> Iterator[Violation]:
    good = offset.size == n_rows + 1 and offset[0] == 0 and offset[-1] == end
    if not (good and (np.diff(offset) >= 0).all()):
        yield Violation(
            "structure",
            name,
            f"{n_rows + 1} ascending offsets from 0 to {end}",
            f"{offset.size} offsets, last {offset[-1] if offset.size else None}",
        )


def _ids(name: str, ids: npt.NDArray[Any], low: int, stop: int) -> Iterator[Violation]:
    if ids.size and (ids.min() < low or ids.max() >= stop):
        yield Violation(
            "structure", name, f"ids from {ids.min()} to {ids.max()}", f"{low}..{stop - 1}"
        )


def _blocks_lie_inside(program: Program) -> Iterator[Violation]:
    cores = program.cores
    neurons = np.diff(cores.neuron_offset)
    cells = np.diff(cores.axon_offset) * neurons
    dense = cores.synapse_format == SYNAPSE_FORMATS["dense"]
    ends = (cores.dense_offset + cells)[dense]
    if ends.size and (ends.max() > program.synapses.dense.size or cores.dense_offset.min() < 0):
        yield Violation(
            "structure",
            "cores.dense_offset",
            f"{ends.max()} weights",
            f"{program.synapses.dense.size} stored",
        )
    stop_of_axon = np.repeat(neurons.astype(np.int32), np.diff(cores.axon_offset))
    stop = np.repeat(stop_of_axon, np.diff(program.axons.row_offset))
    if (program.synapses.target >= stop).any():
        yield Violation(
            "structure", "synapses.target", "neurons of the same core", "a target outside"
        )


# --- rules: what the chip demands ---------------------------------------------------------------


def _per_core(
    program: Program, rule: str, needed: npt.NDArray[Any], limit: npt.ArrayLike, unit: str
) -> Iterator[Violation]:
    limits = np.broadcast_to(limit, needed.shape)
    for core in np.flatnonzero(needed > limits):
        where = f"core {core} at ({program.cores.x[core]}, {program.cores.y[core]})"
        yield Violation(rule, where, f"{needed[core]} {unit}", f"{limits[core]}")


def _most_axons(program: Program) -> npt.NDArray[np.int64]:
    """(n_cores,) axons of each core at most; axon_merge doubles them per halving of its neurons."""
    core = program.chip.core
    most = np.full(program.n_cores, core.axons, np.int64)
    if core.fan_in_extension == "axon_merge":
        share = core.neurons // np.maximum(np.diff(program.cores.neuron_offset), 1)
        most <<= np.log2(np.maximum(share, 1)).astype(np.int64)
    return most


def _core_limits(program: Program) -> Iterator[Violation]:
    core = program.chip.core
    yield from _per_core(
        program, "core.axons", np.diff(program.cores.axon_offset), _most_axons(program), "axons"
    )
    yield from _per_core(
        program, "core.neurons", np.diff(program.cores.neuron_offset), core.neurons, "neurons"
    )
    synapses = np.bincount(
        np.repeat(np.arange(program.n_cores), np.diff(program.cores.axon_offset)),
        program.axons.synapses,
        program.n_cores,
    ).astype(np.int64)
    shared = program.cores.synapse_format == SYNAPSE_FORMATS["kernel"]
    synapses = np.where(shared, stored_weights(program), synapses)
    yield from _per_core(program, "core.synapses", synapses, core.synapses, "synapses")
    yield from _per_core(
        program,
        "core.synapse_memory_bytes",
        synapse_memory_bytes(program),
        core.synapse_memory_bytes,
        "bytes",
    )


def _weights(program: Program) -> Iterator[Violation]:
    low, high = signed_limits(program.chip.core.weight_bits)
    for pool in (program.synapses.dense, program.synapses.weight, program.kernels.weight):
        if pool.size and (pool.min() < low or pool.max() > high):
            yield Violation(
                "core.weight_bits", "the weights", f"{pool.min()}..{pool.max()}", f"{low}..{high}"
            )


def _soma(program: Program) -> Iterator[Violation]:
    core = program.chip.core
    for model in ("liaf", "cuba", "truenorth"):
        used = (program.groups.model == MODEL_CODES[model]).any()
        if used and model not in core.soma_models:
            yield Violation("core.soma_models", "the program", model, ", ".join(core.soma_models))
    yield from _truenorth_ranges(program)
    low, high = signed_limits(core.membrane_bits)
    columns = program.neurons
    for name in ("bias", "v_reset", "beta", "v_start", "floor", "rho", "rho_post"):
        values = getattr(columns, name)
        yield from outside("core.membrane_bits", f"neurons.{name}", values, low, high)
    for name in ("theta", "act_subtract"):  # "U > the largest potential" is a theta, too
        values = getattr(columns, name)
        yield from outside("core.membrane_bits", f"neurons.{name}", values, low, high + 1)
    limit = 1 << core.decay_bits
    for name, decay in (
        ("neurons.alpha_num", columns.alpha_num),
        ("cuba.alpha_syn", program.cuba.alpha_syn),
    ):
        yield from outside("core.decay_bits", name, decay, -limit, limit)


def _truenorth_ranges(program: Program) -> Iterator[Violation]:
    core, sets = program.chip.core, program.truenorth
    _, high = signed_limits(core.membrane_bits)
    weights = signed_limits(core.weight_bits)
    membrane = (-high - 1, high)
    ranges = {
        "weight": ("core.weight_bits", *weights),
        "leak": ("core.weight_bits", *weights),
        "threshold": ("core.membrane_bits", 0, high),
        "negative_threshold": ("core.membrane_bits", 0, high),
        "threshold_mask": ("core.membrane_bits", 0, high),
        "reset_value": ("core.membrane_bits", -high, high),
        "reset_mode": ("structure", 0, 2),
        "synapse_stochastic": ("structure", 0, 1),
        "leak_stochastic": ("structure", 0, 1),
        "leak_reversal": ("structure", 0, 1),
        "saturate": ("structure", 0, 1),
    }
    for name, (rule, least, most) in ranges.items():
        yield from outside(rule, f"truenorth.{name}", getattr(sets, name), least, most)
    start = program.truenorth_neurons.v_start
    yield from outside("core.membrane_bits", "truenorth_neurons.v_start", start, *membrane)


def _sums(program: Program) -> Iterator[Violation]:
    """Sums of one core fit the accumulator; an owner may add one bit per doubling of fragments."""
    synapses = program.synapses
    if not (synapses.dense.size or synapses.target.size or program.kernels.n_tiles):
        return
    low, high = input_bounds(program)
    bits = program.chip.core.accumulator_bits
    least, most = signed_limits(bits)
    if ((low < least) | (high > most)).any():
        worst = int(np.maximum(-1 - low, high).argmax())
        needed = 1 + max(-1 - int(low[worst]), int(high[worst])).bit_length()
        core = int(np.searchsorted(program.cores.neuron_offset, worst, side="right") - 1)
        yield Violation(
            "core.accumulator_bits",
            f"neuron {worst} of core {core}",
            f"{needed} bits for sums from {low[worst]} to {high[worst]}",
            f"{bits} bits, {least}..{most}",
        )


def _packets(program: Program) -> Iterator[Violation]:
    core = program.chip.core
    if program.packets.delay.size and program.packets.delay.max() > core.max_delay_ticks:
        yield Violation(
            "core.max_delay_ticks",
            "packets.delay",
            f"{program.packets.delay.max()} ticks",
            f"{core.max_delay_ticks}",
        )
    sent = np.diff(program.packets.owner_offset)
    if (
        core.destinations_per_neuron is not None
        and sent.size
        and sent.max() > core.destinations_per_neuron
    ):
        yield Violation(
            "core.destinations_per_neuron",
            f"neuron {int(sent.argmax())}",
            f"{sent.max()} destinations",
            f"{core.destinations_per_neuron}",
        )
    used = {kind for kind, code in FLOW_KINDS.items() if (program.axons.kind == code).any()}
    for kind in sorted(used - set(core.input_kinds)):
        yield Violation(
            "core.input_kinds", "an axon", f"{kind} packets", ", ".join(core.input_kinds)
        )
    sent_kinds = {
        k
        for k, code in OUTPUT_CODES.items()
        if (program.modes.output[_somas(program)] == code).any()
    }
    for kind in sorted(sent_kinds - set(core.output_kinds)):
        yield Violation(
            "core.output_kinds", "a layer", f"{kind} packets", ", ".join(core.output_kinds)
        )
    if core.fan_in_extension != "psum_hw" and not _somas(program).all():
        yield Violation(
            "core.fan_in_extension", "a fan-in fragment", "psum_hw", core.fan_in_extension
        )


def _somas(program: Program) -> npt.NDArray[np.bool_]:
    somas: npt.NDArray[np.bool_] = program.groups.psum_target < 0
    return somas


_RULES: Final[tuple[Callable[[Program], Iterator[Violation]], ...]] = (
    _core_limits,
    check_modes,
    check_places,
    check_phases,
    check_kernels,
    _weights,
    _soma,
    _sums,
    _packets,
    check_routing,
    check_chains,
)
