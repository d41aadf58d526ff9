"""The whole mapping: a network and a chip in, a Program out. A table of contents.

Algorithms are arguments: a name from `PARTITIONERS` / `PLACERS`, or any function with the same
prototype.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from neurosim.chip.files import load_chip
from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UnsupportedError, UsageError
from neurosim.links.chains import chain_facts
from neurosim.program.check import check_program
from neurosim.program.columns import Program
from neurosim.program.kernels import kernel_facts
from neurosim.program.routing_check import routing_facts
from neurosim_mapper.assemble import assemble
from neurosim_mapper.legalize import legalize
from neurosim_mapper.mapping_report import (
    broken_rule,
    check_core_count,
    network_rows,
    partition_rows,
    start_report,
)
from neurosim_mapper.network import Network
from neurosim_mapper.partition import PARTITIONERS, Partitioner
from neurosim_mapper.partition.kernels import ConvMode, chip_for
from neurosim_mapper.phases import Fold, assign_phases, check_fold, spare_phases
from neurosim_mapper.place import Pins, Placer, Placing, calibrated_rates, placement_problem
from neurosim_mapper.quantized import QuantizedNetwork
from neurosim_mapper.schedule import schedule_layers
from neurosim_mapper.tables import place_within_tables, wire_within_tables


def map_network(
    network: Network | QuantizedNetwork,
    chip: Chip | str | Path,
    calibration: npt.ArrayLike | None = None,
    seed: int = 0,
    *,
    partitioner: str | Partitioner = "tiles",
    placer: str | Placer = "annealing",
    effort: int | None = None,
    placement: str | Path | None = None,
    pins: Pins | None = None,
    fold: Fold = None,
    conv: ConvMode = "auto",
    **quantizer_options: Any,
) -> Program:
    """Quantize, legalise, partition, place, route, assemble, and check against the chip.

    Parameters
    ----------
    network : a float network, or one that is quantized already.
    chip : a Chip, the name of a built-in one, or a chip file.
    calibration : inputs (samples, ticks, ...) that set the ranges of analog values, and how often
        each neuron sends: the placer weighs traffic by it. By default those that came with the
        checkpoint.
    seed : of every random choice; the same arguments give byte-identical programs.
    effort : moves of the annealing placer, by default from the number of cores.
    placement : placement file; the cores that it names stay where it says.
    pins : where layers, cores of layers, or cores that hear the host have to sit:
        ``{"conv1:0": (3, 4), "fc": ((0, 0), (3, 3))}``, see `neurosim_mapper.place.pins`.
    fold : ``auto`` or a number of phases: a network that is larger than the chip is loaded phase
        after phase in every tick, see `neurosim_mapper.phases`.
    conv : whether cores keep shared convolution kernels: ``auto`` where the chip can and it saves
        memory, ``shared`` the same but refused where the chip cannot, ``unrolled`` never.
    quantizer_options : passed on to `quantize`.

    Raises
    ------
    DoesNotFitError : a limit of the chip is broken; the message names it, and its `report` holds
        what had been found out by then.
    UnsupportedError : the network needs something that is not offered; it has a `report` as well.
    """
    whole = load_chip(chip)
    target = chip_for(whole, conv)
    if calibration is None and isinstance(network, Network):
        calibration = network.calibration
    report = start_report(target, seed)
    placing = Placing(placer, effort, placement, pins)
    phases = check_fold(fold)
    try:
        quantized = _quantized(network, target, calibration, quantizer_options)
        program = _map(quantized, target, seed, calibration, partitioner, placing, phases, report)
    except (DoesNotFitError, UnsupportedError) as error:
        error.report = {**report, "fits": False, "reason": str(error), **error.report}
        raise
    return program if target is whole else replace(program, chip=whole)


def _map(
    network: QuantizedNetwork,
    chip: Chip,
    seed: int,
    calibration: npt.ArrayLike | None,
    partitioner: str | Partitioner,
    placing: Placing,
    fold: Fold,
    report: dict[str, Any],
) -> Program:
    """The steps in order; every one adds to the report what it found."""
    report |= network_rows(network)
    legal, changes = legalize(network, chip)
    report["changes"] = list(changes)
    schedule = schedule_layers(legal, chip)
    report["pipeline_ticks"] = schedule.depth_ticks
    cut = _named(PARTITIONERS, partitioner, "partitioner")
    partition = cut(legal, chip, schedule)
    report |= partition_rows(legal, partition, chip)
    if fold is None:
        check_core_count(partition, chip)
    most_cores = len(chip.usable_cores) if fold is None else None
    step = wire_within_tables(legal, chip, schedule, cut, partition, most_cores)
    partition, wiring = step.partition, step.wiring
    report |= partition_rows(legal, partition, chip)
    report["changes"] += step.notes
    phase = assign_phases(partition, chip, fold)
    report["phases"] = 1 + int(phase.max(initial=0))
    report["changes"] += spare_phases(partition, chip, report["phases"])
    rng = np.random.default_rng(seed)
    rates = None if calibration is None else calibrated_rates(legal, chip, calibration)
    problem = placement_problem(legal, partition, wiring, chip, rates, phase)
    placement, routes, report["placement"] = place_within_tables(
        legal, step, chip, problem, placing, rng
    )
    report["fits"] = True
    program = assemble(legal, partition, schedule, wiring, placement, routes, chip, seed, report)
    report["routing_table"] = routing_facts(program)
    if chip.noc_section.multicast == "relay":
        report["relay_chains"] = {**chain_facts(program), **routes.notes}
    if program.kernels.n_tiles:
        report["shared_kernels"] = kernel_facts(program)
    program = replace(program, mapping=dict(report))
    violations = check_program(program)
    if violations:
        report |= {"fits": False, "violations": [str(v) for v in violations]}
        raise DoesNotFitError(broken_rule(violations[0], chip))
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
