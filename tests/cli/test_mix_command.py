"""``neurosim mix``: what is printed, and what a script reads."""

from __future__ import annotations

import json

import numpy as np
import pytest

from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, liaf
from neurosim_mapper.readers import write_network


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    network = Network.sequential(
        [
            Input((6,)),
            Linear(rng.normal(size=(8, 6))),
            liaf(1.0, 0.5),
            Linear(rng.normal(size=(3, 8))),
            liaf(1.0, 0.5),
        ]
    )
    write_network(network, tmp_path / "net.nir")
    x = rng.random((5, 3, 6))
    np.savez(tmp_path / "x.npz", x=x, y=np.array([0, 1, 2, 0, 1]))
    np.savez(tmp_path / "bare.npz", x=x)
    return tmp_path


def words(files, inputs="x.npz"):
    return [files / "net.nir", "--chip", "tianjic", "--input", files / inputs]


def test_table_and_proposal(neurosim_command, files):
    found = neurosim_command("mix", *words(files))
    assert found.code == 0, found.err
    assert "4 tried" in found.out
    assert "Proposed, for at least" in found.out
    assert all(len(line) <= 80 for line in found.out.splitlines())


def test_phase_of_eight_bits_has_the_accuracy_of_values(neurosim_command, files):
    options = ["--option", "values", "--option", "phase:8", "--json"]
    found = neurosim_command("mix", *words(files), *options)
    data = json.loads(found.out)
    values, phase = data["candidates"]
    assert values["sends"] == {"neuron2": "values"}
    assert phase["sends"] == {"neuron2": "phase:8"}
    assert phase["accuracy"] == values["accuracy"]


def test_labels_are_needed(neurosim_command, files):
    found = neurosim_command("mix", *words(files, "bare.npz"))
    assert found.code == 2
    assert "no labels y" in found.err
