"""Train, record and export small Sinabs networks: ``python make_sinabs.py OUTPUT [NAME ...]``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import sinabs.layers as sl
import torch
from common import Case, number_or_list, scale_weights, structural, watch, write_cases
from sinabs.activation import (
    MaxSpike,
    MembraneReset,
    MembraneSubtract,
    MultiSpike,
    SingleSpike,
)
from sinabs.nir import to_nir
from torch import nn

N_TICKS = 8
CALL = "sinabs.nir.to_nir(net, sample)"
Neurons = Callable[[int, bool], sl.StatefulLayer]


def neuron_names(net: nn.Module) -> list[str]:
    """Names of the neuron layers in order."""
    return [name for name, part in net.named_modules() if isinstance(part, sl.StatefulLayer)]


def reset(net: nn.Module) -> None:
    """Zero all states (``sinabs.reset_states`` leaves recurrent layers as they are)."""
    for part in net.modules():
        if isinstance(part, sl.StatefulLayer):
            part.reset_states()


def run(net: nn.Module, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Run all ticks at once; layers called ``...Squeeze`` take samples and ticks as one axis."""
    reset(net)
    squeezed = any(isinstance(part, sl.SqueezeMixin) for part in net.modules())
    names = neuron_names(net)
    seen = watch(net, names, lambda: net(x.flatten(0, 1) if squeezed else x))
    return {
        name: values[0].reshape(*x.shape[:2], *values[0].shape[1 if squeezed else 2 :])
        for name, values in seen.items()
    }


def spike_limit(function: Any) -> int | None:
    """Most spikes per tick; None without limit."""
    if function is MultiSpike:
        return None
    return function.max_num_spikes_per_bin if isinstance(function, MaxSpike) else 1


def describe_reset(function: Any) -> dict[str, Any]:
    """Describe a reset function."""
    if isinstance(function, MembraneReset):
        found: dict[str, Any] = {"reset": "hard", "reset_value": function.reset_value}
        if function.reset_value:
            found["note"] = "V = U (s == 0) + reset_value: the value is added to all neurons"
        return found
    subtract = function.subtract_value if isinstance(function, MembraneSubtract) else None
    return {"reset": "soft", "subtract": subtract}


def describe_neuron(name: str, layer: sl.LIF) -> dict[str, Any]:
    """Equation of one Sinabs layer."""
    decay: Any = {"key": f"{name}.tau_mem", "form": "exp(-1/x)"}
    if layer.train_alphas:
        decay = {"key": f"{name}.alpha_mem", "form": "x"}
    if isinstance(layer, sl.IAF):
        decay = 1.0
    found: dict[str, Any] = {
        "name": name,
        "kind": "neuron",
        "class": f"sinabs.layers.{type(layer).__name__}",
        "decay": decay,
        "gain": "1-decay" if layer.norm_input else 1.0,
        "constant": 0.0,
        "compare": ">=",
        "v_start": 0.0,
        "v_min": None if layer.min_v_mem is None else number_or_list(layer.min_v_mem),
    }
    if layer.spike_fn is None:
        return found | {"reset": "none", "output": "membrane"}
    found |= {
        "threshold": {"key": f"{name}.spike_threshold", "form": "x"},
        "reset_timing": "same_step",
        "max_spikes": spike_limit(layer.spike_fn),
    } | describe_reset(layer.reset_fn)
    if layer.alpha_syn_calculated is not None:
        found |= {
            "syn_decay": {"key": f"{name}.tau_syn", "form": "exp(-1/x)"},
            "syn_update": "add_then_decay",
        }
    if isinstance(layer, sl.LIFRecurrent):
        inner = f"{name}.rec_connect"
        found["recurrent"] = {
            "weight": f"{inner}.weight",
            "bias": f"{inner}.bias",
            "note": "nothing arrives in the first tick, not even the bias",
        }
    return found


def layers(net: nn.Module) -> list[dict[str, Any]]:
    """Describe all layers of a sequence."""
    found = []
    for name, part in net.named_children():
        if isinstance(part, sl.SumPool2d):
            found.append(
                {
                    "name": name,
                    "kind": "sum_pool",
                    "kernel": part.kernel_size,
                    "stride": part.stride,
                }
            )
        else:
            found.append(structural(name, part) or describe_neuron(name, part))
    return found


def export(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export with the ticks of one sample on the first axis."""
    reset(net)
    return to_nir(net, sample)


def export_batch(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export a network of layers with separate axes for samples and ticks."""
    reset(net)
    return to_nir(net, sample[None])


def export_inferred(net: nn.Module, sample: torch.Tensor) -> nir.NIRGraph:
    """Export and let nir infer the shapes, which convolutions need."""
    reset(net)
    graph = to_nir(net, sample)
    graph.infer_types()
    return graph


def reading(**more: Any) -> dict[str, Any]:
    """Reading of Sinabs' NIR files with the library's defaults."""
    return {
        "dt": 1.0,
        "decay": "exp",
        "gain": "one_minus_decay",
        "reset": "soft",
        "reset_timing": "same_step",
        "compare": ">=",
        "v_start": "zero",
        "max_spikes": None,
    } | more


LOST = [
    "norm_input",
    "spike function",
    "reset function",
    "min_v_mem",
    "tau_syn",
    "unit of tau (steps)",
]


def dense(
    name: str, words: str, neurons: Neurons, read: dict[str, Any], factor: float = 2.0, **case: Any
) -> Callable[[], Case]:
    """64 - 32 - 10; ``neurons(n, is_last)`` makes a layer."""

    def build() -> Case:
        net = nn.Sequential(
            nn.Linear(64, 32), neurons(32, False), nn.Linear(32, 10), neurons(10, True)
        )
        squeezed = any(isinstance(part, sl.SqueezeMixin) for part in net.modules())
        exporter = export if squeezed else export_batch
        text = f"64 - 32 - 10 dense, {words}"
        return Case(
            name,
            scale_weights(net, factor),
            run,
            layers,
            exporter,
            CALL,
            read,
            text,
            n_ticks=N_TICKS,
            **{"lost": LOST} | case,
        )

    return build


def without_tau_syn(net: nn.Module) -> list[torch.Tensor]:
    """All parameters but the synaptic time constants, which then keep the value in the reading."""
    return [value for name, value in net.named_parameters() if not name.endswith("tau_syn")]


def lif(tau: float = 10.0, squeeze: bool = True, **options: Any) -> Neurons:
    """LIF layers with scalar parameters."""
    if squeeze:
        return lambda _n, _last: sl.LIFSqueeze(num_timesteps=N_TICKS, tau_mem=tau, **options)
    return lambda _n, _last: sl.LIF(tau_mem=tau, **options)


def lif_vector(n: int, _last: bool) -> sl.StatefulLayer:
    """LIF with its own time constant and threshold in every neuron."""
    return sl.LIFSqueeze(
        num_timesteps=N_TICKS,
        tau_mem=torch.linspace(2.0, 12.0, n),
        spike_threshold=torch.linspace(0.7, 1.1, n),
        norm_input=False,
    )


def iaf(_n: int, _last: bool) -> sl.StatefulLayer:
    """IAF with the membrane clipped at -1, as networks converted from ANNs use it."""
    return sl.IAFSqueeze(num_timesteps=N_TICKS, min_v_mem=-1.0)


def readout(_n: int, last: bool) -> sl.StatefulLayer:
    """LIF hidden layer, exponential leak as output."""
    if last:
        return sl.ExpLeakSqueeze(num_timesteps=N_TICKS, tau_mem=6.0)
    return sl.LIFSqueeze(num_timesteps=N_TICKS, tau_mem=8.0, norm_input=False)


def recurrent(n: int, last: bool) -> sl.StatefulLayer:
    """Recurrent hidden layer, which the exporter refuses."""
    if last:
        return sl.LIF(tau_mem=8.0, norm_input=False)
    return sl.LIFRecurrent(tau_mem=8.0, rec_connect=nn.Linear(n, n), norm_input=False)


def conv(name: str, pool: Callable[[], nn.Module], words: str) -> Callable[[], Case]:
    """Two convolutions with a pool in between, then dense; IAF neurons."""

    def build() -> Case:
        net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False),
            iaf(0, False),
            pool(),
            nn.Conv2d(4, 8, 3, stride=2, padding=1),
            iaf(0, False),
            nn.Flatten(),
            nn.Linear(32, 10),
            iaf(0, True),
        )
        call = "sinabs.nir.to_nir(net, sample), then graph.infer_types()"
        read = reading(decay="none", gain="unit", v_min=-1.0)
        return Case(
            name,
            scale_weights(net, 1.5),
            run,
            layers,
            export_inferred,
            call,
            read,
            words,
            image=(1, 8, 8),
            n_ticks=N_TICKS,
            lost=LOST,
        )

    return build


SINGLE = {"gain": "unit", "max_spikes": 1}
BUILDERS: dict[str, Callable[[], Case]] = {
    "lif_default": dense(
        "lif_default",
        "LIFSqueeze, defaults: MultiSpike, MembraneSubtract, norm_input; tau 10",
        lif(),
        reading(),
        factor=6.0,
        variants=("safetensors", "module"),
        as_written=True,
    ),
    "lif_no_norm": dense(
        "lif_no_norm",
        "LIFSqueeze, norm_input=False, tau 5",
        lif(5.0, norm_input=False),
        reading(gain="unit"),
        code="rate",
    ),
    "lif_plain": dense(
        "lif_plain",
        "LIF (separate time axis), norm_input=False, tau 5",
        lif(5.0, squeeze=False, norm_input=False),
        reading(gain="unit"),
        notes=["Input and Output shapes in the file include the time axis"],
    ),
    "lif_vector": dense(
        "lif_vector",
        "LIFSqueeze, own tau and threshold in every neuron, norm_input=False",
        lif_vector,
        reading(gain="unit"),
        variants=("wrapped",),
    ),
    "lif_single_reset": dense(
        "lif_single_reset",
        "LIFSqueeze, SingleSpike, MembraneReset(0), norm_input=False, tau 6",
        lif(6.0, norm_input=False, spike_fn=SingleSpike, reset_fn=MembraneReset()),
        reading(reset="hard", **SINGLE),
    ),
    "lif_single_subtract": dense(
        "lif_single_subtract",
        "LIFSqueeze, SingleSpike, MembraneSubtract, norm_input=False",
        lif(6.0, norm_input=False, spike_fn=SingleSpike),
        reading(**SINGLE),
    ),
    "lif_reset_value": dense(
        "lif_reset_value",
        "LIFSqueeze, SingleSpike, MembraneReset(-0.1), norm_input=False",
        lif(6.0, norm_input=False, spike_fn=SingleSpike, reset_fn=MembraneReset(-0.1)),
        reading(reset="hard", reset_add_all=-0.1, **SINGLE),
        notes=[
            "the reset value is added to every neuron in every tick, spike or not: an every-"
            "step constant of -0.1, scaled by the decay, on top of a reset to zero"
        ],
    ),
    "lif_subtract_value": dense(
        "lif_subtract_value",
        "LIFSqueeze, MultiSpike, MembraneSubtract(0.8), min_v_mem -0.5",
        lif(6.0, norm_input=False, reset_fn=MembraneSubtract(0.8), min_v_mem=-0.5),
        reading(gain="unit", subtract=0.8, v_min=-0.5),
    ),
    "lif_max_spike": dense(
        "lif_max_spike",
        "LIFSqueeze, at most 2 spikes per tick, norm_input=False",
        lif(6.0, norm_input=False, spike_fn=MaxSpike(2)),
        reading(gain="unit", max_spikes=2),
        factor=4.0,
    ),
    "lif_synapse": dense(
        "lif_synapse",
        "LIFSqueeze with tau_syn 3, tau_mem 6, norm_input=False",
        lif(6.0, norm_input=False, tau_syn=3.0),
        reading(
            gain="unit", tau_syn=3.0, syn_decay="exp", syn_gain="unit", syn_update="add_then_decay"
        ),
        trainable=without_tau_syn,
        notes=["the file holds a LIF node without synaptic time constant"],
    ),
    "lif_alphas": dense(
        "lif_alphas",
        "LIFSqueeze, train_alphas=True",
        lif(6.0, train_alphas=True),
        reading(),
        factor=6.0,
    ),
    "iaf": dense(
        "iaf",
        "IAFSqueeze, min_v_mem -1",
        iaf,
        reading(decay="none", gain="unit", v_min=-1.0),
        code="rate",
    ),
    "exp_leak": dense(
        "exp_leak",
        "LIFSqueeze (norm_input=False) hidden, ExpLeakSqueeze output (membrane)",
        readout,
        reading(gain="unit"),
    ),
    "lif_recurrent": dense(
        "lif_recurrent",
        "LIFRecurrent hidden layer",
        recurrent,
        reading(gain="unit"),
        factor=1.5,
    ),
    "conv_sumpool": conv(
        "conv_sumpool",
        lambda: sl.SumPool2d(2),
        "conv 1-4 without bias, sum pool 2, conv 4-8 stride 2, flatten, dense 32 - 10, IAF",
    ),
    "conv_avgpool": conv(
        "conv_avgpool",
        lambda: nn.AvgPool2d(2),
        "as conv_sumpool with an average pool",
    ),
}


if __name__ == "__main__":
    write_cases(BUILDERS, Path(sys.argv[1]), "sinabs", sys.argv[2:])
