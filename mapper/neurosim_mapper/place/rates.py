"""Calibrated rates: how many packets per tick each source really sends."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim_mapper.quantized import INPUT, QuantizedNetwork
from neurosim_mapper.reference import trace_reference

_MOST_NEURON_TICKS: Final = 2_000_000  # what the slow executor does in a second or so


def calibrated_rates(
    network: QuantizedNetwork, chip: Chip, x: npt.ArrayLike
) -> dict[str, npt.NDArray[np.float64]] | None:
    """Packets per tick, per layer (n_neurons,) and for "input" (n_inputs,).

    The mean over the first samples of `x` (samples, ticks, *input shape), as many as the reference
    executor runs in about a second; None if not even one. A spike count of n is n packets, an
    analog value is one unless it is 0 and the chip does not send zeros.
    """
    x = np.asarray(x)
    per_sample = x.shape[1] * (network.n_inputs + sum(y.n_neurons for y in network.layers))
    n_samples = min(len(x), _MOST_NEURON_TICKS // max(per_sample, 1))
    if n_samples == 0 or x.shape[1] == 0:
        return None
    trace = trace_reference(network, x[:n_samples])
    values = {INPUT: trace.input_values, **trace.values}
    return {
        name: _packets(value, network.output_kind(name) == "spike", chip.core.send_zero)
        for name, value in values.items()
    }


def _packets(
    values: npt.NDArray[np.int32], spikes: bool, send_zero: bool
) -> npt.NDArray[np.float64]:
    """Mean packets per tick of each source."""
    if not spikes and send_zero:
        return np.ones(values.shape[2])
    sent = values if spikes else values != 0
    return np.asarray(sent.mean(axis=(0, 1), dtype=np.float64))
