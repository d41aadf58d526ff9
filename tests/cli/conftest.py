"""The command line as a process would see it: words in, exit code, stdout and stderr out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from support.chain import chain_program

from neurosim_cli.main import run as run_words
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, liaf, lif
from neurosim_mapper.readers import write_network

N_IN, N_HIDDEN, N_CLASSES, TICKS, SAMPLES = 12, 20, 4, 5, 6


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def neurosim_command(capsys, monkeypatch, tmp_path):
    """Run a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*words) -> Outcome:
        capsys.readouterr()
        code = run_words([str(word) for word in words])
        seen = capsys.readouterr()
        return Outcome(code, seen.out, seen.err)

    return call


def trained(kind: str) -> Network:
    """A two-layer network with integer weights, so that nothing needs calibration."""
    rng = np.random.default_rng(7)
    first = rng.integers(-3, 5, size=(N_HIDDEN, N_IN)).astype(float)
    second = rng.integers(-4, 5, size=(N_CLASSES, N_HIDDEN)).astype(float)
    neurons = [
        liaf(6.0, 0.5, "relu", clamp=(0.0, 127.0)) if kind == "liaf" else lif(6.0, 0.5),
        lif(8.0, 0.5),
    ]
    return Network.sequential(
        [Input((N_IN,)), Linear(first), neurons[0], Linear(second), neurons[1]]
    )


@pytest.fixture(scope="session")
def files(tmp_path_factory) -> Path:
    """liaf.nir, lif.nir, samples.npz, static.npz and chain.nsp in one folder."""
    folder = tmp_path_factory.mktemp("cli")
    for kind in ("liaf", "lif"):
        write_network(trained(kind), folder / f"{kind}.nir")
    rng = np.random.default_rng(8)
    x = rng.integers(0, 2, size=(SAMPLES, TICKS, N_IN))
    y = rng.integers(0, N_CLASSES, size=SAMPLES)
    np.savez(folder / "samples.npz", x=x, y=y)
    np.savez(folder / "static.npz", x=x[:, 0], y=y)
    chain_program().save(folder / "chain.nsp")
    np.savez(folder / "chain.npz", x=np.full((2, 3, 1), 5))
    return folder
