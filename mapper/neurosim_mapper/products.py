"""Products of two values where no soma multiplies: by squares, on neurons of their own.

    a b = ((k a + b / k)**2 - (k a - b / k)**2) / 4

Two neurons per product look a square up in a table of 256 entries; whoever takes the product adds
their outputs with weights 1/4 and -1/4. In float that changes nothing. In integers the sum that is
squared is rounded to 8 bits, and so is the square: with A and B the largest magnitudes and
``k = sqrt(B / A)``, which makes both parts equally large, the step of a product is about
``4 A B / 127`` near its largest value and falls towards 0.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim_mapper.float_executor import trace_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Node, Product, Scale
from neurosim_mapper.recurrent import expand_recurrent, memoryless

_PROBES: Final = (".first", ".second")


def lower(network: Network, calibration: npt.ArrayLike | None = None) -> Network:
    """The same function without `Recurrent` and `Product` nodes.

    Parameters
    ----------
    calibration : (samples, ticks, *input shape) inputs that say how large the factors become. The
        shapes are the same without it.
    """
    network = expand_recurrent(network)
    products = [name for name, node in network.nodes.items() if isinstance(node, Product)]
    if not products:
        return network
    if calibration is None:
        return products_by_squares(network, dict.fromkeys(products, 1.0))
    return products_by_squares(network, _balances(network, products, calibration))


def products_by_squares(network: Network, balance: dict[str, float]) -> Network:
    """Every product as the difference of two squares.

    Parameters
    ----------
    balance : k of the module's equation, for each product.
    """
    nodes = {name: node for name, node in network.nodes.items() if name not in balance}
    edges = [edge for edge in network.edges if edge[1] not in balance]
    feedback = [edge for edge in network.feedback if edge[1] not in balance]

    def add(name: str, node: Node, *sources: str) -> str:
        nodes[name] = node
        edges.extend((source, name) for source in sources)
        return name

    for name, k in balance.items():
        factors = []
        for source, suffix, gain in zip(network.sources(name), _PROBES, (k, 1 / k), strict=True):
            factors.append(add(name + suffix, Scale(np.asarray(gain)), source))
            if (source, name) in network.recurrent_edges:
                feedback.append((source, factors[-1]))
        turned = add(f"{name}.turned", Scale(np.asarray(-1.0)), factors[1])
        plus = add(f"{name}.plus", memoryless("square"), *factors)
        minus = add(f"{name}.minus", memoryless("square"), factors[0], turned)
        less = add(f"{name}.less", Scale(np.asarray(-1.0)), minus)
        add(name, Scale(np.asarray(0.25)), plus, less)
    return replace(network, nodes=nodes, edges=tuple(edges), feedback=tuple(feedback))


def _balances(
    network: Network, products: list[str], calibration: npt.ArrayLike
) -> dict[str, float]:
    """k for every product, from the largest magnitudes of its factors on the calibration data."""
    nodes, edges = dict(network.nodes), list(network.edges)
    feedback = list(network.feedback)
    for name in products:
        for source, suffix in zip(network.sources(name), _PROBES, strict=True):
            nodes[name + suffix] = memoryless("identity")
            edges.append((source, name + suffix))
            if (source, name) in network.recurrent_edges:
                feedback.append((source, name + suffix))
    probed = replace(network, nodes=nodes, edges=tuple(edges), feedback=tuple(feedback))
    largest: dict[str, float] = {}

    def look(name: str, tick: int, seen: Any) -> None:
        if name.endswith(_PROBES):
            largest[name] = max(largest.get(name, 0.0), float(np.abs(seen.Y).max(initial=0.0)))

    trace_float(probed, calibration, observe=look)
    found = {}
    for name in products:
        first, second = (largest.get(name + suffix, 0.0) for suffix in _PROBES)
        found[name] = float(np.sqrt(second / first)) if first and second else 1.0
    return found
