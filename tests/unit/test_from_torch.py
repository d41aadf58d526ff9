"""Modules in memory: stand-ins of the frameworks' classes, each with its own forward.

The stand-ins have the names and attributes of the real classes and step as their documentation
says; the network must put out what the module itself puts out.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from neurosim.errors import UnsupportedError, UsageError
from neurosim_mapper import from_torch
from neurosim_mapper.float_executor import run_float

torch = pytest.importorskip("torch")
nn = torch.nn


class Leaky(nn.Module):
    """snnTorch: mem = beta mem + x - reset(previous mem) threshold; without delay, what this
    reset did not subtract already is subtracted at once."""

    def __init__(self, reset: int = 0, **more: Any) -> None:
        super().__init__()
        self.beta, self.threshold = torch.tensor(0.875), torch.tensor(0.75)
        self.reset_mechanism_val = torch.tensor(reset)
        self.graded_spikes_factor, self.reset_delay = torch.tensor(1.0), True
        for name, value in more.items():
            setattr(self, name, value)

    def forward(self, x: Any, mem: Any = None) -> Any:
        mem = torch.zeros_like(x) if mem is None else mem
        late = (mem > self.threshold).to(x.dtype)
        if int(self.reset_mechanism_val) == 0:
            mem = self.beta * mem + x - late * self.threshold
        else:
            mem = self.beta * mem * (1 - late) + x
        spikes = (mem > self.threshold).to(x.dtype)
        if not self.reset_delay:
            amount = mem if int(self.reset_mechanism_val) else self.threshold
            mem = mem - (spikes - late) * amount
        return spikes, mem


class LIFNode(nn.Module):
    """SpikingJelly: v += (x - (v - v_reset)) / tau; fires at >=; hard or soft reset."""

    def __init__(self, v_reset: float | None = 0.0, decay_input: bool = True) -> None:
        super().__init__()
        self.tau, self.v_threshold, self.v_reset = 2.0, 0.5, v_reset
        self.decay_input, self.v = decay_input, None

    def forward(self, x: Any) -> Any:
        rest = self.v_reset or 0.0
        v = torch.full_like(x, rest) if self.v is None else self.v
        drive = x / self.tau if self.decay_input else x
        h = v - (v - rest) / self.tau + drive
        s = (h >= self.v_threshold).to(x.dtype)
        self.v = h - s * self.v_threshold if self.v_reset is None else h * (1 - s) + rest * s
        return s


class LIFBoxCell(nn.Module):
    """Norse: v += dt tau_mem_inv (v_leak - v + x), fires at >, returns output and state."""

    def __init__(self) -> None:
        super().__init__()
        self.dt = 0.25
        self.p = SimpleNamespace(
            tau_mem_inv=torch.tensor(0.5),
            v_leak=torch.tensor(0.125),
            v_th=torch.tensor(0.25),
            v_reset=torch.tensor(-0.125),
        )

    def forward(self, x: Any, v: Any = None) -> Any:
        v = torch.zeros_like(x) + self.p.v_leak if v is None else v
        v = v + self.dt * self.p.tau_mem_inv * (self.p.v_leak - v + x)
        s = (v > self.p.v_th).to(x.dtype)
        return s, (1 - s) * v + s * self.p.v_reset


class LIFSqueeze(nn.Module):
    """Sinabs: v = exp(-1/tau) v + x, any number of spikes, subtract, not below min_v_mem."""

    def __init__(self) -> None:
        super().__init__()
        self.tau_mem, self.tau_syn = torch.tensor(4.0), None
        self.spike_threshold, self.min_v_mem = torch.tensor(0.5), torch.tensor(-0.25)
        self.norm_input, self.train_alphas, self.v = False, False, None
        self.spike_fn = type("MultiSpike", (), {})
        self.reset_fn = SimpleNamespace(subtract_value=None)

    def forward(self, x: Any) -> Any:
        v = torch.zeros_like(x) if self.v is None else self.v
        v = torch.exp(-1 / self.tau_mem) * v + x
        n = torch.where(v > 0, torch.floor(v / self.spike_threshold), torch.zeros_like(v))
        self.v = torch.clamp(v - n * self.spike_threshold, min=self.min_v_mem)
        return n


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
        lambda: Leaky(0, reset_delay=False),
        lambda: Leaky(1, reset_delay=False),
        LIFNode,
        lambda: LIFNode(None),
        lambda: LIFNode(-0.25, decay_input=False),
        LIFBoxCell,
        LIFSqueeze,
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
    with pytest.raises(UnsupportedError, match=r"Layer '1': a Softmax has no form on a chip"):
        from_torch(nn.Sequential(nn.Linear(3, 4), nn.Softmax(-1)), torch.rand(1, 3))
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
