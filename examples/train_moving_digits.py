"""Train LIAF, LIF and DA-LIF of the same size to see which way a digit moves, and map them.

    pip install 'neurosim-toolchain[train]'
    python examples/train_moving_digits.py                # one seed, a few minutes
    python examples/train_moving_digits.py --seeds 0 1 2  # the table of README.md

An event camera looks at handwritten digits that move along one of eight motions (data made here,
from a seed). The network is that of LIAF-Net for DVS128 Gesture, scaled down: three convolutions,
two poolings with neurons, two dense layers; the three models differ in their neurons alone. Every
network is exported, quantised to 8 bit, mapped onto a chip and simulated there. Where 8 bits cost
more than half a point, the network is trained on in the integers of the chip.

For comparison the layers can be recurrent ones instead, `--kinds LIAF LSTM --chip tianjic_array`:
convolutional and dense RNN, GRU or LSTM of the same sizes, which need many more cores.
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
from torch import nn

from neurosim_mapper.data import MOTIONS, FrameOptions, frame_events, moving_digits
from neurosim_mapper.readers import write_network
from neurosim_mapper.torch import (
    MODELS,
    ConvRecurrent,
    TimeDistributed,
    TimeReduce,
    export_network,
    quantization_aware,
)
from neurosim_mapper.torch.recurrent import GATED, Recurrent
from neurosim_mapper.torch.training import (
    FitOptions,
    fit,
    measure,
    module_accuracy,
)
from neurosim_mapper.torch.zoo import weight_count

SIDE = 16
FILM_US = 100_000
FILTERS = (4, 8, 8)
UNITS = 32
N_CALIBRATION = 64
MOST_LOST = 0.005  # accuracy that 8 bits may cost before training goes on in integers


def samples(n: int, seed: int, split: Any, ticks: int, progress: Progress) -> tuple[Any, Any]:
    """Spikes (n, ticks, 2, SIDE, SIDE) and motions (n,): at most one event per pixel and bin."""
    bar = progress.add_task(f"{split} data", total=n)
    data = moving_digits(
        n, seed, split=split, on_sample=lambda done: progress.update(bar, completed=done)
    )
    options = FrameOptions(bin_us=FILM_US // ticks, ticks=ticks, size=(SIDE, SIDE), binary=True)
    frames = [frame_events(events, options).x for events in data.events]
    return np.concatenate(frames).astype(np.uint8), data.motion


def network(kind: str) -> nn.Sequential:
    """The scaled-down gesture network; LIAF hands values on, LIF and DA-LIF spikes."""
    if kind in GATED:
        return recurrent_network(kind)
    layer = MODELS[kind]
    last = {"activation": "identity"} if kind == "LIAF" else {}
    first, second, third = FILTERS
    return nn.Sequential(
        layer["conv"](2, first, batch_norm=True),
        layer["conv"](first, second, batch_norm=True),
        layer["pooling"](2),
        layer["conv"](second, third, batch_norm=True),
        layer["pooling"](2),
        nn.Flatten(2),
        layer["dense"](third * (SIDE // 4) ** 2, UNITS, batch_norm=True),
        layer["dense"](UNITS, len(MOTIONS), batch_norm=True, **last),
        TimeReduce("sum"),
    )


def recurrent_network(kind: str) -> nn.Sequential:
    """The same sizes with RNN, GRU or LSTM layers; pooling has no cells of its own."""
    first, second, third = FILTERS
    return nn.Sequential(
        ConvRecurrent(kind, 2, first),
        ConvRecurrent(kind, first, second),
        TimeDistributed(nn.AvgPool2d(2)),
        ConvRecurrent(kind, second, third),
        TimeDistributed(nn.AvgPool2d(2)),
        nn.Flatten(2),
        Recurrent(kind, third * (SIDE // 4) ** 2, UNITS),
        Recurrent(kind, UNITS, len(MOTIONS)),
        TimeReduce("sum"),
    )


def train_one(kind: str, seed: int, data: Any, arguments: Any, progress: Progress) -> Row:
    """Train, export, quantise (and train on if needed), map, simulate; a row of the table."""
    x, y, x_test, y_test = data
    torch.manual_seed(seed)
    model = network(kind)
    steps = arguments.epochs * -(-len(y) // 32)
    bar = progress.add_task(f"{kind}, {arguments.ticks} ticks, seed {seed}", total=steps)
    options = FitOptions(epochs=arguments.epochs, seed=seed)
    fit(model, x, y, options, lambda done: progress.update(bar, completed=done))
    trained = module_accuracy(model, x_test, y_test)
    calibration = x[:N_CALIBRATION]
    exported = export_network(model, torch.from_numpy(x[:1]), calibration=calibration)
    measured = measure(exported, x_test, y_test, calibration, arguments.chip)
    after = measured.integer_accuracy
    aware = measured.integer_accuracy < trained - MOST_LOST and kind not in GATED
    if aware:
        integer = quantization_aware(model, arguments.chip, calibration)
        steps = max(1, arguments.epochs // 4) * -(-len(y) // 32)
        bar = progress.add_task(f"{kind} in integers, seed {seed}", total=steps)
        options = FitOptions(epochs=max(1, arguments.epochs // 4), learning_rate=5e-4, seed=seed)
        fit(integer, x, y, options, lambda done: progress.update(bar, completed=done))
        exported = export_network(integer, calibration=calibration)
        measured = measure(exported, x_test, y_test, calibration, arguments.chip)
    row = Row(kind, arguments.ticks, seed, trained, measured, weight_count(model), aware, after)
    if arguments.output is not None:
        save(row, exported, arguments)
    return row


def save(row: Row, exported: Any, arguments: Any) -> None:
    """Write the checkpoint with where it comes from."""
    name = f"moving_digits_{row.kind.lower().replace('-', '')}.nir"
    notes = {
        "script": "examples/train_moving_digits.py",
        "seed": row.seed,
        "data": f"moving digits, {arguments.train} for training, {arguments.test} for testing",
        "presentation": f"{row.ticks} ticks of {FILM_US // row.ticks} us, {SIDE} x {SIDE}, binary",
        "versions": {
            name: importlib.metadata.version(name) for name in ("torch", "scikit-learn", "numpy")
        },
        "test_accuracy_trained_module": row.trained,
        "test_accuracy_8_bit": row.measured.integer_accuracy,
        "quantisation_aware": row.aware,
    }
    provenance = {**exported.provenance, **notes}
    write_network(replace(exported, provenance=provenance), arguments.output / name)


def main() -> None:
    """Train what the options ask for and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--kinds", nargs="+", default=list(MODELS), choices=[*MODELS, *GATED])
    parser.add_argument("--ticks", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--train", type=int, default=800, help="training samples")
    parser.add_argument("--test", type=int, default=400, help="test samples")
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
            x, y = samples(arguments.train, seed, "train", arguments.ticks, progress)
            x_test, y_test = samples(arguments.test, seed, "test", arguments.ticks, progress)
            data = (x, y, x_test, y_test)
            rows += [train_one(k, seed, data, arguments, progress) for k in arguments.kinds]
            if arguments.output is not None:
                np.savez_compressed(
                    arguments.output / "moving_digits_test.npz",
                    x=x_test[:64],
                    y=y_test[:64].astype(np.uint8),
                )
    print_table(rows)


if __name__ == "__main__":
    main()
