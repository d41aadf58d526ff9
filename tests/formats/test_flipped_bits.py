"""Any flipped bit of a program or of a run folder is refused, with the reason."""

from __future__ import annotations

import random

import numpy as np
import pytest
from support.chain import chain_program, chain_run

from neurosim.errors import InputFileError
from neurosim.program.columns import load_program
from neurosim.results import MANIFEST, REQUIRED, load_run_folder, run_files

N_FLIPS = 300


def flipped(content: bytes, bit: int) -> bytes:
    data = bytearray(content)
    data[bit // 8] ^= 1 << bit % 8
    return bytes(data)


def some_bits(content: bytes, seed: int) -> list[int]:
    """The head and the tail, where a zip keeps what nobody reads, and a draw of the rest."""
    n = 8 * len(content)
    ends = (*range(0, 8 * 40, 5), *range(n - 8 * 100, n, 5))
    return [*ends, *random.Random(seed).sample(range(n), N_FLIPS)]


def test_program(tmp_path):
    path = tmp_path / "chain.nsp"
    chain_program().save(path)
    content = path.read_bytes()
    for bit in some_bits(content, 1):
        path.write_bytes(flipped(content, bit))
        with pytest.raises(InputFileError) as caught:
            load_program(path)
        assert str(caught.value).startswith(f"{path}: "), bit
        assert "\n" not in str(caught.value), bit
    path.write_bytes(content)
    load_program(path)


@pytest.mark.parametrize("name", [MANIFEST, *REQUIRED])
def test_run_folder(name, tmp_path):
    files = run_files(chain_run(np.full((1, 2), 5)))
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    for bit in some_bits(files[name], 2)[::4]:
        (tmp_path / name).write_bytes(flipped(files[name], bit))
        with pytest.raises(InputFileError) as caught:
            load_run_folder(tmp_path)
        assert str(caught.value).startswith(f"{tmp_path}/"), bit
    (tmp_path / name).write_bytes(files[name])
    load_run_folder(tmp_path)


def test_numpy_still_opens_a_sealed_file(tmp_path):
    chain_program().save(tmp_path / "chain.nsp")
    with np.load(tmp_path / "chain.nsp", allow_pickle=False) as columns:
        assert columns["cores.x"].tolist() == [0, 1, 2]
