"""Routing tables: their entries counted one by one, and what a table that is too small says."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError
from support.chips import make_chip, random_chip
from support.networks import random_layer, random_network

from neurosim.errors import DoesNotFitError
from neurosim.program.check import check_program
from neurosim.program.router_tables import router_entries
from neurosim.program.routing_check import routing_entries, routing_facts, routing_sentence
from neurosim.run.encoding import InputCode
from neurosim_mapper.connections import DenseConnection
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.quantized import INPUT, Projection, QuantizedNetwork
from neurosim_mapper.route import DimensionOrder

STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))  # of link 4 * router + i
HERE = "the core of the router"


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


def trees(program):
    """Distinct trees of two targets or more: kind, place of the source or None, of the targets."""
    cores, found = program.cores, set()
    place = list(zip(cores.x.tolist(), cores.y.tolist(), strict=True))
    for table, of_host in ((program.packets, False), (program.input_packets, True)):
        for owner in range(table.owner_offset.size - 1):
            core = None if of_host else np.searchsorted(cores.neuron_offset, owner, "right") - 1
            for packet in range(*table.owner_offset[owner : owner + 2]):
                axons = table.axon[slice(*table.delivery_offset[packet : packet + 2])]
                targets = np.searchsorted(cores.axon_offset, axons, "right") - 1
                if len(set(targets.tolist())) > 1:
                    kind = int(program.flows.kind[table.flow[packet]])
                    ends = tuple(place[t] for t in sorted(set(targets.tolist())))
                    found.add((kind, None if of_host else place[core], ends))
    return found


def counted_by_router(program):
    """Follow every tree step by step; note how it comes into every router and how it leaves."""
    chip, order = program.chip, DimensionOrder(program.chip)
    tables = np.zeros((chip.high, chip.wide), int)
    for _, source, ends in trees(program):
        start = (0, ends[0][1]) if source is None else source
        ways_in = {start: {(1, 0) if source is None else HERE}}
        ways_out = {}
        for end in ends:
            for link in order.links(start, end):
                x, y = link // 4 % chip.wide, link // 4 // chip.wide
                step = STEPS[link % 4]
                ways_out.setdefault((x, y), set()).add(step)
                ahead = ((x + step[0]) % chip.wide, (y + step[1]) % chip.high)
                ways_in.setdefault(ahead, set()).add(step)
            ways_out.setdefault(end, set()).add(HERE)
        for (x, y), ways in ways_in.items():
            tables[y, x] += ways != ways_out[x, y]
    return tables.reshape(-1).tolist()


@pytest.mark.parametrize("seed", range(8))
def test_routers_hold_the_trees_that_do_not_pass_straight(seed):
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, noc__multicast="tree")
    program = map_network(random_network(rng, chip), chip, placer="row-major")
    expected = counted_by_router(program)
    assert router_entries(program).tolist() == expected
    facts = routing_facts(program)
    assert facts["router_entries_max"] == max(expected)
    used = [n for n in expected if n]
    assert facts["routers_with_entries"] == len(used)
    assert facts["router_entries_mean"] == round(sum(used) / max(len(used), 1), 2)
    if used:
        x, y = facts["router"]
        assert expected[y * chip.wide + x] == max(expected)
        assert f"Routers: at most {max(expected)} entries, at ({x}, {y})" in routing_sentence(
            program
        )


def test_no_router_holds_anything_without_trees():
    program = mapped(make_chip(grid={"wide": 6, "high": 6}))
    assert not router_entries(program).any()
    assert "Routers" not in routing_sentence(program)


def test_a_limit_of_routers_needs_trees():
    with pytest.raises(ValidationError, match="router_entries is given and needs noc"):
        make_chip(noc__router_entries=4)


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
