"""Quantizing without calibration data: inputs that came with the checkpoint, or a stand-in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from support.chips import make_chip

from neurosim.chip.files import load_chip
from neurosim.errors import InputFileError
from neurosim_mapper.float_executor import run_float
from neurosim_mapper.network import Network
from neurosim_mapper.nodes import Input, Linear, liaf
from neurosim_mapper.quantizer import quantize
from neurosim_mapper.readers import read_network, write_network
from neurosim_mapper.reference import run_reference

RNG = np.random.default_rng(7)


def network(n=40):
    """Values with ranges far below what weights and inputs could reach at worst."""
    layers = [
        Linear(RNG.normal(size=(n, n)) / np.sqrt(n)), liaf(1.0, 0.5),
        Linear(RNG.normal(size=(n, n)) / np.sqrt(n)), liaf(1.0, 0.5),
        Linear(RNG.normal(size=(5, n)) / np.sqrt(n)), liaf(1.0, 0.0, "identity"),
    ]  # fmt: skip
    return Network.sequential([Input((n,)), *layers])


def integers_of(quantized, x):
    return run_reference(quantized, x).tolist()


def test_inputs_of_the_checkpoint_count_as_calibration(tmp_path):
    """The same integers, from the object and from its file, as with the data given by hand."""
    net, chip = network(), make_chip()
    x = (RNG.random((6, 5, 40)) < 0.2).astype(np.uint8)
    by_hand = quantize(net, chip, x)
    carried = replace(net, calibration=x)
    write_network(carried, tmp_path / "net.nir")
    read = read_network(tmp_path / "net.nir")
    np.testing.assert_array_equal(read.calibration, x)
    test = (RNG.random((4, 5, 40)) < 0.2).astype(float)
    for other in (quantize(carried, chip), quantize(read, chip)):
        assert integers_of(other, test) == integers_of(by_hand, test)
        assert [la.modes for la in other.layers] == [la.modes for la in by_hand.layers]


def test_given_data_come_before_those_of_the_checkpoint():
    net, chip = network(), make_chip()
    mine, theirs = ((RNG.random((6, 5, 40)) < p).astype(float) for p in (0.1, 0.9))
    test = (RNG.random((4, 5, 40)) < 0.1).astype(float)
    both = quantize(replace(net, calibration=theirs), chip, mine)
    assert integers_of(both, test) == integers_of(quantize(net, chip, mine), test)


def test_a_stand_in_keeps_the_decisions():
    """Without any data the arg max of nearly all samples is that of the float network."""
    net = network()
    x = (RNG.random((200, 6, 40)) < 0.3).astype(float)
    quantized = quantize(net, load_chip("tianjic"), input_kind="spike")
    in_float = run_float(net, x).sum(axis=1).argmax(axis=1)
    in_integers = run_reference(quantized, x).sum(axis=1).argmax(axis=1)
    assert (in_float == in_integers).mean() > 0.95
    assert any("random inputs of 0 and 1, doubled" in a for a in quantized.assumptions)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (np.zeros((2, 3, 4)), r"shape \(2, 3, 4\); needed: \(samples, ticks, 40\)"),
        (np.zeros((0, 3, 40)), "at least one of each"),
        (np.full((1, 1, 40), np.nan), "not all finite"),
    ],
)
def test_calibration_inputs_that_do_not_fit_are_refused(x, text):
    with pytest.raises(InputFileError, match=text):
        replace(network(), calibration=x)
