"""Stand-ins of the frameworks' classes: the same names and attributes, each with its own forward.

They step as the documentation of the real ones says.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

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


class LIFTorch(nn.Module):
    """Rockpool: i = beta (i + x + s w_rec), v = alpha v + i + bias, n = floor(v / threshold)."""

    def __init__(self, w_rec: Any = None) -> None:
        super().__init__()
        self.dt, self.n_synapses, self.noise_std = 1e-3, 1, 0.0
        self.alpha, self.beta = torch.tensor(0.75), torch.tensor([[0.5]])
        self.bias, self.threshold = torch.tensor(0.0625), torch.tensor(0.75)
        self.max_spikes_per_dt = torch.tensor(3.0)
        self.w_rec = torch.zeros(1, 1) if w_rec is None else w_rec
        self.v: Any = None

    def forward(self, x: Any) -> Any:
        i, v, s = (torch.zeros_like(x),) * 3 if self.v is None else self.v
        back = s @ self.w_rec if self.w_rec.any() else 0.0
        i = self.beta[0] * (i + x + back)
        v = self.alpha * v + i + self.bias
        s = torch.clamp(torch.floor(v / self.threshold) * (v >= self.threshold), max=3)
        self.v = (i, v - s * self.threshold, s)
        return s


class LinearTorch(nn.Module):
    """Rockpool: weights (inputs, outputs)."""

    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.randn(n_in, n_out)), None

    def forward(self, x: Any) -> Any:
        return x @ self.weight


class Lapicque(Leaky):
    """snnTorch: an RC circuit, mem = (1 - dt / RC) mem + dt / C x."""

    def __init__(self) -> None:
        super().__init__()
        self.R, self.C, self.time_step = torch.tensor(4.0), torch.tensor(0.5), torch.tensor(0.25)
        self.beta = torch.tensor(0.875)

    def forward(self, x: Any, mem: Any = None) -> Any:
        return super().forward(0.5 * x, mem)
