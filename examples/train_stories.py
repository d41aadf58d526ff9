"""Train LIAF, LIF, DA-LIF, RNN, GRU and LSTM to answer questions about stories, and map them.

    pip install 'neurosim-toolchain[train]'
    python examples/train_stories.py                # one seed, a few minutes
    python examples/train_stories.py --seeds 0 1 2  # the table of README.md

Stories in the format of bAbI are told by a small world (made here, from a seed): people walk from
room to room, and a question asks where one of them is. The network is that of LIAF-Net Fig. 5:
statement and question each pass an embedding and a temporal layer of 100 cells, one dense layer
answers. One word arrives per tick. With `--output`, `neurosim compare` puts the networks side by
side: what does a layer with gates cost in packets, on the same chip?
"""

from __future__ import annotations

import argparse
import importlib.metadata
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress
from table import Row, print_table

from neurosim_mapper.data import build_vocabulary, encode_questions, make_stories
from neurosim_mapper.readers import write_network
from neurosim_mapper.torch import export_network, quantization_aware
from neurosim_mapper.torch.training import (
    FitOptions,
    fit,
    measure,
    module_accuracy,
)
from neurosim_mapper.torch.zoo import GATED, SPIKING, QuestionNetwork, weight_count

KINDS = (*SPIKING, *GATED)
QUESTIONS = 2  # per story
BATCH = 32
N_CALIBRATION = 64
MOST_LOST = 0.005  # accuracy that 8 bits may cost before training goes on in integers


def one_hot(words: np.ndarray, n: int) -> np.ndarray:
    """(samples, ticks, n) uint8; word 0 is padding, all zeros."""
    found = np.eye(n, dtype=np.uint8)[words]
    found[..., 0] = 0
    return found


def samples(n_stories: int, seed: int, task: Any) -> tuple[Any, Any, Any, Any, int]:
    """Words and answers for training and testing, and the size of the vocabulary.

    Statement and question end at the same tick; the question is padded in front.
    """
    stories = make_stories(n_stories, seed, task=task, n_questions=QUESTIONS)
    n_test = n_stories // 4
    vocabulary = build_vocabulary(stories)
    whole = encode_questions(stories, vocabulary)
    ticks = whole.statements.shape[1]
    parts = []
    for chosen in (stories[n_test:], stories[:n_test]):
        coded = encode_questions(chosen, vocabulary, ticks, ticks)
        words = [one_hot(w, len(vocabulary)) for w in (coded.statements, coded.questions)]
        parts += [np.concatenate(words, axis=-1), coded.answers]
    return parts[0], parts[1], parts[2], parts[3], len(vocabulary)


def train_one(kind: str, seed: int, data: Any, arguments: Any, progress: Progress) -> Row:
    """Train, export, quantise (and train on if needed), map, simulate; a row of the table."""
    x, y, x_test, y_test, n_words = data
    torch.manual_seed(seed)
    model = QuestionNetwork(kind, n_words)
    steps = arguments.epochs * -(-len(y) // BATCH)
    bar = progress.add_task(f"{kind}, seed {seed}", total=steps)
    options = FitOptions(arguments.epochs, BATCH, arguments.rate, label_smoothing=0.0, seed=seed)
    fit(model, x, y, options, lambda done: progress.update(bar, completed=done))
    trained = module_accuracy(model, x_test, y_test)
    row = Row(kind, x.shape[1], seed, trained, None, weight_count(model))
    calibration = x[:N_CALIBRATION]
    exported = export_network(model, torch.from_numpy(x[:1]), calibration=calibration)
    measured = measure(exported, x_test, y_test, calibration, arguments.chip)
    row = replace(row, measured=measured, rounded=measured.integer_accuracy)
    if measured.integer_accuracy < trained - MOST_LOST and kind not in GATED:
        integer = quantization_aware(model, arguments.chip, calibration)
        epochs = max(1, arguments.epochs // 4)
        bar = progress.add_task(
            f"{kind} in integers, seed {seed}", total=epochs * -(-len(y) // BATCH)
        )
        options = replace(options, epochs=epochs, learning_rate=arguments.rate / 10)
        fit(integer, x, y, options, lambda done: progress.update(bar, completed=done))
        exported = export_network(integer, calibration=calibration)
        measured = measure(exported, x_test, y_test, calibration, arguments.chip)
        row = replace(row, measured=measured, aware=True)
    if arguments.output is not None:
        save(row, exported, arguments)
    return row


def save(row: Row, exported: Any, arguments: Any) -> None:
    """Write the checkpoint with where it comes from."""
    assert row.measured is not None
    notes = {
        "script": "examples/train_stories.py",
        "seed": row.seed,
        "data": f"{arguments.stories} stories of {QUESTIONS} questions, {arguments.task}, the "
        "first quarter of them for testing",
        "presentation": f"{row.ticks} ticks, one word each, statement and question side by side",
        "versions": {name: importlib.metadata.version(name) for name in ("torch", "numpy")},
        "test_accuracy_trained_module": row.trained,
        "test_accuracy_8_bit": row.measured.integer_accuracy,
        "quantisation_aware": row.aware,
    }
    kept = replace(exported, provenance={**exported.provenance, **notes})
    name = f"stories_{row.kind.lower().replace('-', '')}.nir"
    write_network(kept, arguments.output / name)


def main() -> None:
    """Train what the options ask for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--task", default="one_fact", choices=("one_fact", "two_facts"))
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate")
    parser.add_argument("--stories", type=int, default=1600, help="a quarter of them for testing")
    parser.add_argument("--chip", default="tianjic")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, help="folder for the checkpoints")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.output is not None:
        arguments.output.mkdir(parents=True, exist_ok=True)
    rows = []
    with Progress() as progress:
        for seed in arguments.seeds:
            data = samples(arguments.stories, seed, arguments.task)
            rows += [train_one(k, seed, data, arguments, progress) for k in arguments.kinds]
            if arguments.output is not None:
                np.savez_compressed(
                    arguments.output / "stories_test.npz",
                    x=data[2][:64],
                    y=data[3][:64].astype(np.uint8),
                )
    print_table(rows)


if __name__ == "__main__":
    main()
