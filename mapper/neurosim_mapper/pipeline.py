"""The whole mapping: a network and a chip in, a Program out. A table of contents.

Algorithms are arguments: a name from `PARTITIONERS` / `PLACERS`, or any function with the same
prototype.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.chip import Chip
from neurosim.chip_files import load_chip
from neurosim.errors import DoesNotFitError, UsageError
from neurosim.program import Program
from neurosim.program_check import check_program
from neurosim_mapper.assemble import assemble
from neurosim_mapper.mapping import Partition, Placement
from neurosim_mapper.network import Network
from neurosim_mapper.partition import PARTITIONERS, Partitioner
from neurosim_mapper.place import PLACERS, Placer
from neurosim_mapper.quantized import QuantizedNetwork
from neurosim_mapper.route import route_packets
from neurosim_mapper.schedule import schedule_layers
from neurosim_mapper.wiring import wire


def map_network(
    network: Network | QuantizedNetwork,
    chip: Chip | str | Path,
    calibration: npt.ArrayLike | None = None,
    seed: int = 0,
    *,
    partitioner: str | Partitioner = "tiles",
    placer: str | Placer = "row-major",
    **quantizer_options: Any,
) -> Program:
    """Quantize, partition, place, route and assemble; the result is checked against the chip.

    Parameters
    ----------
    network : a float network, or one that is quantized already.
    chip : a Chip, the name of a built-in one, or a chip file.
    calibration : inputs (samples, ticks, ...) that set the ranges of analog values.
    seed : of every random choice; the same arguments give byte-identical programs.
    quantizer_options : passed on to `quantize`.

    Raises
    ------
    DoesNotFitError : a limit of the chip is broken; the message names it.
    UnsupportedError : the network needs something that is not offered.
    """
    target = load_chip(chip)
    quantized = _quantized(network, target, calibration, quantizer_options)
    schedule = schedule_layers(quantized, target)
    partition = _named(PARTITIONERS, partitioner, "partitioner")(quantized, target, schedule)
    _check_core_count(partition, target)
    wiring = wire(quantized, partition, schedule)
    rng = np.random.default_rng(seed)
    placement = _named(PLACERS, placer, "placer")(wiring, target, rng)
    routes = route_packets(quantized, partition, wiring, placement, target)
    notes = _notes(partition, placement, target)
    program = assemble(
        quantized, partition, schedule, wiring, placement, routes, target, seed, notes
    )
    violations = check_program(program)
    if violations:
        raise DoesNotFitError(
            f"the mapped network breaks a rule of {target.name!r}: {violations[0]}"
        )
    return program


def _quantized(
    network: Network | QuantizedNetwork,
    chip: Chip,
    calibration: npt.ArrayLike | None,
    options: Mapping[str, Any],
) -> QuantizedNetwork:
    if not isinstance(network, QuantizedNetwork):
        from neurosim_mapper.quantizer import quantize

        return quantize(network, chip, calibration, **options)
    if calibration is not None or options:
        raise UsageError(
            "the network is quantized already; calibration and quantizer options come too late."
        )
    return network


def _named(family: Mapping[str, Any], choice: Any, what: str) -> Any:
    if callable(choice):
        return choice
    if choice not in family:
        raise UsageError(f"{what} is {choice!r}; known: {', '.join(family)}.")
    return family[choice]


def _check_core_count(partition: Partition, chip: Chip) -> None:
    needed, available = len(partition.cores), len(chip.usable_cores)
    if needed <= available:
        return
    per_chip = chip.grid.wide * chip.grid.high
    raise DoesNotFitError(
        f"the network needs {needed} cores, the chip {chip.name!r} has {available} "
        f"({chip.wide} x {chip.high}{', dead cores left out' if chip.dead_cores else ''}). "
        f"An array of {-(-needed // per_chip)} such chips would fit (array: in the chip file)."
    )


def _notes(partition: Partition, placement: Placement, chip: Chip) -> dict[str, Any]:
    return {
        "cores_used": len(partition.cores),
        "cores_available": len(chip.usable_cores),
        "fan_in_fragments": sum(g.owner is not None for g in partition.groups),
        **placement.notes,
    }
