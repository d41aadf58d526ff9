"""The shipped digit networks reach, in the float executor, what their provenance says."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from neurosim_mapper.float_executor import run_float
from neurosim_mapper.nodes import BatchNorm, Neuron
from neurosim_mapper.readers import read_network

DEMO = Path(str(files("neurosim") / "demo_data"))


@pytest.mark.parametrize("kind", ["liaf", "lif"])
def test_recorded_accuracy_is_reproduced(kind: str) -> None:
    network = read_network(DEMO / f"digits_{kind}.nir")
    test = np.load(DEMO / "digits_test.npz", allow_pickle=False)
    decisions = run_float(network, test["x"]).sum(axis=1).argmax(axis=1)
    recorded = network.provenance
    assert int((decisions == test["y"]).sum()) == recorded["test_correct"]
    assert recorded["test_samples"] == len(test["y"]) == 360
    assert recorded["test_accuracy"] > 0.95
    assert recorded["script"] == "examples/train_digits.py"


def test_networks_are_what_they_are_called() -> None:
    liaf, lif = (read_network(DEMO / f"digits_{kind}.nir") for kind in ("liaf", "lif"))
    assert {n.output for n in liaf.nodes.values() if isinstance(n, Neuron)} == {"analog"}
    assert {n.output for n in lif.nodes.values() if isinstance(n, Neuron)} == {"spike"}
    assert any(isinstance(n, BatchNorm) for n in liaf.nodes.values())


def test_data_are_small_and_of_the_stated_form() -> None:
    test = np.load(DEMO / "digits_test.npz", allow_pickle=False)
    calibration = np.load(DEMO / "digits_calibration.npz", allow_pickle=False)
    assert (test["x"].shape, test["x"].dtype) == ((360, 8, 64), np.uint8)
    assert calibration["x"].shape[1:] == (8, 64)
    assert set(np.unique(test["x"])) == {0, 1}
    # No calibration sample is a test sample.
    seen = {sample.tobytes() for sample in test["x"]}
    assert sum(sample.tobytes() in seen for sample in calibration["x"]) == 0
    assert sum(path.stat().st_size for path in DEMO.iterdir()) < 1_500_000
