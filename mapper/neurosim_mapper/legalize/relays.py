"""Layers that add nothing: they hand on, in the next tick, the sum of what they hear.

A relay neuron has no memory. For spikes it fires as many as arrived, for values it sends their
sum; both are exact as long as the sum stays inside `low`..`high`, which the caller guarantees.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from neurosim.fixed_point import signed_limits
from neurosim.soma.liaf import LiafColumns
from neurosim_mapper.quantized import (
    INPUT,
    Projection,
    QuantizedLayer,
    QuantizedNetwork,
    SomaModes,
)


def value_range(network: QuantizedNetwork, source: str) -> tuple[int, int]:
    """Smallest and largest value that a layer (or the input) sends in one tick."""
    if source == INPUT:
        return network.input_code.low, network.input_code.high
    modes = network.by_name[source].modes
    return (0, modes.n_max) if modes.output == "spike" else (modes.act_low, modes.act_high)


def relay_layer(
    network: QuantizedNetwork,
    name: str,
    shape: tuple[int, ...],
    projections: tuple[Projection, ...],
    kind: Literal["spike", "analog"],
    low: int,
    high: int,
    output_unit: float = 1.0,
) -> QuantizedLayer:
    """Memoryless neurons that send the sum of their inputs."""
    n = int(np.prod(shape))
    bottom, top = signed_limits(network.membrane_bits)

    def every(value: int) -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return np.full(n, value, np.int32)

    columns = LiafColumns(
        bias=every(0),
        theta=every(1 if kind == "spike" else top),
        v_reset=every(0),
        alpha_num=every(0),
        beta=every(0),
        rho=every(0),
        rho_post=every(0),
        floor=every(bottom),
        v_start=every(0),
        act_subtract=every(0),
        act_mult=every(1),
    )
    modes = SomaModes(
        output=kind,
        reset="none",
        n_max=max(1, high) if kind == "spike" else 1,
        activation="identity",
        act_low=min(low, 0) if kind == "analog" else -128,
        act_high=high if kind == "analog" else 127,
    )
    return QuantizedLayer(name, shape, projections, columns, modes, np.ones(n), output_unit)


def free_name(taken: set[str], wanted: str) -> str:
    """`wanted`, with a number behind it if there is such a layer already; marks it as taken."""
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}{number}"
    taken.add(name)
    return name


def in_forward_order(layers: list[QuantizedLayer]) -> tuple[QuantizedLayer, ...]:
    """Layers, each behind the sources of its undelayed projections, otherwise in given order."""
    by_name = {layer.name: layer for layer in layers}
    done: dict[str, QuantizedLayer] = {}
    stack: list[str] = []
    for layer in layers:
        stack.append(layer.name)
        while stack:
            name = stack[-1]
            waiting = [
                p.source
                for p in by_name[name].projections
                if p.source != INPUT and p.delay_ticks == 0 and p.source not in done
            ]
            if name in done or not waiting:
                done.setdefault(name, by_name[name])
                stack.pop()
            else:
                stack.extend(waiting)
    return tuple(done.values())
