"""Input files and encoders: shapes, seeds, codes."""

from __future__ import annotations

import numpy as np
import pytest

from neurosim.errors import InputFileError, UsageError
from neurosim.run.inputs import Inputs, read_inputs, spread_over_ticks


@pytest.fixture
def save(tmp_path):
    def write(**arrays):
        path = tmp_path / "in.npz"
        np.savez(path, **arrays)
        return path

    return write


def test_samples_with_ticks_come_as_they_are(save):
    x = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
    found = read_inputs(save(x=x, y=[1, 0], note="kept out"), (4,))
    np.testing.assert_array_equal(found.x, x)
    assert found.x.dtype == np.uint8
    np.testing.assert_array_equal(found.y, [1, 0])


def test_embeddings_are_looked_up(save):
    """x[sample, tick] = table[ids[sample, tick]], also with several ids in a tick."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(7, 3))
    ids = rng.integers(0, 7, size=(2, 5), dtype=np.uint8)
    found = read_inputs(save(ids=ids, table=table, y=[0, 1]), (3,))
    np.testing.assert_array_equal(found.x, [[table[i] for i in row] for row in ids])
    np.testing.assert_array_equal(found.y, [0, 1])
    pairs = rng.integers(0, 7, size=(2, 5, 2))
    assert read_inputs(save(ids=pairs, table=table), (2, 3)).x.shape == (2, 5, 2, 3)
    with pytest.raises(InputFileError, match="ids go from 0 to 7; the table has 7 rows"):
        read_inputs(save(ids=np.array([[0, 7]]), table=table), (3,))
    with pytest.raises(InputFileError, match="needed: integers, and numbers"):
        read_inputs(save(ids=ids / 2, table=table), (3,))


def test_labels_are_optional(save):
    assert read_inputs(save(x=np.zeros((2, 3, 4))), (4,)).y is None


def test_static_samples_are_repeated(save):
    x = np.arange(2 * 6).reshape(2, 1, 2, 3)
    found = read_inputs(save(x=x), (1, 2, 3), ticks=5).x
    assert found.shape == (2, 5, 1, 2, 3)
    for tick in range(5):
        np.testing.assert_array_equal(found[:, tick], x)


def test_compressed_files_are_read(tmp_path):
    np.savez_compressed(tmp_path / "z.npz", x=np.ones((1, 2, 3)))
    assert read_inputs(tmp_path / "z.npz", (3,)).x.shape == (1, 2, 3)


def test_first_samples():
    inputs = Inputs(np.zeros((5, 2, 1)), np.arange(5))
    assert inputs.first(None) is inputs
    assert inputs.first(2).x.shape == (2, 2, 1)
    np.testing.assert_array_equal(inputs.first(2).y, [0, 1])
    assert inputs.first(99).x.shape[0] == 5
    with pytest.raises(UsageError, match="samples is 0"):
        inputs.first(0)


def test_rate_code_has_the_chance_of_the_value():
    """Binomial: 4000 draws at 0.3 lie within five standard deviations of 1200."""
    x = np.tile([0.0, 0.3, 1.0], (1, 1))
    spikes = spread_over_ticks(x, 4000, "rate", seed=1)
    assert set(np.unique(spikes)) == {0, 1}
    counts = spikes.sum(axis=1)[0]
    assert counts[0] == 0
    assert counts[2] == 4000
    assert abs(counts[1] - 1200) < 5 * np.sqrt(4000 * 0.3 * 0.7)


def test_rate_code_follows_the_seed_and_not_the_number_of_samples():
    x = np.full((6, 10), 0.5)
    one, again, other = (spread_over_ticks(x, 8, "rate", seed=s) for s in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    np.testing.assert_array_equal(spread_over_ticks(x[:3], 8, "rate", seed=1), one[:3])


def test_latency_code_by_hand():
    """round((1 - x) * 4): 1 in tick 0, 0.75 in tick 1, 0.25 in tick 3, 0 never."""
    spikes = spread_over_ticks(np.array([[1.0, 0.75, 0.25, 0.0]]), 5, "latency")
    np.testing.assert_array_equal(
        spikes[0],
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0]],
    )


def test_full_scale_divides():
    x = np.array([[0.0, 4.0, 16.0]])
    scaled = spread_over_ticks(x, 5, "latency", full_scale=16.0)
    np.testing.assert_array_equal(scaled, spread_over_ticks(x / 16, 5, "latency"))


def test_own_encoder():
    found = spread_over_ticks(np.ones((2, 3)), 4, lambda x, ticks, rng: np.zeros((2, ticks, 3)))
    assert found.shape == (2, 4, 3)


def test_what_is_not_asked_for_is_not_read(tmp_path):
    """An object array beside x does not matter: it is never opened."""
    np.savez(tmp_path / "o.npz", x=np.zeros((1, 1, 1)), meta=np.array([{}], dtype=object))
    assert read_inputs(tmp_path / "o.npz", (1,)).x.shape == (1, 1, 1)


def test_huge_claims_cost_no_memory(tmp_path):
    """A header that promises 16 TiB is refused before anything is allocated."""
    import io
    import zipfile

    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 41,)}
    )
    with zipfile.ZipFile(tmp_path / "huge.npz", "w") as archive:
        archive.writestr("x.npy", header.getvalue())
    with pytest.raises(InputFileError, match="MiB are read"):
        read_inputs(tmp_path / "huge.npz", (1,))
