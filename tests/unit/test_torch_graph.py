"""What the exporter makes of models: nodes, readouts, refusals; and units that come along."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the models are PyTorch modules (extra 'train')")

from torch import nn  # noqa: E402

from neurosim.chip.files import load_chip  # noqa: E402
from neurosim.errors import InputFileError, UnsupportedError, UsageError  # noqa: E402
from neurosim_mapper.float_executor import run_float  # noqa: E402
from neurosim_mapper.network import Network  # noqa: E402
from neurosim_mapper.nodes import BatchNorm, Input, Neuron, Scale, lif  # noqa: E402
from neurosim_mapper.norms import LayerNorm  # noqa: E402
from neurosim_mapper.quantizer import quantize  # noqa: E402
from neurosim_mapper.readers import read_network  # noqa: E402
from neurosim_mapper.reference import run_reference  # noqa: E402
from neurosim_mapper.torch import (  # noqa: E402
    ConvLIF,
    DenseDALIF,
    DenseLIAF,
    DenseLIF,
    DirectDALIF,
    TimeDistributed,
    TimeReduce,
    export_network,
    freeze_norms,
    quantization_aware,
    save_checkpoint,
)
from neurosim_mapper.torch.zoo import QuestionNetwork, gesture, mnist_dvs  # noqa: E402

TICKS = 5


def agree(model, x, readout):
    model = model.double().eval()
    network = export_network(model, torch.from_numpy(x))
    assert network.readout == readout
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).numpy()
    y = run_float(network, x)
    found = {"sum": y.sum(axis=1), "mean": y.mean(axis=1), "last": y[:, -1]}[readout]
    np.testing.assert_allclose(found, expected, atol=1e-9)
    return network


@pytest.mark.parametrize("how", ["sum", "mean", "last"])
def test_a_reduction_at_the_end_is_the_readout(how):
    torch.manual_seed(0)
    model = nn.Sequential(DenseLIAF(3, 4), TimeReduce(how))
    agree(model, np.random.default_rng(0).random((2, TICKS, 3)), how)


@pytest.mark.parametrize("how", ["sum", "mean"])
def test_layers_behind_a_reduction_read_integrators_at_the_last_tick(how):
    torch.manual_seed(0)
    model = nn.Sequential(DenseLIAF(3, 4), TimeReduce(how), nn.Linear(4, 3), nn.ReLU())
    network = agree(model, np.random.default_rng(0).random((2, TICKS, 3)), "last")
    integrators = [n for n in network.nodes if n.endswith("integrator")]
    assert len(integrators) == 1


@pytest.mark.parametrize("kind", ["LIAF", "LIF", "DA-LIF"])
def test_the_question_network_is_one_network_with_one_input(kind):
    """Slices and a concatenation of features."""
    torch.manual_seed(0)
    model = QuestionNetwork(kind, vocabulary=6, embedding=4, cells=5)
    words = np.random.default_rng(0).integers(0, 6, (3, TICKS, 2))
    x = np.eye(6)[words].reshape(3, TICKS, 12)
    agree(model, x, "last")


def test_dropout_disappears_and_the_module_is_left_as_it_was():
    model = nn.Sequential(DenseLIAF(3, 4, batch_norm=True), nn.Dropout(0.5))
    before = copy.deepcopy(model.state_dict())
    model.train()
    network = export_network(model, input_shape=(3,))
    assert model.training
    assert not any(name.startswith("1") for name in network.nodes)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])


def test_a_single_layer_can_be_exported():
    network = export_network(nn.Linear(3, 2), input_shape=(3,))
    assert network.output_shape == (2,)


def test_the_gain_of_da_lif_is_a_scale_and_beta_is_the_decay():
    model = DenseDALIF(3, 4, alpha=0.5, beta=-0.25)
    network = export_network(model, input_shape=(3,))
    (scale,) = [n for n in network.nodes.values() if isinstance(n, Scale)]
    (neuron,) = [n for n in network.nodes.values() if isinstance(n, Neuron)]
    assert float(scale.scale) == pytest.approx(0.5)
    assert float(neuron.alpha) == pytest.approx(-0.25)


def test_a_positive_gain_per_neuron_of_an_image_is_measured_in_the_potential():
    """U / gain: the kernels in front stay shared."""
    module = DirectDALIF((2, 3, 3), sharing="non", alpha=0.5, threshold=1.0)
    model = nn.Sequential(TimeDistributed(nn.Conv2d(1, 2, 3, padding=1)), module)
    x = np.random.default_rng(0).normal(size=(2, TICKS, 1, 3, 3)) * 3
    network = export_network(model.double(), torch.from_numpy(x))
    assert not any(isinstance(n, Scale) for n in network.nodes.values())
    with torch.no_grad():
        expected = model(torch.from_numpy(x)).flatten(2).numpy()
    assert expected.any()
    np.testing.assert_array_equal(run_float(network, x), expected)


def test_layer_norm_is_exported_as_it_is_and_frozen():
    torch.manual_seed(0)
    model = mnist_dvs("LIAF").double()
    x = torch.rand(2, 3, 2, 40, 40, dtype=torch.float64)
    network = export_network(model, x)
    assert sum(isinstance(n, LayerNorm) for n in network.nodes.values()) == 3
    with torch.no_grad():
        expected = model.eval()(x).numpy()
    np.testing.assert_allclose(run_float(network, x.numpy())[:, -1], expected, atol=1e-9)
    network = export_network(freeze_norms(model, x), x)
    norms = [n for n in network.nodes.values() if isinstance(n, BatchNorm)]
    assert len(norms) == 3
    assert network.readout == "last"


def test_frozen_norm_uses_the_average_statistics():
    """Two ticks with means 1 and 3, variances 0 and 4: frozen mean 2, variance 2."""
    norm = nn.LayerNorm(2, eps=0.0)
    model = nn.Sequential(TimeDistributed(norm))
    x = torch.tensor([[[1.0, 1.0], [1.0, 5.0]]])
    frozen = freeze_norms(model, x)
    expected = (x - 2) / 2**0.5
    torch.testing.assert_close(frozen(x), expected)


@pytest.mark.parametrize(
    ("model", "shape", "message"),
    [
        (
            nn.Sequential(nn.LayerNorm(3)),
            (2, TICKS, 3),
            r"'0' is a LayerNorm that does not see",
        ),
        (
            nn.Sequential(TimeDistributed(nn.LayerNorm((2, 2)))),
            (2, TICKS, 2, 2),
            r"Layer '0\.module' has a gain that differs inside a channel\. Use GroupNorm\(1, chan",
        ),
    ],
)
def test_norms_that_cannot_be_frozen_are_named(model, shape, message):
    with torch.no_grad():
        model(torch.zeros(shape))
        for p in model.parameters():
            p.copy_(torch.arange(p.numel()).reshape(p.shape))
    with pytest.raises(UnsupportedError, match=message):
        freeze_norms(model, torch.rand(shape))


def test_gesture_network_exports_as_it_is():
    network = export_network(gesture("LIF"), input_shape=(2, 32, 32))
    assert network.readout == "mean"
    assert network.output_shape == (11,)


class TwoInputs(nn.Module):
    def forward(self, x, y):
        return x + y


class Branches(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


class Multiplies(nn.Module):
    def forward(self, x):
        return x * x


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            nn.Sequential(nn.Softshrink()),
            r"Layer '0': a Softshrink has no form on a chip\. Known",
        ),
        (TwoInputs(), r"The model takes several inputs; a network has one\."),
        (Branches(), r"Branches cannot be exported, because its forward depends on the values"),
        (
            Multiplies(),
            r"The model's forward uses 'mul', which has no form on a chip\.",
        ),
        (
            nn.Sequential(TimeReduce("mean"), DenseLIF(3, 2)),
            r"Layer '1\.neurons' has a potential, but comes behind a reduction over time\.",
        ),
    ],
)
def test_what_has_no_form_on_a_chip_is_named(model, message):
    with pytest.raises(UnsupportedError, match=message):
        export_network(model, torch.zeros(1, TICKS, 3))


def test_a_mean_inside_needs_the_number_of_ticks():
    model = nn.Sequential(TimeReduce("mean"), nn.Linear(3, 2))
    with pytest.raises(UsageError, match=r"'1' follows a mean over time; its number of ticks is n"):
        export_network(model, input_shape=(3,))
    with pytest.raises(UsageError, match=r"export_network needs sample_input, or input_shape"):
        export_network(model)


def trained_in_integers(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(DenseLIAF(4, 6, activation="tanh"), DenseLIF(6, 3))
    x = np.random.default_rng(0).random((4, TICKS, 4))
    aware = quantization_aware(model, "tianjic", x)
    return aware, x, save_checkpoint(aware, tmp_path / "a.nir")


def test_units_survive_the_file_and_decide_the_integers(tmp_path):
    aware, x, network = trained_in_integers(tmp_path)
    back = read_network(tmp_path / "a.nir")
    assert back.provenance == network.provenance
    quantized = quantize(back, load_chip("tianjic"))
    assert [layer.notes["weight_shift_from"] for layer in quantized.layers] == [
        "given by the network"
    ] * 2
    with torch.no_grad():
        expected = aware.integers(x)[aware.output].numpy()
    np.testing.assert_array_equal(run_reference(quantized, x), expected)
    again = quantization_aware(back, "tianjic", x).eval()
    with torch.no_grad():
        resumed = again.integers(x)[again.output].numpy()
    np.testing.assert_array_equal(resumed, expected)


def test_another_chip_or_another_choice_quantises_anew(tmp_path):
    _, x, network = trained_in_integers(tmp_path)
    chip = load_chip("tianjic")
    fewer = quantize(network, chip, x, weight_bits=4)
    assert any("other integers (weight_bits differ)" in text for text in fewer.assumptions)
    shifted = quantize(network, chip, x, weight_shift=2)
    assert any("(weight_shift differ)" in text for text in shifted.assumptions)
    assert {layer.modes.weight_shift for layer in shifted.layers} == {2}


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("format",), 9, r"format 9 is not known; this neurosim reads 1\."),
        (("layers",), {}, r"layers and network differ in 0\.neurons, 1\.neurons\."),
        (("input", "unit"), -1.0, r"input: 'unit' is -1\.0\."),
        (("input", "kind"), "light", r"the input code .* cannot be\."),
        (
            ("layers", "0.neurons", "weight_unit", "counts"),
            [5],
            r"layer '0\.neurons': weight_unit must be above 0 for each of 6 neurons\.",
        ),
        (("layers", "0.neurons", "weight_shift"), 99, r"weight_shift is 99; 0 to 31 is possible\."),
        (("layers", "0.neurons", "output", "lut"), [1], r"the output code does not fit the layer"),
        (("layers", "0.neurons"), 7, r"layer '0\.neurons': a table is needed, found 7\."),
    ],
)
def test_damaged_units_are_one_sentence(tmp_path, path, value, message):
    _, _, network = trained_in_integers(tmp_path)
    notes = copy.deepcopy(dict(network.provenance))
    place = notes["quantization"]
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(InputFileError, match=message):
        quantize(replace(network, provenance=notes), load_chip("tianjic"))


def test_training_in_integers_refuses_what_it_does_not_know():
    chip, x = load_chip("tianjic"), np.ones((1, 2, 2))
    loop = Network(
        {"in": Input((2,)), "n": lif(1.0, 0.5), "out": export_output()},
        (("in", "n"), ("n", "n"), ("n", "out")),
    )
    with pytest.raises(UnsupportedError, match=r"'n' takes input from 'n', which is not in front"):
        quantization_aware(loop, chip, x)
    strict = Network.sequential([Input((2,)), lif(1.0, 0.5, strict=True)])
    with pytest.raises(UnsupportedError, match=r"Layer 'neuron1' has a strict comparison, which q"):
        quantization_aware(strict, chip, x)
    raised = Network.sequential([Input((2,)), lif(1.0, 0.5, reset="soft_raised", rho=1.0)])
    with pytest.raises(UnsupportedError, match=r"Layer 'neuron1' has the reset 'soft_raised', wh"):
        quantization_aware(raised, chip, x)


def export_output():
    from neurosim_mapper.nodes import Output

    return Output()


@pytest.mark.parametrize("padding", [0, 1])
def test_a_maximum_pool_of_spikes_is_an_or_that_is_not_trained(padding):
    torch.manual_seed(0)
    model = nn.Sequential(
        ConvLIF(1, 2),
        TimeDistributed(nn.MaxPool2d(2, 2, padding)),
        nn.Flatten(2),
        nn.Linear(2 * (2 + padding) ** 2, 3),
    ).double()
    x = np.random.default_rng(0).random((2, TICKS, 1, 4, 4)) * 2
    network = export_network(model, torch.from_numpy(x))
    with torch.no_grad():
        np.testing.assert_allclose(
            run_float(network, x), model(torch.from_numpy(x)).numpy(), atol=1e-9
        )
    aware = quantization_aware(model, "tianjic", x).eval()
    pool = next(layer for layer in aware.layers if layer.name == "1")
    assert not any(p.requires_grad for p in pool.parameters())
    with torch.no_grad():
        integers = aware.integers(x)[aware.output].numpy()
    quantized = quantize(aware.network(), load_chip("tianjic"))
    np.testing.assert_array_equal(run_reference(quantized, x), integers)


def test_training_in_integers_lowers_the_loss():
    torch.manual_seed(0)
    model = nn.Sequential(DenseLIAF(4, 8), DenseLIAF(8, 2, activation="identity"))
    rng = np.random.default_rng(0)
    x = rng.random((64, TICKS, 4))
    y = (x.sum(axis=1)[:, 0] > x.sum(axis=1)[:, 1]).astype(np.int64)
    aware = quantization_aware(model, "tianjic", x)
    optimizer = torch.optim.Adam(aware.parameters(), lr=0.01)
    losses = []
    aware.train()
    for _ in range(40):
        loss = nn.functional.cross_entropy(aware.scores(x), torch.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]


def test_quantisation_aware_training_freezes_layer_norms():
    """The module starts at the frozen network: its outputs are those of the integers."""
    torch.manual_seed(2)
    model = nn.Sequential(
        TimeDistributed(nn.Linear(6, 8)), TimeDistributed(nn.LayerNorm(8)), DenseLIAF(8, 3)
    )
    x = torch.rand(9, TICKS, 6)
    aware = quantization_aware(model, "tianjic", x)
    with torch.no_grad():
        given = aware(x).numpy()
    quantized = quantize(aware.network(), load_chip("tianjic"), x.numpy())
    unit = quantized.by_name[quantized.output].output_unit
    np.testing.assert_allclose(given, run_reference(quantized, x.numpy()) * unit, atol=1e-6)
