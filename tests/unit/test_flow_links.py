"""The compiled ways of all flows against the slow twin, one path at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip

from neurosim.errors import DoesNotFitError
from neurosim_mapper.route.dimension_order import DimensionOrder, dead_link_numbers, flow_links

pytestmark = pytest.mark.exactness


@given(st.integers(0, 2**32 - 1))
def test_trees_are_the_union_of_single_paths(seed):
    rng = np.random.default_rng(seed)
    wide, high = (int(n) for n in rng.integers(1, 9, 2))
    chip = make_chip(
        grid={"wide": wide, "high": high},
        noc__topology=str(rng.choice(["mesh", "torus"])),
        noc__routing=str(rng.choice(["xy", "yx"])),
    )
    paths = DimensionOrder(chip)
    expected, source, to_host, targets = [], [], [], []
    for _ in range(6):
        x, y = int(rng.integers(-1, wide)), int(rng.integers(high))
        goals = [(int(rng.integers(wide)), int(rng.integers(high))) for _ in range(3)]
        leaves = bool(x >= 0 and rng.random() < 0.3)
        if leaves:
            goals = []
            expected.append(paths.to_host((x, y)))
        elif x < 0:
            goals[0] = (goals[0][0], y)
            expected.append(paths.from_host(goals))
        else:
            expected.append(paths.tree((x, y), goals))
        source.append((x, y))
        to_host.append(leaves)
        targets.append(goals)
    offset = np.cumsum([0, *map(len, targets)])
    xy = np.array([g for goals in targets for g in goals], np.int64).reshape(-1, 2)
    link_offset, link = flow_links(chip, np.array(source), np.array(to_host), offset, xy)
    for i, links in enumerate(expected):
        assert link[link_offset[i] : link_offset[i + 1]].tolist() == links


def path_is_whole(chip, links, start, goal):
    """Whether `links` lead from router to router over links that work."""
    here, dead = start, dead_link_numbers(chip)
    for link in links:
        router, direction = divmod(int(link), 4)
        assert router == here[1] * chip.wide + here[0]
        assert link not in dead
        here = (here[0] + (1, -1, 0, 0)[direction], here[1] + (0, 0, 1, -1)[direction])
    return here == goal


@given(st.integers(0, 2**32 - 1))
def test_ways_lead_round_dead_links(seed):
    """Every way is whole; a tree is the two ways, with what they share at the start once."""
    rng = np.random.default_rng(seed)
    dead = [((x, 1), (x + 1, 1)) for x in rng.permutation(4)[:2].tolist()]
    routing = str(rng.choice(["xy", "yx"]))
    chip = make_chip(grid={"wide": 6, "high": 4}, dead_links=dead, noc__routing=routing)
    start, one, two = (tuple(int(i) for i in rng.integers(0, (6, 4))) for _ in range(3))
    offset = np.array([0, 1, 2, 4])
    ends, link = flow_links(
        chip, np.array([start] * 3), np.zeros(3, bool), offset, np.array([one, two, one, two])
    )
    ways = [link[ends[i] : ends[i + 1]].tolist() for i in range(3)]
    for way, goal in zip(ways, (one, two), strict=False):
        assert path_is_whole(chip, way, start, goal)
    assert set(ways[2]) == set(ways[0]) | set(ways[1])
    shared = next((i for i, (a, b) in enumerate(zip(*ways[:2], strict=False)) if a != b), None)
    shared = min(map(len, ways[:2])) if shared is None else shared
    assert len(ways[2]) == len(ways[0]) + len(ways[1]) - shared


def test_host_ways_lead_round_dead_links():
    chip = make_chip(grid={"wide": 4, "high": 3}, dead_links=[[[0, 1], [1, 1]]])
    source, to_host = np.array([[-1, 1], [2, 1]]), np.array([False, True])
    ends, link = flow_links(chip, source, to_host, np.array([0, 1, 1]), np.array([[2, 1]]))
    inward, outward = link[: ends[1]].tolist(), link[ends[1] :].tolist()
    assert inward[0] == 4 * 12 + 1
    assert path_is_whole(chip, inward[1:], (0, 1), (2, 1))
    assert outward[-1] == 4 * 12 + 3 + 1
    assert path_is_whole(chip, outward[:-1], (2, 1), (0, 1))
    assert len(inward) == len(outward) == 1 + 2 + 2


def test_a_mesh_in_two_parts_is_refused():
    chip = make_chip(grid={"wide": 2, "high": 1}, dead_links=[[[0, 0], [1, 0]]])
    ways = (np.array([[0, 0]]), np.array([False]), np.array([0, 1]), np.array([[1, 0]]))
    with pytest.raises(DoesNotFitError, match=r"cannot reach each other, the first is \(0, 0\)"):
        flow_links(chip, *ways)


def test_a_dead_link_on_a_torus_is_named():
    chip = make_chip(dead_links=[[[2, 1], [3, 1]]], noc__topology="torus")
    ways = (np.array([[2, 1]]), np.array([False]), np.array([0, 1]), np.array([[3, 1]]))
    with pytest.raises(DoesNotFitError) as error:
        flow_links(chip, *ways)
    assert str(error.value) == (
        "the route needs the dead link (2, 1) -> (3, 1) of 'test'; ways round dead links are found "
        "on a mesh of up to 4096 routers. Place the network away from it (another placer or seed)."
    )
