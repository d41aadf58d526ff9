"""LIAF, LIF and DA-LIF modules against the equations, worked by hand, and their gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the layers are PyTorch modules (extra 'train')")

from torch import nn  # noqa: E402

from neurosim.errors import UsageError  # noqa: E402
from neurosim_mapper.activations import activate  # noqa: E402
from neurosim_mapper.nodes import ACTIVATIONS  # noqa: E402
from neurosim_mapper.torch import (  # noqa: E402
    SURROGATES,
    ConvLIAF,
    DenseLIAF,
    DirectDALIF,
    DirectLIAF,
    DirectLIF,
    NeuronOptions,
    PoolingLIF,
    Surrogate,
    TimeDistributed,
    TimeReduce,
)
from neurosim_mapper.torch.activations import activate as torch_activate  # noqa: E402
from neurosim_mapper.torch.training import FitOptions, fit, module_accuracy  # noqa: E402


def one_neuron(values):
    return torch.tensor(values, dtype=torch.float64).reshape(1, -1, 1)


def run(module, values):
    with torch.no_grad():
        return module.double()(one_neuron(values)).reshape(-1).tolist()


def test_lif_by_hand():
    """Vth 1, Vreset 0.25, alpha 0.5, beta 0.125 (eq. 3 to 7).

    U: 0.5; V = 0.375; U = 1.125 fires, V = 0.5 * 0.25 + 0.125 = 0.25; U = 0.25, V = 0.25;
    U = 1.0 fires exactly on the threshold.
    """
    options = {"threshold": 1.0, "v_reset": 0.25, "alpha": 0.5, "beta": 0.125}
    assert run(DirectLIF(**options), [0.5, 0.75, 0.0, 0.75]) == [0, 1, 0, 1]
    analog = DirectLIAF(**options, activation="identity")
    assert run(analog, [0.5, 0.75, 0.0, 0.75]) == [0.5, 1.125, 0.25, 1.0]
    related = DirectLIAF(**options, activation="identity", mode="TR")
    assert run(related, [0.5, 0.75, 0.0, 0.75]) == [-0.5, 0.125, -0.75, 0.0]


def test_soft_and_no_reset_by_hand():
    """U 1.5 fires; soft: R = 0.5, V = 0.25, U = 0.75; none: V = 0.75, U = 1.25."""
    options = {"threshold": 1.0, "alpha": 0.5, "activation": "identity"}
    assert run(DirectLIAF(**options, reset="soft"), [1.5, 0.5]) == [1.5, 0.75]
    assert run(DirectLIAF(**options, reset="none"), [1.5, 0.5]) == [1.5, 1.25]


def test_dual_adaptive_lif_by_hand():
    """U = beta H + alpha x with alpha 0.5, beta -0.5: 0.5; -0.25 + 1.5 = 1.25 fires; 1.0 fires."""
    module = DirectDALIF(threshold=1.0, alpha=0.5, beta=-0.5, decay_map="clamp")
    assert run(module, [1.0, 3.0, 2.0]) == [0, 1, 1]


@pytest.mark.parametrize("kind", ["clamp", "sigmoid", "tanh"])
def test_decay_maps_start_at_the_wanted_value(kind):
    found = DirectLIF(alpha=0.3, decay_map=kind).effective()["alpha"].item()
    assert found == pytest.approx(0.3, abs=1e-6)


def test_a_clamped_decay_stays_in_range_and_keeps_its_gradient():
    module = DirectLIF(alpha=1.0)
    with torch.no_grad():
        module.alpha.add_(0.5)
    decay = module.effective()["alpha"]
    decay.backward()
    assert decay.item() == 1.0
    assert float(module.alpha.grad) == 1.0


@pytest.mark.parametrize(("sharing", "shape"), [("all", ()), ("channel", (3,)), ("non", (3, 4, 5))])
def test_sharing_decides_the_number_of_parameters(sharing, shape):
    module = DirectLIAF((3, 4, 5), sharing=sharing)
    assert {tuple(p.shape) for p in module.parameters()} == {shape}
    assert module(torch.zeros(2, 6, 3, 4, 5)).shape == (2, 6, 3, 4, 5)


def test_channel_sharing_acts_on_channels():
    module = DirectLIF(2, sharing="channel", alpha=0.0)
    with torch.no_grad():
        module.threshold.copy_(torch.tensor([0.5, 2.0]))
    out = module(torch.ones(1, 1, 2, 3, 3))
    assert out[0, 0].sum(dim=(1, 2)).tolist() == [9, 0]


def test_only_what_is_named_is_trained():
    module = DirectLIAF(trainable=("alpha",))
    assert [n for n, p in module.named_parameters() if p.requires_grad] == ["alpha"]
    assert not any(p.requires_grad for p in DirectLIAF(trainable=False).parameters())


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("clamp", [None, (-0.25, 0.75)])
def test_activations_are_those_of_the_float_executor(activation, clamp):
    u = np.linspace(-4, 4, 101)
    found = torch_activate(torch.from_numpy(u), activation, clamp).numpy()
    np.testing.assert_allclose(found, activate(u, activation, clamp), atol=1e-12)


BUMPS = {
    "rectangular": lambda x, w: float(abs(x) < w),
    "triangular": lambda x, w: max(0.0, 1 - abs(x) / w),
    "arctan": lambda x, w: 1 / (1 + (x / w) ** 2),
    "sigmoid": lambda x, w: 1 / math.cosh(x / (2 * w)) ** 2,
    "fast_sigmoid": lambda x, w: 1 / (1 + abs(x) / w) ** 2,
}


@pytest.mark.parametrize("name", SURROGATES)
def test_surrogates_step_forwards_and_have_their_bump_backwards(name):
    """4 s (1 - s) of a logistic s is 1 / cosh^2 of half the argument."""
    x = torch.tensor([-0.75, -0.25, 0.0, 0.25, 0.75], dtype=torch.float64, requires_grad=True)
    step = Surrogate(name, 0.5)(x)
    step.sum().backward()
    assert step.tolist() == [0, 0, 1, 1, 1]
    expected = [BUMPS[name](v, 0.5) for v in x.tolist()]
    assert x.grad.tolist() == pytest.approx(expected)


def test_gradient_of_eq_12_through_the_reset():
    """dV/dU = alpha delta (Vreset - U) + alpha (1 - S); checked at U = 0.75 and 1.25, Vth 1.

    The second output is U2 = V1 + x2, so its gradient to x1 is dV1/dU1.
    """
    for u, fired in ((0.75, 0.0), (1.25, 1.0)):
        module = DirectLIAF(
            threshold=1.0, v_reset=0.25, alpha=0.5, activation="identity", width=0.5
        ).double()
        x = one_neuron([u, 0.0]).requires_grad_()
        module(x)[0, 1, 0].backward()
        assert float(x.grad[0, 0, 0]) == pytest.approx(0.5 * (0.25 - u) + 0.5 * (1 - fired))


def test_time_distributed_is_the_layer_on_every_tick():
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 3, 3)
    x = torch.randn(4, 5, 2, 6, 6)
    expected = torch.stack([conv(x[:, t]) for t in range(5)], dim=1)
    torch.testing.assert_close(TimeDistributed(conv)(x), expected)


@pytest.mark.parametrize(("how", "expected"), [("mean", 2.0), ("sum", 6.0), ("last", 3.0)])
def test_time_reduce(how, expected):
    assert float(TimeReduce(how)(one_neuron([1.0, 2.0, 3.0]))) == expected


def test_a_layer_learns_what_needs_memory():
    """Two pulses, early then late or late then early on two inputs: the order is the class."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 256)
    x = np.zeros((256, 6, 2))
    for k, label in enumerate(y):
        x[k, 1, label], x[k, 4, 1 - label] = 1.0, 1.0
    torch.manual_seed(0)
    model = nn.Sequential(
        DenseLIAF(2, 16, alpha=0.8, activation="relu"), nn.Linear(16, 2), TimeReduce("last")
    )
    steps = []
    fit(model, x, y, FitOptions(epochs=15, learning_rate=0.03), steps.append)
    assert steps[-1] == 15 * 8
    assert module_accuracy(model, x, y) > 0.95


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DirectLIF(sharing="row"), r"sharing is 'row'; known: all, channel, non\."),
        (lambda: DirectLIF(alfa=1), r"Neurons have no option 'alfa'; known: threshold, v_reset,"),
        (
            lambda: DirectLIF(sharing="channel"),
            r"DirectLIF with sharing 'channel' needs shape: the number of channels",
        ),
        (
            lambda: ConvLIAF(2, 3, sharing="non"),
            r"Non-Sharing over images needs shape=\(channels, height, width\) of the layer's",
        ),
        (lambda: PoolingLIF(2, pool="median"), r"pool is 'median'; known: avg, max\."),
        (lambda: Surrogate("square"), r"surrogate is 'square'; known: rectangular, triangular,"),
        (lambda: Surrogate(width=0.0), r"surrogate width is 0.0; a number above 0 is needed\."),
        (
            lambda: DirectLIF(alpha=1.0, decay_map="sigmoid"),
            r"alpha is 1.0; the map 'sigmoid' holds numbers between 0 and 1, ends excluded\.",
        ),
        (lambda: NeuronOptions(clamp=(1, 0)), r"clamp is \(1, 0\); needed: low < high\."),
        (lambda: NeuronOptions(trainable=("tau",)), r"trainable is 'tau'; known: threshold,"),
        (lambda: TimeReduce("max"), r"TimeReduce is told 'max'; known: mean, sum, last\."),
    ],
)
def test_wrong_options_are_named(make, message):
    with pytest.raises(UsageError, match=message):
        make()
