"""``neurosim stream``: one recording that is longer than memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from neurosim_cli.options import FILE, json_option

EXAMPLES = """\b
Examples:
  neurosim stream keywords.nsp --input hour.npy -o hour/
  neurosim stream keywords.nsp --input hour.npz --piece 200000 --json
"""


@click.command("stream", epilog=EXAMPLES)
@click.argument("program", type=FILE)
@click.option(
    "--input",
    "input_path",
    type=FILE,
    required=True,
    help="npy, or npz with x: (ticks, ...), in the order of time.",
)
@click.option(
    "--piece", type=int, help="Ticks that are played, and kept, at a time.  [default: 65536]"
)
@click.option("--threads", type=int, help="Workers.  [default: one per processor]")
@click.option("-o", "--output", type=FILE, help="Folder for the report and all pieces.")
@json_option
def stream(
    program: Path,
    input_path: Path,
    piece: int | None,
    threads: int | None,
    output: Path | None,
    as_json: bool,
) -> None:
    """Run PROGRAM (.nsp) on one long recording, in the memory of a piece of it.

    The chip runs on from piece to piece: outputs and counters are those of the recording in one
    go. With -o every piece is a run folder in OUTPUT/pieces, and OUTPUT/report.json is the report
    of the whole; the folder is complete or not there.
    """
    from neurosim.errors import UsageError
    from neurosim.program.columns import load_program
    from neurosim.provenance import file_digest
    from neurosim.report.terminal import report_view
    from neurosim.run.recording import open_recording
    from neurosim.stream_folder import (
        PIECE_TICKS,
        check_stream_folder,
        play_recording,
        write_stream_folder,
    )
    from neurosim_cli.options import command_line, refuse_checkpoint
    from neurosim_cli.output import progress, remark, show, show_json

    if piece is not None and piece < 1:
        raise UsageError(f"piece is {piece}; at least 1 is needed.")
    if output is not None:
        check_stream_folder(output)
    refuse_checkpoint(program)
    loaded = load_program(program)
    recording = open_recording(input_path, loaded.input_shape)
    options: dict[str, Any] = {"piece_ticks": piece or PIECE_TICKS, "threads": threads}
    with progress("playing", recording.ticks) as advance:
        if output is None:
            report = play_recording(loaded, recording, progress=advance, **options)
        else:
            digests = {path.name: file_digest(path) for path in (program, input_path)}
            report = write_stream_folder(
                loaded,
                recording,
                output,
                progress=advance,
                command=command_line(),
                inputs=digests,
                **options,
            )
    if as_json:
        show_json(report)
    else:
        show(report_view(report))
    if output is not None:
        remark(f"written: {output}")
