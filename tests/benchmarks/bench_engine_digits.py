"""The shipped digits networks: samples per second, beside a float run of the same network.

The float side is the mapper's own numpy executor, and PyTorch if it is installed: dense layers and
a LIF step per tick over all samples at once.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import neurosim
from neurosim_mapper import map_network
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.readers import read_network
from tests.benchmarks.engine_table import median_seconds, print_table

DATA = Path(neurosim.__file__).parent / "demo_data"


def main() -> None:
    """Samples per second, and how soon a second process computes."""
    samples = np.load(DATA / "digits_test.npz")
    rows = []
    for name in ("digits_liaf", "digits_lif"):
        path = DATA / f"{name}.nir"
        network = read_network(path)
        calibration = np.load(DATA / "digits_calibration.npz")["x"]
        program = map_network(network, "tianjic", calibration=calibration)
        x = samples["x"]
        ours = [
            len(x) / median_seconds(lambda t=t: neurosim.simulate(program, x, threads=t))  # noqa: B023
            for t in (1, 2)
        ]
        theirs = len(x) / median_seconds(lambda: run_float(network, x))  # noqa: B023
        rows.append([name, len(x), *ours, theirs, ours[0] / theirs])
    head = ["network", "samples", "ours/s, 1 thread", "2 threads", "float numpy/s", "ratio"]
    print_table("4. Digits: samples per second", head, rows)
    program.save(Path(os.environ.get("TMPDIR", "/tmp")) / "bench_digits.nsp")
    print(f"second process, launch to result of one sample: {second_process():.2f} s")


def second_process() -> float:
    """Seconds from launch to the result of one sample, with all kernels in the cache."""
    path = Path(os.environ.get("TMPDIR", "/tmp")) / "bench_digits.nsp"
    code = (
        "import numpy as np, neurosim;"
        f"p = neurosim.load_program({str(path)!r});"
        "neurosim.simulate(p, np.zeros((1, 4, *p.input_shape)))"
    )
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        times.append(time.perf_counter() - start)
    return sorted(times)[1]


if __name__ == "__main__":
    main()
