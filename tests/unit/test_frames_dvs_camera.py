"""The event camera against its definition, and the moving digits made with it."""

import numpy as np
import pytest

from neurosim.errors import UsageError
from neurosim_mapper.data.dvs_camera import (
    CameraOptions,
    outside_refractory,
    sensor_thresholds,
    simulate_camera,
)
from neurosim_mapper.data.events import ReadOptions
from neurosim_mapper.data.frames import FrameOptions, frame_events, stack_frames
from neurosim_mapper.data.moving_digits import (
    MOTIONS,
    SceneOptions,
    digit_images,
    draw_film,
    moving_digits,
    write_recordings,
)
from neurosim_mapper.data.recordings import read_events

IDEAL = CameraOptions(
    threshold=0.2, threshold_sd=0.0, leak_per_s=0.0, shot_noise_per_s=0.0, refractory_us=0
)


def film(log_intensity, t_us):
    values = np.asarray(log_intensity, np.float64)
    return np.exp(values).reshape(values.shape[0], 1, -1), np.asarray(t_us)


def rng():
    return np.random.default_rng(0)


def test_a_ramp_fires_at_every_threshold_at_the_time_of_crossing():
    pictures, t_us = film([[0.0], [1.1]], [0, 11_000])  # 0.1 per ms, threshold 0.2
    events = simulate_camera(pictures, t_us, IDEAL, rng())
    assert events.p.tolist() == [1] * 5
    np.testing.assert_allclose(events.t_us, [2000, 4000, 6000, 8000, 10_000], atol=1)


def test_falling_light_gives_darker_events_and_hysteresis_holds():
    # up by 0.35 (one event, memory at 0.2), down to 0.05: 0.15 below the memory, no event
    pictures, t_us = film([[0.0], [0.35], [0.05], [-0.1]], [0, 1000, 2000, 3000])
    events = simulate_camera(pictures, t_us, IDEAL, rng())
    assert events.p.tolist() == [1, 0]
    # memory 0.2, next level 0.0: reached a third of the way from 0.05 to -0.1
    np.testing.assert_allclose(events.t_us[1], 2000 + 1000 / 3, atol=1)


def test_the_memory_never_strays_a_threshold_from_the_light():
    generator = np.random.default_rng(5)
    light = generator.normal(0, 0.4, (40, 30)).cumsum(0)
    pictures, t_us = film(light, np.arange(40) * 1000)
    events = simulate_camera(pictures, t_us, IDEAL, rng())
    sign = events.p.astype(int) * 2 - 1
    net = np.bincount(events.x, weights=sign, minlength=30) * IDEAL.threshold
    assert np.abs(light[-1] - light[0] - net).max() < IDEAL.threshold * (1 + 1e-9)


def test_mismatch_moves_the_number_of_events_as_the_thresholds_say():
    options = CameraOptions(0.25, 0.05, 0.0, 0.0, 0)
    thresholds = sensor_thresholds((1, 50), options, rng())
    assert thresholds.shape == (2, 1, 50)
    pictures, t_us = film(np.array([np.zeros(50), np.full(50, 3.3)]), [0, 10_000])
    events = simulate_camera(pictures, t_us, options, rng(), thresholds)
    expected = np.floor(3.3 / thresholds[1, 0]).astype(int)
    assert np.bincount(events.x, minlength=50).tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 2


def test_leak_and_noise_have_their_rates():
    pictures, t_us = film(np.zeros((2, 400)), [0, 10_000_000])
    leak = CameraOptions(0.25, 0.0, 0.55, 0.0, 0)
    events = simulate_camera(pictures, t_us, leak, rng())
    assert events.p.all()
    assert len(events) == 400 * 5  # 5.5 thresholds in 10 s
    noise = CameraOptions(0.25, 0.0, 0.0, 2.0, 0)
    events = simulate_camera(pictures, t_us, noise, rng())
    mean = 400 * 10 * 2
    assert abs(len(events) - mean) < 5 * mean**0.5
    assert abs(int(events.p.sum()) - len(events) / 2) < 5 * (len(events) / 4) ** 0.5


def slow_refractory(pixel, t_us, refractory_us):
    last, keep = {}, [False] * len(pixel)
    for i in sorted(range(len(pixel)), key=lambda i: (t_us[i], i)):
        if pixel[i] not in last or t_us[i] - last[pixel[i]] >= refractory_us:
            keep[i] = True
            last[pixel[i]] = t_us[i]
    return keep


@pytest.mark.parametrize("refractory_us", [0, 1, 50, 10_000])
def test_refractory_time_equals_the_slow_twin(refractory_us):
    generator = np.random.default_rng(refractory_us)
    pixel, t_us = generator.integers(0, 12, 700), generator.integers(0, 3000, 700)
    got = outside_refractory(pixel, t_us, refractory_us)
    if refractory_us == 0:
        assert got.all()
    else:
        assert got.tolist() == slow_refractory(pixel.tolist(), t_us.tolist(), refractory_us)


def test_bad_films_are_refused():
    with pytest.raises(UsageError, match="at least two pictures"):
        simulate_camera(np.ones((1, 2, 2)), np.zeros(1, int), IDEAL, rng())
    with pytest.raises(UsageError, match="intensities above 0"):
        simulate_camera(np.zeros((2, 2, 2)), np.arange(2), IDEAL, rng())
    with pytest.raises(UsageError, match="threshold above 0"):
        CameraOptions(threshold=0)


def test_the_motion_does_what_its_name_says():
    image = np.zeros((8, 8))
    image[3:5, 3:7] = 1.0  # a bar to the right of the middle
    scene = SceneOptions(wobble=0.0, contrast="bright")
    rows, cols = np.mgrid[:32, :32] - 15.5
    for k, name in enumerate(MOTIONS):
        pictures, _ = draw_film(image, k, scene, np.random.default_rng(1))
        mass = pictures[[3, -4]] - scene.floor
        total = mass.sum((1, 2))
        dx, dy = ((mass * axis).sum((1, 2)) / total for axis in (cols, rows))
        angle = np.diff(np.arctan2(dy, dx))[0]  # y points down: positive is clockwise
        moved = {
            "left": -np.diff(dx)[0] / 8,
            "right": np.diff(dx)[0] / 8,
            "up": -np.diff(dy)[0] / 8,
            "down": np.diff(dy)[0] / 8,
            "clockwise": angle,
            "counter-clockwise": -angle,
            "growing": np.log(total[1] / total[0]) * 2,
            "shrinking": -np.log(total[1] / total[0]) * 2,
        }
        assert moved[name] > 0.6, (name, moved)


def test_films_begin_and_end_empty_and_contrast_mirrors_the_light():
    image = digit_images()[0][0]
    bright, t_us = draw_film(image, 0, SceneOptions(contrast="bright"), rng())
    dark, _ = draw_film(image, 0, SceneOptions(contrast="dark"), rng())
    assert (t_us.size, t_us[-1]) == (25, 96_000)
    assert np.ptp(bright[[0, -1]]) < 1e-12
    np.testing.assert_allclose(np.log(bright) + np.log(dark), np.log(0.25) + np.log(1.25))


def test_samples_depend_on_seed_split_and_number_only():
    few, more = moving_digits(3, 4), moving_digits(5, 4)
    for a, b in zip(few.events, more.events[:3], strict=True):
        assert a.t_us.tobytes() == b.t_us.tobytes()
    other = moving_digits(3, 4, split="test")
    assert few.events[0].t_us.tobytes() != other.events[0].t_us.tobytes()
    assert few.motion.tolist() == [0, 1, 2]
    assert set(moving_digits(60, 1).digit.tolist()) == set(range(10))


def test_recordings_in_camera_files_are_the_events(tmp_path):
    data = moving_digits(4, 9)
    paths = write_recordings(tmp_path, data, label="digit")
    heads = [path.read_bytes()[:12] for path in paths]
    assert heads == [b"#!AER-DAT2.0", b"#!AER-DAT3.1"] * 2
    for path, events in zip(paths, data.events, strict=True):
        back = read_events(path, "auto", ReadOptions(sensor=(32, 32)))
        for name in ("x", "y", "p", "t_us"):
            np.testing.assert_array_equal(getattr(back, name), getattr(events, name))


def test_the_motion_needs_time():
    """A linear readout tells the motion from 8 bins, but only its axis from their sum."""
    linear = pytest.importorskip("sklearn.linear_model")
    options = FrameOptions(bin_us=12_000, ticks=8)
    train, test = moving_digits(400, 0), moving_digits(200, 0, split="test")
    x, x_test = (
        stack_frames([frame_events(e, options, 0) for e in data.events]).x.astype(np.float32)
        for data in (train, test)
    )
    score = {}
    for name, view in (("sum", lambda a: a.sum(1)), ("bins", lambda a: a)):
        model = linear.RidgeClassifier(alpha=100.0)
        model.fit(view(x).reshape(400, -1), train.motion)
        score[name] = model.score(view(x_test).reshape(200, -1), test.motion)
    assert score["sum"] < 0.6
    assert score["bins"] > 0.95
