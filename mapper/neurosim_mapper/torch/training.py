"""A plain training loop, and what a trained network does on a chip: for the examples and a start.

Nothing else in neurosim depends on this file; any training loop will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from neurosim.chip.files import load_chip
from neurosim.chip.model import Chip
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.network import Network
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.reference import run_reference
from neurosim_mapper.torch.qat import QuantizationAware

Progress = Callable[[int], None]


@dataclass(frozen=True)
class FitOptions:
    """How to train: AdamW, one cycle of the learning rate, cross-entropy.

    Attributes
    ----------
    epochs, batch, learning_rate, weight_decay : the usual.
    label_smoothing : share of the target spread over the other classes.
    seed : of the order of the samples.
    """

    epochs: int = 20
    batch: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 1e-3
    label_smoothing: float = 0.05
    seed: int = 0


def scores_of(model: nn.Module, x: Tensor) -> Tensor:
    """Class scores (batch, classes): the model's result, summed over ticks if it has any."""
    y: Tensor = model.scores(x) if isinstance(model, QuantizationAware) else model(x)
    return y.sum(dim=1) if y.ndim == 3 else y


def fit(
    model: nn.Module,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    options: FitOptions,
    progress: Progress | None = None,
) -> nn.Module:
    """Train `model` in place and return it in evaluation mode.

    Parameters
    ----------
    x : (samples, ticks, ...).
    y : (samples,) class numbers.
    progress : called with the number of finished steps of ``epochs * ceil(samples / batch)``.
    """
    inputs = torch.from_numpy(np.asarray(x, dtype=np.float32))
    labels = torch.from_numpy(np.asarray(y, dtype=np.int64))
    order = torch.Generator().manual_seed(options.seed)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, lr=options.learning_rate, weight_decay=options.weight_decay
    )
    n_steps = options.epochs * -(-len(labels) // options.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.learning_rate, total_steps=n_steps
    )
    done = 0
    model.train()
    for _ in range(options.epochs):
        for part in torch.split(torch.randperm(len(labels), generator=order), options.batch):
            scores = scores_of(model, inputs[part])
            loss = nn.functional.cross_entropy(
                scores, labels[part], label_smoothing=options.label_smoothing
            )
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            done += 1
            if progress is not None:
                progress(done)
    return model.eval()


def module_accuracy(model: nn.Module, x: npt.ArrayLike, y: npt.ArrayLike) -> float:
    """Share of samples that the module itself gets right, in evaluation mode."""
    inputs = torch.from_numpy(np.asarray(x, dtype=np.float32))
    model.eval()
    with torch.no_grad():
        found = [scores_of(model, part).argmax(dim=1) for part in torch.split(inputs, 128)]
    return float((torch.cat(found).numpy() == np.asarray(y)).mean())


@dataclass(frozen=True)
class Measured:
    """A network on test data.

    Attributes
    ----------
    float_accuracy, integer_accuracy, chip_accuracy : shares of right samples of the float
        network, of its integers, and of the simulated chip on the first `chip_samples`.
    chip_samples : samples run on the chip.
    integer_accuracy_there : of the integers on the same samples; equal to `chip_accuracy`.
    cores : of the chip in use.
    operations : additions and multiply-accumulates per sample on the chip.
    packets : sent per sample, those of the host included.
    bits : of all packets, per sample.
    """

    float_accuracy: float
    integer_accuracy: float
    chip_accuracy: float
    chip_samples: int
    integer_accuracy_there: float
    cores: int
    operations: float
    packets: float
    bits: float


def measure(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    calibration: npt.ArrayLike,
    chip: Chip | str = "tianjic",
    chip_samples: int = 100,
    **options: Any,
) -> Measured:
    """Accuracy in float, in integers and on a simulated chip, and what a sample costs there.

    Parameters
    ----------
    x, y : test samples (samples, ticks, ...) and classes.
    calibration : inputs that set the ranges of analog values.
    **options : of `quantize`.
    """
    # The simulator is compiled when it is imported; training alone does not need it.
    from neurosim.cost.counters import totals
    from neurosim.run.simulator import predict, simulate
    from neurosim_mapper.pipeline import map_network

    target, inputs, labels = load_chip(chip), np.asarray(x), np.asarray(y)
    quantized = quantize(network, target, calibration, **options)
    integers = predict(run_reference(quantized, inputs), network.readout) == labels
    program = map_network(quantized, target)
    run = simulate(program, inputs[:chip_samples], labels=labels[:chip_samples])
    counts, n = totals(program, run.counters), max(1, len(inputs[:chip_samples]))
    return Measured(
        float_accuracy=float((_float_classes(network, inputs) == labels).mean()),
        integer_accuracy=float(integers.mean()),
        chip_accuracy=run.accuracy or 0.0,
        chip_samples=n,
        integer_accuracy_there=float(integers[:chip_samples].mean()),
        cores=program.n_cores,
        operations=(counts["synaptic_ops"] + counts["macs"]) / n,
        packets=(counts["packets"] + counts["input_packets"]) / n,
        bits=counts["bits_sent"] / n,
    )


def _float_classes(network: Network, x: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    y = run_float(network, x)
    scores = y[:, -1] if network.readout == "last" else y.sum(axis=1)
    return np.asarray(scores.argmax(axis=1), dtype=np.int64)
