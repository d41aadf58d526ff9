"""Placement: which core of the chip each core of the partition becomes.

`placement_problem` turns a wired network into nets with weights; a placer (`PLACERS`) gives every
core a router; `placement_report` says what that costs and how far from the optimum it can be.
"""

from __future__ import annotations

from neurosim_mapper.place.extract import placement_problem
from neurosim_mapper.place.pins import Pins, parse_pin
from neurosim_mapper.place.placement_file import write_placement_file
from neurosim_mapper.place.placers import PLACERS, Placer
from neurosim_mapper.place.placing import Placing, place
from neurosim_mapper.place.problem import PlacementProblem, problem_of_pairs
from neurosim_mapper.place.rates import calibrated_rates
from neurosim_mapper.place.report import placement_report, placement_sentence

__all__ = [
    "PLACERS",
    "Pins",
    "PlacementProblem",
    "Placer",
    "Placing",
    "calibrated_rates",
    "parse_pin",
    "place",
    "placement_problem",
    "placement_report",
    "placement_sentence",
    "problem_of_pairs",
    "write_placement_file",
]
