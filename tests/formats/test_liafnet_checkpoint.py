"""Checkpoints of the LIAF-Net group's training code against a PyTorch version of its layers.

Equations: sigmoid decay, U > threshold, reset to 0, SELU limited to 0..1, kernel -> norm -> pool.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from neurosim.errors import InputFileError
from neurosim_cli.main import cli
from neurosim_mapper import read_network, run_float
from neurosim_mapper.nodes import Neuron

torch = pytest.importorskip("torch", reason="needs the extra 'train'")
nn = torch.nn


class Cell(nn.Module):
    """One layer: kernel, BatchNorm, perhaps a pool, neuron."""

    def __init__(self, kernel: nn.Module, norm: nn.Module, pool: int = 0) -> None:
        super().__init__()
        self.kernel, self.NormLayer, self.pool = kernel, norm, pool
        self.decay = nn.Parameter(torch.randn(1))
        norm.running_mean.normal_(std=0.3)  # type: ignore[union-attr, operator]
        norm.running_var.uniform_(0.5, 2)  # type: ignore[union-attr, operator]

    def forward(
        self, x: torch.Tensor, v: torch.Tensor | float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        x = self.NormLayer(self.kernel(x))
        x = nn.functional.avg_pool2d(x, self.pool) if self.pool else x
        u = torch.sigmoid(self.decay) * v + x
        return torch.clamp(nn.functional.selu(u), 0, 1), u * (u <= 0.5)


class Net(nn.Module):
    """Two convolutions, a dense layer, a linear read-out."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.ModuleDict(
            {
                "cnn1": Cell(nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), 2),
                "cnn2": Cell(nn.Conv2d(4, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), 2),
                "fc1": Cell(nn.Linear(24, 10), nn.BatchNorm1d(10)),
                "out": nn.Linear(10, 3),
            }
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state: dict[str, torch.Tensor | float] = {"cnn1": 0.0, "cnn2": 0.0, "fc1": 0.0}
        results = []
        for tick in range(x.shape[1]):
            y = x[:, tick]
            for name in state:
                y = y.flatten(1) if name == "fc1" else y
                y, state[name] = self.network[name](y, state[name])
            results.append(self.network["out"](y))
        return torch.stack(results, 1)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_described_checkpoint_gives_the_outputs_of_its_module(
    tmp_path: Path, prefix: str
) -> None:
    torch.manual_seed(4)
    net = Net().double().eval()
    tensors = {prefix + name: value for name, value in net.state_dict().items()}
    torch.save({"net": tensors, "epoch": 3}, tmp_path / "ckpt.pt")
    output = tmp_path / "net.yaml"
    result = CliRunner().invoke(cli, ["describe", str(tmp_path / "ckpt.pt"), "-o", str(output)])
    assert result.exit_code == 0, result.output
    assert "The names look like liafnet." in result.output
    assert ", 0 blanks (?) to fill" in result.output
    assert "threshold 0.5" in output.read_text()
    network = read_network(output)
    assert network.input_shape == (2, 8, 8)
    x = torch.rand(3, 6, 2, 8, 8, dtype=torch.float64) * 2
    with torch.no_grad():
        expected = net(x).numpy()
    np.testing.assert_allclose(run_float(network, x.numpy()), expected, rtol=0, atol=1e-9)
    fired = [n for n in network.nodes.values() if isinstance(n, Neuron) and n.clamp is not None]
    assert [n.strict for n in fired] == [True] * 3


def test_without_a_dense_layer_the_size_of_the_input_is_asked_for(tmp_path: Path) -> None:
    torch.save(
        {"network.cnn1." + k: v for k, v in Net().network["cnn1"].state_dict().items()},
        tmp_path / "c.pt",
    )
    output = tmp_path / "c.yaml"
    CliRunner().invoke(cli, ["describe", str(tmp_path / "c.pt"), "-o", str(output)])
    with pytest.raises(InputFileError, match="input"):
        read_network(output)


def test_a_table_and_a_clamp_in_a_description(tmp_path: Path) -> None:
    """Any function of U in 256 entries, limited afterwards."""
    np.savez(tmp_path / "n.npz", w=np.eye(1))
    table = [k * k / 64.0 for k in range(-128, 128)]
    (tmp_path / "n.yaml").write_text(
        "neurosim_network: 1\ncheckpoint: n.npz\nreading: liafnet\ninput: [1]\nlayers:\n"
        "  - {kind: linear, weight: w}\n"
        "  - {kind: neuron, decay: 0.0, threshold: 1.0, activation: table, clamp: [0, 2],\n"
        f"     table_step: 0.125, table: {table}}}\n"
    )
    x = np.array([0.0, 0.5, -0.5, 1.0, 1.5]).reshape(1, 5, 1)
    expected = np.minimum((x / 0.125) ** 2 / 64, 2)
    np.testing.assert_allclose(run_float(read_network(tmp_path / "n.yaml"), x), expected)
