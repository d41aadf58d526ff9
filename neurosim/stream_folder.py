"""A long recording in one folder: a run folder per piece, and the report of the whole.

=============== ==============================================================================
stream.json     schema, versions, command, digests of inputs, and per piece its folder, its first
                chip tick, its chip ticks and how many sample ticks of output it holds
report.json     `neurosim.report.total`, of all pieces together
pieces/00000/   a run folder (`neurosim.results`): counters, outputs and page of a piece
=============== ==============================================================================

Pieces are written as they are played, so memory is that of one piece; the folder appears when
the last one is done, or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from neurosim.files.folders import check_replaceable, folder_aside, write_files
from neurosim.program.columns import Program
from neurosim.provenance import program_digest, versions
from neurosim.report.report import report_json
from neurosim.report.total import StreamTotal
from neurosim.results import run_files
from neurosim.run.recording import Recording
from neurosim.run.stream import simulate_stream

STREAM_SCHEMA: Final = "neurosim-stream/1"
MANIFEST: Final = "stream.json"
REPORT: Final = "report.json"
PIECES: Final = "pieces"
PIECE_TICKS: Final = 1 << 16
"""Ticks of a piece, unless the caller says otherwise."""


def check_stream_folder(path: str | Path) -> None:
    """Raise UsageError if `write_stream_folder` would refuse `path`."""
    check_replaceable(Path(path), MANIFEST, (MANIFEST, REPORT, PIECES))


def play_recording(
    program: Program,
    recording: Recording,
    *,
    piece_ticks: int = PIECE_TICKS,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """The data of ``report.json`` of a recording, without keeping its pieces.

    Raises the errors of `simulate_stream`.
    """
    total = StreamTotal(program)
    pieces = recording.pieces(piece_ticks)
    for run in simulate_stream(
        program, pieces, recording.ticks, threads=threads, progress=progress
    ):
        total.add(run)
    return total.report()


def write_stream_folder(
    program: Program,
    recording: Recording,
    path: str | Path,
    *,
    piece_ticks: int = PIECE_TICKS,
    threads: int | None = None,
    progress: Callable[[int], None] | None = None,
    command: Sequence[str] = (),
    inputs: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Play a recording and keep everything in a folder; returns the data of ``report.json``.

    Parameters
    ----------
    piece_ticks, threads, progress : as for `simulate_stream`.
    command, inputs : for the manifest, as for `neurosim.results.write_run_folder`.

    Raises
    ------
    UsageError : the folder cannot be written, or holds files of somebody else. The errors of
        `simulate_stream`.
    """
    check_stream_folder(path)
    total, rows = StreamTotal(program), list[dict[str, Any]]()
    with folder_aside(Path(path)) as aside:
        pieces = recording.pieces(piece_ticks)
        for run in simulate_stream(
            program, pieces, recording.ticks, threads=threads, progress=progress
        ):
            name = f"{PIECES}/{len(rows):05}"
            rows.append(
                {
                    "folder": name,
                    "first_chip_tick": total.chip_ticks,
                    "chip_ticks": run.counters.n_chip_ticks,
                    "output_ticks": int(run.outputs.shape[1]),
                }
            )
            total.add(run)
            write_files(aside / name, run_files(run, command=command, inputs=inputs))
        report = total.report()
        manifest = {
            "schema": STREAM_SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": versions(),
            "command": list(command),
            "program_digest": program_digest(program),
            "inputs": dict(inputs or {}),
            "ticks": recording.ticks,
            "pieces": rows,
        }
        text = json.dumps(manifest, indent=1) + "\n"
        write_files(aside, {REPORT: report_json(report).encode(), MANIFEST: text.encode()})
    return report
