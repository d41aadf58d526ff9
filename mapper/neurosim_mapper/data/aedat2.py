"""AEDAT 2.0 and 1.0: the files of jAER, and so of MNIST-DVS and CIFAR10-DVS.

A text header (lines that start with ``#``, the first one ``#!AER-DAT2.0``), then events, all
big-endian: 2.0 has a 32-bit address and a 32-bit time in microseconds, 1.0 a 16-bit address and
the same time. A file without a version line is version 1.0.

The address layout depends on the camera (vendor's documentation of the AEDAT formats):

- ``dvs128``: bit 0 polarity (1 = brighter), bits 1-7 x, bits 8-14 y, bit 15 external event;
- ``davis240``, ``davis346``: bit 31 picture sample or IMU (skipped), bits 22-30 y, bits 12-21 x,
  bit 11 polarity, bit 10 external event (skipped).

Default conventions, from the same source: the origin is the lower left pixel, so y is flipped.
Programs differ (jAER's DVS128 class mirrors x and calls a 0 brighter): say it with `ReadOptions`.

The clock has 32 bits. The step between two events is taken as a signed 32-bit difference, so the
wrap after 71.6 minutes (and a signed clock turning negative after 35.8) is followed; pauses of
more than 35.8 minutes cannot be told from a step backwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.data.events import (
    Conventions,
    Events,
    ReadOptions,
    build_events,
    file_columns,
)
from neurosim_mapper.data.files import header_lines, read_bytes, write_aside

DEFAULT = Conventions(source="aedat2", flip_y=True)
EVENT_BYTES = {"1.0": 6, "2.0": 8}


@dataclass(frozen=True)
class AddressLayout:
    """Where a camera keeps x, y and polarity in the address word.

    Attributes
    ----------
    unused : int
        Bits that are 0 in every file of this camera.
    skip : int
        If any of these bits is 1, the entry is no polarity event.
    """

    width: int
    height: int
    x_shift: int
    x_mask: int
    y_shift: int
    y_mask: int
    p_shift: int
    unused: int
    skip: int


_DAVIS = {"x_shift": 12, "x_mask": 0x3FF, "y_shift": 22, "y_mask": 0x1FF, "p_shift": 11}
CAMERAS: dict[str, AddressLayout] = {
    "dvs128": AddressLayout(128, 128, 1, 0x7F, 8, 0x7F, 0, 0xFFFF0000, 0x8000),
    "davis240": AddressLayout(240, 180, **_DAVIS, unused=0, skip=0x80000400),
    "davis346": AddressLayout(346, 260, **_DAVIS, unused=0, skip=0x80000400),
}


def camera_layout(name: str) -> AddressLayout:
    """The address layout called `name`.

    Raises
    ------
    UsageError
        If there is none; the message lists those there are.
    """
    if name not in CAMERAS:
        raise UsageError(f"camera: {name!r} is unknown. Known are: {', '.join(sorted(CAMERAS))}.")
    return CAMERAS[name]


def read_aedat2(path: str | Path, options: ReadOptions | None = None) -> Events:
    """Read an AEDAT 2.0 or 1.0 file.

    Raises
    ------
    InputFileError
        If the file is cut off, of another version, or of another camera.
    """
    options = options or ReadOptions()
    layout = camera_layout(options.camera or "dvs128")
    name = Path(path).name
    data = read_bytes(path)
    lines, start = header_lines(data, name)
    version = _version(lines, name)
    size = EVENT_BYTES[version]
    body = data[start:]
    if body.size % size:
        raise InputFileError(
            f"{name}: the last event, at byte {start + body.size // size * size}, has "
            f"{body.size % size} of {size} bytes: the file is cut off or no AEDAT {version}."
        )
    fields = [("address", ">u4" if version == "2.0" else ">u2"), ("t", ">u4")]
    raw = np.frombuffer(body, dtype=np.dtype(fields))
    address = raw["address"].astype(np.uint32)
    _check_unused(name, address, layout, options.camera or "dvs128", start, size)
    keep = np.flatnonzero((address & np.uint32(layout.skip)) == 0)
    notes = (f"{raw.size - keep.size} entries that are no polarity events were skipped",)
    address, clock = address[keep], raw["t"].astype(np.uint32)[keep]
    columns = (
        (address >> np.uint32(layout.x_shift)) & np.uint32(layout.x_mask),
        (address >> np.uint32(layout.y_shift)) & np.uint32(layout.y_mask),
        (address >> np.uint32(layout.p_shift)) & np.uint32(1),
        unwrap_32_bits(clock),
    )
    return build_events(
        name,
        columns,
        options.sensor or (layout.width, layout.height),
        options.resolve(DEFAULT),
        lambda i: f"event {int(keep[i])} (byte {start + int(keep[i]) * size})",
        notes if keep.size < raw.size else (),
    )


def _version(lines: list[str], name: str) -> str:
    if not lines or not lines[0].startswith("#!AER-DAT"):
        return "1.0"
    version = lines[0].removeprefix("#!AER-DAT").strip()
    if version not in EVENT_BYTES:
        raise InputFileError(
            f"{name}: the header says AEDAT {version[:20]!r}, this reader knows 1.0 and 2.0."
        )
    return version


def _check_unused(
    name: str,
    address: NDArray[np.uint32],
    layout: AddressLayout,
    camera: str,
    start: int,
    size: int,
) -> None:
    strange = np.flatnonzero(address & np.uint32(layout.unused))
    if strange.size:
        i = int(strange[0])
        others = ", ".join(sorted(set(CAMERAS) - {camera}))
        raise InputFileError(
            f"{name}: event {i} (byte {start + i * size}) has address 0x{int(address[i]):08x}, "
            f"camera {camera} leaves bits 0x{layout.unused:08x} at 0. "
            f"Name the camera that recorded it (known besides: {others})."
        )


def unwrap_32_bits(clock: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Follow a 32-bit clock: sum of the signed 32-bit steps, from the first value on.

    Parameters
    ----------
    clock : uint32 array (n,)
        Microseconds modulo 2**32.

    Returns
    -------
    int64 array (n,)
    """
    if clock.size == 0:
        return np.zeros(0, np.int64)
    steps = np.diff(clock).view(np.int32).astype(np.int64)
    return np.concatenate([[0], np.cumsum(steps)]) + np.int64(clock[0])


def write_aedat2(
    path: str | Path,
    events: Events,
    *,
    version: str = "2.0",
    camera: str = "dvs128",
    conventions: Conventions = DEFAULT,
) -> None:
    """Write an AEDAT 2.0 (or 1.0) file that `read_aedat2` reads back to the same events.

    Times are written modulo 2**32 us.

    Raises
    ------
    UsageError
        If the sensor does not fit the camera's address, or the version is unknown.
    """
    layout = camera_layout(camera)
    if version not in EVENT_BYTES or (version == "1.0" and layout.unused != 0xFFFF0000):
        raise UsageError(f"AEDAT version {version!r} cannot be written for camera {camera}.")
    x, y, p = file_columns(events, conventions)
    if x.size and (int(x.max()) > layout.x_mask or int(y.max()) > layout.y_mask):
        raise UsageError(
            f"events: addresses reach ({int(x.max())}, {int(y.max())}), "
            f"camera {camera} ends at ({layout.x_mask}, {layout.y_mask})."
        )
    address = (x << layout.x_shift) | (y << layout.y_shift) | (p << layout.p_shift)
    word = ">u4" if version == "2.0" else ">u2"
    raw = np.empty(len(events), dtype=np.dtype([("address", word), ("t", ">u4")]))
    raw["address"] = address
    raw["t"] = events.t_us % (1 << 32)
    bits = 32 if version == "2.0" else 16
    header = (
        f"#!AER-DAT{version}\r\n"
        "# This is a raw AE data file - do not edit\r\n"
        f"# Data format is int{bits} address, int32 timestamp, repeated for each event\r\n"
        "# Timestamps tick is 1 us\r\n"
    )
    with write_aside(path) as stream:
        stream.write(header.encode("ascii"))
        stream.write(raw.tobytes())
