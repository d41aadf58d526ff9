"""Bytes per synapse of every layout, and the estimate beside what is allocated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.built import random_built
from support.chips import make_chip, random_chip
from support.networks import random_network

from neurosim import ProgramBuilder, load_program
from neurosim.run.memory import estimate_memory
from neurosim.run.memory_facts import memory_facts, memory_sentence
from neurosim.run.state import allocate_state, allocate_tally
from neurosim.run.windows import plan_windows
from neurosim_mapper.pipeline import map_network

SIZE = 256
KERNELS = Path(__file__).parents[1] / "formats" / "past" / "program_4_kernel.nsp"


def ring_program(layout: str, n_cores: int = 4, most_delay: int = 1):
    """Cores of 256 axons and neurons, each heard by the next, after 1..most_delay ticks in turn."""
    crossbar = layout == "crossbar"
    chip = make_chip(
        core__soma_models=["truenorth" if crossbar else "liaf"],
        core__axons=SIZE,
        core__neurons=SIZE,
        core__synapses=1 << 20,
        core__synapse_memory_bytes=1 << 20,
        core__weight_bits=9 if crossbar else 8,
    )
    rng = np.random.default_rng(0)
    builder = ProgramBuilder(chip, n_inputs=1)
    for c in range(n_cores):
        core = builder.add_core(c, 0)
        if crossbar:
            core.set_crossbar(rng.random((SIZE, SIZE)) < 0.5, np.arange(SIZE) % 4)
            core.set_truenorth(weight=[1, -1, 2, -2])
            continue
        block = rng.integers(1, 100, (SIZE, SIZE))
        core.set_weights(block if layout == "dense" else block * (rng.random(block.shape) < 0.25))
        core.set_liaf()
    every = np.arange(n_cores * SIZE)
    core, neuron = every // SIZE, every % SIZE
    delay = 1 + every % most_delay
    builder.connect(core, neuron, (core + 1) % n_cores, neuron, delay)
    builder.add_layer("all", [(core, np.arange(SIZE)) for core in builder.cores])
    return builder.build("all")


def arrays_of(table):
    if isinstance(table, np.ndarray):
        return [table]
    return [a for part in table if isinstance(part, tuple | np.ndarray) for a in arrays_of(part)]


def own_bytes(tables, known=()):
    """Memory of arrays, each buffer once, without buffers of `known`."""
    seen = {a.__array_interface__["data"][0] for a in known}
    total = 0
    for array in tables:
        place = array.__array_interface__["data"][0]
        total += 0 if place in seen else array.nbytes
        seen.add(place)
    return total


@pytest.mark.parametrize(
    ("layout", "most"), [("dense", 1.2), ("sparse", 6.0), ("crossbar", 1 / 8 + 0.15)]
)
def test_bytes_per_synapse(layout, most):
    """Weights, rows and axons of the program and of the image, over all synapses.

    A crossbar stores a bit per pair, whether there is a synapse or not; its overhead is that of the
    axons.
    """
    program = ring_program(layout)
    image = program.image
    tables = [*program.axons, *program.synapses, *image.synapses]
    if image.crossbar is not None:
        tables += [image.crossbar.bits, image.crossbar.types, image.crossbar.pool]
    pairs = program.n_axons * SIZE
    synapses = pairs if layout == "crossbar" else int(program.axons.synapses.sum())
    assert own_bytes(tables) / synapses <= most


def allocated(program, n_ticks, n_workers):
    """Bytes of the image, without columns of the program, and of what one player changes."""
    image = own_bytes(arrays_of(program.image), list(program.columns().values()))
    windows = plan_windows(program.image, n_ticks + program.depth_ticks)
    tally = allocate_tally(program.image, windows.n)
    return image, own_bytes(arrays_of((allocate_state(program.image, n_workers), tally)))


@pytest.mark.parametrize("layout", ["dense", "sparse", "crossbar"])
@pytest.mark.parametrize("n_workers", [1, 3])
def test_the_estimate_is_at_most_a_quarter_above_what_samples_change(layout, n_workers):
    program = ring_program(layout)
    image, state = allocated(program, 5, n_workers)
    one = estimate_memory(program, 1, 5, n_workers=n_workers)
    assert one.image >= image
    assert state <= one.state <= 1.25 * state
    many = estimate_memory(program, 50, 5, n_players=3, n_workers=n_workers)
    assert many.state == 3 * one.state
    assert many.recorded == 50 * one.recorded


@pytest.mark.parametrize("layout", ["dense", "sparse", "crossbar"])
def test_the_estimate_covers_axons_that_hear_their_neighbours_at_other_times(layout):
    """Every axon is then a run of its own (`neurosim.image.pulls`)."""
    program = ring_program(layout, most_delay=3)
    image, state = allocated(program, 5, 1)
    estimate = estimate_memory(program, 1, 5)
    assert estimate.image >= image
    assert state <= estimate.state <= 1.25 * state


@pytest.mark.parametrize("n_workers", [1, 3])
@pytest.mark.parametrize("seed", range(6))
def test_the_estimate_is_never_too_small(seed, n_workers):
    """Networks of all kinds of layers on random chips, hand-made nets, shared kernels."""
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, grid={"wide": 8, "high": 8})
    programs = [load_program(KERNELS), random_built(seed)[0]]
    programs.append(map_network(random_network(rng, chip), chip, placer="row-major"))
    for program in programs:
        image, state = allocated(program, 5, n_workers)
        estimate = estimate_memory(program, 1, 5, n_workers=n_workers)
        assert estimate.program == sum(column.nbytes for column in program.columns().values())
        assert estimate.image >= image
        assert estimate.state >= state


@pytest.mark.parametrize("layout", ["dense", "sparse", "crossbar"])
def test_memory_is_reported_by_format(layout):
    """Of 4 cores with 256 axons and neurons, from their shapes."""
    program = ring_program(layout)
    facts = memory_facts(program)
    pairs, n = 4 * SIZE * SIZE, int(program.axons.synapses.sum())
    expected = {
        "dense": pairs,  # a byte each
        "sparse": n * (2 + 1) + 8 * (4 * SIZE + 1),  # target and weight; where rows begin
        "crossbar": pairs // 8 + 4 * SIZE + SIZE,  # a bit each; types, and the one row of all cores
    }
    sizes = facts["synapse_bytes"]
    assert sizes[layout] == expected[layout]
    assert sum(sizes.values()) == sizes[layout]
    assert facts["synapses"] == {"dense": 0, "sparse": 0, "crossbar": 0, "kernel": 0, layout: n}
    assert facts["total_bytes"] == sum(sizes.values()) + sum(
        facts[f"{name}_bytes"] for name in ("parameter", "delivery", "other", "state")
    )
    columns = list(program.columns().values())
    state = arrays_of(allocate_state(program.image))
    assert facts["total_bytes"] == own_bytes([*columns, *arrays_of(program.image)]) + own_bytes(
        state
    )
    said = memory_sentence(facts)
    assert f"{layout} {expected[layout]:,}" in said
    assert f"{facts['total_bytes']:,} bytes" in said
