"""Random programs made by hand, without the mapper."""

from __future__ import annotations

import numpy as np

from neurosim.program.builder import ProgramBuilder
from support.chips import make_chip


def random_built(seed, **options):
    """A recurrent net by hand: dense and sparse cores, axons with one sender or several."""
    rng = np.random.default_rng(seed)
    chip = make_chip(**options)
    builder = ProgramBuilder(chip, n_inputs=5)
    n, axons, n_cores = 9, 12, 4
    weights = []
    for c in range(n_cores):
        block = rng.integers(-6, 9, (axons, n)) * (rng.random((axons, n)) < [0.15, 0.9][c % 2])
        core = builder.add_core(int(c), int(rng.integers(0, 3)))
        core.set_weights(block)
        core.set_liaf(
            theta=rng.integers(4, 12, n), bias=rng.integers(-1, 3, n), reset="soft", rho=5
        )
        weights.append(block)
    k = 30
    pairs = rng.choice(n_cores * n * n_cores * axons, k, replace=False)
    source, rest = np.divmod(pairs, n * n_cores * axons)
    neuron, rest = np.divmod(rest, n_cores * axons)
    target, axon = np.divmod(rest, axons)
    delay = rng.integers(1, 5, k)
    builder.connect(source, neuron, target, axon, delay)
    builder.connect_inputs(np.arange(5), builder.cores[0], np.arange(5), rng.integers(0, 3, 5))
    builder.add_layer("all", [(core, np.arange(n)) for core in builder.cores])
    x = (rng.random((1, 15, 5)) < 0.5).astype(int)
    return builder.build("all"), x
