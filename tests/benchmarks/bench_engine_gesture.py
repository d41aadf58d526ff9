"""The LIAF-Net gesture network on an array of Tianjic chips, beside PyTorch's float forward.

32 x 32 x 2, ConvLIAF 64 - 128 - 128, DenseLIAF 256 - 11, 60 ticks of which a twentieth of the input
is set; the same random weights on both sides, one sample, the same number of threads. ReLU leaves
zeros, which are never sent; SELU leaves none. Both sides run in turn, so that they share what else
the machine does. PyTorch's threads wait in loops for each other: on a machine that others use, its
wall time is no measure, and the ratio of processor times is to be read with one thread.

A second table has its convolutions on an array of Loihi chips, whose cores keep kernels: as the
simulator lays them out, and with all synapses written out as rows, which it would do without.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from neurosim.chip.files import load_chip
from neurosim.chip.model import Chip
from neurosim.image import shared_kernels
from neurosim.program.columns import SYNAPSE_FORMATS, Program, load_program
from neurosim.run.memory_facts import memory_facts
from neurosim.run.simulator import simulate
from neurosim_mapper import map_network
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Conv, Flatten, Input, Linear, Node, Pool, liaf
from tests.benchmarks.engine_table import in_turn, print_table

TICKS, THRESHOLD, ALPHA = 60, 0.5, 0.3
CHIPS = 8  # in each direction


def weights(rng: np.random.Generator) -> list[np.ndarray]:
    """Five layers, uniform as PyTorch starts them."""
    shapes = [(64, 2, 3, 3), (128, 64, 3, 3), (128, 128, 3, 3), (256, 8192), (11, 256)]
    bounds = [1 / np.sqrt(np.prod(shape[1:])) for shape in shapes]
    return [
        rng.uniform(-3 * bound, 3 * bound, shape).astype(np.float32)
        for bound, shape in zip(bounds, shapes, strict=True)
    ]


def network(layers: list[np.ndarray], activation: Any) -> Network:
    """The network for the mapper."""

    def neurons() -> Node:
        return liaf(THRESHOLD, ALPHA, activation)

    nodes: list[Node] = [Input((2, 32, 32))]
    for number, weight in enumerate(layers):
        if weight.ndim == 4:
            nodes += [Conv(weight.astype(float), padding=((1, 1), (1, 1))), neurons()]
            if number > 0:
                nodes += [Pool("avg", (2, 2), (2, 2)), neurons()]
        else:
            nodes += [Flatten()] if number == 3 else []
            nodes += [Linear(weight.astype(float)), neurons()]
    return Network.sequential(nodes)


def torch_forward(
    layers: list[np.ndarray], activation: str, x: np.ndarray, threads: int
) -> Callable[[], None]:
    """PyTorch's float forward of one sample."""
    import torch
    from torch.nn import functional as f

    torch.set_num_threads(threads)
    tensors = [torch.from_numpy(weight) for weight in layers]
    act = f.relu if activation == "relu" else f.selu

    def step(current: Any, state: Any) -> tuple[Any, Any]:
        u = current + state
        return act(u), ALPHA * torch.where(u >= THRESHOLD, 0.0, u)

    @torch.no_grad()
    def forward() -> None:
        state: list[Any] = [0.0] * 7
        for frame in torch.from_numpy(x.astype(np.float32)):
            y, state[0] = step(f.conv2d(frame[None], tensors[0], padding=1), state[0])
            y, state[1] = step(f.conv2d(y, tensors[1], padding=1), state[1])
            y, state[2] = step(f.avg_pool2d(y, 2), state[2])
            y, state[3] = step(f.conv2d(y, tensors[2], padding=1), state[3])
            y, state[4] = step(f.avg_pool2d(y, 2), state[4])
            y, state[5] = step(f.linear(y.flatten(1), tensors[3]), state[5])
            y, state[6] = step(f.linear(y, tensors[4]), state[6])

    return forward


def kernel_chip() -> Chip:
    """32 Loihi chips with 8-bit weights and room for the fan-in and the sums of 128 channels."""
    data = load_chip("loihi").to_dict()
    data["array"] = {"wide": 4, "high": 8}
    data["core"] |= {"weight_bits": 8, "accumulator_bits": 31, "membrane_bits": 31}
    for field, bits in zip(data["packet"]["fields"], (9, 9), strict=False):
        field["bits"] = bits
    return Chip.model_validate(data)


def written_out(program: Program) -> Program:
    """The same with every kernel as rows, which takes longer and more memory."""
    program = replace(program)
    cores = np.flatnonzero(program.cores.synapse_format == SYNAPSE_FORMATS["kernel"])
    with mock.patch.object(shared_kernels, "cores_to_write_out", return_value=cores):
        assert program.laid_out.kernels.n_tiles == 0
    return program


def convolutions(layers: list[np.ndarray], x: np.ndarray, threads: int) -> None:
    """Start-up, memory and seconds per sample of shared kernels, and of rows."""
    mapped = map_network(
        network(layers[:3], "relu"), kernel_chip(), calibration=x[:, :8], placer="row-major"
    )
    with tempfile.TemporaryDirectory() as folder:
        mapped.save(Path(folder) / "kernels.nsp")
        start = time.process_time()
        program = load_program(Path(folder) / "kernels.nsp")
        load = time.process_time() - start
    programs, rows = [], []
    for name, lay_out in (("kernels", replace), ("rows", written_out)):
        start = time.process_time()
        programs.append(lay_out(program))
        cores = programs[-1].image.n_cores
        seconds = load + time.process_time() - start
        facts = memory_facts(programs[-1])
        n_bytes, n = sum(facts["synapse_bytes"].values()), sum(facts["synapses"].values())
        rows.append([name, n, seconds, facts["total_bytes"] / 1e6, n_bytes / n])
    times = in_turn(*(partial(simulate, p, x, threads=threads) for p in programs))
    rows = [[*row, wall, cpu] for row, (wall, cpu) in zip(rows, times, strict=True)]
    head = ["layout", "synapses", "start-up, s", "MB", "B/synapse", "s per sample", "CPU s"]
    print_table(f"3b. Its convolutions on {cores} Loihi cores", head, rows)


def main(threads: int = 2) -> None:
    """Seconds per sample of both sides, in one run."""
    data = load_chip("tianjic").to_dict()
    data["array"] = {"wide": CHIPS, "high": CHIPS}
    chip = Chip.model_validate(data)
    rng = np.random.default_rng(0)
    layers = weights(rng)
    x = (rng.random((1, TICKS, 2, 32, 32)) < 0.05).astype(float)
    rows = []
    for activation in ("relu", "selu"):
        program = map_network(
            network(layers, activation), chip, calibration=x[:, :8], placer="row-major"
        )
        counted = simulate(program, x, threads=threads).counters.core.sum(axis=0)
        (ours, our_cpu), (theirs, their_cpu) = in_turn(
            partial(simulate, program, x, threads=threads),
            torch_forward(layers, activation, x[0], threads),
        )
        events, macs = int(counted[0]), int(counted[2])
        ratios = [ours / theirs, our_cpu / their_cpu]
        rows.append([activation, program.n_cores, events, macs, ours, theirs, *ratios])
    head = [
        "activation",
        "cores",
        "events",
        "MACs",
        "ours, s",
        "PyTorch, s",
        "ratio",
        "ratio of CPU time",
    ]
    print_table(f"3. Gesture, one sample of {TICKS} ticks, {threads} threads", head, rows)
    convolutions(layers, x, threads)


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:2]))
