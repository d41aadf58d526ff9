"""``neurosim mix``: which layers should send values, which spikes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import FILE, input_options, json_option, mapping_options, run_options

if TYPE_CHECKING:
    from rich.table import Table

    from neurosim.program.columns import Program
    from neurosim.recoding import SpikeCode
    from neurosim.run.inputs import Inputs
    from neurosim.run.simulator import Run
    from neurosim_mapper.mixed import Candidate, Exploration

DEFAULT_OPTIONS = ("values", "spikes", "phase:8", "ttfs:15")

EXAMPLES = """\b
Examples:
  neurosim mix digits_liaf.nir --chip tianjic --input digits_test.npz
  neurosim mix digits_liaf.nir --chip tianjic --input digits_test.npz \\
      --option values --option ttfs:7 --option ttfs:15
  neurosim mix net.nir --chip loihi --input x.npz --accuracy 0.95 --json
"""


@click.command("mix", epilog=EXAMPLES)
@click.argument("network", type=FILE)
@click.option("--chip", required=True, metavar="NAME|FILE", help="Shipped chip, or a chip file.")
@click.option(
    "--option",
    "choices",
    multiple=True,
    metavar="SENDS",
    help="What a layer may send: values, spikes, rate:N, ttfs:N, phase:B. Repeatable."
    f"  [default: {', '.join(DEFAULT_OPTIONS)}]",
)
@click.option(
    "--accuracy",
    type=click.FloatRange(0.0, 1.0),
    help="Least accuracy of the proposal.  [default: 0.01 below that of values]",
)
@input_options
@run_options
@mapping_options
@json_option
def mix(
    network: Path,
    chip: str,
    choices: tuple[str, ...],
    accuracy: float | None,
    noc: str,
    threads: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find what each layer of the checkpoint NETWORK should send.

    Tries values, spikes (the same weights, not retrained) and spike trains layer by layer, and
    shows the combinations that no other beats in bits and accuracy. Values are rounded to what a
    train can carry; the accuracies are those of the chip.
    """
    from neurosim_cli.options import map_checkpoint, read_checkpoint, read_samples
    from neurosim_cli.output import progress, show, show_json
    from neurosim_mapper.mixed import explore
    from neurosim_mapper.variants import sends_values

    read = read_checkpoint(network, options["reading"])
    inputs = read_samples(options, read.input_shape, options["seed"])
    wanted = choices or DEFAULT_OPTIONS
    with progress("trying combinations", len(wanted) ** len(sends_values(read))) as advance:
        found = explore(
            read,
            wanted,
            lambda variant: map_checkpoint(variant, chip, options),
            _runner(inputs, noc, threads),
            accuracy,
            advance,
        )
    if as_json:
        show_json(_plain(found))
        return
    show(_table(found))
    show(_sentence(found))


def _runner(
    inputs: Inputs, noc: str, threads: int | None
) -> Callable[[Program, Mapping[str, SpikeCode]], Run]:
    """Simulates a program on the samples, values as they are or as spike trains."""
    from neurosim.recoding import simulate_recoded
    from neurosim.run.simulator import simulate

    choices: dict[str, Any] = {"noc": noc, "labels": inputs.y, "threads": threads}

    def run(program: Program, codes: Mapping[str, SpikeCode]) -> Run:
        if codes:
            return simulate_recoded(program, inputs.x, codes, **choices)
        return simulate(program, inputs.x, **choices)

    return run


def _table(found: Exploration) -> Table:
    from rich.table import Table

    from neurosim.report.units import count, engineering, percent

    tried = "all" if found.complete else "step by step"
    title = f"Fewest bits for each accuracy, per inference ({len(found.candidates)} tried, {tried})"
    table = Table(title=title, title_justify="left")
    for name in ("accuracy", "bits", "energy", "cycles"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("layers send", overflow="fold")
    for candidate in found.frontier:
        chosen = candidate == found.proposal
        table.add_row(
            percent(candidate.accuracy),
            count(candidate.bits),
            engineering(candidate.energy_pj * 1e-12, "J"),
            count(candidate.cycles),
            _sends(candidate),
            style="bold" if chosen else None,
        )
    return table


def _sends(candidate: Candidate) -> str:
    return ", ".join(f"{layer}: {option}" for layer, option in candidate.sends.items())


def _sentence(found: Exploration) -> str:
    from neurosim.report.units import count, percent

    least = percent(found.least_accuracy)
    if found.proposal is None:
        best = max(candidate.accuracy for candidate in found.candidates)
        return f"No combination reaches {least}; the best has {percent(best)}."
    plain = next(c for c in found.candidates if set(c.sends.values()) == {"values"})
    saved = 1.0 - found.proposal.bits / plain.bits if plain.bits else 0.0
    return (
        f"Proposed, for at least {least}: {_sends(found.proposal)} - {count(found.proposal.bits)} "
        f"bits per inference, {percent(saved)} less than values everywhere."
    )


def _plain(found: Exploration) -> dict[str, Any]:
    from dataclasses import asdict

    return {"schema": "neurosim-mix/1", **asdict(found)}
