"""The shipped digits networks: samples per second, beside PyTorch's float forward of the same.

PyTorch computes layer by layer: one product of matrices for all samples and ticks of a batch, then
the neurons tick by tick. The batch is the one of several with which it is quickest. Both sides run
in turn over the whole test set with equally many threads. Without PyTorch the float side is the
mapper's own executor in NumPy, which says so.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import neurosim
from neurosim_mapper import map_network
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import BatchNorm, Linear, Neuron
from neurosim_mapper.readers import read_network
from tests.benchmarks.engine_table import in_turn, median_seconds, print_table

DATA = Path(neurosim.__file__).parent / "demo_data"
BATCHES = (32, 64, 128, 360)


def torch_forward(network: Network, x: np.ndarray, batch: int) -> Callable[[], np.ndarray]:
    """PyTorch's float forward of a chain of dense layers; gives the outputs of all ticks."""
    import torch

    def tensor(array: np.ndarray) -> Any:
        return torch.from_numpy(np.array(array, np.float32))

    def dense(weight: Any, bias: Any) -> Callable[[Any], Any]:
        return lambda y: torch.nn.functional.linear(y, weight, bias)

    def normalised(node: BatchNorm) -> Callable[[Any], Any]:
        gain = tensor(node.gain / np.sqrt(node.variance + node.eps))
        shift = tensor(node.shift) - tensor(node.mean) * gain
        return lambda y: torch.addcmul(shift, y, gain)

    def neurons(node: Neuron) -> Callable[[Any], Any]:
        threshold, decay = float(node.threshold), float(node.alpha)

        def run(current: Any) -> Any:
            if node.output == "analog" and decay == 0.0:
                return current if node.activation == "identity" else torch.relu(current)
            v, outputs = torch.zeros_like(current[:, 0]), []
            for tick in range(current.shape[1]):
                u = v + current[:, tick]
                fires = u >= threshold
                v = torch.where(fires, 0.0, decay * u)
                outputs.append(fires.float() if node.output == "spike" else torch.relu(u))
            return torch.stack(outputs, dim=1)

        return run

    steps: list[Callable[[Any], Any]] = []
    for node in network.nodes.values():
        if isinstance(node, Linear):
            steps.append(
                dense(tensor(node.weight), None if node.bias is None else tensor(node.bias))
            )
        elif isinstance(node, BatchNorm):
            steps.append(normalised(node))
        elif isinstance(node, Neuron):
            steps.append(neurons(node))
    samples = tensor(x)

    def forward() -> np.ndarray:
        with torch.no_grad():
            parts = []
            for y in samples.split(batch):
                for step in steps:
                    y = step(y)
                parts.append(y)
            return np.asarray(torch.cat(parts))

    return forward


def quickest_torch(
    network: Network, x: np.ndarray, threads: int
) -> tuple[Callable[[], np.ndarray], int]:
    """PyTorch with the batch that it likes best; its classes are those of the float executor."""
    import torch

    torch.set_num_threads(threads)
    forwards = {batch: torch_forward(network, x, batch) for batch in BATCHES}
    best = min(forwards, key=lambda batch: median_seconds(forwards[batch]))
    expected = run_float(network, x).sum(axis=1).argmax(axis=1)
    assert (forwards[best]().sum(axis=1).argmax(axis=1) == expected).mean() > 0.99
    return forwards[best], best


def main() -> None:
    """Samples per second, and how soon a second process computes."""
    samples = np.load(DATA / "digits_test.npz")
    has_torch = importlib.util.find_spec("torch") is not None
    rows: list[list[object]] = []
    for name in ("digits_liaf", "digits_lif"):
        network = read_network(DATA / f"{name}.nir")
        calibration = np.load(DATA / "digits_calibration.npz")["x"]
        program = map_network(network, "tianjic", calibration=calibration)
        x = samples["x"]
        for threads in (1, 2):
            peer, batch = partial(run_float, network, x), len(x)
            if has_torch:
                peer, batch = quickest_torch(network, x, threads)
            ours, theirs = in_turn(
                partial(neurosim.simulate, program, x, threads=threads), peer, repeats=9
            )
            rates = [len(x) / ours[0], len(x) / theirs[0], ours[0] / theirs[0], ours[1] / theirs[1]]
            rows.append([name, threads, *rates[:1], batch, *rates[1:]])
    peer_name = "PyTorch" if has_torch else "NumPy (PyTorch is not installed)"
    head = ["network", "threads", "ours/s", "batch", f"{peer_name}/s", "time ratio", "of CPU time"]
    print_table(f"4. Digits: {len(x)} samples", head, rows)
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
