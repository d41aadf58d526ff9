"""What every placer promises, whatever its method."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chips import make_chip
from support.placements import grid_chip, random_nets, random_traffic

from neurosim.errors import DoesNotFitError, UsageError
from neurosim_mapper.place import PLACERS, PlacementProblem, placement_report, problem_of_pairs
from neurosim_mapper.place.by_phase import place_by_phase
from neurosim_mapper.place.cost import placement_cost
from neurosim_mapper.place.pins import pin_by_name
from neurosim_mapper.place.problem import no_pins, pair_nets

CHIPS = {
    "mesh": {},
    "torus": {"noc__topology": "torus"},
    "array": {"grid": {"wide": 2, "high": 3}, "array": {"wide": 2, "high": 1}},
    "dead": {"dead_cores": [[0, 0], [1, 1], [3, 2]]},
    "column": {"grid": {"wide": 1, "high": 12}},
    "yx": {"noc__routing": "yx"},
}


@pytest.fixture(params=sorted(PLACERS))
def placer(request):
    return PLACERS[request.param]


def chip_called(name):
    return make_chip(**({"grid": {"wide": 4, "high": 3}} | CHIPS[name]))


def places(placer, problem, seed=0):
    """Coordinates, after a check that they are different, alive and where pins say."""
    placement = placer(problem, np.random.default_rng(seed))
    xy = list(zip(placement.x.tolist(), placement.y.tolist(), strict=True))
    assert len(xy) == problem.n_cores
    assert len(set(xy)) == len(xy)
    assert set(xy) <= set(problem.chip.usable_cores)
    assert placement.x.dtype == placement.y.dtype == np.int32
    assert isinstance(placement.notes["placer"], str)
    for core in np.flatnonzero(problem.pins >= 0):
        y, x = divmod(int(problem.pins[core]), problem.chip.wide)
        assert xy[core] == (x, y)
    if problem.regions is not None:
        for (x, y), (x0, y0, x1, y1) in zip(xy, problem.regions.tolist(), strict=True):
            assert x0 <= x <= x1
            assert y0 <= y <= y1
    return xy


def test_no_core_at_all(placer):
    assert places(placer, problem_of_pairs(chip_called("mesh"), 0, [], [], [])) == []


def test_one_core(placer):
    assert (
        len(places(placer, problem_of_pairs(chip_called("mesh"), 1, [-1, 0], [0, -1], [5, 3]))) == 1
    )


def test_cores_that_do_not_talk(placer):
    assert len(places(placer, problem_of_pairs(chip_called("dead"), 5, [], [], []))) == 5


@pytest.mark.parametrize("name", CHIPS)
def test_full_chip(placer, name):
    chip = chip_called(name)
    n = len(chip.usable_cores)
    problem = random_nets(np.random.default_rng(1), chip, n)
    assert set(places(placer, problem)) == set(chip.usable_cores)


@pytest.mark.parametrize("name", CHIPS)
def test_half_a_chip(placer, name):
    places(placer, random_nets(np.random.default_rng(2), chip_called(name), 6))


def test_two_groups_that_do_not_talk_to_each_other(placer):
    places(placer, problem_of_pairs(chip_called("mesh"), 6, [0, 1, 3, 4], [1, 2, 4, 5], [9] * 4))


def test_impossible(placer):
    with pytest.raises(DoesNotFitError, match="needs 10 cores, the chip 'test' has 9 usable ones"):
        places(placer, problem_of_pairs(chip_called("dead"), 10, [], [], []))


def test_pins(placer):
    problem = random_nets(np.random.default_rng(3), chip_called("dead"), 7)
    pinned = problem.with_pins({2: (3, 0), 5: (0, 2)})
    xy = places(placer, pinned)
    assert xy[2] == (3, 0)
    assert xy[5] == (0, 2)


@pytest.mark.parametrize("name", ["mesh", "torus", "array", "dead", "yx"])
def test_regions(placer, name):
    """A layer in two columns, a core of it in one row of them, another layer fixed by cores."""
    chip = chip_called(name)
    problem = random_nets(np.random.default_rng(5), chip, len(chip.usable_cores) - 1)
    problem = replace(problem, members={"a": np.arange(4), "b": np.array([5, 6])})
    pins = {"a": ((2, 0), (3, 2)), "a:1": ((0, 1), (3, 1)), "b:0": (1, 0), "b:1": ((0, 0), (0, 2))}
    xy = places(placer, pin_by_name(problem, pins))
    assert all(x >= 2 for x, _ in xy[:4])
    assert xy[1][1] == 1
    assert xy[5] == (1, 0)
    assert xy[6][0] == 0


def test_a_region_as_tight_as_can_be(placer):
    """Four cores for four routers, two of which others could do with: these go elsewhere."""
    problem = random_nets(np.random.default_rng(6), chip_called("mesh"), 12)
    problem = replace(problem, members={"a": np.array([1, 4, 5, 7]), "b": np.array([0, 9])})
    xy = places(placer, pin_by_name(problem, {"a": ((1, 1), (2, 2)), "b": ((0, 1), (3, 1))}))
    assert {xy[i] for i in (1, 4, 5, 7)} == {(1, 1), (2, 1), (1, 2), (2, 2)}
    assert {xy[0], xy[9]} == {(0, 1), (3, 1)}


def test_all_cores_pinned(placer):
    problem = random_nets(np.random.default_rng(4), chip_called("mesh"), 3)
    where = {0: (3, 2), 1: (0, 0), 2: (1, 2)}
    assert places(placer, problem.with_pins(where)) == list(where.values())


def test_a_seed_says_it_all(placer):
    """The same seed gives the same placement, on a problem built anew."""
    first, second = (places(placer, random_traffic(5, 5, 20, 6), seed=7) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(
    ("pins", "sentence"),
    [
        ({0: (1, 1)}, "pin of core 0 at (1, 1): that core of 'test' is dead."),
        ({0: (4, 0)}, "pin of core 0 at (4, 0): the chip 'test' reaches from (0, 0) to (3, 2)."),
        ({9: (0, 1)}, "pin of core 9: the mapping has cores 0..3."),
        ({1: (2, 0), 3: (2, 0)}, "pins of cores 1 and 3: both at (2, 0)."),
    ],
)
def test_pins_that_make_no_sense(pins, sentence):
    problem = problem_of_pairs(chip_called("dead"), 4, [0], [1], [1])
    with pytest.raises(UsageError) as error:
        problem.with_pins(pins)
    assert str(error.value).startswith(sentence)


def test_a_placer_of_ten_lines():
    """Any function with the prototype will do; see CONTRIBUTING."""

    def place_backwards(problem, rng):
        return problem.placement(problem.fill(problem.free[::-1]), "backwards")

    xy = places(place_backwards, problem_of_pairs(grid_chip(2, 2), 3, [0], [1], [1]))
    assert xy == [(1, 1), (0, 1), (1, 0)]


@pytest.mark.parametrize("name", PLACERS)
def test_phases_share_routers_but_never_within_one(name):
    """Thirty cores in three phases on twelve routers, one dead; pins hold in their phase."""
    chip = make_chip(grid={"wide": 4, "high": 3}, dead_cores=[[1, 1]])
    rng = np.random.default_rng(0)
    source, target = rng.integers(0, 30, (2, 200))
    nets = pair_nets(30, source, target, rng.integers(1, 9, 200))
    phase = np.repeat(np.arange(3), 10)
    pins = no_pins(30)
    pins[[4, 14]] = 11  # one router, two phases
    problem = PlacementProblem(chip, 30, nets, pins, phase=phase, members={"a": np.arange(8, 14)})
    problem = pin_by_name(problem, {"a": ((0, 0), (1, 2))})
    placed = place_by_phase(problem, PLACERS[name], np.random.default_rng(1))
    router = problem.routers(placed)
    assert len(set(zip(phase.tolist(), router.tolist(), strict=True))) == 30
    assert set(router.tolist()) <= set(problem.usable.tolist())
    assert router[[4, 14]].tolist() == [11, 11]
    assert (placed.x[8:14] <= 1).all()
    np.testing.assert_array_equal(placed.phase, phase)
    bound = placement_report(problem, placed)["lower_bound"]
    assert bound <= placement_cost(problem, router).distance
