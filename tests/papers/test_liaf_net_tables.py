"""LIAF-Net (Wu et al.), Tables I, II, IV, VII, IX: printed entries against the formulas.

The printed numbers and layer sizes below are typed from the paper; nothing is fitted. Entries
that do not follow from the formulas are listed one by one in `DEVIATIONS`, with both values.
"""

import numpy as np
import pytest

from neurosim.errors import UsageError
from neurosim_mapper.complexity import (
    CIFAR10_DVS_LAYERS,
    CONV_LAYERS,
    CONV_NETWORKS,
    DENSE_LAYERS,
    FORMULAS,
    GESTURE_LAYERS,
    MNIST_DVS_LAYERS,
    ConvShape,
    Cost,
    DenseShape,
    conv_network,
    question_network_weights,
)
from neurosim_mapper.paper_tables import (
    BABI_TICKS,
    TABLES,
    Entry,
    payload_overhead,
    savings,
)

# Table VII: (network, column) -> (printed, exact value of the formulas)
DEVIATIONS = {
    ("Conv2D", "MULs"): (3.3e9, 3_114_270_720),
    ("Conv2D", "ADDs"): (3.8e9, 3_114_270_720),
    ("Conv3D", "MULs"): (9.5e9, 9_342_812_160),
    ("Conv3D", "ADDs"): (1.0e10, 9_342_812_160),
    ("ConvLIAF", "MULs"): (3.3e9, 3_124_428_800),
    ("ConvLIAF", "ADDs"): (3.8e9, 3_134_586_880),
    ("ConvLIF", "MULs"): (2.1e8, 10_158_080),
    ("ConvLIF", "ADDs"): (3.8e9, 3_134_586_880),
}
# everything else is the formula's value cut to two digits, except these, which are rounded
ROUNDED = {
    "IV": {("GRU", "MULs (layer)"), ("LSTM", "MULs (layer)")},
    "VII": {("ConvLSTM", "ADDs")},
    "IX": {("ConvLIAF", "Neurons"), ("ConvLIF", "Neurons"), ("ConvLSTM", "Neurons")},
}


def expected_match(table, entry):
    if table == "VII" and (entry.row, entry.column) in DEVIATIONS:
        return "deviates"
    return "rounded" if (entry.row, entry.column) in ROUNDED[table] else "cut"


@pytest.mark.parametrize("table", TABLES)
def test_every_entry_follows_or_is_a_listed_deviation(table):
    entries = TABLES[table]()
    for entry in entries:
        assert entry.match == expected_match(table, entry), entry
        if entry.match == "deviates":
            pair = DEVIATIONS[entry.row, entry.column]
            assert (entry.printed, entry.computed) == pair
            assert entry.note
    assert len(entries) == {"IV": 20, "VII": 15, "IX": 12}[table]


def test_a_match_is_decided_on_two_digits():
    assert Entry("", "", 6.8e9, 6_879_313_920).match == "cut"
    assert Entry("", "", 6.9e9, 6_879_313_920).match == "rounded"
    assert Entry("", "", 7.0e9, 6_879_313_920).match == "deviates"
    assert Entry("", "", 6.8e8, 6_879_313_920).match == "deviates"
    assert Entry("", "", 1.0e10, 9_960_000_000).match == "rounded"


def counted_dense(kind, k, n):
    """Operations of one step, counted while the equations of section II.B and the appendix run.

    Products of a matrix with a vector count one multiplication and one addition per weight (the
    bias takes the place of the first partial sum); a product with a spike is a selection.
    """
    muls = adds = 0
    for _ in range(n):
        if kind == "DenseLIAF":
            muls += k + 1  # W x, and alpha R
            adds += k + 2  # W x, + V of the last step, + beta
        elif kind == "DenseLIF":
            muls += 1
            adds += k + 2
        elif kind == "RNN":
            muls += k + n
            adds += k + n
        elif kind == "LSTM":
            muls += 4 * (k + n) + 3  # four gates; f * c, i * c~, o * sigma(c)
            adds += 4 * (k + n) + 1  # four gates; sum of the two products
    return muls, adds


@pytest.mark.parametrize("kind", ["DenseLIAF", "DenseLIF", "RNN", "LSTM"])
@pytest.mark.parametrize(("k", "n"), [(1, 1), (50, 100), (7, 3)])
def test_table_i_counts_the_operations_of_the_equations(kind, k, n):
    cost = DENSE_LAYERS[kind](DenseShape(k, n))
    assert (cost.muls, cost.adds) == counted_dense(kind, k, n)


@pytest.mark.parametrize("kind", [*DENSE_LAYERS, *CONV_LAYERS])
def test_tables_i_and_ii_equal_their_printed_formulas(kind):
    """The text of each formula, evaluated by an independent expansion of the products."""
    k, n = 5, 7
    conv = ConvShape(3, 4, 6, n, (2, 3), k, depth=4)
    q, r, own = 2 * 3 * k, 3 * 4 * 6 * n, 2 * 3 * n
    expected = {
        "DenseLIAF": (n * k + n, n * k + 2 * n, n * k + n),
        "DenseLIF": (n, n * k + 2 * n, n * k + n),
        "RNN": (n * n + n * k, n * n + n * k, n * n + n * k + n),
        "GRU": (3 * n * n + 3 * n * k + 3 * n, 3 * n * n + 3 * n * k + n, 3 * n * (n + k + 1)),
        "LSTM": (4 * n * n + 4 * n * k + 3 * n, 4 * n * n + 4 * n * k + n, 4 * n * (n + k + 1)),
        "ConvLIAF": (q * r + r, q * r + 2 * r, q * n + n),
        "ConvLIF": (r, q * r + 2 * r, q * n + n),
        "Conv2D": (q * r, q * r, q * n + n),
        "Conv3D": (4 * q * r, 4 * q * r, 4 * q * n + n),
        "ConvLSTM": (
            4 * q * r + 4 * own * r + 3 * r,
            4 * q * r + 4 * own * r + r,
            4 * q * n + 4 * own * n + 4 * n,
        ),
    }
    cost = DENSE_LAYERS[kind](DenseShape(k, n)) if kind in DENSE_LAYERS else CONV_LAYERS[kind](conv)
    assert (cost.muls, cost.adds, cost.weights) == expected[kind]
    assert kind in FORMULAS


def test_table_iv_number_of_steps_is_the_only_one_that_fits():
    """100 T multiplications of DenseLIF are printed as 6.6e3, cut or rounded."""
    fits = [
        t
        for t in range(1, 1000)
        if Entry("", "", 6.6e3, DENSE_LAYERS["DenseLIF"](DenseShape(50, 100)).over(t).muls).match
        != "deviates"
    ]
    assert fits == [BABI_TICKS]


def test_table_iv_network_weights_add_up():
    v = 22
    dense = 200 * v + v
    assert question_network_weights("DenseLIAF") == (5_500, 2 * v * 50 + 2 * 5_500 + dense)
    assert question_network_weights("DenseLIAF")[1] == 17_622
    assert question_network_weights("RNN")[1] == 36_822
    assert question_network_weights("GRU")[1] == 97_222
    assert question_network_weights("LSTM")[1] == 127_422


def test_table_vii_neuron_parameters_change_no_printed_digit():
    weights = conv_network("ConvLIAF", CIFAR10_DVS_LAYERS).weights
    parameters = 4 * sum(layer.channels for layer in CIFAR10_DVS_LAYERS)
    assert (weights, parameters) == (1_568_288, 3_968)
    assert Entry("", "", 1.5e6, weights + parameters).match == "cut"


def test_table_ix_exact_values():
    values = {k: conv_network(k, GESTURE_LAYERS) for k in ("ConvLIAF", "ConvLIF", "ConvLSTM")}
    assert values["ConvLIAF"] == Cost(6_879_313_920, 6_893_076_480, 222_656)
    assert values["ConvLIF"] == Cost(13_762_560, 6_893_076_480, 222_656)
    assert values["ConvLSTM"] == Cost(81_861_672_960, 81_834_147_840, 2_217_728)


@pytest.mark.parametrize("name", CONV_NETWORKS)
def test_networks_have_the_layers_of_tables_v_and_viii(name):
    """Same padding keeps the side, each pooling divides it; channels follow the table."""
    first, channels, pools = {
        "CIFAR10-DVS": (128, (32, 64, 128, 256, 512), (2, 2, 2, 2, 4)),
        "MNIST-DVS": (40, (32, 64, 128), (2, 2, 2)),
        "DVS128 Gesture": (32, (64, 128, 128), (1, 2, 2)),
    }[name]
    sides = first // np.cumprod([1, *pools[:-1]])
    layers = CONV_NETWORKS[name]
    assert [layer.height for layer in layers] == sides.tolist()
    assert [layer.channels for layer in layers] == list(channels)
    assert [layer.inputs for layer in layers] == [2, *channels[:-1]]
    assert {layer.kernel for layer in layers} == {(3, 3)}
    assert {layer.ticks for layer in layers} == {{"C": 10, "M": 20, "D": 60}[name[0]]}


def test_mnist_dvs_has_no_printed_costs_but_the_same_formulas():
    q, r = (18, 288, 576), (20 * 1600 * 32, 20 * 400 * 64, 20 * 100 * 128)
    cost = conv_network("ConvLIAF", MNIST_DVS_LAYERS)
    assert cost.muls == sum((a + 1) * b for a, b in zip(q, r, strict=True))


def test_percentages_in_the_text():
    """Four of eleven do not follow from exact counts; they are shown, not tuned."""
    wrong = {
        s.what: (s.printed_percent, round(s.computed_percent, 2)) for s in savings() if not s.agrees
    }
    assert wrong == {
        "Table IV: weights against GRU": (87.7, 87.86),
        "Table IV: MULs against GRU": (88.8, 88.74),
        "Table VII: MULs against Conv3D": (64, 66.56),
        "Table VII: weights against Conv3D": (68, 66.65),
    }
    assert len(savings()) == 11


def test_section_v_payload_overhead_is_20_percent_of_the_new_packet():
    assert payload_overhead(32, 8) == (20.0, 25.0)
    with pytest.raises(UsageError, match="at least one bit"):
        payload_overhead(0, 8)


def test_sizes_must_be_positive():
    with pytest.raises(UsageError, match="each must be at least 1"):
        DenseShape(0, 5)
    with pytest.raises(UsageError, match="'Conv9' is unknown"):
        conv_network("Conv9", GESTURE_LAYERS)
