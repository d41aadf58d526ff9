"""``neurosim simulate``: a program and samples in, a report and a run folder out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from neurosim_cli.options import FILE, input_options, json_option, run_options
from neurosim_cli.sizes import Size

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from neurosim.faults import Fault
    from neurosim.program.columns import Program
    from neurosim.run.simulator import Run

NAMED: Final = 3
"""Hits of faults that are shown; the run folder has more."""

EXAMPLES = """\b
Examples:
  neurosim simulate digits.nsp --input digits_test.npz --noc cycle -o run/
  neurosim simulate digits.nsp --input images.npz --ticks 8 --encoder rate
  neurosim simulate digits.nsp --input digits_test.npz --probe all -o run/
  neurosim simulate digits.nsp --input digits_test.npz \\
      --probe neuron2:3,7,12-15 -o run/
  neurosim simulate digits.nsp --input digits_test.npz -o run/ \\
      --dask tcp://10.0.0.5:8786
  neurosim simulate digits.nsp --input digits_test.npz --noc cycle \\
      --perfetto -o run/
  neurosim simulate digits.nsp --input digits_test.npz \\
      --fault weights:1e-4,seed=1 --fault silent:core=0,neuron=7
  neurosim simulate digits.nsp --input digits_test.npz --json | jq .energy_pj
"""


@click.command("simulate", epilog=EXAMPLES)
@click.argument("program", type=FILE)
@input_options
@run_options
@click.option(
    "--probe",
    multiple=True,
    metavar="LAYER[:N,...]",
    help="Keep outputs and potentials of a layer in the run folder, and show these neurons on "
    "its page; repeatable, or 'all'.",
)
@click.option("--seed", default=0, show_default=True, help="Of the rate encoder.")
@click.option(
    "--memory-limit",
    type=Size(),
    metavar="SIZE",
    help="Refuse a run that may need more, such as 2GB; before it starts.",
)
@click.option(
    "--fault",
    "faults",
    multiple=True,
    metavar="KIND:RATE|PLACE",
    help="Inject faults: weights, potentials, silent, firing, dropped, corrupted, misdelivered. "
    "Repeatable.",
)
@click.option("--strict", is_flag=True, help="Stop at the first potential that saturates.")
@click.option("--dask", metavar="ADDRESS", help="Split samples over a Dask cluster's workers.")
@click.option("-o", "--output", type=FILE, help="Run folder to write; open its report.html.")
@click.option(
    "--perfetto",
    is_flag=True,
    help="Also a time line of the first sample, trace.perfetto.json in the run folder.",
)
@json_option
def simulate(
    program: Path,
    noc: str,
    threads: int | None,
    probe: tuple[str, ...],
    seed: int,
    faults: tuple[str, ...],
    strict: bool,
    dask: str | None,
    memory_limit: int | None,
    output: Path | None,
    perfetto: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Run PROGRAM (.nsp) on samples and report accuracy, traffic, time and energy.

    Outputs are exact integers and do not depend on --noc, --threads or --dask. With -o everything
    is kept in a run folder, which is complete or not there.

    A --fault has a rate per bit, neuron or packet (weights:1e-4,seed=1; silent:0.01;
    dropped:1e-3) or a place (weights:core=0,axon=3,neuron=7,bit=2;
    potentials:core=0,neuron=7,bit=5,tick=3; corrupted:layer=conv1,bit=7; dropped:link=12).
    """
    from neurosim.errors import UsageError
    from neurosim.faults import parse_fault
    from neurosim.program.columns import load_program
    from neurosim.provenance import file_digest
    from neurosim.report.network import network_view
    from neurosim.report.terminal import report_view
    from neurosim.results import check_run_folder, write_run_folder
    from neurosim.run.simulator import simulate as run_program
    from neurosim.run.strict import check_saturation
    from neurosim_cli.options import command_line, read_samples, refuse_checkpoint
    from neurosim_cli.output import progress, remark, show, show_json

    if output is not None:
        check_run_folder(output)
    elif perfetto:
        raise UsageError("--perfetto writes into the run folder; name one with -o.")
    refuse_checkpoint(program)
    loaded = load_program(program)
    inputs = read_samples(options, loaded.input_shape, seed)
    probed, shown = _probed(loaded, probe)
    chosen = [parse_fault(text) for text in faults]
    simulator = _simulator(threads, memory_limit, dask, chosen)
    if strict:
        with progress("checking for saturation"):
            check_saturation(loaded, inputs.x, threads=threads)
    with progress("simulating", len(inputs.x)) as advance:
        run = simulator(
            loaded,
            inputs.x,
            noc="cycle" if noc == "cycle" else "ideal",
            labels=inputs.y,
            probe=probed,
            progress=advance,
        )
    if output is not None:
        paths = (program, options["input_path"])
        digests = {path.name: file_digest(path) for path in paths}
        more = _time_line(run.program, inputs.x, noc) if perfetto else {}
        write_run_folder(
            run, output, command=command_line(), inputs=digests, more=more, shown=shown
        )
    report = run.report().to_dict()
    if as_json:
        show_json(report)
    else:
        show(report_view(report))
        show(network_view(run))
    if chosen:
        remark(_fault_sentence(run, run_program(loaded, inputs.x, labels=inputs.y)))
    if output is not None:
        remark(f"written: {output}")


def _probed(
    program: Program, probe: tuple[str, ...]
) -> tuple[tuple[str, ...], dict[str, npt.NDArray[np.int64]]]:
    """Layers to keep, and the neurons that were chosen, by layer."""
    import numpy as np

    from neurosim.report.neuron_choice import parse_choices

    names = program.layer_names
    sizes = {name: int(program.layer_neurons(i).size) for i, name in enumerate(names)}
    found = parse_choices((text for text in probe if text != "all"), sizes, "--probe")
    shown = {name: np.array(chosen, np.int64) for name, chosen in found.items() if chosen}
    return names if "all" in probe else tuple(found), shown


def _time_line(program: Program, x: npt.NDArray[np.generic], noc: str) -> dict[str, str]:
    """The Perfetto file of the first sample, by its name; nothing without samples."""
    from neurosim.report.perfetto import perfetto_trace
    from neurosim.results import PERFETTO

    return {PERFETTO: perfetto_trace(program, x[0], noc)} if len(x) else {}


def _simulator(
    threads: int | None, memory_limit: int | None, dask: str | None, faults: list[Fault]
) -> Callable[..., Run]:
    """Who plays the samples: this machine, a cluster, or a chip with faults."""
    from neurosim.cluster.samples import simulate_on_cluster
    from neurosim.errors import UsageError
    from neurosim.faults import simulate_faulty
    from neurosim.run.simulator import simulate

    here = {"threads": threads, "memory_limit": memory_limit, "fault": faults or None}
    if dask is not None:
        for name, value in here.items():
            if value is not None:
                option = name.replace("_", "-")
                raise UsageError(f"--{option} is for this machine; leave it out with --dask.")
        return partial(simulate_on_cluster, address=dask)
    if faults:
        return partial(simulate_faulty, faults=faults, threads=threads, memory_limit=memory_limit)
    return partial(simulate, threads=threads, memory_limit=memory_limit)


def _fault_sentence(run: Run, whole: Run) -> str:
    """What was hit, and what accuracy is left."""
    from neurosim.report.units import percent

    said = run.program.provenance["faults"]
    left = f"accuracy {percent(run.accuracy)}, {percent(whole.accuracy)} without faults"
    first = "; ".join(said["first"][:NAMED])
    more = f"; and {said['hit'] - NAMED} more" if said["hit"] > NAMED else ""
    return f"faults: {said['hit']} places hit; {left}\nhit: {first}{more}"
