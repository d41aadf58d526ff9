"""Small chips for tests: every field given, any of them overridden by its dotted path."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from neurosim.chip.model import Chip


def _q(value: float) -> dict[str, Any]:
    return {"value": value, "source": "chosen for a test", "kind": "assumption"}


BASE: dict[str, Any] = {
    "schema": "neurosim-chip/1",
    "name": "test",
    "description": "A chip for tests.",
    "array": {"wide": 1, "high": 1},
    "grid": {"wide": 8, "high": 8},
    "inter_chip": {"link_bits_per_cycle": 8, "latency_cycles": 10},
    "core": {
        "axons": 64,
        "neurons": 32,
        "synapses": 4096,
        "synapse_memory_bytes": 8192,
        "weight_bits": 8,
        "membrane_bits": 24,
        "accumulator_bits": 24,
        "decay_bits": 12,
        "max_weight_shift": 8,
        "rounding": "nearest",
        "max_delay_ticks": 15,
        "soma_models": ["liaf", "cuba"],
        "input_kinds": ["spike", "analog"],
        "output_kinds": ["spike", "analog"],
        "fan_in_extension": "psum_hw",
    },
    "packet": {
        "fields": [
            {"name": "dx", "bits": 9},
            {"name": "dy", "bits": 9},
            {"name": "axon", "bits": 8},
        ],
        "analog_payload_bits": 8,
        "psum_payload_bits": 24,
    },
    "noc": {
        "topology": "mesh",
        "routing": "xy",
        "multicast": "none",
        "link_bits_per_cycle": 32,
        "router_cycles": 2,
        "link_cycles": 1,
        "buffer_flits": 4,
        "n_vcs": 2,
    },
    "tick": {"mode": "barrier", "sync_cycles": 0},
    "energy": {
        "synaptic_op_pj": _q(1.0),
        "mac_pj": _q(2.0),
        "row_read_pj": _q(3.0),
        "neuron_access_pj": _q(0.5),
        "neuron_update_pj": _q(5.0),
        "neuron_fire_pj": _q(7.0),
        "packet_send_pj": _q(11.0),
        "packet_receive_pj": _q(13.0),
        "hop_x_pj_per_packet": _q(1.5),
        "hop_x_pj_per_bit": _q(0.25),
        "hop_y_pj_per_packet": _q(2.5),
        "hop_y_pj_per_bit": _q(0.125),
        "chip_crossing_pj_per_bit": _q(26.0),
        "io_pj_per_bit": _q(17.0),
        "static_w": _q(0.01),
        "reload_pj_per_bit": _q(3.0),
    },
    "timing": {
        "clock_hz": _q(1e8),
        "synaptic_op_cycles": _q(0.25),
        "mac_cycles": _q(0.5),
        "row_read_cycles": _q(2.0),
        "neuron_update_cycles": _q(1.0),
        "packet_send_cycles": _q(1.0),
        "reload_cycles_per_bit": _q(0.25),
    },
}


def make_chip(**overrides: Any) -> Chip:
    """A chip; ``core__axons=16`` sets the key ``core.axons``."""
    data = copy.deepcopy(BASE)
    for path, value in overrides.items():
        *parents, key = path.split("__")
        section = data
        for parent in parents:
            section = section[parent]
        section[key] = value
    return Chip.model_validate(data)


def random_chip(rng: np.random.Generator, **overrides: Any) -> Chip:
    """Limits small enough that networks of a few dozen neurons are split over several cores."""
    axons = int(rng.integers(6, 40))
    neurons = int(rng.integers(4, 24))
    drawn: dict[str, Any] = {
        "core__axons": axons,
        "core__neurons": neurons,
        "core__synapses": int(rng.integers(axons * 2, axons * neurons + 1)),
        "core__membrane_bits": int(rng.integers(10, 25)),
        "core__rounding": str(rng.choice(["nearest", "floor", "toward_zero"])),
        "core__send_zero": bool(rng.random() < 0.2),
        "noc__multicast": str(rng.choice(["none", "tree", "relay"])),
        "noc__topology": str(rng.choice(["mesh", "torus"])),
        "noc__routing": str(rng.choice(["xy", "yx"])),
        "grid": {"wide": int(rng.integers(9, 14)), "high": int(rng.integers(9, 14))},
        "core__shared_kernel": axons % 2 == 1 and "core__weight_scheme" not in overrides,
    }
    keys = drawn | overrides
    if keys["noc__topology"] == "torus" and keys["noc__multicast"] == "relay":
        keys["noc__multicast"] = "tree"
    return make_chip(**keys)
