"""Several ways to round the same weights; the one whose outputs stay closest to float is kept.

Rounding to 8 bits moves a few decisions either way, whichever unit is taken. With calibration data
and a network small enough, a handful of units and the correction of means are tried, and what gives
the least squared difference between the summed integer and float outputs is taken. Labels are not
used.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim_mapper.float_executor import run_float
from neurosim_mapper.network import Network
from neurosim_mapper.quantized import QuantizedLayer, QuantizedNetwork
from neurosim_mapper.reference import run_reference

SAMPLES: Final = 256
VALUES: Final = 1 << 21  # values of all layers, samples and ticks together, per trial
LEAST_SAMPLES: Final = 8


@dataclass(frozen=True)
class Trial:
    """Units stretched by `stretch`; rounding errors of means put into the bias or not."""

    stretch: float = 1.0
    correct_means: bool = False


PLAIN: Final = Trial()
TRIALS: Final = tuple(
    Trial(stretch, correct) for stretch in (1.0, 1.04, 1.08, 1.12) for correct in (False, True)
)


def best_trial(
    plain: QuantizedNetwork,
    layers_of: Callable[[Trial], tuple[QuantizedLayer, ...]],
    network: Network,
    calibration: npt.ArrayLike,
) -> QuantizedNetwork:
    """The best of `TRIALS`, or `plain` where there are too few samples or too many neurons."""
    x = np.asarray(calibration)
    per_sample = x.shape[1] * sum(layer.n_neurons for layer in plain.layers)
    x = x[: min(SAMPLES, VALUES // max(1, per_sample))]
    if len(x) < LEAST_SAMPLES:
        return plain
    expected = run_float(network, x).sum(axis=1)
    best, least = plain, _distance(plain, x, expected)
    for trial in TRIALS[1:]:
        candidate = replace(plain, layers=layers_of(trial))
        distance = _distance(candidate, x, expected)
        if distance < least:
            note = (
                f"Weight units are {trial.stretch:g} times the smallest possible ones"
                + (
                    ", and mean rounding errors are put into the bias"
                    if trial.correct_means
                    else ""
                )
                + ", because the outputs on the calibration data are closest to float then."
            )
            best = replace(candidate, assumptions=(*plain.assumptions, note))
            least = distance
    return best


def _distance(
    quantized: QuantizedNetwork, x: npt.NDArray[np.generic], expected: npt.NDArray[np.float64]
) -> float:
    """Squared difference of the summed outputs, over all samples and neurons."""
    unit = quantized.by_name[quantized.output].output_unit
    found = run_reference(quantized, x).sum(axis=1) * unit
    return float(np.square(found - expected).sum())
