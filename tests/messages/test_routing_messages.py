"""Routing tables: their entries counted one by one, and what a table that is too small says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from support.chips import make_chip
from support.networks import random_layer

from neurosim.errors import DoesNotFitError
from neurosim.program.check import check_program
from neurosim.program.routing_check import routing_entries, routing_facts, routing_sentence
from neurosim.run.encoding import InputCode
from neurosim_mapper.connections import DenseConnection
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork


def mapped(chip, sizes=(20, 64, 96, 4)):
    rng, layers, source = np.random.default_rng(0), [], INPUT
    for i, (n_in, n_out) in enumerate(pairwise(sizes)):
        connection = DenseConnection(np.ones((n_out, n_in), np.int64))
        projections = (Projection(source, connection),)
        layers.append(random_layer(rng, chip, f"fc{i + 1}", (n_out,), projections))
        source = f"fc{i + 1}"
    code = InputCode("spike")
    network = QuantizedNetwork(tuple(layers), source, (sizes[0],), code, chip.core.membrane_bits)
    return map_network(network, chip, placer="row-major")


def counted(program):
    """Entries per core: the distinct destinations of the packets of its neurons, one by one."""
    tables = [set() for _ in range(program.n_cores)]
    cores, packets, groups = program.cores, program.packets, program.groups
    for core in range(program.n_cores):
        for neuron in range(*cores.neuron_offset[core : core + 2]):
            for packet in range(*packets.owner_offset[neuron : neuron + 2]):
                axons = packets.axon[slice(*packets.delivery_offset[packet : packet + 2])]
                targets = np.searchsorted(cores.axon_offset, axons, "right") - 1
                kind = int(program.flows.kind[packets.flow[packet]])
                tables[core].add((kind, frozenset(targets.tolist())))
    for group in np.flatnonzero(groups.psum_target >= 0):
        target = np.searchsorted(cores.neuron_offset, groups.psum_target[group], "right") - 1
        tables[groups.core[group]].add(("psum", int(target)))
    return [len(table) for table in tables]


@pytest.mark.parametrize("multicast", ["none", "tree"])
def test_entries_are_the_distinct_destinations_of_a_core(multicast):
    program = mapped(make_chip(grid={"wide": 6, "high": 6}, noc__multicast=multicast))
    assert routing_entries(program).tolist() == counted(program)
    facts = routing_facts(program)
    assert facts["limit"] is None
    assert facts["entries_max"] == max(counted(program))
    assert facts["entries_mean"] == round(float(np.mean(counted(program))), 2)
    assert program.mapping["routing_table"] == facts
    assert routing_sentence(program).endswith("not limited")


def test_a_table_fits_up_to_its_limit_and_not_beyond():
    most = max(counted(mapped(make_chip(grid={"wide": 6, "high": 6}))))
    chip = make_chip(grid={"wide": 6, "high": 6}, core__routing_entries=most)
    program = mapped(chip)
    assert check_program(program) == []
    core = counted(program).index(most)
    group = program.groups.core.tolist().index(core)
    name = program.layer_names[program.groups.layer[group]]
    x, y = program.cores.x[core], program.cores.y[core]
    with pytest.raises(DoesNotFitError) as caught:
        mapped(make_chip(grid={"wide": 6, "high": 6}, core__routing_entries=most - 1))
    assert str(caught.value) == (
        f"the mapped network breaks a rule of 'test': core.routing_entries: core {core} at "
        f"({x}, {y}) of layer '{name}' needs {most} entries, the limit is {most - 1}. It is the "
        "fullest: a chip with that many core.routing_entries fits."
    )
    assert caught.value.report["routing_table"]["entries_max"] == most
