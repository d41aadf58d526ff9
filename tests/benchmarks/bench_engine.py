"""The engine on 4,096 recurrent neurons over few and over many cores.

``NEUROSIM_SANAFE_PYTHON`` names an interpreter with SANA-FE (``pip install sanafe``) to run beside.
Both sides count a synaptic event per synapse of a neuron that fired, weights of 0 included.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.program.columns import Program
from neurosim.run import simulator
from neurosim.run.simulator import simulate
from tests.benchmarks.engine_nets import recurrent_chip, recurrent_lif, recurrent_program
from tests.benchmarks.engine_table import cpu_per_unit, marginal_seconds, print_table

FAN_OUT = 256


def quiet_input(program: Program, n_ticks: int) -> np.ndarray:
    return np.zeros((1, n_ticks, program.input_shape[0]))


def seconds_per_tick(program: Program, threads: int, short: int, long: int) -> float:
    """Without what a run costs once (checks, allocation, gathering the counters)."""
    return marginal_seconds(
        lambda n: simulate(program, quiet_input(program, n), threads=threads), short, long
    )


def cpu_per_tick(program: Program, short: int, long: int) -> float:
    """Processor time of one thread per tick: what a machine that others use cannot inflate."""
    return cpu_per_unit(
        lambda n: simulate(program, quiet_input(program, n), threads=1), short, long
    )


def peer(net: dict[str, np.ndarray], n_cores: int) -> dict[str, Any] | None:
    """What SANA-FE gives for the same net; None without it."""
    python = os.environ.get("NEUROSIM_SANAFE_PYTHON")
    if not python:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.npz"
        np.savez(path, **net)
        script = Path(__file__).with_name("peer_sanafe.py")
        command = [python, str(script), str(path), str(n_cores), "50"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"SANA-FE failed: {done.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def recurrent() -> None:
    """4,096 neurons, fan-out 256, 5 % firing, over 16 and over 128 cores."""
    net = recurrent_lif(4096, FAN_OUT, 0.05, seed=1)
    rows = []
    for n_cores in (16, 128):
        program = recurrent_program(net, n_cores, recurrent_chip(n_cores))
        run = simulate(program, quiet_input(program, 200), threads=1)
        events = run.outputs.sum() * FAN_OUT / 200
        ours = events / seconds_per_tick(program, 1, 200, 2200)
        two = events / seconds_per_tick(program, 2, 200, 2200)
        ours_cpu = events / cpu_per_tick(program, 200, 2200)
        theirs = peer(net, n_cores)
        rate = theirs["events"] / theirs["seconds"] if theirs else float("nan")
        rate_cpu = theirs["events"] / theirs["cpu_seconds"] if theirs else float("nan")
        rows.append([n_cores, ours / 1e6, two / 1e6, rate / 1e6, ours / rate, ours_cpu / rate_cpu])
    head = [
        "cores",
        "ours, 1 thread",
        "2 threads",
        "SANA-FE, 1 thread",
        "ratio",
        "ratio of CPU time",
    ]
    print_table("1. Recurrent LIF: million synaptic events per second", head, rows)


def main() -> None:
    """The table."""
    simulator.TOGETHER_NEURONS = 1  # two threads on one sample, also for the small net
    recurrent()


if __name__ == "__main__":
    main()
