"""The limit: the rows that a run adds, swept by a bare vectorised addition over the same bytes.

Dense cores of 256 x 256 weights in a ring, a share of the neurons firing per tick. The bare sweep
adds the same rows, in the same order, to one row of 32-bit sums: no lists, no counters, no packets,
no neurons. Ours is everything that a tick does.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from neurosim import ProgramBuilder
from neurosim.program.columns import Program
from neurosim.run.simulator import simulate
from tests.benchmarks.engine_nets import recurrent_chip
from tests.benchmarks.engine_table import marginal_seconds, median_seconds, print_table

SIZE = 256


@njit(nogil=True, cache=True)
def sweep(weights: np.ndarray, rows: np.ndarray, sums: np.ndarray) -> None:
    """``sums += row`` for all rows."""
    for k in range(rows.size):
        row = weights[rows[k]]
        for j in range(row.size):
            sums[j] += np.int32(row[j])


def dense_program(n_cores: int, rate: float) -> Program:
    """Every core hears the one before it through 256 x 256 weights; the bias sets the rate."""
    chip = recurrent_chip(n_cores)
    rng = np.random.default_rng(0)
    theta = 100_000
    builder = ProgramBuilder(chip, n_inputs=1)
    for c in range(n_cores):
        core = builder.add_core(c % chip.wide, c // chip.wide)
        core.set_weights(rng.integers(1, 128, (SIZE, SIZE)) * rng.choice([-1, 1], (SIZE, 1)))
        start = rng.integers(0, theta, SIZE)
        core.set_liaf(theta=theta, bias=round(theta * rate), v_start=start, reset="soft", rho=theta)
    every = np.arange(n_cores * SIZE)
    core, neuron = every // SIZE, every % SIZE
    builder.connect(core, neuron, (core + 1) % n_cores, neuron)
    builder.add_layer("all", [(core, np.arange(SIZE)) for core in builder.cores])
    return builder.build("all")


def main() -> None:
    """Nanoseconds per row of 256 weights: all that a run does, and the bare sweep."""
    rows = []
    for n_cores in (16, 256):
        for rate in (0.05, 0.5, 1.0):
            program = dense_program(n_cores, rate)
            weights = program.synapses.dense.reshape(-1, SIZE)
            spikes = simulate(program, np.zeros((1, 64, 1)), threads=1).outputs[0]
            tick, active = np.nonzero(spikes)
            per_tick = tick.size / 64

            def ours(ticks: int, program: Program = program) -> None:
                simulate(program, np.zeros((1, ticks, 1)), threads=1)

            mine = marginal_seconds(ours, 64, 256) / per_tick * 1e9
            sums = np.zeros(SIZE, np.int32)
            bare = median_seconds(lambda: sweep(weights, active, sums)) / active.size * 1e9  # noqa: B023
            rows.append([n_cores, f"{rate:.0%}", mine, bare, f"{bare / mine:.0%}"])
    head = ["cores", "firing", "ours, ns per row", "bare sweep", "ours as a share"]
    print_table("6. The limit: rows of 256 int8 weights", head, rows)


if __name__ == "__main__":
    main()
