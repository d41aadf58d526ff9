"""Joint choice: the tile shape of every layer, made with the packing in view.

A layer whose tiles are full of neurons leaves axons unused, one whose tiles are full of axons
leaves neurons unused. Two such layers share cores if the tiles of both are a little smaller. So
pairs of layers are tried on a common core template first, then every layer once more against all
others, always judged by the packed result plus the cost of copies and partial sums.

The copies that a layer's inputs need depend on its own tiles only (each of its axons is one copy),
so no search from the output backwards is needed to account for them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from neurosim_mapper.partition.candidates import Candidate, Candidates, Pieces
from neurosim_mapper.partition.limits import CoreLimits

_PAIR_WINDOW: Final = 4  # layers further apart are not planned onto common cores
_MOST_PER_CORE: Final = (4, 6)  # pieces of the first and of the second layer in a template
_SWEEPS: Final = 2


class _Pieces(NamedTuple):
    """Columns of a layer's candidates: pieces, size of one, cost beside the cores."""

    pieces: npt.NDArray[np.int64]
    axons: npt.NDArray[np.int64]
    neurons: npt.NDArray[np.int64]
    shared: npt.NDArray[np.int64]
    extra: npt.NDArray[np.float64]


def choose(layers: Sequence[Candidates], limits: CoreLimits) -> list[Candidate]:
    """One candidate per layer; every layer must have some."""
    chosen = [0] * len(layers)
    best = _price(layers, chosen, limits)
    paired = _pairs(layers, limits)
    price = _price(layers, paired, limits)
    if price < best:
        chosen, best = paired, price
    for _ in range(_SWEEPS):
        before = best
        for i, layer in enumerate(layers):
            current = layer.kept[chosen[i]]
            load = _load(layers, chosen)
            for k, candidate in enumerate(layer.kept):
                if _bound(load, current, candidate, limits) >= best:
                    continue
                trial = [*chosen[:i], k, *chosen[i + 1 :]]
                price = _price(layers, trial, limits)
                if price < best:
                    chosen, best = trial, price
                    current, load = candidate, _load(layers, chosen)
        if best == before:
            break
    return [layer.kept[k] for layer, k in zip(layers, chosen, strict=True)]


def packed_cores(pieces: list[Pieces], limits: CoreLimits) -> int:
    """Cores after first fit decreasing.

    Equal cores are kept as one row with a count, so the time does not grow with the network.
    """
    order = sorted(
        (p for p in pieces if p[0]),
        key=lambda p: (-max(p[1] / limits.axons, p[2] / limits.neurons), -p[1], -p[2]),
    )
    bins: list[list[int]] = []  # axons, neurons, how many cores, memory with shared kernels
    for count, axons, neurons, shared in order:
        left = count
        most_axons, most_neurons = limits.most_axons - axons, limits.neurons - neurons
        for row in [r for r in bins if r[0] <= most_axons and r[1] <= most_neurons]:
            while left and _fits(limits, row[0] + axons, row[1] + neurons, row[3] + shared):
                moved = min(left, row[2])
                left -= moved
                if moved < row[2]:
                    bins.append([row[0] + axons, row[1] + neurons, moved, row[3] + shared])
                    row[2] -= moved
                    break
                row[0] += axons
                row[1] += neurons
                row[3] += shared
        if left:
            per_core = _alone(limits, axons, neurons, shared)
            full, rest = divmod(left, per_core)
            if full:
                bins.append([axons * per_core, neurons * per_core, full, shared * per_core])
            if rest:
                bins.append([axons * rest, neurons * rest, 1, shared * rest])
    return sum(row[2] for row in bins)


def total_price(picked: Sequence[Candidate], limits: CoreLimits) -> float:
    """Packed cores of the chosen tiles, plus their cost of copies and partial sums."""
    pieces = [item for candidate in picked for item in candidate.items]
    return packed_cores(pieces, limits) + sum(candidate.extra for candidate in picked)


def _fits(limits: CoreLimits, axons: int, neurons: int, shared: int) -> bool:
    if axons <= limits.axons:
        return neurons <= limits.neurons and min(axons * neurons, shared) <= limits.cells
    return 0 < neurons <= limits.neurons_beside(axons, shared)


def _alone(limits: CoreLimits, axons: int, neurons: int, shared: int) -> int:
    """How many equal pieces share a core."""
    count = 1
    while _fits(limits, (count + 1) * axons, (count + 1) * neurons, (count + 1) * shared):
        count += 1
    return count


def _price(layers: Sequence[Candidates], chosen: list[int], limits: CoreLimits) -> float:
    return total_price([layer.kept[k] for layer, k in zip(layers, chosen, strict=True)], limits)


def _load(layers: Sequence[Candidates], chosen: list[int]) -> tuple[int, int, float]:
    """Axons, neurons and cost beside the cores of a choice, all layers together."""
    picked = [layer.kept[k] for layer, k in zip(layers, chosen, strict=True)]
    return (
        sum(c.total_axons for c in picked),
        sum(c.total_neurons for c in picked),
        sum(c.extra for c in picked),
    )


def _bound(
    load: tuple[int, int, float], old: Candidate, new: Candidate, limits: CoreLimits
) -> float:
    """No packing of the choice with `new` in place of `old` costs less."""
    axons = (load[0] + new.total_axons - old.total_axons) / limits.most_axons
    neurons = (load[1] + new.total_neurons - old.total_neurons) / limits.neurons
    return max(axons, neurons) + load[2] + new.extra - old.extra


# --- templates of two layers on one core --------------------------------------------------------


def _pairs(layers: Sequence[Candidates], limits: CoreLimits) -> list[int]:
    """Candidates after matching layers in pairs, the largest saving first."""
    columns = [_columns(layer) for layer in layers]
    alone = [float(_lone_price(c, limits).min()) for c in columns]
    savings = []
    for i, j in combinations(range(len(layers)), 2):
        if j - i <= _PAIR_WINDOW:
            price, at = _best_template(columns[i], columns[j], limits)
            savings.append((alone[i] + alone[j] - price, i, j, at))
    chosen = [int(np.argmin(_lone_price(c, limits))) for c in columns]
    taken: set[int] = set()
    for saving, i, j, at in sorted(savings, key=lambda s: (-s[0], s[1], s[2])):
        if saving > 0 and not {i, j} & taken:
            chosen[i], chosen[j] = at
            taken |= {i, j}
    return chosen


def _columns(layer: Candidates) -> _Pieces:
    rows = [(c.n_items, *c.items[0][1:]) for c in layer.kept]
    table = np.array(rows, dtype=np.int64).reshape(-1, 4)
    extra = np.array([c.extra for c in layer.kept], dtype=np.float64)
    return _Pieces(table[:, 0], table[:, 1], table[:, 2], table[:, 3], extra)


def _lone_price(pieces: _Pieces, limits: CoreLimits) -> npt.NDArray[np.float64]:
    price: npt.NDArray[np.float64] = -(-pieces.pieces // _per_core(pieces, limits)) + pieces.extra
    return price


def _best_template(
    first: _Pieces, second: _Pieces, limits: CoreLimits
) -> tuple[float, tuple[int, int]]:
    """Cheapest way to let pieces of two layers share cores: price and the two candidates.

    A template holds p pieces of one and q of the other; what is left over of one layer when the
    other is used up goes to cores of its own.
    """
    best, at = np.inf, (0, 0)
    lone = [_per_core(c, limits) for c in (first, second)]
    least = [(int(c.axons.min()), int(c.neurons.min())) for c in (first, second)]
    for p in range(1, _MOST_PER_CORE[0] + 1):
        for q in range(1, _MOST_PER_CORE[1] + 1):
            fewest = [p * least[0][i] + q * least[1][i] for i in (0, 1)]
            if fewest[0] > limits.most_axons or fewest[1] > limits.neurons:
                break
            axons = p * first.axons[:, None] + q * second.axons[None, :]
            neurons = p * first.neurons[:, None] + q * second.neurons[None, :]
            kernels = p * first.shared[:, None] + q * second.shared[None, :]
            shared = np.minimum(first.pieces[:, None] / p, second.pieces[None, :] / q)
            rest = (first.pieces[:, None] - p * shared) / lone[0][:, None]
            rest = rest + (second.pieces[None, :] - q * shared) / lone[1][None, :]
            price = np.ceil(shared) + np.ceil(rest - 1e-9)
            price = price + first.extra[:, None] + second.extra[None, :]
            price = np.where(limits.fits(axons, neurons, kernels), price, np.inf)
            place = int(np.argmin(price))
            if price.flat[place] < best:
                best = float(price.flat[place])
                i, j = np.unravel_index(place, price.shape)
                at = (int(i), int(j))
    return best, at


def _per_core(pieces: _Pieces, limits: CoreLimits) -> npt.NDArray[np.int64]:
    return np.array(
        [
            _alone(limits, *size)
            for size in zip(
                pieces.axons.tolist(), pieces.neurons.tolist(), pieces.shared.tolist(), strict=True
            )
        ],
        dtype=np.int64,
    )
