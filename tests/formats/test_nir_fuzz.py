"""Damaged NIR files end in a network or in one sentence: no traceback, no hang, little memory."""

from __future__ import annotations

import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from neurosim.errors import InputFileError, NeurosimError
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, liaf, lif
from neurosim_mapper.readers import read_network, write_network

FOLDER = Path(__file__).parents[1] / "data" / "frameworks"
N_MUTANTS = 75
LONGEST_SECONDS = 5.0  # far above the 0.2 s that were seen, far below a hang


def ours(path: Path) -> bytes:
    """A small file of our own with a LIAF node."""
    nodes = [Input((2,)), Linear(np.ones((3, 2))), liaf(1.0, 0.5), lif(1.0, 0.5)]
    write_network(Network.sequential(nodes), path)
    return path.read_bytes()


def mutant(content: bytes, rng: np.random.Generator) -> bytes:
    """Flip bytes, overwrite or copy a stretch, damage the head, or cut the end off."""
    data = bytearray(content)
    kind = rng.integers(5)
    if kind == 0:
        for _ in range(rng.integers(1, 9)):
            data[rng.integers(len(data))] = rng.integers(256)
    elif kind == 1:
        start, width = rng.integers(len(data)), rng.integers(1, 64)
        data[start : start + width] = rng.bytes(min(width, len(data) - start))
    elif kind == 2:
        start, source = rng.integers(len(data), size=2)
        width = rng.integers(1, 256)
        data[start : start + width] = data[source : source + width]
    elif kind == 3:
        for _ in range(3):
            data[rng.integers(min(len(data), 4000))] = rng.choice([0, 1, 127, 128, 255])
    else:
        del data[rng.integers(len(data)) :]
    return bytes(data)


@pytest.mark.parametrize(
    "source",
    ["own", "snntorch/rleaky_zero", "spikingjelly/conv_avgpool", "rockpool/lif_vector"],
)
def test_mutants(tmp_path: Path, source: str) -> None:
    path = tmp_path / "mutant.nir"
    content = ours(path) if source == "own" else (FOLDER / f"{source}.nir").read_bytes()
    for seed in range(N_MUTANTS):
        path.write_bytes(mutant(content, np.random.default_rng(seed)))
        start = time.monotonic()
        message = str(path)
        try:
            read_network(path, None if source == "own" else "literal")
        except NeurosimError as error:
            message = str(error)
        assert time.monotonic() - start < LONGEST_SECONDS, seed
        assert message.startswith(str(path)), seed
        assert "\n" not in message, seed


def test_a_text_of_four_gigabytes_is_not_believed(tmp_path: Path) -> None:
    """The length of a text is written in front of it; the HDF5 library would allocate it."""
    path = tmp_path / "long.nir"
    ours(path)
    with h5py.File(path) as file:
        offset = file["node/type"].id.get_offset()
    data = bytearray(path.read_bytes())
    data[offset : offset + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    with pytest.raises(InputFileError) as caught:
        read_network(path)
    assert str(caught.value) == f"{path}: '/node/type' holds more text than the file can."
