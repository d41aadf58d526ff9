"""The text files of DVS128 Gesture: labels of a recording, and the train and test lists.

``user01_fluorescent_labels.csv`` has the columns class, startTime_usec, endTime_usec: one gesture
per line, classes from 1. ``trials_to_train.txt`` and ``trials_to_test.txt`` name one recording per
line. A plain ``file,label`` table is read here too, for recordings with one label each.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neurosim.errors import InputFileError
from neurosim_mapper.data.files import read_text, write_aside

GESTURES = (
    "hand clapping",
    "right hand wave",
    "left hand wave",
    "right arm clockwise",
    "right arm counter-clockwise",
    "left arm clockwise",
    "left arm counter-clockwise",
    "arm roll",
    "air drums",
    "air guitar",
    "other",
)
_HEADER = ["class", "startTime_usec", "endTime_usec"]
_MAX_US = 1 << 62


@dataclass(frozen=True)
class Segment:
    """One labelled stretch of a recording: start_us <= t < stop_us."""

    label: int
    start_us: int
    stop_us: int


def read_gesture_labels(path: str | Path) -> tuple[Segment, ...]:
    """Read a ``*_labels.csv`` of DVS128 Gesture; labels are kept as the file says (from 1).

    Raises
    ------
    InputFileError
        If a line is no triple of whole numbers, or ends before it starts.
    """
    name = Path(path).name
    rows = _rows(path)
    if not rows or rows[0][1] != _HEADER:
        raise InputFileError(f"{name}: line 1 must be '{','.join(_HEADER)}'.")
    segments = []
    for line, cells in rows[1:]:
        if len(cells) != 3 or not all(cell.isascii() and cell.isdigit() for cell in cells):
            raise InputFileError(
                f"{name}: line {line} must hold class, start and end as whole numbers, "
                f"it is {','.join(cells)[:60]!r}."
            )
        label, start_us, stop_us = (int(cell[:20]) for cell in cells)
        if not start_us < stop_us < _MAX_US:
            raise InputFileError(
                f"{name}: line {line} runs from {start_us} to {stop_us} us: "
                "the end must come after the start."
            )
        segments.append(Segment(label, start_us, stop_us))
    return tuple(segments)


def write_gesture_labels(path: str | Path, segments: tuple[Segment, ...]) -> None:
    """Write the csv that `read_gesture_labels` reads."""
    lines = [",".join(_HEADER)]
    lines += [f"{segment.label},{segment.start_us},{segment.stop_us}" for segment in segments]
    with write_aside(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode("ascii"))


def read_trial_list(path: str | Path) -> tuple[str, ...]:
    """Read ``trials_to_train.txt``: names of recordings, one per line, blank lines left out.

    Raises
    ------
    InputFileError
        If a line is a path or has control characters.
    """
    name = Path(path).name
    names = []
    for number, text in enumerate(read_text(path).splitlines(), start=1):
        entry = text.strip()
        if not entry:
            continue
        if "/" in entry or "\\" in entry or not entry.isprintable() or len(entry) > 255:
            raise InputFileError(
                f"{name}: line {number} must be the bare name of a recording, it is {entry[:60]!r}."
            )
        names.append(entry)
    return tuple(names)


def read_file_labels(path: str | Path) -> dict[str, int]:
    """Read a csv with the columns file, label: one whole number per recording.

    Raises
    ------
    InputFileError
        If the header differs, a label is no whole number, or a file has two labels.
    """
    name = Path(path).name
    rows = _rows(path)
    if not rows or rows[0][1] != ["file", "label"]:
        raise InputFileError(f"{name}: line 1 must be 'file,label'.")
    labels: dict[str, int] = {}
    for line, cells in rows[1:]:
        digits = cells[1] if len(cells) == 2 else ""
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 9 and cells[0]):
            raise InputFileError(
                f"{name}: line {line} must hold a file name and a whole number from 0, "
                f"it is {','.join(cells)[:60]!r}."
            )
        if cells[0] in labels:
            raise InputFileError(f"{name}: line {line} labels {cells[0][:60]!r} a second time.")
        labels[cells[0]] = int(digits)
    return labels


def write_file_labels(path: str | Path, labels: dict[str, int]) -> None:
    """Write the csv that `read_file_labels` reads."""
    lines = ["file,label", *(f"{file},{label}" for file, label in labels.items())]
    with write_aside(path) as stream:
        stream.write(("\n".join(lines) + "\n").encode("utf-8"))


def _rows(path: str | Path) -> list[tuple[int, list[str]]]:
    lines = enumerate(read_text(path).splitlines(), start=1)
    return [(n, [cell.strip() for cell in line.split(",")]) for n, line in lines if line.strip()]
