"""Networks of every kind on chips of every kind, several times too small for them.

Enters: random numbers, and which way a chip extends the fan-in of its neurons. Leaves: a folded
program with its network and input. `traits` says what it has, so that a test can count what was
drawn.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final, NamedTuple

import numpy as np

from neurosim.chip.model import Chip
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim.program.columns import Program
from neurosim.run.encoding import InputCode
from neurosim_mapper.connections import (
    Connection,
    ConvConnection,
    DenseConnection,
    DiagonalConnection,
    pool_connection,
)
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedLayer, QuantizedNetwork
from support.chips import random_chip
from support.networks import random_conv, random_dense, random_input, random_layer

FAN_IN: Final = ("none", "psum_hw", "psum_tree", "axon_merge", "axon_types")
"""Extensions of the fan-in, and the axon types of TrueNorth, which has none."""


class Folded(NamedTuple):
    """What was drawn, mapped to several phases per tick."""

    program: Program
    network: QuantizedNetwork
    x: np.ndarray


def small_chip(rng: np.random.Generator, fan_in: str, kernels: bool) -> Chip:
    """One to a dozen cores, delays short enough that some need relays."""
    axons = int(rng.integers(12, 40))
    drawn: dict[str, Any] = {
        "grid": {"wide": int(rng.integers(1, 5)), "high": int(rng.integers(1, 4))},
        "core__axons": axons,
        "core__fan_in_extension": "none" if fan_in == "axon_types" else fan_in,
        "core__max_delay_ticks": int(rng.choice([1, 2, 15])),
        "core__shared_kernel": kernels,
    }
    if rng.random() < 0.3:
        drawn["array"] = {"wide": int(rng.integers(1, 3)), "high": int(rng.integers(1, 3))}
    if kernels:
        neurons = int(rng.integers(8, 24))
        drawn |= {
            "core__neurons": neurons,
            "core__synapses": axons * neurons,
            "core__synapse_memory_bytes": int(rng.integers(60, 250)),
            "core__kernel_axon_bytes": int(rng.integers(0, 3)),
        }
    if fan_in == "psum_tree":
        drawn |= {
            "packet__analog_payload_bits": 24,
            "core__membrane_bits": 24,
            "core__send_zero": False,
        }
    if fan_in == "axon_merge":
        drawn |= {"core__neurons": 16}
    if fan_in == "none":
        drawn |= {"core__axons": int(rng.integers(60, 100))}
    if fan_in in ("none", "axon_merge") and not kernels:
        drawn |= {"core__synapses": 2048}
    if fan_in == "axon_types":
        drawn |= {
            "core__weight_scheme": "axon_types",
            "core__axon_types": 4,
            "core__destinations_per_neuron": 1,
            "core__axon_collision": "or",
            "core__send_zero": False,
            "core__axons": int(rng.integers(100, 160)),
            "core__neurons": int(rng.integers(24, 64)),
            "core__synapses": 1 << 14,
            "noc__multicast": "none",
        }
    return random_chip(rng, **drawn)


def mixed_network(rng: np.random.Generator, chip: Chip) -> QuantizedNetwork:
    """Convolutions, pools and dense layers with loops and skips, of every neuron there is."""
    shape = (int(rng.integers(1, 4)), 5, 4)
    few_bits = chip.core.weight_scheme == "axon_types"
    layers: list[QuantizedLayer] = []
    shapes: dict[str, tuple[int, ...]] = {INPUT: shape}
    previous = INPUT
    for i in range(int(rng.integers(2, 4) if few_bits else rng.integers(3, 7))):
        name = f"layer{i}"
        connection = _forward(rng, shapes[previous])
        projections = [Projection(previous, connection)]
        out = shapes[name] = _shape_of(connection)
        n = int(np.prod(out))
        if i and rng.random() < 0.5:
            source = str(rng.choice(sorted(set(shapes) - {name})))
            skip = _between(rng, shapes[source], out)
            projections.append(Projection(source, skip, int(rng.integers(0, 4))))
        if rng.random() < 0.3:
            projections.append(Projection(name, _between(rng, out, out), 1))
        if few_bits:
            projections = [
                replace(p, connection=_few_bits(rng, p.connection, first=k == 0))
                for k, p in enumerate(projections)
            ]
        layer = random_layer(rng, chip, name, out, tuple(projections))
        assert layer.n_neurons == n
        layers.append(_spiking(layer) if few_bits else layer)
        previous = name
    kinds = [InputCode("spike"), InputCode("analog", 1.0, -128, 127)]
    code = kinds[0] if few_bits else kinds[int(rng.integers(0, 2))]
    return QuantizedNetwork(tuple(layers), previous, shape, code, chip.core.membrane_bits)


def _shape_of(connection: Connection) -> tuple[int, ...]:
    return (
        connection.out_shape if isinstance(connection, ConvConnection) else (connection.n_targets,)
    )


def _forward(rng: np.random.Generator, shape: tuple[int, ...]) -> Connection:
    """Out of an image a convolution or a pool, at times a dense layer; then dense layers."""
    if len(shape) == 3 and rng.random() < 0.8:
        if min(shape[1:]) >= 2 and rng.random() < 0.25:
            return pool_connection(shape, (2, 2), (2, 2))  # type: ignore[arg-type]
        conv = random_conv(rng, shape)
        return conv if conv.n_targets <= 80 else same_conv(rng, shape, 1)
    return random_dense(rng, int(np.prod(shape)), int(rng.integers(2, 20)))


def same_conv(rng: np.random.Generator, shape: tuple[int, ...], channels: int) -> ConvConnection:
    """A convolution to an image of the same height and width."""
    weight = rng.integers(-20, 21, (channels, shape[0], 3, 3))
    return ConvConnection(weight, shape, padding=((1, 1), (1, 1)))  # type: ignore[arg-type]


def _between(rng: np.random.Generator, shape: tuple[int, ...], out: tuple[int, ...]) -> Connection:
    """From one layer to another: as it is, convolved, or dense."""
    n = int(np.prod(out))
    if shape == out and rng.random() < 0.5:
        return DiagonalConnection(rng.integers(-20, 21, n))
    if len(shape) == len(out) == 3 and shape[1:] == out[1:]:
        return same_conv(rng, shape, out[0])
    return random_dense(rng, int(np.prod(shape)), n)


def _few_bits(rng: np.random.Generator, connection: Connection, first: bool) -> Connection:
    """The same connection with weights that a few axon types can tell apart."""
    weights = np.array([-2, 1] if first else [1])
    if isinstance(connection, ConvConnection):
        return replace(connection, weight=rng.choice(weights, connection.weight.shape))
    if isinstance(connection, DiagonalConnection):
        return DiagonalConnection(np.ones(connection.n_targets, np.int64))
    kept = rng.random((connection.n_targets, connection.n_sources)) < 0.3
    return DenseConnection(rng.choice(weights, kept.shape) * kept)


def _spiking(layer: QuantizedLayer) -> QuantizedLayer:
    return replace(layer, modes=replace(layer.modes, output="spike", n_max=1))


def draw_folded(rng: np.random.Generator, fan_in: str, kernels: bool = False) -> Folded | None:
    """None if the network did not fit, or fitted at once."""
    chip = small_chip(rng, fan_in, kernels)
    network = mixed_network(rng, chip)
    fold: Any = "auto" if rng.random() < 0.7 else int(rng.integers(2, 12))
    placer = str(rng.choice(["row-major", "random"]))
    try:
        program = map_network(network, chip, placer=placer, fold=fold, seed=int(rng.integers(99)))
    except (DoesNotFitError, UnsupportedError):
        return None
    x = random_input(rng, network, n_samples=2, n_ticks=int(rng.integers(1, 6)))
    return None if program.n_phases == 1 else Folded(program, network, x)


def traits(made: Folded) -> set[str]:
    """What a draw has; the name of a way to extend the fan-in if it was needed."""
    program, network = made.program, made.network
    core, changes = program.chip.core, " ".join(program.mapping["changes"])
    heard = [[p for p in layer.projections if p.source != layer.name] for layer in network.layers]
    has = {
        "three phases": program.n_phases >= 3,
        "loop": any(p.source == layer.name for layer in network.layers for p in layer.projections),
        "skip": any(len(h) > 1 for h in heard),
        "relay": "relay layers added" in changes,
        "packed": program.groups.core.size > program.n_cores,
        "current": any(layer.alpha_syn is not None for layer in network.layers),
        "kernels": program.kernels.n_tiles > 0,
        "psum_hw": bool((program.groups.psum_target >= 0).any()),
        "psum_tree": "layers of partial sums" in changes,
        "axon_merge": int(np.diff(program.cores.axon_offset).max()) > core.axons,
        "axon_types": "axon types" in changes,
    }
    return {name for name, true in has.items() if true}
