"""AEDAT 3.1: the files of cAER, and so of the raw DVS128 Gesture recordings.

A text header (``#!AER-DAT3.1`` ... ``#!END-HEADER``), then typed packets, all little-endian. A
packet header has 28 bytes: type (int16), source (int16), then int32 event size, offset of the
time stamp inside an event, overflow counter, capacity, number and valid number of events. Of the
types only polarity events (1) are used, the others are stepped over. A polarity event has 8
bytes: bit 0 valid, bit 1 polarity (1 = brighter), bits 2-16 y, bits 17-31 x; then 31 bits of
time in microseconds, which the packet's overflow counter continues.

Default conventions, from the vendor's documentation: the origin is the upper left pixel, nothing
is flipped. Entries marked invalid are skipped.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from itertools import pairwise
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

DEFAULT = Conventions(source="aedat31")
PACKET = struct.Struct("<hhiiiiii")
POLARITY_TYPE = 1
POLARITY_BYTES = 8
N_TYPES = 1000
SENSORS = {
    "DVS128": (128, 128),
    "EDVS": (128, 128),
    "DAVIS240": (240, 180),
    "DAVIS346": (346, 260),
    "DAVIS640": (640, 480),
}


@dataclass(frozen=True)
class PolarityPackets:
    """Index of the polarity packets of a file: columns of shape (n_packets,).

    Attributes
    ----------
    offset : int64 array
        Byte at which the first event of the packet stands.
    number : int64 array
        Events in the packet.
    overflow : int64 array
        Value of the overflow counter.
    source : int64 array
        Identifier of the camera.
    """

    offset: NDArray[np.int64]
    number: NDArray[np.int64]
    overflow: NDArray[np.int64]
    source: NDArray[np.int64]


def read_aedat31(path: str | Path, options: ReadOptions | None = None) -> Events:
    """Read the polarity events of an AEDAT 3.1 file.

    Raises
    ------
    InputFileError
        If the file is cut off, a packet contradicts itself, addresses leave the sensor, or
        several cameras are mixed.
    """
    options = options or ReadOptions()
    name = Path(path).name
    data = read_bytes(path)
    lines, start = header_lines(data, name)
    _check_header(lines, name)
    packets = _index_packets(data, start, name)
    sensor = options.sensor or _sensor_of_source(lines, packets, name)
    at = _event_offsets(packets)
    words = _words(data, packets)
    t_us = words["t"].astype(np.int64)
    negative = np.flatnonzero(t_us < 0)
    if negative.size:
        raise InputFileError(
            f"{name}: the event at byte {int(at[negative[0]])} has the negative time "
            f"{int(t_us[negative[0]])}, 31 bits without sign are needed."
        )
    t_us |= np.repeat(packets.overflow, packets.number) << 31
    keep = np.flatnonzero(words["address"] & np.uint32(1))
    address = words["address"][keep]
    skipped = t_us.size - keep.size
    columns = (
        address >> np.uint32(17),
        (address >> np.uint32(2)) & np.uint32(0x7FFF),
        (address >> np.uint32(1)) & np.uint32(1),
        t_us[keep],
    )
    return build_events(
        name,
        columns,
        sensor,
        options.resolve(DEFAULT),
        lambda i: f"event {int(keep[i])} (byte {int(at[keep[i]])})",
        (f"{skipped} events marked invalid were skipped",) if skipped else (),
    )


def _check_header(lines: list[str], name: str) -> None:
    first = lines[0] if lines else ""
    if first != "#!AER-DAT3.1":
        raise InputFileError(
            f"{name}: the first line is {first[:40]!r}, AEDAT 3.1 starts with '#!AER-DAT3.1'."
        )
    formats = [line.split(":", 1)[1].strip() for line in lines if line.startswith("#Format:")]
    if formats and formats[-1] != "RAW":
        raise InputFileError(
            f"{name}: the packets have format {formats[-1][:40]!r}, this reader knows RAW."
        )
    if lines[-1] != "#!END-HEADER":
        raise InputFileError(
            f"{name}: the header has no line '#!END-HEADER' before byte data begins: "
            "the file is damaged or no AEDAT 3.1."
        )


def _index_packets(data: NDArray[np.uint8], start: int, name: str) -> PolarityPackets:
    rows: list[tuple[int, int, int, int]] = []
    at, index, buffer = start, 0, data.data
    while at < data.size:
        if data.size - at < PACKET.size:
            raise InputFileError(
                f"{name}: packet {index} at byte {at} has {data.size - at} of the "
                f"{PACKET.size} bytes of a packet header: the file is cut off."
            )
        kind, source, size, t_offset, overflow, capacity, number, valid = PACKET.unpack_from(
            buffer, at
        )
        where = f"{name}: packet {index} at byte {at}"
        if not (0 <= kind < N_TYPES and 0 <= valid <= number == capacity and size > 0):
            raise InputFileError(
                f"{where} says type {kind}, {size} bytes per event, capacity {capacity}, "
                f"number {number}, valid {valid}: needed are a type below {N_TYPES}, a positive "
                "size and valid <= number = capacity. The file is damaged before this byte."
            )
        stop = at + PACKET.size + size * number
        if stop > data.size:
            raise InputFileError(
                f"{where} announces {number} events of {size} bytes, the file ends after "
                f"{data.size - at - PACKET.size} bytes of them: it is cut off."
            )
        if kind == POLARITY_TYPE:
            if size != POLARITY_BYTES or t_offset != 4 or overflow < 0:
                raise InputFileError(
                    f"{where} has polarity events of {size} bytes with the time at byte "
                    f"{t_offset} and overflow {overflow}; needed are 8 bytes, byte 4, 0 or more."
                )
            if number:
                rows.append((at + PACKET.size, number, overflow, source))
        at, index = stop, index + 1
    table = np.asarray(rows, np.int64).reshape(-1, 4)
    return PolarityPackets(*(table[:, i] for i in range(4)))


def _words(data: NDArray[np.uint8], packets: PolarityPackets) -> NDArray[np.void]:
    spans = [
        data[offset : offset + POLARITY_BYTES * number]
        for offset, number in zip(packets.offset, packets.number, strict=True)
    ]
    joined = np.concatenate(spans) if spans else np.zeros(0, np.uint8)
    return joined.view(np.dtype([("address", "<u4"), ("t", "<i4")]))


def _event_offsets(packets: PolarityPackets) -> NDArray[np.int64]:
    before = np.cumsum(packets.number) - packets.number
    within = np.arange(int(packets.number.sum())) - np.repeat(before, packets.number)
    return np.repeat(packets.offset, packets.number) + POLARITY_BYTES * within


def _sensor_of_source(lines: list[str], packets: PolarityPackets, name: str) -> tuple[int, int]:
    sources = np.unique(packets.source)
    if sources.size > 1:
        raise InputFileError(
            f"{name}: polarity events of sources {', '.join(map(str, sources))} are mixed, "
            "one source per file is needed."
        )
    wanted = int(sources[0]) if sources.size else None
    for line in lines:
        found = re.fullmatch(r"#Source (\d{1,6}): *([\w -]{1,60})", line)
        if found and (wanted is None or int(found[1]) == wanted):
            device = found[2].upper()
            for known, size in SENSORS.items():
                if device.startswith(known):
                    return size
            raise InputFileError(
                f"{name}: the size of camera {found[2]!r} is not known. Give the sensor size."
            )
    raise InputFileError(
        f"{name}: the header names no camera for source {wanted}. Give the sensor size."
    )


def write_aedat31(
    path: str | Path,
    events: Events,
    *,
    device: str = "DVS128",
    packet_events: int = 4096,
    conventions: Conventions = DEFAULT,
) -> None:
    """Write an AEDAT 3.1 file that `read_aedat31` reads back to the same events.

    Parameters
    ----------
    device : str
        Name for the ``#Source`` line, one of `SENSORS` if readers shall know the size.
    packet_events : int
        Most events in one packet; a packet also ends where the overflow counter changes.

    Raises
    ------
    UsageError
        If a time is negative, an address needs more than 15 bits, or `packet_events` is below 1.
    """
    x, y, p = file_columns(events, conventions)
    t_us = events.t_us
    if packet_events < 1 or (len(events) and (int(t_us[0]) < 0 or int(t_us[-1]) >= 1 << 62)):
        raise UsageError("AEDAT 3.1: times of 0..2**62 us and packets of at least 1 are needed.")
    if len(events) and max(int(x.max()), int(y.max())) > 0x7FFF:
        raise UsageError("AEDAT 3.1: addresses have 15 bits, the events go beyond 32767.")
    words = np.empty(len(events), dtype=np.dtype([("address", "<u4"), ("t", "<i4")]))
    words["address"] = 1 | (p << 1) | (y << 2) | (x << 17)
    words["t"] = t_us & 0x7FFFFFFF
    overflow = t_us >> 31
    header = (
        "#!AER-DAT3.1\r\n#Format: RAW\r\n"
        f"#Source 1: {device}\r\n"
        "#Start-Time: 1970-01-01 00:00:00 (TZ+0000)\r\n#!END-HEADER\r\n"
    )
    with write_aside(path) as stream:
        stream.write(header.encode("ascii"))
        edges = [0, *(np.flatnonzero(np.diff(overflow)) + 1).tolist(), len(events)]
        for first, last in pairwise(edges):
            for start in range(first, last, packet_events):
                n = min(packet_events, last - start)
                stream.write(PACKET.pack(1, 1, 8, 4, int(overflow[start]), n, n, n))
                stream.write(words[start : start + n].tobytes())
