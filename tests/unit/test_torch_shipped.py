"""The shipped checkpoints of the training examples: what 8 bits cost, on freshly made test data.

The data are made from the seed in the file; the accuracy of the trained PyTorch module before any
quantisation is in its provenance. PyTorch itself is not needed.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest

import neurosim
from neurosim.chip.files import load_chip
from neurosim.run.simulator import predict
from neurosim_mapper.data import (
    FrameOptions,
    build_vocabulary,
    encode_questions,
    frame_events,
    make_stories,
    moving_digits,
)
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.readers import read_network
from neurosim_mapper.reference import run_reference

FOLDER = Path(neurosim.__file__).parent / "demo_data"
CHECKPOINTS = sorted([*FOLDER.glob("moving_digits_*.nir"), *FOLDER.glob("stories_*.nir")])


@cache
def moving(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """400 test films and 64 training films, as examples/train_moving_digits.py makes them."""
    pytest.importorskip("sklearn", reason="the digit images come with scikit-learn")
    options = FrameOptions(bin_us=12_500, ticks=8, size=(16, 16), binary=True)

    def frames(n, split):
        data = moving_digits(n, seed, split=split)
        return np.concatenate([frame_events(e, options).x for e in data.events]), data.motion

    return *frames(400, "test"), frames(64, "train")[0]


@cache
def stories(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The first 400 of 1600 stories are the test, as examples/train_stories.py makes them."""
    told = make_stories(1600, seed, n_questions=2)
    vocabulary = build_vocabulary(told)
    ticks = encode_questions(told, vocabulary).statements.shape[1]

    def words(part):
        coded = encode_questions(part, vocabulary, ticks, ticks)
        both = np.concatenate(
            [np.eye(len(vocabulary))[w] for w in (coded.statements, coded.questions)], axis=-1
        )
        both[..., 0] = both[..., len(vocabulary)] = 0
        return both, coded.answers

    return *words(told[:400]), words(told[400:432])[0]


@pytest.mark.parametrize("path", CHECKPOINTS, ids=lambda path: path.stem)
def test_8_bits_cost_less_than_a_point(path):
    network = read_network(path)
    seed = network.provenance["seed"]
    x, y, calibration = (moving if path.name.startswith("moving") else stories)(seed)
    quantized = quantize(network, load_chip("tianjic"), calibration)
    correct = predict(run_reference(quantized, x), network.readout) == y
    if network.provenance["quantisation_aware"]:  # its integers do not depend on the quantizer
        assert correct.mean() == pytest.approx(network.provenance["test_accuracy_8_bit"], abs=1e-9)
    assert correct.mean() >= network.provenance["test_accuracy_trained_module"] - 0.01


def test_the_checkpoints_are_there_and_small():
    kinds = ("liaf", "lif", "dalif")
    names = {f"{what}_{kind}.nir" for what in ("moving_digits", "stories") for kind in kinds}
    assert names <= {path.name for path in CHECKPOINTS}
    assert all(path.stat().st_size < 150_000 for path in CHECKPOINTS)
