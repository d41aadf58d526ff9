"""Fan-in beyond a core by accumulator neurons: ``fan_in_extension: psum_tree``.

A layer whose neurons hear more inputs than a core has axons becomes partial sums: layers of
memoryless neurons that each hear a part of the inputs and send their sum as an ordinary value, one
tick earlier. The owner adds the values; where they are more than its axons, the tree gets another
level. What a layer hears of itself one tick later leaves no tick to spare, so its owner keeps
hearing that directly. Exact only while every partial sum fits the packet, so the bounds of all
sums are checked; what does not fit is refused, never rounded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError
from neurosim_mapper.connections import Connection, DiagonalConnection, Index, IntArray
from neurosim_mapper.legalize.relays import (
    free_name,
    in_forward_order,
    relay_layer,
    value_range,
)
from neurosim_mapper.partition.geometry import layer_geometry
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.quantized import INPUT, Projection, QuantizedLayer, QuantizedNetwork


@dataclass(frozen=True)
class PartOfConnection(Connection):
    """A connection as seen from some of its sources only; the others count as unconnected."""

    whole: Connection
    kept: npt.NDArray[np.bool_]  # (n_sources,)

    @property
    def n_sources(self) -> int:
        """As the whole."""
        return self.whole.n_sources

    @property
    def n_targets(self) -> int:
        """As the whole."""
        return self.whole.n_targets

    @property
    def weight_abs_max(self) -> int:
        """That of the whole: an upper bound."""
        return self.whole.weight_abs_max

    def apply(self, values: IntArray) -> IntArray:
        """The whole, with the other sources at 0."""
        return self.whole.apply(np.where(self.kept, values, 0))

    def sources_of(self, targets: Index) -> Index:
        """Those of the whole that are kept."""
        sources = self.whole.sources_of(targets)
        return sources[self.kept[sources]]

    def block(self, sources: Index, targets: Index) -> IntArray:
        """The rows of the whole, 0 for sources that are not kept."""
        block = self.whole.block(sources, targets)
        return np.where(self.kept[sources][:, None], block, 0)

    def positive_negative_sums(self) -> tuple[IntArray, IntArray]:
        """Sums over the kept sources, from the signs of the weights."""
        total = self.apply(np.ones((1, self.n_sources), np.int64))[0]
        size = np.zeros(self.n_targets, np.int64)
        kept = np.flatnonzero(self.kept)
        for start in range(0, self.n_targets, _BLOCK):
            targets = np.arange(start, min(start + _BLOCK, self.n_targets))
            size[targets] = np.abs(self.whole.block(kept, targets)).sum(axis=0)
        return (size + total) // 2, (total - size) // 2


_BLOCK = 1024  # targets whose weights are looked at together


def sum_by_tree(network: QuantizedNetwork, chip: Chip) -> tuple[QuantizedNetwork, tuple[str, ...]]:
    """Partial-sum layers in front of every layer with too large a fan-in.

    Raises DoesNotFitError where a partial sum does not fit the packet, or what the layer hears of
    itself after one tick leaves its owner no axon for a sum.
    """
    if chip.core.fan_in_extension != "psum_tree":
        return network, ()
    notes: list[str] = []
    while True:
        layers: list[QuantizedLayer] = []
        changed = False
        for layer in network.layers:
            parts = _parts(network, layer, chip)
            if parts is None:
                layers.append(layer)
                continue
            changed = True
            layers += parts
            notes.append(
                f"layer {layer.name!r}: its fan-in exceeds core.axons = {chip.core.axons}; "
                f"{len(parts) - 1} layers of partial sums work one tick ahead of it."
            )
        if not changed:
            return network, tuple(notes)
        network = replace(network, layers=in_forward_order(layers))


def _parts(
    network: QuantizedNetwork, layer: QuantizedLayer, chip: Chip
) -> list[QuantizedLayer] | None:
    """Partial-sum layers and, last, the owner that adds them up; None if the layer fits."""
    limits = CoreLimits.of(chip)
    if layer_geometry(layer).axons_per_neuron <= limits.axons:
        return None
    at_once: list[Projection] = []
    early: list[Projection] = []
    for projection in layer.projections:
        loop = projection.source == layer.name and projection.delay_ticks < 2
        (at_once if loop else early).append(projection)
    kept = layer_geometry(replace(layer, projections=tuple(at_once))).axons_per_neuron
    if limits.axons < 2 or kept >= limits.axons:
        raise _no_time(layer, chip, kept)
    taken = set(network.by_name) | {INPUT}
    parts: list[QuantizedLayer] = []
    sums = list(at_once)
    for group, lag in _groups(layer.name, early, limits.axons):
        bounds = [_bounds(network, partial) for partial in group]
        low, high = sum(b[0] for b in bounds), sum(b[1] for b in bounds)
        _check_packet(layer, chip, low, high)
        name = free_name(taken, f"{layer.name}.sum")
        parts.append(relay_layer(network, name, layer.shape, group, "analog", low, high))
        hop = DiagonalConnection(np.ones(layer.n_neurons, np.int64))
        sums.append(Projection(name, hop, lag))
    return [*parts, replace(layer, projections=tuple(sums))]


def _groups(
    name: str, projections: Sequence[Projection], most: int
) -> list[tuple[tuple[Projection, ...], int]]:
    """Parts of the fan-in with at most `most` axons per neuron, and the delay behind each.

    What the layer `name` hears of itself gives one of its own ticks of delay to the sum.
    """
    groups: list[tuple[list[Projection], int, int]] = []  # parts, axons, lag
    for projection in projections:
        loop = projection.source == name
        for kept, axons in _cuts(projection.connection, most):
            connection = PartOfConnection(projection.connection, kept)
            part = replace(
                projection, connection=connection, delay_ticks=projection.delay_ticks - loop
            )
            if groups and groups[-1][2] == loop and groups[-1][1] + axons <= most:
                parts, filled, lag = groups.pop()
                groups.append(([*parts, part], filled + axons, lag))
            else:
                groups.append(([part], axons, int(loop)))
    return [(tuple(parts), lag) for parts, _, lag in groups]


def _cuts(connection: Connection, most: int) -> list[tuple[npt.NDArray[np.bool_], int]]:
    """Sources in few runs of which no target hears more than `most`; and how many it hears."""
    heard = [connection.sources_of(np.array([t])) for t in _sample(connection.n_targets)]
    n = connection.n_sources
    count = max(1, -(-max((h.size for h in heard), default=0) // most))
    while True:
        edges = np.array([n * i // count for i in range(count + 1)])
        inside = np.array([np.diff(np.searchsorted(h, edges)) for h in heard]).reshape(-1, count)
        axons = inside.max(axis=0, initial=0)
        if axons.max(initial=0) <= most or count >= n:
            break
        count += 1
    runs = []
    for (start, stop), size in zip(pairwise(edges.tolist()), axons.tolist(), strict=True):
        kept = np.zeros(n, dtype=bool)
        kept[start:stop] = True
        if size:
            runs.append((kept, size))
    return runs


def _sample(n: int) -> Index:
    """All targets of a small layer, a spread of a large one (windows look alike)."""
    return np.unique(np.linspace(0, n - 1, min(n, 512)).astype(np.int64))


def _bounds(network: QuantizedNetwork, projection: Projection) -> tuple[int, int]:
    """Smallest and largest partial sum."""
    positive, negative = projection.connection.positive_negative_sums()
    low, high = value_range(network, projection.source)
    least = positive * min(low, 0) + negative * max(high, 0)
    most = positive * max(high, 0) + negative * min(low, 0)
    return int(least.min(initial=0)), int(most.max(initial=0))


def _check_packet(layer: QuantizedLayer, chip: Chip, low: int, high: int) -> None:
    payload = chip.packet.analog_payload_bits if "analog" in chip.core.output_kinds else 0
    needed = max((-low - 1).bit_length() if low < 0 else 0, high.bit_length()) + (low < 0)
    if needed <= payload and max(-low - 1, high).bit_length() < chip.core.membrane_bits:
        return
    raise DoesNotFitError(
        f"layer {layer.name!r}: its partial sums reach from {low} to {high} and need {needed} "
        f"bits, a packet of {chip.name!r} carries {payload} and core.membrane_bits is "
        f"{chip.core.membrane_bits}, so psum_tree would not be exact. A payload of {needed} bits "
        "(packet.analog_payload_bits), fewer weight_bits, or a chip with fan_in_extension: "
        "psum_hw would fit."
    )


def _no_time(layer: QuantizedLayer, chip: Chip, kept: int) -> DoesNotFitError:
    return DoesNotFitError(
        f"layer {layer.name!r} hears {kept} of its own neurons after one tick and other inputs "
        f"besides, core.axons is {chip.core.axons}; psum_tree needs a tick of its own. A chip with "
        "fan_in_extension: psum_hw, or a recurrent delay of 2 ticks, would fit."
    )
