"""From a wired network to the placement problem: packets between cores, rates, labels.

What is counted is what `route_packets` sends: one packet per listening axon, or, with multicast,
one per source neuron that goes to every listening core as a tree or a relay chain; input from the
host, output to the host, and the partial sums of fan-in fragments, one per neuron and tick.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from neurosim.chip.model import Chip
from neurosim.errors import UsageError
from neurosim.offsets import offsets_of
from neurosim_mapper.mapping import Partition, Wiring
from neurosim_mapper.place.problem import (
    HOST,
    I64,
    Nets,
    PlacementProblem,
    no_pins,
    pair_nets,
)
from neurosim_mapper.quantized import INPUT, QuantizedNetwork

Rates = Mapping[str, npt.ArrayLike]
OUTPUT: Final = "output"
_TOTAL_BITS: Final = 36  # calibrated rates become integers whose sum has about this many bits


@dataclass(frozen=True)
class _Rows:
    """One row per (sender, listening core): sender number, its core, target core, packets."""

    owner: I64
    source: I64
    target: I64
    packets: npt.NDArray[np.float64]


def placement_problem(
    network: QuantizedNetwork,
    partition: Partition,
    wiring: Wiring,
    chip: Chip,
    rates: Rates | None = None,
    phase: I64 | None = None,
) -> PlacementProblem:
    """Problem of a wired network.

    Parameters
    ----------
    phase : (n_cores,) phase of each core of a folded program.
    rates : packets per tick that a neuron sends, per layer name (or "input") a number or an
        array (n_neurons,); 1 for layers that are not named. `calibrated_rates` measures them.
    """
    together = chip.noc_section.multicast != "none"
    rows = _rows(network, partition, wiring, rates or {}, together)
    scale = 1.0
    if rates:
        total = float(rows.packets.sum())
        scale = 2.0 ** np.floor(_TOTAL_BITS - np.log2(total)) if total > 0 else 1.0
    weight = np.rint(rows.packets * scale).astype(np.int64)
    n = wiring.n_cores
    if together:
        nets = _shared_nets(n, rows, weight)
    else:
        nets = pair_nets(n, rows.source, rows.target, weight)
    return PlacementProblem(
        chip,
        n,
        nets,
        no_pins(n),
        1.0 / scale,
        labels=core_labels(partition),
        members=_members(network, partition, wiring),
        phase=phase,
    )


def core_labels(partition: Partition) -> tuple[str, ...]:
    """What each core holds: layers and numbers of neurons, as in ``conv1:200 fc:10``."""
    labels = []
    for core in partition.cores:
        counts: dict[str, int] = {}
        for group in core:
            counts[group.layer] = counts.get(group.layer, 0) + int(group.neurons.size)
        labels.append(" ".join(f"{name}:{count}" for name, count in sorted(counts.items())))
    return tuple(labels)


def _members(network: QuantizedNetwork, partition: Partition, wiring: Wiring) -> dict[str, I64]:
    """Cores of every layer, fragments included; of the input; of the output layer once more."""
    cores: dict[str, set[int]] = {layer.name: set() for layer in network.layers}
    for number, core in enumerate(partition.cores):
        for group in core:
            cores[group.layer].add(number)
    hear = set(wiring.core_of_axon()[wiring.axon_source_layer < 0].tolist())
    ends = {INPUT: hear, OUTPUT: cores[network.output]}
    return {name: np.array(sorted(found), np.int64) for name, found in {**ends, **cores}.items()}


def _rows(
    network: QuantizedNetwork, partition: Partition, wiring: Wiring, rates: Rates, together: bool
) -> _Rows:
    n_neurons = int(wiring.neuron_offset[-1])
    rate = _sender_rates(network, wiring, rates)
    source = wiring.source_neuron()
    owner = np.where(source >= 0, source, n_neurons - 1 - source)
    core_of_axon = wiring.core_of_axon()
    # Several axons of a core with one source: one packet each, or one for all with multicast.
    n = max(wiring.n_cores, 1)
    if together:
        found = np.unique(owner * n + core_of_axon)
        owner, core_of_axon = found // n, found % n
    output = [layer.name for layer in network.layers].index(network.output)
    offset = wiring.layers.offset
    out = wiring.layers.neuron[offset[output] : offset[output + 1]].astype(np.int64)
    fragments, owners = _fragments(partition)
    size = np.array([g.neurons.size for g in partition.groups], np.float64)
    start = wiring.group_neuron_start
    return _Rows(
        owner=np.concatenate([owner, out + rate.size, fragments + rate.size + n_neurons]),
        source=np.concatenate(
            [
                np.where(owner < n_neurons, wiring.core_of_neuron(owner), HOST),
                wiring.core_of_neuron(out),
                wiring.core_of_neuron(start[fragments]),
            ]
        ),
        target=np.concatenate(
            [core_of_axon, np.full(out.size, HOST), wiring.core_of_neuron(start[owners])]
        ),
        packets=np.concatenate([rate[owner], rate[out], size[fragments]]),
    )


def _fragments(partition: Partition) -> tuple[I64, I64]:
    pairs = [(i, g.owner) for i, g in enumerate(partition.groups) if g.owner is not None]
    columns = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return columns[:, 0], columns[:, 1]


def _sender_rates(
    network: QuantizedNetwork, wiring: Wiring, rates: Rates
) -> npt.NDArray[np.float64]:
    """(n_neurons + n_inputs,) packets per tick of every neuron, then of every input element."""
    n_neurons = int(wiring.neuron_offset[-1])
    result = np.ones(n_neurons + network.n_inputs)
    known = {layer.name: i for i, layer in enumerate(network.layers)}
    for name, value in rates.items():
        array = np.asarray(value, dtype=np.float64)
        if name != INPUT and name not in known:
            raise UsageError(f"rates of {name!r}: the network has {', '.join(known)} and {INPUT}.")
        size = network.size_of(name)
        if array.ndim and array.shape != (size,):
            raise UsageError(f"rates of {name!r}: shape {array.shape}, needed ({size},) or one.")
        if not (np.isfinite(array).all() and (array >= 0).all()):
            raise UsageError(f"rates of {name!r}: packets per tick must be finite and 0 or more.")
        if name == INPUT:
            result[n_neurons:] = array
        else:
            offset = wiring.layers.offset
            i = known[name]
            result[wiring.layers.neuron[offset[i] : offset[i + 1]]] = array
    return result


def _shared_nets(n_cores: int, rows: _Rows, weight: I64) -> Nets:
    """Nets of equal source and equal set of targets; a set is known by the sum of random keys."""
    host = rows.target == HOST
    out = pair_nets(n_cores, rows.source[host], rows.target[host], weight[host])
    keep = ~host & (rows.source != rows.target) & (weight > 0)
    order = np.lexsort((rows.target[keep], rows.owner[keep]))
    owner, source, target, w = (
        a[keep][order] for a in (rows.owner, rows.source, rows.target, weight)
    )
    if not owner.size:
        return out
    first = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    keys = np.random.default_rng(0).integers(0, 2**64, size=n_cores, dtype=np.uint64)
    sums = np.add.reduceat(keys[target], first)  # wraps around: a set, whatever its order
    sizes = np.diff(np.concatenate([first, [owner.size]]))
    rank = np.lexsort((sizes, sums, source[first]))
    columns = np.stack(
        [source[first][rank].astype(np.uint64), sums[rank], sizes[rank].astype("u8")]
    )
    new = np.concatenate([[True], (columns[:, 1:] != columns[:, :-1]).any(axis=0)])
    total = np.add.reduceat(w[first][rank], np.flatnonzero(new))
    chosen = rank[new]
    count = sizes[chosen]
    offset = offsets_of(count)
    at = np.repeat(first[chosen] - offset[:-1], count) + np.arange(offset[-1])
    return Nets(
        np.concatenate([source[first][chosen], out.source]),
        np.concatenate([offset, offset[-1] + out.offset[1:]]),
        np.concatenate([target[at], out.target]),
        np.concatenate([total, out.weight]),
    )
