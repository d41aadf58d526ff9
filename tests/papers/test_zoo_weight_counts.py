"""LIAF-Net: the networks of the zoo hold as many weights as Tables IV, VII and IX print."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the zoo is built in PyTorch (extra 'train')")

from neurosim.errors import UsageError  # noqa: E402
from neurosim_mapper.complexity import (  # noqa: E402
    CONV_NETWORKS,
    conv_network,
    question_network_weights,
)
from neurosim_mapper.paper_tables import TABLES  # noqa: E402
from neurosim_mapper.torch.zoo import (  # noqa: E402
    ZOO,
    QuestionNetwork,
    cifar10_dvs,
    convolution_weights,
    gesture,
    mnist_dvs,
    weight_count,
)


def printed(table: str, column: str) -> dict[str, tuple[float, int]]:
    """Row of a table -> the paper's two digits and the exact count of the formulas."""
    return {e.row: (e.printed, e.computed) for e in TABLES[table]() if e.column == column}


def cut(value: int, digits: int = 2) -> float:
    """`value` with its first digits only, as the paper prints."""
    unit = 10 ** (len(str(value)) - digits)
    return float(value // unit * unit)


KINDS = {"DenseLIAF": "LIAF", "DenseLIF": "LIF", "RNN": "RNN", "GRU": "GRU", "LSTM": "LSTM"}


@pytest.mark.parametrize("row", KINDS)
def test_table_iv_question_answering(row):
    model = QuestionNetwork(KINDS[row])
    layer, network = question_network_weights(row)
    assert weight_count(model.statement) == weight_count(model.question) == layer
    assert weight_count(model) == network
    assert cut(layer) == printed("IV", "Weights (layer)")[row][0]
    assert cut(network) == printed("IV", "Weights (network)")[row][0]


def test_da_lif_trains_two_numbers_per_cell():
    """Gain and decay; LIAF and LIF train four."""
    assert weight_count(QuestionNetwork("DA-LIF").statement) == 50 * 100 + 100 + 2 * 100


CONV = {"ConvLIAF": "LIAF", "ConvLIF": "LIF"}


@pytest.mark.parametrize("row", ["Conv2D", "Conv3D", "ConvLSTM", "ConvLIAF", "ConvLIF"])
def test_table_vii_cifar10_dvs(row):
    count = convolution_weights(cifar10_dvs(CONV.get(row, row)))
    paper, exact = printed("VII", "Weights")[row]
    assert count == exact
    assert cut(count) == paper


@pytest.mark.parametrize("row", ["ConvLSTM", "ConvLIAF", "ConvLIF"])
def test_table_ix_gesture(row):
    count = convolution_weights(gesture(CONV.get(row, row)))
    paper, exact = printed("IX", "Weights")[row]
    assert count == exact
    assert cut(count) == paper


@pytest.mark.parametrize("row", ["Conv2D", "Conv3D", "ConvLSTM", "ConvLIAF", "ConvLIF"])
def test_mnist_dvs_follows_the_same_formulas(row):
    count = convolution_weights(mnist_dvs(CONV.get(row, row)))
    assert count == conv_network(row, CONV_NETWORKS["MNIST-DVS"]).weights


def test_da_lif_has_the_convolutions_of_lif():
    for build in (mnist_dvs, cifar10_dvs, gesture):
        assert convolution_weights(build("DA-LIF")) == convolution_weights(build("LIF"))


def test_gesture_has_the_dense_layers_of_table_viii():
    shapes = [tuple(m.weight.shape) for m in gesture().modules() if isinstance(m, torch.nn.Linear)]
    assert shapes == [(256, 128 * 8 * 8), (11, 256)]
    assert not any(p.requires_grad for n, p in gesture().named_parameters() if "neurons" in n)


@pytest.mark.parametrize(
    ("name", "side", "classes"), [("MNIST-DVS", 40, 10), ("DVS128 Gesture", 32, 11)]
)
@pytest.mark.parametrize("kind", ["LIAF", "LIF", "DA-LIF", "ConvLSTM"])
def test_the_networks_run(name, side, classes, kind):
    with torch.no_grad():
        scores = ZOO[name](kind).eval()(torch.zeros(1, 2, 2, side, side))
    assert scores.shape == (1, classes)


def test_cifar10_dvs_ends_in_2_by_2_images():
    """128 halved four times and quartered once is 2: the first dense layer sees 2 x 2 x 512."""
    dense = next(m for m in cifar10_dvs().modules() if isinstance(m, torch.nn.Linear))
    assert dense.in_features == 2 * 2 * 512


def test_an_unknown_form_is_named():
    with pytest.raises(UsageError, match=r"'Conv9' is no form of this network; known: LIAF, LIF"):
        cifar10_dvs("Conv9")
