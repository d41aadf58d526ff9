"""Scaling: time and memory against neurons, activity and threads.

Recurrent LIF cores of 256 neurons, each neuron with 64 synapses on its own and a neighbouring core.
One thread is measured in processor time, several in wall time. ``NEUROSIM_BENCH_PLOT`` names a file
for a plot (needs matplotlib), ``NEUROSIM_BENCH_LARGE=1`` goes up to four million neurons.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from neurosim import ProgramBuilder
from neurosim.program.columns import Program
from neurosim.run import simulator
from neurosim.run.memory_facts import memory_facts
from neurosim.run.simulator import simulate
from tests.benchmarks.engine_nets import full_truenorth, recurrent_chip
from tests.benchmarks.engine_table import cpu_per_unit, marginal_seconds, print_table

SIZE, FAN_OUT = 256, 64
BYTES_PER_SYNAPSE = {"dense": 1.2, "sparse": 6.0, "crossbar": 1 / 8 + 0.15}
"""Goals; the overhead of a crossbar is that of its axons."""
PerUnit = Callable[[Callable[[int], object], int, int, int], float]


def local_program(n_neurons: int, rate: float) -> Program:
    """Every neuron fires at `rate` by its bias; its 64 synapses are on the next core."""
    n_cores = -(-n_neurons // SIZE)
    chip = recurrent_chip(n_cores)
    rng = np.random.default_rng(0)
    builder = ProgramBuilder(chip, n_inputs=1)
    theta = 10_000
    for c in range(n_cores):
        core = builder.add_core(c % chip.wide, c // chip.wide)
        neuron = np.argsort(rng.random((SIZE, SIZE)), axis=1)[:, :FAN_OUT]
        axon = np.repeat(np.arange(SIZE), FAN_OUT)
        weight = rng.integers(-4, 5, axon.size)
        core.set_synapses(axon, neuron.ravel(), weight, n_axons=SIZE, n_neurons=SIZE)
        start = rng.integers(0, theta, SIZE)
        core.set_liaf(theta=theta, bias=round(theta * rate), v_start=start, reset="soft", rho=theta)
    every = np.arange(n_cores * SIZE)
    core, neuron = every // SIZE, every % SIZE
    builder.connect(core, neuron, (core + 1) % n_cores, neuron)
    builder.add_layer("probe", [(builder.cores[0], [0])])
    return builder.build("probe")


def dense_program() -> Program:
    """16 cores, each a dense block."""
    chip, rng = recurrent_chip(16), np.random.default_rng(0)
    builder = ProgramBuilder(chip, n_inputs=1)
    for c in range(16):
        core = builder.add_core(c % chip.wide, c // chip.wide)
        core.set_weights(rng.integers(1, 100, (SIZE, SIZE)))
        core.set_liaf()
    every = np.arange(16 * SIZE)
    builder.connect(every // SIZE, every % SIZE, (every // SIZE + 1) % 16, every % SIZE)
    builder.add_layer("probe", [(builder.cores[0], [0])])
    return builder.build("probe")


def bytes_per_synapse(layout: str) -> float:
    """Of 16 cores that all have this format, as program and image have them.

    A crossbar has a bit per pair of axon and neuron, set or not.
    """
    if layout == "dense":
        program = dense_program()
    else:
        sparse = layout == "sparse"
        program = local_program(16 * SIZE, 0.05) if sparse else full_truenorth(20, side=4)
    memory = memory_facts(program)
    n = 16 * SIZE * SIZE if layout == "crossbar" else memory["synapses"][layout]
    return float(sum(memory["synapse_bytes"].values()) / n)


def measure(program: Program, threads: int, per_unit: PerUnit) -> tuple[float, float]:
    """Milliseconds per tick, spikes per tick."""
    long = 40 if program.n_neurons > 1 << 18 else 240

    def run(n: int) -> simulator.Run:
        return simulate(program, np.zeros((1, n, 1)), threads=threads)

    seconds = per_unit(run, 10, long, 3)
    return seconds * 1e3, run(20).counters.core[:, 5].sum() / 20


def main() -> None:
    """Four tables and, if asked for, a plot."""
    simulator.TOGETHER_NEURONS = 1
    sizes = [1 << 10, 1 << 13, 1 << 16, 1 << 18]
    if os.environ.get("NEUROSIM_BENCH_LARGE"):
        sizes += [1 << 20, 1 << 22]
    by_size = []
    for n in sizes:
        program = local_program(n, 0.05)
        ms, spikes = measure(program, 1, cpu_per_unit)
        memory = memory_facts(program)
        total, state = memory["total_bytes"], memory["state_bytes"]
        own = sum(memory["synapse_bytes"].values()) / sum(memory["synapses"].values())
        rate = spikes * FAN_OUT / ms / 1e3
        by_size.append([n, ms, rate, total / 1e6, state / 1e6, own])
    head = ["neurons", "ms per tick", "million events/s", "MB at most", "of it state", "B/synapse"]
    print_table("5a. Neurons, 5 % firing, one thread", head, by_size)
    by_rate = []
    for rate in (0.001, 0.01, 0.1, 0.5, 1.0):
        ms, spikes = measure(local_program(1 << 16, rate), 1, cpu_per_unit)
        by_rate.append([rate, ms, spikes * FAN_OUT / ms / 1e3, ms * 1e6 / max(spikes, 1)])
    head = ["firing", "ms per tick", "million events/s", "ns per spike"]
    print_table(
        "5b. Activity, 65,536 neurons",
        head,
        [[f"{rate:.1%}", *rest] for rate, *rest in by_rate],
    )
    program = local_program(1 << 18, 0.05)
    by_thread = [[n, measure(program, n, marginal_seconds)[0]] for n in (1, 2, 4)]
    print_table("5c. Threads on one sample, 262,144 neurons", ["threads", "ms per tick"], by_thread)
    formats = [[name, most, bytes_per_synapse(name)] for name, most in BYTES_PER_SYNAPSE.items()]
    head = ["format", "goal", "bytes per synapse"]
    print_table("5d. Synapses (of a crossbar, set or not), 16 cores of 256 x 256", head, formats)
    if os.environ.get("NEUROSIM_BENCH_PLOT"):
        plot(by_size, by_rate, by_thread, os.environ["NEUROSIM_BENCH_PLOT"])


def plot(
    by_size: list[list[float]],
    by_rate: list[list[float]],
    by_thread: list[list[float]],
    path: str,
) -> None:
    """Time and memory against neurons, time against activity, speed against threads."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
    neurons = [row[0] for row in by_size]
    left.loglog(neurons, [row[1] for row in by_size], "o-", color="C0")
    left.set(title="5 % firing, one thread", xlabel="neurons", ylabel="ms per tick")
    left.yaxis.label.set_color("C0")
    memory = left.twinx()
    memory.loglog(neurons, [row[3] for row in by_size], "s--", color="C1")
    memory.set_ylabel("MB at most", color="C1")
    share = [100 * row[0] for row in by_rate]
    middle.loglog(share, [row[1] for row in by_rate], "o-", color="C0")
    middle.set(title="65,536 neurons, one thread", xlabel="neurons that fire, %")
    middle.set_ylabel("ms per tick", color="C0")
    events = middle.twinx()
    events.semilogx(share, [row[2] for row in by_rate], "s--", color="C1")
    events.set_ylim(bottom=0)
    events.set_ylabel("million synaptic events per second", color="C1")
    threads, times = [row[0] for row in by_thread], [row[1] for row in by_thread]
    right.plot(threads, [times[0] / ms for ms in times], "o-", label="measured")
    right.plot(threads, threads, ":", color="grey", label="ideal")
    title = f"262,144 neurons, {os.cpu_count()} processors"
    right.set(title=title, xlabel="threads", ylabel="times as fast as one thread", xticks=threads)
    right.legend()
    for axes in (left, middle, right):
        axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
