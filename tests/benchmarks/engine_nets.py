"""Hand-made programs that the engine benchmarks share; no benchmark of its own."""

from __future__ import annotations

import numpy as np

from neurosim import ProgramBuilder
from neurosim.chip.files import load_chip
from neurosim.chip.model import Chip
from neurosim.program.columns import Program

THRESHOLD, WEIGHT_MAX, LEAK_NUM, LEAK_SHIFT = 1000, 4, 63, 6


def recurrent_lif(n_neurons: int, fan_out: int, rate: float, seed: int) -> dict[str, np.ndarray]:
    """A random recurrent LIF net, the same that the peer's script builds (numpy only).

    Per step: leak (63/64, towards zero), add bias and the weights of the last step's spikes, fire
    above the threshold, reset to 0. The bias sets the rate.
    """
    rng = np.random.Generator(np.random.PCG64(seed))
    targets = np.empty((n_neurons, fan_out), dtype=np.int32)
    for i in range(n_neurons):
        targets[i] = np.sort(rng.choice(n_neurons, size=fan_out, replace=False, shuffle=False))
    weights = rng.integers(-WEIGHT_MAX, WEIGHT_MAX + 1, size=(n_neurons, fan_out), dtype=np.int32)
    leak = LEAK_NUM / (1 << LEAK_SHIFT)
    base = THRESHOLD * (1 - leak) / (1 - leak ** (1 / rate))
    bias = np.rint(base * rng.uniform(0.85, 1.15, size=n_neurons)).astype(np.int32)
    v0 = rng.integers(0, THRESHOLD, size=n_neurons, dtype=np.int32)
    return {"targets": targets, "weights": weights, "bias": bias, "v0": v0}


def recurrent_program(net: dict[str, np.ndarray], n_cores: int, chip: Chip) -> Program:
    """The net in contiguous blocks over `n_cores`; one axon per (neuron, core it reaches)."""
    targets, weights = net["targets"], net["weights"]
    n, fan_out = targets.shape
    size = -(-n // n_cores)
    builder = ProgramBuilder(chip, n_inputs=1)
    cores = [builder.add_core(i % chip.wide, i // chip.wide) for i in range(n_cores)]
    source = np.repeat(np.arange(n), fan_out)
    target, weight = targets.ravel(), weights.ravel()
    heard = []
    for c, core in enumerate(cores):
        mine = np.flatnonzero(target // size == c)
        senders, axon = np.unique(source[mine], return_inverse=True)
        core.set_synapses(
            axon,
            target[mine] - c * size,
            weight[mine],
            n_axons=senders.size,
            n_neurons=min(size, n - c * size),
        )
        scale, block = 1 << LEAK_SHIFT, slice(c * size, (c + 1) * size)
        core.set_liaf(
            theta=THRESHOLD * scale + 1,
            bias=net["bias"][block] * scale,
            v_start=net["v0"][block] * scale,
            alpha_num=LEAK_NUM,
            alpha_shift=LEAK_SHIFT,
            weight_shift=LEAK_SHIFT,
            rounding="toward_zero",
        )
        heard.append(senders)
    for c, senders in enumerate(heard):
        home = senders // size
        for k in np.unique(home):
            mine = np.flatnonzero(home == k)
            cores[k].connect(senders[mine] - k * size, cores[c], mine)
    builder.add_layer("all", [(core, np.arange(core.n_neurons)) for core in cores])
    return builder.build("all")


def recurrent_chip(n_cores: int) -> Chip:
    """Loihi's limits and timing on a grid of `n_cores`, axons as many as the net asks for."""
    data = load_chip("loihi").to_dict()
    wide = 1 << ((n_cores.bit_length()) // 2)
    data["grid"] = {"wide": wide, "high": -(-n_cores // wide)}
    data["core"] |= {"rounding": "toward_zero", "axons": 1 << 16, "max_weight_shift": LEAK_SHIFT}
    data["core"] |= {"synapse_memory_bytes": 1 << 30, "synapses": 1 << 30, "membrane_bits": 24}
    data["noc"] |= {"multicast": "none"}
    for field in data["packet"]["fields"]:
        field["bits"] = 16 if field["name"] == "axon" else max(field["bits"], 9)
    return Chip.model_validate(data)


def full_truenorth(
    rate_hz: float, *, varied: bool = False, seed: int = 0, side: int = 64
) -> Program:
    """A core per place, half of every crossbar set, one destination per neuron at random.

    The leak drives each neuron over its threshold at the wanted mean rate; the weights of the four
    types (+w, -w, +w, -w) cancel on average, so the rate does not depend on the traffic. With
    `varied`, every neuron has weights, a threshold and a leak of its own.
    """
    chip = load_chip("truenorth")
    rng = np.random.default_rng(seed)
    n_cores, n = side * side, 256
    builder = ProgramBuilder(chip, n_inputs=1, seed=seed)
    cores = [builder.add_core(i % side, i // side) for i in range(n_cores)]
    types = np.arange(n, dtype=np.uint8) % 4
    order = rng.permutation(n_cores * n)
    for core in cores:
        bits = np.unpackbits(np.frombuffer(rng.bytes(n * n // 8), np.uint8)).reshape(n, n)
        core.set_crossbar(bits, types)
        w, threshold = np.ones(1, int), np.full(1, 1000)
        if varied:
            w, threshold = rng.integers(1, 4, n), 50 * rng.integers(16, 25, n)
        weight = np.stack([w, -w, w, -w], axis=-1)
        core.set_truenorth(
            weight=weight if varied else weight[0],
            leak=threshold * rate_hz // 1000 if varied else round(threshold[0] * rate_hz / 1000),
            threshold=threshold if varied else 1000,
            negative_threshold=1000,
            reset_mode=1,
            saturate=1,
            v_start=rng.integers(0, 800, n),
        )
    every = np.arange(n_cores * n)
    builder.connect(every // n, every % n, order // n, order % n, rng.integers(1, 16, every.size))
    builder.add_layer("probe", [(cores[0], np.arange(n))])
    return builder.build("probe")
