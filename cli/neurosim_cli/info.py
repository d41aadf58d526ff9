"""``neurosim info``: what is in a program or a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import FILE, json_option

if TYPE_CHECKING:
    from neurosim_mapper.network import Network

EXAMPLES = """\b
Examples:
  neurosim info digits_liaf.nir        nodes, shapes, neurons of a checkpoint
  neurosim info digits.nsp             layers, cores, floor plan of a program
  neurosim info digits.nsp --png plan.png    the floor plan as a picture
  neurosim info digits.nsp --json
"""


@click.command("info", epilog=EXAMPLES)
@click.argument("path", type=FILE)
@click.option("--reading", metavar="NAME", help="Framework that a foreign NIR file comes from.")
@click.option("--png", type=FILE, help="Write the floor plan of a program as a picture.")
@json_option
def info(path: Path, reading: str | None, png: Path | None, as_json: bool) -> None:
    """Show what is in PATH: a program (.nsp), a checkpoint (NIR), or a run folder."""
    import zipfile

    if path.is_dir():
        _run_folder(path, as_json)
    elif path.is_file() and zipfile.is_zipfile(path):
        _program(path, png, as_json)
    else:
        _checkpoint(path, reading, as_json)


def _run_folder(path: Path, as_json: bool) -> None:
    from neurosim.report.terminal import report_view
    from neurosim.results import load_run_folder
    from neurosim_cli.output import remark, show, show_json

    folder = load_run_folder(path)
    if as_json:
        show_json(dict(folder.manifest))
        return
    show(report_view(folder.report))
    remark(f"command: {' '.join(folder.manifest['command'])}")


def _program(path: Path, png: Path | None, as_json: bool) -> None:
    from neurosim.links.chains import chain_sentence
    from neurosim.program.columns import load_program
    from neurosim.program.kernels import kernel_sentences
    from neurosim.program.routing_check import routing_facts, routing_sentence
    from neurosim.report.floor_plan import floor_plan
    from neurosim.report.report import chip_facts, program_facts
    from neurosim.report.terminal import layer_table
    from neurosim.run.memory_facts import memory_facts, memory_sentence
    from neurosim_cli.output import remark, show, show_json

    program = load_program(path)
    facts = {**program_facts(program), "memory": memory_facts(program)}
    if png is not None:
        from neurosim.report.figures import floor_plan_figure

        remark(f"written: {floor_plan_figure(program, png)}")
    tables = routing_facts(program)
    if as_json:
        show_json({"chip": chip_facts(program.chip), "program": facts, "routing_table": tables})
        return
    show(layer_table(facts))
    click.echo(floor_plan(program))
    code = program.input_code
    click.echo(
        f"\ninput {program.input_shape}, {code.kind} packets {code.low}..{code.high} in steps of "
        f"{code.unit:g}; read-out: {program.readout} over the ticks"
    )
    click.echo(f"pipeline: {program.depth_ticks} ticks; seed {program.seed}")
    if "placement" in program.mapping:
        from neurosim_mapper.place import placement_sentence

        click.echo(placement_sentence(dict(program.mapping["placement"])))
    click.echo(routing_sentence(tables))
    if "relay_chains" in program.mapping:
        click.echo(chain_sentence(program.mapping["relay_chains"]))
    for sentence in kernel_sentences(program):
        click.echo(sentence)
    click.echo(memory_sentence(facts["memory"]))
    for sentence in program.assumptions:
        remark(f"assumed: {sentence}")


def _checkpoint(path: Path, reading: str | None, as_json: bool) -> None:
    from neurosim_cli.options import read_checkpoint
    from neurosim_cli.output import remark, show, show_json

    network = read_checkpoint(path, reading)
    facts = network_facts(network)
    if as_json:
        show_json(facts)
        return
    from rich.table import Table

    parameters = f"{facts['parameters']:,} parameters"
    table = Table(title=f"{path.name}: {parameters}", title_justify="left")
    table.add_column("node", overflow="fold", max_width=24)
    table.add_column("kind", overflow="fold", max_width=32)
    table.add_column("shape", justify="right")
    table.add_column("from", overflow="fold", max_width=16)
    for node in facts["nodes"]:
        shape = "x".join(str(n) for n in node["shape"])
        table.add_row(node["name"], node["kind"], shape, ", ".join(node["sources"]))
    show(table)
    click.echo(f"input {network.input_shape}, output {network.output_shape}, {network.readout}")
    for sentence in network.assumptions:
        remark(f"assumed: {sentence}")


def network_facts(network: Network) -> dict[str, Any]:
    """Nodes, shapes and sizes as plain data."""
    nodes = [
        {
            "name": name,
            "kind": _kind(network.nodes[name]),
            "shape": list(network.shapes[name]),
            "sources": list(network.sources(name)),
            "parameters": _parameters(network.nodes[name]),
        }
        for name in network.order
    ]
    return {
        "nodes": nodes,
        "edges": [list(edge) for edge in network.edges],
        "parameters": sum(node["parameters"] for node in nodes),
        "readout": network.readout,
        "assumptions": list(network.assumptions),
        "provenance": dict(network.provenance),
    }


def _kind(node: Any) -> str:
    """The kind of a node; of a neuron also what it sends and how it resets."""
    kind = type(node).__name__
    if kind == "Recurrent":
        return f"{node.kind.upper()} layer"
    if kind != "Neuron":
        return kind
    if node.output == "spike":
        return f"Neuron, spikes, {node.reset} reset"
    related = "TR" if node.threshold_related else "NTR"
    return f"Neuron, {node.activation} values, {related}"


def _parameters(node: Any) -> int:
    """Numbers in the arrays of a node that were trained or set."""
    import dataclasses

    import numpy as np

    values = (getattr(node, field.name) for field in dataclasses.fields(node))
    return int(sum(value.size for value in values if isinstance(value, np.ndarray)))
