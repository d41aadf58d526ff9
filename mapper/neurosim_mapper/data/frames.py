"""Events to frames: counts per time bin, polarity and pixel, as in LIAF-Net section VI.

The paper counts events in bins of 5 ms (MNIST-DVS, CIFAR10-DVS) or 25 ms (DVS128 Gesture), keeps
two channels by polarity, crops or down-samples the picture and takes T adjacent bins as a sample.
Here a sample is (ticks, 2, height, width); channel 1 is brighter, channel 0 darker; tick k of
window w counts the events with

    start + (w * ticks + k) * bin <= t < start + (w * ticks + k + 1) * bin.

Counts never wrap: they stop at 65535, and `Frames.saturated` says how many did. The size of the
result is computed and compared with a limit before it is allocated; besides the result only
columns as long as the events, and one block of counts, are held.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.data.events import Events

Fit = Literal["crop", "downsample"]
CropAt = Literal["middle", "events"] | tuple[int, int]

MAX_COUNT = 65535
_BLOCK_CELLS = 1 << 22


@dataclass(frozen=True)
class FrameOptions:
    """How to frame.

    Attributes
    ----------
    bin_us : int
        Length of a tick in microseconds.
    ticks : int or None
        Ticks of a sample; None takes as many as the recording has (one window).
    size : (height, width) or None
        Pixels of a frame; None keeps the sensor's.
    fit : {"crop", "downsample"}
        How to come from the sensor to `size`. Down-sampling sums: pixel (x, y) counts in column
        ``x * width // sensor_width``, row likewise.
    crop_at : "middle", "events" or (x, y)
        Crop window in the middle of the sensor, around the median event of the sample, or with
        this upper left pixel.
    windows : {"first", "all"}
        The first `ticks` bins only, or every complete stretch of `ticks` bins (at least one).
    binary : bool
        Count at most one event per bin, polarity and pixel.
    limit_bytes : int
        Largest result allowed.
    """

    bin_us: int = 5000
    ticks: int | None = None
    size: tuple[int, int] | None = None
    fit: Fit = "downsample"
    crop_at: CropAt = "middle"
    windows: Literal["first", "all"] = "first"
    binary: bool = False
    limit_bytes: int = 1 << 31

    def __post_init__(self) -> None:
        if self.bin_us < 1:
            raise UsageError(f"bin: {self.bin_us} us, at least 1 is needed.")
        if self.ticks is not None and self.ticks < 1:
            raise UsageError(f"ticks: {self.ticks}, at least 1 is needed.")
        if self.size is not None and min(self.size) < 1:
            raise UsageError(f"size: {self.size}, at least 1 x 1 pixels are needed.")
        if self.windows == "all" and self.ticks is None:
            raise UsageError("windows: 'all' needs the number of ticks of a window.")

    def as_dict(self) -> dict[str, Any]:
        """All fields as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Frames:
    """Frames of one recording, or of several joined by `stack_frames`.

    Attributes
    ----------
    x : uint8 or uint16 array (windows, ticks, 2, height, width)
        Event counts.
    n_events : int
        Events that were counted.
    n_outside : int
        Events left out because they lie outside the crop window.
    n_unused : int
        Events left out because they come before the start or after the last window.
    saturated : int
        Counts that stopped at 65535 (at 1 if binary).
    """

    x: NDArray[np.uint16] | NDArray[np.uint8]
    n_events: int
    n_outside: int
    n_unused: int
    saturated: int


def frame_events(
    events: Events,
    options: FrameOptions,
    start_us: int | None = None,
    stop_us: int | None = None,
    name: str = "events",
) -> Frames:
    """Count events into frames.

    Parameters
    ----------
    start_us, stop_us : int or None
        Use events with start_us <= t < stop_us; tick 0 begins at `start_us`, by default at the
        first event.
    name : str
        For messages.

    Returns
    -------
    Frames
        With `x` of dtype uint16.

    Raises
    ------
    InputFileError
        If the frames would be larger than ``options.limit_bytes``.
    UsageError
        If the crop window leaves the sensor.
    """
    start, stop, n_windows, ticks = _time_span(events, options, start_us, stop_us)
    height, width = options.size or (events.height, events.width)
    need = n_windows * ticks * 2 * height * width * 2
    if need > options.limit_bytes:
        raise InputFileError(
            f"{name}: {n_windows} x {ticks} frames of 2 x {height} x {width} pixels need {need} "
            f"bytes, the limit is {options.limit_bytes}. Take longer bins, fewer ticks or a "
            "smaller picture."
        )
    last = min(stop, start + n_windows * ticks * options.bin_us)
    inside = events.between(start, last)
    row, column, keep = _pixels(inside, options, height, width)
    tick = (inside.t_us[keep] - start) // options.bin_us
    channel = inside.p[keep].astype(np.int64)
    cell = (channel * height + row) * width + column
    shape = (n_windows * ticks, 2 * height * width)
    x, saturated = _count(tick, cell, shape, 1 if options.binary else MAX_COUNT)
    return Frames(
        x.reshape(n_windows, ticks, 2, height, width),
        n_events=int(cell.size),
        n_outside=len(inside) - int(cell.size),
        n_unused=len(events) - len(inside),
        saturated=saturated,
    )


def _time_span(
    events: Events, options: FrameOptions, start_us: int | None, stop_us: int | None
) -> tuple[int, int, int, int]:
    first, last = (int(events.t_us[0]), int(events.t_us[-1])) if len(events) else (0, 0)
    start = first if start_us is None else start_us
    stop = last + 1 if stop_us is None else stop_us
    if stop < start:
        stop = start
    bins = max(1, -(-(stop - start) // options.bin_us))
    if options.ticks is None:
        return start, stop, 1, bins
    if options.windows == "first":
        return start, stop, 1, options.ticks
    return start, stop, max(1, (stop - start) // (options.bin_us * options.ticks)), options.ticks


def _pixels(
    events: Events, options: FrameOptions, height: int, width: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.intp] | slice]:
    x, y = events.x.astype(np.int64), events.y.astype(np.int64)
    if options.fit == "downsample":
        if height > events.height or width > events.width:
            raise UsageError(
                f"size: {height} x {width} pixels are more than the sensor's "
                f"{events.height} x {events.width}. Down-sampling only makes pictures smaller."
            )
        return y * height // events.height, x * width // events.width, slice(None)
    left, top = _crop_corner(events, options.crop_at, height, width)
    keep = np.flatnonzero((x >= left) & (x < left + width) & (y >= top) & (y < top + height))
    return y[keep] - top, x[keep] - left, keep


def _crop_corner(events: Events, crop_at: CropAt, height: int, width: int) -> tuple[int, int]:
    room = (events.width - width, events.height - height)
    if isinstance(crop_at, tuple):
        left, top = crop_at
    elif crop_at == "events" and len(events):
        left = int(np.median(events.x)) - width // 2
        top = int(np.median(events.y)) - height // 2
        left, top = min(max(left, 0), room[0]), min(max(top, 0), room[1])
    else:
        left, top = room[0] // 2, room[1] // 2
    if not (0 <= left <= room[0] and 0 <= top <= room[1]):
        raise UsageError(
            f"crop: a window of {width} x {height} pixels at ({left}, {top}) leaves the sensor of "
            f"{events.width} x {events.height} pixels."
        )
    return left, top


def _count(
    tick: NDArray[np.int64], cell: NDArray[np.int64], shape: tuple[int, int], limit: int
) -> tuple[NDArray[np.uint16], int]:
    n_ticks, n_cells = shape
    x = np.zeros(shape, np.uint16)
    block = max(1, _BLOCK_CELLS // n_cells)
    saturated = 0
    for first in range(0, n_ticks, block):
        stop = min(first + block, n_ticks)
        begin, end = np.searchsorted(tick, [first, stop])
        if begin == end:
            continue
        flat = (tick[begin:end] - first) * n_cells + cell[begin:end]
        if flat.size < n_cells // 8 or n_cells > _BLOCK_CELLS:
            cells, counts = np.unique(flat, return_counts=True)
            x[first:stop].reshape(-1)[cells] = np.minimum(counts, limit)
        else:
            counts = np.bincount(flat, minlength=(stop - first) * n_cells)
            x[first:stop] = np.minimum(counts, limit).reshape(stop - first, n_cells)
        saturated += int(np.count_nonzero(counts > limit))
    return x, saturated


def stack_frames(parts: list[Frames]) -> Frames:
    """Join the frames of several recordings along the samples; uint8 if every count fits.

    Raises
    ------
    InputFileError
        If their shapes differ.
    """
    if not parts:
        raise UsageError("frames: there is nothing to join, at least one recording is needed.")
    shapes = {part.x.shape[1:] for part in parts}
    if len(shapes) > 1:
        raise InputFileError(
            f"frames: samples have different shapes ({', '.join(map(str, sorted(shapes)))}). "
            "Fix the number of ticks and the size."
        )
    top = max(int(part.x.max(initial=0)) for part in parts)
    dtype = np.uint8 if top <= 255 else np.uint16
    n = sum(part.x.shape[0] for part in parts)
    x = np.empty((n, *parts[0].x.shape[1:]), dtype)
    at = 0
    for part in parts:
        x[at : at + part.x.shape[0]] = part.x
        at += part.x.shape[0]
    return Frames(
        x,
        n_events=sum(part.n_events for part in parts),
        n_outside=sum(part.n_outside for part in parts),
        n_unused=sum(part.n_unused for part in parts),
        saturated=sum(part.saturated for part in parts),
    )
