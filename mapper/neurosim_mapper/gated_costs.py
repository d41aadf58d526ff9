"""Layers with gates in the table of costs: the formula of the paper beside what all parts do.

On a chip such a layer is a dozen small ones (see `neurosim_mapper.recurrent`). For people it is one
row again: the operations are those that its parts really perform together, products by squares
included, and the formula is that of Table I or II, which knows nothing of any chip.
"""

from __future__ import annotations

from collections.abc import Sequence

from neurosim_mapper.complexity import (
    CONV_LAYERS,
    DENSE_LAYERS,
    ConvShape,
    Cost,
    DenseShape,
)
from neurosim_mapper.layer_costs import LayerCost
from neurosim_mapper.network import Network
from neurosim_mapper.recurrent import Recurrent


def with_gated_layers(
    network: Network, costs: Sequence[LayerCost], ticks: int
) -> tuple[LayerCost, ...]:
    """The rows of `layer_costs`, those of a gated layer's parts put together.

    Parameters
    ----------
    network : as it was read, with its `Recurrent` nodes.
    costs : of its integers; `ticks` long.
    """
    gated = {name: node for name, node in network.nodes.items() if isinstance(node, Recurrent)}
    rows: dict[str, list[LayerCost]] = {}
    for cost in costs:
        owner = next((n for n in gated if cost.name == n or cost.name.startswith(f"{n}.")), None)
        rows.setdefault(cost.name if owner is None else owner, []).append(cost)
    return tuple(
        _together(name, gated[name], network, parts, ticks) if name in gated else parts[0]
        for name, parts in rows.items()
    )


def _together(
    name: str, node: Recurrent, network: Network, parts: Sequence[LayerCost], ticks: int
) -> LayerCost:
    measured = parts[0].macs is not None
    return LayerCost(
        f"{name} ({node.kind.upper()})",
        sum(part.neurons for part in parts),
        _formula(name, node, network, parts, ticks),
        sum(part.macs or 0.0 for part in parts) if measured else None,
        sum(part.synaptic_ops or 0.0 for part in parts) if measured else None,
    )


def _formula(
    name: str, node: Recurrent, network: Network, parts: Sequence[LayerCost], ticks: int
) -> Cost:
    """Table I or II; of what they leave out (convolutional RNN and GRU) the sum of the parts."""
    kind = node.kind.upper()
    inputs = int(node.weight_ih.shape[1])
    if node.weight_ih.ndim == 2:
        return DENSE_LAYERS[kind](DenseShape(inputs, node.cells)).over(ticks)
    if f"Conv{kind}" not in CONV_LAYERS:
        return sum((part.formula for part in parts), Cost(0, 0, 0))
    height, width = network.shapes[name][1:]
    kernel = (int(node.weight_ih.shape[2]), int(node.weight_ih.shape[3]))
    return CONV_LAYERS[f"Conv{kind}"](ConvShape(ticks, height, width, node.cells, kernel, inputs))
