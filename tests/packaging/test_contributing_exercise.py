"""The ten-line placer of CONTRIBUTING.md works as it stands there."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from support.chips import make_chip
from support.networks import random_network

from neurosim_mapper.pipeline import map_network

ROOT = Path(__file__).resolve().parents[2]


def test_the_exercise_of_contributing_goes_down_the_columns():
    text = (ROOT / "CONTRIBUTING.md").read_text()
    names: dict[str, Any] = {}
    exec(textwrap.dedent(text.split("```python")[1].split("```")[0]), names)
    chip = make_chip(core__neurons=8, grid={"wide": 6, "high": 3})
    network = random_network(np.random.default_rng(3), chip)
    program = map_network(network, chip, placer=names["place_column_major"])
    count = np.arange(program.n_cores)
    np.testing.assert_array_equal(program.cores.x, count // 3)
    np.testing.assert_array_equal(program.cores.y, count % 3)
    assert program.n_cores > 3
