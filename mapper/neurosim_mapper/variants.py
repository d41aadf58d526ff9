"""Variants of a network that a comparison asks for: the same weights, another kind of packet."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from neurosim.errors import UsageError
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Neuron
from neurosim_mapper.recurrent import Recurrent


def sends_values(network: Network) -> tuple[str, ...]:
    """Analog neurons whose values other neurons hear, in the order of the network.

    Those that are only read out are left out: what leaves the network is not sent between cores.
    """
    return tuple(
        name
        for name in network.order
        if isinstance(node := network.nodes[name], Neuron)
        and node.output == "analog"
        and _reaches_neuron(network, name)
    )


def as_spikes(network: Network, only: Collection[str] | None = None) -> Network:
    """The same weights, thresholds and decays; the neurons of `sends_values` send their spikes.

    A LIAF neuron fires and resets anyway (LIAF-Net eq. 4 to 6), so this is the LIF network with
    the LIAF network's weights. It was not trained that way; `assumptions` says so.

    Parameters
    ----------
    only : names of neurons to turn; all by default.

    Raises
    ------
    UsageError : no such neuron sends values.
    """
    names = tuple(name for name in sends_values(network) if only is None or name in only)
    if not names:
        raise UsageError("no hidden neuron of this network sends values; there is nothing to turn.")
    chosen = {name: network.nodes[name] for name in names}
    spiking = {name: _spiking(n) for name, n in chosen.items() if isinstance(n, Neuron)}
    note = f"Neurons {', '.join(names)} send spikes; the weights were trained for values."
    return dataclasses.replace(
        network,
        nodes={**network.nodes, **spiking},
        assumptions=(*network.assumptions, note),
    )


def _spiking(neuron: Neuron) -> Neuron:
    return dataclasses.replace(
        neuron, output="spike", activation="identity", threshold_related=False, clamp=None
    )


def _reaches_neuron(network: Network, name: str) -> bool:
    """Whether another neuron (or the same one, in a loop) hears this one."""
    waiting, seen = list(network.targets(name)), set()
    while waiting:
        target = waiting.pop()
        if isinstance(network.nodes[target], Neuron | Recurrent):
            return True
        if target not in seen:
            seen.add(target)
            waiting.extend(network.targets(target))
    return False
