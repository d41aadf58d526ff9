"""Moving digits seen by an event camera: data with a label in space and one in time.

scikit-learn's 8 x 8 digits are enlarged to about 20 x 20 pixels on a 32 x 32 canvas. A digit
fades in, moves along one of eight motions - left, right, up, down, clockwise, counter-clockwise,
growing, shrinking - and fades out again, while `dvs_camera` watches. The digit is a spatial label,
the motion one in time, and it takes memory to tell it:

- opposite motions are the same film run backwards, and every film begins and ends with an empty
  scene; so brighter and darker events balance at each pixel and their sums over time are alike;
- half of the digits are bright on dark, half dark on bright; so one instant, in which the leading
  edge shows one polarity and the trailing edge the other, tells little about the direction.

Sample k of a seed is the same whatever else is drawn: every sample has its own generator, keyed
by (seed, split, k). Train and test use different digit images (every fifth image is test). One
sensor, that is one set of thresholds, is drawn per seed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import UsageError
from neurosim_mapper.data.aedat2 import write_aedat2
from neurosim_mapper.data.aedat31 import write_aedat31
from neurosim_mapper.data.dvs_camera import CameraOptions, sensor_thresholds, simulate_camera
from neurosim_mapper.data.events import Events
from neurosim_mapper.data.gesture import write_file_labels

MOTIONS = (
    "left",
    "right",
    "up",
    "down",
    "clockwise",
    "counter-clockwise",
    "growing",
    "shrinking",
)
Split = Literal["train", "test"]


@dataclass(frozen=True)
class SceneOptions:
    """The film: canvas, digit and movement.

    Attributes
    ----------
    canvas : int
        Height and width of the picture in pixels.
    digit : float
        Side of the digit in pixels at scale 1.
    n_pictures, picture_us : int
        Pictures of the film and time between two of them.
    shift, turn_deg, grow : float
        Reach of the three kinds of motion: pixels to either side, degrees to either side, factor
        up and down.
    wobble : float
        Random start offset in pixels, to either side.
    fade : int
        Pictures of fading in, and of fading out, not counted in the movement.
    floor : float
        Darkest grey; the brightest is floor + 1.
    contrast : {"bright", "dark", "both"}
        Bright digits on a dark scene, dark ones on a bright scene, or either at random.
    """

    canvas: int = 32
    digit: float = 20.0
    n_pictures: int = 25
    picture_us: int = 4000
    shift: float = 5.0
    turn_deg: float = 35.0
    grow: float = 1.25
    wobble: float = 1.5
    fade: int = 2
    floor: float = 0.25
    contrast: Literal["bright", "dark", "both"] = "both"

    def __post_init__(self) -> None:
        if self.canvas < 8 or self.n_pictures < 2 or self.picture_us < 1:
            raise UsageError(f"scene: {self}: canvas from 8, two pictures and 1 us are needed.")
        if self.fade < 0 or 2 * self.fade >= self.n_pictures - 1:
            raise UsageError(
                f"scene: {self.n_pictures} pictures with {self.fade} of fading at either end "
                "leave no movement. Take more pictures."
            )
        if not (self.digit > 0 and self.floor > 0 and self.grow > 0):
            raise UsageError(f"scene: {self}: digit, floor and grow above 0 are needed.")


@dataclass(frozen=True, eq=False)
class MovingDigits:
    """Recordings with their two labels.

    Attributes
    ----------
    events : tuple of Events
    digit, motion : int64 arrays (n,)
        0..9, and index into `MOTIONS`.
    scene, camera : SceneOptions, CameraOptions
        How they were made.
    """

    events: tuple[Events, ...]
    digit: NDArray[np.int64]
    motion: NDArray[np.int64]
    scene: SceneOptions = field(default_factory=SceneOptions)
    camera: CameraOptions = field(default_factory=CameraOptions)


def digit_images() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """scikit-learn's digits: images (1797, 8, 8) in 0..1 and labels (1797,).

    Raises
    ------
    UsageError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UsageError(
            "moving digits: scikit-learn is needed for the digit images and is not installed. "
            "Install it with: pip install scikit-learn (or the extra 'train')."
        ) from error
    bunch: Any = load_digits()
    return np.asarray(bunch.images, np.float64) / 16.0, np.asarray(bunch.target, np.int64)


def draw_film(
    image: NDArray[np.float64],
    motion: int,
    scene: SceneOptions,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Pictures of one digit along one motion.

    Parameters
    ----------
    image : float array (8, 8)
        Values 0..1.
    motion : int
        Index into `MOTIONS`.

    Returns
    -------
    pictures : float array (n_pictures, canvas, canvas)
        Intensities from ``scene.floor`` to ``scene.floor + 1``; the grey of the digit is a share
        of the log intensity, so bright and dark digits give equally many events.
    t_us : int64 array (n_pictures,)
    """
    phase, presence = _course(scene)
    reach = rng.uniform(0.8, 1.0)
    offset = rng.uniform(-scene.wobble, scene.wobble, 2)
    tilt = np.deg2rad(rng.uniform(-8.0, 8.0))
    size = rng.uniform(0.92, 1.05)
    zero = np.zeros_like(phase)
    kind = MOTIONS[motion]
    along = {"left": -phase, "right": phase}.get(kind, zero) * scene.shift * reach
    down = {"up": -phase, "down": phase}.get(kind, zero) * scene.shift * reach
    turn = {"clockwise": phase, "counter-clockwise": -phase}.get(kind, zero)
    scale = {"growing": phase, "shrinking": -phase}.get(kind, zero)
    angle = tilt + turn * np.deg2rad(scene.turn_deg) * reach
    factor = size * scene.grow ** (scale * reach)
    pictures = _render(
        image, offset[0] + along, offset[1] + down, angle, factor * scene.digit / 8.0, scene.canvas
    )
    dark = scene.contrast == "dark" or (scene.contrast == "both" and rng.random() < 0.5)
    empty, full = np.log(scene.floor + np.array([1.0, 0.0] if dark else [0.0, 1.0]))
    t_us = np.arange(scene.n_pictures, dtype=np.int64) * scene.picture_us
    return np.exp(empty + (full - empty) * presence[:, None, None] * pictures), t_us


def _course(scene: SceneOptions) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Phase -1..1 of the motion and presence 0..1 of the digit, each (n_pictures,)."""
    k = np.arange(scene.n_pictures)
    edge = np.minimum(k, scene.n_pictures - 1 - k)
    presence = np.minimum(edge / max(scene.fade, 1), 1.0) if scene.fade else np.ones(k.size)
    moving = max(scene.n_pictures - 1 - 2 * scene.fade, 1)
    return np.clip((k - scene.fade) / moving, 0, 1) * 2 - 1, presence


def _render(
    image: NDArray[np.float64],
    right: NDArray[np.float64],
    down: NDArray[np.float64],
    angle: NDArray[np.float64],
    scale: NDArray[np.float64],
    canvas: int,
) -> NDArray[np.float64]:
    """Place `image`, turned clockwise by `angle`, on the canvas: (n, canvas, canvas)."""
    grid = np.arange(canvas) - (canvas - 1) / 2
    dx = grid[None, None, :] - right[:, None, None]
    dy = grid[None, :, None] - down[:, None, None]
    cos, sin = (f(angle)[:, None, None] for f in (np.cos, np.sin))
    size = scale[:, None, None]
    u = (cos * dx + sin * dy) / size + 3.5
    v = (-sin * dx + cos * dy) / size + 3.5
    padded = np.pad(image, 1)
    u, v = np.clip(u + 1, 0, 8.999), np.clip(v + 1, 0, 8.999)
    col, row = u.astype(np.int64), v.astype(np.int64)
    fu, fv = u - col, v - row
    upper = (1 - fu) * padded[row, col] + fu * padded[row, col + 1]
    lower = (1 - fu) * padded[row + 1, col] + fu * padded[row + 1, col + 1]
    return np.asarray((1 - fv) * upper + fv * lower)


def moving_digits(
    n: int,
    seed: int,
    *,
    split: Split = "train",
    scene: SceneOptions | None = None,
    camera: CameraOptions | None = None,
    on_sample: Callable[[int], None] | None = None,
) -> MovingDigits:
    """Make `n` recordings; digits are drawn at random, motions take turns.

    Parameters
    ----------
    split : {"train", "test"}
        Which digit images are used.
    on_sample : callable or None
        Called with the number of samples made, for a progress bar.

    Raises
    ------
    UsageError
        If scikit-learn is missing, n or seed is negative, or the split is unknown.
    """
    if n < 0 or seed < 0 or split not in ("train", "test"):
        raise UsageError(
            f"moving digits: n {n}, seed {seed}, split {split!r}; numbers from 0 and "
            "'train' or 'test' are needed."
        )
    scene, camera = scene or SceneOptions(), camera or CameraOptions()
    images, labels = digit_images()
    is_test = np.arange(labels.size) % 5 == 4
    pool = np.flatnonzero(is_test if split == "test" else ~is_test)
    canvas = (scene.canvas, scene.canvas)
    thresholds = sensor_thresholds(canvas, camera, np.random.default_rng([seed, 2]))
    recordings: list[Events] = []
    chosen = np.zeros(n, np.int64)
    motion = np.arange(n, dtype=np.int64) % len(MOTIONS)
    for k in range(n):
        rng = np.random.default_rng([seed, int(split == "test"), k])
        chosen[k] = pool[rng.integers(pool.size)]
        pictures, t_us = draw_film(images[chosen[k]], int(motion[k]), scene, rng)
        recordings.append(simulate_camera(pictures, t_us, camera, rng, thresholds))
        if on_sample is not None:
            on_sample(k + 1)
    return MovingDigits(tuple(recordings), labels[chosen], motion, scene, camera)


def write_recordings(
    folder: str | Path, data: MovingDigits, label: Literal["digit", "motion"] = "motion"
) -> list[Path]:
    """Write every sample as a camera file - AEDAT 2.0 and 3.1 in turn - and ``labels.csv``.

    Returns
    -------
    list of Path
        The recordings, in order (``labels.csv`` not among them).

    Raises
    ------
    UsageError
        If the folder does not exist.
    """
    folder = Path(folder)
    paths: list[Path] = []
    values = data.digit if label == "digit" else data.motion
    for k, events in enumerate(data.events):
        paths.append(folder / f"sample_{k:05d}.aedat")
        if k % 2 == 0:
            write_aedat2(paths[-1], events)
        else:
            write_aedat31(paths[-1], events)
    names = {path.name: int(v) for path, v in zip(paths, values, strict=True)}
    write_file_labels(folder / "labels.csv", names)
    return paths
