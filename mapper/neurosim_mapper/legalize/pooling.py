"""Sum pooling: composed into the next layer's kernel, or computed once by relay neurons.

`quantize` folds a linear pool into the layer behind it, which saves a tick and a layer. But the
larger window multiplies the axons of every tile: a 3x3 kernel behind a 2x2 pool hears 36 inputs
per channel instead of 9. Where that costs more cores than a layer of relay neurons, one per pooled
pixel, the pool is taken out of the kernel again.

Exact: the composed kernel repeats each weight over a block, so the weight times the sum of the
block is the same integer. A relay of spikes sends as many spikes as its block holds, a relay of
values sends their sum (only if it fits the packet). The relay adds one tick to the pipeline; in
sample time nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from neurosim.chip.model import Chip
from neurosim.fixed_point import signed_limits
from neurosim_mapper.connections import (
    Connection,
    ConvConnection,
    DenseConnection,
    IntArray,
    pool_connection,
)
from neurosim_mapper.legalize.relays import (
    free_name,
    in_forward_order,
    relay_layer,
    value_range,
)
from neurosim_mapper.partition.candidates import find_candidates
from neurosim_mapper.partition.choice import choose, total_price
from neurosim_mapper.partition.geometry import layer_geometry
from neurosim_mapper.partition.limits import CoreLimits
from neurosim_mapper.quantized import INPUT, Projection, QuantizedLayer, QuantizedNetwork

Image = tuple[int, int, int]


class _Factors(NamedTuple):
    """A connection as a sum pool followed by a smaller connection."""

    pool: ConvConnection
    rest: Connection


def relay_pools(network: QuantizedNetwork, chip: Chip) -> tuple[QuantizedNetwork, tuple[str, ...]]:
    """Take pools out of kernels wherever that needs fewer cores."""
    taken = set(network.by_name) | {INPUT}
    added: dict[tuple[str, tuple[int, int]], QuantizedLayer] = {}
    layers: list[QuantizedLayer] = []
    notes: list[str] = []
    for layer in network.layers:
        projections = list(layer.projections)
        for i, projection in enumerate(projections):
            found = _relayed(network, chip, layer, projection, added, taken)
            if found is not None:
                projections[i], note = found
                notes.append(note)
        layers.append(replace(layer, projections=tuple(projections)))
    if not added:
        return network, ()
    return replace(network, layers=in_forward_order([*layers, *added.values()])), tuple(notes)


def _relayed(
    network: QuantizedNetwork,
    chip: Chip,
    layer: QuantizedLayer,
    projection: Projection,
    added: dict[tuple[str, tuple[int, int]], QuantizedLayer],
    taken: set[str],
) -> tuple[Projection, str] | None:
    """The projection from a relay layer, and what to say about it; None to leave it as it is."""
    source = projection.source
    if projection.delay_ticks or _reaches(network, layer.name, source):
        return None
    factors = factor_pool(projection.connection, _image_of(network, source))
    if factors is None:
        return None
    block = (int(factors.pool.weight.shape[2]), int(factors.pool.weight.shape[3]))
    low, high = (v * block[0] * block[1] for v in value_range(network, source))
    kind = _kind(network, chip, source, low, high)
    if kind is None:
        return None
    known = added.get((source, block))
    name = known.name if known else f"{source}.sum{block[0]}x{block[1]}"
    if known is None and name in taken:
        name = free_name(set(taken), name)
    unit = 1.0 if source == INPUT else network.by_name[source].output_unit
    pool = Projection(source, factors.pool)
    relay = known or relay_layer(
        network, name, factors.pool.out_shape, (pool,), kind, low, high, unit
    )
    moved = Projection(name, factors.rest)
    others = tuple(moved if p is projection else p for p in layer.projections)
    saved = _saving(network, chip, layer, replace(layer, projections=others), relay, known is None)
    if saved <= 0:
        return None
    taken.add(name)
    added[source, block] = relay
    return moved, (
        f"{source!r} -> {layer.name!r}: the {block[0]}x{block[1]} sum pool is computed by relay "
        f"neurons {name!r}, which saves about {saved:.0f} cores and costs one tick."
    )


def _saving(
    network: QuantizedNetwork,
    chip: Chip,
    before: QuantizedLayer,
    after: QuantizedLayer,
    relay: QuantizedLayer,
    is_new: bool,
) -> float:
    """Cores saved, judged by the layer, its source and the relay packed together."""
    source = relay.projections[0].source
    context = [] if source == INPUT else [network.by_name[source]]
    old = _price([*context, before], chip)
    new = _price([*context, *([relay] if is_new else []), after], chip)
    if new is None:
        return 0.0
    return float("inf") if old is None else old - new


def _price(layers: list[QuantizedLayer], chip: Chip) -> float | None:
    limits = CoreLimits.of(chip)
    found = [find_candidates(layer_geometry(layer), limits) for layer in layers]
    if not all(search.kept for search in found):
        return None
    return total_price(choose(found, limits), limits)


def _kind(
    network: QuantizedNetwork, chip: Chip, source: str, low: int, high: int
) -> Literal["spike", "analog"] | None:
    """How a relay sends its sums on this chip; None if it cannot."""
    if high > signed_limits(network.membrane_bits)[1]:
        return None
    kind = network.output_kind(source)
    if kind == "spike":
        return "spike" if chip.core.axon_collision == "add" else None
    bits = chip.packet.analog_payload_bits
    if low >= 0:
        fits = high < 1 << bits
    else:
        least, most = signed_limits(max(bits, 1))
        fits = least <= low and high <= most
    return "analog" if fits and kind in chip.core.output_kinds else None


def _image_of(network: QuantizedNetwork, source: str) -> Image | None:
    shape = network.input_shape if source == INPUT else network.by_name[source].shape
    return (shape[0], shape[1], shape[2]) if len(shape) == 3 else None


def _reaches(network: QuantizedNetwork, start: str, goal: str) -> bool:
    """Whether `goal` hears `start` over any number of projections: the two are on a loop."""
    seen, stack = {start}, [start]
    while stack:
        here = stack.pop()
        if here == goal:
            return True
        for layer in network.layers:
            if layer.name not in seen and any(p.source == here for p in layer.projections):
                seen.add(layer.name)
                stack.append(layer.name)
    return False


# --- finding the pool in a kernel ---------------------------------------------------------------


def factor_pool(connection: Connection, image: Image | None) -> _Factors | None:
    """`connection` as ``rest`` behind a sum pool with the largest block; None if it has none.

    `image` is the shape of the source layer.
    """
    if isinstance(connection, ConvConnection):
        return _factor_convolution(connection)
    if isinstance(connection, DenseConnection) and image is not None:
        return _factor_dense(connection, image)
    return None


def _factor_convolution(conv: ConvConnection) -> _Factors | None:
    if conv.dilation != (1, 1):
        return None
    for block in _blocks((int(conv.weight.shape[2]), int(conv.weight.shape[3]))):
        inner = _block_means(conv.weight, block)
        padding = [_pooled_padding(conv, axis, block[axis]) for axis in (0, 1)]
        if inner is None or padding[0] is None or padding[1] is None:
            continue
        pool = pool_connection(conv.in_shape, block, block)
        stride = (conv.stride[0] // block[0], conv.stride[1] // block[1])
        rest = ConvConnection(
            inner, pool.out_shape, stride, (padding[0], padding[1]), groups=conv.groups
        )
        if rest.out_shape == conv.out_shape:
            return _Factors(pool, rest)
    return None


def _pooled_padding(conv: ConvConnection, axis: int, block: int) -> tuple[int, int] | None:
    """Padding of the pooled image along one axis; None if the blocks do not line up."""
    if block == 1:
        return conv.padding[axis]
    stride, before = conv.stride[axis], conv.padding[axis][0]
    n_in, n_out = conv.in_shape[1 + axis], conv.out_shape[1 + axis]
    span = int(conv.weight.shape[2 + axis])
    if stride % block or before % block:
        return None
    last = (n_out - 1) * stride - before + span
    pooled = n_in // block
    if pooled * block < min(last, n_in):
        return None  # a window sees pixels that the pool would drop
    return before // block, max(0, last // block - pooled)


def _factor_dense(dense: DenseConnection, image: Image) -> _Factors | None:
    channels, high, wide = image
    if channels * high * wide != dense.n_sources:
        return None
    kernels = dense.weight.reshape(-1, channels, high, wide)
    for block in _blocks((high, wide)):
        whole = kernels[:, :, : high // block[0] * block[0], : wide // block[1] * block[1]]
        if np.count_nonzero(kernels) != np.count_nonzero(whole):
            continue
        inner = _block_means(whole, block)
        if inner is not None:
            pool = pool_connection(image, block, block)
            return _Factors(pool, DenseConnection(inner.reshape(len(inner), -1)))
    return None


def _blocks(size: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Pool sizes that could be inside a window, the largest first; images of one row included."""
    for k in range(min(max(size), 8), 1, -1):
        if size[0] >= k and size[1] >= k:
            yield k, k
        elif size[0] == 1:
            yield 1, k


def _block_means(kernels: IntArray, block: tuple[int, int]) -> IntArray | None:
    """One weight per block, or None if the weights inside a block differ."""
    outer, (rows, columns) = kernels.shape[:2], kernels.shape[2:]
    if rows % block[0] or columns % block[1]:
        return None
    view = kernels.reshape(*outer, rows // block[0], block[0], columns // block[1], block[1])
    first = view[:, :, :, :1, :, :1]
    if (view != first).any():
        return None
    return np.ascontiguousarray(first[:, :, :, 0, :, 0])
