"""Damaged .pt, .safetensors, .npz and YAML files: one line with file and reason, nothing else."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.frameworks import FOLDER, description

from neurosim.errors import InputFileError, NeurosimError
from neurosim.files.strict_yaml import dump_yaml
from neurosim_mapper.readers import read_network
from neurosim_mapper.readers.state_dict import read_state_dict

NAME = "snntorch/rleaky_zero"


def contents(tmp_path: Path, suffix: str) -> bytes:
    if suffix == ".npz":
        tensors = read_state_dict(FOLDER / f"{NAME}.pt").tensors
        np.savez(tmp_path / "whole.npz", **tensors)
        return (tmp_path / "whole.npz").read_bytes()
    name = {".safetensors": "snntorch/dense_scalar"}.get(suffix, NAME)
    return (FOLDER / f"{name}{suffix}").read_bytes()


def complaint(reader: Callable[[Path], Any], path: Path) -> str:
    """What a reader says about a file; its name if nothing is wrong."""
    try:
        reader(path)
    except NeurosimError as error:
        return str(error)
    return str(path)


@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".npz"])
def test_damaged_files(suffix: str, tmp_path: Path) -> None:
    """Cut off, overwritten and shifted bytes, most of them where the structure is."""
    whole, rng = contents(tmp_path, suffix), random.Random(7)
    path = tmp_path / f"net{suffix}"
    for i in range(400):
        damaged = bytearray(whole)
        if i % 4 == 0:
            del damaged[rng.randrange(len(whole)) :]
        for _ in range(rng.randint(1, 6)):
            if damaged:
                spot = rng.choice(
                    [rng.randrange(len(damaged)), rng.randrange(min(900, len(damaged)))]
                )
                damaged[spot] = rng.randrange(256)
        path.write_bytes(bytes(damaged))
        first, *more = complaint(read_state_dict, path).split("\n")
        assert str(path) in first
        assert not more or "Save its numbers once" in first


def test_damaged_descriptions(tmp_path: Path) -> None:
    rng = random.Random(3)
    whole = dump_yaml(description(NAME, str(FOLDER / f"{NAME}.pt")))
    path = tmp_path / "net.yaml"
    lines = whole.split("\n")
    for i in range(300):
        words = list(lines)
        spot = rng.randrange(1, len(words))
        if i % 3 == 0:
            del words[spot]
        elif i % 3 == 1:
            words[spot] = words[spot].partition(":")[0] + ": " + rng.choice(["[]", "-1", "x", "{}"])
        else:
            cut = rng.randrange(len(words[spot]) + 1)
            words[spot] = words[spot][:cut] + rng.choice("?:{]1-") + words[spot][cut:]
        path.write_text("\n".join(words))
        message = complaint(read_network, path)
        assert "\n" not in message
        assert str(path) in message


def torch_zip(path: Path, pickled: bytes, data: bytes = b"\0" * 64, **more: Any) -> None:
    with zipfile.ZipFile(path, "w", **more) as archive:
        archive.writestr("net/data.pkl", pickled)
        archive.writestr("net/data/0", data)


def tensor_pickle(offset: str, shape: str, stride: str, n_elements: str = "I16\n") -> bytes:
    """Protocol 0 by hand: {"w": _rebuild_tensor_v2(storage, offset, shape, stride, False, {})}."""
    storage = f"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\n{n_elements}tQ"
    return (
        f"}}Vw\nctorch._utils\n_rebuild_tensor_v2\n({storage}{offset}{shape}{stride}I00\n}}tRs."
    ).encode()


def test_the_hand_made_pickle_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    data = np.arange(16, dtype="<f4").tobytes()
    torch_zip(path, tensor_pickle("I2\n", "(I3\nI2\nt", "(I1\nI4\nt"), data)
    np.testing.assert_array_equal(read_state_dict(path).tensors["w"], [[2, 6], [3, 7], [4, 8]])


@pytest.mark.parametrize(
    ("offset", "shape", "stride", "n_elements"),
    [
        ("I15\n", "(I2\nt", "(I1\nt", "I16\n"),
        ("I-1\n", "(I2\nt", "(I1\nt", "I16\n"),
        ("I0\n", "(I2\nt", "(I-1\nt", "I16\n"),
        ("I0\n", "(I1000000000\nt", "(I0\nt", "I16\n"),
        ("I0\n", "(I2\nt", "(I1\nI1\nt", "I16\n"),
        ("I0\n", "(F2.0\nt", "(I1\nt", "I16\n"),
        ("I0\n", "(I2\nt", "(I1\nt", "I17\n"),
        ("I0\n", "(I2\nt", "(I1\nt", "I-1\n"),
        ("I0\n", "(I4611686018427387904\nI4\nt", "(I1\nI1\nt", "I16\n"),
    ],
)
def test_tensors_cannot_reach_outside_their_storage(
    offset: str, shape: str, stride: str, n_elements: str, tmp_path: Path
) -> None:
    path = tmp_path / "net.pt"
    torch_zip(path, tensor_pickle(offset, shape, stride, n_elements))
    with pytest.raises(InputFileError, match=r"net.pt: is not a usable torch file: "):
        read_state_dict(path)


class Evil:
    """Would write a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> Any:
        return (open, (self.target, "w"))


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    path, target = tmp_path / "net.pt", tmp_path / "written"
    for value in ({"w": Evil(target)}, Evil(target), {"state_dict": {"w": Evil(target)}}):
        torch_zip(path, pickle.dumps(value, protocol=2))
        with pytest.raises(NeurosimError, match=r"net.pt: holds "):
            read_state_dict(path)
        path.write_bytes(pickle.dumps(value))
        with pytest.raises(NeurosimError, match="is a bare pickle"):
            read_state_dict(path)
    np.savez(tmp_path / "net.npz", w=np.array([Evil(target)], dtype=object))
    with pytest.raises(InputFileError, match="holds Python objects; they are never unpickled"):
        read_state_dict(tmp_path / "net.npz")
    assert not target.exists()


def test_memory_is_bounded_by_the_size_of_the_file(tmp_path: Path) -> None:
    """A memo index of 2**31, a header of 2**60 bytes, an array of 2**40 values, a zip bomb."""
    torch_zip(tmp_path / "memo.pt", b"\x80\x02}r\xff\xff\xff\x7f.")
    (tmp_path / "long.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    header = {"w": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}}
    text = json.dumps(header).encode()
    (tmp_path / "wide.safetensors").write_bytes(struct.pack("<Q", len(text)) + text)
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f4", "fortran_order": False, "shape": (1 << 40,)}
    )
    with zipfile.ZipFile(tmp_path / "wide.npz", "w") as archive:
        archive.writestr("w.npy", stream.getvalue())
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("w.npy", b"\0" * (70 << 20))
    packed = {"compression": zipfile.ZIP_DEFLATED}
    torch_zip(
        tmp_path / "bomb.pt", tensor_pickle("I0\n", "(I1\nt", "(I1\nt"), b"\0" * 999, **packed
    )
    tracemalloc.start()
    for path in sorted(tmp_path.iterdir()):
        with pytest.raises(InputFileError) as caught:
            read_state_dict(path)
        assert "\n" not in str(caught.value)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 << 20


def test_deep_json_and_doubled_names(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    for text in ('{"a":' * 100_000, '{"a": {}, "a": {}}', '{"a": 1}', '{"a": {"dtype": []}}'):
        path.write_bytes(struct.pack("<Q", len(text)) + text.encode())
        with pytest.raises(InputFileError, match=r"net.safetensors: "):
            read_state_dict(path)
