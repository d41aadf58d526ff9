"""Any function in 256 entries as activation; maximum pooling at the border."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neurosim.chip.files import load_chip
from neurosim.errors import InputFileError
from neurosim_mapper import (
    Input,
    Linear,
    Network,
    Neuron,
    Pool,
    quantize,
    read_network,
    run_float,
    run_reference,
    write_network,
)

STEPS = np.arange(256) - 128
WAVE = np.sin(STEPS / 10.0) * 3.0


def network(step: float = 0.5) -> Network:
    neuron = Neuron(
        output="analog",
        alpha=np.asarray(0.0),
        reset="none",
        activation="table",
        table=WAVE,
        table_step=step,
    )
    return Network.sequential([Input((1,)), Linear(np.array([[0.5], [-0.5]])), neuron])


def inputs() -> np.ndarray:
    return np.arange(200, dtype=np.float64).reshape(1, -1, 1)


def test_float_looks_up_the_nearest_entry() -> None:
    found = run_float(network(), inputs())[0]
    for row, k in zip(found, range(200), strict=True):
        np.testing.assert_array_equal(row, [WAVE[min(k, 127) + 128], WAVE[max(-k, -128) + 128]])


def test_the_chip_looks_up_the_same_entry() -> None:
    """Potentials in the middle of entries: only the 8-bit output is rounded."""
    quantized = quantize(network(), load_chip("tianjic"), inputs(), input_kind="analog")
    unit = quantized.layers[0].output_unit
    found = run_reference(quantized, inputs()) * unit
    np.testing.assert_allclose(found, run_float(network(), inputs()), atol=unit / 2 + 1e-9)


def test_files_keep_the_table(tmp_path: Path) -> None:
    write_network(network(), tmp_path / "net.nir")
    again = read_network(tmp_path / "net.nir")
    np.testing.assert_array_equal(run_float(again, inputs()), run_float(network(), inputs()))


def test_tables_are_checked() -> None:
    with pytest.raises(InputFileError, match="table has 3 entries; needed: 256"):
        Neuron(output="analog", activation="table", table=np.zeros(3))
    with pytest.raises(InputFileError, match="go together"):
        Neuron(output="analog", activation="table")
    with pytest.raises(InputFileError, match="table_step is 0"):
        Neuron(output="analog", activation="table", table=WAVE, table_step=0)


def test_a_maximum_ignores_padding_as_in_torch() -> None:
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(2).normal(size=(2, 3, 4, 5, 5)) - 2.0
    pool = Pool("max", (3, 3), (2, 2), ((1, 1), (1, 1)))
    found = run_float(Network.sequential([Input((4, 5, 5)), pool]), x)
    expected = torch.nn.functional.max_pool2d(torch.as_tensor(x).flatten(0, 1), 3, 2, 1)
    np.testing.assert_array_equal(found.reshape(expected.shape), expected.numpy())
