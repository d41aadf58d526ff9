"""``neurosim demo``: two trained networks, one chip, from checkpoint to report."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import FILE, json_option

if TYPE_CHECKING:
    import subprocess

    import numpy as np
    import numpy.typing as npt
    from rich.table import Table

    from neurosim.report import Comparison
    from neurosim.run.inputs import Inputs
    from neurosim.run.simulator import Run

NAMES = ("digits_liaf", "digits_lif")
CHIP = "tianjic"

EXAMPLES = """\b
Examples:
  neurosim demo
  neurosim demo -o my_run --samples 100
"""


@dataclass(frozen=True)
class Result:
    """One network of the demo.

    Attributes
    ----------
    float_accuracy, integer_accuracy : of the float network and of the integer network, without
        a chip. exact : whether the chip gave the integer network's outputs, bit for bit, in both
        network models.
    ideal, cycle : the runs.
    """

    float_accuracy: float
    integer_accuracy: float
    exact: bool
    ideal: Run
    cycle: Run


@click.command("demo", epilog=EXAMPLES)
@click.option("-o", "--output", type=FILE, default="demo_run", show_default=True, help="Folder.")
@click.option("--chip", default=CHIP, show_default=True, metavar="NAME|FILE")
@click.option("--samples", type=int, help="Use the first N test images.  [default: all 360]")
@click.option("--threads", type=int, help="Workers.  [default: one per processor]")
@json_option
def demo(output: Path, chip: str, samples: int | None, threads: int | None, as_json: bool) -> None:
    """Run two shipped networks, trained on 8x8 digits, on a chip.

    One sends 8-bit values (LIAF), the other spikes (LIF). Both are read, turned into integers,
    mapped, and simulated on the test images with the ideal and the cycle-level network.
    """
    from neurosim.run import warm_up
    from neurosim_cli.compare_command import check_comparison_folder, write_comparison
    from neurosim_cli.output import remark, show_json

    check_comparison_folder(output)
    compiling = warm_up.start()
    results = {name: _one(name, chip, samples, threads, compiling) for name in NAMES}
    comparison = _comparison(results)
    write_comparison(output, comparison, {name: r.cycle for name, r in results.items()})
    if as_json:
        show_json({"accuracy": _accuracies(results), "comparison": comparison.to_dict()})
    else:
        _show(results, comparison)
    remark(f"written: {output}; open {output / 'report.html'} in a browser")


def data_file(name: str) -> Path:
    """A shipped file of the demo."""
    from neurosim.errors import InputFileError

    found: Traversable = resources.files("neurosim") / "demo_data" / name
    if not isinstance(found, Path) or not found.is_file():
        raise InputFileError(
            f"the shipped file demo_data/{name} is missing. Install neurosim again."
        )
    return found


def _one(
    name: str,
    chip: str,
    samples: int | None,
    threads: int | None,
    compiling: subprocess.Popen[bytes] | None,
) -> Result:
    """The whole path of one network."""
    import numpy as np

    from neurosim.chip.files import load_chip
    from neurosim.run.inputs import read_inputs
    from neurosim.run.simulator import predict
    from neurosim_cli.options import read_checkpoint
    from neurosim_cli.output import progress
    from neurosim_mapper.float_executor import run_float
    from neurosim_mapper.pipeline import map_network
    from neurosim_mapper.quantizer import quantize
    from neurosim_mapper.reference import run_reference

    with progress(f"{name}: float, integers, mapping"):
        network = read_checkpoint(data_file(f"{name}.nir"), None)
        test = read_inputs(data_file("digits_test.npz"), network.input_shape).first(samples)
        scores = run_float(network, test.x)
        quantized = quantize(network, load_chip(chip))
        integers = run_reference(quantized, test.x)
        program = map_network(quantized, chip)
    runs = {}
    for noc in ("ideal", "cycle"):
        if noc == "cycle" and compiling is not None:
            with progress("compiling the network's kernels"):
                compiling.wait()
        with progress(f"{name}: {noc} network", len(test.x)) as advance:
            runs[noc] = _simulate(program, test, noc, threads, advance)
    return Result(
        float_accuracy=_share(_float_predictions(scores, network.readout), test.y),
        integer_accuracy=_share(predict(integers, quantized.readout), test.y),
        exact=all(np.array_equal(run.outputs, integers) for run in runs.values()),
        ideal=runs["ideal"],
        cycle=runs["cycle"],
    )


def _simulate(program: Any, test: Inputs, noc: str, threads: int | None, advance: Any) -> Run:
    from neurosim.run.simulator import simulate

    return simulate(
        program,
        test.x,
        noc="cycle" if noc == "cycle" else "ideal",
        labels=test.y,
        threads=threads,
        progress=advance,
    )


def _float_predictions(scores: npt.NDArray[Any], readout: str) -> npt.NDArray[np.int64]:
    """Arg max of the read-out, as `neurosim.run.simulator.predict` does for integers."""
    total = scores[:, -1] if readout == "last" else scores.sum(axis=1)
    found: npt.NDArray[np.int64] = total.reshape(len(total), -1).argmax(axis=1)
    return found


def _share(predictions: npt.NDArray[np.int64], labels: npt.NDArray[np.int64] | None) -> float:
    return 0.0 if labels is None else float((predictions == labels).mean())


def _comparison(results: dict[str, Result]) -> Comparison:
    from neurosim.report import compare_runs

    return compare_runs({name: r.cycle.report().to_dict() for name, r in results.items()})


def _accuracies(results: dict[str, Result]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "float": result.float_accuracy,
            "integer": result.integer_accuracy,
            "on_chip": result.cycle.accuracy,
            "bit_exact": result.exact,
        }
        for name, result in results.items()
    }


def _show(results: dict[str, Result], comparison: Comparison) -> None:
    from neurosim.report.floor_plan import floor_plan
    from neurosim.report.report import program_facts
    from neurosim.report.terminal import comparison_view, layer_table
    from neurosim_cli.output import show

    for name, result in results.items():
        click.echo(f"\n{name}")
        show(layer_table(program_facts(result.ideal.program)))
    first = next(iter(results.values())).ideal.program
    if first.chip.wide <= 40:
        click.echo(f"\n{NAMES[0]} on {floor_plan(first)}\n")
    show(_accuracy_table(results))
    show(comparison_view(comparison))


def _accuracy_table(results: dict[str, Result]) -> Table:
    from rich.table import Table

    from neurosim.report.units import count, percent

    title = "Accuracy; cycles per inference with the ideal and the cycle-level network"
    table = Table(title=title, title_justify="left")
    heads = ("float", "integer", "on chip", "bit-exact", "ideal", "cycle")
    table.add_column("network")
    for head in heads:
        table.add_column(head, justify="right")
    for name, result in results.items():
        ideal, cycle = (
            run.report().latency.cycles_total / max(1, run.counters.n_samples)
            for run in (result.ideal, result.cycle)
        )
        table.add_row(
            name,
            percent(result.float_accuracy),
            percent(result.integer_accuracy),
            percent(result.cycle.accuracy),
            "yes" if result.exact else "NO",
            count(ideal),
            count(cycle),
        )
    return table
