"""Trained networks keep their accuracy at 8 bits: the bar is one point of the float network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import neurosim
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.readers import read_network
from neurosim_mapper.reference import run_reference
from tests.support.chips import make_chip

DEMO = Path(neurosim.__file__).parent / "demo_data"


@pytest.mark.parametrize("kind", ["liaf", "lif"])
@pytest.mark.parametrize("method", ["minmax", "mse"])
def test_demo_networks_stay_within_one_point(kind: str, method: str) -> None:
    network = read_network(DEMO / f"digits_{kind}.nir")
    with np.load(DEMO / "digits_test.npz") as data, np.load(DEMO / "digits_calibration.npz") as c:
        x, y, calibration = data["x"], data["y"], c["x"]
    quantized = quantize(network, make_chip(), calibration, activation_range=method)  # type: ignore[arg-type]
    right = [
        (outputs.sum(axis=1).argmax(axis=1) == y).mean()
        for outputs in (run_float(network, x), run_reference(quantized, x))
    ]
    assert right[0] > 0.95
    assert abs(right[0] - right[1]) <= 0.01
