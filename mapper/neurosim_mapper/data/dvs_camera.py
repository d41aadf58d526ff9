"""An event camera looking at a film: pictures in, `Events` out.

Each pixel remembers the log intensity at which it last fired. When the log intensity has risen by
its ON threshold (fallen by its OFF threshold) it sends a brighter (darker) event and moves the
memory by that threshold. Between two pictures the log intensity runs along a straight line, so
several events of one pixel get the time stamps at which the line crosses each level. As in real
sensors

- thresholds differ from pixel to pixel (Gaussian mismatch, held fixed by `sensor_thresholds`);
- a leak lowers the memory, which gives a slow stream of ON events even in a still scene;
- shot noise adds events of random polarity at random times, without touching the memory;
- after an event a pixel is blind for the refractory time: events inside it are lost, while the
  memory follows.

The model is the usual one of the literature on event-camera simulation (Lichtsteiner et al.,
JSSC 2008, for the pixel); bandwidth limits and intensity-dependent noise are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from neurosim.errors import UsageError
from neurosim_mapper.data.events import Conventions, Events


@dataclass(frozen=True)
class CameraOptions:
    """Parameters of the sensor.

    Attributes
    ----------
    threshold : float
        Mean change of the natural log of the intensity that fires a pixel.
    threshold_sd : float
        Standard deviation over pixels and polarities; values are kept above threshold / 4.
    leak_per_s : float
        ON events per pixel and second that the leak causes in a still scene.
    shot_noise_per_s : float
        Noise events per pixel and second.
    refractory_us : int
        Blind time after an event.
    """

    threshold: float = 0.25
    threshold_sd: float = 0.03
    leak_per_s: float = 0.1
    shot_noise_per_s: float = 1.0
    refractory_us: int = 500

    def __post_init__(self) -> None:
        rates = (self.threshold_sd, self.leak_per_s, self.shot_noise_per_s, self.refractory_us)
        if not self.threshold > 0 or any(not rate >= 0 for rate in rates):
            raise UsageError(f"camera: {self}: threshold above 0 and the others from 0 are needed.")


def sensor_thresholds(
    shape: tuple[int, int], options: CameraOptions, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Thresholds of one sensor, shape (2, height, width): OFF, then ON."""
    drawn = rng.normal(options.threshold, options.threshold_sd, (2, *shape))
    return np.maximum(drawn, options.threshold / 4)


def simulate_camera(
    pictures: NDArray[np.float64],
    t_us: NDArray[np.int64],
    options: CameraOptions,
    rng: np.random.Generator,
    thresholds: NDArray[np.float64] | None = None,
) -> Events:
    """Events that a camera sees while it looks at `pictures`.

    Parameters
    ----------
    pictures : float array (n_pictures, height, width)
        Intensity, above 0, linear (not its logarithm).
    t_us : int64 array (n_pictures,)
        When each picture is exact; strictly increasing.
    rng : numpy Generator
        Source of mismatch (if `thresholds` is None) and of shot noise.
    thresholds : float array (2, height, width) or None
        From `sensor_thresholds`, to use the same sensor for many films.

    Raises
    ------
    UsageError
        If the pictures are not positive or the times do not increase.
    """
    pictures, t_us = np.asarray(pictures, np.float64), np.asarray(t_us, np.int64)
    if pictures.ndim != 3 or t_us.shape != pictures.shape[:1] or pictures.shape[0] < 2:
        raise UsageError(
            f"camera: pictures of shape {pictures.shape} and {t_us.size} times; at least two "
            "pictures (n, height, width) and one time for each are needed."
        )
    if not bool((pictures > 0).all()) or bool((np.diff(t_us) <= 0).any()):
        raise UsageError("camera: intensities above 0 and increasing times are needed.")
    shape = (pictures.shape[1], pictures.shape[2])
    if thresholds is None:
        thresholds = sensor_thresholds(shape, options, rng)
    log_intensity = np.log(pictures).reshape(pictures.shape[0], -1)
    seconds = (t_us - t_us[0]) * 1e-6
    off, on = thresholds.reshape(2, -1)
    log_intensity = log_intensity + options.leak_per_s * np.outer(seconds, on)
    pixel, p, time = _crossings(log_intensity, t_us, off, on)
    noise = _shot_noise(log_intensity.shape[1], t_us, options, rng)
    pixel, p, time = (np.concatenate([a, b]) for a, b in zip((pixel, p, time), noise, strict=True))
    keep = outside_refractory(pixel, time, options.refractory_us)
    pixel, p, time = pixel[keep], p[keep], time[keep]
    order = np.lexsort((p, pixel, time))
    pixel, p, time = pixel[order], p[order], time[order]
    return Events(
        (pixel % shape[1]).astype(np.uint16),
        (pixel // shape[1]).astype(np.uint16),
        p.astype(np.uint8),
        time,
        width=shape[1],
        height=shape[0],
        conventions=Conventions(source="simulated"),
    )


_Columns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def _crossings(
    log_intensity: NDArray[np.float64],
    t_us: NDArray[np.int64],
    off: NDArray[np.float64],
    on: NDArray[np.float64],
) -> _Columns:
    """Level crossings of all pixels: (pixel, polarity, time), each (n,)."""
    memory = log_intensity[0].copy()
    parts: list[_Columns] = []
    for k in range(t_us.size - 1):
        before, after = log_intensity[k], log_intensity[k + 1]
        rise = after - memory
        n_on = np.floor(np.maximum(rise, 0) / on).astype(np.int64)
        n_off = np.floor(np.maximum(-rise, 0) / off).astype(np.int64)
        n = n_on + n_off
        step = np.where(n_on > 0, on, -off)
        pixel = np.repeat(np.arange(n.size), n)
        rank = np.arange(pixel.size) - np.repeat(np.cumsum(n) - n, n) + 1
        level = memory[pixel] + rank * step[pixel]
        slope = (after - before)[pixel]
        share = (level - before[pixel]) / np.where(slope == 0, 1.0, slope)
        time = t_us[k] + np.clip(share, 0, 1) * (t_us[k + 1] - t_us[k])
        parts.append((pixel, (n_on > 0)[pixel].astype(np.int64), time.astype(np.int64)))
        memory += n * step
    pixel, p, time = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return pixel, p, time


def _shot_noise(
    n_pixels: int, t_us: NDArray[np.int64], options: CameraOptions, rng: np.random.Generator
) -> _Columns:
    span_s = float(t_us[-1] - t_us[0]) * 1e-6
    n = int(rng.poisson(options.shot_noise_per_s * n_pixels * span_s))
    pixel = rng.integers(0, n_pixels, n)
    p = rng.integers(0, 2, n)
    return pixel, p, rng.integers(t_us[0], t_us[-1], n)


def outside_refractory(
    pixel: NDArray[np.int64], t_us: NDArray[np.int64], refractory_us: int
) -> NDArray[np.bool_]:
    """Which events survive when a pixel is blind for `refractory_us` after each one it sends.

    Parameters
    ----------
    pixel, t_us : int64 arrays (n,)
        In any order; of two events at the same time the first listed is sent.

    Returns
    -------
    bool array (n,)
    """
    keep = np.ones(pixel.shape[0], np.bool_)
    if refractory_us <= 0 or pixel.size == 0:
        return keep
    order = np.lexsort((np.arange(pixel.size), t_us, pixel))
    sorted_pixel, sorted_t = pixel[order], t_us[order]
    _, start, count = np.unique(sorted_pixel, return_index=True, return_counts=True)
    last = sorted_t[start]
    for rank in range(1, int(count.max())):
        live = np.flatnonzero(count > rank)
        at = start[live] + rank
        sent = sorted_t[at] - last[live] >= refractory_us
        keep[order[at[~sent]]] = False
        last[live[sent]] = sorted_t[at[sent]]
    return keep
