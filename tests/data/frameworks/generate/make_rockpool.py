"""Train, record, export small Rockpool networks: ``python make_rockpool.py OUTPUT [NAME ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import torch
from common import Case, watch, write_cases
from rockpool.nn.combinators import Sequential
from rockpool.nn.modules.torch import ExpSynTorch, LIFNeuronTorch, LIFTorch, LinearTorch
from rockpool.nn.modules.torch.nir import to_nir
from rockpool.parameters import Constant
from torch import nn

CALL = "rockpool.nn.modules.torch.nir.to_nir(net)"
DT = 1e-3
WINDOW = 3.0  # of the surrogate gradient; with the default 0.5 silent neurons stay silent
FIXED = {
    "tau_mem": Constant(10e-3),
    "tau_syn": Constant(4e-3),
    "bias": Constant(0.0),
    "threshold": Constant(1.0),
}
Neurons = Callable[[Any, bool], nn.Module]


def trainable(net: Any) -> list[torch.Tensor]:
    """Weights and biases; trained time constants of a few ms soon become negative."""
    return [*net.parameters("weights").astorch(), *net.parameters("bias").astorch()]


def run(net: Any, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run all ticks at once."""
    net.reset_state()
    names = [name for name, part in net.named_children() if not isinstance(part, LinearTorch)]
    return {name: values[0] for name, values in watch(net, names, lambda: net(x)).items()}


def parameter(net: nn.Module, name: str, key: str, form: str = "x") -> Any:
    """Refer to a tensor of the state_dict, or give the values if it is not in there."""
    if f"{name}.{key}" in net.state_dict():
        return {"key": f"{name}.{key}", "form": form}
    value = torch.as_tensor(getattr(net.get_submodule(name), key)).detach()
    return {"value": value.tolist(), "form": form}


def describe_neuron(net: nn.Module, name: str, layer: Any) -> dict[str, Any]:
    """Equation of one Rockpool layer."""
    form = "exp(-dt/x)"
    found: dict[str, Any] = {
        "name": name,
        "kind": "neuron",
        "class": f"rockpool.nn.modules.{type(layer).__name__}",
        "dt": layer.dt,
        "constant": 0.0,
    }
    if isinstance(layer, ExpSynTorch):
        return found | {
            "decay": parameter(net, name, "tau", form),
            "gain": "decay",
            "reset": "none",
            "output": "membrane",
        }
    found |= {
        "decay": parameter(net, name, "tau_mem", form),
        "gain": 1.0,
        "constant": parameter(net, name, "bias"),
        "threshold": parameter(net, name, "threshold"),
        "compare": ">=",
        "reset": "soft",
        "reset_timing": "same_step",
        "max_spikes": int(layer.max_spikes_per_dt),
        "v_start": 0.0,
    }
    if isinstance(layer, LIFTorch):
        if layer.leak_mode == "decays":
            found |= {
                "decay": parameter(net, name, "alpha"),
                "syn_decay": parameter(net, name, "beta"),
            }
        else:
            found["syn_decay"] = parameter(net, name, "tau_syn", form)
        found |= {"syn_update": "add_then_decay", "n_synapses": layer.n_synapses}
        if f"{name}.w_rec" in net.state_dict():
            found["recurrent"] = {"weight_in_out": f"{name}.w_rec"}
    return found


def layers(net: nn.Module) -> list[dict[str, Any]]:
    """Describe all layers of a sequence; dense weights are stored (inputs, outputs)."""
    found = []
    for name, part in net.named_children():
        if isinstance(part, LinearTorch):
            keys = {"weight_in_out": f"{name}.weight"}
            if part.bias is not None:
                keys["bias"] = f"{name}.bias"
            found.append({"name": name, "kind": "linear", "keys": keys})
        else:
            found.append(describe_neuron(net, name, part))
    return found


def export(net: Any, _sample: torch.Tensor) -> nir.NIRGraph:
    """Export as the documentation does, without sample data."""
    net.reset_state()
    return to_nir(net)


def reading(**more: Any) -> dict[str, Any]:
    """Reading of Rockpool's NIR files."""
    return {
        "dt": DT,
        "decay": "exp",
        "gain": "unit",
        "syn_decay": "exp",
        "syn_gain": "unit",
        "syn_update": "add_then_decay",
        "reset": "soft",
        "reset_timing": "same_step",
        "compare": ">=",
        "v_start": "zero",
        "max_spikes": 65536,
    } | more


LOST = ["time step (1e-3, only in r)", "reset", "max_spikes_per_dt", "bias of the neurons"]


def dense(
    name: str,
    words: str,
    neurons: Neurons,
    read: dict[str, Any],
    factor: float = 0.5,
    has_bias: bool = False,
    n_synapses: int = 1,
    **case: Any,
) -> Callable[[], Case]:
    """64 - 32 - 10; ``neurons(n, is_last)`` makes a layer."""

    def build() -> Case:
        net = Sequential(
            LinearTorch((64, 32 * n_synapses), has_bias=has_bias),
            neurons(32, False),
            LinearTorch((32, 10), has_bias=has_bias),
            neurons(10, True),
        )
        with torch.no_grad():
            for part in net.children():
                if isinstance(part, LinearTorch):
                    part.weight.mul_(factor)
        text = f"64 - 32 - 10 dense, {words}"
        return Case(
            name,
            net,
            run,
            layers,
            export,
            CALL,
            read,
            text,
            trainable=trainable,
            **{"lost": LOST, "code": "rate", "n_ticks": 12} | case,
        )

    return build


def lif(**options: Any) -> Neurons:
    """LIFTorch layers; parameters are in the state_dict unless declared constant."""
    return lambda n, _last: LIFTorch(n, dt=DT, learning_window=WINDOW, **options)


def lif_vector(n: int, _last: bool) -> nn.Module:
    """LIFTorch with its own constants in every neuron."""
    return LIFTorch(
        n,
        dt=DT,
        learning_window=WINDOW,
        tau_mem=Constant(torch.linspace(4e-3, 20e-3, n)),
        tau_syn=Constant(torch.linspace(2e-3, 6e-3, n)[:, None]),
        threshold=Constant(torch.linspace(0.8, 1.2, n)),
        bias=Constant(0.0),
    )


def lif_recurrent(n: int, last: bool) -> nn.Module:
    """Recurrent hidden layer with small weights at the start."""
    layer = LIFTorch(
        n,
        dt=DT,
        has_rec=not last,
        learning_window=WINDOW,
        tau_mem=Constant(10e-3),
        tau_syn=Constant(4e-3),
        bias=Constant(0.0),
    )
    if not last:
        with torch.no_grad():
            layer.w_rec.mul_(0.1)
    return layer


def neuron_only(n: int, _last: bool) -> nn.Module:
    """LIF without synaptic state."""
    return LIFNeuronTorch(
        n,
        dt=DT,
        learning_window=WINDOW,
        tau_mem=Constant(8e-3),
        threshold=Constant(1.0),
        bias=Constant(0.0),
    )


def exp_syn(n: int, last: bool) -> nn.Module:
    """LIFTorch hidden layer, exponential synapses as output."""
    if last:
        return ExpSynTorch(n, dt=DT, tau=Constant(10e-3))
    return lif(**FIXED)(n, last)


def two_synapses(n: int, last: bool) -> nn.Module:
    """Hidden neurons with two synapses of different speed each."""
    if last:
        return lif(**FIXED)(n, last)
    tau_syn = torch.tensor([[2e-3, 8e-3]]).repeat(n, 1)
    return lif(tau_mem=Constant(10e-3), tau_syn=Constant(tau_syn))((2 * n, n), last)


BUILDERS: dict[str, Callable[[], Case]] = {
    "lif_default": dense(
        "lif_default",
        "LIFTorch, defaults (20 ms, 20 ms, all parameters in the state_dict)",
        lif(),
        reading(),
        factor=0.25,
        variants=("safetensors",),
        notes=["the file misses the trained bias of the neurons: no reading reproduces the spikes"],
    ),
    "lif_constant": dense(
        "lif_constant",
        "LIFTorch, scalar constants 10 ms and 4 ms, nothing but weights trained",
        lif(**FIXED),
        reading(),
        as_written=True,
    ),
    "lif_vector": dense(
        "lif_vector",
        "LIFTorch, own constants in every neuron",
        lif_vector,
        reading(),
    ),
    "lif_linear_bias": dense(
        "lif_linear_bias",
        "LIFTorch with fixed constants, LinearTorch with bias",
        lif(**FIXED),
        reading(),
        has_bias=True,
        variants=("wrapped",),
    ),
    "lif_single": dense(
        "lif_single",
        "LIFTorch with fixed constants, at most one spike per tick",
        lif(**FIXED, max_spikes_per_dt=1),
        reading(max_spikes=1),
    ),
    "lif_decays": dense(
        "lif_decays",
        "LIFTorch, leak_mode 'decays', alpha and beta 0.5 in the state_dict",
        lif(leak_mode="decays", bias=Constant(0.0)),
        reading(),
    ),
    "lif_recurrent": dense(
        "lif_recurrent",
        "hidden LIFTorch with recurrent weights",
        lif_recurrent,
        reading(),
        lost=[*LOST, "recurrent weights"],
        notes=["the file misses the recurrent weights: no reading reproduces the spikes"],
    ),
    "lif_neuron": dense(
        "lif_neuron",
        "LIFNeuronTorch (no synaptic state)",
        neuron_only,
        reading(),
        factor=1.0,
    ),
    "exp_syn": dense(
        "exp_syn",
        "hidden LIFTorch, ExpSynTorch output (analog values)",
        exp_syn,
        reading(li_gain="decay"),
    ),
    "two_synapses": dense(
        "two_synapses",
        "hidden LIFTorch with two synapses per neuron",
        two_synapses,
        reading(),
        n_synapses=2,
    ),
}


if __name__ == "__main__":
    write_cases(BUILDERS, Path(sys.argv[1]), "rockpool", sys.argv[2:])
