"""What a program takes in the simulator's memory: synapses by format, and everything else.

Sums of arrays that exist, each counted once however many tables share it. `neurosim.run.memory`
bounds the same before anything is allocated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from neurosim.program.columns import SYNAPSE_FORMATS, Program
from neurosim.run.state import allocate_state

DERIVED_FORMATS: Final = ("written_out", "joined", "interleaved")
"""Synapses once more, for speed: shared kernels as rows where those are quicker, short sparse rows
by sender, dense blocks with the rows of two axons interleaved."""


def memory_facts(program: Program, n_workers: int = 1) -> dict[str, Any]:
    """Bytes by what they are for; plain data for reports.

    Returns
    -------
    A dictionary with ``synapse_bytes`` and ``synapses`` by format (`SYNAPSE_FORMATS`; bytes also of
    `DERIVED_FORMATS`), ``parameter_bytes`` of neurons, ``delivery_bytes`` (axons, packets, ways,
    loads of links), ``other_bytes``, ``state_bytes`` of one sample played by `n_workers` threads,
    worst case of its lists included, and ``total_bytes``.
    """
    image = program.image
    seen: set[int] = set()
    synapse_bytes = {
        name: _new_bytes(tables, seen) for name, tables in _synapse_tables(program).items()
    }
    soma = (program.modes, program.neurons, program.cuba, program.truenorth)
    soma_image = (image.modes, image.columns, image.synaptic, image.truenorth)
    neurons = (*soma, *soma_image, program.truenorth_neurons, image.truenorth_neurons)
    ways = (program.axons, program.flows, program.packets, program.input_packets)
    outlets = (image.neuron_outlet, image.input_outlet, image.entries, image.rings, image.traffic)
    facts: dict[str, Any] = {
        "parameter_bytes": _new_bytes(neurons, seen),
        "delivery_bytes": _new_bytes((ways, outlets), seen),
        "other_bytes": _new_bytes((tuple(program.columns().values()), image), seen),
        "state_bytes": _new_bytes(allocate_state(image, n_workers), seen),
    }
    facts["total_bytes"] = sum(facts.values()) + sum(synapse_bytes.values())
    counts = _synapses_by_format(program)
    return {"synapse_bytes": synapse_bytes, "synapses": counts, **facts}


def memory_sentence(facts: dict[str, Any]) -> str:
    """`memory_facts` in words."""
    sizes = facts["synapse_bytes"].items()
    synapses = [f"{name.replace('_', ' ')} {size:,}" for name, size in sizes if size]
    rest = [
        f"{name} {facts[f'{name}_bytes']:,}"
        for name in ("parameter", "delivery", "other", "state")
        if facts[f"{name}_bytes"]
    ]
    return (
        f"memory of the simulator: {facts['total_bytes']:,} bytes "
        f"(synapses: {', '.join(synapses) or 'none'}; {', '.join(rest)})"
    )


def _synapse_tables(program: Program) -> dict[str, Any]:
    """Arrays with synapses; what the image casts belongs to the format that it is cast from."""
    own, image, whole = program.synapses, program.image, program.laid_out
    rows = (program.axons.row_offset,) if own.target.size else ()
    read = (image.synapses.dense, image.synapses.target, image.synapses.weight)
    is_own = whole is program
    joined = image.entries if image.entries.target.size else None
    bits = () if image.crossbar is None else (image.crossbar.bits, image.crossbar.types)
    return {
        "dense": (own.dense, read[:1] if is_own else ()),
        "sparse": (own.target, own.weight, rows, read[1:] if is_own else ()),
        "crossbar": (own.crossbar, program.axons.type, bits),
        "kernel": (program.kernels, image.shared) if program.kernels.n_tiles else (),
        "written_out": () if is_own else (whole.synapses, whole.axons.row_offset, read),
        "interleaved": image.products.weight,
        "joined": joined and (joined.target, joined.weight, joined.synapse_offset),
    }


def _synapses_by_format(program: Program) -> dict[str, int]:
    """Connected synapses of the cores of each format."""
    core = np.repeat(np.arange(program.n_cores), np.diff(program.cores.axon_offset))
    code = program.cores.synapse_format[core]
    count = np.bincount(code, program.axons.synapses, len(SYNAPSE_FORMATS))
    return {name: int(count[number]) for name, number in SYNAPSE_FORMATS.items()}


def _new_bytes(table: Any, seen: set[int]) -> int:
    """Memory of all arrays of nested tables that is not in `seen`, to which it is added."""
    total = 0
    for array in _arrays(table):
        place = array.__array_interface__["data"][0]
        total += 0 if place in seen else array.nbytes
        seen.update([place] if array.nbytes else [])
    return total


def _arrays(table: Any) -> Iterator[npt.NDArray[Any]]:
    if isinstance(table, np.ndarray):
        yield table
    elif isinstance(table, tuple):
        for part in table:
            yield from _arrays(part)
