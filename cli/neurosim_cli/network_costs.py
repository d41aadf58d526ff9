"""What ``neurosim complexity NETWORK`` shows: a network's layers, by formula and by data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from neurosim_mapper.layer_costs import LayerCost


def network_costs(checkpoint: Path, chip: str, options: dict[str, Any]) -> dict[str, Any]:
    """Costs of every layer of a checkpoint, plain data; measured if samples are given.

    Parameters
    ----------
    options : ``reading``, ``ticks``, ``input_path`` and ``samples`` of the command.
    """
    from dataclasses import asdict

    from neurosim.chip.files import load_chip
    from neurosim.errors import UsageError
    from neurosim.run.inputs import read_inputs
    from neurosim_cli.options import read_checkpoint
    from neurosim_cli.output import progress
    from neurosim_mapper.gated_costs import with_gated_layers
    from neurosim_mapper.layer_costs import layer_costs
    from neurosim_mapper.norms import freeze_layer_norms
    from neurosim_mapper.quantizer import quantize

    network = read_checkpoint(checkpoint, options["reading"])
    x, ticks = None, options["ticks"]
    if options["input_path"] is not None:
        inputs = read_inputs(options["input_path"], network.input_shape, ticks=ticks)
        x = inputs.first(options["samples"]).x
        ticks = x.shape[1]
    if ticks is None:
        raise UsageError(f"{checkpoint}: how many ticks? Give --ticks, or samples with --input.")
    with progress(f"counting the operations of {checkpoint.name}"):
        if x is None:  # formulas need shapes only
            network = freeze_layer_norms(network, None)
        costs = layer_costs(quantize(network, load_chip(chip), x), ticks, x)
        costs = with_gated_layers(network, costs, ticks)
    return {
        "checkpoint": checkpoint.name,
        "ticks": ticks,
        "samples": None if x is None else len(x),
        "layers": [asdict(cost) for cost in costs],
        "total": asdict(_total(costs)),
    }


def _total(costs: tuple[LayerCost, ...]) -> LayerCost:
    from neurosim_mapper.complexity import Cost
    from neurosim_mapper.layer_costs import LayerCost

    measured = [c for c in costs if c.macs is not None and c.synaptic_ops is not None]
    return LayerCost(
        "all",
        sum(cost.neurons for cost in costs),
        sum((cost.formula for cost in costs), Cost(0, 0, 0)),
        sum(c.macs or 0.0 for c in measured) if measured else None,
        sum(c.synaptic_ops or 0.0 for c in measured) if measured else None,
    )


def costs_table(facts: dict[str, Any]) -> Table:
    """Layers as rows; the measured columns only with data."""
    from rich.table import Table

    measured = facts["samples"] is not None
    title = f"{facts['checkpoint']}, {facts['ticks']} ticks, per inference: Tables I and II"
    if measured:
        title += f"; done for {facts['samples']} samples"
    table = Table(title=title, title_justify="left")
    table.add_column("layer", overflow="fold")
    heads = ["neurons", "weights", "MULs", "ADDs"]
    for name in heads + (["active", "MACs", "spike adds"] if measured else []):
        table.add_column(name, justify="right")
    for row in facts["layers"]:
        table.add_row(*_cells(row, measured))
    table.add_section()
    table.add_row(*_cells(facts["total"], measured), style="bold")
    return table


def _cells(row: dict[str, Any], measured: bool) -> list[str]:
    from neurosim.report.units import count, percent

    formula = row["formula"]
    cells = [row["name"], count(row["neurons"])]
    cells += [count(formula[name]) for name in ("weights", "muls", "adds")]
    if measured:
        active = row["active_share"]
        cells += ["" if active is None else percent(active)]
        cells += [count(row["macs"]), count(row["synaptic_ops"])]
    return cells
