"""Compiled network and its slow twin agree in every cycle, over all parameters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.noc_twin import Twin

from neurosim.errors import DoesNotFitError
from neurosim.kernels.noc_routes import levels_from
from neurosim.noc import Noc, TickNetwork
from neurosim.noc.links import neighbour_ports
from neurosim.noc.routes import dependency_cycle, next_ports, table_turns
from neurosim.noc.traffic import bernoulli


@st.composite
def networks(draw, kind):
    """Fields of a small network of one `kind`."""
    pipeline = draw(st.sampled_from(["single", "default", "general"]))
    fields = {
        "width": draw(st.integers(1, 5)),
        "height": draw(st.integers(1, 4)),
        "routing": draw(st.sampled_from(["xy", "yx"])),
        "pipeline": pipeline,
        "buffer_flits": draw(st.integers(1, 8)),
    }
    if pipeline == "general":
        for name in ("router_cycles", "link_cycles", "credit_cycles"):
            fields[name] = draw(st.integers(1, 4))
    if kind == "torus":
        fields |= {"topology": "torus", "n_vcs": draw(st.sampled_from([2, 4]))}
        if fields["n_vcs"] == 4:
            fields["psum_vcs"] = draw(st.sampled_from([0, 2]))
    else:
        fields["host_io"] = draw(st.booleans())
    if kind in ("channels", "everything"):
        fields["n_vcs"] = draw(st.integers(1, 4))
        fields["psum_vcs"] = draw(st.integers(0, fields["n_vcs"] - 1))
    if kind in ("packets", "trees", "everything"):
        fields |= {"switching": "packet", "link_bits": 8}
        if fields["width"] % 2 == 0 and draw(st.booleans()):
            fields |= {"chip_width": fields["width"] // 2, "chip_height": fields["height"]}
            fields |= {"chip_link_cycles": draw(st.integers(1, 9))}
            fields |= {"chip_link_bits": draw(st.integers(1, 8))}
    if kind in ("trees", "everything"):
        fields["multicast"] = "tree"
    return Noc(**fields)


def random_traffic(noc, seed):
    """Arguments of a tick: packets, some with several goals, gates, services."""
    rng = np.random.default_rng(seed)
    n, terminals = int(rng.integers(1, 40)), noc.n_terminals
    most = int(rng.choice([9, 40])) if noc.switching == "packet" else int(rng.choice([2, 7]))
    spread = terminals if rng.random() < 0.7 else min(2, terminals)
    goals = []
    for _ in range(n):
        many = noc.multicast == "tree" and rng.random() < 0.5
        count = int(rng.integers(1, min(terminals, 6) + 1)) if many else 1
        goals.append(rng.permutation(terminals if many else spread)[:count].tolist())
    n_deliveries, half = sum(map(len, goals)), n // 2
    first = sum(map(len, goals[:half]))
    n_gates = int(rng.integers(0, 4))
    gate, feeds = np.full(n, -1), np.full(n_deliveries, -1)
    if n_gates:  # the second half waits for deliveries of the first
        gate[half:] = rng.integers(-1, n_gates, n - half)
        feeds[:first] = rng.integers(-1, n_gates, first)
    slow = int(rng.choice([1, 1, 9, 60]))
    return {
        "src": rng.integers(0, terminals, n),
        "goals": goals,
        "release": rng.integers(0, int(rng.choice([1, 5, 40, 100])), n),
        "size": rng.integers(1, most, n),
        "kind": rng.integers(0, 4, n),
        "service": rng.integers(0, slow, n_deliveries),
        "feeds": feeds,
        "gate": gate,
        "base": rng.integers(0, 60, n_gates),
    }


def play(network, traffic, **changes):
    arrays = {name: traffic[name] for name in ("size", "kind", "service", "feeds", "gate")}
    goals = traffic["goals"]
    many = [i for i, each in enumerate(goals) if len(each) > 1]
    routes, route = None, np.full(len(goals), -1)
    if many:
        offset = np.cumsum([0, *(len(goals[i]) for i in many)])
        flat = [goal for i in many for goal in goals[i]]
        routes = network.routes(traffic["src"][many], offset, flat)
        route[many] = np.arange(len(many))
    return network.play(
        traffic["src"], [each[0] for each in goals], traffic["release"], routes=routes,
        route=route, gate_base=traffic["base"], **arrays, **changes,
    )  # fmt: skip


def twin_of(noc, traffic):
    lists = {name: [int(x) for x in value] for name, value in traffic.items() if name != "goals"}
    return Twin(noc).play(goals=traffic["goals"], **lists)


@pytest.mark.exactness
@pytest.mark.parametrize("kind", ["plain", "channels", "torus", "packets", "trees", "everything"])
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_every_cycle_equals_the_slow_twin(kind, data, seed):
    noc = data.draw(networks(kind))
    traffic = random_traffic(noc, seed)
    played, twin = play(TickNetwork(noc), traffic), twin_of(noc, traffic)
    assert played.inject_cycle.tolist() == twin.inject
    assert played.arrive_cycle.tolist() == twin.arrive
    assert played.finish_cycle.tolist() == twin.finish
    assert played.link_flits.tolist() == twin.link_flits
    assert played.stall_lost.tolist() == twin.lost
    assert played.stall_no_credit.tolist() == twin.stall
    if len(traffic["base"]):
        assert played.gate_cycle.tolist() == twin.gate_time


@given(noc=networks("everything"), seed=st.integers(0, 2**32))
def test_a_tick_does_not_depend_on_those_before_after_a_reset(noc, seed):
    network = TickNetwork(noc)
    traffic = random_traffic(noc, seed)
    first = play(network, traffic)
    play(network, random_traffic(noc, seed + 1))
    network.reset()
    again = play(network, traffic)
    np.testing.assert_array_equal(first.arrive_cycle, again.arrive_cycle)
    np.testing.assert_array_equal(first.link_flits, again.link_flits)


@given(seed=st.integers(0, 2**32))
def test_many_ticks_equal_one_after_the_other(seed):
    rng = np.random.default_rng(seed)
    noc = Noc(width=4, height=3)
    counts = rng.integers(0, 30, 6)
    offset = np.concatenate([[0], np.cumsum(counts)])
    n = int(offset[-1])
    src, dst = rng.integers(0, 12, (2, n))
    release = rng.integers(0, 50, n)
    together = TickNetwork(noc).play_many(offset, src, dst, release)
    network = TickNetwork(noc)
    for tick in range(6):
        part = slice(offset[tick], offset[tick + 1])
        alone = network.play(src[part], dst[part], release[part])
        assert together.arrive_cycle[part].tolist() == alone.arrive_cycle.tolist()
        assert together.drain_cycles[tick] == alone.drain_cycles[0]


@given(seed=st.integers(0, 2**32), n_dead=st.integers(1, 6), routing=st.sampled_from(["xy", "yx"]))
def test_dead_links_are_routed_around_without_circular_waits(seed, n_dead, routing):
    """All pairs at full load with one place per buffer: a circular wait would show."""
    rng = np.random.default_rng(seed)
    links = [(x, y, "+x") for x in range(4) for y in range(4)]
    links += [(x, y, "+y") for x in range(5) for y in range(3)]
    dead = tuple(links[i] for i in rng.permutation(len(links))[:n_dead])
    noc = Noc(width=5, height=4, routing=routing, dead_links=dead, buffer_flits=1)
    to = neighbour_ports(noc)
    if (levels_from(to, 0) < 0).any():
        with pytest.raises(DoesNotFitError, match="cannot reach each other"):
            TickNetwork(noc)
        return
    network = TickNetwork(noc)
    assert not dependency_cycle(to, table_turns(to, next_ports(noc, to)))
    src, dst = (np.tile(grid.ravel(), 2) for grid in np.meshgrid(np.arange(20), np.arange(20)))
    played = network.play(src, dst, np.zeros(800, int))
    assert (played.arrive_cycle > 0).all()
    ports = [(y * 5 + x, ("+x", "+y").index(d) * 2) for x, y, d in dead]
    assert all(played.link_flits[router, port] == 0 for router, port in ports)


BURSTS = {
    "hotspot": (Noc(width=6, height=3, buffer_flits=4), "hotspot", 0.3, 1),
    "overload": (Noc(width=4, height=4), "uniform", 0.9, 1),
    "shallow buffers": (Noc(width=5, height=2, buffer_flits=1, routing="yx"), "uniform", 0.2, 3),
    "long packets": (Noc(width=3, height=5, buffer_flits=3), "bitcomp", 0.5, 17),
    "late credits": (Noc(width=4, height=4, pipeline="default"), "transpose", 0.4, 5),
}


@pytest.mark.parametrize("name", BURSTS)
def test_long_traffic_equals_the_slow_twin(name):
    """What a replay of a trace checks, for meshes and loads of which there is no trace."""
    noc, pattern, rate, n_flits = BURSTS[name]
    src, dst, create = bernoulli(noc, pattern, rate / n_flits, 120, seed=len(name))
    played = TickNetwork(noc).play(src, dst, create, size=n_flits)
    n = len(src)
    assert n > 20
    twin = Twin(noc).play(
        goals=[[int(d)] for d in dst], src=src.tolist(), release=create.tolist(),
        size=[n_flits] * n, kind=[0] * n, service=[0] * n, feeds=[-1] * n, gate=[-1] * n, base=[],
    )  # fmt: skip
    assert played.inject_cycle.tolist() == twin.inject
    assert played.arrive_cycle.tolist() == twin.arrive
    assert played.link_flits.tolist() == twin.link_flits
    assert played.stall_lost.tolist() == twin.lost
    assert played.stall_no_credit.tolist() == twin.stall
