"""``neurosim quantize``: float against integer accuracy, without mapping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import (
    FILE,
    chip_option,
    input_options,
    json_option,
    mapping_options,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

EXAMPLES = """\b
Examples:
  neurosim quantize digits.nir --chip tianjic --input test.npz
  neurosim quantize net.yaml --chip loihi --weight-bits 4 \\
      --calibration train.npz --input test.npz
"""


@click.command("quantize", epilog=EXAMPLES)
@click.argument("checkpoint", type=FILE)
@chip_option
@input_options
@mapping_options
@json_option
def quantize(checkpoint: Path, chip: str, as_json: bool, **options: Any) -> None:
    """Turn CHECKPOINT into the integers of a chip and say what that costs in accuracy.

    Nothing is mapped. Ranges of values come from --calibration, else from the inputs that came with
    the checkpoint, else from the first inputs, as in map; labels are never used for that.
    """
    from neurosim.chip.files import load_chip
    from neurosim_cli.options import calibration_data, read_checkpoint, read_samples
    from neurosim_cli.output import progress, remark, show_json
    from neurosim_mapper import quantize as to_integers
    from neurosim_mapper import run_float, run_reference
    from neurosim_mapper.norms import freeze_layer_norms, layer_norms, scores
    from neurosim_mapper.quantizer import quantization_report

    target = load_chip(chip)
    network = read_checkpoint(checkpoint, options["reading"])
    inputs = read_samples(options, network.input_shape, options["seed"])
    calibration, calibrated_on = calibration_data(network, options)
    names = ("weight_bits", "activation_range", "percentile", "input_kind", "weight_shift")
    given = {name: options[name] for name in names if options[name] is not None}
    with progress(f"quantizing {checkpoint.name}"):
        quantized = to_integers(
            network, target, calibration, per_channel=not options["per_layer"], **given
        )
        in_float = scores(run_float(network, inputs.x), network.readout)
        in_integers = scores(run_reference(quantized, inputs.x), network.readout)
        frozen = None
        if layer_norms(network):
            fixed = freeze_layer_norms(network, calibration)
            frozen = _accuracy(scores(run_float(fixed, inputs.x), network.readout), inputs.y)
    facts: dict[str, Any] = {
        "checkpoint": str(checkpoint),
        "chip": target.name,
        "samples": len(inputs.x),
        "accuracy_float": _accuracy(in_float, inputs.y),
        "accuracy_frozen_norms": frozen,
        "accuracy_integers": _accuracy(in_integers, inputs.y),
        "same_decisions": float((in_float.argmax(1) == in_integers.argmax(1)).mean()),
        "calibrated_on": calibrated_on,
        "layers": quantization_report(quantized),
        "assumptions": list(quantized.assumptions),
    }
    if as_json:
        show_json(facts)
        return
    _show(facts)
    for sentence in quantized.assumptions:
        remark(f"assumed: {sentence}")


def _accuracy(scores: npt.NDArray[np.float64], y: npt.NDArray[np.int64] | None) -> float | None:
    return None if y is None else float((scores.argmax(axis=1) == y).mean())


def _show(facts: dict[str, Any]) -> None:
    from rich.table import Table

    from neurosim_cli.output import show

    table = Table(box=None, pad_edge=False)
    for title in ("layer", "neurons", "out", "shift", "to 0", "SQNR dB", "saturated", "silent"):
        table.add_column(title, justify="left" if title == "layer" else "right", overflow="fold")
    for row in facts["layers"]:
        noise = "exact" if row["sqnr_db"] is None else f"{row['sqnr_db']:.1f}"
        lost = f"{row['weights_rounded_to_zero']}/{row['weights']}"
        table.add_row(
            row["layer"],
            str(row["neurons"]),
            row["output"],
            str(row["weight_shift"]),
            lost,
            noise,
            str(row["saturated_potentials"]),
            str(row["silent_neurons"]),
        )
    show(table)
    if facts["accuracy_float"] is not None:
        loss = 100 * (facts["accuracy_float"] - facts["accuracy_integers"])
        click.echo(
            f"Accuracy on {facts['samples']} samples: float {100 * facts['accuracy_float']:.1f} %, "
            f"integers {100 * facts['accuracy_integers']:.1f} % (loss {loss:.1f} points)."
        )
    if facts["accuracy_frozen_norms"] is not None:
        loss = 100 * (facts["accuracy_float"] - facts["accuracy_frozen_norms"])
        click.echo(
            f"Of that, frozen LayerNorms in float: {100 * facts['accuracy_frozen_norms']:.1f} % "
            f"(loss {loss:.1f} points)."
        )
    click.echo(f"Ranges of values are from {facts['calibrated_on']}.")
    click.echo(f"Same decision on {100 * facts['same_decisions']:.1f} % of the samples.")
