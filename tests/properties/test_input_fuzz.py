"""Damaged files: whatever happens to their bytes, they load or give one clear sentence."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.chain import chain_run

from neurosim.errors import NeurosimError
from neurosim.results import MANIFEST, REQUIRED, load_run_folder, run_files
from neurosim.run.inputs import read_inputs

FUZZ = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
WOUNDS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4
)


def wounded(data: bytes, wounds, cut: float) -> bytes:
    """`data` cut off and with some bytes replaced."""
    changed = bytearray(data[: max(1, int(cut * len(data)))])
    for place, value in wounds:
        changed[int(place * len(changed))] = value
    return bytes(changed)


def complaint(function, *args) -> str | None:
    """What a function has to say; any other exception than ours goes through."""
    try:
        function(*args)
    except NeurosimError as error:
        return str(error)
    return None


def sample_file(compressed: bool) -> bytes:
    stream = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(stream, x=np.arange(24.0).reshape(2, 3, 4), y=np.array([1, 0]))
    return stream.getvalue()


FILES = {compressed: sample_file(compressed) for compressed in (True, False)}


@FUZZ
@given(WOUNDS, st.sampled_from([1.0, 1.0, 0.9, 0.5]), st.booleans())
def test_npz(tmp_path, wounds, cut, compressed):
    path = tmp_path / "in.npz"
    path.write_bytes(wounded(FILES[compressed], wounds, cut))
    sentence = complaint(read_inputs, path, (4,))
    assert sentence is None or str(path) in sentence


@pytest.fixture(scope="module")
def run_folder():
    return run_files(chain_run(np.full((1, 2), 5)))


@FUZZ
@given(st.sampled_from((MANIFEST, *REQUIRED)), WOUNDS, st.sampled_from([1.0, 0.7]))
def test_run_folder(run_folder, tmp_path, name, wounds, cut):
    """Any change is noticed: the folder is whole, or it is refused."""
    damaged = wounded(run_folder[name], wounds, cut)
    for file, content in run_folder.items():
        (tmp_path / file).write_bytes(content)
    (tmp_path / name).write_bytes(damaged)
    sentence = complaint(load_run_folder, tmp_path)
    if sentence is not None:
        assert str(tmp_path) in sentence
    elif name == MANIFEST:
        assert json.loads(damaged) == json.loads(run_folder[name])  # another blank, at most
    else:
        assert damaged == run_folder[name]
