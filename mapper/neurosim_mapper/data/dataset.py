"""Recordings with labels in, one npz of framed samples out (`neurosim frames` calls this).

The npz holds `x` (samples, ticks, 2, height, width) in uint8 or uint16, `y` (samples,) in int64
if there are labels, and `meta`: JSON text with the bin length, the framing, and for every
recording its name, format, sensor, conventions and notes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import InputFileError, UsageError
from neurosim.files.needed import need_file
from neurosim_mapper.data.events import Events, ReadOptions
from neurosim_mapper.data.files import write_aside
from neurosim_mapper.data.frames import FrameOptions, Frames, frame_events, stack_frames
from neurosim_mapper.data.gesture import Segment, read_file_labels, read_gesture_labels
from neurosim_mapper.data.recordings import guess_format, read_events

SCHEMA = "neurosim-frames-1"


@dataclass(frozen=True, eq=False)
class FramedSet:
    """Framed samples of several recordings.

    Attributes
    ----------
    frames : Frames
        All samples, in the order of the recordings.
    y : int64 array (samples,) or None
        Labels.
    meta : dict
        What the npz stores as JSON.
    """

    frames: Frames
    y: NDArray[np.int64] | None
    meta: dict[str, Any]


@dataclass(frozen=True)
class Labels:
    """Where labels come from.

    Attributes
    ----------
    by_file : dict
        Recording name -> label.
    by_segment : dict
        Recording name -> labelled stretches (each becomes a sample of its own).
    """

    by_file: dict[str, int]
    by_segment: dict[str, tuple[Segment, ...]]

    def __bool__(self) -> bool:
        return bool(self.by_file or self.by_segment)


def read_labels(paths: Iterable[str | Path], recordings: Iterable[str | Path]) -> Labels:
    """Read label files of either kind, told apart by their first line.

    A gesture csv ``NAME_labels.csv`` belongs to the recording ``NAME.*``; a csv with the columns
    file, label names its recordings itself.

    Raises
    ------
    InputFileError
        If a label file is damaged or belongs to no recording.
    """
    by_file: dict[str, int] = {}
    by_segment: dict[str, tuple[Segment, ...]] = {}
    names = {Path(path).stem: Path(path).name for path in recordings}
    for path in map(Path, paths):
        if _first_line(path).startswith("class,"):
            stem = path.stem.removesuffix("_labels")
            if stem not in names:
                raise InputFileError(
                    f"{path.name}: belongs to a recording {stem}.*, which is not among the "
                    f"recordings ({', '.join(sorted(names.values()))[:80]})."
                )
            by_segment[names[stem]] = read_gesture_labels(path)
        else:
            by_file.update(read_file_labels(path))
    return Labels(by_file, by_segment)


def _first_line(path: Path) -> str:
    need_file(path)
    with path.open("rb") as stream:
        return stream.readline(200).decode("utf-8", "replace").removeprefix("\ufeff")


def frame_recordings(
    paths: list[Path],
    frame_options: FrameOptions,
    *,
    format: str = "auto",
    read_options: ReadOptions | None = None,
    labels: Labels | None = None,
    on_file: Callable[[int, Path], None] | None = None,
) -> FramedSet:
    """Read, cut by label and frame several recordings.

    Parameters
    ----------
    labels : Labels or None
        With labels, every recording must have one.
    on_file : callable or None
        Called with (files done, path) after each file, for a progress bar.

    Raises
    ------
    InputFileError
        If a recording cannot be used or has no label.
    """
    parts: list[Frames] = []
    y: list[int] = []
    about: list[dict[str, Any]] = []
    used_bytes = 0
    for index, path in enumerate(paths):
        chosen, reason = guess_format(path) if format == "auto" else (format, "it was given")
        events = read_events(path, chosen, read_options)
        made = _cut(path.name, events, frame_options, labels)
        for frames, label in made:
            used_bytes += frames.x.nbytes
            if used_bytes > frame_options.limit_bytes:
                raise InputFileError(
                    f"{path.name}: with this recording the frames need more than "
                    f"{frame_options.limit_bytes} bytes. Take fewer recordings at a time."
                )
            parts.append(frames)
            y += [label] * frames.x.shape[0]
        about.append(_describe(path, chosen, reason, events, sum(f.x.shape[0] for f, _ in made)))
        if on_file is not None:
            on_file(index + 1, path)
    if not parts:
        raise UsageError("recordings: none of them has a labelled stretch, there is no sample.")
    frames = stack_frames(parts)
    meta = {
        "schema": SCHEMA,
        "channels": ["darker", "brighter"],
        "framing": frame_options.as_dict(),
        "recordings": about,
        "counts": {
            "events": frames.n_events,
            "outside_crop": frames.n_outside,
            "unused": frames.n_unused,
            "saturated": frames.saturated,
        },
    }
    return FramedSet(frames, np.asarray(y, np.int64) if labels else None, meta)


def _cut(
    name: str, events: Events, options: FrameOptions, labels: Labels | None
) -> list[tuple[Frames, int]]:
    if not labels:
        return [(frame_events(events, options, name=name), -1)]
    if name in labels.by_segment:
        return [
            (frame_events(events, options, s.start_us, s.stop_us, name), s.label)
            for s in labels.by_segment[name]
        ]
    if name not in labels.by_file:
        raise InputFileError(
            f"{name}: no label file mentions this recording, but labels were given. "
            "Label it or leave it out."
        )
    return [(frame_events(events, options, name=name), labels.by_file[name])]


def _describe(
    path: Path, format: str, reason: str, events: Events, n_samples: int
) -> dict[str, Any]:
    return {
        "file": path.name,
        "format": format,
        "format_reason": reason,
        "sensor": [events.width, events.height],
        "events": len(events),
        "duration_us": events.duration_us,
        "samples": n_samples,
        "conventions": events.conventions.as_dict(),
        "notes": list(events.notes),
    }


def write_frames(path: str | Path, framed: FramedSet) -> None:
    """Write the npz, aside first and renamed at the end; equal input gives equal bytes."""
    arrays: dict[str, NDArray[Any]] = {"x": framed.frames.x}
    if framed.y is not None:
        arrays["y"] = framed.y
    arrays["meta"] = np.array(json.dumps(framed.meta, sort_keys=True))
    with write_aside(path) as stream:
        np.savez_compressed(stream, allow_pickle=False, **arrays)
