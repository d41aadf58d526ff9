"""The compiled ways of all flows against the slow twin, one path at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip

from neurosim.errors import DoesNotFitError
from neurosim_mapper.route.dimension_order import DimensionOrder, flow_links

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


def test_a_dead_link_on_the_way_is_named():
    chip = make_chip(dead_links=[[[2, 1], [3, 1]]])
    ways = (np.array([[0, 1]]), np.array([False]), np.array([0, 1]), np.array([[5, 1]]))
    with pytest.raises(DoesNotFitError) as error:
        flow_links(chip, *ways)
    assert str(error.value) == (
        "the route needs the dead link (2, 1) -> (3, 1) of 'test'; routing 'xy' has no way round "
        "it. Place the network away from it (another placer or seed)."
    )
