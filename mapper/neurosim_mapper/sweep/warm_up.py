"""Loaded by the process that workers are forked from: modules and kernels of an ordinary point.

Importing this computes a point of two small layers, so that everything it needs is in memory;
kernels that were never compiled are then compiled once, and not by every worker for itself.
"""

from __future__ import annotations

import contextlib

import numpy as np

from neurosim.chip.files import chip_with, load_chip
from neurosim.run.inputs import Inputs
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, liaf
from neurosim_mapper.sweep.settings import Settings
from neurosim_mapper.sweep.study import Point
from neurosim_mapper.sweep.task import Outcome, Task, evaluate


def play_a_point() -> Outcome:
    """Map two layers onto a few tiny cores, and play one tick."""
    layer = (Linear(np.ones((8, 8))), liaf(1.0, 0.5, "relu", clamp=(0.0, 127.0)))
    network = Network.sequential([Input((8,)), *layer, *layer])
    chip = chip_with(load_chip("tianjic"), {"core.axons": 4, "core.neurons": 4}, "a tiny core")
    point = Point(Settings(network="", chip="", input="", effort=1), {}, {})
    x = np.ones((1, 1, 8))
    return evaluate(Task(point, chip, network, Inputs(x, np.zeros(1, np.int64)), x))


with contextlib.suppress(Exception):  # whoever needs it will find the error again
    play_a_point()
