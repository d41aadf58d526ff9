"""The limit: the rows that a run adds, swept by a bare vectorised addition over the same bytes.

Dense cores of 256 x 256 weights of 8 bits in a ring; a share of the neurons sends spikes, or values
of 8 bits. A row is the 256 weights of an axon with an event. The bare sweep adds the same rows of
the same memory in the order in which the cores read them, times their values if they have some, to
one row of 32-bit sums: no lists, no counters, no packets, no neurons. Ours is everything that a
tick does, one core watched. Both sides in turn on one thread; medians, in processor time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
from numba import njit

from neurosim import ProgramBuilder
from neurosim.program.columns import Program
from neurosim.run.simulator import simulate
from tests.benchmarks.engine_nets import recurrent_chip
from tests.benchmarks.engine_table import print_table

SIZE = 256
ROUNDS = 7
N_ROWS = 2_000_000  # that a measurement adds, about


@njit(nogil=True, cache=True)
def sweep(weights: np.ndarray, rows: np.ndarray, sums: np.ndarray) -> None:
    """``sums += row`` for all rows."""
    for k in range(rows.size):
        row = weights[rows[k]]
        for j in range(row.size):
            sums[j] += np.int32(row[j])


@njit(nogil=True, cache=True)
def sweep_values(
    weights: np.ndarray, rows: np.ndarray, values: np.ndarray, sums: np.ndarray
) -> None:
    """``sums += value * row`` for all rows."""
    for k in range(rows.size):
        row, value = weights[rows[k]], np.int32(values[k])
        for j in range(row.size):
            sums[j] += np.int32(value * np.int32(row[j]))


def dense_program(n_cores: int, rate: float, sends: str = "spikes") -> Program:
    """Every core hears the one before it through 256 x 256 weights.

    Spikes: the bias sets the rate. Values: a share of the neurons, always the same, sends one in
    every tick.
    """
    chip = recurrent_chip(n_cores)
    rng = np.random.default_rng(0)
    theta = 100_000
    builder = ProgramBuilder(chip, n_inputs=1)
    for c in range(n_cores):
        core = builder.add_core(c % chip.wide, c // chip.wide)
        weights = rng.integers(1, 128, (SIZE, SIZE)) * rng.choice([-1, 1], (SIZE, 1))
        if sends == "spikes":
            core.set_weights(weights)
            start = rng.integers(0, theta, SIZE)
            bias = round(theta * rate)
            core.set_liaf(theta=theta, bias=bias, v_start=start, reset="soft", rho=theta)
        else:
            core.set_weights(weights, kind="analog")
            core.set_liaf(
                alpha_num=0,
                output="analog",
                act_mult=rng.random(SIZE) < rate,
                act_shift=16,
                act_subtract=-(64 << 16),
            )
    every = np.arange(n_cores * SIZE)
    core, neuron = every // SIZE, every % SIZE
    builder.connect(core, neuron, (core + 1) % n_cores, neuron)
    first, *others = builder.cores
    builder.add_layer("first", [(first, np.arange(SIZE))])
    builder.add_layer("others", [(core, np.arange(SIZE)) for core in others])
    return builder.build("first")


def rows_of(program: Program, n_ticks: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows that the cores read in these ticks, in their order, and the values that come."""
    run = simulate(program, np.zeros((1, n_ticks, 1)), probe=["others"], threads=1)
    sent = np.concatenate([run.outputs[0], run.values["others"][0]], axis=1)
    heard = np.roll(sent, SIZE, axis=1)
    tick, row = np.nonzero(heard)
    return row, heard[tick, row]


def processor_seconds(run: Callable[[], object]) -> float:
    """Processor time of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def compare(program: Program, sends: str) -> tuple[float, float, float]:
    """Rows per tick; seconds per row, ours and of the bare sweep."""
    rows, values = rows_of(program, 32)
    per_tick = rows.size / 32
    weights = program.synapses.dense.reshape(-1, SIZE)
    sums = np.zeros(SIZE, np.int32)
    short, long, again = 8, 8 + round(N_ROWS / per_tick), max(1, round(N_ROWS / rows.size))

    def ours(ticks: int) -> None:
        simulate(program, np.zeros((1, ticks, 1)), threads=1)

    def bare() -> None:
        for _ in range(again):
            if sends == "spikes":
                sweep(weights, rows, sums)
            else:
                sweep_values(weights, rows, values, sums)

    mine, theirs = [], []
    for _ in range(ROUNDS):
        seconds = processor_seconds(lambda: ours(long)) - processor_seconds(lambda: ours(short))
        mine.append(seconds / (long - short) / per_tick)
        theirs.append(processor_seconds(bare) / again / rows.size)
    return per_tick, median(mine), median(theirs)


def main() -> None:
    """Nanoseconds per row of 256 weights: all that a run does, and the bare sweep."""
    table = []
    for sends in ("spikes", "values"):
        for n_cores in (16, 256):
            for rate in (0.05, 0.5, 1.0):
                per_tick, ours, bare = compare(dense_program(n_cores, rate, sends), sends)
                share = f"{bare / ours:.0%}"
                row = [sends, n_cores, f"{rate:.0%}", round(per_tick), ours * 1e9, bare * 1e9]
                table.append([*row, share])
    head = ["sent", "cores", "firing", "rows per tick", "ours, ns per row", "bare", "share"]
    print_table("6. The limit: rows of 256 int8 weights, one thread", head, table)


if __name__ == "__main__":
    main()
