"""AEDAT 1.0, 2.0, 3.1 and N-MNIST: files built by hand from the format's description."""

import struct

import numpy as np
import pytest

from neurosim.errors import InputFileError
from neurosim_mapper.data.aedat2 import read_aedat2, unwrap_32_bits, write_aedat2
from neurosim_mapper.data.aedat31 import read_aedat31, write_aedat31
from neurosim_mapper.data.events import Conventions, Events, ReadOptions
from neurosim_mapper.data.nmnist import read_nmnist, write_nmnist
from neurosim_mapper.data.recordings import guess_format, read_events

HEADER_31 = (
    b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n"
    b"#Start-Time: 2020-01-01 00:00:00 (TZ+0000)\r\n#!END-HEADER\r\n"
)


def rows(events):
    columns = (events.x, events.y, events.p, events.t_us)
    return [tuple(int(v) for v in row) for row in zip(*columns, strict=True)]


def dvs128(x, y, p):
    return (y << 8) | (x << 1) | p


def aedat2(*events, header=b"#!AER-DAT2.0\r\n# comment\r\n"):
    return header + b"".join(struct.pack(">II", a, t) for a, t in events)


def packet(events, overflow=0, kind=1, source=1):
    """A packet of (x, y, p, t[, valid]) polarity events."""
    body = b"".join(
        struct.pack("<Ii", (e[0] << 17) | (e[1] << 2) | (e[2] << 1) | (*e, 1)[4], e[3])
        for e in events
    )
    n = len(events)
    return struct.pack("<hhiiiiii", kind, source, 8, 4, overflow, n, n, n) + body


def test_aedat2_bits_follow_the_vendors_dvs128_layout(tmp_path):
    path = tmp_path / "a.aedat"
    path.write_bytes(aedat2((dvs128(3, 5, 1), 10), (dvs128(127, 0, 0), 12)))
    plain = read_aedat2(path, ReadOptions(flip_y=False))
    assert rows(plain) == [(3, 5, 1, 10), (127, 0, 0, 12)]
    # origin lower left by default: row 5 from below is row 122 from above
    assert rows(read_aedat2(path)) == [(3, 122, 1, 10), (127, 127, 0, 12)]


def test_every_convention_does_what_it_says(tmp_path):
    path = tmp_path / "a.aedat"
    path.write_bytes(aedat2((dvs128(3, 5, 1), 10)))
    got = {
        "flip_x": rows(read_aedat2(path, ReadOptions(flip_y=False, flip_x=True))),
        "swap_xy": rows(read_aedat2(path, ReadOptions(flip_y=False, swap_xy=True))),
        "invert": rows(read_aedat2(path, ReadOptions(flip_y=False, invert_polarity=True))),
    }
    assert got == {
        "flip_x": [(124, 5, 1, 10)],
        "swap_xy": [(5, 3, 1, 10)],
        "invert": [(3, 5, 0, 10)],
    }
    used = read_aedat2(path, ReadOptions(swap_xy=True, flip_x=True)).conventions
    assert used == Conventions("aedat2", swap_xy=True, flip_x=True, flip_y=True)


def test_aedat2_skips_external_events_and_says_so(tmp_path):
    path = tmp_path / "a.aedat"
    path.write_bytes(aedat2((0x8000, 1), (dvs128(1, 1, 1), 2)))
    events = read_aedat2(path, ReadOptions(flip_y=False))
    assert rows(events) == [(1, 1, 1, 2)]
    assert events.notes == ("1 entries that are no polarity events were skipped",)


def test_davis_addresses(tmp_path):
    path = tmp_path / "a.aedat"
    address = (170 << 22) | (230 << 12) | (1 << 11)
    path.write_bytes(aedat2((address, 5), (address | 1 << 31, 6), (address | 1 << 10, 7)))
    events = read_aedat2(path, ReadOptions(camera="davis240", flip_y=False))
    assert rows(events) == [(230, 170, 1, 5)]
    assert (events.width, events.height) == (240, 180)


def test_an_event_that_begins_with_a_hash_is_not_a_header_line(tmp_path):
    path = tmp_path / "a.aedat"
    address = (0x23 << 24) | (7 << 12)  # first byte is '#'
    path.write_bytes(aedat2((address, 5)))
    events = read_aedat2(path, ReadOptions(camera="davis240", flip_y=False))
    assert rows(events) == [(7, address >> 22, 0, 5)]


def test_aedat1_with_and_without_a_version_line(tmp_path):
    body = struct.pack(">HI", dvs128(9, 8, 0), 77)
    for header in (b"#!AER-DAT1.0\r\n", b"# no version\n", b""):
        path = tmp_path / "a.dat"
        path.write_bytes(header + body)
        assert rows(read_events(path, "aedat2", ReadOptions(flip_y=False))) == [(9, 8, 0, 77)]


def test_the_32_bit_clock_wraps():
    clock = np.array([2**32 - 10, 2**32 - 1, 5, 2**31, 2**32 - 3, 4], np.uint32)
    expected = [2**32 - 10, 2**32 - 1, 2**32 + 5, 2**32 + 2**31, 2**33 - 3, 2**33 + 4]
    assert unwrap_32_bits(clock).tolist() == expected


def test_a_late_event_across_the_wrap_is_late_not_an_hour_early():
    clock = np.array([2**32 - 2, 1, 2**32 - 1, 3], np.uint32)
    assert (unwrap_32_bits(clock) - 2**32).tolist() == [-2, 1, -1, 3]


def test_aedat31_bits_types_validity_and_overflow(tmp_path):
    path = tmp_path / "a.aedat"
    other = struct.pack("<hhiiiiii", 3, 1, 36, 4, 0, 2, 2, 2) + bytes(72)
    path.write_bytes(
        HEADER_31
        + packet([(3, 5, 1, 10), (127, 0, 0, 2**31 - 1)])
        + other
        + packet([])
        + packet([(1, 2, 1, 0), (1, 2, 1, 3, 0), (4, 4, 0, 6)], overflow=1)
    )
    events = read_aedat31(path)
    assert rows(events) == [
        (3, 5, 1, 10),
        (127, 0, 0, 2**31 - 1),
        (1, 2, 1, 2**31),
        (4, 4, 0, 2**31 + 6),
    ]
    assert events.notes == ("1 events marked invalid were skipped",)
    assert (events.width, events.height) == (128, 128)


def test_aedat31_takes_the_sensor_of_the_source_in_use(tmp_path):
    path = tmp_path / "a.aedat"
    header = b"#!AER-DAT3.1\r\n#Source 0: DVS128\r\n#Source 2: DAVIS240C\r\n#!END-HEADER\r\n"
    path.write_bytes(header + packet([(239, 179, 1, 0)], source=2))
    events = read_aedat31(path)
    assert (events.width, events.height) == (240, 180)


def test_nmnist_bytes_and_overflow_marker(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(
        bytes([33, 2, 0x80 | 0x01, 0x02, 0x03]) + bytes([0, 240, 1, 2, 4]) + bytes([1, 1, 1, 2, 5])
    )
    t = (1 << 16) + (2 << 8) + 3
    assert rows(read_nmnist(path)) == [(33, 2, 1, t), (1, 1, 0, t + 2 + 2**13)]


@pytest.mark.parametrize("n", [0, 1, 5000])
@pytest.mark.parametrize("name", ["aedat2", "aedat1", "aedat31", "nmnist"])
def test_what_is_written_is_read_back(tmp_path, n, name):
    rng = np.random.default_rng([n, len(name)])
    side = 34
    events = Events(
        rng.integers(0, side, n),
        rng.integers(0, side, n),
        rng.integers(0, 2, n),
        np.sort(rng.integers(0, 1 << 22, n)),
        side,
        side,
    )
    path = tmp_path / "a.bin"
    if name == "nmnist":
        write_nmnist(path, events)
    elif name == "aedat31":
        write_aedat31(path, events, packet_events=100)
    else:
        write_aedat2(path, events, version="1.0" if name == "aedat1" else "2.0")
    options = ReadOptions(sensor=(side, side))
    assert rows(read_events(path, "auto", options)) == rows(events)


def test_aedat31_writer_splits_packets_at_the_overflow(tmp_path):
    path = tmp_path / "a.aedat"
    t = np.array([0, 2**31 - 1, 2**31, 3 * 2**31 + 7])
    one = np.ones(4, np.int64)
    write_aedat31(path, Events(one, one, one, t, 128, 128))
    assert read_aedat31(path).t_us.tolist() == t.tolist()


def test_guesses_come_with_a_reason(tmp_path):
    path = tmp_path / "x.aedat"
    path.write_bytes(aedat2((0, 0)))
    assert guess_format(path) == ("aedat2", "its first line says AEDAT 2")
    path.write_bytes(HEADER_31)
    assert guess_format(path)[0] == "aedat31"
    unknown = tmp_path / "x.raw"
    unknown.write_bytes(b"hello")
    with pytest.raises(InputFileError, match="fit no known format"):
        guess_format(unknown)
