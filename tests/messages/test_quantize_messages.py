"""What the quantizer says when it cannot do what it is asked; each names object and remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurosim.chip.files import load_chip
from neurosim.errors import DoesNotFitError, InputFileError, UnsupportedError, UsageError
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import (
    Conv,
    Delay,
    Input,
    Linear,
    Neuron,
    Node,
    Pool,
    liaf,
    lif,
)
from neurosim_mapper.quantizer import quantize
from tests.support.chips import make_chip


def network(*nodes: Node, shape: tuple[int, ...] = (2,)) -> Network:
    return Network.sequential([Input(shape), *nodes])


WEIGHT = np.array([[0.3, 0.7]])
CASES: dict[str, tuple[Any, type[Exception], str]] = {
    "weight bits": (
        lambda: quantize(network(Linear(WEIGHT), lif(1.0, 0.5)), make_chip(), weight_bits=9),
        UsageError,
        "weight_bits is 9; test holds weights of 2 to 8 bits. Choose one of these, or leave it to "
        "the chip.",
    ),
    "one bit": (
        lambda: quantize(network(Linear(WEIGHT), lif(1.0, 0.5)), make_chip(core__weight_bits=1)),
        DoesNotFitError,
        "test has core.weight_bits = 1; a signed weight needs 2. A chip with core.weight_bits of 2 "
        "would fit.",
    ),
    "range method": (
        lambda: quantize(network(lif(1.0, 0.5)), make_chip(), activation_range="max"),  # type: ignore[arg-type]
        UsageError,
        "activation_range is 'max'; known: minmax, percentile, mse.",
    ),
    "shift of the chip": (
        lambda: quantize(network(lif(1.0, 0.5)), make_chip(), weight_shift=9),
        UsageError,
        "weight_shift is 9; test offers 0 to 8.",
    ),
    "shift of the threshold": (
        lambda: quantize(
            network(Linear(WEIGHT), lif(70.0, 0.5)),
            make_chip(core__membrane_bits=16),
            weight_shift=8,
        ),
        DoesNotFitError,
        "Layer 'neuron2': with weight_shift 8 its thresholds or biases reach",
    ),
    "decay without fraction": (
        lambda: quantize(network(Linear(WEIGHT), lif(1.0, 0.9)), make_chip(core__decay_bits=0)),
        DoesNotFitError,
        "Layer 'neuron2': a decay of 0.9 needs fractional bits, test has none",
    ),
    "growing decay": (
        lambda: quantize(network(Linear(WEIGHT), lif(1.0, 1.5)), make_chip()),
        UnsupportedError,
        "Layer 'neuron2': a decay of 1.5 lets the potential grow by itself",
    ),
    "analog layer": (
        lambda: quantize(
            network(Linear(WEIGHT), liaf(1.0, 0.5), Linear([[1.0]]), lif(1.0, 0.5)),
            make_chip(core__output_kinds=["spike"]),
            np.ones((1, 1, 2)),
        ),
        DoesNotFitError,
        "Layer 'neuron2' sends analog packets; test sends spike packets only.",
    ),
    "linear read-out": (
        lambda: quantize(
            network(lif(1.0, 0.5), Linear(WEIGHT)), make_chip(core__output_kinds=["spike"])
        ),
        DoesNotFitError,
        "The linear read-out sends analog packets; test sends spike packets only.",
    ),
    "analog input": (
        lambda: quantize(
            network(Linear(WEIGHT), lif(1.0, 0.5)),
            make_chip(core__input_kinds=["spike"]),
            np.full((1, 1, 2), 0.5),
        ),
        DoesNotFitError,
        "Input: the network needs analog packets, test takes spike packets. Encode",
    ),
    "current-based": (
        lambda: quantize(
            network(Linear(WEIGHT), Neuron(alpha_syn=np.asarray(0.5))), load_chip("tianjic")
        ),
        DoesNotFitError,
        "Layer 'neuron2' has a synaptic state and needs the soma model 'cuba'; tianjic offers liaf",
    ),
    "maximum of values": (
        lambda: quantize(
            network(
                Conv(np.ones((1, 1, 1, 1))),
                Pool("max", (2, 2), (2, 2)),
                lif(1.0, 0.5),
                shape=(1, 4, 4),
            ),
            load_chip("truenorth"),
        ),
        UnsupportedError,
        "'pool2': a maximum pool of values (in front of neurons, or behind analog ones) needs "
        "analog packets; truenorth has spike packets only. Choose a chip with analog packets",
    ),
    "maximum of a padded border": (
        lambda: quantize(
            network(
                Conv(np.ones((1, 1, 1, 1))), Pool("max", 2, 1, 1), lif(1.0, 0.5), shape=(1, 4, 4)
            ),
            make_chip(),
        ),
        UnsupportedError,
        "'pool2': a maximum pool of values with a window of 2 and padding 1 and 1 has windows "
        "without a middle inside the image. Pad at most 0.",
    ),
    "late bias": (
        lambda: quantize(network(Linear(WEIGHT, [1.0]), Delay(2), lif(1.0, 0.5)), make_chip()),
        UnsupportedError,
        "'delay2': a delay behind a bias would need a bias that starts 2 ticks late.",
    ),
    "two wide convolutions": (
        lambda: quantize(
            network(
                Conv(np.ones((8, 8, 3, 3)), padding=((1, 1), (1, 1))),
                Conv(np.ones((8, 8, 3, 3)), padding=((1, 1), (1, 1))),
                lif(1.0, 0.5),
                shape=(8, 64, 64),
            ),
            make_chip(),
        ),
        UnsupportedError,
        "'conv2': this Conv cannot be joined with the linear nodes before it",
    ),
    "unbounded output": (
        lambda: quantize(
            network(Linear(WEIGHT), liaf(1.0, 1.0, "identity", reset="none")), make_chip()
        ),
        UsageError,
        "Layer 'neuron2': nothing bounds its analog output. Give calibration data",
    ),
    "calibration of another shape": (
        lambda: quantize(network(lif(1.0, 0.5)), make_chip(), np.zeros((1, 1, 3))),
        InputFileError,
        "x has shape (1, 1, 3); needed: (samples, ticks, 2).",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence_with_object_and_remedy(case: str) -> None:
    call, error, text = CASES[case]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)
