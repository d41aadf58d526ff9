"""Modules in memory: stand-ins of the frameworks' classes, each with its own forward.

The stand-ins have the names and attributes of the real classes and step as their documentation
says; the network must put out what the module itself puts out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from neurosim.errors import InputFileError, UnsupportedError, UsageError
from neurosim_mapper import from_torch
from neurosim_mapper.float_executor import run_float

torch = pytest.importorskip("torch")

from support.torch_stand_ins import (  # noqa: E402
    Lapicque,
    Leaky,
    LIFBoxCell,
    LIFNode,
    LIFSqueeze,
    LIFTorch,
    LinearTorch,
)

nn = torch.nn


class Step(nn.Module):
    """A convolution, an addition and two kinds of neurons, called tick by tick."""

    def __init__(self, neuron: Any) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)
        self.first, self.second, self.last = neuron(), neuron(), neuron()
        self.pool, self.one, self.two = nn.AvgPool2d(2), nn.Linear(8, 5), nn.Linear(5, 5)

    def tick(self, x: Any, state: dict[str, Any]) -> Any:
        def fire(name: str, value: Any) -> Any:
            neuron = getattr(self, name)
            if not isinstance(neuron, Leaky | LIFBoxCell):
                return neuron(value)
            out, state[name] = neuron(value, state.get(name))
            return out

        x = fire("first", self.conv(x))
        x = self.one(self.pool(x).flatten(1))
        a = fire("second", x)
        return fire("last", self.two(a) + x)

    def forward(self, x: Any) -> Any:
        state: dict[str, Any] = {}
        return torch.stack([self.tick(value, state) for value in x])


def doubles(module: Any) -> Any:
    """Weights in double precision, larger than at the start, so that neurons fire."""
    module = module.double()
    for parameter in module.parameters():
        parameter.data *= 3
    return module


@pytest.mark.parametrize(
    "neuron",
    [
        Leaky,
        lambda: Leaky(1),
        lambda: Leaky(1, threshold=torch.tensor(-0.125)),
        lambda: Leaky(0, reset_delay=False),
        lambda: Leaky(1, reset_delay=False),
        LIFNode,
        lambda: LIFNode(None),
        lambda: LIFNode(-0.25, decay_input=False),
        LIFBoxCell,
        LIFSqueeze,
        LIFTorch,
        Lapicque,
    ],
)
def test_the_network_puts_out_what_the_module_does(neuron: Any) -> None:
    torch.manual_seed(3)
    module = doubles(Step(neuron))
    x = torch.rand(6, 4, 1, 4, 4, dtype=torch.float64)  # ticks first
    expected = module(x).detach().numpy()
    assert 0 < expected.mean() < 3
    for layer in (module.first, module.second, module.last):
        layer.v = None
    network = from_torch(module, x)
    assert network.input_shape == (1, 4, 4)
    given = run_float(network, x.numpy().swapaxes(0, 1))
    np.testing.assert_array_equal(given, expected.swapaxes(0, 1))


def test_our_own_layers() -> None:
    from neurosim_mapper.torch import DirectLIAF

    module = nn.Sequential(DirectLIAF(3, alpha=0.5)).eval()
    x = torch.rand(2, 5, 3)
    given = run_float(from_torch(module, x), x.numpy())
    np.testing.assert_allclose(given, module(x).detach().numpy(), atol=1e-6)


def test_what_cannot_be_expressed_is_named() -> None:
    lost = nn.Sequential(nn.Linear(3, 4), Leaky(0, inhibition=True))
    with pytest.raises(UnsupportedError, match=r"Layer '1': Leaky with inhibition or state_quant"):
        from_torch(lost, torch.rand(1, 3))
    early = nn.Sequential(nn.Linear(3, 4), Leaky(0, threshold=torch.tensor(-0.25)))
    with pytest.raises(InputFileError, match=r"a threshold of -0\.25, below the start value 0"):
        from_torch(early, torch.rand(1, 3))
    with pytest.raises(UnsupportedError, match=r"Layer '1': a PixelShuffle has no form"):
        from_torch(nn.Sequential(nn.Conv2d(1, 4, 3), nn.PixelShuffle(2)), torch.rand(1, 1, 5, 5))
    with pytest.raises(UsageError, match="cannot be run with a sample of shape"):
        from_torch(nn.Sequential(nn.Linear(3, 4)), torch.rand(1, 5))

    class Strange(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(3, 4), nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.b(self.a(x).cumsum(-1))

    with pytest.raises(UnsupportedError, match="'b' uses the result of 'cumsum'"):
        from_torch(Strange(), torch.rand(1, 3))


def test_a_module_stays_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(3, 4), Leaky())
    module.train()
    from_torch(module, torch.rand(1, 3))
    assert module.training
    assert not module[0]._forward_hooks


class Unrolled(nn.Module):
    """Two layers of Rockpool, called tick by tick; the second is recurrent."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = LinearTorch(3, 4), LinearTorch(4, 5)
        self.one, self.two = LIFTorch(), LIFTorch(torch.randn(5, 5, dtype=torch.float64))

    def forward(self, x: Any) -> Any:
        return torch.stack([self.two(self.b(self.one(self.a(tick)))) for tick in x])


def test_rockpool_layers_and_their_recurrent_weights() -> None:
    torch.manual_seed(5)
    module = Unrolled().double()
    x = 3 * torch.rand(8, 4, 3, dtype=torch.float64)
    expected = module(x).detach().numpy()
    module.one.v = module.two.v = None
    assert expected.max() > 1
    given = run_float(from_torch(module, x, input_shape=(3,)), x.numpy().swapaxes(0, 1))
    np.testing.assert_array_equal(given, expected.swapaxes(0, 1))
    module.one.noise_std = 0.1
    with pytest.raises(UnsupportedError, match="Layer 'one': LIFTorch with noise_std"):
        from_torch(module, x, input_shape=(3,))


def test_functions_between_layers() -> None:
    torch.manual_seed(6)

    class Between(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.line = nn.Conv2d(2, 3, 3, padding=1), nn.Linear(81, 4)

        def forward(self, x: Any) -> Any:
            f = nn.functional
            a = f.relu(f.avg_pool2d(self.conv(x), 2, stride=2))
            b = f.max_pool2d(f.tanh(a), kernel_size=1)
            return self.line(torch.cat([0.5 * a - b / 4, -a, torch.sigmoid(b)], 1).flatten(1))

    module, x = Between().double().eval(), torch.randn(3, 2, 6, 6, dtype=torch.float64)
    given = run_float(from_torch(module, x), x.numpy()[:, None])[:, 0]
    np.testing.assert_allclose(given, module(x).detach().numpy(), atol=1e-12)


@pytest.mark.parametrize(
    ("pool", "n_out"),
    [
        (nn.AvgPool1d(2), 15),
        (nn.MaxPool1d(3, 2, 1), 15),
        (nn.AdaptiveAvgPool1d(5), 15),
        (nn.AdaptiveMaxPool1d(2), 6),
    ],
)
def test_pools_over_one_axis(pool: Any, n_out: int) -> None:
    torch.manual_seed(7)
    module = nn.Sequential(nn.Conv1d(2, 3, 3, padding=1), nn.ReLU(), pool, nn.Flatten())
    module = nn.Sequential(*module, nn.Linear(n_out, 4)).double().eval()
    x = torch.randn(3, 2, 10, dtype=torch.float64)
    given = run_float(from_torch(module, x), x.numpy()[:, None])[:, 0]
    np.testing.assert_allclose(given, module(x).detach().numpy(), atol=1e-12)


class LIAFNode(LIFNode):
    """SpikingJelly: the state of a LIF, but act(potential) comes out."""

    def __init__(self, act: Any) -> None:
        super().__init__()
        self.act, self.threshold_related = act, False

    def forward(self, x: Any) -> Any:
        v = torch.zeros_like(x) if self.v is None else self.v
        h = v - v / self.tau + x / self.tau
        self.v = h * (h < self.v_threshold).to(x.dtype)
        return self.act(h)

    def reset(self) -> None:
        self.v = None


def cube(value: Any) -> Any:
    """A function that no chip has a name for."""
    return value**3


@pytest.mark.parametrize("act", [cube, nn.LeakyReLU(0.25)])
def test_any_activation_becomes_a_table(act: Any) -> None:
    torch.manual_seed(8)
    module = nn.Sequential(nn.Linear(3, 4), LIAFNode(act), nn.Linear(4, 2), nn.GELU()).double()
    x = torch.randn(16, 3, dtype=torch.float64)
    expected = module(x).detach().numpy()
    module[1].reset()
    network = from_torch(module, x)
    assert module[1].act is act
    assert sum("is a table of 256 values" in said for said in network.assumptions) == 2
    given = run_float(network, x.numpy()[:, None])[:, 0]
    # half a step of the table times the slope, through both layers
    np.testing.assert_allclose(given, expected, atol=0.06)
    assert np.abs(given).max() > 0.1


def test_activations_given_by_the_caller() -> None:
    torch.manual_seed(9)
    module = nn.Sequential(nn.Linear(3, 4), LIAFNode(cube)).double()
    x = torch.randn(16, 3, dtype=torch.float64)
    potential = np.asarray((x @ module[0].weight.T + module[0].bias).detach()) / 2
    stairs = np.arange(256.0)
    network = from_torch(module, x, activations={"1": (stairs, 0.125)})
    index = np.clip(np.floor(potential / 0.125 + 0.5), -128, 127) + 128
    np.testing.assert_array_equal(run_float(network, x.numpy()[:, None])[:, 0], index)
    named = from_torch(module, x, activations={"1": torch.tanh})
    given = run_float(named, x.numpy()[:, None])[:, 0]
    np.testing.assert_allclose(given, np.tanh(potential), atol=1e-12)


def test_activations_that_cannot_become_tables() -> None:
    module, x = nn.Sequential(nn.Linear(3, 4), LIAFNode(cube)), torch.randn(4, 3)
    with pytest.raises(UsageError, match="activations names the layer '7'; known: 0, 1"):
        from_torch(module, x, activations={"7": torch.tanh})
    with pytest.raises(UsageError, match="gives the layer '1' a int; needed: a callable"):
        from_torch(module, x, activations={"1": 3})
    with pytest.raises(UnsupportedError, match="Layer '1': its activation cannot be called"):
        from_torch(module, x, activations={"1": lambda u: u.cumsum(-1)})
    silent = nn.Sequential(nn.Linear(3, 4, bias=False), LIAFNode(cube))
    with pytest.raises(UsageError, match="met nothing but zeros"):
        from_torch(silent, torch.zeros(1, 3))


def test_a_neuron_with_parts_is_named_as_a_whole() -> None:
    class EIFNode(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.surrogate_function = nn.Sigmoid()

        def forward(self, x: Any) -> Any:
            return self.surrogate_function(torch.exp(x))

    with pytest.raises(UnsupportedError, match="Layer '1': a EIFNode has no form on a chip"):
        from_torch(nn.Sequential(nn.Linear(3, 4), EIFNode()), torch.rand(1, 3))


def test_joined_values_are_those_of_torch_cat() -> None:
    torch.manual_seed(10)

    class Joined(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(2, 3, 1), nn.Conv2d(3, 2, 1), nn.Linear(28, 5)

        def forward(self, x: Any) -> Any:
            first = self.a(x)
            whole = torch.cat([x, first, self.b(first)], dim=-3)  # skips over two layers
            return self.c(whole.flatten(-3))

    module, x = Joined().double(), torch.randn(3, 2, 2, 2, dtype=torch.float64)
    given = run_float(from_torch(module, x), x.numpy()[:, None])[:, 0]
    np.testing.assert_allclose(given, module(x).detach().numpy(), atol=1e-12)


def test_a_softmax_at_the_end_is_left_to_the_host() -> None:
    torch.manual_seed(12)
    module, x = nn.Sequential(nn.Linear(3, 4), nn.Softmax(-1)).double(), torch.randn(5, 3).double()
    network = from_torch(module, x)
    assert network.assumptions[0].startswith("The softmax '1' is left to the host")
    given = run_float(network, x.numpy()[:, None])[:, 0]
    np.testing.assert_allclose(given, module[0](x).detach().numpy(), atol=1e-12)
    with pytest.raises(UnsupportedError, match="'2' follows the softmax '1'"):
        from_torch(nn.Sequential(*module, nn.Linear(4, 2).double()), x)


def test_an_embedding_is_looked_up_on_the_host() -> None:
    torch.manual_seed(13)
    module = nn.Sequential(nn.Embedding(9, 3), nn.Linear(3, 4), nn.Tanh()).double()
    ids = torch.randint(0, 9, (2, 5))
    network = from_torch(module, ids)
    assert network.input_shape == (3,)
    assert network.assumptions[0].startswith("The embedding '0' (9 rows of 3) is looked up on the")
    rows = module[0].weight.detach().numpy()[ids.numpy()]
    np.testing.assert_allclose(run_float(network, rows), module(ids).detach().numpy(), atol=1e-12)

    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.line, self.embed = nn.Linear(3, 3), nn.Embedding(9, 3)

        def forward(self, x: Any) -> Any:
            return self.embed(self.line(x).long())

    with pytest.raises(UnsupportedError, match="'embed' uses the result of 'long'"):
        from_torch(Late(), torch.rand(2, 3))


def test_two_synapses_per_neuron_of_rockpool() -> None:
    """I_k = beta_k (I_k + x_k) with x row-major (neurons, synapses); U = alpha V + sum of I_k."""
    torch.manual_seed(14)

    class LIFTorch(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.dt, self.n_synapses, self.size_out = 1e-3, 2, 4
            self.alpha, self.beta = torch.tensor(0.75), torch.tensor([[0.5, 0.875]])
            self.bias, self.threshold = torch.tensor(0.0), torch.tensor(0.75)
            self.max_spikes_per_dt, self.w_rec = torch.tensor(1.0), torch.zeros(4, 8)

        def forward(self, x: Any) -> Any:
            i, v, out = torch.zeros(4, 2).double(), torch.zeros(4).double(), []
            for tick in x.reshape(len(x), 4, 2):
                i = self.beta * (i + tick)
                v = self.alpha * v + i.sum(1) + self.bias
                out.append((v >= self.threshold).double())
                v = v - out[-1] * self.threshold
            return torch.stack(out)

    module, x = nn.Sequential(nn.Linear(3, 8), LIFTorch()).double(), torch.randn(12, 3).double()
    expected = module(x).detach().numpy()
    assert 0 < expected.mean() < 1
    given = run_float(from_torch(module, x), x.numpy()[None])[0]
    np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("tau_syn", [None, 3.0])
def test_a_recurrent_bias_of_sinabs_acts_from_the_second_tick_on(tau_syn: float | None) -> None:
    """i = a_s (i + x + W s' + b), with nothing of W s' + b in the first tick; v = a v + i."""
    torch.manual_seed(15)

    class LIFRecurrent(LIFSqueeze):
        def __init__(self) -> None:
            super().__init__()
            self.rec_connect = nn.Linear(4, 4)
            self.min_v_mem = None
            self.tau_syn = None if tau_syn is None else torch.tensor(tau_syn)

        def forward(self, x: Any) -> Any:
            i = v = back = torch.zeros(x.shape[1:]).to(x)
            out = []
            for tick in x:
                i = tick + back
                if self.tau_syn is not None:
                    i = torch.exp(-1 / self.tau_syn) * (self.kept + i if out else i)
                    self.kept = i
                v = torch.exp(-1 / self.tau_mem) * v + i
                out.append(torch.floor(torch.clamp(v, min=0) / self.spike_threshold))
                v = v - out[-1] * self.spike_threshold
                back = nn.functional.linear(out[-1], self.rec_connect.weight, self.rec_connect.bias)
            return torch.stack(out)

    module = nn.Sequential(nn.Linear(3, 4), LIFRecurrent()).double()
    x = 2 * torch.randn(10, 5, 3).double()
    with torch.no_grad():
        expected = module(x).numpy()
    assert expected.any()
    network = from_torch(module, x, input_shape=(3,))
    given = run_float(network, x.numpy().swapaxes(0, 1))
    np.testing.assert_array_equal(given, expected.swapaxes(0, 1))
