"""Layers of snnTorch neurons with parameters of their own: ``make(n, is_last)`` for each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import snntorch as snn
import torch


def spread(low: float, high: float, *shape: int) -> torch.Tensor:
    """Values spread evenly over a layer, so that every neuron has its own."""
    count = int(torch.tensor(shape).prod())
    return torch.linspace(low, high, count).reshape(shape)


def leaky(**options: Any) -> Callable[[int, bool], snn.SpikingNeuron]:
    """Leaky layers with one decay per neuron."""
    return lambda n, last: snn.Leaky(
        beta=spread(0.6, 0.95, n), threshold=torch.ones(n), init_hidden=True, output=last, **options
    )


def leaky_over_one(n: int, last: bool) -> snn.SpikingNeuron:
    """Leaky with decays 1 (tau and r infinite in the file) and above (tau negative)."""
    beta = spread(0.7, 0.95, n)
    beta[1], beta[3] = 1.0, 1.07
    return snn.Leaky(beta=beta, threshold=torch.ones(n), init_hidden=True, output=last)


def synaptic(**options: Any) -> Callable[[int, bool], snn.SpikingNeuron]:
    """Synaptic layers with one pair of decays per neuron."""
    return lambda n, last: snn.Synaptic(
        alpha=spread(0.3, 0.7, n),
        beta=spread(0.6, 0.9, n),
        threshold=torch.ones(n),
        init_hidden=True,
        output=last,
        **options,
    )


def rleaky(**options: Any) -> Callable[[int, bool], snn.SpikingNeuron]:
    """Recurrent hidden layer, all to all, and an ordinary output layer."""

    def layer(n: int, last: bool) -> snn.SpikingNeuron:
        if last:
            return leaky(**options)(n, last)
        return snn.RLeaky(beta=spread(0.6, 0.9, n), linear_features=n, init_hidden=True, **options)

    return layer


def rleaky_diagonal(n: int, last: bool) -> snn.SpikingNeuron:
    """Hidden layer in which each neuron feeds only itself."""
    if last:
        return leaky()(n, last)
    return snn.RLeaky(
        beta=spread(0.6, 0.9, n), all_to_all=False, V=spread(-0.5, 0.3, n), init_hidden=True
    )


def rsynaptic(**options: Any) -> Callable[[int, bool], snn.SpikingNeuron]:
    """Recurrent current-based hidden layer."""

    def layer(n: int, last: bool) -> snn.SpikingNeuron:
        if last:
            return leaky()(n, last)
        return snn.RSynaptic(
            alpha=spread(0.3, 0.6, n),
            beta=spread(0.6, 0.9, n),
            linear_features=n,
            init_hidden=True,
            **options,
        )

    return layer


def mixed(**options: Any) -> Callable[[int, bool], snn.SpikingNeuron]:
    """Current-based hidden layer, and an ordinary output layer."""
    return lambda n, last: (leaky if last else synaptic)(**options)(n, last)


def scalar(n: int, last: bool) -> snn.SpikingNeuron:
    """Leaky with the scalar decay of the package's tutorials."""
    return snn.Leaky(beta=0.9, init_hidden=True, output=last)


def graded(n: int, last: bool) -> snn.SpikingNeuron:
    """Leaky whose hidden spikes count 0.75."""
    return leaky(**({} if last else {"graded_spikes_factor": 0.75}))(n, last)
