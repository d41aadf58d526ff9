"""Options that several commands share, and the files that they name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import numpy.typing as npt

    from neurosim.program.columns import Program
    from neurosim.run.inputs import Inputs
    from neurosim_mapper.network import Network

F = TypeVar("F", bound=Callable[..., Any])
FILE = click.Path(path_type=Path)


def stacked(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several decorators as one, the first on top."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def json_option(function: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")(function)


def chip_option(function: F) -> F:
    """``--chip``."""
    return click.option(
        "--chip", required=True, metavar="NAME|FILE", help="Shipped chip, or a chip file."
    )(function)


def input_options(function: F) -> F:
    """``--input`` and how its samples become ticks."""
    return stacked(
        click.option(
            "--input",
            "input_path",
            type=FILE,
            required=True,
            help="npz with x (samples, ticks, ...) or x (samples, ...) and --ticks; y optional.",
        ),
        click.option("--samples", type=int, help="Use the first N samples.  [default: all]"),
        click.option("--ticks", type=int, help="Ticks that a static sample is shown for."),
        click.option(
            "--encoder",
            type=click.Choice(["repeat", "rate", "latency"]),
            help="How a static sample becomes ticks.  [default: repeat]",
        ),
        click.option(
            "--full-scale", default=1.0, show_default=True, help="Largest value, for spike codes."
        ),
    )(function)


def run_options(function: F) -> F:
    """``--noc`` and ``--threads``."""
    return stacked(
        click.option(
            "--noc",
            type=click.Choice(["ideal", "cycle"]),
            default="ideal",
            show_default=True,
            help="Network: closed-form bounds, or played out cycle by cycle.",
        ),
        click.option("--threads", type=int, help="Workers.  [default: one per processor]"),
    )(function)


def quantizer_options(function: F) -> F:
    """Choices of the quantizer: widths, scales, ranges, and the packets of the input."""
    return stacked(
        click.option("--weight-bits", type=int, help="Bits of a weight.  [default: the chip's]"),
        click.option("--per-layer", is_flag=True, help="One weight scale per layer, not channel."),
        click.option(
            "--activation-range",
            type=click.Choice(["minmax", "percentile", "mse"]),
            default="minmax",
            show_default=True,
            help="Range of analog values, from the calibration.",
        ),
        click.option(
            "--percentile", default=99.9, show_default=True, help="For --activation-range."
        ),
        click.option(
            "--input-kind",
            type=click.Choice(["auto", "spike", "analog"]),
            default="auto",
            show_default=True,
            help="Packets of the input.",
        ),
        click.option(
            "--weight-shift", type=int, help="Fraction bits of potentials.  [default: per layer]"
        ),
    )(function)


def mapping_options(function: F) -> F:
    """Choices of the reader, the quantizer, the partitioner and the placer."""
    return stacked(
        click.option(
            "--calibration",
            type=FILE,
            help="npz with x: typical inputs, set the value ranges.  [default: those that came "
            "with the checkpoint, else the first inputs]",
        ),
        click.option(
            "--reading",
            metavar="NAME[,CHOICE=VALUE...]",
            help="Framework that a foreign file was trained in, e.g. snntorch,reset=hard.",
        ),
        click.option("--seed", default=0, show_default=True, help="Of every random choice."),
        click.option("--partitioner", metavar="NAME", help="How layers are cut into cores."),
        click.option("--placer", metavar="NAME", help="How cores are placed on the chip."),
        click.option(
            "--effort", type=int, help="Moves of the placer.  [default: from the number of cores]"
        ),
        click.option(
            "--placement", type=FILE, help="Placement file; the cores that it names stay there."
        ),
        click.option(
            "--pin",
            "pins",
            multiple=True,
            metavar="NAME=X,Y[:X,Y]",
            help="Keep a layer, a core of it (conv1:0), input or output at X,Y or in a region.",
        ),
        click.option(
            "--fold",
            metavar="auto|N",
            help="Load a network that is too large in phases, N per tick.",
        ),
        click.option(
            "--conv",
            type=click.Choice(["auto", "shared", "unrolled"]),
            default="auto",
            show_default=True,
            help="One kernel per core, or a weight per synapse; shared: chip must allow it.",
        ),
        quantizer_options,
    )(function)


def read_checkpoint(path: Path, reading: str | None, shapes_only: bool = False) -> Network:
    """A checkpoint; its name and digest go into the provenance. For `shapes_only` see there."""
    import dataclasses
    import json

    from neurosim.errors import InputFileError
    from neurosim.provenance import file_digest
    from neurosim_mapper.readers import read_network

    network = read_network(path, reading, shapes_only=shapes_only)
    said = {**network.provenance, "checkpoint": {"file": path.name, "sha256": file_digest(path)}}
    try:
        json.dumps(said, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputFileError(f"{path}: its provenance is not plain JSON data ({error}).") from None
    return dataclasses.replace(network, provenance=said)


def calibration_data(
    network: Network, options: dict[str, Any]
) -> tuple[npt.NDArray[Any] | None, str]:
    """Typical inputs, which set the ranges of values, and whose they are.

    ``--calibration``, else the checkpoint's own, else the first of the recording ``--against``,
    else the first of the command's samples; None if there is nothing of all that. Labels are never
    used.
    """
    if options["calibration"] is not None:
        from neurosim.run.inputs import read_inputs

        path, ticks = options["calibration"], options.get("ticks")
        return read_inputs(path, network.input_shape, ticks=ticks).x, "calibration data"
    if network.calibration is not None:
        return network.calibration, "the checkpoint's own inputs"
    if options.get("against") is not None:
        from neurosim.run.inputs import read_inputs

        recorded = read_inputs(options["against"], network.input_shape)
        return recorded.first(_CALIBRATION_SAMPLES).x, "the recorded inputs"
    if options.get("input_path") is not None:
        samples = read_samples(options, network.input_shape).first(_CALIBRATION_SAMPLES)
        return samples.x, f"the first {len(samples.x)} inputs"
    return None, "nothing"


def map_checkpoint(network: Network, chip: str, options: dict[str, Any]) -> Program:
    """Map with the values of `mapping_options`; every option that was left alone is left out."""
    from neurosim_mapper.pipeline import map_network

    calibration, _ = calibration_data(network, options)
    choices: dict[str, Any] = {name: options[name] for name in _CHOICES}
    if options["pins"]:
        choices["pins"] = _pins(options["pins"])
    if options["fold"] is not None and options["fold"].isdecimal():
        choices["fold"] = int(options["fold"])
    if options["per_layer"]:
        choices["per_channel"] = False
    given = {name: value for name, value in choices.items() if value is not None}
    return map_network(network, chip, calibration, options["seed"], **given)


def _pins(texts: tuple[str, ...]) -> dict[str, Any]:
    from neurosim.errors import UsageError
    from neurosim_mapper.place import parse_pin

    pins: dict[str, Any] = {}
    for text in texts:
        name, place = parse_pin(text)
        if name in pins:
            raise UsageError(f"--pin names {name!r} twice.")
        pins[name] = place
    return pins


_CALIBRATION_SAMPLES = 64
_CHOICES = (
    "partitioner",
    "placer",
    "effort",
    "placement",
    "fold",
    "conv",
    "weight_bits",
    "activation_range",
    "percentile",
    "input_kind",
    "weight_shift",
)


def read_samples(options: dict[str, Any], input_shape: tuple[int, ...], seed: int = 0) -> Inputs:
    """Samples with the values of `input_options`."""
    from neurosim.run.inputs import read_inputs

    inputs = read_inputs(
        options["input_path"],
        input_shape,
        ticks=options["ticks"],
        encoder=options["encoder"],
        full_scale=options["full_scale"],
        seed=seed,
    )
    return inputs.first(options["samples"])


def command_line() -> list[str]:
    """The words of this command, for the manifest of a run folder."""
    import sys

    return ["neurosim", *sys.argv[1:]]


def refuse_checkpoint(path: Path) -> None:
    """A checkpoint where a program is needed: say what to do with it."""
    from neurosim.errors import InputFileError

    try:
        with path.open("rb") as stream:
            is_hdf5 = stream.read(8) == b"\x89HDF\r\n\x1a\n"
    except OSError:
        return  # whoever reads the file next says what is wrong
    if is_hdf5:
        raise InputFileError(
            f"{path}: is a checkpoint, not a program. Map it first: "
            f"neurosim map {path.name} --chip NAME -o {path.stem}.nsp"
        )
