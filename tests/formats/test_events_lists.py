"""npy, npz, AEDAT 4 (with a stand-in library), label tables and trial lists."""

import io
import json
import sys
import types
import zipfile

import numpy as np
import pytest

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.data.aedat4 import read_aedat4
from neurosim_mapper.data.event_lists import read_npy, read_npz, write_npy, write_npz
from neurosim_mapper.data.events import Conventions, Events, ReadOptions
from neurosim_mapper.data.gesture import (
    Segment,
    read_file_labels,
    read_gesture_labels,
    read_trial_list,
    write_file_labels,
    write_gesture_labels,
)


def test_plain_tables_in_every_column_order_and_unit(tmp_path):
    path = tmp_path / "a.npy"
    xypt = np.array([[3, 5, 1, 2], [4, 6, 0, 9]])
    np.save(path, xypt)
    events = read_npy(path, ReadOptions(time_unit="ms"))
    assert events.t_us.tolist() == [2000, 9000]
    assert (events.width, events.height) == (5, 7)
    np.save(path, xypt[:, [3, 0, 1, 2]].astype(np.float64))
    events = read_npy(path, ReadOptions(columns="txyp"))
    assert (events.x.tolist(), events.y.tolist()) == ([3, 4], [5, 6])
    assert (events.p.tolist(), events.t_us.tolist()) == ([1, 0], [2, 9])


@pytest.mark.parametrize("p", [[True, False], [1, -1], [1.0, 0.0]])
def test_polarities_of_all_three_kinds(tmp_path, p):
    path = tmp_path / "a.npz"
    np.savez(path, x=[1, 2], y=[0, 0], polarity=p, ts=[5, 6])
    assert read_npz(path).p.tolist() == [1, 0]


def test_named_fields(tmp_path):
    path = tmp_path / "a.npy"
    table = np.array(
        [(7, 1, 2, True)], dtype=[("timestamp", "u8"), ("x", "u2"), ("y", "u2"), ("on", "?")]
    )
    np.save(path, table)
    events = read_npy(path)
    assert (events.x[0], events.y[0], events.p[0], events.t_us[0]) == (1, 2, 1, 7)


def test_npz_keeps_the_sensor_and_npy_needs_it_said(tmp_path):
    t = np.arange(4)
    events = Events(t, t, t % 2, t * 10, 40, 30, Conventions(source="simulated"))
    write_npz(tmp_path / "a.npz", events)
    back = read_npz(tmp_path / "a.npz")
    assert (back.width, back.height, back.t_us.tolist()) == (40, 30, [0, 10, 20, 30])
    write_npy(tmp_path / "a.npy", events)
    assert read_npy(tmp_path / "a.npy").width == 4
    assert read_npy(tmp_path / "a.npy", ReadOptions(sensor=(40, 30))).height == 30


def test_objects_are_never_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(InputFileError, match="Python objects"):
        read_npy(tmp_path / "a.npy")


def test_a_header_that_lies_about_the_shape_allocates_nothing(tmp_path):
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<i8", "fortran_order": False, "shape": (1 << 40, 4)}
    )
    (tmp_path / "a.npy").write_bytes(stream.getvalue() + bytes(64))
    with pytest.raises(InputFileError, match="announces 35184372088832 bytes"):
        read_npy(tmp_path / "a.npy")
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", stream.getvalue() + bytes(64))
    with pytest.raises(InputFileError, match="announces 35184372088832 bytes"):
        read_npz(tmp_path / "a.npz")


def test_aedat4_without_the_library_says_what_to_install(tmp_path, monkeypatch):
    path = tmp_path / "a.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\n")
    monkeypatch.setitem(sys.modules, "aedat", None)
    with pytest.raises(UsageError, match="pip install aedat"):
        read_aedat4(path)
    path.write_bytes(b"#!AER-DAT3.1\r\n")
    with pytest.raises(InputFileError, match=r"no AEDAT 4\.0 file"):
        read_aedat4(path)


def test_aedat4_header_longer_than_the_file(tmp_path):
    path = tmp_path / "a.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\n" + b"\xff\xff\xff\x7f" + bytes(9))
    with pytest.raises(InputFileError, match="announces 2147483647 bytes, the file has 27 in all"):
        read_aedat4(path)


class Panic(BaseException):
    """Compiled decoders raise faults that are no Exception."""


def stand_in(packets, streams, fault=None):
    class Decoder:
        def __init__(self, path):
            if fault:
                raise fault

        def id_to_stream(self):
            return streams

        def __iter__(self):
            return iter(packets)

    return types.SimpleNamespace(Decoder=Decoder)


def test_aedat4_joins_the_packets_of_its_event_stream(tmp_path, monkeypatch):
    path = tmp_path / "a.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\n")
    fields = [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), ("on", "?")]
    first, second = (np.array([e], dtype=fields) for e in ((5, 1, 2, True), (6, 345, 3, False)))
    streams = {
        0: {"type": "events", "width": 346, "height": 260},
        1: {"type": "imus"},
    }
    packets = [
        {"stream_id": 0, "events": first},
        {"stream_id": 1, "imus": None},
        {"stream_id": 0, "events": second},
    ]
    monkeypatch.setitem(sys.modules, "aedat", stand_in(packets, streams))
    events = read_aedat4(path)
    assert events.t_us.tolist() == [5, 6]
    assert events.x.tolist() == [1, 345]
    assert events.p.tolist() == [1, 0]
    monkeypatch.setitem(sys.modules, "aedat", stand_in([], {1: {"type": "imus"}}))
    with pytest.raises(InputFileError, match="0 event streams, one is needed"):
        read_aedat4(path)
    monkeypatch.setitem(sys.modules, "aedat", stand_in([], {}, fault=Panic("boom")))
    with pytest.raises(InputFileError, match=r"cannot decode it \(boom\)"):
        read_aedat4(path)


def test_gesture_labels_and_lists(tmp_path):
    segments = (Segment(1, 80048239, 85092709), Segment(11, 89431170, 95231007))
    path = tmp_path / "user01_labels.csv"
    write_gesture_labels(path, segments)
    assert path.read_text().splitlines()[0] == "class,startTime_usec,endTime_usec"
    assert read_gesture_labels(path) == segments
    listing = tmp_path / "trials_to_train.txt"
    listing.write_text("user01.aedat\n\nuser02.aedat\n")
    assert read_trial_list(listing) == ("user01.aedat", "user02.aedat")


def test_file_labels(tmp_path):
    write_file_labels(tmp_path / "l.csv", {"a.bin": 3, "b.bin": 0})
    assert read_file_labels(tmp_path / "l.csv") == {"a.bin": 3, "b.bin": 0}


def test_npz_meta_must_be_sound(tmp_path):
    for meta in ("no json", json.dumps({"width": 0, "height": 5}), json.dumps([1])):
        np.savez(tmp_path / "a.npz", x=[1], y=[1], p=[1], t=[1], meta=np.array(meta))
        with pytest.raises(InputFileError, match="'meta' must be JSON"):
            read_npz(tmp_path / "a.npz")
