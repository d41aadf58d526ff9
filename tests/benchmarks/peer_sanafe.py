"""The recurrent net in SANA-FE; run by an interpreter that has it, never imported by the project.

``python peer_sanafe.py net.npz cores steps`` prints one JSON line: events, seconds, spikes.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
import sanafe


def main(path: str, n_cores: int, steps: int) -> None:
    """Simple timing, no traces, one thread."""
    net = np.load(path)
    n, fan_out = net["targets"].shape
    chip = sanafe.load_loihi()
    network = sanafe.Network()
    attributes = {
        "threshold": 1000.0,
        "reset": 0.0,
        "reset_mode": "hard",
        "leak_decay": 63 / 64,
        "input_decay": 0.0,
    }
    group = network.create_neuron_group(
        "g", n, model_attributes=attributes, soma_hw_name="loihi_lif"
    )
    for i in range(n):
        start = {"bias": float(net["bias"][i]), "potential": float(net["v0"][i])}
        group[i].set_attributes(model_attributes=start)
    pairs = list(
        zip(np.repeat(np.arange(n), fan_out).tolist(), net["targets"].ravel().tolist(), strict=True)
    )
    weights = net["weights"].ravel().astype(float).tolist()
    group.connect_neurons_sparse(group, {"w": weights}, pairs)
    size, cores = -(-n // n_cores), chip.cores()
    for i in range(n):
        group[i].map_to_core(cores[i // size])
    machine = sanafe.SpikingChip(chip)
    machine.load(network)
    options = {"timing_model": "simple", "processing_threads": 1, "scheduler_threads": 0}
    machine.sim(2, **options)
    runs = []
    for _ in range(3):
        start, cpu = time.perf_counter(), time.process_time()
        result = machine.sim(steps, **options)
        runs.append((time.perf_counter() - start, time.process_time() - cpu, result["spikes"]))
    seconds, cpu_seconds, events = sorted(runs)[1]
    print(json.dumps({"events": events, "seconds": seconds, "cpu_seconds": cpu_seconds}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
