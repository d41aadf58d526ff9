"""`frames`: recordings of several kinds to one npz, from the command line."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from neurosim.errors import InputFileError
from neurosim_cli.frames import frames
from neurosim_mapper.data.aedat31 import write_aedat31
from neurosim_mapper.data.events import Events, ReadOptions
from neurosim_mapper.data.frames import FrameOptions, frame_events
from neurosim_mapper.data.gesture import Segment, write_gesture_labels
from neurosim_mapper.data.moving_digits import moving_digits, write_recordings
from neurosim_mapper.data.recordings import read_events


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    return folder, write_recordings(folder, moving_digits(6, 0))


def run(*args):
    return CliRunner().invoke(frames, [str(arg) for arg in args], catch_exceptions=False)


def test_recordings_with_labels_become_x_and_y(digits, tmp_path):
    folder, paths = digits
    out = tmp_path / "f.npz"
    shape = ("--bin-ms", 12, "--ticks", 8, "--sensor", "32x32")
    done = run(*paths, "--labels", folder / "labels.csv", *shape, "-o", out)
    assert done.exit_code == 0, done.output
    assert "x is 6 x 8 x 2 x 32 x 32" in done.output
    assert "Read as aedat31: its first line says AEDAT 3.1." in done.output
    with np.load(out) as data:
        assert data["y"].tolist() == [0, 1, 2, 3, 4, 5]
        for k, path in enumerate(paths):
            events = read_events(path, "auto", ReadOptions(sensor=(32, 32)))
            expected = frame_events(events, FrameOptions(bin_us=12_000, ticks=8)).x[0]
            np.testing.assert_array_equal(data["x"][k], expected)
        meta = json.loads(str(data["meta"]))
    assert meta["schema"] == "neurosim-frames-1"
    assert meta["channels"] == ["darker", "brighter"]
    assert meta["framing"]["bin_us"] == 12_000
    flips = [about["conventions"]["flip_y"] for about in meta["recordings"]]
    assert flips == [True, False] * 3


def test_equal_input_gives_equal_bytes_and_json(digits, tmp_path):
    _, paths = digits
    outs = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for out in outs:
        done = run(*paths[:2], "--ticks", 4, "--sensor", "32x32", "--json", "-o", out)
        summary = json.loads(done.output)
        assert summary["x_shape"] == [2, 4, 2, 32, 32]
        assert summary["labels"] is None
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.npz", "b.npz"]


def test_gesture_recording_with_segments_list_and_downsampling(tmp_path):
    """A recording with labelled stretches, as in DVS128 Gesture: one sample per stretch."""
    rng = np.random.default_rng(0)
    n, span = 4000, 4_000_000
    events = Events(
        rng.integers(0, 128, n),
        rng.integers(0, 128, n),
        rng.integers(0, 2, n),
        np.sort(rng.integers(0, span, n)),
        128,
        128,
    )
    write_aedat31(tmp_path / "user01_led.aedat", events)
    segments = (Segment(3, 0, 1_500_000), Segment(7, 2_000_000, 3_999_999))
    write_gesture_labels(tmp_path / "user01_led_labels.csv", segments)
    (tmp_path / "trials_to_train.txt").write_text("user01_led.aedat\n")
    out = tmp_path / "f.npz"
    done = run(
        "--list", tmp_path / "trials_to_train.txt",
        "--labels", tmp_path / "user01_led_labels.csv",
        "--bin-ms", 25, "--ticks", 60, "--size", "32x32", "-o", out,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with np.load(out) as data:
        assert data["x"].shape == (2, 60, 2, 32, 32)
        assert data["y"].tolist() == [3, 7]
        inside = [
            (events.t_us >= s.start_us) & (events.t_us < s.start_us + 1_500_000) for s in segments
        ]
        assert data["x"].sum((1, 2, 3, 4)).tolist() == [int(i.sum()) for i in inside]


def test_errors_leave_no_file(digits, tmp_path):
    _, paths = digits
    out = tmp_path / "f.npz"
    (tmp_path / "l.csv").write_text("file,label\nother,1\n")
    with pytest.raises(InputFileError, match="no label file mentions this recording"):
        run(paths[0], "--labels", tmp_path / "l.csv", "-o", out)
    small = ("--bin-ms", 0.01, "--size", "2x2", "--sensor", "32x32")
    with pytest.raises(InputFileError, match="different shapes"):
        run(*paths[:2], *small, "-o", out)
    with pytest.raises(InputFileError, match="the limit is 0"):
        run(paths[0], "--limit-mib", 0, "-o", out)
    assert not out.exists()


@pytest.mark.parametrize(
    ("args", "text"),
    [
        ([], "Give at least one recording"),
        (["a", "--size", "5"], "must be two numbers like 34x34"),
        (["a", "--crop-at", "left"], "must be 'middle', 'events' or X,Y"),
        (["a", "--bin-ms", "0"], "longer than 0 ms"),
    ],
)
def test_usage_errors(tmp_path, args, text):
    done = run(*args, "-o", tmp_path / "f.npz")
    assert done.exit_code == 2
    assert text in done.output.replace("\n", " ")
