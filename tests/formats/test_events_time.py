"""What readers do when the clock runs backwards: sorted, joined, or refused, as declared."""

import numpy as np
import pytest

from neurosim.errors import InputFileError
from neurosim_mapper.data.events import (
    JITTER_US,
    RESET_BELOW_US,
    Conventions,
    Events,
    build_events,
)


def build(times, **conventions):
    t = np.asarray(times, np.int64)
    n = np.arange(t.size)
    return build_events(
        "rec", (n, n, n % 2, t), (100, 100), Conventions(**conventions), lambda i: f"event {i}"
    )


def test_ordered_times_are_left_alone():
    events = build([1, 1, 2])
    assert events.t_us.tolist() == [1, 1, 2]
    assert events.notes == ()


def test_jitter_is_sorted_up_to_the_limit_and_refused_beyond_it():
    far = 10 * RESET_BELOW_US
    events = build([far + JITTER_US, far])
    assert events.t_us.tolist() == [far, far + JITTER_US]
    assert events.x.tolist() == [1, 0]
    assert events.notes == ("1 steps back in time were sorted in",)
    with pytest.raises(InputFileError, match="time runs backwards at event 1"):
        build([far + JITTER_US + 1, far])


def test_a_reset_lets_the_time_run_on():
    events = build([5_000_000, 9_000_000, 100, 150, 8_000_000, 20, 30])
    expected = [5_000_000, 9_000_000, 9_000_000, 9_000_050, 16_999_900, 16_999_900, 16_999_910]
    assert events.t_us.tolist() == expected
    assert events.notes == ("2 clock resets were joined",)


def test_a_step_back_is_a_reset_only_below_one_second():
    build([9_000_000, RESET_BELOW_US - 1])
    with pytest.raises(InputFileError, match="time runs backwards"):
        build([9_000_000, RESET_BELOW_US])


def test_resets_can_be_refused():
    with pytest.raises(InputFileError, match="clock starts again at event 1: 9000000 us"):
        build([9_000_000, 5], resets="error")


def test_strict_refuses_one_microsecond():
    build([5, 5, 6], order="strict")
    with pytest.raises(InputFileError, match="allowed are 0 us"):
        build([5, 4], order="strict")


def test_sort_takes_everything_and_is_stable():
    events = build([9_000_000, 5, 5, 7], order="sort")
    assert events.t_us.tolist() == [5, 5, 7, 9_000_000]
    assert events.x.tolist() == [1, 2, 3, 0]


def test_events_refuse_what_readers_must_never_hand_out():
    ok = np.array([0, 1])
    with pytest.raises(InputFileError, match="run backwards"):
        Events(ok, ok, ok, np.array([1, 0]), 2, 2)
    with pytest.raises(InputFileError, match=r"column x spans 0\.\.1, allowed is 0\.\.0"):
        Events(ok, ok, ok, ok, 1, 2)
    with pytest.raises(InputFileError, match="column p spans"):
        Events(ok, ok, ok + 1, ok, 2, 2)
    with pytest.raises(InputFileError, match="one entry per event"):
        Events(ok[:1], ok, ok, ok, 2, 2)


def test_events_are_read_only_and_leave_the_callers_array_writable():
    t = np.array([0, 1], np.int64)
    events = Events(t, t, t, t, 2, 2)
    with pytest.raises(ValueError, match="read-only"):
        events.t_us[0] = 5
    t[0] = 0


def test_between_takes_a_half_open_interval():
    events = build([1, 2, 2, 3])
    assert events.between(2, 3).t_us.tolist() == [2, 2]
    assert len(events.between(5, 9)) == 0
