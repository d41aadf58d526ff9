"""Pins by name: which can be had, and what is said about those that cannot."""

from __future__ import annotations

from dataclasses import replace

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.chips import make_chip

from neurosim.errors import UsageError
from neurosim_mapper.place import parse_pin, problem_of_pairs
from neurosim_mapper.place.pins import pin_by_name

CHIP = make_chip(grid={"wide": 4, "high": 3}, dead_cores=[[1, 1]])
FOUR = "4 cores have to go where 'test' has"


def problem():
    """Seven cores: two that hear the input, four of conv1 (the first hears it), one at the end."""
    members = {
        "input": np.array([0, 1]),
        "output": np.array([6]),
        "conv1": np.array([1, 2, 3, 4]),
        "fc": np.array([6]),
    }
    return replace(problem_of_pairs(CHIP, 7, [], [], []), members=members)


@pytest.mark.parametrize(
    ("text", "name", "place"),
    [
        ("conv1=3,4", "conv1", ((3, 4),)),
        ("conv1:0=3,4", "conv1:0", ((3, 4),)),
        ("a=b:c:2=0,0:11,12", "a=b:c:2", ((0, 0), (11, 12))),
    ],
)
def test_the_words_of_the_command_line(text, name, place):
    assert parse_pin(text) == (name, place)


@pytest.mark.parametrize(
    "text", ["conv1", "conv1=", "=1,2", "a=1", "a=1,2,3", "a=1,2:3", "a=-1,2", "a=1,2:3,4:5,6"]
)
def test_other_words(text):
    with pytest.raises(UsageError) as error:
        parse_pin(text)
    assert str(error.value) == (
        f"pin {text!r}: needs LAYER=X,Y, LAYER:CORE=X,Y, or a region as LAYER=X,Y:X,Y."
    )


@pytest.mark.parametrize(
    ("pins", "sentence"),
    [
        (
            {"con1": (0, 0)},
            "pin con1=0,0: there is no layer 'con1'; known: input, output, conv1, fc; did you "
            "mean 'conv1'?",
        ),
        ({"conv1:4": (0, 0)}, "pin conv1:4=0,0: 'conv1' has the cores conv1:0 to conv1:3."),
        ({"fc": (4, 0)}, "pin fc=4,0: the chip 'test' reaches from (0, 0) to (3, 2)."),
        ({"fc": (1, 1)}, "pin fc=1,1: that core of 'test' is dead. Pin it to another one."),
        (
            {"conv1": (0, 0)},
            f"pin conv1=0,0: {FOUR} 1 usable one. Give a larger region, or pin single cores "
            "(LAYER:CORE).",
        ),
        (
            {"conv1": ((0, 0), (1, 1))},
            f"pin conv1=0,0:1,1: {FOUR} 3 usable ones. Give a larger region, or pin single cores "
            "(LAYER:CORE).",
        ),
        (
            {"fc": (0, 0), "conv1:2": (0, 0)},
            "pin conv1:2=0,0: (0, 0) is taken already, by pin fc=0,0.",
        ),
        (
            {"input": ((0, 0), (0, 2)), "conv1:0": (3, 0)},
            "pin input=0,0:0,2 and pin conv1:0=3,0 leave core 1 no place.",
        ),
        (
            {"conv1": ((0, 0), (3, 0)), "fc": ((1, 0), (2, 0))},
            "the pins leave no place for core 6: its region (1, 0) to (2, 0) has 2 usable cores "
            "without another pin, all needed by others with a region. Enlarge the region.",
        ),
        ({"fc": "here"}, "pin of 'fc' at 'here': needs (x, y) or ((x, y), (x, y))."),
        ({"fc": (0.5, 1)}, "pin of 'fc' at (0.5, 1): needs (x, y) or ((x, y), (x, y))."),
    ],
)
def test_pins_that_cannot_be(pins, sentence):
    with pytest.raises(UsageError) as error:
        pin_by_name(problem(), pins)
    assert str(error.value) == sentence


def test_a_pin_against_the_placement_file():
    pinned = problem().with_pins({6: (2, 0)})
    assert pin_by_name(pinned, {"fc": (2, 0)}).pins[6] == 2
    with pytest.raises(UsageError) as error:
        pin_by_name(pinned, {"output": (3, 0)})
    assert str(error.value) == "pin output=3,0: the placement file has its core 6 at (2, 0)."


@given(st.integers(0, 2**32 - 1))
def test_regions_are_refused_only_if_no_arrangement_exists(seed):
    """The slow twin is a maximum matching of cores and routers."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 8))
    pins = {}
    for core in range(n):
        x, y = np.sort(rng.integers(0, 4, 2)), np.sort(rng.integers(0, 3, 2))
        if not (x[0] == x[1] and y[0] == y[1]):
            pins[f"a:{core}"] = ((int(x[0]), int(y[0])), (int(x[1]), int(y[1])))
    members = {"a": np.arange(n)}
    free = replace(problem_of_pairs(CHIP, n, [], [], []), members=members)
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    for core in range(n):
        (x0, y0), (x1, y1) = pins.get(f"a:{core}", ((0, 0), (3, 2)))
        for x, y in CHIP.usable_cores:
            if x0 <= x <= x1 and y0 <= y <= y1:
                graph.add_edge(core, (x, y))
    possible = len(nx.bipartite.maximum_matching(graph, range(n))) == 2 * n
    try:
        pin_by_name(free, pins)
    except UsageError:
        assert not possible
    else:
        assert possible
