"""Routing tables: their entries counted one by one, and what a table that is too small says."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from pydantic import ValidationError
from support.chips import make_chip, random_chip
from support.networks import random_layer, random_network

from neurosim.errors import DoesNotFitError
from neurosim.program import router_tables
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
def test_routers_hold_the_trees_that_do_not_pass_straight(seed, monkeypatch):
    monkeypatch.setattr(router_tables, "_LINKS_AT_ONCE", 1 << 2 * seed)  # a few flows at a time
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
        assert f"Routers: at most {max(expected)} entries, at ({x}, {y})" in routing_sentence(facts)


def test_no_router_holds_anything_without_trees():
    program = mapped(make_chip(grid={"wide": 6, "high": 6}))
    assert not router_entries(program).any()
    assert "Routers" not in routing_sentence(routing_facts(program))


def test_a_limit_of_routers_needs_trees():
    with pytest.raises(ValidationError, match="router_entries is given and needs noc"):
        make_chip(noc__router_entries=4)


@pytest.mark.parametrize("multicast", ["none", "tree", "relay"])
def test_entries_are_the_distinct_destinations_of_a_core(multicast):
    program = mapped(make_chip(grid={"wide": 6, "high": 6}, noc__multicast=multicast))
    assert routing_entries(program).tolist() == counted(program)
    facts = routing_facts(program)
    assert facts["limit"] is None
    assert facts["entries_max"] == max(counted(program))
    assert facts["entries_mean"] == round(float(np.mean(counted(program))), 2)
    assert program.mapping["routing_table"] == facts
    assert routing_sentence(facts).endswith("not limited")


def refusal(chip, **how):
    with pytest.raises(DoesNotFitError) as caught:
        mapped(chip, **how)
    return caught.value


def test_the_limit_that_a_refusal_names_fits_and_less_does_not():
    grid = {"wide": 9, "high": 9}
    free = mapped(make_chip(grid=grid))
    error = refusal(make_chip(grid=grid, core__routing_entries=1))
    tries = error.report["routing_tries"]
    assert tries[0]["entries_max"] == max(counted(free))
    assert tries[0]["cores"] == free.n_cores
    least = min(row["entries_max"] for row in tries if row["cores"] <= 81)
    assert str(error).endswith(
        f"the best needs {least}. A chip with core.routing_entries of {least} would fit."
    )
    program = mapped(make_chip(grid=grid, core__routing_entries=least))
    assert max(counted(program)) == least
    assert check_program(program) == []
    error = refusal(make_chip(grid=grid, core__routing_entries=least - 1))
    assert error.report["fits"] is False


def test_layers_share_fewer_cores_where_their_tables_would_be_too_large():
    """A tree for each layer on a core; apart from each other they need one."""
    chip = {"grid": {"wide": 9, "high": 9}, "noc__multicast": "tree"}
    free = mapped(make_chip(**chip))
    assert max(counted(free)) > 1
    program = mapped(make_chip(**chip, core__routing_entries=1))
    assert max(counted(program)) == 1
    (note,) = (n for n in program.mapping["changes"] if "core.routing_entries = 1" in n)
    assert f"{program.n_cores} cores in place of {free.n_cores}, with at most 1 entries" in note


def test_a_table_that_fits_changes_nothing():
    grid = {"wide": 6, "high": 6}
    free = mapped(make_chip(grid=grid))
    most = max(counted(free))
    program = mapped(make_chip(grid=grid, core__routing_entries=most))
    assert counted(program) == counted(free)
    assert program.mapping["changes"] == free.mapping["changes"]


def test_the_message_of_a_table_that_is_too_small():
    """64 neurons of two cores, each heard by the 3 cores of 96 neurons; see the tries."""
    error = refusal(make_chip(grid={"wide": 6, "high": 6}, core__routing_entries=1))
    tries = error.report["routing_tries"]
    assert str(error).startswith("core ")
    beyond = sum(row["cores"] > 36 for row in tries)
    assert f"{len(tries)} ways to cut and pack the layers were tried" in str(error)
    assert (f"{beyond} of them with more cores than the 36 there are" in str(error)) == (beyond > 0)


def test_another_placement_where_a_router_overflows():
    chip = {"grid": {"wide": 6, "high": 6}, "noc__multicast": "tree"}
    error = refusal(make_chip(**chip, noc__router_entries=1))
    tries = error.report["placement_tries"]
    assert next(iter(tries)) == "row-major"
    least = min(tries.values())
    free = mapped(make_chip(**chip))
    assert tries["row-major"] == max(counted_by_router(free))
    y, x = divmod(counted_by_router(free).index(tries["row-major"]), 6)
    assert str(error) == (
        f"the router at ({x}, {y}) of 'test' needs {tries['row-major']} entries for multicast "
        f"trees, noc.router_entries is 1. {len(tries)} placements were tried, their fullest "
        f"routers need: {', '.join(f'{name} {most}' for name, most in tries.items())}. A chip "
        f"with noc.router_entries of {least} would fit."
    )
    program = mapped(make_chip(**chip, noc__router_entries=least))
    assert max(counted_by_router(program)) == least
    assert check_program(program) == []
    smaller = replace(program, chip=make_chip(**chip, noc__router_entries=least - 1))
    (violation,) = check_program(smaller)
    y, x = divmod(counted_by_router(program).index(least), 6)
    assert str(violation) == (
        f"noc.router_entries: the router at ({x}, {y}) needs {least} entries for multicast trees, "
        f"the limit is {least - 1}."
    )
    core = make_chip(**chip, core__routing_entries=1)
    (violation,) = check_program(replace(program, chip=core))
    assert violation.rule == "core.routing_entries"
    assert violation.needed == f"{max(counted(program))} entries"
