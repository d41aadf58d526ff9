"""`neurosim frames`: event recordings in, one npz of framed samples out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neurosim_cli.options import json_option

if TYPE_CHECKING:
    from neurosim_mapper.data.dataset import FramedSet
    from neurosim_mapper.data.events import ReadOptions
    from neurosim_mapper.data.frames import CropAt, FrameOptions

FORMATS = ("auto", "aedat2", "aedat31", "aedat4", "nmnist", "npy", "npz")
CAMERAS = ("dvs128", "davis240", "davis346")

EXAMPLES = """\b
Examples:
  neurosim frames user01.aedat --labels user01_labels.csv --bin-ms 15 \\
      --ticks 60 --size 32x32 -o gesture_test.npz
  neurosim frames 00001.bin --format nmnist --bin-ms 10 --ticks 30 -o 7.npz
  neurosim frames events.npy --columns txyp --time-unit ms \\
      --sensor 34x34 -o x.npz
"""


def _size(text: str | None, hint: str) -> tuple[int, int] | None:
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        raise click.BadParameter(f"{text!r} must be two numbers like 34x34.", param_hint=hint)
    return int(parts[0]), int(parts[1])


def _corner(text: str) -> CropAt:
    if text == "middle":
        return "middle"
    if text == "events":
        return "events"
    parts = text.split(",")
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise click.BadParameter(
            f"{text!r} must be 'middle', 'events' or X,Y.", param_hint="--crop-at"
        )
    return int(parts[0]), int(parts[1])


@click.command(
    name="frames", epilog=EXAMPLES, short_help="Turn event recordings into framed samples."
)
@click.argument("recordings", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), help="npz to write."
)
@click.option(
    "--format",
    "format_name",
    default="auto",
    type=click.Choice(FORMATS),
    show_default=True,
    help="Format of the recordings; auto goes by the first bytes and says so.",
)
@click.option(
    "--list",
    "lists",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Text file with one recording per line, beside it (trials_to_train.txt).",
)
@click.option(
    "--labels",
    multiple=True,
    type=click.Path(path_type=Path),
    help="csv 'file,label', or NAME_labels.csv 'class,startTime_usec,endTime_usec'. Repeatable.",
)
@click.option("--bin-ms", default=5.0, show_default=True, help="Length of a tick.")
@click.option("--ticks", type=int, help="Ticks per sample [default: the whole recording].")
@click.option("--windows", default="first", type=click.Choice(["first", "all"]), show_default=True)
@click.option("--size", metavar="HxW", help="Pixels of a frame [default: the sensor's].")
@click.option("--crop", "fit", flag_value="crop", help="Cut --size out of the picture.")
@click.option(
    "--downsample",
    "fit",
    flag_value="downsample",
    default="downsample",
    help="Sum pixels down to --size (default).",
)
@click.option("--crop-at", default="middle", show_default=True, metavar="middle|events|X,Y")
@click.option("--binary", is_flag=True, help="Count at most one event per bin and pixel.")
@click.option("--sensor", metavar="WxH", help="Pixels of the camera [default: by format].")
@click.option("--camera", type=click.Choice(CAMERAS), help="Address layout of AEDAT 1 and 2.")
@click.option("--flip-x/--no-flip-x", default=None, help="Mirror x [default: by format].")
@click.option("--flip-y/--no-flip-y", default=None, help="Mirror y [default: by format].")
@click.option("--swap-xy/--no-swap-xy", default=None, help="Exchange x and y.")
@click.option("--invert-polarity/--no-invert-polarity", default=None, help="Exchange 0 and 1.")
@click.option("--columns", default="xypt", show_default=True, help="Columns of a plain npy table.")
@click.option("--time-unit", type=click.Choice(["ns", "us", "ms", "s"]), help="Of npy and npz.")
@click.option(
    "--order",
    default="check",
    type=click.Choice(["check", "sort", "strict"]),
    show_default=True,
    help="Late events: sort up to 10 ms, sort all, or refuse.",
)
@click.option(
    "--resets",
    default="continue",
    type=click.Choice(["continue", "error"]),
    show_default=True,
    help="When the camera's clock starts again.",
)
@click.option("--limit-mib", default=2048, show_default=True, help="Largest result.")
@json_option
def frames(recordings: tuple[Path, ...], output: Path, as_json: bool, **options: Any) -> None:
    """Count the events of RECORDINGS into frames and write one npz.

    The npz holds x (samples, ticks, 2, height, width), y if there are labels, and the conventions
    used. Channel 0 counts darker events, channel 1 brighter ones.
    """
    from neurosim_cli.output import progress, show_json
    from neurosim_mapper.data.dataset import frame_recordings, read_labels, write_frames
    from neurosim_mapper.data.gesture import read_trial_list

    paths = list(recordings)
    for listing in options["lists"]:
        paths += [listing.parent / name for name in read_trial_list(listing)]
    if not paths:
        raise click.UsageError("Give at least one recording, or --list.")
    frame_options, read_options = _frame_options(options), _read_options(options)
    labels = read_labels(options["labels"], paths) if options["labels"] else None
    with progress("reading recordings", len(paths)) as advance:
        framed = frame_recordings(
            paths,
            frame_options,
            format=options["format_name"],
            read_options=read_options,
            labels=labels,
            on_file=lambda done, path: advance(1),
        )
    write_frames(output, framed)
    summary = summarize(framed, output)
    if as_json:
        show_json(summary)
    else:
        click.echo(_sentences(summary))


def _frame_options(options: dict[str, Any]) -> FrameOptions:
    from neurosim_mapper.data.frames import FrameOptions

    if not 0 < options["bin_ms"] < 1e9:
        raise click.BadParameter("a tick must last longer than 0 ms.", param_hint="--bin-ms")
    return FrameOptions(
        bin_us=max(1, round(options["bin_ms"] * 1000)),
        ticks=options["ticks"],
        size=_size(options["size"], "--size"),
        fit=options["fit"],
        crop_at=_corner(options["crop_at"]),
        windows=options["windows"],
        binary=options["binary"],
        limit_bytes=options["limit_mib"] << 20,
    )


def _read_options(options: dict[str, Any]) -> ReadOptions:
    from neurosim_mapper.data.events import ReadOptions

    names = ("camera", "columns", "time_unit", "swap_xy", "flip_x", "flip_y", "invert_polarity")
    return ReadOptions(
        sensor=_size(options["sensor"], "--sensor"),
        order=options["order"],
        resets=options["resets"],
        **{name: options[name] for name in names},
    )


def summarize(framed: FramedSet, output: Path) -> dict[str, Any]:
    """What was written, as plain values for JSON."""
    return {
        "output": str(output),
        "x_shape": list(framed.frames.x.shape),
        "x_dtype": str(framed.frames.x.dtype),
        "labels": sorted(set(framed.y.tolist())) if framed.y is not None else None,
        **framed.meta,
    }


def _sentences(summary: dict[str, Any]) -> str:
    shape = " x ".join(map(str, summary["x_shape"]))
    counts = summary["counts"]
    total = counts["events"] + counts["outside_crop"] + counts["unused"]
    lines = [
        f"{summary['output']}: x is {shape} (samples, ticks, polarity, height, width), "
        f"{summary['x_dtype']}.",
        f"{counts['events']:,} of {total:,} events counted; {counts['outside_crop']:,} outside "
        f"the crop, {counts['unused']:,} outside the ticks, {counts['saturated']:,} counts cut.",
    ]
    guesses = {(about["format"], about["format_reason"]) for about in summary["recordings"]}
    lines += [f"Read as {name}: {reason}." for name, reason in sorted(guesses)]
    if summary["labels"] is not None:
        lines.append(f"Labels: {', '.join(map(str, summary['labels']))}.")
    notes = [f"{a['file']}: {note}." for a in summary["recordings"] for note in a["notes"]]
    lines += notes[:10]
    if len(notes) > 10:
        lines.append(f"... and {len(notes) - 10} more notes (--json shows all).")
    return "\n".join(lines)
