"""The ``.bin`` files of N-MNIST and N-Caltech101: five bytes per event, no header.

Byte 0 is x, byte 1 is y, bit 7 of byte 2 is the polarity (1 = brighter), the remaining 23 bits
are the time in microseconds, high byte first. On sensors of up to 240 rows an entry with y = 240
is no event: it says that the clock overflowed, and adds 2**13 us to everything after it (so does
the reader published by the data set's author).

Default conventions: the origin is the upper left pixel, nothing is flipped. Default sensor: the
34 x 34 pixels of N-MNIST; N-Caltech101 has up to 240 x 180.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.data.events import (
    Conventions,
    Events,
    ReadOptions,
    build_events,
    file_columns,
)
from neurosim_mapper.data.files import read_bytes, write_aside

DEFAULT = Conventions(source="nmnist")
SENSOR = (34, 34)
EVENT_BYTES = 5
OVERFLOW_ROW = 240
OVERFLOW_US = 1 << 13
TIME_LIMIT_US = 1 << 23


def read_nmnist(path: str | Path, options: ReadOptions | None = None) -> Events:
    """Read a five-byte event file.

    Raises
    ------
    InputFileError
        If the size is no multiple of five bytes or addresses leave the sensor.
    """
    options = options or ReadOptions()
    name = Path(path).name
    data = read_bytes(path)
    if data.size % EVENT_BYTES:
        raise InputFileError(
            f"{name}: {data.size} bytes are no whole number of {EVENT_BYTES}-byte events, the one "
            f"at byte {data.size // EVENT_BYTES * EVENT_BYTES} is cut off (or it is no such file)."
        )
    raw = data.reshape(-1, EVENT_BYTES)
    sensor = options.sensor or SENSOR
    t_us = (raw[:, 2] & 0x7F).astype(np.int64) << 16
    t_us |= (raw[:, 3].astype(np.int64) << 8) | raw[:, 4]
    keep = np.arange(raw.shape[0])
    if sensor[1] <= OVERFLOW_ROW:
        overflow = raw[:, 1] == OVERFLOW_ROW
        t_us += np.cumsum(overflow) * OVERFLOW_US
        keep = np.flatnonzero(~overflow)
    columns = (raw[keep, 0], raw[keep, 1], raw[keep, 2] >> 7, t_us[keep])
    return build_events(
        name,
        columns,
        sensor,
        options.resolve(DEFAULT),
        lambda i: f"event {int(keep[i])} (byte {int(keep[i]) * EVENT_BYTES})",
    )


def write_nmnist(path: str | Path, events: Events, *, conventions: Conventions = DEFAULT) -> None:
    """Write the file that `read_nmnist` reads back to the same events.

    Raises
    ------
    UsageError
        If an address needs more than 8 bits or a time more than 23.
    """
    x, y, p = file_columns(events, conventions)
    if len(events):
        if max(int(x.max()), int(y.max())) > 255 or (y == OVERFLOW_ROW).any():
            raise UsageError(
                "N-MNIST: addresses have 8 bits and y = 240 is taken, the events go beyond."
            )
        if int(events.t_us[0]) < 0 or int(events.t_us[-1]) >= TIME_LIMIT_US:
            raise UsageError(
                f"N-MNIST: times have 23 bits (0..{TIME_LIMIT_US - 1} us), the events go beyond."
            )
    raw = np.empty((len(events), EVENT_BYTES), np.uint8)
    raw[:, 0], raw[:, 1] = x, y
    raw[:, 2] = (p << 7) | (events.t_us >> 16)
    raw[:, 3] = (events.t_us >> 8) & 0xFF
    raw[:, 4] = events.t_us & 0xFF
    with write_aside(path) as stream:
        stream.write(raw.tobytes())
