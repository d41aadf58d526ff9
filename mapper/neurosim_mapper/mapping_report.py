"""The mapping report: plain JSON data, gathered step by step, complete even when mapping fails.

`map_network` stores it as ``Program.mapping``; on failure it travels as ``DoesNotFitError.report``.
The command line writes both as mapping_report.json. Keys::

    schema, chip, seed, layers_in_network, neurons
    changes            sentences of `legalize`: relays and other layers that were added
    pipeline_ticks     ticks from the first input to the first output
    layers             per layer: neurons, tile, tiles, fragments, cores it appears on, and how many
                       tile shapes were tried and rejected, by the limit that rejected them
    phases             1, or the phases of a tick of a folded network
    cores_used, cores_available, simple_bound, fan_in_fragments, utilisation
    shared_kernels     layers with shared kernels: `neurosim.program.kernels.kernel_facts`
    routing_table      most and mean entries per core and per router, which router, and the limits
                       of the chip (null: none): `neurosim.program.routing_check.routing_facts`
    routing_tries      on failure: cuts of the layers that were tried, and their fullest tables
    placement_tries    on failure: placers that were tried, and their fullest router tables
    relay_chains       with noc.multicast relay: `neurosim.links.chains.chain_facts`, and how many
                       sets of listeners get a packet each: ``shorter_alone``, ``could_deadlock``
    placement          cost, lower bound, gap and baselines: `neurosim_mapper.place.report`
    fits, reason       the sentence of the error, if any
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from neurosim.chip.model import Chip, Size
from neurosim.chip.rules import address_problems
from neurosim.errors import DoesNotFitError
from neurosim.program.check import Violation
from neurosim_mapper.mapping import Partition
from neurosim_mapper.phases import phases_needed
from neurosim_mapper.quantized import QuantizedNetwork

MAPPING_REPORT_SCHEMA: Final = "neurosim-mapping-report/1"


def start_report(chip: Chip, seed: int) -> dict[str, Any]:
    """What is known before the first step."""
    return {"schema": MAPPING_REPORT_SCHEMA, "chip": chip.name, "seed": seed}


def network_rows(network: QuantizedNetwork) -> dict[str, Any]:
    """Sizes of the network in integers."""
    return {
        "layers_in_network": len(network.layers),
        "neurons": sum(layer.n_neurons for layer in network.layers),
    }


def partition_rows(network: QuantizedNetwork, partition: Partition, chip: Chip) -> dict[str, Any]:
    """Cores in total and per layer, and how full they are."""
    cores_of: dict[str, int] = {layer.name: 0 for layer in network.layers}
    axons = np.zeros(len(partition.cores), np.int64)
    neurons = np.zeros(len(partition.cores), np.int64)
    for number, core in enumerate(partition.cores):
        for name in {group.layer for group in core}:
            cores_of[name] += 1
        axons[number] = sum(s.size for g in core for _, s in g.inputs)
        neurons[number] = sum(g.neurons.size for g in core)
    search = {row["layer"]: row for row in partition.search}
    total = sum(layer.n_neurons for layer in network.layers)
    n = max(len(partition.cores), 1)
    return {
        "layers": [
            {"layer": name, **search.get(name, {}), "cores": count}
            for name, count in cores_of.items()
        ],
        "cores_used": len(partition.cores),
        "cores_available": len(chip.usable_cores),
        "simple_bound": -(-total // chip.core.neurons),
        "fan_in_fragments": sum(g.owner is not None for g in partition.groups),
        "utilisation": {
            "axons": round(float(np.minimum(axons / chip.core.axons, 1).sum() / n), 4),
            "neurons": round(float((neurons / chip.core.neurons).sum() / n), 4),
        },
    }


def check_core_count(partition: Partition, chip: Chip) -> None:
    """Raise DoesNotFitError, with the smallest array that fits, if there are too few cores."""
    needed, available = len(partition.cores), len(chip.usable_cores)
    if needed <= available:
        return
    raise DoesNotFitError(too_many_cores(needed, chip, phases_needed(partition, chip)))


def too_many_cores(needed: int, chip: Chip, phases: int | None) -> str:
    """The sentence about a network that needs more cores than there are.

    Parameters
    ----------
    phases : in which it would fit folded; None if it cannot be folded.
    """
    available = len(chip.usable_cores)
    dead = chip.n_cores - available
    per_chip = chip.grid.wide * chip.grid.high
    wide, high = smallest_array(needed + dead, chip)
    if wide * high == 2:
        remedy = "two chips side by side fit"
    else:
        remedy = f"{wide * high} chips as an array of {wide} x {high} fit"
    shape = f"{chip.grid.wide}x{chip.grid.high}"
    have = (
        f"a {shape} chip has {per_chip} core{'s' if per_chip > 1 else ''}"
        if chip.n_chips == 1
        else f"{chip.n_chips} chips of {shape} have {chip.n_cores} cores"
    )
    return (
        f"the network needs {needed} cores, the chip {chip.name!r} has {available}: {have}"
        f"{f', {dead} of them dead' if dead else ''}, this needs {needed}: {remedy} "
        f"(array: {{wide: {wide}, high: {high}}} in the chip file"
        f"{_wider_fields(wide, high, chip)})."
        f"{f' Or fold it: {phases} phases per tick fit this chip (--fold auto).' if phases else ''}"
    )


def _wider_fields(wide: int, high: int, chip: Chip) -> str:
    """What the addresses in packets need for such an array, if that is more than they have."""
    larger = chip.model_copy(update={"array": Size(wide=wide, high=high)})
    sentences = [sentence for _, sentence in address_problems(larger)]
    return "".join(f", {s.split(' for ')[0].removeprefix('needs ')}" for s in sentences)


_REMEDIES: Final = {
    "core.accumulator_bits": "That many core.accumulator_bits, or fewer weight_bits, would fit.",
    "core.weight_bits": "Quantize again with the weight_bits of this chip.",
    "core.membrane_bits": "A smaller weight_shift, or a wider core.membrane_bits, would fit.",
    "core.max_weight_shift": "Quantize again for this chip, or with a smaller weight_shift.",
    "core.decay_bits": "Quantize again for this chip, or choose one with more core.decay_bits.",
    "core.soma_models": "Choose a chip whose core.soma_models names it.",
    "core.input_kinds": "Choose a chip whose cores take both kinds of packets.",
    "core.output_kinds": "Choose a chip whose cores send both kinds of packets.",
    "core.routing_entries": "It is the fullest: a chip with that many core.routing_entries fits.",
    "noc.router_entries": "It is the fullest: a chip with that many noc.router_entries fits.",
    "core.destinations_per_neuron": "A chip with more destinations per neuron would fit.",
}


def broken_rule(violation: Violation, chip: Chip) -> str:
    """The sentence about a mapped program that its chip cannot load."""
    remedy = _REMEDIES.get(violation.rule, "")
    return f"the mapped network breaks a rule of {chip.name!r}: {violation} {remedy}".rstrip()


def smallest_array(n_cores: int, chip: Chip) -> tuple[int, int]:
    """(wide, high) of the smallest array of such chips with `n_cores`, as square as possible."""
    n_chips = -(-n_cores // (chip.grid.wide * chip.grid.high))
    shapes = [
        (wide * high, abs(wide * chip.grid.wide - high * chip.grid.high), -wide, wide, high)
        for wide in range(1, n_chips + 1)
        for high in (-(-n_chips // wide),)
        if max(wide, high) <= 4 * min(wide, high) or n_chips <= 3
    ]
    best = min(shapes)
    return best[3], best[4]
