"""What every reader returns: the frozen `Events`, with the conventions it was read under.

A file stores numbers; whether its y axis points up, whether bit 1 means brighter and what happens
when the clock runs backwards are *conventions*, and files (and the programs that read them)
disagree. Here each of them is an option with a documented default per format, and the options
that were used travel with the data (`Events.conventions`).

Inside `Events` there is only one convention: x grows to the right, y grows downwards, (0, 0) is
the upper left pixel, p = 1 means brighter, time is in microseconds and never decreases.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import InputFileError, UsageError

Order = Literal["check", "sort", "strict"]
Resets = Literal["continue", "error"]

MAX_SIDE = 65536
JITTER_US = 10_000
RESET_BELOW_US = 1_000_000


@dataclass(frozen=True)
class Conventions:
    """How the numbers of a file were turned into pixels, polarities and times.

    Applied in this order: `swap_xy` exchanges the two addresses of the file, `flip_x` and
    `flip_y` mirror the result inside the sensor, `invert_polarity` exchanges 0 and 1.

    Attributes
    ----------
    source : str
        Format the events came from (``aedat2``, ``aedat31``, ``nmnist``, ..., ``simulated``).
    order : {"check", "sort", "strict"}
        ``check``: events up to `JITTER_US` late are sorted in, later ones are an error;
        ``sort``: everything is sorted; ``strict``: any step backwards is an error.
    resets : {"continue", "error"}
        With ``order="check"``, a step back by more than `JITTER_US` to a time below
        `RESET_BELOW_US` is a reset of the camera's clock. ``continue`` lets the time run on
        from the last event before it, ``error`` refuses the file.
    """

    source: str = "memory"
    swap_xy: bool = False
    flip_x: bool = False
    flip_y: bool = False
    invert_polarity: bool = False
    order: Order = "check"
    resets: Resets = "continue"

    def as_dict(self) -> dict[str, Any]:
        """All fields as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class ReadOptions:
    """What a caller may say about a file; ``None`` means the default of the format.

    Attributes
    ----------
    sensor : (width, height) or None
        Pixels of the camera, as the picture is seen (after `swap_xy`).
    camera : str or None
        Address layout of AEDAT 1.0 and 2.0 (``dvs128``, ``davis240``, ``davis346``).
    columns : str
        Order of the columns of a plain (n, 4) array, a permutation of ``xypt``.
    time_unit : {"us", "ms", "s", "ns"} or None
        Unit of the times of npy and npz files.
    """

    sensor: tuple[int, int] | None = None
    camera: str | None = None
    columns: str = "xypt"
    time_unit: str | None = None
    swap_xy: bool | None = None
    flip_x: bool | None = None
    flip_y: bool | None = None
    invert_polarity: bool | None = None
    order: Order = "check"
    resets: Resets = "continue"

    def resolve(self, default: Conventions) -> Conventions:
        """The conventions to use: `default` with every option that was given put in."""
        given = {
            name: value
            for name in ("swap_xy", "flip_x", "flip_y", "invert_polarity")
            if (value := getattr(self, name)) is not None
        }
        return replace(default, order=self.order, resets=self.resets, **given)


@dataclass(frozen=True, eq=False)
class Events:
    """The events of one recording, as read-only columns of equal length.

    Attributes
    ----------
    x, y : uint16 array (n,)
        Column and row of the pixel; (0, 0) is the upper left one.
    p : uint8 array (n,)
        1 where it became brighter, 0 where it became darker.
    t_us : int64 array (n,)
        Microseconds, never decreasing.
    width, height : int
        Pixels of the sensor; every address lies inside.
    conventions : Conventions
        What was done to the numbers of the file.
    notes : tuple of str
        One sentence for each thing a reader tolerated (resets, disorder, skipped events).

    Raises
    ------
    InputFileError
        If the columns differ in length, leave the sensor, or run backwards in time.
    """

    x: NDArray[np.uint16]
    y: NDArray[np.uint16]
    p: NDArray[np.uint8]
    t_us: NDArray[np.int64]
    width: int
    height: int
    conventions: Conventions = field(default_factory=Conventions)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_sensor((self.width, self.height))
        columns = {"x": np.uint16, "y": np.uint16, "p": np.uint8, "t_us": np.int64}
        n = np.shape(self.t_us)
        for name, dtype in columns.items():
            column = np.asarray(getattr(self, name))
            if column.ndim != 1 or column.shape != n:
                raise InputFileError(
                    f"events: column {name} has shape {column.shape}, t_us has {n}. "
                    "All four columns need one entry per event."
                )
            _check_range(name, column, dtype, self)
            frozen = column.astype(dtype, copy=False).view()
            frozen.setflags(write=False)
            object.__setattr__(self, name, frozen)
        if len(self) > 1 and bool(np.any(np.diff(self.t_us) < 0)):
            raise InputFileError(
                "events: the time stamps run backwards. Sort the events by time first."
            )

    def __len__(self) -> int:
        return int(self.t_us.shape[0])

    @property
    def duration_us(self) -> int:
        """Microseconds from the first event to the last one."""
        return int(self.t_us[-1] - self.t_us[0]) if len(self) else 0

    def between(self, start_us: int, stop_us: int) -> Events:
        """The events with start_us <= t_us < stop_us."""
        first, last = np.searchsorted(self.t_us, [start_us, stop_us])
        return replace(
            self,
            x=self.x[first:last],
            y=self.y[first:last],
            p=self.p[first:last],
            t_us=self.t_us[first:last],
        )


def _check_range(name: str, column: NDArray[Any], dtype: Any, events: Events) -> None:
    limit = {"x": events.width, "y": events.height, "p": 2}.get(name)
    if column.dtype.kind not in "biu":
        raise InputFileError(f"events: column {name} is {column.dtype}, an integer type is needed.")
    if column.size == 0 or limit is None:
        return
    low, high = int(column.min()), int(column.max())
    if low < 0 or high >= limit:
        raise InputFileError(
            f"events: column {name} spans {low}..{high}, allowed is 0..{limit - 1} "
            f"on a sensor of {events.width} x {events.height} pixels."
        )


def check_sensor(sensor: tuple[int, int]) -> None:
    """Refuse a sensor size that is no pair of 1..65536.

    Raises
    ------
    UsageError
        If it is not.
    """
    if len(sensor) != 2 or not all(1 <= side <= MAX_SIDE for side in sensor):
        raise UsageError(
            f"sensor: {sensor} is no size in pixels. Give width and height, each 1 to {MAX_SIDE}."
        )


def build_events(
    name: str,
    columns: tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[np.int64]],
    sensor: tuple[int, int],
    conventions: Conventions,
    locate: Callable[[int], str],
    notes: tuple[str, ...] = (),
) -> Events:
    """Turn the raw columns of a file into `Events`: the last step of every reader.

    Parameters
    ----------
    name : str
        File name, for messages.
    columns : tuple of arrays (n,)
        x, y, p (0 or 1) and t_us as the file says them, in file order.
    sensor : (width, height)
        Of the picture, that is after `swap_xy`.
    conventions : Conventions
        What to do.
    locate : callable
        Says where event i stands in the file, e.g. ``"event 7 (byte 320)"``.

    Raises
    ------
    InputFileError
        If an address leaves the sensor or the clock runs back further than the policy allows.
    """
    check_sensor(sensor)
    x, y, p, t_us = columns
    if conventions.swap_xy:
        x, y = y, x
    for axis, values, limit in (("x", x, sensor[0]), ("y", y, sensor[1])):
        outside = np.flatnonzero((values < 0) | (values >= limit))
        if outside.size:
            raise InputFileError(
                f"{name}: {locate(int(outside[0]))} has {axis} = {int(values[outside[0]])}, "
                f"a sensor of {sensor[0]} x {sensor[1]} pixels ends at {limit - 1}. "
                "Give the size of the camera that recorded it."
            )
    if conventions.flip_x:
        x = sensor[0] - 1 - x.astype(np.int64)
    if conventions.flip_y:
        y = sensor[1] - 1 - y.astype(np.int64)
    if conventions.invert_polarity:
        p = 1 - p.astype(np.int64)
    t_us, order, more = settle_time(name, t_us, conventions, locate)
    if order is not None:
        x, y, p = x[order], y[order], p[order]
    return Events(x, y, p, t_us, *sensor, conventions, notes + more)


def settle_time(
    name: str,
    t_us: NDArray[np.int64],
    conventions: Conventions,
    locate: Callable[[int], str],
) -> tuple[NDArray[np.int64], NDArray[np.intp] | None, tuple[str, ...]]:
    """Make times never decrease, by the policy of `Conventions.order` and `.resets`.

    Returns
    -------
    t_us : int64 array (n,)
        In the new order.
    order : intp array (n,) or None
        New position -> old position; None if nothing moved.
    notes : tuple of str
        What had to be tolerated.
    """
    back = np.flatnonzero(t_us[1:] < t_us[:-1])
    if back.size == 0:
        return t_us, None, ()
    if conventions.order == "strict":
        _refuse_time(name, t_us, int(back[0]) + 1, locate, 0)
    notes: tuple[str, ...] = ()
    if conventions.order == "check":
        t_us, notes = _join_resets(name, t_us, back, conventions, locate)
        late = np.maximum.accumulate(t_us) - t_us
        too_late = np.flatnonzero(late > JITTER_US)
        if too_late.size:
            _refuse_time(name, t_us, int(too_late[0]), locate, JITTER_US)
    order = np.argsort(t_us, kind="stable")
    moved = int(np.count_nonzero(t_us[1:] < t_us[:-1]))
    if moved:
        notes = (*notes, f"{moved} steps back in time were sorted in")
    return t_us[order], order, notes


def _join_resets(
    name: str,
    t_us: NDArray[np.int64],
    back: NDArray[np.intp],
    conventions: Conventions,
    locate: Callable[[int], str],
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    step = t_us[back] - t_us[back + 1]
    resets = back[(step > JITTER_US) & (t_us[back + 1] < RESET_BELOW_US)]
    if resets.size == 0:
        return t_us, ()
    if conventions.resets == "error":
        raise InputFileError(
            f"{name}: the camera's clock starts again at {locate(int(resets[0]) + 1)}: "
            f"{int(t_us[resets[0]])} us is followed by {int(t_us[resets[0] + 1])} us. "
            'Allow resets (resets="continue") or cut the recording there.'
        )
    gain = np.zeros(t_us.shape[0], np.int64)
    gain[resets + 1] = t_us[resets] - t_us[resets + 1]
    return t_us + np.cumsum(gain), (f"{resets.size} clock resets were joined",)


def _refuse_time(
    name: str, t_us: NDArray[np.int64], i: int, locate: Callable[[int], str], allowed_us: int
) -> None:
    latest = int(t_us[:i].max())
    raise InputFileError(
        f"{name}: time runs backwards at {locate(i)}: {int(t_us[i])} us after {latest} us, "
        f'allowed are {allowed_us} us. Sort the events (order="sort") if the file is sound.'
    )


def file_columns(
    events: Events, conventions: Conventions
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Undo `conventions`: the x, y and p that a file with these conventions holds."""
    x, y, p = (column.astype(np.int64) for column in (events.x, events.y, events.p))
    if conventions.invert_polarity:
        p = 1 - p
    if conventions.flip_y:
        y = events.height - 1 - y
    if conventions.flip_x:
        x = events.width - 1 - x
    return (y, x, p) if conventions.swap_xy else (x, y, p)
