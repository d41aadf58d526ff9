"""What a diagnosis proposes is true: with just that change the network fits, with less it does not.

The change is read from the message, as a user would.
"""

from __future__ import annotations

import re
from itertools import pairwise

import numpy as np
import pytest
from support.chips import make_chip
from support.networks import random_layer

from neurosim.errors import DoesNotFitError
from neurosim.run.encoding import InputCode
from neurosim_mapper.connections import DenseConnection
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork

ROOM = {"grid": {"wide": 32, "high": 32}, "packet__fields": [{"name": "axon", "bits": 8}]}
ALONE = {**ROOM, "core__fan_in_extension": "none"}

CASES = {
    "axons": {**ALONE, "core__axons": 9},
    "axons of a packet": {
        **ALONE, "core__axons": 9, "packet__fields": [{"name": "axon", "bits": 4}]
    },
    "axons and memory": {**ALONE, "core__axons": 9, "core__synapse_memory_bytes": 11},
    "axon_merge": {**ROOM, "core__axons": 3, "core__neurons": 4,
                   "core__fan_in_extension": "axon_merge"},
    "synapses": {**ALONE, "core__synapses": 17},
    "synapse memory": {**ALONE, "core__synapse_memory_bytes": 17},
    "synapses and memory": {**ALONE, "core__synapses": 17, "core__synapse_memory_bytes": 20},
    "memory of one axon": {**ROOM, "core__weight_bits": 16, "core__synapse_memory_bytes": 1},
    "accumulator": {**ROOM, "core__accumulator_bits": 5},
    "routing tables": {**ROOM, "core__routing_entries": 1},
    "tables of routers": {**ROOM, "noc__multicast": "tree", "noc__router_entries": 1},
}  # fmt: skip


def network_for(chip):
    """Three layers with 13, 40 and 60 inputs per neuron."""
    rng, layers, source = np.random.default_rng(0), [], INPUT
    for i, (n_in, n_out) in enumerate(pairwise((13, 40, 60, 5))):
        weight = rng.integers(1, 4, size=(n_out, n_in))
        projections = (Projection(source, DenseConnection(weight)),)
        layers.append(random_layer(rng, chip, f"fc{i + 1}", (n_out,), projections))
        source = f"fc{i + 1}"
    return QuantizedNetwork(
        tuple(layers), source, (13,), InputCode("spike"), chip.core.membrane_bits
    )


def refusal(chip):
    """The reason in the report, None if the network fits."""
    try:
        map_network(network_for(make_chip(**ROOM)), chip, placer="row-major")
    except DoesNotFitError as error:
        return error.report["reason"]
    return None


def proposed(message, chip):
    """Key and value of all that has to change; the packet's fields as one."""
    said = message[message.rindex("A chip with") :] if "A chip with" in message else message
    said = said[: said.index("would fit")] if "would fit" in said else said
    changes = {
        key.replace(".", "__"): int(n) for key, n in re.findall(r"(\w+\.\w+) of (\d+)", said)
    }
    if "That many core.accumulator_bits" in message:
        changes["core__accumulator_bits"] = int(re.findall(r"needs (\d+) bits", message)[0])
    for bits, name in re.findall(r"(\d+) bits (?:for the packet field|in field) '(\w+)'", message):
        fields = [field.model_dump() for field in chip.packet.fields]
        changes["packet__fields"] = [
            {**field, "bits": int(bits)} if field["name"] == name else field for field in fields
        ]
    for wide, high in re.findall(r"array: {wide: (\d+), high: (\d+)}", message):
        changes["array"] = {"wide": int(wide), "high": int(high)}
    return changes


@pytest.mark.parametrize("name", CASES)
def test_the_proposed_change_fits_and_a_smaller_one_does_not(name):
    chip = make_chip(**CASES[name])
    message = refusal(chip)
    changes = proposed(message, chip)
    assert changes, message
    assert refusal(make_chip(**(CASES[name] | changes))) is None, message
    if name == "memory of one axon":
        return  # room for a whole neuron is proposed; for less, it depends on the number of cores
    wide = {"packet__fields": [{"name": "axon", "bits": 12}]}
    for key, value in changes.items():
        if isinstance(value, int):
            smaller = make_chip(**(CASES[name] | changes | wide | {key: value - 1}))
            assert refusal(smaller) is not None, (key, value)


@pytest.mark.parametrize("dead", [[], [[0, 0], [1, 1]]])
def test_the_proposed_array_fits(dead):
    """On a chip whose addresses hold no more than the one chip."""
    fields = [{"name": "x", "bits": 1}, {"name": "y", "bits": 1}]
    small = {"grid": {"wide": 2, "high": 2}, "dead_cores": dead, "packet__fields": fields}
    chip = make_chip(**small)
    message = refusal(chip)
    changes = proposed(message, chip)
    array = changes["array"]
    wide = {n: bits for bits, n in re.findall(r"(\d+) bits in field '(\w)'", message)}
    fields = [{"name": n, "bits": int(wide.get(n, 1))} for n in "xy"]
    assert refusal(make_chip(**(small | {"array": array, "packet__fields": fields}))) is None
    cores = int(re.findall(r"this needs (\d+)", message)[0])
    assert 4 * (array["wide"] * array["high"] - 1) < cores + len(dead)
