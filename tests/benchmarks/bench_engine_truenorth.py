"""A TrueNorth chip with every core in use: wall time of a tick of 1 ms, and memory.

1,048,576 neurons, half of every crossbar set, every packet on its way over the mesh. Twice: all
neurons with the same parameters, and every neuron with its own. The program is made and saved
first; a fresh process loads and runs it, so that its memory is that of a simulation and of nothing
else. Megabytes: `program`, its columns; `image`, what the simulator derives from them; `state` of
two workers, lists at their worst case; `peak` of the whole process after all runs; `idle`, the peak
of a process that runs a chip of four cores: the interpreter, its libraries and the kernels. The
same process ran once before, so that none of those that are measured compiles. Goal: 300 at most.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from neurosim.program.columns import load_program
from neurosim.run.memory_facts import memory_facts
from neurosim.run.simulator import simulate
from tests.benchmarks.engine_nets import full_truenorth
from tests.benchmarks.engine_table import cpu_per_unit, marginal_seconds, peak_mb, print_table

SHORT, LONG = 20, 220


def measure(path: str, quick: bool) -> None:
    """Print one JSON line for the program at `path`."""
    program = load_program(path)

    def run(ticks: int, threads: int) -> Any:
        return simulate(program, np.zeros((1, ticks, 1)), threads=threads)

    counted = run(50, 2).counters.core.sum(axis=0) / 50
    memory = memory_facts(program, n_workers=2)
    columns = sum(column.nbytes for column in program.columns().values())
    state = memory["state_bytes"]
    result = {
        "spikes": counted[5],
        "ops": counted[1],
        "program": columns / 1e6,
        "image": (memory["total_bytes"] - columns - state) / 1e6,
        "state": state / 1e6,
    }
    if not quick:
        wall = [marginal_seconds(lambda n, t=t: run(n, t), SHORT, LONG) for t in (1, 2)]
        result |= {"wall": wall, "cpu": cpu_per_unit(lambda n: run(n, 1), SHORT, LONG)}
    print(json.dumps(result | {"peak": peak_mb()}))


def in_process(path: Path, *, quick: bool = False) -> dict[str, Any]:
    """What `measure` prints in a process of its own."""
    command = [sys.executable, "-m", __spec__.name, str(path), *(["quick"] if quick else [])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def main() -> None:
    """The table."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chip.nsp"
        for varied in (False, True):
            full_truenorth(20, side=32, varied=varied).save(path)
            in_process(path, quick=True)
        full_truenorth(20, side=2).save(path)
        _, idle = (in_process(path, quick=True)["peak"] for _ in range(2))
        for varied in (False, True):
            for rate in (20, 100):
                full_truenorth(rate, varied=varied).save(path)
                found = in_process(path)
                wall = [seconds * 1e3 for seconds in found["wall"]]
                kind = "its own" if varied else "the same"
                counts = [int(found["spikes"]), int(found["ops"])]
                memory = [idle, *(found[name] for name in ("program", "image", "state", "peak"))]
                rows.append([kind, rate, *counts, *wall, found["cpu"] * 1e3, *memory])
    head = [
        "parameters",
        "Hz",
        "spikes/tick",
        "ops/tick",
        "ms/tick, 1 thread",
        "2 threads",
        "CPU ms",
        "MB: idle",
        "program",
        "image",
        "state",
        "peak",
    ]
    print_table("2. A full TrueNorth: wall time of a tick of 1 ms", head, rows)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(sys.argv[1], len(sys.argv) > 2)
    else:
        main()
