"""What is wrong with an input file or a run folder: one sentence with file, need and remedy."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest

from neurosim.errors import InputFileError, UsageError
from neurosim.run.inputs import read_inputs, spread_over_ticks


def save(path, **arrays):
    np.savez(path / "in.npz", **arrays)
    return path / "in.npz"


def complaint(function, *args, **kwargs):
    with pytest.raises((InputFileError, UsageError)) as caught:
        function(*args, **kwargs)
    return str(caught.value)


def test_missing_file(tmp_path):
    path = tmp_path / "gone.npz"
    assert complaint(read_inputs, path, (1,)) == f"{path}: no such file."


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 but no zip", b"x,y\n1,2\n"])
def test_not_an_npz(tmp_path, content):
    path = tmp_path / "in.npz"
    path.write_bytes(content)
    expected = f"{path}: is not a .npz file (numpy.savez), or it is damaged."
    assert complaint(read_inputs, path, (1,)) == expected


def test_cut_off(tmp_path):
    path = save(tmp_path, x=np.zeros((10, 2, 3)))
    path.write_bytes(path.read_bytes()[:200])
    expected = f"{path}: is not a .npz file (numpy.savez), or it is damaged."
    assert complaint(read_inputs, path, (3,)) == expected


def test_flipped_bits(tmp_path):
    path = tmp_path / "in.npz"
    np.savez_compressed(path, x=np.random.default_rng(0).random((10, 2, 3)))
    data = bytearray(path.read_bytes())
    data[200:260] = bytes(60)
    path.write_bytes(data)
    assert complaint(read_inputs, path, (3,)).startswith(f"{path}: is")


def test_a_member_that_is_no_array(tmp_path):
    path = tmp_path / "in.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", b"hello")
    assert complaint(read_inputs, path, (1,)).startswith(f"{path}: is damaged (")


def test_a_member_that_is_shorter_than_it_says(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 2, 3)))
    path = tmp_path / "in.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", (tmp_path / "x.npy").read_bytes()[:-8])
    assert complaint(read_inputs, path, (3,)) == f"{path}: is damaged (x is cut off)."


def test_no_x(tmp_path):
    path = save(tmp_path, data=np.zeros((1, 1, 1)))
    assert complaint(read_inputs, path, (1,)) == (
        f"{path}: holds no array named 'x' (nor 'ids' and their 'table')."
    )


def test_pickles_are_refused(tmp_path):
    path = save(tmp_path, x=np.array([[[{"a": 1}]]], dtype=object))
    assert complaint(read_inputs, path, (1,)) == (
        f"{path}: x holds Python objects; they are never unpickled. Save numbers."
    )


def test_no_numbers(tmp_path):
    path = save(tmp_path, x=np.array([[["a"]]]))
    assert complaint(read_inputs, path, (1,)) == f"{path}: x has dtype <U1; numbers are needed."


@pytest.mark.parametrize("shape", [(3,), (5, 3, 8, 9), (5, 8, 8, 1), (2, 3, 4, 8, 8)])
def test_wrong_shape(tmp_path, shape):
    path = save(tmp_path, x=np.zeros(shape))
    assert complaint(read_inputs, path, (8, 8)) == (
        f"{path}: x has shape {shape}; needed: (samples, ticks, 8, 8), or (samples, 8, 8) and a "
        "number of ticks."
    )


def test_no_samples(tmp_path):
    path = save(tmp_path, x=np.zeros((0, 3, 8)))
    assert complaint(read_inputs, path, (8,)) == (
        f"{path}: x has shape (0, 3, 8); at least one sample and tick."
    )


def test_wrong_labels(tmp_path):
    path = save(tmp_path, x=np.zeros((3, 2, 8)), y=np.zeros(4, np.int64))
    assert complaint(read_inputs, path, (8,)) == (
        f"{path}: y has shape (4,) and dtype int64; needed: 3 integers, one class per sample."
    )


def test_static_samples_need_ticks(tmp_path):
    path = save(tmp_path, x=np.zeros((3, 8)))
    assert complaint(read_inputs, path, (8,)) == (
        f"{path}: x has shape (3, 8), without a tick axis; say for how many ticks each sample is "
        "shown (--ticks)."
    )


def test_ticks_that_are_there_already(tmp_path):
    path = save(tmp_path, x=np.zeros((3, 4, 8)))
    assert complaint(read_inputs, path, (8,), encoder="rate") == (
        f"{path}: x has 4 ticks already; leave the encoder out."
    )
    assert complaint(read_inputs, path, (8,), ticks=9) == (
        f"{path}: x has 4 ticks, --ticks says 9. Leave it out."
    )


def test_encoders():
    x = np.array([[0.0, 16.0]])
    assert complaint(spread_over_ticks, x, 3, "rate") == (
        "x holds values from 0 to 16; spikes can code 0 to 1. Set the largest value with "
        "--full-scale."
    )
    assert complaint(spread_over_ticks, x, 3, "morse") == (
        "encoder is 'morse'; known: repeat, rate, latency."
    )
    assert complaint(spread_over_ticks, x, 0) == "ticks is 0; at least 1 is needed."
    assert complaint(spread_over_ticks, x * np.nan, 3, "rate") == (
        "x holds NaN or infinite values; all must be finite."
    )
    assert complaint(spread_over_ticks, x, 3, "rate", full_scale=0.0) == (
        "full_scale is 0.0; a number above 0 is needed."
    )
