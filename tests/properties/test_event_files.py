"""Damaged files: either events or one clear sentence, never anything else, never much memory."""

import contextlib
import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from neurosim.errors import InputFileError
from neurosim_mapper.data.aedat2 import DEFAULT, read_aedat2, write_aedat2
from neurosim_mapper.data.aedat31 import read_aedat31, write_aedat31
from neurosim_mapper.data.babi import encode_questions, read_babi, write_babi
from neurosim_mapper.data.event_lists import read_npy, read_npz, write_npy, write_npz
from neurosim_mapper.data.events import Conventions, Events, ReadOptions, file_columns
from neurosim_mapper.data.gesture import (
    Segment,
    read_file_labels,
    read_gesture_labels,
    write_file_labels,
    write_gesture_labels,
)
from neurosim_mapper.data.nmnist import read_nmnist, write_nmnist
from neurosim_mapper.data.recordings import read_events
from neurosim_mapper.data.stories import make_stories

SIDE = 34
BYTES_PER_BYTE = 60
FREE_BYTES = 3 << 20


def sample_events(n=200):
    rng = np.random.default_rng(n)
    return Events(
        rng.integers(0, SIDE, n),
        rng.integers(0, SIDE, n),
        rng.integers(0, 2, n),
        np.sort(rng.integers(0, 1 << 22, n)),
        SIDE,
        SIDE,
    )


def sized(reader):
    return lambda path: reader(path, ReadOptions(sensor=(SIDE, SIDE)))


def read_and_encode(path):
    return encode_questions(read_babi(path))


FORMATS = {
    "aedat2": (lambda path: write_aedat2(path, sample_events()), sized(read_aedat2)),
    "aedat31": (
        lambda path: write_aedat31(path, sample_events(), packet_events=16),
        sized(read_aedat31),
    ),
    "nmnist": (lambda path: write_nmnist(path, sample_events()), sized(read_nmnist)),
    "npy": (lambda path: write_npy(path, sample_events()), sized(read_npy)),
    "npz": (lambda path: write_npz(path, sample_events()), sized(read_npz)),
    "gesture": (
        lambda path: write_gesture_labels(path, (Segment(1, 5, 90), Segment(2, 90, 180))),
        read_gesture_labels,
    ),
    "labels": (lambda path: write_file_labels(path, {"a": 1, "b": 20}), read_file_labels),
    "babi": (lambda path: write_babi(path, make_stories(4, 0)), read_and_encode),
}


def read_or_refuse(reader, path, content):
    """Read; any exception but InputFileError fails the test, and so does a large allocation."""
    path.write_bytes(content)
    tracemalloc.start()
    try:
        reader(path)
    except InputFileError as error:
        text = str(error)
        assert text.endswith((".", "?"))
        assert "\n" not in text
        assert len(text) < 500
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < FREE_BYTES + BYTES_PER_BYTE * len(content), (peak, len(content))


def damage(content, rng):
    """One to four mistakes of the kinds that disks, networks and people make."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(0, max(len(data), 1)))
        kind = int(rng.integers(0, 7))
        if kind == 0:
            del data[at:]
        elif kind == 1:
            del data[at : at + int(rng.integers(1, 12))]
        elif kind == 2:
            data[at:at] = rng.bytes(int(rng.integers(1, 12)))
        elif kind == 3 and data:
            data[at % len(data)] = int(rng.integers(0, 256))
        elif kind == 4 and data:
            data[at % len(data)] ^= 1 << int(rng.integers(0, 8))
        elif kind == 5:
            data[at : at + 4] = struct.pack("<I", int(rng.choice([0, 2**31 - 1, 2**32 - 1])))
        else:
            data[at : at + 60] = data[: min(at, 60)]
    return bytes(data)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_read_or_refused(tmp_path, name):
    write, reader = FORMATS[name]
    path = tmp_path / "rec.x"
    write(path)
    content = path.read_bytes()
    reader(path)
    for case in range(150):
        rng = np.random.default_rng([case, len(name)])
        read_or_refuse(reader, path, damage(content, rng))


@pytest.mark.parametrize("name", FORMATS)
def test_every_truncation_is_read_or_refused(tmp_path, name):
    write, reader = FORMATS[name]
    path = tmp_path / "rec.x"
    write(path)
    content = path.read_bytes()
    for length in range(0, min(len(content), 400), 3):
        read_or_refuse(reader, path, content[:length])


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=300), head=st.integers(0, 7))
def test_random_bytes_are_read_or_refused(tmp_path, content, head):
    heads = (
        b"",
        b"#!AER-DAT1.0\r\n",
        b"#!AER-DAT2.0\r\n",
        b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n",
        b"\x93NUMPY\x01\x00",
        b"PK\x03\x04",
        b"1 ",
        b"#",
    )
    path = tmp_path / "rec.bin"
    assume(not (heads[head] + content).startswith(b"#!AER-DAT4"))  # needs the optional library
    read_or_refuse(read_events, path, heads[head] + content)
    for name in ("nmnist", "babi", "gesture", "labels", "aedat31"):
        read_or_refuse(FORMATS[name][1], path, heads[head] + content)


@pytest.mark.parametrize("name", ["aedat2", "aedat31", "nmnist", "npy"])
def test_memory_is_linear_in_the_file(tmp_path, name):
    """At most 14 bytes per byte of the file, sound or damaged."""
    events = sample_events(40_000)
    writers = {
        "aedat2": write_aedat2,
        "aedat31": write_aedat31,
        "nmnist": write_nmnist,
        "npy": write_npy,
    }
    path = tmp_path / "rec.x"
    writers[name](path, events)
    content = path.read_bytes()
    for case in range(12):
        rng = np.random.default_rng([case, 1])
        path.write_bytes(damage(content, rng) if case else content)
        tracemalloc.start()
        with contextlib.suppress(InputFileError):
            FORMATS[name][1](path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 14 * path.stat().st_size + (1 << 19)


def lying_npz():
    """An archive whose member inflates a thousandfold and whose directory claims even more."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", bytes(1 << 20))
    data = bytearray(stream.getvalue())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 0xFFFFFFF0)
    return bytes(data)


def test_archives_that_lie_about_sizes_are_refused_cheaply(tmp_path):
    read_or_refuse(read_npz, tmp_path / "rec.npz", lying_npz())


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    flags=st.tuples(*[st.booleans()] * 4),
    width=st.integers(1, 100),
    height=st.integers(1, 100),
    seed=st.integers(0, 1000),
    name=st.sampled_from(["aedat2", "aedat31", "nmnist", "npy", "npz"]),
)
def test_any_conventions_survive_a_round_trip(tmp_path, flags, width, height, seed, name):
    """What is written under some conventions and read under the same is unchanged."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(0, 60))
    events = Events(
        rng.integers(0, width, n),
        rng.integers(0, height, n),
        rng.integers(0, 2, n),
        np.sort(rng.integers(0, 1 << 22, n)),
        width,
        height,
    )
    names = ("swap_xy", "flip_x", "flip_y", "invert_polarity")
    given_flags = dict(zip(names, flags, strict=True))
    writers = {
        "aedat2": write_aedat2,
        "aedat31": write_aedat31,
        "nmnist": write_nmnist,
        "npy": write_npy,
        "npz": write_npz,
    }
    path = tmp_path / "rec.bin"
    writers[name](path, events, conventions=Conventions(name, **given_flags))
    options = ReadOptions(sensor=(width, height), **given_flags)
    back = read_events(path, name, options)
    for column in ("x", "y", "p", "t_us"):
        np.testing.assert_array_equal(getattr(back, column), getattr(events, column))
    assert back.conventions == Conventions(name, **given_flags)


def test_file_columns_undo_the_default_of_aedat2():
    events = sample_events(5)
    _, y, _ = file_columns(events, DEFAULT)
    assert y.tolist() == [SIDE - 1 - v for v in events.y.tolist()]
