"""Train the two networks that are shipped with neurosim: LIAF and LIF on handwritten digits.

    pip install 'neurosim-toolchain[train]'
    python examples/train_digits.py --output neurosim/demo_data

scikit-learn's 8x8 digits (1797 images, grey levels 0..16) are shown over 8 ticks: in tick t a
pixel sends a spike if it is brighter than level t. Both networks are dense, 64 - 256 - 128 - 10,
with batch normalisation in front of every hidden layer, and are read out by the sum over the
ticks. The LIAF network sends values (ReLU of the potential), the LIF network spikes. Training is
back-propagation through time in plain PyTorch, from a fixed seed; neurosim only writes the files.
"""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from rich.progress import Progress
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn

from neurosim_mapper.float_executor import run_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import BatchNorm, Input, Linear, Neuron, Node, liaf, lif
from neurosim_mapper.readers import read_network, write_network

SEED = 2022
LEVELS = (1, 3, 5, 7, 9, 11, 13, 15)  # one per tick
SIZES = (64, 256, 128, 10)
THRESHOLD = 1.0
DECAY = 0.5
EPOCHS = 60
BATCH = 64
N_TEST = 360
N_CALIBRATION = 128
ACTIVITY_COST = 0.5  # weight of the mean output of the hidden layers in the loss

Kind = Literal["liaf", "lif"]


class Spike(torch.autograd.Function):
    """1 where u >= 0; the gradient is that of an arc tangent (Fang et al. 2021)."""

    @staticmethod
    def forward(ctx: Any, u: Tensor) -> Tensor:
        """Compare."""
        ctx.save_for_backward(u)
        return (u >= 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        """Scale by 1 / (1 + (pi u)^2)."""
        (u,) = ctx.saved_tensors
        return gradient / (1 + (torch.pi * u) ** 2)


class Digits(nn.Module):
    """Three dense layers of LIAF or LIF neurons (LIAF-Net, equations 2 to 8)."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        self.kind = kind
        pairs = list(pairwise(SIZES))
        self.linear = nn.ModuleList(
            nn.Linear(n_in, n_out, bias=n_out == SIZES[-1]) for n_in, n_out in pairs
        )
        self.norm = nn.ModuleList(nn.BatchNorm1d(n_out) for _, n_out in pairs[:-1])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Summed outputs (samples, 10) and mean hidden output for x (samples, ticks, 64)."""
        activity = x.new_zeros(())
        for i, linear in enumerate(self.linear):
            hidden = i < len(self.norm)
            current = linear(x)
            if hidden:
                current = self.norm[i](current.flatten(0, 1)).reshape(current.shape)
            x = self.neurons(current, analog_end=not hidden)
            if hidden:
                activity = activity + x.abs().mean()
        return x.sum(dim=1), activity

    def neurons(self, current: Tensor, analog_end: bool) -> Tensor:
        """One layer of neurons, tick by tick."""
        if self.kind == "liaf" and analog_end:
            return current  # integration-free: alpha = 0, identity
        potential = torch.zeros_like(current[:, 0])
        outputs = []
        for tick in range(current.shape[1]):
            u = potential + current[:, tick]
            fired = Spike.apply(u - THRESHOLD)
            potential = DECAY * u * (1 - fired)
            outputs.append(torch.relu(u) if self.kind == "liaf" else fired)
        return torch.stack(outputs, dim=1)

    def export(self, provenance: dict[str, Any], calibration: np.ndarray) -> Network:
        """The trained network as neurosim holds it, with typical inputs."""
        nodes: list[Node] = [Input((SIZES[0],))]
        for i, linear in enumerate(self.linear):
            bias = None if linear.bias is None else _numbers(linear.bias)
            nodes.append(Linear(_numbers(linear.weight), bias))
            if i < len(self.norm):
                norm = self.norm[i]
                values = (norm.running_mean, norm.running_var, norm.weight, norm.bias)
                nodes.append(BatchNorm(*(_numbers(v) for v in values), eps=norm.eps))
            nodes.append(self.exported_neuron(last=i == len(self.norm)))
        chain = Network.sequential(nodes)
        return replace(chain, provenance=provenance, calibration=calibration)

    def exported_neuron(self, last: bool) -> Neuron:
        """The neuron node of one layer."""
        if self.kind == "lif":
            return lif(THRESHOLD, DECAY)
        return liaf(THRESHOLD, 0.0, "identity") if last else liaf(THRESHOLD, DECAY, "relu")


def _numbers(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy().astype(np.float64)


def present(images: np.ndarray) -> np.ndarray:
    """Grey levels (samples, 64) as spikes (samples, ticks, 64) uint8."""
    return (images[:, None, :] > np.array(LEVELS)[None, :, None]).astype(np.uint8)


def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Spikes and labels for training, then for testing."""
    data = load_digits()
    x_train, x_test, y_train, y_test = train_test_split(
        data.data, data.target, test_size=N_TEST, random_state=SEED, stratify=data.target
    )
    labels = (y_train.astype(np.int64), y_test.astype(np.int64))
    return present(x_train), present(x_test), *labels


@contextmanager
def reproducible() -> Iterator[None]:
    """Fixed seed, one thread, deterministic algorithms."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    yield


def train(kind: Kind, x: np.ndarray, y: np.ndarray) -> Digits:
    """Train one network on spikes x (samples, ticks, 64) and labels y (samples,)."""
    with reproducible(), Progress() as progress:
        net = Digits(kind)
        inputs, labels = torch.from_numpy(x).float(), torch.from_numpy(y)
        optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-3)
        n_steps = EPOCHS * -(-len(y) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=n_steps)
        bar = progress.add_task(f"training {kind.upper()}", total=n_steps)
        for _ in range(EPOCHS):
            for part in torch.randperm(len(y)).split(BATCH):
                scores, activity = net(inputs[part])
                loss = nn.functional.cross_entropy(scores, labels[part], label_smoothing=0.05)
                optimizer.zero_grad()
                (loss + ACTIVITY_COST * activity).backward()
                optimizer.step()
                schedule.step()
                progress.advance(bar)
    return net.eval()


def decisions(scores: np.ndarray) -> np.ndarray:
    """The class with the largest sum over the ticks, (samples,) for (samples, ticks, 10)."""
    return scores.sum(axis=1).argmax(axis=1)


def save(net: Digits, path: Path, x: np.ndarray, y: np.ndarray, calibration: np.ndarray) -> None:
    """Write the network with its provenance, and check the file against the trained module."""
    with torch.no_grad():
        scores, _ = net(torch.from_numpy(x).float())
    n_right = int((scores.numpy().argmax(axis=1) == y).sum())
    provenance = {
        "script": "examples/train_digits.py",
        "seed": SEED,
        "data": f"scikit-learn load_digits, {N_TEST} of 1797 held out, stratified",
        "presentation": f"pixel > level, levels {list(LEVELS)}, one per tick",
        "versions": {
            name: importlib.metadata.version(name) for name in ("torch", "scikit-learn", "numpy")
        },
        "test_samples": len(y),
        "test_correct": n_right,
        "test_accuracy": n_right / len(y),
    }
    write_network(net.export(provenance, calibration), path)
    again = decisions(run_float(read_network(path), x))
    if int((again == y).sum()) != n_right:
        raise SystemExit(f"{path} does not reach the accuracy of the trained module.")
    print(f"{path}: {n_right} of {len(y)} test digits right ({n_right / len(y):.2%})")


def main() -> None:
    """Train both networks; write them, the test digits and some digits for calibration."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path("digits"), help="folder for the files")
    folder = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    x_train, x_test, y_train, y_test = digits()
    for kind in ("liaf", "lif"):
        net, path = train(kind, x_train, y_train), folder / f"digits_{kind}.nir"
        save(net, path, x_test, y_test, x_train[:N_CALIBRATION])
    np.savez_compressed(folder / "digits_test.npz", x=x_test, y=y_test.astype(np.uint8))
    np.savez_compressed(
        folder / "digits_calibration.npz",
        x=x_train[:N_CALIBRATION],
        y=y_train[:N_CALIBRATION].astype(np.uint8),
    )


if __name__ == "__main__":
    main()
