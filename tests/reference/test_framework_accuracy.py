"""Framework networks keep their accuracy with 8-bit weights and a 24-bit membrane."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.frameworks import FOLDER, NAMES, description, shared_samples

from neurosim.chip.files import load_chip
from neurosim.files.strict_yaml import dump_yaml
from neurosim_mapper import quantize, read_network, run_float, run_reference

CHIP = load_chip("loihi")
ONE_POINT = 0.01


@pytest.mark.parametrize("name", NAMES)
def test_within_one_point_of_float(name: str, tmp_path: Path) -> None:
    """Calibrated on the recorded inputs, without labels; measured on 200 other samples."""
    (tmp_path / "net.yaml").write_text(dump_yaml(description(name, str(FOLDER / f"{name}.pt"))))
    network = read_network(tmp_path / "net.yaml")
    quantized = quantize(network, CHIP, np.load(FOLDER / f"{name}.npz")["x"], weight_bits=8)
    assert CHIP.core.membrane_bits == 24
    shared = shared_samples(name)
    in_float = (run_float(network, shared["x"]).sum(1).argmax(1) == shared["y"]).mean()
    in_integers = (run_reference(quantized, shared["x"]).sum(1).argmax(1) == shared["y"]).mean()
    assert in_integers >= in_float - ONE_POINT - 1e-9
