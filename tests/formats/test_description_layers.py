"""Layers of a description without a state: joined, normalised, pooled over one axis."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from neurosim.errors import InputFileError
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Pool
from neurosim_mapper.norms import LayerNorm
from neurosim_mapper.readers import read_network, write_network

RNG = np.random.default_rng(31)


def described(folder: Path, shape: str, layers: str, **tensors: np.ndarray) -> Path:
    """A description beside the tensors that it names."""
    np.savez(folder / "n.npz", **tensors)
    path = folder / "n.yaml"
    path.write_text(
        f"neurosim_network: 1\ncheckpoint: n.npz\nreading: snntorch\ninput: {shape}\nlayers:\n"
        + "".join(f"- {{{line}}}\n" for line in layers.strip().splitlines())
    )
    return path


def test_concatenation_of_features_and_of_channels(tmp_path: Path) -> None:
    a, b = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 7))
    path = described(
        tmp_path,
        "[3]",
        "name: a, kind: linear, weight: a\n"
        "name: both, kind: concat, inputs: [input, a]\n"
        "kind: linear, weight: b",
        a=a,
        b=b,
    )
    x = RNG.normal(size=(2, 5, 3))
    expected = np.concatenate([x, x @ a.T], axis=-1) @ b.T
    np.testing.assert_allclose(run_float(read_network(path), x), expected)
    c = RNG.normal(size=(3, 2, 1, 1))
    path = described(
        tmp_path,
        "[2, 2, 2]",
        "name: c, kind: conv2d, weight: c\nkind: concat, inputs: [c, input, c]\nkind: flatten",
        c=c,
    )
    x = RNG.normal(size=(2, 5, 2, 2, 2))
    mixed = np.einsum("oc,stchw->stohw", c[:, :, 0, 0], x)
    expected = np.concatenate([mixed, x, mixed], axis=2).reshape(2, 5, -1)
    np.testing.assert_allclose(run_float(read_network(path), x), expected)


def test_layers_that_cannot_be_joined(tmp_path: Path) -> None:
    w = RNG.normal(size=(3, 2, 2, 2))
    path = described(
        tmp_path,
        "[2, 4, 4]",
        "name: c, kind: conv2d, weight: w\nkind: concat, inputs: [c, input]",
        w=w,
    )
    with pytest.raises(InputFileError, match=r"inputs have the shapes \(3, 3, 3\), \(2, 4, 4\)"):
        read_network(path)
    path = described(tmp_path, "[2, 4, 4]", "kind: concat, inputs: [input]", w=w)
    with pytest.raises(InputFileError, match="inputs needs two or more layers to join"):
        read_network(path)


def test_pools_over_one_axis(tmp_path: Path) -> None:
    layers = "kind: max_pool1d, kernel: 2\nkind: avg_pool1d, kernel: 3, stride: 1"
    path = described(tmp_path, "[2, 8]", layers, unused=np.zeros(1))
    x = RNG.normal(size=(2, 3, 2, 8))
    largest = x.reshape(2, 3, 2, 4, 2).max(axis=-1)
    expected = np.stack([largest[..., i : i + 3].mean(axis=-1) for i in (0, 1)], axis=-1)
    np.testing.assert_allclose(run_float(read_network(path), x), expected.reshape(2, 3, 4))


def test_layer_norm_with_and_without_groups(tmp_path: Path) -> None:
    gain, shift = RNG.normal(size=4), RNG.normal(size=4)
    layers = "kind: layer_norm, weight: g, bias: s, eps: 0.25, groups: 2"
    x = RNG.normal(size=(2, 3, 4, 2, 2))
    parts = x.reshape(2, 3, 2, 8)
    normal = (parts - parts.mean(-1, keepdims=True)) / np.sqrt(parts.var(-1, keepdims=True) + 0.25)
    expected = normal.reshape(x.shape) * gain[:, None, None] + shift[:, None, None]
    path = described(tmp_path, "[4, 2, 2]", layers, g=gain, s=shift)
    given = run_float(read_network(path), x)
    np.testing.assert_allclose(given, expected.reshape(2, 3, -1))


def test_own_node_types_come_back_from_nir(tmp_path: Path) -> None:
    norm = LayerNorm(RNG.normal(size=4), RNG.normal(size=4), 0.125, 2)
    pools = [Pool("max", (2,), (2,), ((1, 0),)), Pool("avg", (2,), (1,))]
    network = Network.sequential([Input((4, 9)), norm, *pools])
    write_network(network, tmp_path / "own.nir")
    again = read_network(tmp_path / "own.nir")
    x = RNG.normal(size=(2, 3, 4, 9))
    np.testing.assert_array_equal(run_float(again, x), run_float(network, x))
    assert again.edges == network.edges
    with pytest.raises(InputFileError, match="LayerNorm has 4 channels, but gets shape"):
        Network.sequential([Input((3,)), norm])
    with pytest.raises(InputFileError, match="not divisible into 3 groups"):
        LayerNorm(np.ones(4), np.zeros(4), groups=3)
