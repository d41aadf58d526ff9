"""Framing against a slow twin, and its edges."""

import numpy as np
import pytest

from neurosim.errors import InputFileError, UsageError
from neurosim_mapper.data.events import Events
from neurosim_mapper.data.frames import MAX_COUNT, FrameOptions, frame_events, stack_frames


def random_events(n, width, height, span_us, seed=0):
    rng = np.random.default_rng([n, width, seed])
    return Events(
        rng.integers(0, width, n),
        rng.integers(0, height, n),
        rng.integers(0, 2, n),
        np.sort(rng.integers(0, span_us, n)) + 777,
        width,
        height,
    )


def slow_frames(events, start, n_windows, options, corner=(0, 0)):
    """The definition of the module, event by event."""
    height, width = options.size or (events.height, events.width)
    x = np.zeros((n_windows, options.ticks, 2, height, width), np.int64)
    for i in range(len(events)):
        tick = (int(events.t_us[i]) - start) // options.bin_us
        if options.fit == "downsample":
            row = int(events.y[i]) * height // events.height
            col = int(events.x[i]) * width // events.width
        else:
            row, col = int(events.y[i]) - corner[1], int(events.x[i]) - corner[0]
        if 0 <= tick < n_windows * options.ticks and 0 <= row < height and 0 <= col < width:
            x[tick // options.ticks, tick % options.ticks, events.p[i], row, col] += 1
    return np.minimum(x, 1 if options.binary else MAX_COUNT)


@pytest.mark.parametrize("size", [None, (8, 8), (5, 7), (1, 1)])
@pytest.mark.parametrize("windows", ["first", "all"])
@pytest.mark.parametrize("binary", [False, True])
def test_downsampling_equals_the_slow_twin(size, windows, binary):
    events = random_events(3000, 16, 24, 100_000)
    options = FrameOptions(bin_us=2500, ticks=6, size=size, windows=windows, binary=binary)
    start = int(events.t_us[0])
    n_windows = 1 if windows == "first" else events.duration_us // 15_000
    frames = frame_events(events, options)
    expected = slow_frames(events, start, n_windows, options)
    np.testing.assert_array_equal(frames.x, expected)
    assert frames.n_events + frames.n_outside + frames.n_unused == 3000


@pytest.mark.parametrize(
    ("crop_at", "corner"), [("middle", (3, 6)), ((1, 2), (1, 2)), ((6, 12), (6, 12))]
)
def test_cropping_equals_the_slow_twin(crop_at, corner):
    events = random_events(2000, 16, 24, 50_000)
    options = FrameOptions(bin_us=5000, ticks=10, size=(12, 10), fit="crop", crop_at=crop_at)
    frames = frame_events(events, options)
    expected = slow_frames(events, int(events.t_us[0]), 1, options, corner)
    np.testing.assert_array_equal(frames.x, expected)
    assert frames.n_events == expected.sum()
    assert frames.n_outside == 2000 - expected.sum() - frames.n_unused


def test_crop_can_follow_the_events_and_stays_on_the_sensor():
    one = np.full(9, 30)
    t = np.arange(9)
    events = Events(one, one // 3, t % 2, t, 32, 32)
    options = FrameOptions(bin_us=9, ticks=1, size=(8, 8), fit="crop", crop_at="events")
    # median (30, 10): a window of 8 around it would begin at (26, 6), the sensor ends at 32
    assert frame_events(events, options).x[0, 0, :, 4, 6].sum() == 9


def test_the_papers_bins():
    """LIAF-Net VI.C: 128 x 128, 25 ms, down-sampled to 32 x 32, T = 60."""
    events = random_events(20_000, 128, 128, 60 * 25_000 + 30_000)
    options = FrameOptions(bin_us=25_000, ticks=60, size=(32, 32))
    x = frame_events(events, options, start_us=777).x
    assert x.shape == (1, 60, 2, 32, 32)
    inside = events.t_us < 777 + 60 * 25_000
    first = inside & (events.t_us < 777 + 25_000) & (events.p == 1)
    assert x.sum() == inside.sum()
    assert x[0, 0, 1].sum() == first.sum()
    assert x[0, 0, 1, 0, 0] == (first & (events.x < 4) & (events.y < 4)).sum()


def test_without_ticks_the_whole_recording_is_one_sample():
    t = np.array([100, 5099, 5100, 20_000])
    events = Events(t * 0, t * 0, t * 0, t, 1, 1)
    x = frame_events(events, FrameOptions(bin_us=5000)).x
    assert x[0, :, 0, 0, 0].tolist() == [2, 1, 0, 1]


def test_start_and_stop_cut_half_open():
    t = np.array([5, 10, 14, 15])
    events = Events(t * 0, t * 0, t * 0, t, 1, 1)
    frames = frame_events(events, FrameOptions(bin_us=5, ticks=3), start_us=10, stop_us=15)
    assert frames.x.ravel().tolist() == [2, 0, 0, 0, 0, 0]
    assert frames.n_unused == 2


def test_no_events_give_empty_frames():
    none = np.zeros(0, np.int64)
    events = Events(none, none, none, none, 4, 4)
    x = frame_events(events, FrameOptions(bin_us=5, ticks=3)).x
    assert x.shape == (1, 3, 2, 4, 4)
    assert not x.any()


def test_counts_stop_and_never_wrap():
    n = MAX_COUNT + 10
    zero = np.zeros(n, np.int64)
    frames = frame_events(Events(zero, zero, zero, zero, 1, 1), FrameOptions(bin_us=1, ticks=1))
    assert frames.x[0, 0, 0, 0, 0] == MAX_COUNT
    assert frames.saturated == 1
    assert frames.n_events == n


def test_large_pictures_with_few_events_are_counted_too():
    t = np.array([0, 1, 1])
    events = Events(t * 0 + 4095, t * 0 + 2047, t * 0 + 1, t, 4096, 2048)
    frames = frame_events(events, FrameOptions(bin_us=1, ticks=2))
    assert frames.x[0, :, 1, 2047, 4095].tolist() == [1, 2]
    assert frames.x.sum() == 3


def test_stacking_takes_the_smallest_type_that_fits():
    t = np.zeros(300, np.int64)
    many = frame_events(Events(t, t, t, t, 1, 1), FrameOptions(bin_us=1, ticks=1))
    few = frame_events(Events(t[:2], t[:2], t[:2], t[:2], 1, 1), FrameOptions(bin_us=1, ticks=1))
    assert stack_frames([few, few]).x.dtype == np.uint8
    both = stack_frames([few, many])
    assert both.x.dtype == np.uint16
    assert both.x[:, 0, 0, 0, 0].tolist() == [2, 300]
    assert both.n_events == 302


def test_the_limit_is_checked_before_anything_is_allocated():
    t = np.array([0, 1 << 60])
    events = Events(t * 0, t * 0, t * 0, t, 128, 128)
    with pytest.raises(InputFileError, match="the limit is 2147483648"):
        frame_events(events, FrameOptions(bin_us=1))
    with pytest.raises(InputFileError, match="the limit is"):
        frame_events(events, FrameOptions(bin_us=1, ticks=2, windows="all"))


def test_options_that_make_no_sense():
    events = random_events(3, 8, 8, 10)
    with pytest.raises(UsageError, match="at least 1 is needed"):
        FrameOptions(bin_us=0)
    with pytest.raises(UsageError, match="'all' needs the number of ticks"):
        FrameOptions(windows="all")
    with pytest.raises(UsageError, match="only makes pictures smaller"):
        frame_events(events, FrameOptions(size=(9, 8), ticks=1))
    with pytest.raises(UsageError, match="leaves the sensor"):
        frame_events(events, FrameOptions(size=(9, 8), ticks=1, fit="crop"))
