"""Every complaint about an event file: one sentence or two, with file, place, need and limit."""

import struct

import numpy as np
import pytest

from neurosim.errors import InputFileError, NeurosimError, UsageError
from neurosim_mapper.data.aedat2 import read_aedat2, write_aedat2
from neurosim_mapper.data.aedat31 import read_aedat31
from neurosim_mapper.data.babi import read_babi
from neurosim_mapper.data.dataset import read_labels
from neurosim_mapper.data.event_lists import read_npy, read_npz
from neurosim_mapper.data.events import Events, ReadOptions
from neurosim_mapper.data.gesture import read_file_labels, read_gesture_labels, read_trial_list
from neurosim_mapper.data.nmnist import read_nmnist, write_nmnist
from neurosim_mapper.data.recordings import read_events

HEAD_2 = b"#!AER-DAT2.0\r\n"
HEAD_31 = b"#!AER-DAT3.1\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"


def packet(kind=1, source=1, size=8, offset=4, overflow=0, number=1, capacity=None, body=None):
    capacity = number if capacity is None else capacity
    body = struct.pack("<Ii", 1, 0) * number if body is None else body
    head = struct.pack("<hhiiiiii", kind, source, size, offset, overflow, capacity, number, number)
    return head + body


CASES = [
    (
        read_aedat2,
        HEAD_2 + bytes(11),
        "rec.x: the last event, at byte 22, has 3 of 8 bytes: the file is cut off or no AEDAT 2.0.",
    ),
    (
        read_aedat2,
        b"#!AER-DAT4.0\r\n",
        "rec.x: the header says AEDAT '4.0', this reader knows 1.0 and 2.0.",
    ),
    (
        read_aedat2,
        HEAD_2 + bytes(8) + struct.pack(">II", 0x12345678, 0),
        "rec.x: event 1 (byte 22) has address 0x12345678, camera dvs128 leaves bits 0xffff0000 "
        "at 0. Name the camera that recorded it (known besides: davis240, davis346).",
    ),
    (
        read_aedat2,
        HEAD_2 + struct.pack(">IIII", 0, 60_000_000, 0, 5_000_000),
        "rec.x: time runs backwards at event 1 (byte 22): 5000000 us after 60000000 us, allowed "
        'are 10000 us. Sort the events (order="sort") if the file is sound.',
    ),
    (
        read_aedat31,
        HEAD_2,
        "rec.x: the first line is '#!AER-DAT2.0', AEDAT 3.1 starts with '#!AER-DAT3.1'.",
    ),
    (
        read_aedat31,
        b"#!AER-DAT3.1\r\n#Format: Serial-TS\r\n#!END-HEADER\r\n",
        "rec.x: the packets have format 'Serial-TS', this reader knows RAW.",
    ),
    (
        read_aedat31,
        b"#!AER-DAT3.1\r\n\0\0",
        "rec.x: the header has no line '#!END-HEADER' before byte data begins: the file is damaged "
        "or no AEDAT 3.1.",
    ),
    (
        read_aedat31,
        HEAD_31 + bytes(20),
        "rec.x: packet 0 at byte 47 has 20 of the 28 bytes of a packet header: the file is cut "
        "off.",
    ),
    (
        read_aedat31,
        HEAD_31 + packet() + packet(number=10**9, body=b"12345678"),
        "rec.x: packet 1 at byte 83 announces 1000000000 events of 8 bytes, the file ends after 8 "
        "bytes of them: it is cut off.",
    ),
    (
        read_aedat31,
        HEAD_31 + packet(capacity=5),
        "rec.x: packet 0 at byte 47 says type 1, 8 bytes per event, capacity 5, number 1, valid 1: "
        "needed are a type below 1000, a positive size and valid <= number = capacity. The file is "
        "damaged before this byte.",
    ),
    (
        read_aedat31,
        HEAD_31 + packet(size=12, body=bytes(12)),
        "rec.x: packet 0 at byte 47 has polarity events of 12 bytes with the time at byte 4 and "
        "overflow 0; needed are 8 bytes, byte 4, 0 or more.",
    ),
    (
        read_aedat31,
        HEAD_31 + packet(body=struct.pack("<Ii", 1, -5)),
        "rec.x: the event at byte 75 has the negative time -5, 31 bits without sign are needed.",
    ),
    (
        read_aedat31,
        HEAD_31 + packet(body=struct.pack("<Ii", 1 | 300 << 17, 0)),
        "rec.x: event 0 (byte 75) has x = 300, a sensor of 128 x 128 pixels ends at 127. Give the "
        "size of the camera that recorded it.",
    ),
    (
        read_aedat31,
        HEAD_31 + packet() + packet(source=2),
        "rec.x: polarity events of sources 1, 2 are mixed, one source per file is needed.",
    ),
    (
        read_aedat31,
        HEAD_31.replace(b"DVS128", b"Eye 9") + packet(),
        "rec.x: the size of camera 'Eye 9' is not known. Give the sensor size.",
    ),
    (
        read_nmnist,
        bytes(12),
        "rec.x: 12 bytes are no whole number of 5-byte events, the one at byte 10 is cut off (or "
        "it is no such file).",
    ),
    (
        read_nmnist,
        bytes(5) + bytes([40, 0, 0, 0, 0]),
        "rec.x: event 1 (byte 5) has x = 40, a sensor of 34 x 34 pixels ends at 33. Give the size "
        "of the camera that recorded it.",
    ),
    (read_npy, b"hello", "rec.x: this is no npy array, or its header is damaged."),
    (read_npz, b"hello", "rec.x: this is no npz archive, or it is damaged."),
    (
        read_gesture_labels,
        b"class,startTime_usec,endTime_usec\n1,5,x\n",
        "rec.x: line 2 must hold class, start and end as whole numbers, it is '1,5,x'.",
    ),
    (
        read_gesture_labels,
        b"class,startTime_usec,endTime_usec\n1,5,5\n",
        "rec.x: line 2 runs from 5 to 5 us: the end must come after the start.",
    ),
    (
        read_gesture_labels,
        b"a,b,c\n",
        "rec.x: line 1 must be 'class,startTime_usec,endTime_usec'.",
    ),
    (
        read_file_labels,
        b"file,label\na.bin,1\na.bin,2\n",
        "rec.x: line 3 labels 'a.bin' a second time.",
    ),
    (
        read_trial_list,
        b"a.aedat\n../b.aedat\n",
        "rec.x: line 2 must be the bare name of a recording, it is '../b.aedat'.",
    ),
    (
        read_babi,
        b"1 Eve ran.\nx Where?\teve\t1\n",
        "rec.x: line 2 must start with a number from 1 and a blank, it starts with 'x'.",
    ),
    (
        read_babi,
        b"1 Eve ran.\n2 Where?\teve\t7\n",
        "rec.x: line 2 cites supporting line '7', which is no statement before line 2 of its "
        "story.",
    ),
    (
        read_babi,
        b"1 Eve ran.\n2 Where?\t\t1\n",
        "rec.x: line 2 is a question and must hold question, answer and supporting lines between "
        "tabs, it has 3 parts.",
    ),
    (read_babi, b"1 !!\n", "rec.x: line 1 has no words after its number."),
    (read_babi, b"\n", "rec.x: the file holds no story."),
]


@pytest.mark.parametrize(("reader", "content", "message"), CASES)
def test_message(tmp_path, reader, content, message):
    path = tmp_path / "rec.x"
    path.write_bytes(content)
    with pytest.raises(InputFileError) as caught:
        reader(path)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"x": [1.5], "y": [0], "p": [0], "t": [0]},
            "rec.npz: event 0 has x = 1.5, whole numbers from 0 to 65535 are needed. Check the "
            "order of the columns.",
        ),
        (
            {"x": [1], "y": [0], "p": [7], "t": [0]},
            "rec.npz: the polarities take the values [7]; 0 and 1, or -1 and 1, are needed. Check "
            "the order of the columns.",
        ),
        (
            {"x": [1], "y": [0], "p": [1], "t": [np.nan]},
            "rec.npz: event 0 has time nan, times from 0 to 2**62 us are needed.",
        ),
        (
            {"x": [1], "y": [0], "p": [1]},
            "rec.npz: there is no column t_us / t / ts / timestamp, only x, y, p.",
        ),
        ({"z": [1]}, "rec.npz: there is no column x, nor any other of an event list."),
        (
            {"x": [1, 2], "y": [0], "p": [1], "t": [0]},
            "rec.npz: column x has shape (2,), the times have (1,): one entry per event is needed.",
        ),
    ],
)
def test_messages_about_columns(tmp_path, columns, message):
    path = tmp_path / "rec.npz"
    np.savez(path, **columns)
    with pytest.raises(InputFileError) as caught:
        read_npz(path)
    assert str(caught.value) == message


def test_files_that_are_none(tmp_path):
    with pytest.raises(InputFileError, match=r"no\.aedat: no such file\."):
        read_events(tmp_path / "no.aedat")
    with pytest.raises(InputFileError, match="is a folder; a file is needed"):
        read_events(tmp_path)
    with pytest.raises(InputFileError, match="is not a regular file"):
        read_nmnist("/dev/zero")


def test_options_that_are_none(tmp_path):
    path = tmp_path / "rec.bin"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match=r"'mp4' is unknown\. Known are auto, aedat2, "):
        read_events(path, "mp4")
    with pytest.raises(UsageError, match=r"'eye' is unknown\. Known are: davis240, davis346, dvs"):
        read_aedat2(path, ReadOptions(camera="eye"))
    with pytest.raises(UsageError, match=r"\(0, 5\) is no size in pixels"):
        read_nmnist(path, ReadOptions(sensor=(0, 5)))


def test_writers_refuse_what_the_format_cannot_hold(tmp_path):
    far = np.array([200])
    events = Events(far, far, far * 0, far * 10**6, 300, 300)
    with pytest.raises(UsageError, match=r"reach \(200, 99\), camera dvs128 ends at \(127, 127\)"):
        write_aedat2(tmp_path / "a", events)
    with pytest.raises(UsageError, match="times have 23 bits"):
        write_nmnist(tmp_path / "a", events)
    assert not list(tmp_path.iterdir())


def test_labels_that_belong_to_no_recording(tmp_path):
    path = tmp_path / "user09_labels.csv"
    path.write_text("class,startTime_usec,endTime_usec\n")
    with pytest.raises(NeurosimError, match=r"belongs to a recording user09\.\*, which is not"):
        read_labels([path], [tmp_path / "user01.aedat"])
