"""Relay chains: their order, their way, what they save, and that they cannot deadlock."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.brute_force import flow_path, link_number
from support.chips import make_chip, random_chip
from support.networks import random_input, random_network
from support.placements import grid_chip
from support.relay_twin import slow_links, slow_order

import neurosim
from neurosim.cost.packet_trace import trace_sample
from neurosim.errors import DoesNotFitError, UnsupportedError
from neurosim.faults.wiring import deliveries_hit
from neurosim.links.chains import chain_facts, chain_sentence, find_circles
from neurosim.program.builder import ProgramBuilder
from neurosim.program.columns import FlowTable
from neurosim_mapper.pipeline import map_network
from neurosim_mapper.reference import trace_reference
from neurosim_mapper.route.chains import chain_legs, circling_chains, visiting_order
from neurosim_mapper.route.dimension_order import DimensionOrder, flow_links


def random_flows(seed):
    """A chip, and flows from cores and from the host (x = -1) to several cores each."""
    rng = np.random.default_rng(seed)
    chip = grid_chip(
        int(rng.integers(1, 7)), int(rng.integers(1, 7)), noc__multicast="relay",
        noc__routing=str(rng.choice(["xy", "yx"])),
    )  # fmt: skip
    places = np.array([(x, y) for y in range(chip.high) for x in range(chip.wide)])
    flows = []
    for _ in range(int(rng.integers(1, 9))):
        k = int(rng.integers(1, len(places) + 1))
        source = places[rng.integers(len(places))] if rng.random() < 0.8 else (-1, 0)
        flows.append((tuple(source), places[rng.permutation(len(places))[:k]]))
    return chip, flows


def columns(flows):
    offset = np.cumsum([0, *(len(targets) for _, targets in flows)])
    return np.array([source for source, _ in flows]), offset, np.concatenate([t for _, t in flows])


@pytest.mark.exactness
@given(st.integers(0, 2**32 - 1))
def test_order_and_links_against_the_slow_walk(seed):
    chip, flows = random_flows(seed)
    routing, paths = chip.noc_section.routing, DimensionOrder(chip)
    start, offset, goal = columns(flows)
    order = visiting_order(chip, start, offset, goal)
    none = np.zeros(len(flows), bool)
    legs = chain_legs(start, none, offset, goal[order.row], order.alone)
    leg_offset, link = flow_links(chip, *legs[1:])
    ends = leg_offset[legs.offset]
    for i, (source, targets) in enumerate(flows):
        source = None if source[0] < 0 else source
        places = [tuple(t) for t in targets.tolist()]
        expected = slow_links(paths, source, places, routing)
        found = link[ends[i] : ends[i + 1]].tolist()
        if order.alone[i]:
            assert sorted(found) == sorted(expected)
            continue
        assert found == expected
        visits = goal[order.row[offset[i] : offset[i + 1]]]
        assert [tuple(v) for v in visits.tolist()] == slow_order(source, places, routing)
    whole = np.repeat(~order.alone, np.diff(ends))
    sizes = np.where(order.alone, 0, np.diff(ends))
    circles = find_circles(chip, np.concatenate([[0], np.cumsum(sizes)]), link[whole])
    assert circles.links.size == 0


def around_the_square():
    """Four chains round a square of four routers, each takes two of its turns (chip 2 x 2)."""
    ways = [[1, 3, 2], [3, 2, 0], [2, 0, 1], [0, 1, 3]]
    step = {1: 0, -1: 1, 2: 2, -2: 3}
    links = []
    for start, way in zip([0, 1, 3, 2], ways, strict=True):
        links.append([4 * a + step[b - a] for a, b in pairwise([start, *way])])
    return np.arange(0, 13, 3), np.concatenate(links)


def test_chains_round_a_square_are_caught_and_given_up():
    """Every link of the square waits for the next one; two chains share each turn of y before x.

    So both chains with one of these turns have to go, one in each round.
    """
    chip = grid_chip(2, 2, noc__multicast="relay")
    offset, link = around_the_square()
    circles = find_circles(chip, offset, link)
    assert circles.links.tolist() == sorted(set(link.tolist()))
    assert circles.n_turns.tolist() == [1, 1, 1, 1]  # each takes one of y before x
    none = np.zeros(4, bool)
    given_up = circling_chains(chip, offset, link, none)
    assert given_up.tolist() == [True, True, False, False]
    assert find_circles(chip, np.arange(0, 7, 3), link[6:]).links.size == 0
    assert find_circles(chip, np.arange(0, 10, 3), link[3:]).links.size == 4


def test_a_program_with_such_chains_is_refused():
    chip = grid_chip(2, 2, noc__multicast="relay")
    builder = ProgramBuilder(chip, n_inputs=1)
    cores = [builder.add_core(x, y) for y in range(2) for x in range(2)]
    for core in cores:
        core.set_weights(np.ones((4, 1), int))
        core.set_liaf(theta=1)
    for core, after in zip((0, 1, 3, 2), (1, 3, 2, 0), strict=True):
        cores[core].connect([0], cores[after], axons=[0])
    builder.add_layer("out", [(core, [0]) for core in cores])
    program = builder.build(output="out")
    good = program.flows
    inner = np.flatnonzero((np.diff(good.target_offset) == 1) & (good.source >= 0))
    routes = dict(zip([0, 1, 3, 2], [[1, 3, 2], [3, 2, 0], [2, 0, 1], [0, 1, 3]], strict=True))
    _, link = around_the_square()
    links = dict(zip([0, 1, 3, 2], link.reshape(4, 3).tolist(), strict=True))
    targets, ways = [], []
    for flow in range(good.kind.size):
        source = int(good.source[flow])
        chained = flow in inner
        span = slice(*good.link_offset[flow : flow + 2])
        ways.append(links[source] if chained else good.link[span].tolist())
        span = slice(*good.target_offset[flow : flow + 2])
        targets.append(routes[source] if chained else good.target[span].tolist())
    bad = FlowTable(
        good.kind, good.source,
        np.cumsum([0, *map(len, ways)]), np.concatenate(ways).astype(np.int32),
        np.cumsum([0, *map(len, targets)]), np.concatenate(targets).astype(np.int32),
    )  # fmt: skip
    found = replace(program, flows=bad).violations
    assert [v.rule for v in found] == ["noc.multicast"]
    assert str(found[0]) == (
        "noc.multicast: relay chain of core 0 (flow "
        f"{inner[good.source[inner].tolist().index(0)]}) needs 4 links that can wait for each "
        "other in a circle, the limit is 0."
    )


def mapped(seed, **keys):
    rng = np.random.default_rng(seed)
    chip = random_chip(rng, noc__topology="mesh", noc__multicast="relay", **keys)
    network = random_network(rng, chip)
    program = map_network(network, chip, placer="random", seed=seed)
    return program, network, random_input(rng, network, n_samples=2, n_ticks=3)


def facts_by_hand(program):
    """The facts, packet by packet."""
    flows, chip = program.flows, program.chip
    chains, total = [], {"packets": 0, "packet_hops": 0, "packets_alone": 0}
    alone = 0
    for flow in range(flows.kind.size):
        targets = flows.target[slice(*flows.target_offset[flow : flow + 2])].tolist()
        if len(targets) < 2:
            continue
        source = int(flows.source[flow])
        way = [link for link in flow_path(program, source, targets) if link[0] != "in"]
        listed = [link_number(chip, link) for link in flow_path(program, source, targets)]
        assert flows.link[slice(*flows.link_offset[flow : flow + 2])].tolist() == listed
        chains.append((len(targets), len(way)))
        single = [link for t in targets for link in flow_path(program, source, [t])]
        sent = [
            int((table.flow == flow).sum()) for table in (program.packets, program.input_packets)
        ]
        total["packets"] += sum(sent)
        total["packet_hops"] += sum(sent) * len(way)
        total["packets_alone"] += sum(sent) * len(targets)
        alone += sum(sent) * sum(link[0] != "in" for link in single)
    mean = np.mean(chains, axis=0) if chains else (0, 0)
    return {
        "chains": len(chains), "cores_mean": round(float(mean[0]), 2),
        "hops_mean": round(float(mean[1]), 2), **total, "packet_hops_alone": alone,
    }  # fmt: skip


@pytest.mark.exactness
@given(st.integers(0, 2**32 - 1))
def test_facts_and_links_of_mapped_programs(seed):
    try:
        program, _, _ = mapped(seed)
    except (DoesNotFitError, UnsupportedError):
        return
    facts = facts_by_hand(program)
    assert chain_facts(program) == facts
    said = program.mapping["relay_chains"]
    assert said == {**facts, "shorter_alone": said["shorter_alone"], "could_deadlock": 0}
    assert f"{facts['packet_hops']:,} hops in place of" in chain_sentence(said)
    host = [f for f in range(program.flows.kind.size) if program.flows.source[f] < 0]
    if not len(host):
        assert facts["packet_hops"] <= facts["packet_hops_alone"]


def test_chains_that_could_deadlock_round_dead_links_are_sent_alone():
    """Both network models, and the reference, agree about what is left."""
    dead = [[[3, 4], [4, 4]]]
    program, network, x = mapped(11, dead_links=dead, grid={"wide": 9, "high": 9})
    facts = program.mapping["relay_chains"]
    assert facts["chains"] > 0
    assert facts["could_deadlock"] > 0
    run = neurosim.simulate(program, x, noc="cycle", threads=1)
    np.testing.assert_array_equal(run.outputs, trace_reference(network, x).outputs)
    assert run.network is not None


def three_in_a_row():
    """One value from the middle of five cores to the one on its left and two on its right."""
    chip = make_chip(grid={"wide": 4, "high": 1}, noc__multicast="relay", core__neurons=4)
    builder = ProgramBuilder(chip, n_inputs=1)
    cores = [builder.add_core(x, 0) for x in (1, 0, 2, 3)]
    for core in cores:
        core.set_weights([[1]])
        core.set_liaf(theta=1)
    builder.connect_inputs([0], cores[0], axons=[0])
    cores[0].connect([0], cores[1], axons=[0])
    builder.add_layer("in", [(cores[0], [0])])
    builder.add_layer("out", [(core, [0]) for core in cores[1:]])
    program = builder.build(output="out")
    flows, packets = program.flows, program.packets
    flow = int(np.flatnonzero((flows.source == 0) & (np.diff(flows.target_offset) == 1))[0])
    span = int(flows.target_offset[flow])
    links = np.insert(flows.link, flows.link_offset[flow], [4 * 1 + 1, 0, 4, 8])
    ends = flows.link_offset + 4 * (np.arange(flows.link_offset.size) > flow)
    targets = np.insert(flows.target, span + 1, [2, 3])
    more = flows.target_offset + 2 * (np.arange(flows.target_offset.size) > flow)
    table = flows._replace(
        link=links.astype(np.int32), link_offset=ends, target=targets.astype(np.int32),
        target_offset=more,
    )  # fmt: skip
    row = int(np.flatnonzero(packets.flow == flow)[0])
    at = int(packets.delivery_offset[row]) + 1
    sent = packets._replace(
        axon=np.insert(packets.axon, at, [2, 3]),
        delay=np.insert(packets.delay, at, [packets.delay[at - 1]] * 2),
        delivery_offset=packets.delivery_offset
        + 2 * (np.arange(packets.delivery_offset.size) > row),
    )
    program = replace(program, flows=table, packets=sent)
    assert program.violations == ()
    return program, flow, row


def test_a_chain_turns_back_and_leaves_a_router_only_after_it_arrived_there():
    """One hop west, then back through the source's router: 1, 3, 4 hops of 3 cycles each."""
    program, flow, _ = three_in_a_row()
    x = np.array([[[1], [0], [0]]])
    run, times = trace_sample(program, x[0])
    assert run.outputs[0].sum(axis=0).tolist() == [1, 1, 1]
    arrive = times.arrive[times.flow == flow]
    assert np.diff(arrive).tolist() == [2 * 3, 1 * 3]
    ideal = neurosim.simulate(program, x)
    assert (ideal.counters.bounds.max(axis=-1) <= run.counters.busy_cycles).all()


def test_a_chain_loses_the_cores_behind_the_link():
    """The copy that was left before the packet came to the link is not lost."""
    program, _, row = three_in_a_row()
    core = {5: [1, 2, 3], 0: [2, 3], 4: [2, 3], 8: [3]}  # link: cores that lose their copy
    for link, lost in core.items():
        hit = deliveries_hit(program, program.packets, row, link)
        assert program.packets.axon[hit].tolist() == lost
